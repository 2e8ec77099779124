//! Records a second.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Time over which records a second are counted.
const WINDOW: Duration = Duration::from_secs(10);

/// Records a second, over the last ten seconds.
#[derive(Debug)]
pub(super) struct Rate {
    started: Instant,
    counted: VecDeque<(Instant, u64)>,
}

impl Rate {
    pub(super) fn new(started: Instant) -> Self {
        Rate { started, counted: VecDeque::new() }
    }

    /// So many records were committed now.
    pub(super) fn add(&mut self, now: Instant, records: u64) {
        self.counted.push_back((now, records));
        while self.counted.front().is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            self.counted.pop_front();
        }
    }

    /// Records a second; in the first ten seconds over the time since the start, but no less than
    /// one second.
    pub(super) fn per_second(&self, now: Instant) -> f64 {
        let records: u64 = self
            .counted
            .iter()
            .filter(|(at, _)| now.duration_since(*at) < WINDOW)
            .map(|(_, records)| records)
            .sum();
        let window = now.duration_since(self.started).clamp(Duration::from_secs(1), WINDOW);
        records as f64 / window.as_secs_f64()
    }
}
