//! The campaign dataflow: purchases and interactions in; features, models and decisions out.
//!
//! ```text
//! feed ─ parse ─▶ records ── exchange by customer ─▶ settle ─▶ totals ─▶ thresholds ─ broadcast ─┐
//!      ▲    └───▶ standings ─▶ watermark ─ broadcast ──▲                                         │
//!      │                            │                                                            │
//!      └── an epoch later, where old events are folded                                           │
//!                                                                                                │
//!      ┌─────────────────────────────────────────────────────────────────────────────────────────┘
//!      └─▶ learn ─▶ sums ─ exchange by arm ─▶ solve ─┐
//!            ▲                                       │
//!            └──────── models, K epochs later ◀──────┘
//! ```

use crate::bandit::model::Model;
use crate::bandit::ridge::solve;
use crate::bandit::totals::Totals;
use crate::campaign::emission::Emission;
use crate::campaign::learning::{Learned, Learner, learn};
use crate::campaign::output::{ArmUpdate, Day, Output};
use crate::campaign::owners::find_owners;
use crate::campaign::parsing::{Past, parse};
use crate::campaign::recount::{ArmChange, Recount};
use crate::campaign::settling::settle;
use crate::campaign::shard::Shard;
use crate::campaign::snapshot::{Common, Version};
use crate::campaign::thresholds::{Closer, Owner, Published, close_thresholds};
use crate::campaign::views;
use crate::customer::features::Features;
use crate::epoch::{Partitions, close_epochs};
use crate::event::Millis;
use crate::operators::by_epoch::by_epoch;
use crate::settings::{HighValue, Settings};
use crate::snapshot::Images;
use crate::source::Feed;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::vec::{Broadcast, Filter, Map};
use timely::dataflow::operators::{Concatenate, ConnectLoop, Feedback};

/// What a campaign is built from; the same on every worker.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Lists, limits, learner.
    pub settings: Arc<Settings>,
    /// The features that they define.
    pub features: Arc<Features>,
    /// Daily thresholds published elsewhere, sorted by day; none are computed then.
    pub thresholds: Option<Arc<Vec<(Day, u64)>>>,
}

/// Where one worker begins.
pub struct Beginning {
    /// Its customers.
    pub shard: Shard,
    /// What the job has beside customers, where it goes on from a snapshot.
    pub common: Option<Arc<Common>>,
    /// Who takes the images of snapshots.
    pub images: Option<Box<dyn Images>>,
}

impl Campaign {
    /// The customers of worker `worker` of `peers`, none yet.
    pub fn shard(&self, worker: usize, peers: usize) -> Shard {
        let given = self.thresholds.as_ref().map(|days| days.as_slice());
        Shard::new(Arc::clone(&self.settings), Arc::clone(&self.features), given, worker, peers)
    }
}

/// Wires the dataflow on this worker. The first epoch is 1, or the one after the snapshot that it
/// begins with; each source worker sends its marks with every epoch. Outputs stay on the worker
/// that made them.
pub fn campaign<'scope>(
    feed: StreamVec<'scope, u64, Feed>,
    campaign: &Campaign,
    beginning: Beginning,
) -> StreamVec<'scope, u64, Output> {
    let scope = feed.scope();
    let Campaign { settings, features, thresholds } = campaign.clone();
    let Beginning { mut shard, common, images } = beginning;
    let common = common.unwrap_or_default();
    let closer = closer(&settings, thresholds.is_some(), &shard);
    let (arms, dimension) = (settings.input.arms.len(), features.context().dimension());
    let emission = Emission::new(arms, dimension, settings.emit.interactions)
        .recounting(shard.visitor.take_recount());
    let (pacer, shard) = (shard.pacer.clone(), Rc::new(RefCell::new(shard)));

    // Only where old events are folded must an epoch know the watermark of the one before when it
    // is parsed.
    let (watermarks_in, watermarks) =
        settings.time.keep.map(|_| scope.feedback::<Vec<Option<Millis>>>(1)).unzip();
    let highs = common.highs.iter().map(|&(topic, partition, high)| (topic.id(), partition, high));
    let past = Past { highs: highs.collect(), watermark: common.watermark, watermarks };
    let parsed = parse(feed, &settings, past, pacer);
    let closings =
        close_epochs(parsed.standings, Partitions::new(settings.time.lateness, common.watermark));
    if let Some(watermarks_in) = watermarks_in {
        closings.clone().map(|closed| closed.watermark).broadcast().connect_loop(watermarks_in);
    }
    let settled =
        settle(parsed.records, parsed.asides, closings.clone().broadcast(), Rc::clone(&shard));
    let published = close_thresholds(settled.totals, closer);
    let (models_in, models) = scope.feedback::<Vec<Learned>>(settings.bandit.model_lag);
    let versions: Vec<Learned> =
        common.arms.iter().flat_map(|version| solved(version, common.changed, &settings)).collect();
    let unlearned = Model::new(arms, dimension, settings.serving(0).ridge);
    let mut learner =
        Learner::new(Rc::clone(&shard), emission, unlearned).knowing(versions).saving(images);
    if common.is_changing() {
        learner = learner.telling_anew((scope.index() == 0).then_some(common.counts));
    }
    // None of before a change can decide after it, so its own models come at once, whatever the
    // lag.
    let (first_in, first) = (common.is_changing() && settings.bandit.model_lag > 1)
        .then(|| scope.feedback::<Vec<Learned>>(1))
        .unzip();
    let at_once = if first_in.is_some() { common.changed } else { 0 };
    let models = scope.concatenate(first.into_iter().chain([models]));
    let learned =
        learn(settled.closed, published.clone().broadcast(), models, learner, settled.wake);
    let updates = sum_by_arm(learned.deltas, dimension, Arc::clone(&settings), &common);
    let models = updates.clone().flat_map(|(_, models)| models);
    if let Some(first_in) = first_in {
        models
            .clone()
            .filter(move |learned| learned.version == at_once)
            .broadcast()
            .connect_loop(first_in);
    }
    models.filter(move |learned| learned.version != at_once).broadcast().connect_loop(models_in);

    scope.concatenate([
        parsed.outputs,
        settled.outputs,
        learned.outputs,
        views::views(learned.arm_days, learned.segments, &common),
        updates.map(|(update, _)| update),
        find_owners(learned.asked, shard),
        published.flat_map(Published::into_outputs),
        closings.map(Output::Closed),
    ])
}

