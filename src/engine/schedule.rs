//! When a checkpoint is due.

use crate::checkpoint::Saved;
use dataflows::source::Save;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Says with which epochs checkpoints are taken: one each interval, one at the end, and one at once
/// where something must not wait that long.
#[derive(Debug)]
pub struct Schedule {
    interval: Duration,
    saved: Arc<Saved>,
    /// The last one that was begun, and when.
    begun: Mutex<(u64, Instant)>,
    /// One is wanted at once: a customer was erased since the last one, or a topic began to forget
    /// what no checkpoint covers.
    wanted: Arc<AtomicBool>,
}

/// A checkpoint that is not complete after so many intervals is given up for the next one.
const PATIENCE: u32 = 10;

impl Schedule {
    /// One each interval, and whenever it is `wanted`; `saved` tells what became of those before.
    pub fn new(interval: Duration, saved: Arc<Saved>, wanted: Arc<AtomicBool>) -> Self {
        Schedule { interval, begun: Mutex::new((saved.newest(), Instant::now())), saved, wanted }
    }

    /// The newest complete checkpoint's epoch; 0 before the first.
    pub fn newest(&self) -> u64 {
        self.saved.newest()
    }

    /// A customer was erased: older checkpoints must go soon, so a new one is due.
    pub fn erased(&self) {
        self.wanted.store(true, Ordering::Release);
    }

    /// Whether a checkpoint is due even if nothing arrives.
    pub fn is_urgent(&self) -> bool {
        self.wanted.load(Ordering::Acquire) && self.is_free()
    }

    /// Whether no checkpoint is on its way.
    pub fn is_free(&self) -> bool {
        self.saved.is_settled(self.begun.lock().unwrap_or_else(PoisonError::into_inner).0)
    }

    /// What is to be saved with this epoch, if anything; then it counts as begun. `last` is the
    /// epoch with which the job drains.
    pub fn due(&self, epoch: u64, last: bool) -> Option<Save> {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, since) = *begun;
        let (free, overdue) = (
            self.saved.is_settled(before),
            since.elapsed() >= self.interval.saturating_mul(PATIENCE),
        );
        if !free && !overdue {
            return None;
        }
        if !(last || since.elapsed() >= self.interval || self.wanted.swap(false, Ordering::AcqRel))
        {
            return None;
        }
        let broken = !free || self.saved.needs_full();
        *begun = (epoch, Instant::now());
        Some(if broken { Save::Everything } else { Save::Changes })
    }
}
