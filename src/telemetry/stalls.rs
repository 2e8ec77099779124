//! What stands still, and why: the one list of causes, and the one place that settles what is told
//! of those that hold.
//!
//! Whoever watches says at each look what it sees. All of it is told, the gravest first: by
//! `/readyz`, in the log, once and then each minute, and as a metric that has every cause. There is
//! no cause that stands in for want of another idea: what nobody can explain is [`Cause::Unknown`].

mod cause;

pub use cause::Cause;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often the log says a cause again, or one that comes and goes.
const SAY: Duration = Duration::from_secs(60);

/// What has passed within this time the log does not say: a client that connects is not there at
/// once.
const SETTLED: Duration = Duration::from_secs(1);

/// A cause as it is seen at one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The cause.
    pub cause: Cause,
    /// What it is in this case: which thing, what it says, what to do.
    pub what: String,
    /// Since when, where that is known better than by the first look.
    pub since: Option<Instant>,
}

impl Seen {
    /// A cause, and what is seen of it.
    pub fn of(cause: Cause, what: impl Into<String>) -> Seen {
        Seen { cause, what: what.into(), since: None }
    }

    /// The same, since an instant.
    pub fn since(self, since: Instant) -> Seen {
        Seen { since: Some(since), ..self }
    }
}

/// A cause that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stall {
    /// What is seen of it.
    pub what: String,
    /// Since when.
    pub since: Instant,
    /// The log has said it.
    said: bool,
}

/// The causes that hold.
#[derive(Debug, Default)]
pub struct Stalls {
    holding: BTreeMap<Cause, Stall>,
    /// When the log last said each, whether it still holds or not.
    said: BTreeMap<Cause, Instant>,
}

/// A line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A cause holds.
    Holds(Cause, Stall),
    /// It held for so long.
    Over(Cause, Duration),
}

impl Stalls {
    /// Takes in what is seen now: what is not seen any more is over. Gives what the log is to say.
    pub fn look(&mut self, seen: Vec<Seen>, now: Instant) -> Vec<Line> {
        let mut before = std::mem::take(&mut self.holding);
        for Seen { cause, what, since } in seen {
            let known = before.remove(&cause);
            let since = known.as_ref().map_or(since.unwrap_or(now), |known| known.since);
            // Of two that see the same the first is told.
            self.holding.entry(cause).or_insert(Stall {
                what,
                since,
                said: known.is_some_and(|known| known.said),
            });
        }
        let mut lines: Vec<Line> = before
            .iter()
            .filter(|(_, was)| was.said)
            .map(|(cause, was)| Line::Over(*cause, now.saturating_duration_since(was.since)))
            .collect();
        for (cause, stall) in &mut self.holding {
            let lasts = now.saturating_duration_since(stall.since) >= SETTLED;
            if lasts
                && self
                    .said
                    .get(cause)
                    .is_none_or(|said| now.saturating_duration_since(*said) >= SAY)
            {
                self.said.insert(*cause, now);
                stall.said = true;
                lines.push(Line::Holds(*cause, stall.clone()));
            }
        }
        lines
    }

    /// Those that hold, the gravest first.
    pub fn holding(&self) -> impl Iterator<Item = (Cause, &Stall)> {
        self.holding.iter().map(|(cause, stall)| (*cause, stall))
    }

    /// The gravest of those that keep epochs from being committed.
    pub fn stopping(&self) -> Option<(Cause, &Stall)> {
        self.holding().find(|(cause, _)| cause.stops())
    }
}

impl Stall {
    /// For how long it has held, in whole seconds.
    pub fn seconds(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.since).as_secs()
    }
}

impl Line {
    /// Says it.
    pub fn say(&self, now: Instant) {
        match self {
            Line::Holds(cause, stall) => {
                let (told, meaning, seconds) =
                    (cause.told(&stall.what), cause.meaning(), stall.seconds(now));
                tracing::warn!(
                    cause = cause.word(),
                    seconds,
                    "{}{}. {meaning}.",
                    &told[..1].to_uppercase(),
                    &told[1..]
                );
            }
            Line::Over(cause, lasted) => tracing::info!(
                cause = cause.word(),
                seconds = lasted.as_secs(),
                "{}.",
                cause.over()
            ),
        }
    }
}

#[cfg(test)]
mod tests;
