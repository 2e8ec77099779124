//! One worker's shard: its customers, and those who work on them in turns.
//!
//! Settling, folding, learning, snapshots and the search for owners are clients of the one state.
//! Each has what it alone needs, and takes bounded turns, which the shard gives: an epoch is first
//! settled and then learned from, and snapshots have theirs in between.

use crate::bandit::model::Model;
use crate::campaign::emission::Emission;
use crate::campaign::fold::FoldRound;
use crate::campaign::learn::{Desk, Learning, Visitor};
use crate::campaign::output::{Day, Output};
use crate::campaign::owners::Searching;
use crate::campaign::settle::{News, Said, Settled, Settling};
use crate::campaign::state::Customers;
use crate::campaign::thresholds::{Published, Thresholds};
use crate::customer::features::Features;
use crate::epoch::Closed;
use crate::settings::Settings;
use crate::snapshot::Images;
use crate::source::Save;
use crate::state::turns::{Client, Pacer};
use std::sync::Arc;

/// One worker's customers, and who works on them.
pub struct Shard {
    pub(super) settings: Arc<Settings>,
    pub(super) customers: Customers,
    pub(super) visitor: Visitor,
    pub(super) searching: Searching,
    pub(super) pacer: Pacer,
    fold: FoldRound,
    stage: Stage,
}

/// What is done with the epoch that is under way.
enum Stage {
    /// Nothing: none is.
    Between,
    /// It is being settled.
    Settling(Box<Settling>),
    /// It has settled, and waits to be learned from.
    Settled(Box<(Settled, Closed)>),
    /// It is being learned from.
    Learning(Box<Learning>),
}

impl Shard {
    /// The customers of worker `worker` of `peers`, none yet. With `given` thresholds none are
    /// computed.
    pub fn new(
        settings: Arc<Settings>,
        features: Arc<Features>,
        given: Option<&[(Day, u64)]>,
        worker: usize,
        peers: usize,
    ) -> Self {
        let customers =
            Customers::new(&settings, Arc::clone(&features), given.is_some(), (worker, peers));
        let thresholds = given.map(Thresholds::given).unwrap_or_default();
        Shard {
            visitor: Visitor::new(Arc::clone(&settings), features, thresholds),
            customers,
            settings,
            searching: Searching::default(),
            pacer: Pacer::default(),
            fold: FoldRound::default(),
            stage: Stage::Between,
        }
    }

    /// Whose turns are given by `pacer`.
    pub fn paced_by(self, pacer: Pacer) -> Self {
        Shard { pacer, ..self }
    }

    /// Whether no epoch is under way.
    pub(super) fn is_between_epochs(&self) -> bool {
        matches!(self.stage, Stage::Between)
    }

    /// Whether an epoch is being settled.
    pub(super) fn is_settling(&self) -> bool {
        matches!(self.stage, Stage::Settling(_))
    }

    /// Whether an epoch has settled, and waits to be learned from.
    pub(super) fn has_settled(&self) -> bool {
        matches!(self.stage, Stage::Settled(_))
    }

    /// Begins to settle what arrived for an epoch; none is under way.
    pub(super) fn begin(&mut self, epoch: u64, news: News) {
        debug_assert!(self.is_between_epochs(), "the epoch before has been learned from");
        let (thresholds, watermark) = (self.visitor.thresholds(), self.visitor.watermark());
        let horizon = self.settings.time.horizon(watermark);
        self.customers.begin(horizon);
        self.fold.begin(horizon, self.customers.len());
        self.stage = Stage::Settling(Box::new(Settling::new(
            &self.settings,
            epoch,
            news,
            (thresholds, watermark),
            self.visitor.is_telling_anew(),
        )));
    }

    /// Takes a turn at settling the epoch; gives what there is to be said, and once it has settled
    /// how it was closed.
    pub(super) fn settle(&mut self) -> (Said, Option<Closed>) {
        let Shard { customers, pacer, fold, .. } = self;
        if fold.has_share() {
            pacer.turn(Client::Fold, |budget| fold.go_on(customers, budget));
            return (Said::default(), None);
        }
        let Stage::Settling(settling) = &mut self.stage else { return (Said::default(), None) };
        let (said, is_settled) =
            pacer.turn(Client::Settle, |budget| settling.go_on(customers, budget));
        if !is_settled {
            return (said, None);
        }
        let Stage::Settling(settling) = std::mem::replace(&mut self.stage, Stage::Between) else {
            return (said, None);
        };
        let settled = settling.finish();
        let end = settled.1.clone();
        self.stage = Stage::Settled(Box::new(settled));
        (said, Some(end))
    }

    /// Begins to learn from the epoch, which has settled, and whose thresholds these are.
    pub(super) fn begin_learning(&mut self, epoch: u64, published: Published) {
        let Stage::Settled(settled) = std::mem::replace(&mut self.stage, Stage::Between) else {
            unreachable!("an epoch is learned from once it has settled")
        };
        let Shard { customers, visitor, .. } = self;
        let learning = Learning::new(epoch, *settled, published, customers, visitor);
        self.stage = Stage::Learning(Box::new(learning));
    }

    /// Takes a turn at learning from the epoch; gives what there is to be told. At its end the
    /// epoch is handed over, to be finished.
    pub(super) fn learn(
        &mut self,
        model: &Model,
        emission: &mut Emission,
    ) -> (Vec<Output>, Option<Box<Learning>>) {
        let Shard { customers, visitor, searching, pacer, .. } = self;
        let Stage::Learning(learning) = &mut self.stage else { return (Vec::new(), None) };
        let (outputs, is_done) = pacer.turn(Client::Learn, |budget| {
            let mut desk = Desk { customers, visitor, searching, emission, model };
            let is_done = learning.go_on(&mut desk, budget);
            (learning.take_outputs(emission), is_done)
        });
        match std::mem::replace(&mut self.stage, Stage::Between) {
            Stage::Learning(learning) if is_done => (outputs, Some(learning)),
            stage => {
                self.stage = stage;
                (outputs, None)
            }
        }
    }

    /// Begins to take a snapshot of the customers as they now are, between two epochs.
    pub(super) fn begin_snapshot(&mut self, epoch: u64, save: Save) {
        self.customers.begin_snapshot(epoch, save);
    }

    /// Takes a turn at the snapshot that is being taken, between two epochs; says whether more is
    /// left.
    pub(super) fn go_on_with_snapshot(&mut self, images: &mut dyn Images) -> bool {
        let Shard { customers, pacer, .. } = self;
        pacer.turn(Client::Snapshot, |budget| customers.save_some(images, budget))
    }
}
