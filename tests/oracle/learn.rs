//! Contexts, rewards, and the exact sums of every arm's model.

use super::read::Contact;
use super::settle::Settled;
use super::{Config, DAY, Transform, features, thresholds};
use std::collections::BTreeMap;

/// What a model is made of: sums over an arm's interactions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sums {
    /// Interactions.
    pub(crate) n: u64,
    /// Sum of x x' without the ridge: upper triangle, row by row, in multiples of 2^-24.
    pub(crate) a: Vec<i128>,
    /// Sum of r x, in multiples of 2^-28.
    pub(crate) b: Vec<i128>,
}

/// The sums of every arm, over all settled interactions: "a bounded run closes all windows at its
/// end".
pub(crate) fn sums(settled: &Settled, config: &Config) -> Vec<Sums> {
    let d = config.context.len();
    let mut arms =
        vec![Sums { n: 0, a: vec![0; d * (d + 1) / 2], b: vec![0; d] }; config.arms.len()];
    for ((customer, id), contact) in &settled.interactions {
        let x = context(*customer, contact, settled, config);
        let r = reward(*customer, id, contact, settled, config);
        let arm = &mut arms[contact.arm];
        arm.n += 1;
        let mut entry = 0;
        for i in 0..d {
            for j in i..d {
                arm.a[entry] += x[i] * x[j];
                entry += 1;
            }
            arm.b[i] += r * x[i];
        }
    }
    arms
}

/// The context of an interaction in multiples of 2^-12: the features of its customer as of its
/// instant (a purchase at the same instant counts), with the threshold of its own day.
pub(crate) fn context(
    customer: i64,
    contact: &Contact,
    settled: &Settled,
    config: &Config,
) -> Vec<i128> {
    if let (true, Some(own)) = (config.own_features, &contact.features) {
        return own.clone();
    }
    let threshold = thresholds::of_day(contact.timestamp.div_euclid(DAY), settled, config);
    let names = features::names(config);
    let values = features::as_of(customer, contact.timestamp, threshold, settled, config);
    let value_of = |name: &String| match names.iter().position(|n| n == name) {
        Some(index) => values[index],
        None if name == "intercept" => 1.0,
        None => panic!("the context names {name}, which is no feature"),
    };
    config
        .context
        .iter()
        .map(|(name, transform)| to_q12(transformed(value_of(name), *transform)))
        .collect()
}

/// "identity; v/scale; min(v,cap)/cap; ln(1+v)/scale."
fn transformed(v: f64, transform: Transform) -> f64 {
    match transform {
        Transform::Identity => v,
        Transform::Scale(scale) => v / scale,
        Transform::Cap(cap) => v.min(cap) / cap,
        Transform::Log(scale) => libm::log1p(v) / scale,
    }
}

/// "Clipped to [-8, 8 - 2^-12] and rounded to the nearest multiple of 2^-12, ties to even."
pub(crate) fn to_q12(v: f64) -> i128 {
    (v.clamp(-8.0, 8.0 - 1.0 / 4096.0) * 4096.0).round_ties_even() as i128
}

/// The reward of an interaction in multiples of 2^-16.
pub(crate) fn reward(
    customer: i64,
    id: &str,
    contact: &Contact,
    settled: &Settled,
    config: &Config,
) -> i128 {
    // "Joined when t <= its timestamp < t + attribution window, whichever record comes first."
    let window = contact.timestamp..contact.timestamp + config.attribution_window;
    let joined: Vec<i128> = settled
        .rewards
        .iter()
        .filter(|((owner, _), reward)| {
            *owner == customer && reward.interaction == id && window.contains(&reward.timestamp)
        })
        .map(|(_, reward)| reward.reward)
        .collect();
    // "Rewards of one interaction with different reward_ids add up, each rounded first, and take
    // the place of the interaction's own."
    if !joined.is_empty() {
        return joined.iter().sum();
    }
    // "An interaction without a reward counts with the no-response reward when none came."
    contact.reward.unwrap_or((config.no_response_reward * 65_536.0).round_ties_even() as i128)
}

/// Rewards that join nothing: their customer has no interaction of that id, though another may, or
/// theirs is later or too long ago.
pub(crate) fn unmatched(settled: &Settled, config: &Config) -> BTreeMap<&'static str, usize> {
    let mut reasons = BTreeMap::from(
        ["unknown_id", "other_customer", "before", "after"].map(|reason| (reason, 0)),
    );
    for ((customer, _), reward) in &settled.rewards {
        let reason = match settled.interactions.get(&(*customer, reward.interaction.clone())) {
            Some(contact) if reward.timestamp < contact.timestamp => "before",
            Some(contact) if reward.timestamp >= contact.timestamp + config.attribution_window => {
                "after"
            }
            Some(_) => continue,
            None if settled.interactions.keys().any(|(_, id)| *id == reward.interaction) => {
                "other_customer"
            }
            None => "unknown_id",
        };
        *reasons.entry(reason).or_default() += 1;
    }
    reasons
}

/// The default context, d = 32, in its order: "where no transform is named the value enters as it
/// is".
pub(crate) fn default_context() -> Vec<(String, Transform)> {
    let terms = "intercept, recency min 365, frequency ln 4, monetary ln 12, avg_transaction_value \
        ln 10, days_since_signup min 1460, \
        weekend_shopper_pct, holiday_shopper_pct, electronics_pct, fashion_pct, groceries_pct, \
        travel_pct, category_diversity, mobile_pct, \
        desktop_pct, tablet_pct, device_diversity, credit_card_pct, debit_card_pct, ewallet_pct, \
        payment_diversity, email_open_rate, \
        complaint_count ln 1, is_premium_member, avg_discount_pct, discount_sensitivity, \
        is_high_value, is_at_risk, is_frequent_buyer, \
        is_recent_active, clv_score ln 16, discount_usage_rate";
    let term = |written: &str| {
        let words: Vec<&str> = written.split_whitespace().collect();
        let transform = match words[1..] {
            ["min", cap] => Transform::Cap(cap.parse().expect("a number above")),
            ["ln", scale] => Transform::Log(scale.parse().expect("a number above")),
            _ => Transform::Identity,
        };
        (words[0].to_owned(), transform)
    };
    terms.split(',').map(term).collect()
}
