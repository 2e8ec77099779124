//! Folding what is older than is kept: which customers, and when.
//!
//! By the rule all customers are folded up to the epoch's horizon at its beginning, whenever the
//! horizon has moved. That would be much work at once, so a customer is folded when it is first
//! touched in an epoch, before anything of it changes, and the others some at a time. Nobody can
//! tell the difference: [`History::fold`](crate::customer::history::History::fold) up to one
//! instant and then another is the same as up to the other at once, and who is not touched is not
//! looked at. A snapshot holds a customer as far as it was folded, and says how far that was.

use crate::campaign::state::{Customers, Slot};
use crate::event::Horizon;
use crate::state::turns::Budget;

/// Who is to be folded next.
#[derive(Debug)]
pub(super) struct FoldRound {
    horizon: Horizon,
    /// The customer with which the round goes on.
    next: usize,
    /// Customers that are left of the round that the last move of the horizon began.
    left: usize,
    /// Customers of the epoch's share that are still to be folded.
    share: usize,
}

/// Epochs in which a round comes to all customers.
const ROUND: usize = 64;

impl Default for FoldRound {
    fn default() -> Self {
        FoldRound { horizon: Horizon::NONE, next: 0, left: 0, share: 0 }
    }
}

impl FoldRound {
    /// Begins an epoch with this horizon and so many customers; where the horizon has moved, a
    /// round begins over them.
    pub(super) fn begin(&mut self, horizon: Horizon, customers: usize) {
        if horizon != self.horizon {
            self.horizon = horizon;
            self.left = customers;
        }
        self.share = customers.div_ceil(ROUND).min(self.left);
        self.left -= self.share;
    }

    /// Whether customers of the epoch's share are still to be folded.
    pub(super) fn has_share(&self) -> bool {
        self.share > 0
    }

    /// Goes on to fold the epoch's share.
    pub(super) fn go_on(&mut self, customers: &mut Customers, budget: &mut Budget) {
        while self.share > 0 && budget.is_left() {
            let slot = self.take(customers.len());
            customers.fold(slot);
            budget.spend(1 + customers.take_work());
        }
    }

    /// The next customer of the share, of so many.
    fn take(&mut self, customers: usize) -> Slot {
        let slot = self.next % customers.max(1);
        self.share -= 1;
        self.next = (slot + 1) % customers.max(1);
        slot as Slot
    }
}

#[cfg(test)]
mod tests;
