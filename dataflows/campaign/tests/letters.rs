//! Rejected records of customers who are erased: whatever is dated up to the instant is blanked, in
//! the epoch of the erasure and in all that follow.

use super::*;
use crate::event::{Millis, Rejected, Whose};

const UNTIL: i64 = START + 10 * DAY;

/// A purchase that cannot be taken.
fn bad(customer: i64, timestamp: i64) -> Arrival {
    (
        Topic::Transactions,
        format!(
            "{{\"transaction_id\":\"t\",\"customer_id\":{customer},\"timestamp\":{timestamp},\
            \"amount\":\"canary\"}}"
        ),
    )
}

/// What was rejected, by epoch, topic and place.
fn rejected(outcome: &Outcome) -> Vec<(u64, Rejected)> {
    let of = |(epoch, output): &(u64, Output)| match output {
        Output::Rejected(rejected) => {
            rejected.iter().map(|rejected| (*epoch, rejected.clone())).collect()
        }
        _ => Vec::new(),
    };
    let mut all: Vec<_> = outcome.outputs.iter().flat_map(of).collect();
    all.sort_by_key(|(epoch, rejected)| (*epoch, rejected.topic, rejected.place.position()));
    all
}

#[test]
fn what_was_rejected_of_an_erased_customer_is_blanked_up_to_the_instant() {
    let broken = (Topic::Rewards, r#"{"customer_id": 1, "reward": canary"#.to_string());
    let erase =
        (Topic::Customers, format!(r#"{{"customer_id":1,"op":"erase","timestamp":{UNTIL}}}"#));
    let good = (
        Topic::Transactions,
        format!(r#"{{"transaction_id":"g","customer_id":2,"timestamp":{UNTIL},"amount":1}}"#),
    );
    let epochs = [
        (
            vec![bad(1, UNTIL - 1), good, broken.clone()],
            vec![Some((1, UNTIL - 1)), Some((1, Millis::MIN))],
        ),
        // Before it in the epoch, and behind it.
        (
            vec![bad(1, UNTIL), erase, bad(1, UNTIL + 1), bad(1, UNTIL)],
            vec![None, Some((1, UNTIL + 1)), None],
        ),
        (
            vec![bad(1, START), bad(1, UNTIL + DAY), bad(2, START), broken],
            vec![None, Some((1, UNTIL + DAY)), Some((2, START)), None],
        ),
    ];
    let arrivals: Vec<Arrival> = epochs.iter().flat_map(|(arrivals, _)| arrivals.clone()).collect();
    let sizes: Vec<usize> = epochs.iter().map(|(arrivals, _)| arrivals.len()).collect();
    let wanted: Vec<_> = (1..)
        .zip(&epochs)
        .flat_map(|(epoch, (_, whose))| whose.iter().map(move |whose| (epoch, *whose)))
        .collect();
    for workers in 1..=3 {
        let outcome =
            Run { epochs: sizes.clone(), arrivals: arrivals.clone(), workers, ..Run::default() }
                .run();
        let found = rejected(&outcome);
        let whose =
            |rejected: &Rejected| rejected.whose.map(|Whose { customer, dated }| (customer, dated));
        assert_eq!(
            found.iter().map(|(epoch, rejected)| (*epoch, whose(rejected))).collect::<Vec<_>>(),
            wanted,
            "{workers} workers"
        );
        for (_, rejected) in found {
            let says = rejected.raw.windows(6).any(|bytes| bytes == b"canary");
            assert_eq!(
                (says, rejected.is_blanked()),
                (rejected.whose.is_some(), rejected.whose.is_none()),
                "{rejected:?}"
            );
        }
    }
}
