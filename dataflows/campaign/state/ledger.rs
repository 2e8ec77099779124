//! Each customer's total of purchases by day, as the daily threshold needs it: held back until a
//! day's threshold closes, then applied in order of days.

use crate::campaign::output::Day;
use crate::campaign::thresholds::day_of;
use crate::customer::Transaction;
use crate::customer::folded::Folded;
use crate::customer::summary::Summary;
use crate::state::blocks::{Blocks, IntoItems};
use crate::state::parts::Parts;
use crate::state::sparse::Sparse;
use crate::state::turns::Budget;

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

/// One worker's customers: totals up to the day that has been applied, and what is known of later
/// days.
#[derive(Debug)]
pub(crate) struct TotalsLedger {
    /// Purchases of days up to this one are in the totals.
    applied: Day,
    /// Later purchases, by day since 1970: days are few (the calendar of events ends with 2099),
    /// and most have purchases.
    open: Vec<Blocks<Entry>>,
    totals: Sparse<Total>,
    /// What is left of the day that was applied last.
    left: IntoItems<Entry>,
    /// Purchases that came after their day had been applied and count from a later one on, by
    /// customer: what a snapshot cannot tell from histories.
    late: Parts<u32, Late>,
    /// A snapshot is being taken: what was late when it began must stay known.
    late_held: bool,
    /// The totals have been restored, and whoever ranks them has not been told those of customers
    /// from this one on.
    untold: Option<usize>,
    peers: u32,
    worker: u32,
}

/// Late purchases of a customer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Late {
    /// The day from which on they count.
    pub day: Day,
    /// How many appeared, less those that went.
    pub purchases: i32,
    /// Their amounts, in minor units.
    pub amount: i64,
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

impl TotalsLedger {
    /// The ledger of worker `worker` of `peers`.
    pub(super) fn new(worker: usize, peers: usize) -> Self {
        TotalsLedger {
            applied: Day::MIN,
            open: Vec::new(),
            totals: Sparse::of(Total::default()),
            left: Blocks::new().into_iter(),
            late: Parts::default(),
            late_held: false,
            untold: None,
            peers: peers as u32,
            worker: worker as u32,
        }
    }

    /// Becomes the ledger of a snapshot, with every day up to `applied` applied; its customers are
    /// still to be [taken up](Self::take_up).
    pub(super) fn restore(&mut self, applied: Day) {
        self.start_over();
        (self.applied, self.untold) = (applied, Some(0));
    }

    /// Becomes one that nothing has been noted in.
    pub(super) fn start_over(&mut self) {
        *self = TotalsLedger::new(self.worker as usize, self.peers as usize);
    }

    /// Takes up a customer's settled purchases, each as if it had come in time.
    pub(super) fn take_up(&mut self, customer: u32, transactions: &[Transaction]) {
        let applied = self.applied;
        let total = self.total(customer);
        for transaction in
            transactions.iter().filter(|transaction| day_of(transaction.timestamp()) <= applied)
        {
            total.amount = total.amount.wrapping_add(transaction.amount());
            total.purchases += 1;
        }
        for transaction in
            transactions.iter().filter(|transaction| day_of(transaction.timestamp()) > applied)
        {
            self.note(customer, day_of(transaction.timestamp()), 1, transaction.amount() as i64);
        }
    }

    /// Takes up a customer's folded purchases. All their days were applied long before they were
    /// folded.
    pub(super) fn take_up_folded(&mut self, customer: u32, folded: &Folded) {
        let total = self.total(customer);
        total.amount = total.amount.wrapping_add(folded.summary.amount);
        total.purchases = total.purchases.wrapping_add(folded.summary.purchases);
    }

    /// Notes that a customer's folded purchases went, as those of a day already applied.
    pub(super) fn note_folded_gone(&mut self, customer: u32, folded: &Folded) {
        let Summary { purchases, amount, last, .. } = folded.summary;
        self.note(
            customer,
            day_of(last),
            (purchases as i32).wrapping_neg(),
            (amount as i64).wrapping_neg(),
        );
    }

    /// Takes up that some of a customer's purchases came late and count from `day` on, unless that
    /// day has been applied since.
    pub(super) fn take_up_late(&mut self, customer: u32, day: i64, purchases: i32, amount: i64) {
        if day <= i64::from(self.applied) {
            return;
        }
        let total = self.total(customer);
        total.amount = total.amount.wrapping_add_signed(amount.wrapping_neg());
        total.purchases = total.purchases.wrapping_add_signed(purchases.wrapping_neg());
        // Any day up to the one that was applied last counts with the next.
        self.note(customer, self.applied, purchases, amount);
    }

