//! The fields that mean something, by topic, and what they are called in a source.

use super::Topic;
use super::composed;

/// A field that means something in at least one topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Op,
    CustomerId,
    Timestamp,
    TransactionId,
    Amount,
    Category,
    Device,
    PaymentMethod,
    DiscountUsed,
    SignupDate,
    EmailOpenRate,
    PremiumMember,
    ComplaintCount,
    AverageDiscount,
    Age,
    LastLoginDays,
    InteractionId,
    Action,
    CampaignName,
    Reward,
    Propensity,
    Features,
    TemplateId,
    DecisionId,
    RewardId,
    Exclude,
    Decided,
}

pub(super) const FIELDS: usize = Field::Decided as usize + 1;

impl Field {
    /// The name in the specification.
    pub(super) fn name(self) -> &'static str {
        match self {
            Field::Op => "op",
            Field::CustomerId => "customer_id",
            Field::Timestamp => "timestamp",
            Field::TransactionId => "transaction_id",
            Field::Amount => "amount",
            Field::Category => "category",
            Field::Device => "device",
            Field::PaymentMethod => "payment_method",
            Field::DiscountUsed => "discount_used",
            Field::SignupDate => "signup_date",
            Field::EmailOpenRate => "email_open_rate",
            Field::PremiumMember => "is_premium_member",
            Field::ComplaintCount => "complaint_count",
            Field::AverageDiscount => "avg_discount_used",
            Field::Age => "age",
            Field::LastLoginDays => "last_login_days",
            Field::InteractionId => "interaction_id",
            Field::Action => "action",
            Field::CampaignName => "campaign_name",
            Field::Reward => "reward",
            Field::Propensity => "propensity",
            Field::Features => "features",
            Field::TemplateId => "template_id",
            Field::DecisionId => "decision_id",
            Field::RewardId => "reward_id",
            Field::Exclude => "exclude",
            Field::Decided => "decided",
        }
    }

    /// The fields that a topic reads; all others in its records are ignored.
    pub(super) fn of(topic: Topic) -> &'static [Field] {
        use Field::*;
        match topic {
            Topic::Transactions => &[
                Op,
                CustomerId,
                Timestamp,
                TransactionId,
                Amount,
                Category,
                Device,
                PaymentMethod,
                DiscountUsed,
            ],
            Topic::Customers => &[
                Op,
                CustomerId,
                Timestamp,
                SignupDate,
                EmailOpenRate,
                PremiumMember,
                ComplaintCount,
                AverageDiscount,
                Age,
                LastLoginDays,
            ],
            Topic::Interactions => &[
                Op,
                CustomerId,
                Timestamp,
                InteractionId,
                Action,
                CampaignName,
                Reward,
                Propensity,
                Features,
                TemplateId,
                DecisionId,
            ],
            Topic::Rewards => &[Op, CustomerId, Timestamp, InteractionId, Reward, RewardId],
            Topic::Requests => &[Op, CustomerId, Timestamp, DecisionId, Exclude, Features, Decided],
        }
    }
}

/// Names of the fields that a topic reads: those for which an alias has an effect.
pub fn field_names(topic: Topic) -> impl Iterator<Item = &'static str> {
    Field::of(topic).iter().map(|field| field.name())
}

/// The optional fields that nothing depends on: where one cannot be read it is left out, and
/// counted. Of the `features` only where they are not used.
pub const IGNORABLE: [(Topic, &str); 6] = [
    (Topic::Customers, "age"),
    (Topic::Customers, "last_login_days"),
    (Topic::Interactions, "features"),
    (Topic::Interactions, "template_id"),
    (Topic::Interactions, "decision_id"),
    (Topic::Requests, "features"),
];

/// What a field is called in the source, under these aliases.
pub(super) fn name_in_source(
    topic: Topic,
    field: Field,
    aliases: &[(Topic, String, String)],
) -> &str {
    let alias = aliases.iter().find(|(of, here, _)| *of == topic && here == field.name());
    alias.map_or(field.name(), |(_, _, there)| there)
}

/// What is wrong with a field's name in the source, where it is made of several.
pub fn alias_fault(topic: Topic, here: &str, there: &str) -> Option<String> {
    composed::fault_of(topic, here, there)
}
