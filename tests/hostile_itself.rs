//! The hostile histories against what they promise, as the oracle sees them.

use crate::hostile::History;
use crate::oracle::read::{Contact, Records, Reward};
use crate::oracle::settle::Settled;
use crate::oracle::{Config, DAY, DeadLetter, Files, Outcome, outcome};
use std::collections::BTreeSet;

const SEEDS: std::ops::Range<u64> = 0..6;
const SIZE: usize = 700;

fn settle(files: &Files) -> Settled {
    let mut records = Records::default();
    for (name, bytes) in files {
        crate::oracle::read::read(name, bytes, &Config::default(), &mut records);
    }
    crate::oracle::settle::settle(&records)
}

/// What does not depend on where the lines stand.
fn but_for_positions(outcome: Outcome) -> Outcome {
    let mut dead_letters: Vec<DeadLetter> = outcome
        .dead_letters
        .into_iter()
        .map(|letter| DeadLetter { position: 0, ..letter })
        .collect();
    dead_letters.sort();
    Outcome { dead_letters, ..outcome }
}

#[test]
fn a_history_is_the_same_for_the_same_seed_only() {
    assert_eq!(History::generate(1, SIZE).jsonl(), History::generate(1, SIZE).jsonl());
    assert_ne!(History::generate(1, SIZE).jsonl(), History::generate(2, SIZE).jsonl());
}

#[test]
fn shuffling_moves_lines_and_changes_nothing() {
    for seed in SEEDS {
        let history = History::generate(seed, SIZE);
        let expected = outcome(&history.jsonl(), &Config::default());
        let shuffled = history.shuffled(seed + 100);
        assert_ne!(history.jsonl(), shuffled.jsonl());
        assert_eq!(
            but_for_positions(outcome(&shuffled.jsonl(), &Config::default())),
            but_for_positions(expected),
            "seed {seed}"
        );
    }
}

#[test]
fn csv_says_the_same_but_for_what_it_cannot_say() {
    for seed in SEEDS {
        let history = History::generate(seed, SIZE);
        let (json, csv) = (
            outcome(&history.jsonl(), &Config::default()),
            outcome(&history.csv(), &Config::default()),
        );
        assert!(!csv.dead_letters.is_empty());
        assert_eq!(
            Outcome { dead_letters: Vec::new(), ..json },
            Outcome { dead_letters: Vec::new(), ..csv },
            "seed {seed}"
        );
    }
}

#[test]
fn taking_everything_back_leaves_nothing() {
    let mut files = History::generate(3, SIZE).jsonl();
    let config = Config::default();
    let settled = settle(&files);
    for (file, keys) in [
        ("transactions", settled.transactions.keys().collect::<Vec<_>>()),
        ("interactions", settled.interactions.keys().collect()),
    ] {
        let lines = files.get_mut(&format!("{file}.jsonl")).expect("every file is there");
        let id = if file == "transactions" { "transaction_id" } else { "interaction_id" };
        for (customer, text) in keys {
            lines.extend(
                format!("\n{{\"op\":\"retract\",\"customer_id\":{customer},\"{id}\":\"{text}\"}}")
                    .bytes(),
            );
        }
    }
    let nothing = outcome(&files, &config);
    assert_eq!((nothing.transactions, nothing.interactions), (0, 0));
    assert!(nothing.thresholds.is_empty());
    assert!(
        nothing
            .arms
            .iter()
            .all(|arm| arm.n == 0 && arm.a.iter().chain(&arm.b).all(|sum| *sum == 0))
    );
}

