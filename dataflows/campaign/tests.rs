//! The dataflow against itself: the same arrivals, cut into epochs or all at once, on one worker or
//! several, must give the same bits.
//!
//! Arrivals are hostile: few customers and ids, so that duplicates, replacements, retractions, late
//! events, delayed rewards, profile versions and erasures meet. The run in one epoch takes the
//! thresholds that the run in many published; what the sinks were told change by change must add up
//! to what they are told at once. What this cannot catch: a mistake that both runs share; that is
//! for the batch oracle of the program's tests.

mod answers;
mod arrivals;
mod changing;
mod folding;
mod letters;
mod owners;
mod run;
mod serving;
mod soundness;
mod told;
mod turns;
mod upgrading;

use super::graph::{Beginning, Campaign, campaign};
use super::output::{
    ArmDay, Change, Counts, Day, Decision, Erasure, FeatureRow, InteractionRow, Output, Segment,
};
use super::rows::{FeatureRows, InteractionRows};
use super::snapshot::change::{ChangeOfSettings, Former, Inspection, Obstacles};
use super::snapshot::restore::Loading;
use super::snapshot::{Common, Follower};
use crate::bandit::totals::Totals;
use crate::codec::Aligned;
use crate::customer::features::Features;
use crate::dataflow::Dataflow;
use crate::epoch::Closed;
use crate::event::{CustomerId, DAY, Topic};
use crate::operators::deliver::{Delivery, deliver};
use crate::settings::{Emit, Serving, Settings};
use crate::snapshot::{Images, ShardImage};
use crate::source::{Feed, Head, Mark, Messages, RecordedWatermark, Save};
use crate::state::turns::Pacer;
use arrivals::{Arrival, Random, arrival, arrivals, block};
use run::{Outcome, Run, Snapshot, features};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::worker::Worker;
use told::{Told, assert_map};

const START: i64 = 19_700 * DAY;
const DAYS: u64 = 30;

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.time.lateness = DAY;
    settings.time.attribution_window = 3 * DAY;
    settings.emit = Emit {
        interactions: true,
        features: true,
        final_features: None,
        profiled: false,
        snapshots: true,
    };
    settings
}

fn cuts(random: &mut Random, count: usize) -> Vec<usize> {
    let mut cuts = Vec::new();
    while cuts.iter().sum::<usize>() < count {
        cuts.push(random.below(60) as usize);
    }
    cuts
}

#[test]
fn epochs_and_workers_do_not_change_a_bit() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let arrivals = arrivals(&mut random, 400);
        let epochs = cuts(&mut random, arrivals.len());
        let run = Run { arrivals, epochs, workers: 1 + seed as usize % 3, ..Run::default() };
        let streamed = run.run().told();
        let published: Vec<(Day, u64)> =
            streamed.thresholds.iter().map(|(day, value)| (*day, *value)).collect();
        assert!(!published.is_empty(), "seed {seed}");
        let whole = Run {
            epochs: Vec::new(),
            workers: 1 + (seed as usize / 3) % 3,
            thresholds: Some(published),
            ..run
        }
        .run()
        .told();
        streamed.settled().assert_same(&whole.settled(), seed);
    }
}

#[test]
fn a_run_goes_on_from_any_snapshot_on_any_number_of_workers() {
    let mut resumed = 0;
    for seed in 0..40 {
        let mut random = Random(1_000 + seed);
        let arrivals = arrivals(&mut random, 500);
        let epochs: Vec<usize> =
            cuts(&mut random, arrivals.len()).into_iter().flat_map(|size| [size, 3, 0]).collect();
        let mut save = |epoch: u64| match random.below(9) {
            0 => Some((epoch, Save::Everything)),
            1 | 2 => Some((epoch, Save::Changes)),
            _ => None,
        };
        let saves = (1..epochs.len() as u64).filter_map(&mut save).collect();
        let run = Run { arrivals, epochs, workers: 1 + seed as usize % 3, saves, ..Run::default() };
        let outcome = run.run();
        let whole = outcome.told();
        let complete: Vec<u64> = outcome
            .complete
            .iter()
            .filter(|(_, workers)| **workers == run.workers)
            .map(|(epoch, _)| *epoch)
            .collect();
        for epoch in complete {
            let recorded = (1..).zip(whole.closed.iter().map(|closed| closed.watermark)).collect();
            let snapshot = Some(outcome.snapshot(epoch));
            let workers = 1 + random.below(4) as usize;
            let rest = Run { workers, recorded, snapshot, ..run.clone() }.run();
            assert!(rest.outputs.iter().all(|(of, _)| *of > epoch), "nothing is told again");
            let mut told = Told { counts: Counts::none(), ..Told::default() };
            outcome.tell(&mut told, 0, epoch);
            rest.tell(&mut told, epoch, u64::MAX);
            told.assert_same(&whole, seed * 1_000 + epoch);
            resumed += 1;
        }
    }
    assert!(resumed > 40, "only {resumed} snapshots were complete");
}

#[test]
fn a_purchase_that_asks_is_decided_on_once() {
    for seed in 0..12 {
        let mut random = Random(seed);
        let arrivals: Vec<Arrival> = arrivals(&mut random, 400)
            .into_iter()
            .filter(|(topic, text)| {
                matches!(topic, Topic::Transactions | Topic::Interactions)
                    && !text.contains("retract")
            })
            .collect();
        // As they are written, an id and its customer end before the timestamp.
        let name = |text: &str| text.split(r#","timestamp""#).next().unwrap_or_default().to_owned();
        let wanted: BTreeSet<String> = arrivals
            .iter()
            .filter(|(topic, _)| *topic == Topic::Transactions)
            .map(|(_, text)| name(text))
            .collect();
        for workers in 1..=3 {
            let epochs = cuts(&mut random, arrivals.len());
            let told =
                Run { arrivals: arrivals.clone(), epochs, workers, asking: true, ..Run::default() }
                    .run()
                    .outputs;
            let decided: Vec<(CustomerId, String)> = told
                .into_iter()
                .filter_map(|(_, output)| {
                    if let Output::Decisions(decisions) = output { Some(decisions) } else { None }
                })
                .flatten()
                .map(|decision| (decision.customer, decision.decision))
                .collect();
            let distinct: BTreeSet<_> = decided.iter().collect();
            assert_eq!(
                (decided.len(), distinct.len()),
                (wanted.len(), wanted.len()),
                "seed {seed}, {workers} workers"
            );
        }
    }
}
