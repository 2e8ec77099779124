//! The thread that saves checkpoints while the job goes on: one a process. No worker ever waits for
//! it: it asks whether there is room.
//!
//! The workers of all processes hand over their shards of one epoch; process 0 adds what belongs to
//! no customer, waits for the others and for the epoch's commit, and writes the manifest. Nothing
//! that fails here ends the job: see [`Saved`].

use super::assembly::{Abandoned, Assembly};
use super::checkpoints::Checkpoints;
use super::error::CheckpointError;
use super::manifest::{Kind, Manifest};
use crate::first::{Panicked, caught};
use crate::sink::Link;
use crate::source::TopicUuids;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use dataflows::event::Millis;
use dataflows::source::TopicId;
use jiff::Timestamp;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A piece of a checkpoint, as a worker hands it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Customers of a virtual shard: all of them, or those that have changed since the checkpoint
    /// before.
    Shard {
        /// The checkpoint.
        epoch: u64,
        /// The shard, below [`SHARDS`](super::SHARDS); at most one piece of it in a checkpoint.
        shard: u16,
        /// All of them or what has changed.
        kind: Kind,
        /// Customers in the piece.
        customers: u64,
        /// The content.
        bytes: Vec<u8>,
    },
    /// A worker has handed over every piece that it has.
    WorkerDone {
        /// The checkpoint.
        epoch: u64,
        /// The worker, any number that is its own in this process.
        worker: usize,
        /// The longest turn.
        longest: Pause,
    },
    /// On process 0: what belongs to no customer.
    Shared(Box<Shared>),
    /// On process 0: some of what the tables must hold, by whoever verifies.
    Tables {
        /// The checkpoint.
        epoch: u64,
        /// Which of these pieces it is, from 0 on.
        number: u64,
        /// The content.
        bytes: Vec<u8>,
    },
}

/// How long the stream stood still on a worker while it wrote some customers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pause {
    /// From its beginning to its end.
    pub took: Duration,
    /// Of that, how long the worker had a processor.
    pub worked: Duration,
}

impl Pause {
    /// Takes in another one: of both, the longer time and the longer work.
    pub fn extend(&mut self, other: Pause) {
        *self = Pause { took: self.took.max(other.took), worked: self.worked.max(other.worked) };
    }
}

/// What belongs to no customer, and what describes the checkpoint as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The checkpoint.
    pub epoch: u64,
    /// The content.
    pub bytes: Vec<u8>,
    /// Digest of the statistics of all arms after the epoch.
    pub digest: [u8; 32],
    /// The epoch's link in the chain of the job's epochs, where it has one.
    pub chain: Option<Link>,
    /// The ids of the topics that were read, as far as they are known.
    pub topic_ids: TopicUuids,
    /// The epoch's watermark.
    pub watermark: Option<Millis>,
    /// Next offset of every partition.
    pub offsets: Vec<(TopicId, u32, u64)>,
    /// Customers of the whole checkpoint.
    pub customers: u64,
    /// Whether every shard that has customers hands over a base: no file of an earlier checkpoint
    /// is used.
    pub full: bool,
    /// Whether customers were erased since the checkpoint before, so that the older checkpoints
    /// must go. Every shard that held one of them must hand over a base; a full checkpoint does.
    pub erases: bool,
}

impl Piece {
    /// The checkpoint that it is of.
    pub fn epoch(&self) -> u64 {
        match self {
            Piece::Shard { epoch, .. }
            | Piece::WorkerDone { epoch, .. }
            | Piece::Tables { epoch, .. } => *epoch,
            Piece::Shared(shared) => shared.epoch,
        }
    }
}

/// What a saver must be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaverSettings {
    /// This process.
    pub process: usize,
    /// Processes of the job.
    pub processes: usize,
    /// Workers of this process, each of which says when it is done.
    pub workers: usize,
    /// Checkpoints to keep.
    pub keep: usize,
    /// Pieces that may wait.
    pub room: usize,
    /// How often process 0 looks for the others' parts and the epoch's commit.
    pub poll: Duration,
    /// Tries of a write before the checkpoint is abandoned.
    pub tries: u32,
    /// Pause before the second try; each further one is twice the one before.
    pub first_pause: Duration,
}

impl SaverSettings {
    /// Of the only process, with so many workers.
    pub fn new(workers: usize) -> Self {
        SaverSettings {
            process: 0,
            processes: 1,
            workers,
            keep: 2,
            room: 16,
            poll: Duration::from_millis(100),
            tries: 5,
            first_pause: Duration::from_millis(100),
        }
    }
}

