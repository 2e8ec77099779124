//! The operator of learning: each epoch that has settled, once its thresholds are published and the
//! model that decides in it is there.

use crate::bandit::model::Model;
use crate::bandit::ridge::ArmModel;
use crate::campaign::emission::Emission;
use crate::campaign::output::{Counts, Output};
use crate::campaign::owners::Inquiry;
use crate::campaign::recount::ArmChange;
use crate::campaign::shard::Shard;
use crate::campaign::thresholds::Published;
use crate::campaign::views::{ArmDayUpdate, SegmentUpdate, arm_day_update, segment_update};
use crate::epoch::Closed;
use crate::snapshot::Images;
use crate::source::Save;
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
use timely::scheduling::Activator;

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
    pub deltas: StreamVec<'scope, u64, ArmChange>,
    /// Changes of the days of arms.
    pub arm_days: StreamVec<'scope, u64, ArmDayUpdate>,
    /// Changes of segments.
    pub segments: StreamVec<'scope, u64, SegmentUpdate>,
    /// Rows, decisions and counts.
    pub outputs: StreamVec<'scope, u64, Output>,
    /// Which interactions are looked for.
    pub asked: StreamVec<'scope, u64, Inquiry>,
}

/// Where what learning gives is sent.
struct Ports {
    deltas: OutputBuilder<u64, Builder<Vec<ArmChange>>>,
    arm_days: OutputBuilder<u64, Builder<Vec<ArmDayUpdate>>>,
    segments: OutputBuilder<u64, Builder<Vec<SegmentUpdate>>>,
    outputs: OutputBuilder<u64, Builder<Vec<Output>>>,
    asked: OutputBuilder<u64, Builder<Vec<Inquiry>>>,
}

/// The right to send at an epoch, for each output and one more: see [`learn`].
type Rights = Vec<Capability<u64>>;

/// Learns from each epoch that has settled; `wake` wakes those who settle the next one.
pub fn learn<'scope>(
    settled: StreamVec<'scope, u64, Closed>,
    published: StreamVec<'scope, u64, Published>,
    models: StreamVec<'scope, u64, Learned>,
    mut learner: Learner,
    wake: Activator,
) -> LearnedStreams<'scope> {
    let scope = settled.scope();
    let mut builder = OperatorBuilder::new("Learn".to_owned(), scope);
    let again = scope.activator_for(builder.operator_info().address);
    let mut settled = builder.new_input(settled, Pipeline);
    let mut published = builder.new_input(published, Pipeline);
    let mut models = builder.new_input(models, Pipeline);
    let (mut ports, streams) = Ports::of(&mut builder);
    builder.build(move |_| {
        // At most one epoch has settled and waits here: settling waits for it in turn.
        let mut open: Option<(u64, Rights, Closed)> = None;
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
            let is_ready =
                |epoch: &u64| frontiers[1..].iter().all(|frontier| !frontier.less_equal(epoch));
            if let Some((epoch, rights, end)) = open.take_if(|(epoch, ..)| is_ready(epoch)) {
                if learner.learn(epoch, &rights, &mut ports) {
                    wake.activate();
                    learner.begin_snapshot(epoch, end.save, rights);
                } else {
                    open = Some((epoch, rights, end));
                    again.activate();
                }
            }
            if learner.go_on_with_snapshot() {
                again.activate_after(PATIENCE);
            }
        }
    });
    streams
}

impl Ports {
    /// An output for each, and one more to which nobody listens: the right to send at it keeps the
    /// dataflow up until a snapshot is complete.
    fn of<'scope>(builder: &mut OperatorBuilder<'scope, u64>) -> (Self, LearnedStreams<'scope>) {
        let (deltas, delta_stream) = builder.new_output::<Vec<ArmChange>>();
        let (arm_days, arm_day_stream) = builder.new_output::<Vec<ArmDayUpdate>>();
        let (segments, segment_stream) = builder.new_output::<Vec<SegmentUpdate>>();
        let (outputs, output_stream) = builder.new_output::<Vec<Output>>();
        let (asked, asked_stream) = builder.new_output::<Vec<Inquiry>>();
        builder.new_output::<Vec<()>>();
        let ports = Ports {
            deltas: OutputBuilder::from(deltas),
            arm_days: OutputBuilder::from(arm_days),
            segments: OutputBuilder::from(segments),
            outputs: OutputBuilder::from(outputs),
            asked: OutputBuilder::from(asked),
        };
        let streams = LearnedStreams {
            deltas: delta_stream,
            arm_days: arm_day_stream,
            segments: segment_stream,
            outputs: output_stream,
            asked: asked_stream,
        };
        (ports, streams)
    }

    /// Tells some of an epoch's results.
    fn tell(&mut self, rights: &Rights, outputs: Vec<Output>) {
        self.outputs.activate().session(&rights[3]).give_iterator(outputs.into_iter());
    }

    /// Tells what an epoch adds up to.
    fn tell_sums(&mut self, epoch: u64, rights: &Rights, emission: &mut Emission) {
        self.deltas.activate().session(&rights[0]).give_iterator(emission.drain_sums());
        let arm_days =
            emission.arm_days.drain().map(|(key, change)| arm_day_update(epoch, key, change));
        self.arm_days.activate().session(&rights[1]).give_iterator(arm_days);
        let segments =
            emission.segments.drain().map(|(flags, change)| segment_update(epoch, flags, change));
        self.segments.activate().session(&rights[2]).give_iterator(segments);
    }

    fn ask(&mut self, rights: &Rights, asked: Inquiry) {
        self.asked.activate().session(&rights[4]).give(asked);
    }
}

