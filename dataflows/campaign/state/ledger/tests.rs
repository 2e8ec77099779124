//! Days close in order, and a restored ledger tells the same totals.

use super::*;
use crate::event::{DAY, Purchase};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[test]
fn purchases_count_when_their_day_is_applied_and_late_ones_at_the_next() {
    let mut ledger = TotalsLedger::new(1, 2);
    let mut changes = Vec::new();
    ledger.note(0, 10, 1, 500);
    ledger.note(0, 11, 1, 300);
    ledger.close(10, &mut changes, &mut Budget::unbounded());
    assert_eq!(changes, [TotalChange { day: 10, slot: 1, total: Some(500) }]);
    changes.clear();
    ledger.note(0, 9, 1, 7);
    ledger.close(10, &mut changes, &mut Budget::unbounded());
    assert!(changes.is_empty());
    ledger.close(11, &mut changes, &mut Budget::unbounded());
    assert_eq!(changes.last(), Some(&TotalChange { day: 11, slot: 1, total: Some(807) }));
}

#[test]
fn taking_back_the_last_purchase_removes_the_customer() {
    let mut ledger = TotalsLedger::new(0, 1);
    let mut changes = Vec::new();
    ledger.note(3, 10, 1, 500);
    ledger.note(3, 10, -1, -500);
    ledger.close(12, &mut changes, &mut Budget::unbounded());
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
    ledger: TotalsLedger,
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
                self.ledger.note(customer, day_of(gone.timestamp()), -1, -(gone.amount() as i64));
            }
            Step::Close(through) => {
                let mut changes = Vec::new();
                while !self.ledger.close(through, &mut changes, &mut Budget::of(2)) {}
                self.told.extend(changes.into_iter().map(|change| (change.slot, change.total)));
                self.told.retain(|_, total| total.is_some());
            }
        }
    }

    /// Another book that goes on from what a snapshot keeps of this one.
    fn restored(&self) -> Book {
        let mut ledger = TotalsLedger::new(0, 1);
        ledger.restore(self.ledger.applied);
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
        let mut book = Book {
            ledger: TotalsLedger::new(0, 1),
            purchases: vec![Vec::new(); 4],
            told: BTreeMap::new(),
        };
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
