//! When each event of a steady rate is due.

use std::time::{Duration, Instant};

/// When each event is due: the first at once, and so many a second.
#[derive(Clone, Copy, Debug)]
pub struct Timetable {
    started: Instant,
    rate: f64,
}

impl Timetable {
    /// A timetable that begins at `started`.
    pub fn new(rate: u32, started: Instant) -> Self {
        Timetable { started, rate: f64::from(rate.max(1)) }
    }

    /// When it begins.
    #[cfg(feature = "demo")]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// When the event of this number, counted from 0, is due, from the start on.
    pub fn due(&self, number: usize) -> Duration {
        Duration::from_secs_f64(number as f64 / self.rate)
    }

    /// How long it is until then; nothing once it is due.
    pub fn early(&self, due: Duration) -> Option<Duration> {
        due.checked_sub(self.started.elapsed()).filter(|early| !early.is_zero())
    }
}
