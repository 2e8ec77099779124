//! The table of features: which there are, in the order of their columns, with unit, range and
//! formula.

use crate::customer::formulas::Formula::{self, AtInstant, OfProfile, Settled, Share};
use crate::customer::formulas::flag;
use crate::customer::summary::Layout;
use crate::event::unlisted::List;
use crate::settings::InputSettings;
use FeatureGroup::{One, Shares};
use std::ops::Range;

/// A part of the table.
pub(super) enum FeatureGroup {
    /// One feature: name, formula, documentation.
    One(&'static str, Formula, &'static str),
    /// A share for every value of a list.
    Shares(List),
}

/// The features in the order of their columns. Each is 0 where there is no purchase, unless its
/// documentation says otherwise.
pub(super) const TABLE: &[FeatureGroup] = &[
    One(
        "recency",
        AtInstant(|m| m.recency),
        "Days since the last purchase, or since signup where there is none, or 0 without a \
         profile; >= 0.",
    ),
    One("frequency", Settled(|s| s.purchases), "Number of purchases; >= 0."),
    One("total_transactions", Settled(|s| s.purchases), "Number of purchases; >= 0."),
    One("monetary", Settled(|s| s.monetary()), "Sum of the amounts, in currency units; >= 0."),
    One(
        "avg_transaction_value",
        Settled(|s| s.per_purchase(s.monetary())),
        "Mean amount, in currency units; >= 0.",
    ),
    One(
        "monetary_std",
        Settled(|s| s.monetary_std()),
        "Sample standard deviation of the amounts, in currency units; 0 below two purchases; >= 0.",
    ),
    One(
        "monetary_min",
        Settled(|s| s.units(s.state.summary.least)),
        "Least amount, in currency units; >= 0.",
    ),
    One(
        "monetary_max",
        Settled(|s| s.units(s.state.summary.greatest)),
        "Greatest amount, in currency units; >= 0.",
    ),
    One(
        "days_since_signup",
        AtInstant(|m| m.days_since_signup),
        "Days since the signup date; 0 before it, or while it is unknown; >= 0.",
    ),
    One(
        "customer_lifetime_days",
        Settled(|s| s.lifetime_days()),
        "Days from the first purchase to the last; >= 0.",
    ),
    One(
        "avg_days_between_purchases",
        Settled(|s| s.days_between_purchases()),
        "Mean days from one purchase to the next; 0 below two purchases; >= 0.",
    ),
    One(
        "weekend_shopper_pct",
        Share(Layout::WEEKEND),
        "Share of the purchases on a Saturday or Sunday (UTC); 0 to 1.",
    ),
    One(
        "holiday_shopper_pct",
        Share(Layout::HOLIDAY),
        "Share of the purchases in the holiday months (UTC); 0 to 1.",
    ),
    Shares(List::Categories),
    One(
        "category_diversity",
        Settled(|s| s.entropy(s.rules.layout.categories())),
        "Shannon entropy over the categories and `other`, in nats; >= 0.",
    ),
    One(
        "device_diversity",
        Settled(|s| s.entropy(s.rules.layout.devices())),
        "Shannon entropy over the devices and `other`, in nats; >= 0.",
    ),
    One(
        "payment_diversity",
        Settled(|s| s.entropy(s.rules.layout.payments())),
        "Shannon entropy over the payment methods and `other`, in nats; >= 0.",
    ),
    Shares(List::Devices),
    Shares(List::Payments),
    One(
        "discount_usage_rate",
        Share(Layout::DISCOUNT),
        "Share of the purchases with a discount; 0 to 1.",
    ),
    One(
        "email_open_rate",
        OfProfile(|s| s.of_profile(|p| p.email_open_rate)),
        "Share of mails opened, by the profile; 0 without one; 0 to 1.",
    ),
    One(
        "complaint_count",
        OfProfile(|s| s.of_profile(|p| p.complaint_count)),
        "Complaints, by the profile; 0 without one; >= 0.",
    ),
    One(
        "is_premium_member",
        OfProfile(|s| s.of_profile(|p| flag(p.premium))),
        "1 for a premium member, by the profile; 0 without one.",
    ),
    One(
        "avg_discount_pct",
        OfProfile(|s| s.avg_discount()),
        "Share of purchases with a discount, by the profile; 0 without one; 0 to 1.",
    ),
    One(
        "discount_sensitivity",
        OfProfile(|s| s.discount_sensitivity()),
        "avg_discount_pct x (1 - exp(-frequency/10)); 0 to 1.",
    ),
    One(
        "is_high_value",
        AtInstant(|m| m.is_high_value()),
        "1 from the high-value total on; 0 while there is none.",
    ),
    One(
        "is_at_risk",
        AtInstant(|m| m.is_at_risk()),
        "1 for a customer with a purchase and a recency from the at-risk limit on.",
    ),
    One(
        "is_frequent_buyer",
        Settled(|s| s.is_frequent_buyer()),
        "1 from the configured number of purchases on.",
    ),
    One(
        "is_recent_active",
        AtInstant(|m| m.is_recent_active()),
        "1 for a customer with a purchase and a recency up to the recently-active limit.",
    ),
    One(
        "clv_score",
        AtInstant(|m| m.clv_score()),
        "monetary x frequency / (recency + 1), in currency units a day; >= 0.",
    ),
];

impl List {
    /// What a value of it is called, its values, and where their counts lie (`other` after the
    /// last).
    pub(super) fn of<'i>(
        self,
        input: &'i InputSettings,
        layout: &Layout,
    ) -> (&'static str, &'i [String], Range<usize>) {
        match self {
            List::Categories => ("category", &input.categories, layout.categories()),
            List::Devices => ("device", &input.devices, layout.devices()),
            List::Payments => ("payment method", &input.payments, layout.payments()),
        }
    }
}
