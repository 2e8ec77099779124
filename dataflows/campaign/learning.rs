//! The driver of learning: visits the customers that an epoch touched, decides its requests, and
//! emits what changed.

use crate::bandit::model::Model;
use crate::bandit::ridge::ArmModel;
use crate::bandit::statistics::Delta;
use crate::campaign::emission::Emission;
use crate::campaign::feed::Save;
use crate::campaign::output::{Closed, Counts, Output};
use crate::campaign::owners::Asked;
use crate::campaign::settling::Shared;
use crate::campaign::snapshot::Images;
use crate::campaign::thresholds::Published;
use crate::campaign::views::{ArmDayUpdate, SegmentUpdate, arm_day_update, segment_update};
use crate::event::Millis;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use timely::container::CapacityContainerBuilder as Builder;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// One arm's model, the epoch that it was learned to the end of, and from when on it decides.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Learned {
    /// The epoch; 0 where nothing was learned.
    pub version: u64,
    /// The first epoch in which it decides.
    pub from: u64,
    /// The ridge that holds then; the model may have taken a greater one.
    pub ridge: f64,
    /// The model.
    pub model: ArmModel,
}

/// What learning gives.
pub struct LearnedStreams<'scope> {
    /// Changes of each arm's sums.
    pub deltas: StreamVec<'scope, u64, Delta>,
    /// Changes of the days of arms.
    pub arm_days: StreamVec<'scope, u64, ArmDayUpdate>,
    /// Changes of segments.
    pub segments: StreamVec<'scope, u64, SegmentUpdate>,
    /// Rows, decisions and counts.
    pub outputs: StreamVec<'scope, u64, Output>,
    /// Which interactions are looked for.
    pub asked: StreamVec<'scope, u64, Asked>,
}

/// Learns from each epoch that has settled, once its thresholds are published and the model that
/// decides in it is there.
pub fn learn<'scope>(
    settled: StreamVec<'scope, u64, Closed>,
    published: StreamVec<'scope, u64, Published>,
    models: StreamVec<'scope, u64, Learned>,
    mut learner: Learner,
    images: Option<Box<dyn Images>>,
) -> LearnedStreams<'scope> {
    let scope = settled.scope();
    let mut builder = OperatorBuilder::new("Learn".to_owned(), scope);
    let again = scope.activator_for(builder.operator_info().address);
    let mut settled = builder.new_input(settled, Pipeline);
    let mut published = builder.new_input(published, Pipeline);
    let mut models = builder.new_input(models, Pipeline);
    let (deltas, delta_stream) = builder.new_output::<Vec<Delta>>();
    let (arm_days, arm_day_stream) = builder.new_output::<Vec<ArmDayUpdate>>();
    let (segments, segment_stream) = builder.new_output::<Vec<SegmentUpdate>>();
    let (outputs, output_stream) = builder.new_output::<Vec<Output>>();
    let (asked, asked_stream) = builder.new_output::<Vec<Asked>>();
    // Nobody listens to the last output: the right to send at it keeps the dataflow up until a
    // snapshot is complete.
    builder.new_output::<Vec<()>>();
    let mut deltas = OutputBuilder::<_, Builder<Vec<Delta>>>::from(deltas);
    let mut arm_days = OutputBuilder::<_, Builder<Vec<ArmDayUpdate>>>::from(arm_days);
    let mut segments = OutputBuilder::<_, Builder<Vec<SegmentUpdate>>>::from(segments);
    let mut outputs = OutputBuilder::<_, Builder<Vec<Output>>>::from(outputs);
    let mut asked = OutputBuilder::<_, Builder<Vec<Asked>>>::from(asked);
    builder.build(move |_| {
        // At most one epoch has settled and waits here: settling waits for it in turn.
        let mut open: Option<(u64, Vec<Capability<u64>>, Closed)> = None;
        let mut snapshots = images.map(|images| Snapshots { images, right: None });
        move |frontiers| {
            settled.for_each(|capability, ends| {
                let Some(&epoch) = capability.least() else { return };
                let rights = (0..6).filter_map(|port| capability.retain_least(port)).collect();
                open = ends.pop().map(|end| (epoch, rights, end));
            });
            published.for_each(|capability, values| {
                if let Some(&epoch) = capability.least() {
                    learner.published.extend(values.drain(..).map(|published| (epoch, published)));
                }
            });
            models.for_each(|capability, arms| {
                if capability.least().is_some() {
                    learner.expect(arms.drain(..));
                }
            });
            if let Some((epoch, rights, end)) = open.take_if(|(epoch, ..)| {
                frontiers[1..].iter().all(|frontier| !frontier.less_equal(epoch))
            }) {
                let (results, asks) = learner.learn(epoch, &end);
                deltas.activate().session(&rights[0]).give_iterator(learner.emission.drain_sums());
                arm_days.activate().session(&rights[1]).give_iterator(
                    learner
                        .emission
                        .arm_days
                        .drain()
                        .map(|(key, change)| arm_day_update(epoch, key, change)),
                );
                segments.activate().session(&rights[2]).give_iterator(
                    learner
                        .emission
                        .segments
                        .drain()
                        .map(|(flags, change)| segment_update(epoch, flags, change)),
                );
                outputs.activate().session(&rights[3]).give_iterator(results.into_iter());
                asked.activate().session(&rights[4]).give(asks);
                learner.release();
                if let (Some(snapshots), Some(save)) = (&mut snapshots, end.save) {
                    snapshots.begin(&learner, epoch, save, rights);
                }
            }
            if snapshots.as_mut().is_some_and(|snapshots| snapshots.go_on(&learner)) {
                again.activate_after(PATIENCE);
            }
        }
    });
    LearnedStreams {
        deltas: delta_stream,
        arm_days: arm_day_stream,
        segments: segment_stream,
        outputs: output_stream,
        asked: asked_stream,
    }
}

