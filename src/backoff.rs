//! Pauses between tries of something that may work later.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

/// Growing pauses between tries, with chance in them so that several clients do not come back at
/// once.
#[derive(Debug)]
pub struct Backoff {
    started: Instant,
    next: Duration,
    longest: Duration,
    tries: u32,
}

impl Backoff {
    /// The first pause is up to `first`, each next one up to twice the one before, none beyond
    /// `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Backoff { started: Instant::now(), next: first.min(longest), longest, tries: 0 }
    }

    /// Time since the first try.
    pub fn waited(&self) -> Duration {
        self.started.elapsed()
    }

    /// Pauses so far.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// The next pause: between half and all of the current bound.
    pub fn pause(&mut self) -> Duration {
        let bound = self.next;
        self.tries += 1;
        self.next = (bound * 2).min(self.longest);
        let chance = RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64;
        bound.mul_f64(0.5 + chance / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(450));
        for bound in [100, 200, 400, 450, 450] {
            let pause = backoff.pause().as_secs_f64() * 1e3;
            assert!(
                (f64::from(bound) / 2.0..=f64::from(bound)).contains(&pause),
                "{pause} ms, bound {bound} ms"
            );
        }
        assert_eq!(backoff.tries(), 5);
    }
}
