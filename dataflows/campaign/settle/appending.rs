//! Settling the events of an epoch: most are appended, and those of some customers resolved.

use super::resolve::Resolution;
use super::{Settling, events, interaction, transaction};
use crate::campaign::recorded::is_on_record;
use crate::campaign::state::{Customers, Met};
use crate::codec::Rows;
use crate::event::{Kind, Record};
use crate::state::turns::Budget;

impl Settling {
    /// Finds each record's slot, and the slots of customers with a record that is more than a new
    /// id.
    pub(super) fn look_over(&mut self, customers: &mut Customers, budget: &mut Budget) -> bool {
        while let Some(Rows(batch)) = self.batches.get(self.done) {
            if !budget.is_left() {
                return false;
            }
            // Looking up the whole batch first lets the memory accesses of different customers
            // overlap.
            let first = self.slots.len();
            self.slots.extend(batch.iter().map(|record| customers.slot(record.customer)));
            for (record, &slot) in batch.iter().zip(&self.slots[first..]) {
                match customers.meet(record, slot) {
                    Met::New => {}
                    Met::NoEvent => self.careful.take(record, slot),
                    Met::Settled => self.careful.add(slot),
                    Met::Perhaps(key) => self.careful.doubt(key),
                }
            }
            budget.spend(batch.len());
            self.done += 1;
        }
        true
    }

    /// Finds the slots of ids that more than one record has.
    pub(super) fn find_repeated(&mut self, _: &mut Customers, budget: &mut Budget) -> bool {
        if !self.careful.is_in_doubt() {
            return true;
        }
        while let Some(Rows(batch)) = self.batches.get(self.done) {
            if !budget.is_left() {
                return false;
            }
            let slots = &self.slots[self.placed..self.placed + batch.len()];
            batch.iter().zip(slots).for_each(|(record, &slot)| self.careful.count(record, slot));
            self.placed += batch.len();
            budget.spend(batch.len());
            self.done += 1;
        }
        self.placed = 0;
        true
    }

    /// Appends every record where that is all there is to do, and gives back the memory of each
    /// batch for those to come; leaves the others.
    pub(super) fn append_all(&mut self, customers: &mut Customers, budget: &mut Budget) -> bool {
        while budget.is_left() {
            let Some(Rows(batch)) = self.batches.get_mut(self.done).map(std::mem::take) else {
                return true;
            };
            self.append(&batch, customers);
            self.done += 1;
            budget.spend(2 * batch.len() + customers.take_work());
        }
        false
    }

    fn append(&mut self, batch: &[Record], customers: &mut Customers) {
        let counts = &mut self.settled.counts;
        let slots = &self.slots[self.placed..self.placed + batch.len()];
        self.placed += batch.len();
        counts.records += batch.len() as u64;
        for (record, &slot) in batch.iter().zip(slots) {
            let mut customer = customers.touch(slot);
            if customer.history().erased().is_some() {
                self.careful.add(slot);
            }
            if self.careful.contains(slot) {
                counts.records -= u64::from(is_on_record(record));
                self.left.push((slot, *record));
                continue;
            }
            if record.kind() == Kind::Transaction {
                customer.buy(transaction(record));
                counts.transactions += 1;
            } else {
                customer.contact(interaction(record));
                counts.interactions += 1;
            }
            counts.late += u64::from(record.timestamp < self.moment.late_before);
        }
    }

    /// Resolves the records of customers with anything but new ids.
    pub(super) fn settle_carefully(
        &mut self,
        customers: &mut Customers,
        budget: &mut Budget,
    ) -> bool {
        while budget.is_left() {
            let Some((slot, first)) = self.left.next() else { return true };
            let mut news = vec![first];
            while self.left.next_key().is_some_and(|(next, _)| next == slot) {
                news.extend(self.left.next().map(|(_, record)| record));
            }
            let customer = customers.touch(slot);
            let events = events(customer.history());
            let settled = &mut self.settled;
            let resolution = Resolution::of(customer, &self.moment, settled);
            resolution.settle(&news, &mut self.asides, &mut self.rejected);
            budget.spend(4 * (news.len() + 1) + 2 * events + customers.take_work());
        }
        false
    }
}
