//! The thread that saves checkpoints while the job goes on: one a process. No worker ever waits for
//! it: it asks whether there is room.
//!
//! The workers of all processes hand over their shards of one epoch; process 0 adds what belongs to
//! no customer, waits for the others and for the epoch's commit, and writes the manifest. Nothing
//! that fails here ends the job: see [`Saved`].

mod piece;
mod saved;

pub use piece::{CommonPiece, Pause, Piece};
pub use saved::{Saved, Unsaved};

use super::assembly::Assembly;
use super::checkpoints::Checkpoints;
use super::error::CheckpointError;
use super::manifest::Manifest;
use crate::first::caught;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

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

/// What goes through the channel.
enum Message {
    Piece(Box<Piece>),
    /// Finish what has begun, for at most so long.
    End(Duration),
}

/// The saver of this process.
pub struct Saver {
    intake: SaverHandle,
    saved: Arc<Saved>,
    thread: JoinHandle<()>,
}

/// The way to the saver, for a worker.
#[derive(Clone)]
pub struct SaverHandle {
    messages: Sender<Message>,
    room: usize,
}

impl SaverHandle {
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
            intake: SaverHandle { messages, room },
            saved,
            thread: thread.map_err(CheckpointError::Thread)?,
        })
    }

    /// The way to it, for a worker.
    pub fn intake(&self) -> SaverHandle {
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
    /// The last checkpoint was abandoned. One that takes too long is none: it is logged, and
    /// nothing but time is lost.
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
