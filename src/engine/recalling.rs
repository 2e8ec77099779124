//! Epochs that are repeated read from what was kept of them rather than from topics that may have
//! lost it since.

use crate::blame::Blame;
use crate::kafka::KafkaError;
use crate::kafka::intake::Sight;
use crate::sink::kept::{KeptAt, KeptReader};
use crate::source::{Bounds, Intake};
use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use dataflows::source::{Kept, Mark, Messages, TopicId};
use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

/// Runs of records that are read ahead, each about as large as what comes from the broker at once.
const AHEAD: usize = 16;

/// How long after a failure the store is asked again.
const AGAIN: Duration = Duration::from_millis(200);

/// What a worker reads from what is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// The epoch after which it begins.
    pub after: u64,
    /// Its partitions, and up to where they are read so.
    pub until: Bounds,
}

/// An intake of which some partitions begin where what is kept of them ends.
pub struct Recalling<I> {
    inner: I,
    /// Of the partitions that are not read from the topic yet: where they stand, and where what is
    /// kept ends.
    recalled: BTreeMap<(TopicId, u32), (u64, u64)>,
    records: Receiver<Result<Kept, (String, Blame)>>,
    /// The next of them.
    front: Option<Kept>,
    sight: Sight,
}

impl<I: Intake> Recalling<I> {
    /// Reads a worker's share, from these offsets on; `wake` is called when something has come.
    /// What goes wrong is told by `sight`.
    pub fn start(
        inner: I,
        reader: Box<dyn KeptReader>,
        share: &Share,
        starts: &Bounds,
        sight: Sight,
        wake: impl Fn() + Send + 'static,
    ) -> Self {
        let recalled: BTreeMap<_, _> = share
            .until
            .iter()
            .map(|(key, end)| (*key, (starts.get(key).copied().unwrap_or(0), *end)))
            .collect();
        let (sender, records) = bounded(AHEAD);
        if !recalled.is_empty() {
            let reader = Reader { reader, share: share.clone(), sender, wake };
            let started =
                thread::Builder::new().name("kept-records".to_string()).spawn(move || reader.run());
            started.err().into_iter().for_each(|error| sight.fail(KafkaError::Thread(error)));
        }
        Recalling { inner, recalled, records, front: None, sight }
    }

    /// The next kept records that lie before the bounds, if they have come.
    fn recall(&mut self, bounds: &Bounds) -> Option<Messages> {
        while self.is_behind(bounds) {
            let kept = match self.front.take() {
                Some(kept) => kept,
                None => match self.records.try_recv() {
                    Ok(Ok(kept)) => kept,
                    Err(TryRecvError::Empty) => return None,
                    Ok(Err((why, blame))) => return self.fail(why, blame),
                    Err(TryRecvError::Disconnected) => {
                        return self.fail("some are missing".to_string(), Blame::Lasting);
                    }
                },
            };
            let key = (kept.topic, kept.partition);
            if bounds.get(&key).is_none_or(|bound| kept.until > *bound) {
                // It is of a later epoch, and so is all that comes after it.
                self.front = Some(kept);
                return self.fail("an epoch lacks some".to_string(), Blame::Lasting);
            }
            if let Some((at, _)) = self.recalled.get_mut(&key) {
                *at = kept.until;
            }
            match kept.messages() {
                Some(messages) if messages.heads.is_empty() => {}
                Some(messages) => return Some(messages),
                None => {
                    let why = format!(
                        "those at offset {} of partition {} are not what was written",
                        kept.from, kept.partition
                    );
                    return self.fail(why, Blame::Lasting);
                }
            }
        }
        None
    }

    /// Whether something that is kept lies before the bounds.
    fn is_behind(&self, bounds: &Bounds) -> bool {
        let behind = |(key, (at, end)): (&(TopicId, u32), &(u64, u64))| {
            bounds.get(key).is_some_and(|bound| at < bound.min(end))
        };
        self.recalled.iter().any(behind)
    }

    fn fail(&self, why: String, blame: Blame) -> Option<Messages> {
        self.sight.fail(KafkaError::Kept { why, blame });
        None
    }
}

impl<I: Intake> Intake for Recalling<I> {
    fn next(&mut self, until: Option<&Bounds>) -> Option<Messages> {
        let recalled =
            until.filter(|_| !self.recalled.is_empty()).and_then(|bounds| self.recall(bounds));
        recalled.or_else(|| self.inner.next(until))
    }

    fn has_reached(&self, bounds: &Bounds) -> bool {
        !self.is_behind(bounds) && self.inner.has_reached(bounds)
    }

    /// From the topic such a partition is read from the end of what is kept on, where it stands
    /// before.
    fn marks(&self, until: Option<&Bounds>) -> Vec<Mark> {
        let mut marks = self.inner.marks(until);
        for mark in &mut marks {
            let recalled =
                self.recalled.get(&(mark.topic, mark.partition)).filter(|(at, end)| at < end);
            recalled.into_iter().for_each(|(at, _)| mark.next = *at);
        }
        marks
    }

    fn is_prepared(&self) -> bool {
        self.inner.is_prepared()
    }

    fn open(&mut self) {
        self.inner.open();
    }

    fn is_ended(&self) -> bool {
        self.inner.is_ended()
    }
}

/// The thread that reads what is kept, as far ahead as there is room.
struct Reader<W> {
    reader: Box<dyn KeptReader>,
    share: Share,
    sender: Sender<Result<Kept, (String, Blame)>>,
    wake: W,
}

impl<W: Fn()> Reader<W> {
    /// Until everything is handed over, or nobody takes it any more. A store that is away is waited
    /// for, as the epochs' commits wait for it.
    fn run(mut self) {
        let of: Vec<(TopicId, u32)> = self.share.until.keys().copied().collect();
        let Some(&(topic, partition)) = of.first() else { return };
        let mut after = KeptAt { epoch: self.share.after, topic, partition, from: 0, until: 0 };
        loop {
            let some = match self.reader.next(after, &of) {
                Ok(some) => some,
                Err(error) if error.is_transient() => {
                    tracing::warn!("Kept records are waited for: {error}.");
                    thread::park_timeout(AGAIN);
                    continue;
                }
                Err(error) => {
                    self.hand(Err((error.to_string(), error.blame())));
                    return;
                }
            };
            let Some((last, _)) = some.last() else { return };
            after = *last;
            let wanted = |at: &KeptAt| {
                at.epoch > self.share.after
                    && self
                        .share
                        .until
                        .get(&(at.topic, at.partition))
                        .is_some_and(|until| at.until <= *until)
            };
            for (_, kept) in some.into_iter().filter(|(at, _)| wanted(at)) {
                if !self.hand(Ok(kept)) {
                    return;
                }
            }
        }
    }

    fn hand(&self, records: Result<Kept, (String, Blame)>) -> bool {
        let taken = self.sender.send(records).is_ok();
        (self.wake)();
        taken
    }
}