/// How long a snapshot rests between two virtual shards: others have their turn, and whoever takes
/// the images keeps up.
const PATIENCE: Duration = Duration::from_millis(1);

/// Takes snapshots of the customers between epochs.
struct Snapshots {
    images: Box<dyn Images>,
    /// Held while one is being taken, so that the dataflow does not end before.
    right: Option<Capability<u64>>,
}

impl Snapshots {
    fn begin(
        &mut self,
        learner: &Learner,
        epoch: u64,
        save: Save,
        mut rights: Vec<Capability<u64>>,
    ) {
        learner.shared.borrow_mut().shard.begin_snapshot(epoch, save);
        self.right = rights.pop();
    }

    /// Goes on with the snapshot, unless an epoch has settled and waits to be learned from; says
    /// whether there is more to do.
    fn go_on(&mut self, learner: &Learner) -> bool {
        if self.right.is_none() {
            return false;
        }
        let mut shared = learner.shared.borrow_mut();
        if !shared.settled && !shared.shard.go_on_with_snapshot(self.images.as_mut()) {
            self.right = None;
        }
        self.right.is_some()
    }
}

/// One worker's learner: its customers, the models that decide, and what it is about to emit.
pub struct Learner {
    shared: Rc<RefCell<Shared>>,
    emission: Emission,
    model: Model,
    /// Models by the epoch from which on they decide.
    coming: BTreeMap<u64, Vec<Learned>>,
    published: BTreeMap<u64, Published>,
    /// What stood before, where the next epoch counts everything anew; on one worker.
    stood: Option<Counts>,
}

impl Learner {
    /// A learner over these customers that begins with this model.
    pub fn new(shared: Rc<RefCell<Shared>>, emission: Emission, model: Model) -> Self {
        Learner {
            shared,
            emission,
            model,
            coming: BTreeMap::new(),
            published: BTreeMap::new(),
            stood: None,
        }
    }

    /// With models that were learned before, of each arm in the order of their versions.
    pub fn knowing(mut self, models: impl IntoIterator<Item = Learned>) -> Self {
        self.expect(models);
        self
    }

    /// Whose next epoch tells everything anew, in place of what stood.
    pub fn telling_anew(mut self, stood: Option<Counts>) -> Self {
        self.stood = stood;
        self.emission.every_arm = true;
        self
    }

    fn expect(&mut self, models: impl IntoIterator<Item = Learned>) {
        models
            .into_iter()
            .for_each(|learned| self.coming.entry(learned.from).or_default().push(learned));
    }

    /// What an epoch gives, and what is asked in it.
    fn learn(&mut self, epoch: u64, end: &Closed) -> (Vec<Output>, Asked) {
        self.take_models(epoch);
        let published = self.published.remove(&epoch).unwrap_or_default();
        let shard = &mut self.shared.borrow_mut().shard;
        let watermark = if end.last { Some(Millis::MAX) } else { end.watermark };
        shard.visit(&published, watermark, &mut self.emission);
        let decisions = shard.decide(&self.model, epoch);
        let mut outputs = Vec::new();
        if !decisions.is_empty() {
            outputs.push(Output::Decisions(decisions));
        }
        if !self.emission.interactions.rows.is_empty() {
            outputs.push(Output::Interactions(std::mem::take(&mut self.emission.interactions)));
        }
        if !self.emission.features.rows.is_empty() {
            outputs.push(Output::Features(std::mem::take(&mut self.emission.features)));
        }
        let erasures = shard.take_erasures();
        if !erasures.is_empty() {
            outputs.push(Output::Erasures(erasures));
        }
        if let Some(end) = published.end {
            outputs.extend(shard.final_features(&end).into_iter().map(Output::LastFeatures));
        }
        let counts = shard.take_counts(end.last);
        let mut counts = Counts {
            learned: std::mem::take(&mut self.emission.learned),
            corrected: std::mem::take(&mut self.emission.corrected),
            ..counts
        };
        self.stood.take().iter().for_each(|stood| counts.count_anew(stood));
        outputs.push(Output::Counts(counts));
        (outputs, shard.ask(epoch, end.last, counts.records))
    }

    /// The model that decides in `epoch`: for each arm the newest that has come by then.
    fn take_models(&mut self, epoch: u64) {
        self.model.set_ridge(self.shared.borrow().shard.settings.serving(epoch).ridge);
        while let Some(entry) = self.coming.first_entry() {
            if *entry.key() > epoch {
                break;
            }
            for learned in entry.remove() {
                self.model.take(learned.version, learned.model);
            }
        }
    }

    /// Lets the next epoch settle.
    fn release(&self) {
        let mut shared = self.shared.borrow_mut();
        shared.settled = false;
        if let Some(settling) = &shared.wake_settling {
            settling.activate();
        }
    }
}
