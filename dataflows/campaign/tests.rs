//! The dataflow against itself: the same arrivals, cut into epochs or all at once, on one worker or
//! several, must give the same bits.
//!
//! Arrivals are hostile: few customers and ids, so that duplicates, replacements, retractions, late
//! events, delayed rewards, profile versions and erasures meet. The run in one epoch takes the
//! thresholds that the run in many published; what the sinks were told change by change must add up
//! to what they are told at once. What this cannot catch: a mistake that both runs share; that is
//! for the batch oracle of the program's tests.

mod answers;
mod changing;
mod folding;
mod letters;
mod owners;
mod serving;
mod soundness;
mod turns;

use super::graph::{Beginning, Campaign, campaign};
use super::output::{
    ArmDay, Change, Counts, Day, Decision, Erasure, FeatureRow, InteractionRow, Output, Segment,
};
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
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::worker::Worker;

const START: i64 = 19_700 * DAY;
const DAYS: u64 = 30;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// One record on its way: topic and JSON text.
type Arrival = (Topic, String);

/// Records roughly in order of time, some late by days.
fn arrivals(random: &mut Random, count: u64) -> Vec<Arrival> {
    (0..count)
        .map(|i| {
            let late = if random.below(10) == 0 {
                random.below(6 * DAY as u64)
            } else {
                random.below(DAY as u64 / 8)
            };
            let now = (START as u64 + i * DAYS * DAY as u64 / count).saturating_sub(late) as i64;
            // Whole hours make equal instants common.
            let at = now - now.rem_euclid(DAY / 24);
            arrival(random, at, 0..40)
        })
        .collect()
}

