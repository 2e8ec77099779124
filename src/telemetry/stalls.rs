//! What stands still, and why: the one list of causes, and the one place that settles what is told
//! of those that hold.
//!
//! Whoever watches says at each look what it sees. All of it is told, the gravest first: by
//! `/readyz`, in the log, once and then each minute, and as a metric that has every cause. There is
//! no cause that stands in for want of another idea: what nobody can explain is [`Cause::Unknown`].

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often the log says a cause again, or one that comes and goes.
const SAY: Duration = Duration::from_secs(60);

/// What has passed within this time the log does not say: a client that connects is not there at
/// once.
const SETTLED: Duration = Duration::from_secs(1);

/// Why something stands still, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A topic or partition that is read is not there any more.
    InputGone,
    /// The database does not answer, or takes nothing.
    Database,
    /// Another session holds a lock that an epoch needs.
    DatabaseLock,
    /// The database does not finish an epoch, or ends its transaction after a time.
    DatabaseSlow,
    /// The journal, or a file beside it, cannot be written.
    Journal,
    /// No broker answers, or not the one that has a partition.
    Broker,
    /// Another process of the job does nothing.
    Peer,
    /// All results are computed and written anew under other settings.
    Settings,
    /// Epochs wait, and nobody can say why.
    Unknown,
    /// The topic of decisions is missing, or takes nothing.
    PredictionsTopic,
    /// Likewise that of dead letters.
    DeadLettersTopic,
    /// What committed epochs owe cannot be published for another reason.
    Publishing,
    /// An open transaction of a producer holds records back.
    HeldBack,
    /// Checkpoints cannot be written.
    Checkpoints,
}

/// How a cause is told.
struct Words {
    /// In metrics and the status.
    word: &'static str,
    /// In a sentence, before what is seen of it.
    told: &'static str,
    /// What follows from it.
    meaning: &'static str,
    /// When it is over.
    over: &'static str,
}

impl Cause {
    /// Every cause, the gravest first.
    pub const ALL: [Cause; 14] = [
        Cause::InputGone,
        Cause::Database,
        Cause::DatabaseLock,
        Cause::DatabaseSlow,
        Cause::Journal,
        Cause::Broker,
        Cause::Peer,
        Cause::Settings,
        Cause::Unknown,
        Cause::PredictionsTopic,
        Cause::DeadLettersTopic,
        Cause::Publishing,
        Cause::HeldBack,
        Cause::Checkpoints,
    ];

    /// The word for it in metrics and the status.
    pub fn word(self) -> &'static str {
        self.words().word
    }

    /// What follows from it.
    pub fn meaning(self) -> &'static str {
        self.words().meaning
    }

    /// Whether what is read, decided or committed waits for it, so that nobody can rely on the
    /// tables.
    pub fn stops(self) -> bool {
        self <= Cause::Unknown
    }

    /// As a sentence without its end, with what is seen of it.
    pub fn told(self, what: &str) -> String {
        format!("{}: {what}", self.words().told)
    }

    fn words(self) -> Words {
        let words = |word, told, meaning, over| Words { word, told, meaning, over };
        let published = "It is committed and kept, and tried again; commits go on";
        match self {
            Cause::InputGone => words(
                "input_gone",
                "a part of the input is gone",
                "What is not committed waits, and a topic that stays away ends the job",
                "The input is there again",
            ),
            Cause::Database => words(
                "database",
                "the job waits for the database",
                "The epoch is tried again until it is committed; nothing is lost",
                "The database is back",
            ),
            Cause::DatabaseLock => words(
                "database_lock",
                "the epoch waits for a lock in the database",
                "It goes on once that session ends its transaction, or is ended by \
                 pg_terminate_backend",
                "The lock in the database is free",
            ),
            Cause::DatabaseSlow => words(
                "database_slow",
                "the database takes long over the epoch",
                "It is waited for, and tried again; nothing is lost",
                "The database has finished the epoch",
            ),
            Cause::Journal => words(
                "journal",
                "the epoch waits for the journal",
                "It is tried again until it lies on the disk: make room there; nothing is lost",
                "The journal can be written again",
            ),
            Cause::Broker => words(
                "broker",
                "the job waits for the broker",
                "It is tried again until it answers; nothing is lost",
                "The broker is back",
            ),
            Cause::Peer => words(
                "peer",
                "another process of the job gives no sign of life",
                "No epoch ends without it; while one is on its way, the job ends after 30 s of \
                 silence",
                "Every process of the job gives signs of life again",
            ),
            Cause::Settings => words(
                "settings",
                "other settings are taken over",
                "It takes the longer the more history there is; until then everything is as it was \
                 before",
                "The other settings hold",
            ),
            Cause::Unknown => words(
                "unknown",
                "no epoch is committed, for a cause that is not known",
                "Epochs wait; nothing is lost",
                "Epochs are committed again",
            ),
            Cause::PredictionsTopic => words(
                "predictions_topic",
                "decisions are not published",
                published,
                "Decisions are published again",
            ),
            Cause::DeadLettersTopic => words(
                "dead_letters_topic",
                "dead letters are not published",
                published,
                "Dead letters are published again",
            ),
            Cause::Publishing => words(
                "publishing",
                "decisions and dead letters are not published",
                published,
                "Publishing goes on",
            ),
            Cause::HeldBack => words(
                "held_back",
                "an open transaction of a producer holds records back",
                "Whatever lies behind its first record is read once it has ended. The broker ends \
                 one that was left open after its \
                 transaction.timeout.ms; `kafka-transactions.sh find-hanging` shows it",
                "No transaction holds records back any more",
            ),
            Cause::Checkpoints => words(
                "checkpoints",
                "checkpoints cannot be written",
                "The job goes on, and a restart would begin at the last complete one",
                "A checkpoint is complete again",
            ),
        }
    }
}

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
                cause.words().over
            ),
        }
    }
}

#[cfg(test)]
mod tests;
