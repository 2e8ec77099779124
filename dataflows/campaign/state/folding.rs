//! How far customers are folded. A customer is folded when it is first touched in an epoch, before
//! anything of it changes, and the others by and by.

use super::{Customers, Slot};
use crate::customer::history::History;
use crate::event::{Horizon, Millis};
use crate::state::sparse::Sparse;

/// How far each customer is folded.
#[derive(Debug)]
pub(super) struct FoldedTo {
    /// Up to when events are folded in this epoch.
    pub(super) horizon: Horizon,
    /// How long rewards join.
    window: Millis,
    /// Up to when each customer was folded, by slot; `Millis::MIN` for not at all.
    to: Sparse<Millis>,
}

impl FoldedTo {
    /// Nobody is folded.
    pub(super) fn new(window: Millis) -> Self {
        FoldedTo { horizon: Horizon::NONE, window, to: Sparse::of(Millis::MIN) }
    }

    /// Up to when a customer was folded.
    pub(super) fn to(&self, slot: Slot) -> Millis {
        self.to.get(slot as usize)
    }

    /// Notes up to when a customer was folded.
    pub(super) fn note(&mut self, slot: Slot, to: Millis) {
        if to != Millis::MIN {
            *self.to.get_mut(slot as usize) = to;
        }
    }
}

/// What it costs to see whether a customer has anything to be folded, in units of work.
const LOOK: usize = 2;

/// What it costs to fold a customer, beside the entries that go.
const FOLD: usize = 8;

/// Entries of a history, of every kind.
fn entries(history: &History) -> usize {
    let History { transactions, interactions, profiles, .. } = history;
    transactions.len() + interactions.len() + profiles.len() + extras(history)
}

/// Entries that only some customers have.
fn extras(history: &History) -> usize {
    let extras = history.extras.as_ref();
    extras.map_or(0, |of| of.rewards.len() + of.decisions.len() + of.attachments.len())
}

impl Customers {
    /// Folds a customer who is not touched in the epoch, or not yet.
    pub(crate) fn fold(&mut self, slot: Slot) {
        let before = self.folded.horizon.events;
        if self.folded.to(slot) < before && self.history(slot).reaches_behind(before) {
            self.note_change(slot);
        }
        self.fold_one(slot);
    }

    /// Folds a customer up to the horizon, unless that has been done. To be called before anything
    /// of the customer changes, and after the change was noted where there is anything to be
    /// folded.
    pub(super) fn fold_one(&mut self, slot: Slot) {
        let before = self.folded.horizon.events;
        if self.folded.to(slot) >= before {
            return;
        }
        self.folded.note(slot, before);
        let layout = self.features.layout();
        let history = &mut self.histories[slot as usize];
        let (had, extras) = (entries(history), extras(history));
        history.fold(before, self.folded.window, layout);
        let gone = had - entries(history);
        self.work += LOOK + extras + if gone > 0 { FOLD + gone } else { 0 };
    }
}
