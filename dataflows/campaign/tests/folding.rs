//! Streams that fold what is older than is kept, against a naive oracle that keeps everything for
//! ever.
//!
//! The oracle takes the records epoch by epoch and holds each customer's events in plain lists, in
//! which a folded one is only marked. After each epoch it computes the context of every interaction
//! from scratch; one that is marked keeps what it had last. Watermarks are taken from the run,
//! thresholds, decisions, rows, reports and counts are the oracle's own. Of the core it uses plain
//! types, hashes of ids, and the features of a customer with given purchases, which have an oracle
//! of their own in the program's tests.

mod oracle;

use super::*;
use crate::bandit::totals::Totals;
use crate::campaign::output::Erasure;
use crate::customer::{CustomerState, Summary, Transaction};
use crate::event::text::id_hash;
use crate::event::{Profile, Purchase};
use oracle::Oracle;
use serde_json::Value;
use std::iter::zip;

/// How long the streams are, in days.
const LONG: u64 = 320;

/// Records of a long time, among them some that are far too late and some about what is long gone.
fn long_arrivals(random: &mut Random, count: u64, keep: i64) -> Vec<Arrival> {
    (0..count)
        .map(|i| {
            let late = match random.below(12) {
                0 => random.below(3 * keep as u64),
                1 => random.below(DAY as u64 * 3),
                _ => random.below(DAY as u64 / 8),
            };
            let now = (START as u64 + i * LONG * DAY as u64 / count).saturating_sub(late) as i64;
            let newest = i / 20 + 14;
            let ids = if random.below(8) == 0 { 0..newest } else { newest - 14..newest };
            arrival(random, now - now.rem_euclid(DAY / 24), ids)
        })
        .collect()
}

/// The same records of customers that come and go: whose a record is depends on its date, so that
/// most are silent while a snapshot is taken.
fn of_passing_customers(arrivals: Vec<Arrival>) -> Vec<Arrival> {
    let mut month = 0;
    let passing = |(topic, text): Arrival| {
        let mut record: Value = serde_json::from_str(&text).expect("JSON");
        month = record["timestamp"]
            .as_i64()
            .map_or(month, |at| (at - START).div_euclid(20 * DAY).max(0));
        record["customer_id"] =
            Value::from(record["customer_id"].as_i64().expect("a customer") + 10 * month);
        (topic, record.to_string())
    };
    arrivals.into_iter().map(passing).collect()
}

/// A stream with its settings, drawn from a seed.
fn folding_run(seed: u64) -> (Run, Random) {
    let mut random = Random(5_000 + seed);
    let keep = (7 + random.below(6) as i64) * DAY + random.below(2) as i64 * DAY / 3;
    let arrivals = long_arrivals(&mut random, 1_600, keep);
    let (mut epochs, mut count) = (Vec::new(), 0);
    while count < arrivals.len() {
        let most = [40, 8, 120][random.below(3) as usize];
        epochs.push(random.below(most) as usize);
        count += epochs[epochs.len() - 1];
    }
    let mut save = |epoch: u64| match random.below(9) {
        0 => Some((epoch, Save::Everything)),
        1 | 2 => Some((epoch, Save::Changes)),
        _ => None,
    };
    let saves = (1..epochs.len() as u64).filter_map(&mut save).collect();
    (Run { arrivals, epochs, workers: 1, saves, keep: Some(keep), ..Run::default() }, random)
}

/// What sinks were told from the beginning up to an epoch.
fn told_until(outcome: &Outcome, epoch: u64) -> Told {
    let mut told = Told { counts: Counts::none(), folding: true, ..Told::default() };
    outcome.tell(&mut told, 0, epoch);
    told
}

/// Feeds an oracle with the epochs of a run after `done`, up to and with `until`, and compares it
/// with what sinks were told after each from `done` on.
fn follow(
    oracle: &mut Oracle,
    told: &mut Told,
    run: &Run,
    outcome: &Outcome,
    (done, until): (usize, usize),
    what: &str,
) {
    let mut watermarks = vec![None; until];
    for (epoch, output) in &outcome.outputs {
        if let (Output::Closed(closed), true) = (output, (*epoch as usize) <= until) {
            watermarks[*epoch as usize - 1] = closed.watermark;
        }
    }
    let mut end = 0;
    for epoch in 1..=until {
        let start = end;
        end = run
            .epochs
            .get(epoch - 1)
            .map_or(run.arrivals.len(), |size| (start + size).min(run.arrivals.len()));
        if epoch > done {
            let last = end == run.arrivals.len();
            oracle.epoch(&run.arrivals[start..end], watermarks[epoch - 1], last);
            outcome.tell(told, epoch as u64 - 1, epoch as u64);
            oracle.assert_same(told, last, &format!("{what}, epoch {epoch}"));
        }
    }
}

/// The last epoch of a run.
fn last_epoch(outcome: &Outcome) -> usize {
    outcome.outputs.last().map_or(0, |(epoch, _)| *epoch as usize)
}