/// How long a snapshot rests between two turns: others have theirs, and whoever takes the images
/// keeps up.
const PATIENCE: Duration = Duration::from_millis(1);

/// Takes snapshots of the customers between epochs.
struct Snapshots {
    images: Box<dyn Images>,
    /// Held while one is being taken, so that the dataflow does not end before.
    right: Option<Capability<u64>>,
}

/// One worker's learner: its customers, the models that decide, and what it is about to emit.
pub struct Learner {
    shard: Rc<RefCell<Shard>>,
    emission: Emission,
    model: Model,
    /// Models by the epoch from which on they decide.
    coming: BTreeMap<u64, Vec<Learned>>,
    published: BTreeMap<u64, Published>,
    /// What stood before, where the next epoch counts everything anew; on one worker.
    stood: Option<Counts>,
    snapshots: Option<Snapshots>,
}

impl Learner {
    /// A learner over these customers that begins with this model.
    pub fn new(shard: Rc<RefCell<Shard>>, emission: Emission, model: Model) -> Self {
        Learner {
            shard,
            emission,
            model,
            coming: BTreeMap::new(),
            published: BTreeMap::new(),
            stood: None,
            snapshots: None,
        }
    }

    /// With models that were learned before, of each arm in the order of their versions.
    pub fn knowing(mut self, models: impl IntoIterator<Item = Learned>) -> Self {
        self.expect(models);
        self
    }

    /// Whose snapshots are taken by `images`.
    pub fn saving(mut self, images: Option<Box<dyn Images>>) -> Self {
        self.snapshots = images.map(|images| Snapshots { images, right: None });
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

    /// Takes a turn at learning from an epoch; says whether that is done.
    fn learn(&mut self, epoch: u64, rights: &Rights, ports: &mut Ports) -> bool {
        let shard = Rc::clone(&self.shard);
        let mut shard = shard.borrow_mut();
        if shard.has_settled() {
            self.take_models(shard.settings.serving(epoch).ridge, epoch);
            shard.begin_learning(epoch, self.published.remove(&epoch).unwrap_or_default());
        }
        let (outputs, learning) = shard.learn(&self.model, &mut self.emission);
        ports.tell(rights, outputs);
        let Some(learning) = learning else { return false };
        let (mut counts, asked) = learning.finish(&mut shard.customers, &mut self.emission);
        self.stood.take().iter().for_each(|stood| counts.count_anew(stood));
        ports.tell_sums(epoch, rights, &mut self.emission);
        ports.tell(rights, vec![Output::Counts(counts)]);
        ports.ask(rights, asked);
        true
    }

    /// The model that decides in `epoch`: for each arm the newest that has come by then.
    fn take_models(&mut self, ridge: f64, epoch: u64) {
        self.model.set_ridge(ridge);
        while let Some(entry) = self.coming.first_entry() {
            if *entry.key() > epoch {
                break;
            }
            for learned in entry.remove() {
                self.model.take(learned.version, learned.model);
            }
        }
    }

    /// Begins a snapshot of how things stand at the end of an epoch, where one is wanted.
    fn begin_snapshot(&mut self, epoch: u64, save: Option<Save>, mut rights: Rights) {
        if let (Some(snapshots), Some(save)) = (&mut self.snapshots, save) {
            self.shard.borrow_mut().begin_snapshot(epoch, save);
            snapshots.right = rights.pop();
        }
    }

    /// Goes on with the snapshot that is being taken, unless an epoch is under way; says whether
    /// there is more to do.
    fn go_on_with_snapshot(&mut self) -> bool {
        let Some(Snapshots { images, right }) = &mut self.snapshots else { return false };
        if right.is_none() {
            return false;
        }
        let mut shard = self.shard.borrow_mut();
        if shard.is_between_epochs() && !shard.go_on_with_snapshot(images.as_mut()) {
            *right = None;
        }
        right.is_some()
    }
}
