//! Gathers what the workers send of each epoch, and hands complete epochs to the sink, in order.

use super::live::Control;
use super::schedule::Schedule;
use crate::blame::Blame;
use crate::campaign::results::{Changed, EpochResults};
use crate::checkpoint::saver::Intake;
use crate::checkpoint::{Piece, Shared};
use crate::first::Tell;
use crate::sink::gathered::Gathered;
use crate::sink::{History, Link, RecordedEpoch};
use crate::source::TopicUuids;
use crate::status::Status;
use crossbeam_channel::{Sender, TrySendError};
use dataflows::bandit::totals::digest_of_all;
use dataflows::campaign::graph::Campaign;
use dataflows::campaign::output::Output;
use dataflows::campaign::snapshot::{Common, Follower};
use dataflows::operators::deliver::Delivery;
use dataflows::source::Save;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What kept an epoch from being handed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatherError {
    /// An epoch that was committed before came out differently.
    #[error(
        "epoch {epoch} was committed with the model digest {committed}, but its records now give \
         {now}: the topics, the configuration or the program \
         have changed; make everything anew from the topics with --rebuild"
    )]
    Changed {
        /// Which.
        epoch: u64,
        /// As committed.
        committed: String,
        /// As recomputed.
        now: String,
    },
    /// The sink has ended.
    #[error("the sink has ended before epoch {0}")]
    SinkEnded(u64),
}

impl GatherError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            GatherError::Changed { .. } => Blame::Lasting,
            GatherError::SinkEnded(_) => Blame::World,
        }
    }
}

/// The epochs that are not complete, and what is known of all of them.
pub struct Gather {
    described: Campaign,
    open: BTreeMap<u64, EpochResults>,
    follower: Follower,
    next: u64,
    /// Digest of the newest complete epoch, once there is one.
    last_digest: Option<[u8; 32]>,
    /// Epochs that are committed already: they are compared, not handed on.
    committed: BTreeMap<u64, RecordedEpoch>,
    /// Where the chain of the epochs begins, where they are those of a job.
    history: Option<History>,
    /// The link of the newest complete epoch, where it has one.
    link: Option<Link>,
    /// An epoch that is only computed again, with what it was committed with.
    known: Option<(u64, TopicUuids, Option<Link>)>,
    /// The ids of the topics that are read.
    topic_ids: TopicUuids,
    status: Option<Arc<Status>>,
    control: Control,
    sink: Sender<Box<EpochResults>>,
    failure: Tell<GatherError>,
    /// It has failed: an epoch after one that was not handed on must not be either.
    failed: bool,
    checkpoints: Option<Checkpointing>,
    /// The next epoch is a change of settings.
    changed: Option<Changed>,
}

/// The way of what belongs to no customer into checkpoints.
pub struct Checkpointing {
    /// Who writes them.
    pub saver: Intake,
    /// Who says when they are due.
    pub schedule: Arc<Schedule>,
    /// The newest epoch in which a customer was erased; 0 before the first.
    erased: u64,
}

impl Checkpointing {
    /// Nothing erased so far.
    pub fn new(saver: Intake, schedule: Arc<Schedule>) -> Self {
        Checkpointing { saver, schedule, erased: 0 }
    }
}

impl Gather {
    /// Hands epochs to `sink`, whose channel must hold as many as may be on their way at once.
    pub fn new(
        described: Campaign,
        control: Control,
        sink: Sender<Box<EpochResults>>,
        failure: Tell<GatherError>,
    ) -> Self {
        let follower = Follower::new(described.settings.bandit.model_lag);
        Gather {
            described,
            open: BTreeMap::new(),
            follower,
            next: 1,
            last_digest: None,
            committed: BTreeMap::new(),
            history: None,
            link: None,
            known: None,
            topic_ids: TopicUuids::UNKNOWN,
            status: None,
            control,
            sink,
            failure,
            failed: false,
            checkpoints: None,
            changed: None,
        }
    }

    /// Goes on after a checkpoint.
    pub fn after(mut self, common: &Common) -> Self {
        self.follower = Follower::restored(self.described.settings.bandit.model_lag, common);
        self.next = common.epoch + 1;
        self.control.gathered.store(common.epoch, Ordering::Release);
        self
    }

    /// Epochs that are here are only compared, count as committed, and are shown.
    pub fn comparing(
        mut self,
        committed: BTreeMap<u64, RecordedEpoch>,
        status: Arc<Status>,
    ) -> Self {
        (self.committed, self.status) = (committed, Some(status));
        self
    }

    /// Goes on with the chain of a job's epochs after this link, with what is read of these topics.
    pub fn chaining(mut self, history: History, link: Option<Link>, topic_ids: TopicUuids) -> Self {
        (self.history, self.link, self.topic_ids) = (Some(history), link, topic_ids);
        self
    }

    /// Gives this epoch the ids and the link that it was committed with; it is handed on all the
    /// same.
    pub fn knowing(mut self, epoch: u64, topic_ids: TopicUuids, link: Option<Link>) -> Self {
        self.known = Some((epoch, topic_ids, link));
        self
    }

