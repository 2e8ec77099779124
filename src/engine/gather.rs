//! Gathers what the workers send of each epoch, and hands complete epochs to the sink, in order.

use super::live::Control;
use super::schedule::Schedule;
use crate::blame::Blame;
use crate::checkpoint::saver::SaverHandle;
use crate::checkpoint::{CommonPiece, Piece};
use crate::first::Tell;
use crate::sink::following::Follow;
use crate::sink::gathered::{Essentials, Gathered};
use crate::sink::{Genesis, Link, RecordedEpoch};
use crate::source::TopicUuids;
use crossbeam_channel::{Sender, TrySendError};
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
pub struct Gather<F: Follow> {
    follower: F,
    open: BTreeMap<u64, F::Results>,
    next: u64,
    /// Epochs that are committed already: they are compared, not handed on.
    committed: BTreeMap<u64, RecordedEpoch>,
    /// Told of each of these.
    repeated: Option<Repeated<F::Results>>,
    /// Where the chain of the epochs begins, where they are those of a job.
    history: Option<Genesis>,
    /// The link of the newest complete epoch, where it has one.
    link: Option<Link>,
    /// An epoch that is only computed again, with what it was committed with.
    known: Option<(u64, TopicUuids, Option<Link>)>,
    /// The ids of the topics that are read.
    topic_ids: TopicUuids,
    control: Control,
    sink: Sender<Box<F::Results>>,
    failure: Tell<GatherError>,
    /// It has failed: an epoch after one that was not handed on must not be either.
    failed: bool,
    checkpoints: Option<Checkpointing>,
}

/// Whoever is told of epochs that are repeated.
type Repeated<R> = Box<dyn Fn(&R) + Send>;

/// The way of what belongs to no customer into checkpoints.
pub struct Checkpointing {
    /// Who writes them.
    pub saver: SaverHandle,
    /// Who says when they are due.
    pub schedule: Arc<Schedule>,
    /// The newest epoch in which a customer was erased; 0 before the first.
    erased: u64,
}

impl Checkpointing {
    /// Nothing erased so far.
    pub fn new(saver: SaverHandle, schedule: Arc<Schedule>) -> Self {
        Checkpointing { saver, schedule, erased: 0 }
    }
}

impl<F: Follow> Gather<F> {
    /// Hands epochs to `sink`, whose channel must hold as many as may be on their way at once; the
    /// first is the one after `after`.
    pub fn new(
        follower: F,
        after: u64,
        control: Control,
        sink: Sender<Box<F::Results>>,
        failure: Tell<GatherError>,
    ) -> Self {
        control.gathered.store(after, Ordering::Release);
        Gather {
            follower,
            open: BTreeMap::new(),
            next: after + 1,
            committed: BTreeMap::new(),
            repeated: None,
            history: None,
            link: None,
            known: None,
            topic_ids: TopicUuids::UNKNOWN,
            control,
            sink,
            failure,
            failed: false,
            checkpoints: None,
        }
    }

    /// Epochs that are here are only compared and count as committed; `repeated` is told of them.
    pub fn comparing(
        mut self,
        committed: BTreeMap<u64, RecordedEpoch>,
        repeated: impl Fn(&F::Results) + Send + 'static,
    ) -> Self {
        self.committed = committed;
        self.repeated = Some(Box::new(repeated));
        self
    }

    /// Goes on with the chain of a job's epochs after this link, with what is read of these topics.
    pub fn chaining(mut self, history: Genesis, link: Option<Link>, topic_ids: TopicUuids) -> Self {
        (self.history, self.link, self.topic_ids) = (Some(history), link, topic_ids);
        self
    }

    /// Gives this epoch the ids and the link that it was committed with; it is handed on all the
    /// same.
    pub fn knowing(mut self, epoch: u64, topic_ids: TopicUuids, link: Option<Link>) -> Self {
        self.known = Some((epoch, topic_ids, link));
        self
    }

    /// Takes part in checkpoints.
    pub fn saving(mut self, checkpoints: Checkpointing) -> Self {
        self.checkpoints = Some(checkpoints);
        self
    }

    /// Takes what arrives.
    pub fn receive(&mut self, delivery: Delivery<F::Output>) {
        match delivery {
            Delivery::Item(epoch, output) => {
                let open = self.open.entry(epoch);
                let results = open.or_insert_with(|| self.follower.begin(epoch));
                self.follower.add(results, output);
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
            let mut results =
                self.open.remove(&epoch).unwrap_or_else(|| self.follower.begin(epoch));
            self.next += 1;
            self.follower.follow(&mut results);
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
    fn chain(&mut self, results: &mut F::Results) {
        let epoch = results.essentials().epoch;
        if let Some(committed) = self.committed.get(&epoch) {
            self.link = committed.chain;
            self.follower.link(results, committed.topic_ids, committed.chain);
        } else if let Some((_, topic_ids, link)) = self.known.filter(|known| known.0 == epoch) {
            self.link = link;
            self.follower.link(results, topic_ids, link);
        } else if let Some(history) = self.history {
            self.follower.link(results, self.topic_ids, None);
            self.link = history.link(self.link, &results.essentials().made());
            self.follower.link(results, self.topic_ids, self.link);
        } else {
            self.link = results.essentials().chain;
        }
    }

    /// Hands over what belongs to no customer, if a checkpoint is taken of this epoch.
    fn save(&mut self, results: &F::Results) {
        let Some(Checkpointing { saver, schedule, erased }) = &mut self.checkpoints else { return };
        let (erases, results) = (!results.erasures().is_empty(), results.essentials());
        if erases {
            *erased = results.epoch;
            schedule.erased();
        }
        let Some(save) = results.closed.save else { return };
        let shared = CommonPiece {
            epoch: results.epoch,
            bytes: self.follower.common(),
            digest: *results.digest,
            chain: results.chain,
            topic_ids: *results.topic_ids,
            watermark: results.closed.watermark,
            offsets: results.closed.offsets.clone(),
            customers: self.follower.customers(),
            full: save == Save::Everything,
            erases: *erased > schedule.newest(),
        };
        saver.hand(Piece::Shared(Box::new(shared)));
    }

    fn hand_on(&mut self, results: F::Results) -> Result<(), GatherError> {
        let Essentials { epoch, digest, .. } = results.essentials();
        if let Some(committed) = self.committed.remove(&epoch) {
            if committed.digest != *digest {
                let shown = crate::hexadecimal::hexadecimal;
                return Err(GatherError::Changed {
                    epoch,
                    committed: shown(&committed.digest),
                    now: shown(digest),
                });
            }
            self.control.committed.fetch_max(epoch, Ordering::Release);
            self.repeated.iter().for_each(|repeated| repeated(&results));
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