#[test]
fn a_stream_that_folds_is_what_an_oracle_says_that_keeps_everything() {
    let (mut past, mut stayed, mut folded) = (0, 0, 0);
    let mut unmatched = [0; 4];
    for seed in 0..24 {
        let (run, _) = folding_run(seed);
        let outcome = run.run();
        let (mut oracle, mut told) =
            (Oracle::new(run.keep.expect("the run folds")), told_until(&outcome, 0));
        follow(
            &mut oracle,
            &mut told,
            &run,
            &outcome,
            (0, last_epoch(&outcome)),
            &format!("seed {seed}"),
        );
        (past, stayed) = (past + oracle.counts.past_history, stayed + oracle.counts.erased_folded);
        folded += oracle.folded();
        let Counts { rewards_no_interaction, rewards_before, rewards_after, .. } = told.counts;
        let of_others = told.of_other_customers as i64;
        zip(
            &mut unmatched,
            [rewards_no_interaction - of_others, of_others, rewards_before, rewards_after],
        )
        .for_each(|(sum, number)| *sum += number);
    }
    assert!(
        past > 1_000 && stayed > 100 && folded > 1_000,
        "{past} refused, {stayed} stayed, {folded} folded"
    );
    assert!(unmatched.iter().all(|number| *number > 20), "{unmatched:?}");
}

/// A snapshot is as of its epoch even where epochs after it, during which it was taken, never came
/// to be: what comes may be cut otherwise.
#[test]
fn what_comes_after_a_snapshot_may_be_cut_otherwise() {
    let mut resumed = 0;
    for seed in 0..24 {
        let (mut run, mut random) = folding_run(100 + seed);
        if seed % 2 == 0 {
            run.arrivals = of_passing_customers(run.arrivals);
        }
        let outcome = run.run();
        for &done in outcome.complete.keys() {
            let kept = usize::try_from(done).expect("an epoch");
            let mut epochs = run.epochs[..kept].to_vec();
            epochs.extend((0..random.below(3)).map(|_| 100 + random.below(300) as usize));
            let other = Run {
                epochs,
                workers: 1,
                snapshot: Some(outcome.snapshot(done)),
                saves: BTreeMap::new(),
                ..run.clone()
            };
            let rest = other.run();
            let (mut oracle, mut told) =
                (Oracle::new(run.keep.expect("the run folds")), told_until(&outcome, 0));
            follow(&mut oracle, &mut told, &run, &outcome, (0, kept), &format!("seed {seed}"));
            follow(
                &mut oracle,
                &mut told,
                &other,
                &rest,
                (kept, last_epoch(&rest)),
                &format!("seed {seed} after epoch {done}"),
            );
            resumed += 1;
        }
    }
    assert!(resumed > 20, "only {resumed} snapshots were complete");
}

#[test]
fn what_came_late_and_was_not_folded_yet_is_not_folded_by_a_restart() {
    let profile = |day: i64| {
        (
            Topic::Customers,
            format!(
                r#"{{"customer_id":1,"email_open_rate":0.5,"timestamp":{}}}"#,
                START + day * DAY
            ),
        )
    };
    let purchase = |day: i64| {
        (
            Topic::Transactions,
            format!(
                r#"{{"transaction_id":"t{day}","customer_id":1,"timestamp":{},"amount":1.25}}"#,
                START + day * DAY
            ),
        )
    };
    let erasure = (
        Topic::Customers,
        format!(r#"{{"customer_id":1,"op":"erase","timestamp":{}}}"#, START + 3 * DAY),
    );
    // In the second epoch all before day 22 is folded; the profile of day 2 comes after that, so it
    // stays until the horizon moves.
    let arrivals = vec![profile(5), purchase(30), purchase(31), profile(2), erasure, purchase(32)];
    let saves = BTreeMap::from([(3, Save::Everything)]);
    let run = Run {
        arrivals,
        epochs: vec![2, 1, 1, 1],
        workers: 1,
        saves,
        keep: Some(8 * DAY),
        ..Run::default()
    };
    let recorded: BTreeMap<u64, Option<i64>> =
        (1..=5).map(|epoch| (epoch, Some(START + 30 * DAY))).collect();
    let run = Run { recorded, ..run };
    let outcome = run.run();
    let whole = told_until(&outcome, u64::MAX);
    assert_eq!(
        whole
            .erasures
            .iter()
            .map(|erasure| (erasure.profiles, erasure.folded_before))
            .collect::<Vec<_>>(),
        [(1, None)]
    );
    let rest = Run { snapshot: Some(outcome.snapshot(3)), ..run.clone() }.run();
    let mut told = told_until(&outcome, 3);
    rest.tell(&mut told, 3, u64::MAX);
    told.assert_same(&whole, 0);
}

#[test]
fn folding_does_not_depend_on_workers_or_restarts() {
    let mut resumed = 0;
    for seed in 0..24 {
        let (run, mut random) = folding_run(seed);
        let outcome = run.run();
        let whole = told_until(&outcome, u64::MAX);
        let recorded: BTreeMap<u64, Option<i64>> =
            (1..).zip(whole.closed.iter().map(|closed| closed.watermark)).collect();
        for workers in [2, 3] {
            let other = Run { workers, recorded: recorded.clone(), ..run.clone() }.run();
            told_until(&other, u64::MAX).assert_same(&whole, seed);
        }
        let complete: Vec<u64> = outcome.complete.keys().copied().collect();
        for epoch in complete {
            let (workers, snapshot) = (1 + random.below(3) as usize, Some(outcome.snapshot(epoch)));
            let rest = Run { workers, recorded: recorded.clone(), snapshot, ..run.clone() }.run();
            let mut told = told_until(&outcome, epoch);
            rest.tell(&mut told, epoch, u64::MAX);
            told.assert_same(&whole, seed * 1_000 + epoch);
            resumed += 1;
        }
    }
    assert!(resumed > 20, "only {resumed} snapshots were complete");
}
