//! Which workers answer the pacer's signs of life: a process that is stopped, or whose machine is,
//! keeps its connections, and nobody would notice.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Where a process is among those of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessSeat {
    /// Its number.
    pub process: usize,
    /// How many there are.
    pub processes: usize,
    /// Workers of each.
    pub workers: usize,
}

/// Since when workers owe an answer, as the pacer knows it.
#[derive(Clone, Debug, Default)]
pub struct Peers(Arc<Mutex<Vec<Owed>>>);

#[derive(Clone, Copy, Debug, Default)]
struct Owed {
    /// It has answered before: one that still restores its state is not missed.
    known: bool,
    since: Option<Instant>,
}

impl Peers {
    /// The pacer has given a sign of life to so many workers.
    pub fn ask(&self, workers: usize, now: Instant) {
        let mut owed = self.owed();
        let known = owed.len();
        owed.resize(workers.max(known), Owed::default());
        owed.iter_mut()
            .filter(|owed| owed.known)
            .for_each(|owed| owed.since = owed.since.or(Some(now)));
    }

    /// A worker has answered.
    pub fn answer(&self, worker: usize) {
        let mut owed = self.owed();
        if owed.len() <= worker {
            owed.resize(worker + 1, Owed::default());
        }
        owed[worker] = Owed { known: true, since: None };
    }

    /// The process, other than the pacer's, that has owed an answer for the longest, and since
    /// when. Where the pacer's own does too, it is the pacer that hears nobody.
    pub fn silent(
        &self,
        seat: ProcessSeat,
        longer: Duration,
        now: Instant,
    ) -> Option<(usize, Instant)> {
        let owed = self.owed();
        let silent = owed
            .iter()
            .enumerate()
            .filter_map(|(worker, owed)| Some((worker / seat.workers.max(1), owed.since?)));
        let silent: Vec<(usize, Instant)> =
            silent.filter(|(_, since)| now.saturating_duration_since(*since) >= longer).collect();
        let is_own = silent.iter().any(|(process, _)| *process == seat.process);
        silent.into_iter().min_by_key(|(_, since)| *since).filter(|_| !is_own)
    }

    fn owed(&self) -> MutexGuard<'_, Vec<Owed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_stops_to_answer_is_named_and_one_that_never_has_is_not() {
        let (peers, start, longer) = (Peers::default(), Instant::now(), Duration::from_secs(6));
        let seat = ProcessSeat { process: 0, processes: 3, workers: 2 };
        let at = |second| start + Duration::from_secs(second);
        let silent = |second| {
            peers
                .silent(seat, longer, at(second))
                .map(|(process, since)| (process, (since - start).as_secs()))
        };
        peers.ask(6, at(0));
        assert_eq!(silent(60), None, "nobody has begun");
        (0..6).filter(|worker| *worker != 4).for_each(|worker| peers.answer(worker));
        peers.ask(6, at(62));
        [0, 1, 2].into_iter().for_each(|worker| peers.answer(worker));
        peers.ask(6, at(64));
        [0, 1, 2, 5].into_iter().for_each(|worker| peers.answer(worker));
        assert_eq!((silent(67), silent(68)), (None, Some((1, 62))));
        peers.ask(6, at(66));
        assert_eq!(
            (silent(71), silent(72)),
            (Some((1, 62)), None),
            "the pacer hears nobody, not even here"
        );
        (0..6).for_each(|worker| peers.answer(worker));
        assert_eq!(silent(90), None);
    }
}
