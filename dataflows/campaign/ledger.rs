//! Each customer's total of purchases by day, as the daily threshold needs it: held back until a
//! day's threshold closes, then applied in order of days.

use crate::campaign::output::Day;
use crate::campaign::thresholds::day_of;
use crate::customer::Transaction;
use crate::customer::folded::Folded;
use crate::customer::summary::Summary;
use hashbrown::HashMap;

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
pub struct Ledger {
    /// Purchases of days up to this one are in the totals.
    applied: Day,
    /// Later purchases, by day since 1970: days are few (the calendar of events ends with 2099),
    /// and most have purchases.
    open: Vec<Vec<Entry>>,
    totals: Vec<Total>,
    /// Purchases that came after their day had been applied and count from a later one on, by
    /// customer: what a snapshot cannot tell from histories.
    late: HashMap<u32, Late>,
    /// A snapshot is being taken: what was late when it began must stay known.
    late_held: bool,
    /// The totals have been restored, and whoever ranks them has not been told.
    untold: bool,
    peers: u32,
    worker: u32,
}

/// Late purchases of a customer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Late {
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

impl Ledger {
    /// The ledger of worker `worker` of `peers`.
    pub fn new(worker: usize, peers: usize) -> Self {
        Ledger {
            applied: Day::MIN,
            open: Vec::new(),
            totals: Vec::new(),
            late: HashMap::new(),
            late_held: false,
            untold: false,
            peers: peers as u32,
            worker: worker as u32,
        }
    }

    /// The ledger of a snapshot, with every day up to `applied` applied; its customers are still to
    /// be [taken up](Self::take_up).
    pub fn restored(worker: usize, peers: usize, applied: Day) -> Self {
        Ledger { applied, untold: true, ..Ledger::new(worker, peers) }
    }

