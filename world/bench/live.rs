//! The figures of the long-running job between a broker and a database.

use serde::Serialize;
use std::time::Duration;

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Live {
    /// From full topics.
    pub prefilled: Prefilled,
    /// At a steady rate.
    pub paced: Paced,
}

/// The job on topics that hold everything when it starts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prefilled {
    /// Records of all topics.
    pub events: u64,
    /// Seconds from the first poll until the last commit is seen.
    pub seconds: f64,
    /// Events a second in that time.
    pub events_per_second: f64,
    /// Epochs that they came in.
    pub epochs: u64,
}

/// The job under a steady load.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Paced {
    /// Events a second.
    pub rate: u32,
    /// Purchases and interactions.
    pub events: u64,
    /// Milliseconds from the instant at which an event was due until the commit of its epoch is
    /// seen: half of the events took less.
    pub p50_ms: f64,
    /// 99 of 100 took less.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// Epochs that they came in.
    pub epochs: u64,
}

/// Nearest rank, of ascending values.
pub fn percentile(ascending: &[Duration], share: f64) -> Duration {
    let rank = (share * ascending.len() as f64).ceil() as usize;
    ascending.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let values: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        let at = |share| percentile(&values, share).as_millis();
        assert_eq!((at(0.5), at(0.99), at(1.0)), (100, 198, 200));
        assert_eq!(percentile(&[], 0.5), Duration::ZERO);
    }
}