/// What has become of the checkpoints so far, for whoever says when the next one is due. On other
/// processes than the first it tells of their own parts only.
#[derive(Debug, Default)]
pub struct Saved {
    newest: AtomicU64,
    oldest: AtomicU64,
    abandoned: AtomicU64,
    failed_erasures: AtomicU64,
    /// When the newest complete checkpoint was made, in milliseconds since 1970; 0 before the
    /// first.
    created: AtomicI64,
    /// Checkpoints that were abandoned since the start.
    failures: AtomicU64,
    /// Why the newest one was abandoned.
    why: Mutex<Option<Abandoned>>,
    panicked: OnceLock<Panicked>,
}

impl Saved {
    /// The newest complete checkpoint's epoch; 0 before the first.
    pub fn newest(&self) -> u64 {
        self.newest.load(Ordering::Acquire)
    }

    /// The epoch of the oldest checkpoint that a restart may have to take; 0 before that is known.
    pub fn oldest(&self) -> u64 {
        self.oldest.load(Ordering::Acquire)
    }

    /// The newest abandoned checkpoint's epoch; 0 as long as none was.
    pub fn abandoned(&self) -> u64 {
        self.abandoned.load(Ordering::Acquire)
    }

    /// Whether this checkpoint is complete or abandoned, so that the next one may begin.
    pub fn is_settled(&self, epoch: u64) -> bool {
        epoch <= self.newest().max(self.abandoned())
    }

    /// Whether this checkpoint was abandoned.
    pub fn is_abandoned(&self, epoch: u64) -> bool {
        epoch <= self.abandoned() && epoch > self.newest()
    }

    /// Whether the next checkpoint must be full: there is none yet, or the last one was abandoned,
    /// and with it what had changed, or is of other settings.
    pub fn needs_full(&self) -> bool {
        self.newest() <= self.abandoned()
    }

    /// How often older checkpoints were to go because a customer was erased, and did not. They go
    /// with a later one.
    pub fn failed_erasures(&self) -> u64 {
        self.failed_erasures.load(Ordering::Acquire)
    }

    pub(super) fn erasure_failed(&self) {
        self.failed_erasures.fetch_add(1, Ordering::AcqRel);
    }

    /// When the newest complete checkpoint was made, in milliseconds since 1970; `None` before the
    /// first.
    pub fn created(&self) -> Option<Millis> {
        Some(self.created.load(Ordering::Acquire)).filter(|created| *created > 0)
    }

    /// How many checkpoints were abandoned since the start.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Acquire)
    }

    pub(super) fn complete(&self, epoch: u64, created: Timestamp) {
        self.newest.fetch_max(epoch, Ordering::AcqRel);
        self.created.fetch_max(created.as_millisecond(), Ordering::AcqRel);
    }

    /// Nothing of the checkpoint that the job goes on from can be part of the next one.
    pub fn starts_over(&self) {
        self.abandoned.fetch_max(self.newest(), Ordering::AcqRel);
    }

    pub(super) fn begins_with(&self, oldest: u64) {
        self.oldest.fetch_max(oldest, Ordering::AcqRel);
    }

    pub(super) fn abandon(&self, epoch: u64, why: Abandoned) {
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        self.abandoned.fetch_max(epoch, Ordering::AcqRel);
        self.failures.fetch_add(1, Ordering::AcqRel);
    }

    /// The last checkpoint, if it was abandoned.
    fn unsaved(&self) -> Option<Unsaved> {
        let epoch = Some(self.abandoned()).filter(|&abandoned| abandoned > self.newest())?;
        let why = self.why.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(Unsaved { epoch, why })
    }

    /// Why the last checkpoint was abandoned; `None` once one is complete.
    pub fn trouble(&self) -> Option<String> {
        let epoch = Some(self.abandoned()).filter(|&abandoned| abandoned > self.newest())?;
        let why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        why.as_ref().map(|why| {
            format!(
                "that of epoch {epoch} was abandoned, for {why}; see that \
            the store can be written and has room"
            )
        })
    }

    /// Set once the saver's thread has panicked: nothing will be saved any more.
    pub fn panicked(&self) -> Option<Panicked> {
        self.panicked.get().cloned()
    }
}

/// The last checkpoint could not be written.
#[derive(Debug, thiserror::Error)]
#[error(
    "everything is committed, but the last checkpoint, of epoch {epoch}, could not be written: \
     {why}. The next start begins at the one before, and repeats \
     what was committed since"
)]
pub struct Unsaved {
    /// Its epoch.
    pub epoch: u64,
    /// Why it was abandoned.
    pub why: Abandoned,
}