/// A record dated `at`, with an id of these.
fn arrival(random: &mut Random, at: i64, ids: Range<u64>) -> Arrival {
    let customer = random.below(6);
    let id = ids.start + random.below(ids.end - ids.start);
    let amount = format!("{}.{:02}", random.below(500), random.below(4) * 25);
    match random.below(40) {
        0..=15 => {
            let category = ["Travel", "Fashion", "books"][random.below(3) as usize];
            (
                Topic::Transactions,
                format!(
                    "{{\"transaction_id\":\"t{id}\",\"customer_id\":{customer},\"timestamp\":{at},\
                    \"amount\":{amount},\"category\":\"{category}\"}}"
                ),
            )
        }
        16..=17 => (
            Topic::Transactions,
            format!(r#"{{"transaction_id":"t{id}","customer_id":{customer},"op":"retract"}}"#),
        ),
        18..=26 => {
            let (arm, reward) = (random.below(4), random.below(9) as f64 * 0.5 - 1.0);
            (
                Topic::Interactions,
                format!(
                    "{{\"interaction_id\":\"i{id}\",\"customer_id\":{customer},\"timestamp\":{at},\
                    \"action\":{arm},\"reward\":{reward}}}"
                ),
            )
        }
        27..=29 => {
            let arm = random.below(4);
            (
                Topic::Interactions,
                format!(
                    "{{\"interaction_id\":\"i{id}\",\"customer_id\":{customer},\"timestamp\":{at},\
                    \"action\":{arm},\"decision_id\":\"d{id}\"}}"
                ),
            )
        }
        30..=31 => (
            Topic::Interactions,
            format!(r#"{{"interaction_id":"i{id}","customer_id":{customer},"op":"retract"}}"#),
        ),
        32..=34 => {
            let (name, reward) = (random.below(50), random.below(8));
            let text = format!(
                "{{\"interaction_id\":\"i{id}\",\"reward_id\":\"r{name}\",\
                \"customer_id\":{customer},\"timestamp\":{at},\"reward\":{reward}}}"
            );
            (Topic::Rewards, text)
        }
        35 => (
            Topic::Rewards,
            format!(r#"{{"interaction_id":"i{id}","customer_id":{customer},"op":"retract"}}"#),
        ),
        36..=37 => {
            let (rate, from) = (
                random.below(5) as f64 / 4.0,
                if random.below(3) == 0 { String::new() } else { format!(r#","timestamp":{at}"#) },
            );
            (
                Topic::Customers,
                format!(
                    "{{\"customer_id\":{customer},\"signup_date\":\"2023-01-01\",\
                    \"email_open_rate\":{rate}{from}}}"
                ),
            )
        }
        38 if random.below(3) == 0 => (
            Topic::Customers,
            format!(r#"{{"customer_id":{customer},"op":"erase","timestamp":{at}}}"#),
        ),
        _ => (
            Topic::Requests,
            format!(r#"{{"decision_id":"d{id}","customer_id":{customer},"timestamp":{at}}}"#),
        ),
    }
}

fn block(topic: Topic, texts: &[(u64, &str)]) -> Messages {
    let (mut bytes, mut heads) = (Vec::new(), Vec::new());
    for (position, text) in texts {
        heads.push(Head {
            position: *position,
            timestamp: -1,
            start: bytes.len() as u32,
            length: text.len() as u32,
            null: false,
            key: 0,
        });
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(b'\n');
    }
    Messages::new(topic.id(), 0, bytes, heads)
}

/// Everything that sinks were told, added up.
#[derive(Default)]
struct Told {
    totals: BTreeMap<u32, Totals>,
    interactions: BTreeMap<(CustomerId, u64), (InteractionRow, Vec<i16>)>,
    features: BTreeMap<CustomerId, (FeatureRow, Vec<u64>)>,
    arm_days: BTreeMap<(Day, u16), ArmDay>,
    segments: BTreeMap<u8, Segment>,
    thresholds: BTreeMap<Day, u64>,
    decisions: BTreeMap<(CustomerId, u64), Decision>,
    closed: Vec<Closed>,
    erasures: BTreeSet<Erasure>,
    rejected: usize,
    counts: Counts,
    of_other_customers: u64,
    /// Events are folded in the run.
    folding: bool,
}

impl Told {
    fn take(&mut self, output: Output, features: &Features) {
        match output {
            Output::Interactions(rows) => {
                let mut contexts = rows.contexts.chunks(features.context().dimension());
                for row in rows.rows {
                    let context = if row.learned {
                        contexts.next().expect("a learned row has a context").to_vec()
                    } else {
                        Vec::new()
                    };
                    let key = (row.customer, row.key);
                    // The id of a folded interaction may come again.
                    if self.folding && row.change == Change::Insert {
                        let old = self.interactions.remove(&key);
                        assert!(
                            old.is_none_or(|(old, _)| old.timestamp < row.timestamp),
                            "{row:?}"
                        );
                    }
                    assert_eq!(
                        row.change == Change::Insert,
                        !self.interactions.contains_key(&key),
                        "{row:?}"
                    );
                    match row.change {
                        Change::Delete => self.interactions.remove(&key),
                        _ => self.interactions.insert(
                            key,
                            (InteractionRow { change: Change::Insert, ..row }, context),
                        ),
                    };
                }
            }
            Output::Features(rows) => {
                let mut values = rows.values.chunks(features.names().len());
                for row in rows.rows {
                    if row.change == Change::Delete {
                        assert!(self.features.remove(&row.customer).is_some(), "{row:?}");
                        continue;
                    }
                    let bits = values
                        .next()
                        .expect("a row has values")
                        .iter()
                        .map(|v| v.to_bits())
                        .collect();
                    self.features
                        .insert(row.customer, (FeatureRow { change: Change::Insert, ..row }, bits));
                }
            }
            Output::Arm(update) => {
                self.totals.insert(update.arm, update.totals);
            }
            Output::Threshold(day, value) => {
                assert!(self.thresholds.insert(day, value).is_none(), "day {day} closed twice")
            }
            Output::Rejected(rejected) => self.rejected += rejected.len(),
            Output::Ignored(_) | Output::Unlisted(_) => {}
            Output::ArmDay(row) => {
                self.arm_days.insert((row.day, row.arm), row);
            }
            Output::Segment(row) => {
                self.segments.insert(row.flags, row);
            }
            Output::Counts(counts) => self.counts.add(&counts),
            Output::OfOtherCustomers(number) => self.of_other_customers = number,
            Output::Decisions(decisions) => {
                self.decisions.extend(
                    decisions
                        .into_iter()
                        .map(|decision| ((decision.customer, decision.key), decision)),
                );
            }
            Output::Profiled(_) | Output::Kept(_) => panic!("nothing of that was asked for"),
            Output::Closed(closed) => self.closed.push(closed),
            Output::Erasures(erasures) => {
                for erasure in &erasures {
                    let is_gone = |row: &InteractionRow| {
                        row.customer == erasure.customer
                            && Some(row.timestamp) < erasure.folded_before
                    };
                    self.interactions.retain(|_, (row, _)| !is_gone(row));
                }
                self.erasures.extend(erasures);
            }
            Output::Names(_) | Output::LastFeatures(_) | Output::Rows(_) => {}
        }
    }

    fn assert_same(&self, other: &Told, seed: u64) {
        assert_map(&self.interactions, &other.interactions, "interactions", seed);
        assert_map(&self.features, &other.features, "features", seed);
        assert_map(&self.arm_days, &other.arm_days, "days of arms", seed);
        assert_map(&self.segments, &other.segments, "segments", seed);
        assert_map(&self.totals, &other.totals, "totals", seed);
        assert_map(&self.thresholds, &other.thresholds, "thresholds", seed);
        assert_map(&self.decisions, &other.decisions, "decisions", seed);
        assert_eq!(self.rejected, other.rejected, "seed {seed}");
        assert_eq!(self.erasures, other.erasures, "seed {seed}");
        assert_eq!(self.counts, other.counts, "seed {seed}");
        assert_eq!(self.of_other_customers, other.of_other_customers, "seed {seed}");
    }

    /// What does not depend on how the arrivals were cut.
    fn settled(mut self) -> Self {
        self.totals.retain(|_, totals| !totals.is_empty());
        self.arm_days.retain(|_, row| row.interactions != 0);
        self.segments.retain(|_, row| row.customers != 0);
        let Counts { transactions, interactions, rewards, learned, pending, first, last, .. } =
            self.counts;
        let Counts { rewards_no_interaction, rewards_before, rewards_after, .. } = self.counts;
        let unmatched =
            Counts { rewards_no_interaction, rewards_before, rewards_after, ..Counts::default() };
        self.counts = Counts {
            transactions,
            interactions,
            rewards,
            learned,
            pending,
            first,
            last,
            ..unmatched
        };
        // Decisions see the models of their epochs, so what rows say of them depends on the cuts.
        self.interactions
            .values_mut()
            .for_each(|(row, _)| row.decision = row.decision.map(|(key, _)| (key, None)));
        self.rejected = 0;
        self.thresholds.clear();
        self.decisions.clear();
        self.erasures.clear();
        self
    }
}

fn assert_map<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    a: &BTreeMap<K, V>,
    b: &BTreeMap<K, V>,
    what: &str,
    seed: u64,
) {
    for key in a.keys().chain(b.keys()) {
        assert_eq!(a.get(key), b.get(key), "{what} {key:?}, seed {seed}");
    }
}

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

/// A run of the dataflow over arrivals.
#[derive(Clone, Default)]
struct Run {
    arrivals: Vec<Arrival>,
    /// Sizes of the epochs; a last one takes the rest.
    epochs: Vec<usize>,
    workers: usize,
    thresholds: Option<Vec<(Day, u64)>>,
    /// Epochs whose snapshot is taken.
    saves: BTreeMap<u64, Save>,
    /// Watermarks as they were recorded, by epoch.
    recorded: BTreeMap<u64, Option<i64>>,
    /// Where it begins.
    snapshot: Option<Snapshot>,
    /// Whether each purchase asks for a decision.
    asking: bool,
    /// What serves, where that is not the default, and what served before.
    serving: Option<Serving>,
    earlier: Vec<(u64, Serving)>,
    /// K, where it is not the default.
    lag: Option<u64>,
    /// How long events are kept.
    keep: Option<i64>,
    /// Settings, where they are not those of most tests.
    settings: Option<Settings>,
    /// What the snapshot that it begins with was taken under, where that was something else.
    former: Option<Settings>,
}

/// What a run gave.
#[derive(Default)]
struct Outcome {
    /// Outputs with their epochs, in order of epochs.
    outputs: Vec<(u64, Output)>,
    images: Vec<ShardImage>,
    /// Snapshots that each worker completed.
    complete: BTreeMap<u64, usize>,
    settings: Settings,
    /// What the run began with, where settings changed.
    base: Option<Common>,
}

/// A snapshot: the common part, and each virtual shard's images in order.
#[derive(Clone, Debug)]
struct Snapshot {
    common: Common,
    images: Vec<ShardImage>,
}

/// Takes images, but has room only now and then, so that many epochs pass while a snapshot is
/// taken.
struct Shelf {
    outcome: Arc<Mutex<Outcome>>,
    asked: Cell<u64>,
}

impl Images for Shelf {
    fn has_room(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        !self.asked.get().is_multiple_of(4)
    }

    fn take(&mut self, image: ShardImage) {
        assert!(!image.bytes.is_empty());
        self.outcome.lock().expect("no worker panicked").images.push(image);
    }

    fn complete(&mut self, epoch: u64) {
        *self.outcome.lock().expect("no worker panicked").complete.entry(epoch).or_default() += 1;
    }
}

fn features(settings: &Settings) -> Arc<Features> {
    Arc::new(Features::new(&settings.input, &settings.customer).expect("the features are valid"))
}

impl Run {
    fn run(&self) -> Outcome {
        let settings = self.settings.clone().unwrap_or_else(|| {
            let mut settings = settings();
            settings.bandit.serving.decide_on_transaction = self.asking;
            settings.bandit.serving = self.serving.clone().unwrap_or(settings.bandit.serving);
            settings.bandit.model_lag = self.lag.unwrap_or(settings.bandit.model_lag);
            settings.earlier.clone_from(&self.earlier);
            settings.time.keep = self.keep;
            settings
        });
        let features = features(&settings);
        let described = Campaign {
            settings: Arc::new(settings.clone()),
            features,
            thresholds: self.thresholds.clone().map(Arc::new),
        };
        let outcome = Arc::new(Mutex::new(Outcome::default()));
        let (sink, run) = (Arc::clone(&outcome), self.clone());
        let config = if self.workers > 1 {
            timely::Config::process(self.workers)
        } else {
            timely::Config::thread()
        };
        let guards = timely::execute(config, move |worker| {
            let mut input = InputHandle::<u64, CapacityContainerBuilder<Vec<Feed>>>::new();
            let sink = Arc::clone(&sink);
            let mut beginning = run.begin(&described, worker.index(), worker.peers());
            // Turns of a few units end everywhere.
            let units = [2, 9, 40, 300][(run.epochs.len() + worker.index()) % 4];
            beginning.shard = beginning.shard.paced_by(Pacer::new(units, Box::new(())));
            beginning.images =
                Some(Box::new(Shelf { outcome: Arc::clone(&sink), asked: Cell::new(0) }));
            worker.dataflow::<u64, _, _>(|scope| {
                let feed = input.to_stream(scope);
                deliver(campaign(feed, &described, beginning), move |delivery| {
                    if let Delivery::Item(epoch, output) = delivery {
                        sink.lock().expect("no worker panicked").outputs.push((epoch, output));
                    }
                });
            });
            run.feed(input, worker);
            while worker.step_or_park(None) {}
        });
        guards
            .expect("the workers start")
            .join()
            .into_iter()
            .for_each(|result| result.expect("no worker panics"));
        let mut outcome = std::mem::take(&mut *outcome.lock().expect("no worker panicked"));
        outcome.outputs.sort_by_key(|(epoch, _)| *epoch);
        outcome.base = self.change(&settings).map(|(_, common)| common);
        Outcome { settings, ..outcome }
    }

    /// The change of settings that it begins with, and what belongs to no customer then.
    fn change(&self, settings: &Settings) -> Option<(ChangeOfSettings, Common)> {
        let common = &self.snapshot.as_ref()?.common;
        let change = ChangeOfSettings::new(&Former::of(self.former.as_ref()?, common), settings);
        let common = change.begin(common);
        Some((change, common))
    }

    fn begin(&self, described: &Campaign, worker: usize, peers: usize) -> Beginning {
        let Some(snapshot) = &self.snapshot else { return described.anew(worker, peers) };
        let mut common =
            Common::from_bytes(&snapshot.common.to_bytes()).expect("the bytes are whole");
        assert_eq!(common, snapshot.common);
        let mut loading = match self.change(&described.settings) {
            None => Loading::new(described, worker, peers, &common),
            Some((change, begun)) => {
                common = begun;
                Loading::changing(described, worker, peers, &common, change)
            }
        };
        let is_own = |image: &&ShardImage| usize::from(image.shard) % peers == worker;
        for image in snapshot.images.iter().filter(is_own) {
            let bytes = Aligned::from(&image.bytes[..]);
            let customers = loading.load(image.shard, image.whole, bytes).expect("it is whole");
            assert_eq!(customers, image.customers);
        }
        Beginning { shard: loading.finish(), common: Some(Arc::new(common)), images: None }
    }

    /// Feeds the epochs after the one that the run begins with, a share of each to every worker.
    fn feed(
        &self,
        mut input: InputHandle<u64, CapacityContainerBuilder<Vec<Feed>>>,
        worker: &mut Worker,
    ) {
        let done = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.common.epoch);
        let mut start = 0;
        for (epoch, size) in (1..).zip(self.epochs.iter().copied().chain([self.arrivals.len()])) {
            let end = (start + size).min(self.arrivals.len());
            let last = end == self.arrivals.len();
            if epoch > done {
                input.advance_to(epoch);
                for topic in Topic::ALL {
                    // Offsets are counted in each topic for itself: records of different topics
                    // stand at the same ones.
                    let all = (start..end).filter(|i| self.arrivals[*i].0 == topic);
                    let mine = all
                        .zip(start as u64..)
                        .filter(|(i, _)| i % worker.peers() == worker.index());
                    let texts: Vec<(u64, &str)> =
                        mine.map(|(i, offset)| (offset, self.arrivals[i].1.as_str())).collect();
                    input.send(Feed::Block(block(topic, &texts).into()));
                    let recorded = self.recorded.get(&epoch).copied().map(RecordedWatermark);
                    let partition = worker.index() as u32;
                    let save = self.saves.get(&epoch).copied();
                    input.send(Feed::Mark(Mark {
                        topic: topic.id(),
                        partition,
                        next: end as u64,
                        idle: true,
                        recorded,
                        last,
                        save,
                    }));
                }
                worker.step();
            }
            start = end;
            if last {
                break;
            }
        }
    }
}

impl Outcome {
    /// What sinks were told of the epochs after `after` and up to `until`.
    fn tell(&self, told: &mut Told, after: u64, until: u64) {
        let features = features(&self.settings);
        let outputs = self.outputs.iter().filter(|(epoch, _)| (after + 1..=until).contains(epoch));
        outputs.for_each(|(_, output)| told.take(output.clone(), &features));
    }

    fn told(&self) -> Told {
        let mut told = Told {
            counts: Counts::none(),
            folding: self.settings.time.keep.is_some(),
            ..Told::default()
        };
        self.tell(&mut told, 0, u64::MAX);
        told
    }

    /// The snapshot of an epoch, as it would be put together from files.
    fn snapshot(&self, epoch: u64) -> Snapshot {
        let lag = self.settings.bandit.model_lag;
        let mut follower = self
            .base
            .as_ref()
            .map_or_else(|| Follower::new(lag), |base| Follower::restored(lag, base));
        for now in self.base.as_ref().map_or(1, |base| base.epoch + 1)..=epoch {
            let (mut thresholds, mut counts, mut closed) =
                (Vec::new(), Counts::none(), Closed::default());
            for (_, output) in self.outputs.iter().filter(|(of, _)| *of == now) {
                match output {
                    Output::Arm(update) => follower.learn(now, update),
                    Output::ArmDay(row) => follower.arm_day(row),
                    Output::Segment(row) => follower.segment(row),
                    Output::Unlisted(names) => {
                        names.iter().for_each(|(list, hash)| follower.unlisted(*list, *hash))
                    }
                    Output::Threshold(day, value) => thresholds.push((*day, *value)),
                    Output::Counts(of_worker) => counts.add(of_worker),
                    Output::Closed(end) => closed = end.clone(),
                    _ => {}
                }
            }
            follower.end(now, &thresholds, &counts, &closed);
        }
        let mut images: Vec<ShardImage> =
            self.images.iter().filter(|image| image.epoch <= epoch).cloned().collect();
        images.sort_by_key(|image| (image.shard, image.epoch));
        let whole: BTreeMap<u16, u64> = images
            .iter()
            .filter(|image| image.whole)
            .map(|image| (image.shard, image.epoch))
            .collect();
        images.retain(|image| image.epoch >= whole[&image.shard]);
        let snapshot = Snapshot { common: follower.common(), images };
        assert_eq!(soundness::sound(&self.settings, &snapshot), Ok(()));
        snapshot
    }
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
