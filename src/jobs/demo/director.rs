//! Directs the play: hands its records to the dataflow, and takes the results of each epoch.
//!
//! One thread, and nothing in it waits for the dataflow: what is on its way is counted, and while
//! that is too much nothing new is handed over.

use crate::campaign::results::EpochResults;
use crate::engine::live::Control;
use crate::status::{State, Status};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use dataflows::source::Messages;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use world::demo::play::{Act, Come, Play};
use world::demo::{DemoStatus, DemoSummary};

/// How often the script is looked at when no results come.
const TICK: Duration = Duration::from_millis(10);

/// How the director and the dataflow are connected.
pub(super) struct Director {
    /// To the dataflow; it ends when the sender is gone, once nothing more is handed over.
    pub(super) blocks: Option<Sender<Messages>>,
    /// From the dataflow, epoch by epoch.
    pub(super) results: Receiver<Box<EpochResults>>,
    /// Where the newest taken epoch is told.
    pub(super) control: Control,
    /// What the console shows.
    pub(super) status: Arc<Status>,
    /// The demo is to end.
    pub(super) stop: Arc<AtomicBool>,
}

impl Director {
    /// Plays until the end, and tells how it stands once a second.
    ///
    /// # Errors
    /// What `tell` gives; the play ends with it.
    pub(super) fn direct<E>(
        mut self,
        mut play: Play,
        mut tell: impl FnMut(&DemoStatus) -> Result<(), E>,
    ) -> Result<DemoSummary, E> {
        self.status.enter(State::CatchingUp);
        loop {
            match self.results.recv_timeout(TICK) {
                Ok(results) => self.take(&results, &mut play),
                Err(RecvTimeoutError::Timeout) if self.control.failed.load(Ordering::Acquire) => {
                    break;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.go_on(&mut play);
            if let Some(progress) = play.progress(Instant::now()) {
                tell(&progress)?;
            }
        }
        self.status.enter(State::Stopped);
        Ok(play.summary(Instant::now()))
    }

    /// Takes the results of an epoch. Nothing is stored: with that it is committed.
    fn take(&self, results: &EpochResults, play: &mut Play) {
        let began = Instant::now();
        play.take(Come {
            epoch: results.epoch,
            digest: results.digest,
            records: results.closed.offsets.iter().map(|(_, _, next)| next).sum(),
            decisions: &results.decisions,
        });
        self.status.cut(self.control.cut.load(Ordering::Acquire));
        self.status.committed(results, began.elapsed());
        self.control.committed.store(results.epoch, Ordering::Release);
    }

    /// Hands over what comes next; nothing follows the end.
    fn go_on(&mut self, play: &mut Play) {
        play.go_on(self.stop.load(Ordering::Acquire), Instant::now());
        match play.act() {
            Act::History => {}
            Act::Live { .. } => self.status.enter(State::Running),
            Act::LastAnswers { .. } => self.status.enter(State::Draining),
            Act::End => {}
        }
        let Some(blocks) = &self.blocks else { return };
        // The dataflow listens until the sender is gone; should it have failed, its results end,
        // and with them the play.
        play.hand_over().for_each(|block| drop(blocks.send(block)));
        if play.act() == Act::End {
            self.blocks = None;
        }
    }
}
