//! Plays the script: hands its records to the dataflow at the pace that is asked for, takes the
//! results of each epoch, and lets the customers answer.
//!
//! One thread, and nothing in it waits for the dataflow: what is on its way is counted, and while
//! that is too much nothing new is handed over.

use super::batches::Batches;
use super::outcomes::{Outcomes, Window};
use super::script::{Script, number};
use super::{Asked, Comparison};
use crate::campaign::results::EpochResults;
use crate::hexadecimal::hexadecimal;
use crate::jobs::live::Control;
use crate::status::{State, Status};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use dataflows::event::Millis;
use dataflows::source::Messages;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often the script is looked at when no results come.
const TICK: Duration = Duration::from_millis(10);
/// From one line of progress to the next.
const PROGRESS: Duration = Duration::from_secs(1);
/// Records of the history that may be on their way.
const HISTORY_ON_ITS_WAY: u64 = 50_000;
/// Seconds of the live phase that may be on their way: with more, the dataflow does not keep up,
/// and simulated time waits for it.
const LIVE_ON_ITS_WAY: f64 = 1.0;
/// Seconds of the live phase that are made up for at once after a delay.
const BURST: f64 = 0.25;
/// How long the last requests may wait for their decision when the demo ends.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

/// How the demo stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Since the start.
    pub elapsed: Duration,
    /// Whether the history is still being read.
    pub history: bool,
    /// Events of which the results are there.
    pub events: u64,
    /// Over the last second.
    pub events_per_second: f64,
    /// Decisions that were answered.
    pub decisions: u64,
    /// What came of the last ones.
    pub last: Option<Window>,
    /// Simulated time.
    pub simulated: Millis,
    /// The newest epoch.
    pub epoch: u64,
}

/// What came of the demo.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Since the start.
    pub elapsed: Duration,
    /// Events of which the results are there.
    pub events: u64,
    /// Decisions that were answered.
    pub decisions: u64,
    /// What came of the first ones.
    pub first: Option<Window>,
    /// And of the last ones.
    pub last: Option<Window>,
    /// What could be had.
    pub comparison: Comparison,
    /// What the best arm for each customer would have brought more, in all and in expectation.
    pub regret: f64,
    /// Digest of the statistics of all arms, as in `model.json`.
    pub digest: String,
}

/// How the director and the dataflow are connected.
pub(super) struct Stage {
    /// To the dataflow; it ends when the sender is gone.
    pub(super) blocks: Sender<Messages>,
    /// From the dataflow, epoch by epoch.
    pub(super) results: Receiver<Box<EpochResults>>,
    /// Where the newest taken epoch is told.
    pub(super) control: Control,
    /// What the console shows.
    pub(super) status: Arc<Status>,
    /// The demo is to end.
    pub(super) stop: Arc<AtomicBool>,
}

/// What is being played.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    /// The history is handed over.
    History,
    /// Simulated time goes on; so many events are due.
    Live { due: f64, since: Instant },
    /// No more requests; the last ones are answered.
    LastAnswers { since: Instant },
    /// Nothing more is handed over.
    End,
}

/// The director.
pub(super) struct Director {
    script: Script,
    asked: Asked,
    /// `None` once nothing more is handed over.
    blocks: Option<Sender<Messages>>,
    results: Receiver<Box<EpochResults>>,
    control: Control,
    status: Arc<Status>,
    stop: Arc<AtomicBool>,
    comparison: Comparison,
    started: Instant,
    act: Act,
    out: Batches,
    outcomes: Outcomes,
    /// Records in the epochs that were taken.
    taken: u64,
    decided: u64,
    epoch: u64,
    digest: [u8; 32],
    told: (Instant, u64),
}

impl Director {
    /// At the beginning of a script.
    pub(super) fn new(script: Script, asked: Asked, comparison: Comparison, stage: Stage) -> Self {
        let Stage { blocks, results, control, status, stop } = stage;
        let started = Instant::now();
        status.enter(State::CatchingUp);
        Director {
            script,
            asked,
            blocks: Some(blocks),
            results,
            control,
            status,
            stop,
            outcomes: Outcomes::new(comparison.arms.len()),
            comparison,
            started,
            act: Act::History,
            out: Batches::new(),
            taken: 0,
            decided: 0,
            epoch: 0,
            digest: [0; 32],
            told: (started, 0),
        }
    }