/// The totals of each arm, on the arm's worker, and the models solved from them: the one that its
/// row has, and those that decide.
fn sum_by_arm<'scope>(
    changes: StreamVec<'scope, u64, ArmChange>,
    dimension: usize,
    settings: Arc<Settings>,
    common: &Common,
) -> StreamVec<'scope, u64, (Output, Vec<Learned>)> {
    // Of several versions of an arm the last one is the newest.
    let mut totals: BTreeMap<u32, Totals> =
        common.arms.iter().map(|version| (version.arm, version.totals.clone())).collect();
    let settings_changed = common.changed;
    let recounted = common.lacks_rewards().then_some(common.epoch + 1);
    by_epoch(
        changes,
        Exchange::new(|change: &ArmChange| u64::from(change.arm())),
        "SumByArm",
        move |epoch, changes| {
            let (mut deltas, mut recount) = (Vec::with_capacity(changes.len()), Recount::default());
            changes.into_iter().for_each(|change| match change {
                ArmChange::Sums(delta) => deltas.push(delta),
                ArmChange::Recount(counted) => recount.add(&counted),
            });
            let completed =
                if recounted == Some(epoch) { recount.complete(&mut totals) } else { Vec::new() };
            for delta in &deltas {
                totals.entry(delta.arm).or_insert_with(|| Totals::new(dimension)).add(delta);
            }
            let mut changed: Vec<u32> = deltas.iter().map(|delta| delta.arm).collect();
            changed.sort_unstable();
            changed.dedup();
            let solved = changed.into_iter().map(|arm| {
                let version = Version { epoch, arm, totals: totals[&arm].clone() };
                let models = solved(&version, settings_changed, &settings);
                let ridge = settings.serving(epoch).ridge;
                let own = models
                    .iter()
                    .find(|learned| learned.ridge == ridge)
                    .map(|learned| learned.model.clone());
                let model = own.unwrap_or_else(|| solve(arm, &version.totals, ridge));
                let update = ArmUpdate { arm, totals: version.totals, model };
                (Output::Arm(Box::new(update)), models)
            });
            let completed = completed.into_iter().map(|told| (told, Vec::new()));
            completed.chain(solved).collect::<Vec<_>>()
        },
    )
}

/// The models of a version that decide: solved with the ridge that holds for the first epoch in
/// which it does, and once more for each change of the ridge after that. What was not yet known of
/// when an epoch was first computed only adds models that decide after it.
fn solved(version: &Version, changed: u64, settings: &Settings) -> Vec<Learned> {
    let first =
        version.epoch + if version.epoch == changed { 1 } else { settings.bandit.model_lag };
    let ridges =
        std::iter::once((first, settings.serving(first).ridge)).chain(settings.ridges_after(first));
    let solved = |(from, ridge)| Learned {
        version: version.epoch,
        from,
        ridge,
        model: solve(version.arm, &version.totals, ridge),
    };
    ridges.map(solved).collect()
}

fn closer(settings: &Settings, given: bool, shard: &Shard) -> Closer {
    let owner = match settings.customer.high_value {
        HighValue::Percentile(percentile) if !given => {
            Owner::restored(Some(percentile), shard.visitor.thresholds())
        }
        HighValue::Percentile(_) | HighValue::Fixed(_) => Owner::new(None),
    };
    Closer { owner, as_of: settings.emit.final_features.flatten(), pacer: shard.pacer.clone() }
}
