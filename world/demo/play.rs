//! Plays the script: at the pace that is asked for, as far ahead as results allow, and lets the
//! customers answer what is decided. It is told what time it is, and what has come of its records.

use super::batches::Batches;
use super::outcomes::Outcomes;
use super::script::{Script, number};
use super::{Comparison, DemoSettings, DemoStatus, DemoSummary};
use dataflows::campaign::output::Decision;
use dataflows::source::Messages;
use std::time::{Duration, Instant};

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

/// What is being played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Act {
    /// The history is handed over.
    History,
    /// Simulated time goes on.
    Live {
        /// So many events are due.
        due: f64,
        /// As of this instant.
        since: Instant,
    },
    /// No more requests; the last ones are answered.
    LastAnswers {
        /// From this instant on.
        since: Instant,
    },
    /// Nothing more is handed over.
    End,
}

/// What has come of the records up to an epoch.
#[derive(Clone, Copy, Debug)]
pub struct Come<'a> {
    /// The epoch.
    pub epoch: u64,
    /// Digest of the statistics of all arms after it.
    pub digest: [u8; 32],
    /// Records that it and those before it have.
    pub records: u64,
    /// What it has decided, in no particular order.
    pub decisions: &'a [Decision],
}

/// A play of the demo.
pub struct Play {
    script: Script,
    asked: DemoSettings,
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

impl Play {
    /// At the beginning of a script, now.
    pub fn new(script: Script, asked: DemoSettings, comparison: Comparison, now: Instant) -> Self {
        Play {
            script,
            asked,
            outcomes: Outcomes::new(comparison.arms.len()),
            comparison,
            started: now,
            act: Act::History,
            out: Batches::default(),
            taken: 0,
            decided: 0,
            epoch: 0,
            digest: [0; 32],
            told: (now, 0),
        }
    }

    /// What is being played.
    pub fn act(&self) -> Act {
        self.act
    }

    /// Takes what has come of an epoch, and lets the customers answer its decisions.
    pub fn take(&mut self, come: Come<'_>) {
        self.epoch = come.epoch;
        self.digest = come.digest;
        self.taken = come.records;
        let mut decisions: Vec<_> = come
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
    }

    /// What comes next in the script; it is to end once it is to `stop`.
    pub fn go_on(&mut self, stop: bool, now: Instant) {
        let over =
            stop || self.asked.duration.is_some_and(|duration| now - self.started >= duration);
        match self.act {
            Act::History if over => self.act = Act::End,
            Act::History => self.recall(now),
            Act::Live { .. } if over => self.act = Act::LastAnswers { since: now },
            Act::Live { due, since } => self.ask(due, since, now),
            Act::LastAnswers { since }
                if self.decided == self.script.requests() || now - since >= LAST_ANSWERS =>
            {
                self.act = Act::End;
            }
            Act::LastAnswers { .. } | Act::End => {}
        }
    }

    fn recall(&mut self, now: Instant) {
        while self.on_their_way() < HISTORY_ON_ITS_WAY {
            if !self.script.recall(&mut self.out) {
                if self.on_their_way() == 0 {
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
                None => {
                    self.act = Act::LastAnswers { since: now };
                    return;
                }
            }
        }
        self.act = Act::Live { due, since: now };
    }

    /// What is to be handed over since the last time.
    pub fn hand_over(&mut self) -> impl Iterator<Item = Messages> {
        self.out.take()
    }

    fn on_their_way(&self) -> u64 {
        self.out.records().saturating_sub(self.taken)
    }

    /// How it stands, if that is to be told.
    pub fn progress(&mut self, now: Instant) -> Option<DemoStatus> {
        let (at, events) = self.told;
        let passed = now - at;
        if passed < PROGRESS || self.act == Act::End {
            return None;
        }
        // Whole seconds from the start, whatever a line was late by.
        self.told = (at + PROGRESS * passed.as_secs() as u32, self.taken);
        Some(DemoStatus {
            elapsed: now - self.started,
            history: self.act == Act::History,
            events: self.taken,
            events_per_second: (self.taken - events) as f64 / passed.as_secs_f64(),
            decisions: self.outcomes.count(),
            last: self.outcomes.last(),
            simulated: self.script.now(),
            epoch: self.epoch,
        })
    }

    /// What came of it.
    pub fn summary(self, now: Instant) -> DemoSummary {
        DemoSummary {
            elapsed: now - self.started,
            events: self.taken,
            decisions: self.outcomes.count(),
            first: self.outcomes.first(),
            last: self.outcomes.last(),
            regret: self.outcomes.regret(),
            digest: self.digest,
            comparison: self.comparison,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes everything that is handed over at once, and decides nothing.
    fn settle(play: &mut Play, epoch: u64) {
        play.hand_over().for_each(drop);
        let records = play.out.records();
        play.take(Come { epoch, digest: [7; 32], records, decisions: &[] });
    }

    #[test]
    fn the_history_comes_first_then_requests_and_at_last_their_answers() {
        let start = Instant::now();
        let script = Script::new(1).expect("a world can be made of these");
        let (customers, purchases) = script.history();
        let comparison = Comparison::of(&["A".to_string(), "B".to_string()], &script.shares());
        let asked = DemoSettings { seed: 1, rate: 1_000, duration: Some(Duration::from_secs(60)) };
        let mut play = Play::new(script, asked, comparison, start);
        let mut epoch = 0;
        while play.act() == Act::History {
            play.go_on(false, start);
            assert!(play.on_their_way() <= HISTORY_ON_ITS_WAY);
            epoch += 1;
            settle(&mut play, epoch);
        }
        assert_eq!(play.taken, customers + purchases);
        assert_eq!(play.progress(start), None);
        play.go_on(false, start + Duration::from_secs(10));
        let due = play.on_their_way();
        assert!((100..=250).contains(&due), "{due}: of ten seconds, what a burst makes up for");
        let told = play.progress(start + Duration::from_secs(10)).expect("a second has passed");
        assert_eq!((told.history, told.events, told.epoch), (false, play.taken, epoch));
        play.go_on(false, start + Duration::from_secs(60));
        assert!(matches!(play.act(), Act::LastAnswers { .. }), "its time is over");
        play.go_on(false, start + Duration::from_secs(62));
        assert!(matches!(play.act(), Act::LastAnswers { .. }), "nobody has answered yet");
        play.go_on(false, start + Duration::from_secs(63));
        assert_eq!(play.act(), Act::End);
        let summary = play.summary(start + Duration::from_secs(64));
        assert_eq!((summary.elapsed.as_secs(), summary.digest), (64, [7; 32]));
    }
}