#[test]
fn hostile_histories_hold_what_they_promise() {
    let mut reasons = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for seed in SEEDS {
        let outcome = outcome(&History::generate(seed, SIZE).jsonl(), &Config::default());
        reasons.extend(outcome.dead_letters.iter().map(|letter| letter.reason));
        assert!(
            outcome.duplicates > 5 && outcome.erased > 5,
            "{} duplicates, {} erased",
            outcome.duplicates,
            outcome.erased
        );
        assert!(
            outcome.dead_letters.len() > 50
                && outcome.transactions > 50
                && outcome.interactions > 30
        );
        assert!(outcome.arms.iter().all(|arm| arm.n > 0));
        assert!(outcome.thresholds.len() > 700);
        for flag in [
            "is_high_value",
            "is_at_risk",
            "is_frequent_buyer",
            "is_recent_active",
            "is_premium_member",
        ] {
            for customer in outcome.features.keys() {
                seen.insert((flag, outcome.feature(*customer, flag) == 1.0));
            }
        }
    }
    assert_eq!(seen.len(), 10, "every flag is up and down somewhere: {seen:?}");
    let all = [
        "bad_amount",
        "bad_field",
        "bad_op",
        "bad_propensity",
        "bad_reward",
        "bad_timestamp",
        "malformed",
        "missing_field",
        "too_long",
        "unknown_arm",
        "unknown_id",
    ];
    assert_eq!(reasons.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn hostile_histories_collide_where_it_matters() {
    const WINDOW: i64 = 7 * DAY;
    let (mut ties_at_the_threshold, mut at_once, mut just_beside) = (0, 0, 0);
    let mut edges = [0; 3];
    for seed in SEEDS {
        let settled = settle(&History::generate(seed, SIZE).jsonl());
        at_once += contacts_after_purchases(&settled, 0);
        just_beside += [1, -1, 30 * DAY, 30 * DAY + 1, 180 * DAY, 180 * DAY - 1]
            .map(|after| contacts_after_purchases(&settled, after))
            .iter()
            .sum::<usize>();
        ties_at_the_threshold += customers_at_the_threshold(&settled).saturating_sub(1);

        assert!(
            settled.transactions.values().filter(|purchase| purchase.timestamp % DAY == 0).count()
                > 10,
            "seed {seed}: midnights"
        );
        let at_the_edges =
            [0, WINDOW - 1, WINDOW].map(|after| rewards_after_contacts(&settled, after));
        edges.iter_mut().zip(at_the_edges).for_each(|(sum, rewards)| *sum += rewards);
        let ids: BTreeSet<&str> = settled.transactions.keys().map(|(_, id)| id.as_str()).collect();
        assert!(ids.len() < settled.transactions.len(), "seed {seed}: one id of two customers");
        assert!(
            settled.interactions.keys().any(|(_, id)| ids.contains(id.as_str())),
            "seed {seed}: one id in two files"
        );
        let versions: BTreeSet<_> =
            settled.profiles.iter().map(|(customer, version)| (customer, version.from)).collect();
        assert!(versions.len() < settled.profiles.len(), "seed {seed}: versions of one instant");
    }
    assert!(
        edges.iter().all(|rewards| *rewards > 6),
        "rewards at the edges of their windows: {edges:?}"
    );
    assert!(
        ties_at_the_threshold > 3,
        "{ties_at_the_threshold} customers share the total that is the threshold"
    );
    assert!(at_once > 40, "{at_once} contacts at the instant of a purchase");
    assert!(just_beside > 20, "{just_beside} contacts where a millisecond makes the difference");
}

/// Contacts that come so many milliseconds after a purchase of their customer.
fn contacts_after_purchases(settled: &Settled, after: i64) -> usize {
    let follows = |(customer, _): &(i64, String), contact: &Contact| {
        settled
            .purchases_of(*customer)
            .any(|purchase| purchase.timestamp + after == contact.timestamp)
    };
    settled.interactions.iter().filter(|(key, contact)| follows(key, contact)).count()
}

/// Rewards that come so many milliseconds after their interaction.
fn rewards_after_contacts(settled: &Settled, after: i64) -> usize {
    let follows = |customer: i64, reward: &Reward| {
        let contact = settled.interactions.get(&(customer, reward.interaction.clone()));
        contact.is_some_and(|contact| contact.timestamp + after == reward.timestamp)
    };
    settled.rewards.iter().filter(|((customer, _), reward)| follows(*customer, reward)).count()
}

/// Customers whose total at the end is the threshold of high value.
fn customers_at_the_threshold(settled: &Settled) -> usize {
    let long_after = 20_500;
    let threshold = crate::oracle::thresholds::of_day(long_after, settled, &Config::default())
        .expect("there were purchases");
    let customers: BTreeSet<i64> =
        settled.transactions.keys().map(|(customer, _)| *customer).collect();
    let total = |customer: i64| {
        settled.purchases_of(customer).map(|purchase| i128::from(purchase.amount)).sum::<i128>()
    };
    customers.into_iter().filter(|customer| total(*customer) == threshold).count()
}
