//! What is left to be done once the events of an epoch are settled, and the days that close with
//! it.

use super::{Settling, events};
use crate::campaign::output::Day;
use crate::campaign::settling::TotalChanges;
use crate::campaign::state::{Customers, Slot};
use crate::campaign::thresholds::closed_by;
use crate::customer::Transaction;
use crate::customer::folded::Folded;
use crate::epoch::Closed;
use crate::state::turns::Budget;

impl Settling {
    pub(super) fn leave_asides(&mut self, _: &mut Customers, _: &mut Budget) -> bool {
        self.left_asides = self.asides.leave();
        true
    }

    /// What is older than is kept is rejected, unless its customer was erased: nothing of an erased
    /// customer may be kept anywhere.
    pub(super) fn judge_past(&mut self, customers: &mut Customers, budget: &mut Budget) -> bool {
        while budget.is_left() {
            let Some(past) = self.left_asides.past.next() else { return true };
            budget.spend(1);
            let counts = &mut self.settled.counts;
            counts.records += 1;
            if customers.erased(past.customer).is_some_and(|until| past.timestamp <= until) {
                counts.erased += 1;
            } else {
                counts.past_history += 1;
                self.rejected.push(past.rejected);
            }
        }
        false
    }

    /// What was rejected stays so, but of an erased customer nothing is left of it than where it
    /// stood and why it was not taken.
    pub(super) fn blank_erased(&mut self, customers: &mut Customers, budget: &mut Budget) -> bool {
        while budget.is_left() {
            let Some(mut record) = self.left_asides.rejected.next() else { return true };
            budget.spend(1);
            let is_erased = record.whose.is_some_and(|whose| {
                customers.erased(whose.customer).is_some_and(|until| whose.dated <= until)
            });
            if is_erased {
                record.blank();
            }
            self.rejected.push(record);
        }
        false
    }

    /// Keeps what goes with interactions that were appended; the resolution has kept that of the
    /// others.
    pub(super) fn attach(&mut self, customers: &mut Customers, budget: &mut Budget) -> bool {
        while budget.is_left() {
            let next = self.left_asides.attachments.as_mut().and_then(Iterator::next);
            let Some(((slot, _), (id, attachment))) = next else { return true };
            budget.spend(1);
            if !self.careful.contains(slot) {
                customers.touch(slot).attach(id, attachment);
            }
        }
        false
    }

    /// Forgets what would have been rejected, but was not.
    pub(super) fn forget_taken(&mut self, _: &mut Customers, budget: &mut Budget) -> bool {
        while budget.is_left() {
            let next = self.left_asides.taken.as_mut().and_then(Iterator::next);
            if next.is_none() {
                return true;
            }
            budget.spend(1);
        }
        false
    }

    /// Counts what the resolution left appended.
    pub(super) fn count_resolved(
        &mut self,
        customers: &mut Customers,
        budget: &mut Budget,
    ) -> bool {
        if self.careful.is_empty() {
            return true;
        }
        let counts = &mut self.settled.counts;
        let share = budget.share(self.done, customers.touched().len(), 1);
        self.done = share.end;
        let touched = share.map(|at| customers.touched()[at]);
        for slot in touched.filter(|slot| self.careful.contains(*slot)) {
            let (transactions, interactions) = customers.history(slot).appended();
            counts.transactions += transactions.len() as i64;
            counts.interactions += interactions.len() as i64;
            let instants = transactions.iter().map(Transaction::timestamp);
            let instants = instants.chain(interactions.iter().map(|i| i.timestamp));
            counts.late += instants.filter(|&at| at < self.moment.late_before).count() as u64;
        }
        self.done == customers.touched().len()
    }

    /// Each purchase that was appended asks for a decision, where that is so.
    pub(super) fn ask_for_purchases(
        &mut self,
        customers: &mut Customers,
        budget: &mut Budget,
    ) -> bool {
        if !self.moment.asks {
            return true;
        }
        while let Some(&slot) = customers.touched().get(self.done) {
            if !budget.is_left() {
                return false;
            }
            self.done += 1;
            let appended = customers.history(slot).appended().0;
            budget.spend(1 + 2 * appended.len());
            appended.iter().for_each(|bought| self.settled.ask_for(slot, bought));
        }
        true
    }

    /// At the end of the input: the latest settled event. Appended events are not sorted in yet:
    /// all are looked at.
    pub(super) fn find_latest(&mut self, customers: &mut Customers, budget: &mut Budget) -> bool {
        if !self.moment.end.last {
            return true;
        }
        while self.done < customers.len() {
            if !budget.is_left() {
                return false;
            }
            let history = customers.history(self.done as Slot);
            self.done += 1;
            budget.spend(1 + events(history) / 16);
            let bought = history.transactions.iter().map(Transaction::timestamp).max();
            let contacted = history.interactions.iter().map(|i| i.timestamp).max();
            let folded = history.folded().and_then(Folded::range).map(|(_, last)| last);
            self.latest = self.latest.max(bought).max(contacted).max(folded);
        }
        true
    }

    /// Goes on to close the days that close with the epoch: what changed up to then, and whether
    /// that was all.
    pub(super) fn close_days(
        &mut self,
        customers: &mut Customers,
        budget: &mut Budget,
    ) -> (TotalChanges, bool) {
        let Closed { last, watermark, .. } = self.moment.end;
        let through = if last { Some(Day::MAX) } else { watermark.map(closed_by) };
        let mut changes = Vec::new();
        let is_done = through
            .is_none_or(|through| customers.close(through.saturating_sub(2), &mut changes, budget));
        (TotalChanges { through, end: self.latest, changes }, is_done)
    }
}
