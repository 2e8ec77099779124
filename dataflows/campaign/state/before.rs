//! What a customer looked like before the epoch: what a correction is the difference to.

use crate::customer::Transaction;
use crate::customer::history::{Extras, History, Interaction, View};
use crate::event::{Millis, Profile};

/// What a customer looked like before the epoch, and since when it looks different.
#[derive(Debug)]
pub(crate) struct Before {
    /// Nothing that was emitted for an instant before this one changes.
    pub(super) since: Millis,
    transactions: Vec<Transaction>,
    interactions: Vec<Interaction>,
    profiles: Vec<Profile>,
    extras: Option<Box<Extras>>,
}

impl Before {
    /// The settled part of a history to which events have only been appended. What was settled but
    /// not emitted, and what was appended, may be emitted now: it counts as changed.
    pub(super) fn of(history: &History, since: Millis) -> Self {
        let settled = history.settled_view();
        let waiting = settled
            .interactions
            .get(history.done_interactions as usize)
            .map_or(Millis::MAX, |i| i.timestamp);
        Before {
            since: since.min(waiting),
            transactions: settled.transactions.to_vec(),
            interactions: settled.interactions.to_vec(),
            profiles: settled.profiles.to_vec(),
            extras: history.extras.clone(),
        }
    }

    /// Since when it looks different.
    pub(crate) fn since(&self) -> Millis {
        self.since
    }

    /// How many events there were.
    pub(crate) fn events(&self) -> usize {
        self.transactions.len() + self.interactions.len()
    }

    /// It, to be looked at.
    pub(crate) fn view(&self) -> View<'_> {
        View {
            transactions: &self.transactions,
            interactions: &self.interactions,
            profiles: &self.profiles,
            extras: self.extras.as_deref(),
        }
    }
}
