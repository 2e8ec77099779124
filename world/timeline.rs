//! When events happen: an exact number of them spread over the days of the world, handed out in
//! time order with one day in memory.

use super::random::{Stream, StreamPurpose};
use dataflows::event::{DAY, Millis};

/// How many events of one kind lie before each day's end.
pub(crate) struct DailyQuota {
    start: Millis,
    /// Events up to the end of each day; the last entry is their number in all.
    until: Vec<u64>,
}

impl DailyQuota {
    /// Spreads `total` events from `start` (a midnight) on over days of these weights, which must
    /// not all be 0. Each day gets its share to within one event, and all days together get exactly
    /// `total`.
    pub(crate) fn new(start: Millis, total: u64, weights: &[f64]) -> DailyQuota {
        let whole: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let mut until: Vec<u64> = weights
            .iter()
            .map(|weight| {
                sum += weight;
                ((sum / whole * total as f64).round() as u64).min(total)
            })
            .collect();
        if let Some(last) = until.last_mut() {
            *last = total;
        }
        DailyQuota { start, until }
    }

    /// How many events before the day, and up to its end.
    fn range(&self, day: usize) -> (u64, u64) {
        (if day == 0 { 0 } else { self.until[day - 1] }, self.until[day])
    }

    /// How many events on the day.
    pub(crate) fn on(&self, day: usize) -> u64 {
        let (before, until) = self.range(day);
        until - before
    }
}

/// The instant of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instant {
    /// 1 for the first event of its kind, and so on.
    pub(crate) number: u64,
    /// Day of the world.
    pub(crate) day: usize,
    /// A whole second.
    pub(crate) timestamp: Millis,
}

/// Walks through the events of a [`DailyQuota`]. Each day has a stream of its own: first its
/// instants are drawn and sorted, then from the same stream the facts of its events, in time order.
pub(crate) struct Timeline<'a> {
    plan: &'a DailyQuota,
    seed: u64,
    purpose: StreamPurpose,
    /// Draws the second of the day, 0..86,400.
    second: fn(&mut Stream) -> u32,
    stream: Stream,
    /// Days that have been begun.
    begun: usize,
    /// Seconds of the current day's events, sorted.
    seconds: Vec<u32>,
    /// How many of them have been handed out.
    taken: usize,
}

impl<'a> Timeline<'a> {
    /// At the world's start.
    pub(crate) fn new(
        plan: &'a DailyQuota,
        seed: u64,
        purpose: StreamPurpose,
        second: fn(&mut Stream) -> u32,
    ) -> Self {
        let stream = Stream::new(seed, purpose, 0, 0);
        Timeline { plan, seed, purpose, second, stream, begun: 0, seconds: Vec::new(), taken: 0 }
    }

    /// The next event's instant, and the stream to draw its facts from.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<(Instant, &mut Stream)> {
        while self.taken == self.seconds.len() {
            self.begin_day()?;
        }
        let day = self.begun - 1;
        let number = self.plan.range(day).0 + self.taken as u64 + 1;
        let timestamp =
            self.plan.start + day as Millis * DAY + Millis::from(self.seconds[self.taken]) * 1000;
        self.taken += 1;
        Some((Instant { number, day, timestamp }, &mut self.stream))
    }

    /// Draws the instants of the next day; `None` after the last.
    fn begin_day(&mut self) -> Option<()> {
        let day = self.begun;
        if day == self.plan.until.len() {
            return None;
        }
        self.begun += 1;
        self.taken = 0;
        self.stream = Stream::new(self.seed, self.purpose, day as u64, 0);
        self.seconds.clear();
        let (second, stream) = (self.second, &mut self.stream);
        self.seconds.extend((0..self.plan.on(day)).map(|_| second(stream)));
        self.seconds.sort_unstable();
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_gives_each_day_its_share_and_all_days_the_total() {
        for (total, weights) in [
            (0, vec![1.0; 3]),
            (1, vec![1.0; 700]),
            (100_003, vec![1.3, 1.0, 0.0, 2.5]),
            (7, vec![0.1; 7]),
            (u64::from(u32::MAX), vec![1.0; 730]),
        ] {
            let plan = DailyQuota::new(0, total, &weights);
            let whole: f64 = weights.iter().sum();
            assert_eq!((0..weights.len()).map(|day| plan.on(day)).sum::<u64>(), total);
            for (day, weight) in weights.iter().enumerate() {
                assert!(
                    (plan.on(day) as f64 - weight / whole * total as f64).abs() <= 1.0 + 1e-6,
                    "day {day} of {total} over {weights:?}"
                );
            }
        }
    }

    #[test]
    fn a_timeline_is_sorted_and_numbered_and_stays_in_its_days() {
        let plan = DailyQuota::new(5 * DAY, 1_000, &[1.0, 0.0, 3.0]);
        let mut timeline =
            Timeline::new(&plan, 1, StreamPurpose::Contacts, |stream| stream.below(86_400) as u32);
        let (mut count, mut latest) = (0, Millis::MIN);
        while let Some((instant, _)) = timeline.next() {
            count += 1;
            assert_eq!(instant.number, count);
            assert!(
                instant.timestamp >= latest
                    && instant.timestamp / DAY == 5 + instant.day as Millis
                    && instant.day != 1
            );
            latest = instant.timestamp;
        }
        assert_eq!(count, 1_000);
    }
}
