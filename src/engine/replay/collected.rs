//! What comes of a replay, collected in the first process.

use crate::hosting::ResultsOf;
use crate::hosting::replaying::Replays;
use crate::sink::following::Follow;
use std::sync::{Arc, Mutex, PoisonError};

/// All that came so far, whichever epoch it came with. Its copies are one.
pub(super) struct Collected<D: Replays>(Arc<Mutex<Collecting<D>>>);

struct Collecting<D: Replays> {
    follower: D::Follower,
    results: ResultsOf<D>,
}

impl<D: Replays> Clone for Collected<D> {
    fn clone(&self) -> Self {
        Collected(Arc::clone(&self.0))
    }
}

impl<D: Replays> Collected<D> {
    /// Nothing as yet.
    pub(super) fn of(dataflow: &D) -> Self {
        let follower = dataflow.follower(None).expect("without a snapshot none is read");
        let results = follower.begin(0);
        Collected(Arc::new(Mutex::new(Collecting { follower, results })))
    }

    /// Takes in what a worker has sent.
    pub(super) fn add(&self, output: D::Output) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Collecting { follower, results } = &mut *all;
        follower.add(results, output);
    }

    /// The same, of the epoch in which the input ends, behind recorded ones.
    pub(super) fn add_at_end(&self, output: D::Output) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        D::add_at_end(&mut all.results, output);
    }

    /// All of it. Whoever panicked with the lock in hand has ended the replay.
    pub(super) fn take(&self) -> ResultsOf<D> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let nothing = all.follower.begin(0);
        std::mem::replace(&mut all.results, nothing)
    }
}