    /// Takes up a customer's settled purchases, each as if it had come in time.
    pub fn take_up(&mut self, customer: u32, transactions: &[Transaction]) {
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
    pub fn take_up_folded(&mut self, customer: u32, folded: &Folded) {
        let total = self.total(customer);
        total.amount = total.amount.wrapping_add(folded.summary.amount);
        total.purchases = total.purchases.wrapping_add(folded.summary.purchases);
    }

    /// Notes that a customer's folded purchases went, as those of a day already applied.
    pub fn note_folded_gone(&mut self, customer: u32, folded: &Folded) {
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
    pub fn take_up_late(&mut self, customer: u32, day: i64, purchases: i32, amount: i64) {
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
    pub fn late(&self, customer: u32) -> Option<Late> {
        self.late.get(&customer).copied()
    }

    /// A snapshot begins: what is late now stays known until it is [released](Self::release_late).
    pub fn hold_late(&mut self) {
        self.forget_late();
        self.late_held = true;
    }

    /// The snapshot is complete.
    pub fn release_late(&mut self) {
        self.late_held = false;
        self.forget_late();
    }

    fn forget_late(&mut self) {
        self.late.retain(|_, late| late.day > self.applied);
    }

    /// Notes a purchase that appeared (`purchases` = 1) or went (-1, with its amount negative). One
    /// of a day already applied counts from the next closing on.
    #[inline]
    pub fn note(&mut self, customer: u32, day: Day, purchases: i32, amount: i64) {
        let asked = day;
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
        if asked < day {
            self.note_late(customer, day, purchases, amount);
        }
    }

    #[cold]
    fn note_late(&mut self, customer: u32, day: Day, purchases: i32, amount: i64) {
        let late = self.late.entry(customer).or_default();
        if late.day != day {
            // What counts from an earlier day on has been applied.
            *late = Late { day, ..Late::default() };
        }
        late.purchases += purchases;
        late.amount += amount;
    }

    /// Applies all purchases of days up to `through`, and says how totals changed, in order of
    /// days.
    pub fn close(&mut self, through: Day, changes: &mut Vec<TotalChange>) {
        if std::mem::take(&mut self.untold) {
            let restored = self.totals.iter().enumerate().filter(|(_, total)| total.purchases > 0);
            changes.extend(
                restored
                    .map(|(customer, total)| self.change(self.applied, customer as u32, *total)),
            );
        }
        if through <= self.applied {
            return;
        }
        let first = usize::try_from(self.applied.saturating_add(1)).unwrap_or(0);
        let end =
            usize::try_from(through).map_or(0, |last| last.saturating_add(1)).min(self.open.len());
        self.applied = through;
        for day in first..end {
            for entry in std::mem::take(&mut self.open[day]) {
                changes.push(self.apply(day as Day, entry));
            }
        }
        if !self.late_held {
            self.forget_late();
        }
    }

    fn apply(&mut self, day: Day, entry: Entry) -> TotalChange {
        let total = self.total(entry.customer);
        total.amount = total.amount.wrapping_add_signed(entry.amount);
        total.purchases = total.purchases.wrapping_add_signed(entry.purchases);
        let total = *total;
        self.change(day, entry.customer, total)
    }

    fn total(&mut self, customer: u32) -> &mut Total {
        let at = customer as usize;
        if at >= self.totals.len() {
            self.totals.resize((at + 1).next_power_of_two(), Total::default());
        }
        &mut self.totals[at]
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
mod tests {
    use super::*;
    use crate::event::{DAY, Purchase};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

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

    /// What happens to a ledger: a purchase of a customer and day appears, the oldest of a customer
    /// goes, or days close.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Buy(u32, Day),
        Return(u32),
        Close(Day),
    }

    /// A ledger with the purchases that it should have, and the totals that it has told.
    #[derive(Debug)]
    struct Book {
        ledger: Ledger,
        purchases: Vec<Vec<Transaction>>,
        told: BTreeMap<u32, Option<u64>>,
    }

    impl Book {
        fn step(&mut self, number: u64, step: Step) {
            match step {
                Step::Buy(customer, day) => {
                    let amount = 100 + number;
                    self.purchases[customer as usize].push(Transaction::new(
                        number,
                        i64::from(day) * DAY,
                        Purchase::new(amount, 0, 0, 0, false),
                    ));
                    self.ledger.note(customer, day, 1, amount as i64);
                }
                Step::Return(customer) if self.purchases[customer as usize].is_empty() => {}
                Step::Return(customer) => {
                    let gone = self.purchases[customer as usize].remove(0);
                    self.ledger.note(
                        customer,
                        day_of(gone.timestamp()),
                        -1,
                        -(gone.amount() as i64),
                    );
                }
                Step::Close(through) => {
                    let mut changes = Vec::new();
                    self.ledger.close(through, &mut changes);
                    self.told.extend(changes.into_iter().map(|change| (change.slot, change.total)));
                    self.told.retain(|_, total| total.is_some());
                }
            }
        }

        /// Another book that goes on from what a snapshot keeps of this one.
        fn restored(&self) -> Book {
            let mut ledger = Ledger::restored(0, 1, self.ledger.applied);
            for (customer, purchases) in (0..).zip(&self.purchases) {
                ledger.take_up(customer, purchases);
                if let Some(late) = self.ledger.late(customer) {
                    ledger.take_up_late(customer, i64::from(late.day), late.purchases, late.amount);
                }
            }
            Book { ledger, purchases: self.purchases.clone(), told: BTreeMap::new() }
        }
    }

    proptest! {
        #[test]
        fn a_restored_ledger_tells_the_same_totals(
            steps in prop::collection::vec(
                prop_oneof![
                    4 => (0..4u32, 0..20i32).prop_map(|(customer, day)| Step::Buy(customer, day)),
                    2 => (0..4u32).prop_map(Step::Return),
                    2 => (0..20i32).prop_map(Step::Close),
                ],
                1..60,
            ),
            cut in 0..60usize,
        ) {
            let mut book = Book { ledger: Ledger::new(0, 1), purchases: vec![Vec::new(); 4], told: BTreeMap::new() };
            let (before, after) = steps.split_at(cut.min(steps.len()));
            before.iter().enumerate().for_each(|(number, step)| book.step(number as u64, *step));
            prop_assume!(book.ledger.applied > Day::MIN);
            let mut restored = book.restored();
            for (number, step) in (before.len() as u64..).zip(after.iter().chain([&Step::Close(21)])) {
                book.step(number, *step);
                restored.step(number, *step);
            }
            prop_assert_eq!(restored.told, book.told);
        }
    }
}
