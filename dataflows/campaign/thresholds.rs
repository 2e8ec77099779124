//! Daily high-value thresholds: the table of those that have closed. The [`Owner`] computes them
//! from all customers' totals.

mod owner;

pub use owner::{Closer, Owner, close_thresholds};

use crate::campaign::output::{Day, Output};
use crate::event::{DAY, Millis};
use serde::{Deserialize, Serialize};

/// The day of an instant.
#[inline]
pub fn day_of(at: Millis) -> Day {
    at.div_euclid(DAY) as Day
}

/// The last day whose threshold is closed when the watermark stands at `watermark`: day D closes
/// when it has reached 00:00 of D - 1.
pub fn closed_by(watermark: Millis) -> Day {
    day_of(watermark).saturating_add(1)
}

/// What closed in an epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Every day up to this one is closed; `None` while none is.
    pub through: Option<Day>,
    /// The first day of `values`.
    pub first: Day,
    /// One total in minor units a day; [`NONE`] where no customer is left.
    pub values: Vec<u64>,
    /// The end of the input.
    pub end: Option<InputEnd>,
}

/// The end of the input, and the instant that the last rows of features hold for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputEnd {
    /// The instant.
    pub as_of: Millis,
    /// The threshold of its day, if that comes after the last day of `values`.
    pub beyond: Option<u64>,
}

/// No threshold: greater than any total.
pub const NONE: u64 = u64::MAX;

impl Published {
    /// A row a day for the sinks.
    pub fn into_outputs(self) -> Vec<Output> {
        let days = (self.first..).zip(self.values);
        days.filter(|&(_, value)| value != NONE)
            .map(|(day, value)| Output::Threshold(day, value))
            .collect()
    }
}

/// The closed thresholds.
#[derive(Clone, Debug, Default)]
pub struct Thresholds {
    first: Day,
    values: Vec<u64>,
    closed: Option<Day>,
}

impl Thresholds {
    /// Thresholds that were published elsewhere: every day counts as closed. They must be sorted by
    /// day, each day once.
    pub fn given(days: &[(Day, u64)]) -> Self {
        let mut table = Thresholds { closed: Some(Day::MAX), ..Thresholds::default() };
        for &(day, value) in days {
            if table.values.is_empty() {
                table.first = day;
            }
            let missing = (day - table.first) as usize;
            let before = table.values.last().copied().unwrap_or(value);
            table.values.resize(missing, before);
            table.values.push(value);
        }
        table
    }

    /// Thresholds as they were published up to a day; a closed day without one has none.
    pub fn restored(days: &[(Day, u64)], closed: Option<Day>) -> Self {
        let mut table = Thresholds { closed, ..Thresholds::default() };
        let (Some(&(first, _)), Some(closed)) = (days.first(), closed) else { return table };
        table.first = first;
        table.values = vec![NONE; usize::try_from(closed - first).map_or(0, |length| length + 1)];
        for &(day, value) in days {
            if let Some(slot) =
                usize::try_from(day - first).ok().and_then(|at| table.values.get_mut(at))
            {
                *slot = value;
            }
        }
        table
    }

    /// Takes in what closed.
    pub fn publish(&mut self, published: &Published) {
        if self.values.is_empty() {
            self.first = published.first;
        }
        self.values.extend_from_slice(&published.values);
        self.closed = self.closed.max(published.through);
    }

    /// Whether the day's threshold is closed.
    #[inline]
    pub fn is_closed(&self, day: Day) -> bool {
        self.closed.is_some_and(|closed| day <= closed)
    }

    /// Events dated before this instant are late: before the instant of the last closed threshold,
    /// 00:00 of the day before its day. Nothing is late for thresholds that were given, for no
    /// event can come too late for them.
    pub fn late_before(&self) -> Millis {
        match self.closed {
            None | Some(Day::MAX) => Millis::MIN,
            Some(closed) => Millis::from(closed.saturating_sub(1)).saturating_mul(DAY),
        }
    }

    /// The last closed day.
    pub fn closed(&self) -> Option<Day> {
        self.closed
    }

    /// The threshold of a day, or the newest closed one before it; `None` while there was none.
    #[inline]
    pub fn at(&self, day: Day) -> Option<u64> {
        if day < self.first {
            return None;
        }
        let last = self.values.len().checked_sub(1)?;
        Some(self.values[((day - self.first) as usize).min(last)]).filter(|&value| value != NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_thresholds_are_all_closed_and_the_newest_before_a_day_holds() {
        let table = Thresholds::given(&[(10, 5), (12, 7)]);
        assert_eq!(
            [9, 10, 11, 12, 99].map(|day| table.at(day)),
            [None, Some(5), Some(5), Some(7), Some(7)]
        );
        assert!(table.is_closed(1_000_000));
        assert_eq!(table.late_before(), Millis::MIN);
    }
}
