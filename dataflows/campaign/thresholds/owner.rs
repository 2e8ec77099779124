//! The owner of daily thresholds: the totals of all customers, ranked, day by day.
//!
//! Many totals may change in an epoch, and many days close: so they are worked off in turns.

use super::{InputEnd, NONE, Published, Thresholds, day_of};
use crate::campaign::output::Day;
use crate::campaign::settling::TotalChanges;
use crate::campaign::state::TotalChange;
use crate::customer::ranks::Ranks;
use crate::event::Millis;
use crate::operators::in_turns::{Work, in_turns};
use crate::state::turns::{Budget, Client, Pacer};
use std::iter::Peekable;
use std::vec::IntoIter;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Exchange;

/// The daily thresholds that each epoch closes, on worker 0.
pub fn close_thresholds<'scope>(
    totals: StreamVec<'scope, u64, TotalChanges>,
    closer: Closer,
) -> StreamVec<'scope, u64, Published> {
    in_turns(totals, Exchange::new(|_| 0), "Thresholds", closer)
}

/// Closes them in turns.
pub struct Closer {
    /// What they are made of.
    pub owner: Owner,
    /// At the end of the input the last rows of features hold for this, or for the latest event.
    pub as_of: Option<Millis>,
    /// Who gives the turns.
    pub pacer: Pacer,
}

impl Work<TotalChanges, Published> for Closer {
    fn begin(&mut self, _: u64, totals: Vec<TotalChanges>) {
        self.owner.begin(totals, self.as_of);
    }

    fn go_on(&mut self) -> Option<Vec<Published>> {
        let Closer { owner, pacer, .. } = self;
        let closed = pacer.turn(Client::Thresholds, |budget| owner.go_on(budget));
        closed.map(|published| vec![published])
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
    closing: Closing,
}

/// What closes with an epoch, as far as it has.
#[derive(Default)]
struct Closing {
    through: Option<Day>,
    /// Whether what came with days that were closed before is applied.
    has_caught_up: bool,
    /// The last day that closes, and what closes up to it.
    last: Option<Day>,
    days: Option<Days>,
    /// At the end of the input: the instant that the last rows of features hold for, and what
    /// closes up to its day.
    as_of: Option<Millis>,
    beyond: Option<Days>,
}

/// Days that close one after the other.
struct Days {
    first: Day,
    /// The threshold of each from the first on, as far as they are closed.
    values: Vec<u64>,
}

/// What closing a day costs beside what it applies, in units of work.
const CLOSE: usize = 16;

impl Owner {
    /// Thresholds at this percentile, 1 to 99; with `None` none are computed.
    pub fn new(percentile: Option<u8>) -> Self {
        Owner {
            ranks: Ranks::new(),
            percentile,
            next: None,
            open: Vec::new(),
            closing: Closing::default(),
        }
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

    /// Begins to close the days that the workers say; at the end of the input every day up to that
    /// of the latest event, and then to that of the last rows of features.
    fn begin(&mut self, totals: Vec<TotalChanges>, as_of: Option<Millis>) {
        let through = totals.iter().filter_map(|t| t.through).max();
        let latest = totals.iter().filter_map(|t| t.end).max();
        self.open.extend(totals.into_iter().map(|t| t.changes.into_iter().peekable()));
        let is_end = through == Some(Day::MAX);
        self.closing = Closing {
            through,
            last: if is_end { Some(latest.map_or(0, day_of)) } else { through },
            as_of: is_end.then(|| as_of.or(latest).unwrap_or(0)),
            ..Closing::default()
        };
    }

    /// Goes on; gives what has closed once that is all.
    fn go_on(&mut self, budget: &mut Budget) -> Option<Published> {
        let mut closing = std::mem::take(&mut self.closing);
        if self.go_on_with(&mut closing, budget) {
            return Some(closing.published());
        }
        self.closing = closing;
        None
    }

    fn go_on_with(&mut self, closing: &mut Closing, budget: &mut Budget) -> bool {
        if !closing.has_caught_up {
            // What came with days that are closed, as after a snapshot, counts from the next one
            // on.
            let end = self.next.map_or(Day::MIN, |next| next - 2);
            if !self.apply_before(end, budget) {
                return false;
            }
            closing.has_caught_up = true;
        }
        let Some(last) = closing.last else { return true };
        let days = closing.days.get_or_insert_with(|| self.days(last));
        if !self.close(days, last, budget) {
            return false;
        }
        let Some(last) = closing.as_of.map(day_of) else { return true };
        let beyond = closing.beyond.get_or_insert_with(|| self.days(last));
        self.close(beyond, last, budget)
    }

    /// The days up to this one that are still to be closed: the first of them, where there is any
    /// purchase.
    fn days(&mut self, last: Day) -> Days {
        if self.percentile.is_some() && self.next.is_none() {
            self.next = self.first_open().map(|first| first.saturating_add(2));
        }
        let first = self.next.filter(|_| self.percentile.is_some()).unwrap_or(last);
        Days { first, values: Vec::new() }
    }

    /// Goes on to close the days up to this one; says whether that is done. A day's threshold
    /// counts the purchases before 00:00 of the day before it.
    fn close(&mut self, days: &mut Days, last: Day, budget: &mut Budget) -> bool {
        let Some(percentile) = self.percentile else { return true };
        while let Some(day) = self.next.filter(|&day| day <= last) {
            if !budget.is_left() || !self.apply_before(day - 1, budget) {
                return false;
            }
            days.values.push(self.ranks.percentile(percentile).unwrap_or(NONE));
            self.next = Some(day.saturating_add(1));
            budget.spend(CLOSE + self.ranks.looked_at());
        }
        true
    }

    /// The first day of all open changes.
    fn first_open(&mut self) -> Option<Day> {
        self.open.iter_mut().filter_map(|run| run.peek()).map(|change| change.day).min()
    }

    /// Goes on to apply the changes of days before this one, day by day, and those of one day in
    /// the order in which they came; says whether that is done.
    fn apply_before(&mut self, end: Day, budget: &mut Budget) -> bool {
        while let Some(day) = self.first_open().filter(|&day| day < end) {
            budget.spend(self.open.len() / 4);
            for run in &mut self.open {
                while let Some(change) = run.next_if(|change| change.day == day) {
                    self.ranks.set(change.slot, change.total);
                    budget.spend(1);
                    if !budget.is_left() {
                        return false;
                    }
                }
            }
        }
        self.open.retain_mut(|run| run.peek().is_some());
        true
    }
}

impl Closing {
    fn published(self) -> Published {
        let Closing { through, days, as_of, beyond, .. } = self;
        let (first, values) = days.map_or((0, Vec::new()), |days| (days.first, days.values));
        let beyond = beyond.and_then(|days| days.values.last().copied());
        let end = as_of.map(|as_of| InputEnd { as_of, beyond });
        Published { through, first, values, end }
    }
}

#[cfg(test)]
mod tests;