    /// Plays until the end, and tells how it stands once a second.
    ///
    /// # Errors
    /// What `tell` gives; the play ends with it.
    pub(super) fn play<E>(
        mut self,
        mut tell: impl FnMut(&Progress) -> Result<(), E>,
    ) -> Result<Summary, E> {
        loop {
            match self.results.recv_timeout(TICK) {
                Ok(results) => self.take(&results),
                Err(RecvTimeoutError::Timeout) if self.control.failed.load(Ordering::Acquire) => {
                    return Ok(self.summary());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(self.summary()),
            }
            self.go_on();
            self.hand_over();
            if let Some(progress) = self.progress() {
                tell(&progress)?;
            }
        }
    }

    /// Takes the results of an epoch. Nothing is stored: with that it is committed.
    fn take(&mut self, results: &EpochResults) {
        let began = Instant::now();
        self.epoch = results.epoch;
        self.digest = results.digest;
        self.taken = results.closed.offsets.iter().map(|(_, _, next)| next).sum();
        let mut decisions: Vec<_> = results
            .decisions
            .iter()
            .filter_map(|decision| Some((number(decision)?, decision)))
            .collect();
        // The workers' decisions come in no particular order.
        decisions.sort_unstable_by_key(|(number, _)| *number);
        self.decided += decisions.len() as u64;
        for (_, decision) in decisions {
            if let Some(outcome) = self.script.answer(decision, &mut self.out) {
                self.outcomes.add(outcome);
            }
        }
        self.status.cut(self.control.cut.load(Ordering::Acquire));
        self.status.committed(results, began.elapsed());
        self.control.committed.store(results.epoch, Ordering::Release);
    }

    /// What comes next in the script.
    fn go_on(&mut self) {
        let now = Instant::now();
        let over = self.stop.load(Ordering::Acquire)
            || self.asked.duration.is_some_and(|duration| self.started.elapsed() >= duration);
        match self.act {
            Act::History if over => self.end(),
            Act::History => self.recall(now),
            Act::Live { .. } if over => self.last_answers(now),
            Act::Live { due, since } => self.ask(due, since, now),
            Act::LastAnswers { since }
                if self.decided == self.script.requests() || now - since >= LAST_ANSWERS =>
            {
                self.end()
            }
            Act::LastAnswers { .. } | Act::End => {}
        }
    }

    fn recall(&mut self, now: Instant) {
        while self.on_their_way() < HISTORY_ON_ITS_WAY {
            if !self.script.recall(&mut self.out) {
                if self.on_their_way() == 0 {
                    self.status.enter(State::Running);
                    self.act = Act::Live { due: 0.0, since: now };
                }
                return;
            }
        }
    }

    /// Asks for as many decisions as are due by now; each of them will bring an answer.
    fn ask(&mut self, due: f64, since: Instant, now: Instant) {
        let rate = self.asked.rate as f64;
        // A request and its answer are two events, so that is the least that must be able to become
        // due.
        let mut due = (due + rate * (now - since).as_secs_f64()).min((rate * BURST).max(2.0));
        while due >= 2.0 && (self.on_their_way() as f64) < (rate * LIVE_ON_ITS_WAY).max(100.0) {
            match self.script.ask(&mut self.out) {
                Some(records) => due -= records as f64 + 1.0,
                None => return self.last_answers(now),
            }
        }
        self.act = Act::Live { due, since: now };
    }

    fn last_answers(&mut self, now: Instant) {
        self.status.enter(State::Draining);
        self.act = Act::LastAnswers { since: now };
    }

    /// Hands over what is there; nothing follows it.
    fn end(&mut self) {
        self.hand_over();
        self.blocks = None;
        self.act = Act::End;
    }

    fn hand_over(&mut self) {
        let Some(blocks) = &self.blocks else { return };
        // The dataflow listens until the sender is gone; should it have failed, its results end,
        // and with them the play.
        self.out.take().for_each(|block| drop(blocks.send(block)));
    }

    fn on_their_way(&self) -> u64 {
        self.out.records().saturating_sub(self.taken)
    }

    /// How it stands, if that is to be told.
    fn progress(&mut self) -> Option<Progress> {
        let (at, events) = self.told;
        let passed = at.elapsed();
        if passed < PROGRESS || self.act == Act::End {
            return None;
        }
        // Whole seconds from the start, whatever a line was late by.
        self.told = (at + PROGRESS * passed.as_secs() as u32, self.taken);
        Some(Progress {
            elapsed: self.started.elapsed(),
            history: self.act == Act::History,
            events: self.taken,
            events_per_second: (self.taken - events) as f64 / passed.as_secs_f64(),
            decisions: self.outcomes.count(),
            last: self.outcomes.last(),
            simulated: self.script.now(),
            epoch: self.epoch,
        })
    }

    fn summary(self) -> Summary {
        self.status.enter(State::Stopped);
        Summary {
            elapsed: self.started.elapsed(),
            events: self.taken,
            decisions: self.outcomes.count(),
            first: self.outcomes.first(),
            last: self.outcomes.last(),
            regret: self.outcomes.regret(),
            digest: hexadecimal(&self.digest),
            comparison: self.comparison,
        }
    }
}
