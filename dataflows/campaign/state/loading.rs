//! Customers as they are loaded from images.

use super::ledger::TotalsLedger;
use super::{Customers, Shown, Slot, Touched};
use crate::campaign::output::Day;
use crate::campaign::snapshot::image::Bookkeeping;
use crate::customer::Transaction;
use crate::customer::history::History;
use crate::customer::unmatched::Unmatched;
use crate::event::CustomerId;

impl Customers {
    /// Begins to load customers whose totals have every day up to `applied` in them.
    pub(crate) fn begin_loading(&mut self, applied: Option<Day>) {
        if let (Some(ledger), Some(applied)) = (&mut self.ledger, applied) {
            ledger.restore(applied);
        }
    }

    /// Days are to be closed once more from the first on.
    pub(crate) fn close_anew(&mut self) {
        self.ledger.iter_mut().for_each(TotalsLedger::start_over);
    }

    /// Loads a customer, in place of what was loaded of it before.
    pub(crate) fn load(&mut self, customer: CustomerId, history: History) -> Slot {
        let slot = self.slot(customer);
        self.histories[slot as usize] = history;
        slot
    }

    /// Notes the size of an image that is written of a virtual shard already.
    pub(crate) fn written(&mut self, shard: u16, whole: bool, bytes: u64) {
        self.changes.iter_mut().for_each(|changes| changes.written(shard, whole, bytes));
    }

    /// Knows the ids of all customers that were loaded.
    pub(crate) fn know_all(&mut self) {
        self.known.know_all(&self.histories);
    }

    /// Takes up what an image has of a customer beside the history. With `anew` nothing of it
    /// counts as emitted, else it counts as settled.
    pub(crate) fn take_up(&mut self, slot: Slot, kept: &Bookkeeping, anew: bool) -> Touched<'_> {
        let history = &mut self.histories[slot as usize];
        if let Some(ledger) = &mut self.ledger {
            ledger.take_up(slot, &history.transactions);
            if let Some(folded) = history.folded() {
                ledger.take_up_folded(slot, folded);
            }
            if kept.late_purchases != 0 || kept.late_amount != 0 {
                ledger.take_up_late(slot, kept.late_day, kept.late_purchases, kept.late_amount);
            }
        }
        self.folded.note(slot, kept.folded_to);
        let folded = history.folded().map_or(0, |folded| folded.summary.amount);
        let amounts = history.transactions.iter().map(Transaction::amount);
        let amount = amounts.fold(folded, u64::saturating_add);
        let shown = u8::try_from(kept.shown).ok().map(|flags| Shown { flags, amount });
        *self.shown.get_mut(slot as usize) = shown;
        if anew {
            history.tell_anew();
        }
        Touched { customers: self, slot }
    }
}

impl Touched<'_> {
    /// Notes the rewards that join nothing, as they are.
    pub(crate) fn restore_counts(&mut self, unmatched: Unmatched) {
        let history = self.history_mut();
        history.pending = history.unlearned();
        history.extras.iter_mut().for_each(|extras| extras.unmatched = unmatched);
    }
}
