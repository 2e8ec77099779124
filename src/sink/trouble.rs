//! Why a sink waits, for whoever shows it: what it says itself when it tries something again, and
//! what others see while it is at work for long.

use crate::telemetry::stalls::{Cause, Seen};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What whoever asks gets no answer for so long does not answer anybody.
const SILENT: Duration = Duration::from_secs(5);

/// Why the sink waits; nothing while it need not.
#[derive(Clone, Debug, Default)]
pub struct Trouble(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// As the sink says.
    said: Option<Seen>,
    work: Option<Outstanding>,
    /// As others see it, while the sink is at work.
    seen: Option<Seen>,
    /// Since when, and where, others have been asking what the sink waits for.
    asked: Option<(Instant, String)>,
}

/// What the sink has given away and waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outstanding {
    /// What it is, in a few words.
    pub what: String,
    /// The number of the database's session; `None` while that is opened.
    pub backend: Option<i32>,
    /// Since when.
    pub since: Instant,
}

impl Trouble {
    /// What is waited for, without secrets; `None` while the sink works. Who is in its way is told
    /// rather than that it tries again.
    pub fn seen(&self) -> Option<Seen> {
        let known = self.known();
        let silent = known
            .asked
            .as_ref()
            .filter(|(since, _)| since.elapsed() >= SILENT)
            .zip(known.work.as_ref());
        let silent = silent.map(|((since, address), work)| {
            let what = format!(
                "PostgreSQL at {address} has {}, and does not answer a new connection",
                work.what
            );
            Seen::of(Cause::Database, what).since(*since)
        });
        silent.or_else(|| known.seen.clone()).or_else(|| known.said.clone())
    }

    /// The sink waits for this from now on, or for nothing.
    pub fn note(&self, said: Option<Seen>) {
        self.known().said = said;
    }

    /// The sink gives something away, on a session of the database or on one that is yet to be
    /// opened.
    pub fn works(&self, what: String, backend: Option<i32>) {
        self.known().work = Some(Outstanding { what, backend, since: Instant::now() });
    }

    /// It is back, or failed.
    pub fn rests(&self) {
        let mut known = self.known();
        (known.work, known.seen) = (None, None);
    }

    /// What the sink has given away.
    pub fn work(&self) -> Option<Outstanding> {
        self.known().work.clone()
    }

    /// Somebody asks at this address what the sink waits for.
    pub fn ask(&self, address: &str) {
        self.known().asked = Some((Instant::now(), address.to_string()));
    }

    /// The answer of what keeps this work; `None`: nothing that is worth telling.
    pub fn answer(&self, of: &Outstanding, seen: Option<Seen>) {
        let mut known = self.known();
        known.asked = None;
        if known.work.as_ref() == Some(of) {
            known.seen = seen;
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_see_of_a_work_is_told_as_long_as_it_lasts() {
        let trouble = Trouble::default();
        let (said, lock) =
            (Seen::of(Cause::Database, "no answer"), Seen::of(Cause::DatabaseLock, "session 7"));
        trouble.note(Some(said.clone()));
        trouble.works("epoch 4".to_string(), Some(9));
        let work = trouble.work().expect("it is at work");
        trouble.ask("here");
        assert_eq!(trouble.seen(), Some(said.clone()), "nobody has answered");
        trouble.answer(&work, Some(lock.clone()));
        assert_eq!(trouble.seen(), Some(lock.clone()));
        trouble.rests();
        assert_eq!(trouble.seen(), Some(said));
        trouble.note(None);
        trouble.works("epoch 5".to_string(), Some(9));
        trouble.answer(&work, Some(lock));
        assert_eq!(trouble.seen(), None, "that was another epoch");
    }

    #[test]
    fn a_database_that_gives_nobody_an_answer_is_away() {
        let trouble = Trouble::default();
        trouble.works("epoch 4".to_string(), Some(9));
        trouble.known().asked =
            Instant::now().checked_sub(SILENT).map(|since| (since, "db:5432".to_string()));
        let seen = trouble.seen().expect("it is silent");
        assert!(
            seen.cause == Cause::Database
                && seen.what.contains("db:5432")
                && seen.what.contains("epoch 4"),
            "{seen:?}"
        );
    }
}