/// What goes through the channel.
enum Message {
    Piece(Box<Piece>),
    /// Finish what has begun, for at most so long.
    End(Duration),
}

/// The saver of this process.
pub struct Saver {
    intake: Intake,
    saved: Arc<Saved>,
    thread: JoinHandle<()>,
}

/// The way to the saver, for a worker.
#[derive(Clone)]
pub struct Intake {
    messages: Sender<Message>,
    room: usize,
}

impl Intake {
    /// Whether another shard should be handed over now. Workers that ask at the same moment may
    /// each be told so: what waits is bounded by the room and a piece a worker.
    pub fn has_room(&self) -> bool {
        self.messages.len() < self.room
    }

    /// Hands over a piece, without ever waiting.
    pub fn hand(&self, piece: Piece) {
        // Without its thread nothing will ever be saved: whoever watches `Saved` ends the job.
        let _ = self.messages.send(Message::Piece(Box::new(piece)));
    }
}

impl Saver {
    /// Starts the thread. `committed` is the newest epoch that the sink has committed; `restored`
    /// is the checkpoint that the state was loaded from, in every process the same. On process 0
    /// this must come before any worker of any process begins a checkpoint: it clears away what the
    /// processes of an earlier start have left for one another.
    ///
    /// # Errors
    /// [`CheckpointError::Store`], [`CheckpointError::Thread`].
    pub fn start(
        checkpoints: Checkpoints,
        settings: SaverSettings,
        committed: Arc<AtomicU64>,
        restored: Option<Manifest>,
    ) -> Result<Self, CheckpointError> {
        if settings.process == 0 {
            checkpoints.clear_parts()?;
        }
        let saved = Arc::new(Saved::default());
        let own = restored.iter().filter(|restored| restored.identity == checkpoints.identity());
        own.for_each(|manifest| saved.complete(manifest.epoch, manifest.created));
        let (messages, taken) = unbounded();
        let (poll, room, told) = (settings.poll, settings.room.max(1), Arc::clone(&saved));
        let assembly =
            Assembly::new(checkpoints, settings, committed, Arc::clone(&saved), restored)?;
        let save = move || {
            if let Err(panicked) = caught("checkpoint-saver", || save(assembly, &taken, poll)) {
                // Nobody else sets it.
                drop(told.panicked.set(panicked));
            }
        };
        let thread = thread::Builder::new().name("checkpoint-saver".to_string()).spawn(save);
        Ok(Saver {
            intake: Intake { messages, room },
            saved,
            thread: thread.map_err(CheckpointError::Thread)?,
        })
    }

    /// The way to it, for a worker.
    pub fn intake(&self) -> Intake {
        self.intake.clone()
    }

    /// What has become of the checkpoints so far.
    pub fn saved(&self) -> &Arc<Saved> {
        &self.saved
    }

    /// Ends the thread once what has begun is finished, at the latest after `patience` (and a write
    /// that is under way). A saver that is dropped instead ends with the process, and leaves what
    /// has begun.
    ///
    /// # Errors
    /// The last checkpoint was abandoned. One that takes too long is none: it is logged, and nothing but time is lost.
    pub fn finish(self, patience: Duration) -> Result<(), Unsaved> {
        // Only a thread that has panicked does not take it, which `Saved` tells; then there is
        // nothing to wait for.
        let _ = self.intake.messages.send(Message::End(patience));
        let _ = self.thread.join();
        self.saved.unsaved().map_or(Ok(()), Err)
    }
}

/// The thread: takes what comes, and looks again and again for what it waits for.
fn save(mut assembly: Assembly, messages: &Receiver<Message>, poll: Duration) {
    let mut end: Option<Instant> = None;
    let mut polled = Instant::now();
    loop {
        match next(messages, assembly.is_busy().then_some(poll)) {
            Ok(Message::Piece(piece)) => assembly.take(*piece),
            Ok(Message::End(patience)) => end = Some(Instant::now() + patience),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if polled.elapsed() >= poll || messages.is_empty() {
            assembly.poll();
            polled = Instant::now();
        }
        match end {
            Some(_) if !assembly.is_busy() && messages.is_empty() => return,
            Some(end) if Instant::now() >= end => {
                tracing::warn!(
                    epoch = assembly.epoch(),
                    "The last checkpoint is not finished in time: the next start begins at the one \
                     before."
                );
                return;
            }
            _ => {}
        }
    }
}

/// The next message, waited for as long as is said, or for ever.
fn next(
    messages: &Receiver<Message>,
    patience: Option<Duration>,
) -> Result<Message, RecvTimeoutError> {
    match patience {
        Some(patience) => messages.recv_timeout(patience),
        None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
    }
}