    /// Begins with an epoch that is a change of settings.
    pub fn changing(mut self, changed: Option<Changed>) -> Self {
        self.changed = changed;
        self
    }

    /// Takes part in checkpoints.
    pub fn saving(mut self, checkpoints: Checkpointing) -> Self {
        self.checkpoints = Some(checkpoints);
        self
    }

    /// Takes what arrives.
    pub fn receive(&mut self, delivery: Delivery<Output>) {
        match delivery {
            Delivery::Item(epoch, output) => {
                self.open.entry(epoch).or_insert_with(|| EpochResults::new(epoch)).add(output)
            }
            Delivery::CompleteBefore(epoch) => self.complete(epoch),
            Delivery::End => {
                self.complete(self.open.last_key_value().map_or(0, |(epoch, _)| epoch + 1))
            }
        }
    }

    fn complete(&mut self, before: u64) {
        while self.next < before && !self.failed {
            let epoch = self.next;
            let mut results = self.open.remove(&epoch).unwrap_or_else(|| EpochResults::new(epoch));
            self.next += 1;
            results.changed = self.changed.take();
            results.digest_before = self.last_digest.take().unwrap_or_else(|| self.digest());
            self.follow(&results);
            results.digest = self.digest();
            self.last_digest = Some(results.digest);
            self.chain(&mut results);
            self.save(&results);
            if let Err(error) = self.hand_on(results) {
                self.failed = true;
                return self.failure.tell(error);
            }
            self.control.gathered.store(epoch, Ordering::Release);
        }
    }

    /// Gives an epoch its link: that which it was committed with, else one that follows from what
    /// it is made of.
    fn chain(&mut self, results: &mut EpochResults) {
        if let Some(committed) = self.committed.get(&results.epoch) {
            (results.topic_ids, results.chain) = (committed.topic_ids, committed.chain);
        } else if let Some((_, topic_ids, link)) =
            self.known.filter(|(epoch, ..)| *epoch == results.epoch)
        {
            (results.topic_ids, results.chain) = (topic_ids, link);
        } else if let Some(history) = &self.history {
            results.topic_ids = self.topic_ids;
            results.chain = history.link(self.link, &results.essentials().made());
        }
        self.link = results.chain;
    }

    fn follow(&mut self, results: &EpochResults) {
        let epoch = results.epoch;
        results.arms.iter().for_each(|update| self.follower.learn(epoch, update));
        results.arm_days.iter().for_each(|row| self.follower.arm_day(row));
        results.segments.iter().for_each(|row| self.follower.segment(row));
        results.unlisted.iter().for_each(|(list, hash)| self.follower.unlisted(*list, *hash));
        self.follower.end(epoch, &results.thresholds, &results.counts, &results.closed);
    }

    /// The digest of all arms as they now are.
    fn digest(&self) -> [u8; 32] {
        let context = self.described.features.context();
        digest_of_all(context.names(), self.described.settings.input.arms.len(), |arm| {
            self.follower.totals(arm)
        })
    }

    /// Hands over what belongs to no customer, if a checkpoint is taken of this epoch.
    fn save(&mut self, results: &EpochResults) {
        let Some(Checkpointing { saver, schedule, erased }) = &mut self.checkpoints else { return };
        if !results.erasures.is_empty() {
            *erased = results.epoch;
            schedule.erased();
        }
        let Some(save) = results.closed.save else { return };
        let shared = Shared {
            epoch: results.epoch,
            bytes: self.follower.common().to_bytes(),
            digest: results.digest,
            chain: results.chain,
            topic_ids: results.topic_ids,
            watermark: results.closed.watermark,
            offsets: results.closed.offsets.clone(),
            customers: self.follower.customers(),
            full: save == Save::Everything,
            erases: *erased > schedule.newest(),
        };
        saver.hand(Piece::Shared(Box::new(shared)));
    }

    fn hand_on(&mut self, results: EpochResults) -> Result<(), GatherError> {
        let epoch = results.epoch;
        if let Some(committed) = self.committed.remove(&epoch) {
            if committed.digest != results.digest {
                let shown = crate::hexadecimal::hexadecimal;
                return Err(GatherError::Changed {
                    epoch,
                    committed: shown(&committed.digest),
                    now: shown(&results.digest),
                });
            }
            self.control.committed.fetch_max(epoch, Ordering::Release);
            self.status.iter().for_each(|status| status.repeated(&results));
            return Ok(());
        }
        match self.sink.try_send(Box::new(results)) {
            Ok(()) => Ok(()),
            // The pacer never lets more epochs on their way than the channel holds; should it ever,
            // waiting is right.
            Err(TrySendError::Full(results)) => {
                self.sink.send(results).map_err(|_| GatherError::SinkEnded(epoch))
            }
            Err(TrySendError::Disconnected(_)) => Err(GatherError::SinkEnded(epoch)),
        }
    }
}
