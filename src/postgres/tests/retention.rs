//! Rows go as they are told to, none that is still needed, and what is left is what a verification
//! expects.

use super::*;
use crate::postgres::comparison::kept::Retained;
use crate::postgres::comparison::{Expected, Snapshot};
use crate::postgres::retention::{Ages, Gone};
use std::collections::BTreeMap;

const HOUR: Millis = 3_600_000;

/// Interactions that the dataflow knows, each with the epoch that wrote it last.
type Known = BTreeMap<(CustomerId, u64), u64>;

/// New interactions and decisions at the hour of their epoch; older ones are corrected, dated
/// otherwise, taken back and brought again.
fn hour(number: u64, known: &mut Known, next: &mut impl FnMut(u64) -> u64) -> EpochResults {
    let now = MARCH + number as i64 * HOUR;
    let mut changes: BTreeMap<(CustomerId, u64), InteractionRow> = BTreeMap::new();
    for _ in 0..4 {
        let Some(&(customer, key)) = known.keys().nth(next(known.len().max(1) as u64) as usize)
        else {
            break;
        };
        let change = if next(4) == 0 { Change::Delete } else { Change::Update };
        let timestamp = now - next(2) as i64 * 100 * HOUR;
        changes.insert(
            (customer, key),
            InteractionRow {
                timestamp,
                ..interaction(change, customer, key, change == Change::Update && next(2) == 0)
            },
        );
    }
    for _ in 0..3 {
        // Some come again after they were taken back.
        let (customer, key) = (next(5) as i64, next(3 * number));
        if !known.contains_key(&(customer, key)) {
            changes.insert(
                (customer, key),
                InteractionRow {
                    timestamp: now,
                    ..interaction(Change::Insert, customer, key, true)
                },
            );
        }
    }
    for (&at, row) in &changes {
        match row.change {
            Change::Delete => known.remove(&at),
            _ => known.insert(at, number),
        };
    }
    let rows: Vec<InteractionRow> = changes.into_values().collect();
    let new: Vec<InteractionRow> =
        rows.iter().filter(|row| row.change == Change::Insert).copied().collect();
    let mut results = EpochResults::new(number);
    results.names = vec![names(&new)];
    results.interactions = vec![interactions(rows)];
    results.decisions = (0..2)
        .map(|_| Decision { timestamp: now, ..decision(next(3) as i64, next(number)) })
        .collect();
    results.closed.watermark = Some(now);
    results
}

fn ages() -> Ages {
    let hours = |hours: u64| Some(Duration::from_secs(hours * 3_600));
    Ages::of([
        ("keep_interactions", hours(20)),
        ("keep_decisions", hours(30)),
        ("keep_model_metrics", hours(0)),
        ("keep_epochs", hours(0)),
    ])
}

/// Numbers below what is asked for, by chance.
fn dice(mut state: u64) -> impl FnMut(u64) -> u64 {
    move |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below.max(1)
    }
}

#[test]
fn what_is_left_follows_from_what_is_recorded_however_rows_are_corrected() {
    let Some(database) = TestDatabase::create() else { return };
    let settings = PostgresSettings { keep: ages(), ..database.settings() };
    let by_epoch = "SELECT to_regclass('sluice.interactions_by_epoch') IS NOT NULL";
    drop(database.writer());
    assert_eq!(database.text(by_epoch), "false", "what is kept for ever needs no index");
    let mut writer = Writer::open(settings.clone()).unwrap();
    assert_eq!(database.text(by_epoch), "true");
    let mut expected = Expected::new(&settings, Retained::default());
    let (mut known, mut corrected) = (Known::new(), 0);
    let mut next = dice(7);
    for number in 1..=300 {
        match number {
            100 => {
                assert!(
                    writer.gone().is_nothing(),
                    "nothing goes as long as no checkpoint is known"
                );
                writer.begins_with(250);
            }
            170 => {
                assert!(
                    writer.gone().through("interactions") > 0
                        && writer.gone().through("decisions") == 0,
                    "what is not published stays: {:?}",
                    writer.gone()
                );
                database.client().batch_execute("UPDATE progress SET published = 300").unwrap();
            }
            // Whatever was killed before, the next start knows what is gone.
            240 => {
                let gone = writer.gone().clone();
                writer = Writer::open(settings.clone()).unwrap();
                assert_eq!(*writer.gone(), gone);
                writer.begins_with(250);
            }
            _ => {}
        }
        let before = known.clone();
        let results = hour(number, &mut known, &mut next);
        writer.commit(&results).unwrap();
        let gone = writer.gone().clone();
        let rows = results.interactions.iter().flat_map(|batch| &batch.rows);
        corrected += rows
            .filter(|row| {
                before
                    .get(&(row.customer, row.key))
                    .is_some_and(|wrote| *wrote <= gone.through("interactions"))
            })
            .count();
        expected.let_go(gone);
        expected.fold(&results).unwrap();
    }
    let gone = writer.gone().clone();
    let through = |word| gone.through(word);
    assert!(
        corrected > 20 && through("interactions") >= 127 && through("decisions") >= 60,
        "{corrected}, {gone:?}"
    );
    assert_gone(&database, &gone);
    expected.retire();
    assert_left(&settings, expected);
    writer.forget(&[], &crate::source::TopicUuids::UNKNOWN).unwrap();
    assert!(
        writer.gone().is_nothing()
            && Writer::open(database.settings()).unwrap().gone().is_nothing(),
        "another history"
    );
}

/// What is gone is recorded, and stands with the epochs.
fn assert_gone(database: &TestDatabase, gone: &Gone) {
    let through = |word| gone.through(word);
    assert_eq!(
        (through("metrics"), gone.epochs()),
        (191, 191),
        "up to the checkpoint, the newest 64 beside"
    );
    assert_eq!(database.text("SELECT min(epoch) FROM epochs"), "192");
    assert_eq!(
        database
            .text("SELECT (gone ->> 'interactions')::int8 FROM epochs ORDER BY epoch DESC LIMIT 1"),
        through("interactions").to_string()
    );
}

/// What is left is what was expected, in every table.
fn assert_left(settings: &PostgresSettings, expected: Expected) {
    let findings =
        Snapshot::open(settings.clone()).unwrap().compare(expected, None, |_| ()).unwrap();
    for found in findings {
        assert_eq!(found.total, 0, "{found:#?}");
        assert!(
            found.rows > 0
                || !["interactions", "decisions", "model_metrics"].contains(&found.table),
            "{found:?}"
        );
    }
}
