//! Each customer's total of purchases by day, as the daily threshold needs it: held back until a day's threshold closes, then applied in order of days.

use crate::campaign::output::Day;

/// A customer's new total after a day; `None` when no purchase is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TotalChange {
    /// The day of the purchases behind it.
    pub day: Day,
    /// Which customer: a number unique among all workers.
    pub slot: u32,
    /// Purchases up to that day, in minor units.
    pub total: Option<u64>,
}

/// One worker's customers: totals up to the day that has been applied, and what is known of later days.
#[derive(Debug)]
pub struct Ledger {
    /// Purchases of days up to this one are in the totals.
    applied: Day,
    /// Later purchases, by day since 1970: days are few (the calendar of events ends with 2099), and most have purchases.
    open: Vec<Vec<Entry>>,
    totals: Vec<Total>,
    peers: u32,
    worker: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    customer: u32,
    purchases: i32,
    amount: i64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Total {
    amount: u64,
    purchases: u32,
}

/// A day after the last that an event can be dated: timestamps end with 2099.
const LAST_DAY: usize = 47_500;

impl Ledger {
    /// The ledger of worker `worker` of `peers`.
    pub fn new(worker: usize, peers: usize) -> Self {
        Ledger { applied: Day::MIN, open: Vec::new(), totals: Vec::new(), peers: peers as u32, worker: worker as u32 }
    }

    /// Notes a purchase that appeared (`purchases` = 1) or went (-1, with its amount negative). One of a day already applied counts from the next
    /// closing on.
    #[inline]
    pub fn note(&mut self, customer: u32, day: Day, purchases: i32, amount: i64) {
        let day = day.max(self.applied.saturating_add(1));
        let at = usize::try_from(day).unwrap_or(0);
        if at > LAST_DAY {
            // Every day has been applied: no threshold will ask for it.
            return;
        }
        if at >= self.open.len() {
            self.open.resize_with(at + 1, Vec::new);
        }
        self.open[at].push(Entry { customer, purchases, amount });
    }

    /// Applies all purchases of days up to `through`, and says how totals changed, in order of days.
    pub fn close(&mut self, through: Day, changes: &mut Vec<TotalChange>) {
        if through <= self.applied {
            return;
        }
        let first = usize::try_from(self.applied.saturating_add(1)).unwrap_or(0);
        let end = usize::try_from(through).map_or(0, |last| last.saturating_add(1)).min(self.open.len());
        self.applied = through;
        for day in first..end {
            for entry in std::mem::take(&mut self.open[day]) {
                changes.push(self.apply(day as Day, entry));
            }
        }
    }

    fn apply(&mut self, day: Day, entry: Entry) -> TotalChange {
        let at = entry.customer as usize;
        if at >= self.totals.len() {
            self.totals.resize((at + 1).next_power_of_two(), Total::default());
        }
        let total = &mut self.totals[at];
        total.amount = total.amount.wrapping_add_signed(entry.amount);
        total.purchases = total.purchases.wrapping_add_signed(entry.purchases);
        TotalChange { day, slot: entry.customer * self.peers + self.worker, total: (total.purchases > 0).then_some(total.amount) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purchases_count_when_their_day_is_applied_and_late_ones_at_the_next() {
        let mut ledger = Ledger::new(1, 2);
        let mut changes = Vec::new();
        ledger.note(0, 10, 1, 500);
        ledger.note(0, 11, 1, 300);
        ledger.close(10, &mut changes);
        assert_eq!(changes, [TotalChange { day: 10, slot: 1, total: Some(500) }]);
        changes.clear();
        ledger.note(0, 9, 1, 7);
        ledger.close(10, &mut changes);
        assert!(changes.is_empty());
        ledger.close(11, &mut changes);
        assert_eq!(changes.last(), Some(&TotalChange { day: 11, slot: 1, total: Some(807) }));
    }

    #[test]
    fn taking_back_the_last_purchase_removes_the_customer() {
        let mut ledger = Ledger::new(0, 1);
        let mut changes = Vec::new();
        ledger.note(3, 10, 1, 500);
        ledger.note(3, 10, -1, -500);
        ledger.close(12, &mut changes);
        assert_eq!(changes.last(), Some(&TotalChange { day: 10, slot: 3, total: None }));
    }
}
