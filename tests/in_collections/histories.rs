//! Histories for the comparison: few customers and ids, so that what is late, repeated, replaced,
//! taken back and erased meets.

use super::START;
use crate::oracle::DAY;
use dataflows::event::Topic;
use proptest::prelude::*;

/// One record: its topic, its customer and its text.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) topic: Topic,
    pub(super) customer: i64,
    pub(super) text: String,
}

/// A record dated `at`; `dice` say which.
fn sent(at: i64, dice: [u64; 4]) -> Sent {
    let [kind, customer, id, value] = dice;
    let (topic, rest) = match kind % 20 {
        0..=6 => (
            Topic::Transactions,
            format!(r#""transaction_id":"t{id}","timestamp":{at},"amount":{value}.5"#),
        ),
        7 => (Topic::Transactions, format!(r#""transaction_id":"t{id}","op":"retract""#)),
        8..=10 => (
            Topic::Interactions,
            format!(
                r#""interaction_id":"i{id}","timestamp":{at},"action":{},"reward":{value}"#,
                value % 4
            ),
        ),
        11..=14 => (
            Topic::Interactions,
            format!(r#""interaction_id":"i{id}","timestamp":{at},"action":{}"#, value % 4),
        ),
        15 => (Topic::Interactions, format!(r#""interaction_id":"i{id}","op":"retract""#)),
        16..=17 => (
            Topic::Rewards,
            format!(
                r#""interaction_id":"i{id}","reward_id":"r{}","timestamp":{at},"reward":{value}"#,
                value % 9
            ),
        ),
        18 if customer % 2 == 0 => {
            (Topic::Requests, format!(r#""decision_id":"d{id}-{at}-{value}","timestamp":{at}"#))
        }
        18 => (
            Topic::Customers,
            format!(r#""signup_date":"2023-01-01","email_open_rate":{}"#, value as f64 / 500.0),
        ),
        _ if value % 3 == 0 => (Topic::Customers, format!(r#""op":"erase","timestamp":{at}"#)),
        _ => {
            (Topic::Rewards, format!(r#""interaction_id":"i{id}","reward_id":"r1","op":"retract""#))
        }
    };
    let customer = (customer % 5) as i64;
    Sent { topic, customer, text: format!(r#"{{"customer_id":{customer},{rest}}}"#) }
}

/// What decides of a record what it is, and how late.
type Dice = ([u64; 2], u64, u64, u64, i64);

/// Epochs of records roughly in the order of time, some of them late by days.
pub(super) fn histories() -> impl Strategy<Value = Vec<Vec<Sent>>> {
    let dice = (any::<[u64; 2]>(), 0..30u64, 0..500u64, 0..10u64, 0..6 * 24i64);
    proptest::collection::vec(proptest::collection::vec(dice, 0..25), 1..25).prop_map(|epochs| {
        let count = epochs.len() as i64;
        let record = |epoch: i64, dice: Dice| {
            let ([kind, customer], id, value, luck, late) = dice;
            let back = if luck == 0 { late } else { late % 4 };
            // Whole hours make equal instants common.
            let hour = epoch * 20 * 24 / count - back;
            sent(START + hour * DAY / 24, [kind, customer, id, value])
        };
        (0..)
            .zip(epochs)
            .map(|(at, dice)| dice.into_iter().map(|d| record(at, d)).collect())
            .collect()
    })
}