    /// What came late of a customer's purchases and was not applied when this snapshot began.
    pub(super) fn late(&self, customer: u32) -> Option<Late> {
        self.late.get(&customer).copied()
    }

    /// A snapshot begins: what is late now stays known until it is [released](Self::release_late).
    pub(super) fn hold_late(&mut self) {
        self.forget_late();
        self.late_held = true;
    }

    /// The snapshot is complete.
    pub(super) fn release_late(&mut self) {
        self.late_held = false;
        self.forget_late();
    }

    fn forget_late(&mut self) {
        self.late.retain(|_, late| late.day > self.applied);
    }

    /// Notes a purchase that appeared (`purchases` = 1) or went (-1, with its amount negative). One
    /// of a day already applied counts from the next closing on.
    #[inline]
    pub(super) fn note(&mut self, customer: u32, day: Day, purchases: i32, amount: i64) {
        let asked = day;
        let day = day.max(self.applied.saturating_add(1));
        let at = usize::try_from(day).unwrap_or(0);
        if at > LAST_DAY {
            // Every day has been applied: no threshold will ask for it.
            return;
        }
        if at >= self.open.len() {
            self.open.resize_with(at + 1, Blocks::new);
        }
        self.open[at].push(Entry { customer, purchases, amount });
        if asked < day {
            self.note_late(customer, day, purchases, amount);
        }
    }

    #[cold]
    fn note_late(&mut self, customer: u32, day: Day, purchases: i32, amount: i64) {
        let late = self.late.or_insert_with(customer, Late::default);
        if late.day != day {
            // What counts from an earlier day on has been applied.
            *late = Late { day, ..Late::default() };
        }
        late.purchases += purchases;
        late.amount += amount;
    }

    /// Goes on to apply all purchases of days up to `through`, and says how totals changed, in
    /// order of days; and whether that is done. Nothing is noted until it is.
    pub(super) fn close(
        &mut self,
        through: Day,
        changes: &mut Vec<TotalChange>,
        budget: &mut Budget,
    ) -> bool {
        if !self.tell_restored(changes, budget) {
            return false;
        }
        while budget.is_left() {
            if let Some(entry) = self.left.next() {
                changes.push(self.apply(entry));
                budget.spend(1);
            } else if !self.begin_day(through) {
                if !self.late_held {
                    self.forget_late();
                }
                return true;
            }
        }
        false
    }

    fn tell_restored(&mut self, changes: &mut Vec<TotalChange>, budget: &mut Budget) -> bool {
        let Some(next) = self.untold else { return true };
        let share = budget.share(next, self.totals.end(), 1);
        self.untold = Some(share.end).filter(|&end| end < self.totals.end());
        let restored = share.map(|customer| (customer as u32, self.totals.get(customer)));
        let some = restored.filter(|(_, total)| total.purchases > 0);
        changes.extend(some.map(|(customer, total)| self.change(self.applied, customer, total)));
        self.untold.is_none()
    }

    /// Begins to apply the next day up to `through` that has purchases; says whether there is one.
    fn begin_day(&mut self, through: Day) -> bool {
        if through <= self.applied {
            return false;
        }
        let first = usize::try_from(self.applied.saturating_add(1)).unwrap_or(0);
        let end =
            usize::try_from(through).map_or(0, |last| last.saturating_add(1)).min(self.open.len());
        let day = (first..end).find(|&day| !self.open[day].is_empty());
        self.left =
            day.map(|day| std::mem::take(&mut self.open[day])).unwrap_or_default().into_iter();
        self.applied = day.map_or(through, |day| day as Day);
        day.is_some()
    }

    fn apply(&mut self, entry: Entry) -> TotalChange {
        let total = self.total(entry.customer);
        total.amount = total.amount.wrapping_add_signed(entry.amount);
        total.purchases = total.purchases.wrapping_add_signed(entry.purchases);
        let total = *total;
        self.change(self.applied, entry.customer, total)
    }

    fn total(&mut self, customer: u32) -> &mut Total {
        self.totals.get_mut(customer as usize)
    }

    fn change(&self, day: Day, customer: u32, total: Total) -> TotalChange {
        TotalChange {
            day,
            slot: customer * self.peers + self.worker,
            total: (total.purchases > 0).then_some(total.amount),
        }
    }
}

#[cfg(test)]
mod tests;
