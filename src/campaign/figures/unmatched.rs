//! Says now and then that many delayed rewards join nothing: the pipeline that writes them may have
//! a wrong id, customer or clock.

use crate::campaign::counted::{Counted, unmatched};
use std::time::{Duration, Instant};

/// At most one line in this time.
const PAUSE: Duration = Duration::from_secs(60);

/// Fewer than these are no news: a reward may be here before its interaction.
const MANY: i64 = 10;

/// One of so many rewards makes many, too.
const SHARE: i64 = 100;

/// What was said last.
#[derive(Debug, Default)]
pub(super) struct UnmatchedWatch {
    said: i64,
    at: Option<Instant>,
}

impl UnmatchedWatch {
    /// Says how many rewards join nothing, where that is due.
    pub(super) fn look(&mut self, counted: &Counted, now: Instant) {
        let number = unmatched(&counted.counts);
        if self.is_due(number, counted.counts.rewards, now) {
            let [(_, unknown_id), (_, other_customer), (_, before), (_, after)] =
                counted.unmatched_by();
            tracing::warn!(
                unknown_id,
                other_customer,
                before,
                after,
                "{number} of {} delayed rewards join no interaction and count nowhere: look at the \
                 ids, customers and clocks of the pipeline that \
                 writes them.",
                counted.counts.rewards
            );
        }
    }

    /// Whether so many of all rewards are worth a line: many, more than were said, and not too soon
    /// after the last one.
    fn is_due(&mut self, number: i64, rewards: i64, now: Instant) -> bool {
        let is_many = number >= MANY && number.saturating_mul(SHARE) >= rewards;
        if !is_many
            || number <= self.said
            || self.at.is_some_and(|at| now.saturating_duration_since(at) < PAUSE)
        {
            return false;
        }
        (self.said, self.at) = (number, Some(now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_said_once_a_minute_and_only_when_they_grew() {
        let mut watch = UnmatchedWatch::default();
        let start = Instant::now();
        for (second, number, rewards, due) in [
            (0, 9, 9, false),
            (1, 10, 1_001, false),
            (2, 10, 1_000, true),
            (3, 500, 1_000, false),
            (61, 500, 1_000, false),
            (62, 500, 1_000, true),
            (200, 500, 1_000, false),
            (300, 499, 1_000, false),
            (301, 501, 1_000, true),
        ] {
            assert_eq!(
                watch.is_due(number, rewards, start + Duration::from_secs(second)),
                due,
                "after {second} s"
            );
        }
    }
}
