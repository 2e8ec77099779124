//! Daily high-value thresholds: the table of those that have closed, and the owner that computes
//! them from all customers' totals.

use crate::campaign::output::{Day, Output};
use crate::campaign::settling::TotalChanges;
use crate::campaign::state::TotalChange;
use crate::customer::ranks::Ranks;
use crate::event::{DAY, Millis};
use serde::{Deserialize, Serialize};
use std::iter::Peekable;
use std::vec::IntoIter;

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
    pub end: Option<End>,
}

/// The end of the input, and the instant that the last rows of features hold for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
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

/// The owner: the totals of all customers, ranked, day by day.
pub struct Owner {
    ranks: Ranks,
    /// `None` where no daily threshold is computed.
    percentile: Option<u8>,
    /// The next day to be closed, once there is any purchase.
    next: Option<Day>,
    /// Changes that have been given but not applied, as they came: each run sorted by day. Of those
    /// of one customer and day the last one holds.
    open: Vec<Peekable<IntoIter<TotalChange>>>,
}

impl Owner {
    /// Thresholds at this percentile, 1 to 99; with `None` none are computed.
    pub fn new(percentile: Option<u8>) -> Self {
        Owner { ranks: Ranks::new(), percentile, next: None, open: Vec::new() }
    }

    /// Goes on from a snapshot whose thresholds these are: the next day to be closed is the one
    /// after them. The workers tell their totals anew.
    pub fn restored(percentile: Option<u8>, thresholds: &Thresholds) -> Self {
        let next = thresholds
            .closed
            .filter(|_| !thresholds.values.is_empty())
            .map(|closed| closed.saturating_add(1));
        Owner { next, ..Owner::new(percentile) }
    }

    /// Closes the days that the workers say; at the end of the input every day up to that of the
    /// latest event, and the last rows of features hold for `as_of`, or for the latest event.
    pub fn close_epoch(&mut self, totals: Vec<TotalChanges>, as_of: Option<Millis>) -> Published {
        let through = totals.iter().filter_map(|t| t.through).max();
        let latest = totals.iter().filter_map(|t| t.end).max();
        self.open.extend(totals.into_iter().map(|t| t.changes.into_iter().peekable()));
        // What came with days that are closed, as after a snapshot, counts from the next one on.
        self.apply_before(self.next.map_or(Day::MIN, |next| next - 2));
        match through {
            Some(Day::MAX) => {
                let last = latest.map_or(0, day_of);
                let mut published = self.close(last);
                let as_of = as_of.or(latest).unwrap_or(0);
                let beyond = self.close(day_of(as_of)).values.last().copied();
                published.through = Some(Day::MAX);
                published.end = Some(End { as_of, beyond });
                published
            }
            Some(through) => self.close(through),
            None => Published::default(),
        }
    }

    /// Closes every day up to `through`. A day's threshold counts the purchases before 00:00 of the
    /// day before it.
    fn close(&mut self, through: Day) -> Published {
        let nothing = Published { through: Some(through), first: through, ..Published::default() };
        let Some(percentile) = self.percentile else { return nothing };
        let Some(next) = self.next.or(self.first_open().map(|first| first.saturating_add(2)))
        else {
            return nothing;
        };
        let mut values = Vec::new();
        for day in next..=through {
            self.apply_before(day - 1);
            values.push(self.ranks.percentile(percentile).unwrap_or(NONE));
        }
        self.next = Some(next.max(through.saturating_add(1)));
        Published { through: Some(through), first: next, values, end: None }
    }

    /// The first day of all open changes.
    fn first_open(&mut self) -> Option<Day> {
        self.open.iter_mut().filter_map(|run| run.peek()).map(|change| change.day).min()
    }

    /// Applies the changes of days before this one, day by day, and those of one day in the order
    /// in which they came.
    fn apply_before(&mut self, end: Day) {
        while let Some(day) = self.first_open().filter(|&day| day < end) {
            for run in &mut self.open {
                while let Some(change) = run.next_if(|change| change.day == day) {
                    self.ranks.set(change.slot, change.total);
                }
            }
        }
        self.open.retain_mut(|run| run.peek().is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(through: Day, changes: &[(Day, u32, Option<u64>)]) -> TotalChanges {
        let changes =
            changes.iter().map(|&(day, slot, total)| TotalChange { day, slot, total }).collect();
        TotalChanges { through: Some(through), end: None, changes }
    }

    #[test]
    fn a_day_counts_the_purchases_before_the_day_before_it_and_the_last_total_of_a_day_holds() {
        let mut owner = Owner::new(Some(90));
        assert_eq!(owner.close_epoch(vec![changes(5, &[])], None).values, Vec::<u64>::new());
        let published = owner.close_epoch(
            vec![changes(8, &[(5, 0, Some(10)), (5, 0, Some(30)), (6, 1, Some(20))])],
            None,
        );
        assert_eq!((published.first, published.values), (7, vec![30, 30]));
        let published = owner.close_epoch(vec![changes(9, &[(7, 0, None)])], None);
        assert_eq!((published.first, published.values), (9, vec![20]));
    }

    #[test]
    fn where_nobody_is_left_there_is_no_threshold() {
        let mut owner = Owner::new(Some(90));
        let published =
            owner.close_epoch(vec![changes(8, &[(5, 0, Some(10)), (6, 0, None)])], None);
        let mut table = Thresholds::default();
        table.publish(&published);
        assert_eq!([6, 7, 8].map(|day| table.at(day)), [None, Some(10), None]);
        assert!(table.is_closed(8) && !table.is_closed(9));
        assert_eq!(published.into_outputs().len(), 1);
    }

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
