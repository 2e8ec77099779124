//! What visiting a customer changes, and what it looks at.

use super::{Before, Customers, RowMut, RunningRow, Shown, Touched, Unseen};
use crate::customer::history::{Decided, Extras, History};
use crate::customer::unmatched::Unmatched;
use crate::event::Millis;

impl Touched<'_> {
    /// What the customer looked like before, if anything that was emitted may be different now.
    /// That is also so where what was appended does not all lie after what was emitted.
    pub(crate) fn take_before(&mut self) -> Option<Before> {
        let kept = self.customers.before.remove(&self.slot);
        let history = self.history();
        kept.or_else(|| history.is_disordered().then(|| Before::of(history, Millis::MAX)))
    }

    /// The earliest event that was appended.
    pub(crate) fn first_appended(&self) -> Millis {
        self.history().first_appended()
    }

    /// Sorts what lies behind the emitted part.
    pub(crate) fn sort_appended(&mut self) -> Unseen {
        self.history_mut().sort_appended()
    }

    /// Sorts all of it.
    pub(crate) fn sort_all(&mut self) {
        self.history_mut().sort_all();
    }

    /// The history, and the row of the purchases that have been worked through: the one that is
    /// kept, or `spare`, in which they are added up.
    #[inline]
    pub(crate) fn at_work<'t>(
        &'t mut self,
        spare: &'t mut RunningRow,
    ) -> (&'t History, RowMut<'t>) {
        let Customers { histories, rows, features, .. } = &mut *self.customers;
        let history = &histories[self.slot as usize];
        (history, rows.of(history, features.layout(), spare))
    }

    /// The history, and the row of nothing but what is folded: the one that is kept, or `spare`.
    pub(crate) fn at_start<'t>(
        &'t mut self,
        spare: &'t mut RunningRow,
    ) -> (&'t History, RowMut<'t>) {
        let Customers { histories, rows, .. } = &mut *self.customers;
        let history = &histories[self.slot as usize];
        (history, rows.started(history, spare))
    }

    /// Notes how far the customer has been worked through, with `row` unless it has one.
    pub(crate) fn worked(
        &mut self,
        transactions: usize,
        interactions: usize,
        unrewarded: u32,
        row: &RunningRow,
    ) {
        let history = &mut self.customers.histories[self.slot as usize];
        history.settle_done(transactions, interactions, unrewarded);
        self.customers.rows.settle(history, row);
    }

    /// Counts the interactions that have not entered the model; says how many more they are.
    pub(crate) fn count_unlearned(&mut self) -> i64 {
        let history = self.history_mut();
        let unlearned = history.unlearned();
        i64::from(unlearned) - i64::from(std::mem::replace(&mut history.pending, unlearned))
    }

    /// Counts the rewards that join nothing, if these may be others; gives how many there were and
    /// are.
    ///
    /// Only an interaction that is new to a reward without one can change that number unless
    /// something was resolved.
    pub(crate) fn recount(&mut self, window: Millis) -> Option<(Unmatched, Unmatched)> {
        let history = self.history_mut();
        let may_differ = history
            .extras
            .as_ref()
            .is_some_and(|extras| extras.recount || extras.unmatched.no_interaction > 0);
        if !may_differ {
            return None;
        }
        let now = history.view().unmatched(window);
        let extras = history.extras.as_mut()?;
        let was = std::mem::replace(&mut extras.unmatched, now);
        extras.recount = false;
        history.extras.take_if(|extras| **extras == Extras::default());
        Some((was, now))
    }

    /// How it was last shown to the views.
    pub(crate) fn shown(&self) -> Option<Shown> {
        self.customers.shown(self.slot)
    }

    /// Whether thresholds are computed from totals by day.
    pub(crate) fn has_totals(&self) -> bool {
        self.customers.has_totals()
    }

    /// Makes `row` the sums of the first purchases, none of them later than `at`; says how many
    /// these are.
    pub(crate) fn row_until(&self, at: Millis, row: &mut RunningRow) -> usize {
        self.customers.row_until(self.slot, at, row)
    }

    /// Makes `row` the sums of all purchases.
    pub(crate) fn write_row(&self, row: &mut RunningRow) {
        let covered = self.customers.row_until(self.slot, Millis::MAX, row);
        let left = &self.history().transactions[covered..];
        row.as_mut().add(self.customers.features.layout(), left);
    }

    /// A decision was made for the customer.
    pub(crate) fn decide(&mut self, decided: Decided) {
        let decisions = &mut self.history_mut().extras_mut().decisions;
        let at = decisions.partition_point(|d| d.key < decided.key);
        decisions.insert(at, decided);
    }

    /// The customer is shown so to the views.
    pub(crate) fn show(&mut self, now: Option<Shown>) {
        *self.customers.shown.get_mut(self.slot as usize) = now;
    }
}
