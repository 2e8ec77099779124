//! Rewards that name another customer's interaction, in a stream that brings a record an epoch.

use super::*;

/// What is told of them, by epoch.
fn told(outcome: &Outcome) -> Vec<(u64, u64)> {
    let told = outcome.outputs.iter().filter_map(|(epoch, output)| {
        if let Output::OfOtherCustomers(number) = output { Some((*epoch, *number)) } else { None }
    });
    told.collect()
}

#[test]
fn the_owner_is_found_at_once_where_epochs_have_few_records() {
    let (at, later) = (START, START + DAY);
    let interaction = |id: &str, customer: i64| {
        (
            Topic::Interactions,
            format!(
                "{{\"interaction_id\":\"{id}\",\"customer_id\":{customer},\"timestamp\":{at},\
                \"action\":1}}"
            ),
        )
    };
    let reward = |id: &str, customer: i64| {
        (
            Topic::Rewards,
            format!(
                "{{\"interaction_id\":\"{id}\",\"reward_id\":\"{id}\",\"customer_id\":{customer},\
                \"timestamp\":{later},\"reward\":1}}"
            ),
        )
    };
    let gone = (
        Topic::Interactions,
        r#"{"interaction_id":"a","customer_id":2,"op":"retract"}"#.to_string(),
    );
    let arrivals = vec![
        interaction("a", 2),
        reward("a", 1),
        reward("b", 1),
        interaction("b", 3),
        gone,
        interaction("b", 1),
        reward("c", 1),
    ];
    // Customers may be looked through when the next few epochs have settled: so these are empty.
    let epochs: Vec<usize> =
        std::iter::once(1).chain([0; 20]).cycle().take(21 * (arrivals.len() - 1)).collect();
    for workers in 1..=3 {
        let (epochs, all) = (epochs.clone(), 1..=epochs.len() as u64 + 1);
        let outcome = Run { epochs, arrivals: arrivals.clone(), workers, ..Run::default() }.run();
        let (told, mut numbers): (Vec<u64>, Vec<u64>) = told(&outcome).into_iter().unzip();
        assert_eq!(
            told,
            all.collect::<Vec<_>>(),
            "each epoch looks through all customers; {workers} workers"
        );
        numbers.dedup();
        assert_eq!(numbers, [0, 1, 2, 1, 0], "{workers} workers");
    }
}
