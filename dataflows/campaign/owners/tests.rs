//! Rounds through all customers: when they begin and end, and how much an epoch has of them.

use super::*;
use crate::customer::features::Features;
use crate::settings::Settings;
use std::sync::Arc;

fn shard(customers: u64) -> Shard {
    let settings = Settings::default();
    let features =
        Features::new(&settings.input, &settings.customer).expect("the default features are valid");
    let mut shard = Shard::new(Arc::new(settings), Arc::new(features), None, 0, 1);
    for customer in 0..customers {
        shard.customers.slot(customer as i64);
    }
    shard
}

/// What is found in an epoch, in turns.
fn search(shard: &mut Shard, epoch: u64, asked: Vec<Inquiry>) -> Vec<Found> {
    let Shard { customers, searching, .. } = shard;
    searching.begin(epoch, asked, customers.len());
    let turn = |_| searching.go_on(customers, &mut Budget::of(1000));
    (0..).find_map(turn).expect("the search ends")
}

/// What is asked in an epoch, gathered in turns.
fn ask(shard: &Shard, epoch: u64, records: u64, last: bool) -> Inquiry {
    let mut gathering = Gathering::default();
    let of = (epoch, last, records);
    while !gathering.go_on(of, &shard.searching, &shard.customers, &mut Budget::of(1)) {}
    Inquiry::new(gathering, shard.customers.len(), records, last)
}

/// The first epoch after `epoch` in which a round ends that began in one with these ids, and
/// the most customers that one epoch has looked through. Another worker has `others` customers,
/// and each epoch `records` records.
fn round(shard: &mut Shard, epoch: u64, others: u64, records: u64) -> (u64, u64) {
    let mut most = 0;
    for now in epoch.. {
        let ids = (now == epoch).then(|| vec![(7, 1)]);
        let asked =
            |customers| Inquiry { ids: ids.clone(), customers, records: records / 2, last: false };
        let before = shard.searching.next as u64;
        let told = search(shard, now, vec![asked(shard.customers.len() as u64), asked(others)]);
        most = most.max((shard.searching.next as u64).saturating_sub(before));
        if !told.is_empty() {
            assert_eq!(shard.searching.next, shard.customers.len());
            return (now, most);
        }
    }
    unreachable!("a round ends")
}

#[test]
fn a_round_ends_at_once_where_little_is_to_do_and_within_its_epochs_where_much_is() {
    let full = LEISURE / RECORD;
    for (customers, others, records, epochs, most) in [
        (100, 100, 0, 1, 100),
        (100, 0, full - 8, 1, 100),
        (LEISURE, 0, 0, 1, LEISURE),
        (LEISURE + 1, 0, 0, 2, LEISURE),
        // All end it together, whoever has the most.
        (100, 3 * LEISURE, 0, 3, 100),
        (6_400, 0, full, ROUND, 100),
        (6_401, 0, 9 * full, ROUND, 101),
        (6_400, 0, full - 8, 50, 128),
        (100 * ROUND, 20, u64::MAX, ROUND, 100),
    ] {
        for epoch in [1, ROUND, ROUND + 1] {
            let mut shard = shard(customers);
            let found = round(&mut shard, epoch, others, records);
            assert_eq!(
                found,
                (epoch + epochs - 1, most),
                "{customers} and {others} customers, {records} records"
            );
        }
    }
}

#[test]
fn a_round_is_left_for_the_next_and_for_the_end_of_the_input() {
    let mut shard = shard(6_400);
    let asked = |ids: Option<Vec<(u64, u64)>>, last| {
        vec![Inquiry { ids, customers: 6_400, records: LEISURE, last }]
    };
    let mut seen = |epoch, ids, last| {
        let told = search(&mut shard, epoch, asked(ids, last)).len();
        (shard.searching.next, told)
    };
    assert_eq!(seen(10, None, false), (0, 0), "no round began");
    assert_eq!(seen(11, Some(vec![(7, 1)]), false), (100, 0));
    assert_eq!(seen(12, Some(vec![(8, 1)]), false), (200, 0), "it goes on");
    assert_eq!(seen(ROUND, Some(vec![(8, 1)]), false), (100, 0), "it is left");
    assert_eq!(seen(ROUND + 1, Some(Vec::new()), true), (6_400, 1), "all is looked through");
    assert_eq!(seen(ROUND + 2, Some(Vec::new()), false), (6_400, 1), "nothing is looked for");
}

#[test]
fn what_is_much_to_collect_waits_for_its_epoch() {
    let mut shard = shard(3);
    let is_little = |shard: &Shard, entries| {
        let (Shard { searching, customers, .. }, mut budget) = (shard, Budget::unbounded());
        Gathering::default().weigh(entries, searching, customers, &mut budget)
    };
    assert_eq!(is_little(&shard, 0), Some(true));
    shard.searching.note(1, &Unmatched { no_interaction: 1, ..Unmatched::default() });
    shard.searching.note(2, &Unmatched { no_interaction: 1, ..Unmatched::default() });
    assert_eq!(
        [0, 1, 2].map(|entries| is_little(&shard, entries)),
        [Some(false), Some(false), Some(true)]
    );
    let full = LEISURE / RECORD;
    assert_eq!(
        [(1, full, false), (1, 0, false), (ROUND, full, false), (1, full, true)]
            .map(|(epoch, records, last)| ask(&shard, epoch, records, last).ids.is_some()),
        [false, true, true, true]
    );
}
