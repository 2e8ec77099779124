//! How far customers are folded. A customer is folded when it is first touched in an epoch, before
//! anything of it changes, and the others by and by.

use super::{Customers, Slot};
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
        self.histories[slot as usize].fold(before, self.folded.window, layout);
    }
}
