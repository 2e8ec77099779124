//! When something last succeeded, by the clock on the wall.

use super::{Status, report};
use dataflows::epoch::Closed;
use dataflows::event::Millis;
use std::time::Duration;

/// What is known of it.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// The last commit.
    pub(super) commit: Option<Millis>,
    checkpoint: Option<Millis>,
    failed_checkpoints: u64,
}

impl Times {
    /// As it stands at an instant, `uptime` after the start.
    pub(super) fn at(&self, now: Millis, uptime: Duration) -> report::SuccessTimes {
        let age = self
            .checkpoint
            .map_or(uptime.as_secs_f64(), |checkpoint| (now - checkpoint).max(0) as f64 * 1e-3);
        report::SuccessTimes {
            commit_ms: self.commit,
            checkpoint_ms: self.checkpoint,
            checkpoint_age_seconds: age,
            checkpoints_failed: self.failed_checkpoints,
        }
    }
}

impl Status {
    /// When the newest complete checkpoint was made, and how many were abandoned since the start.
    pub fn checkpoints(&self, created: Option<Millis>, failed: u64) {
        let times = &mut self.known().times;
        (times.checkpoint, times.failed_checkpoints) = (created.or(times.checkpoint), failed);
    }
}

/// How long before `now` the newest event happened of each partition that an epoch has read.
pub(super) fn delays(closed: &Closed, now: Millis) -> impl Iterator<Item = Duration> {
    let is_read =
        |topic, partition| closed.read.iter().any(|read| (read.0, read.1) == (topic, partition));
    let newest =
        closed.highs.iter().filter(move |(topic, partition, _)| is_read(*topic, *partition));
    newest.map(move |(_, _, high)| {
        Duration::from_millis(now.saturating_sub(*high).max(0).unsigned_abs())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::event::Topic;

    #[test]
    fn only_what_an_epoch_has_read_has_a_delay_and_none_is_negative() {
        let (purchases, rewards) = (Topic::Transactions.id(), Topic::Rewards.id());
        let closed = Closed {
            read: vec![(purchases, 0, 5), (rewards, 1, 1)],
            highs: vec![(purchases, 0, 4_000), (purchases, 1, 1), (rewards, 1, 9_000)],
            ..Closed::default()
        };
        assert!(delays(&closed, 6_500).eq([Duration::from_millis(2_500), Duration::ZERO]));
    }

    #[test]
    fn without_a_checkpoint_it_is_as_old_as_the_job() {
        let status = Status::new("job", &[], Box::new(()));
        let times = |now| status.known().times.at(now, Duration::from_secs(7));
        assert_eq!(
            (times(60_000).checkpoint_ms, times(60_000).checkpoint_age_seconds),
            (None, 7.0)
        );
        status.checkpoints(Some(48_000), 3);
        status.checkpoints(None, 4);
        assert_eq!(
            (times(60_000).checkpoint_ms, times(60_000).checkpoint_age_seconds),
            (Some(48_000), 12.0)
        );
        assert_eq!(
            (times(0).checkpoint_age_seconds, times(0).checkpoints_failed),
            (0.0, 4),
            "a clock that was set back"
        );
    }
}
