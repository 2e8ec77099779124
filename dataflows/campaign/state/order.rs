//! The order of a history: how what was appended in an epoch is sorted in, and how far the customer
//! has been worked through.

use crate::customer::history::History;
use crate::customer::unmatched::Unmatched;
use crate::event::Millis;
use hashbrown::HashSet;

/// Interactions that were settled before the epoch but not emitted: their rows exist.
pub(crate) enum Unseen {
    /// None: everything behind is new.
    None,
    /// These ids.
    Ids(HashSet<u64>),
    /// All of them.
    All,
}

impl Unseen {
    /// Whether an interaction is one of them.
    #[inline]
    pub(crate) fn holds(&self, id: u64) -> bool {
        match self {
            Unseen::None => false,
            Unseen::Ids(ids) => ids.contains(&id),
            Unseen::All => true,
        }
    }
}

impl History {
    /// Whether appended events overlap with what has been emitted.
    pub(super) fn is_disordered(&self) -> bool {
        let (transactions, interactions) = self.appended();
        let last_interaction = self
            .done_interactions
            .checked_sub(1)
            .map_or(Millis::MIN, |i| self.interactions[i as usize].timestamp);
        let last_transaction = self
            .done_transactions
            .checked_sub(1)
            .map_or(Millis::MIN, |i| self.transactions[i as usize].timestamp());
        // A purchase at the instant of an interaction counts for it, so it must come before.
        transactions
            .iter()
            .any(|t| t.timestamp() <= last_interaction || t.timestamp() < last_transaction)
            || interactions
                .iter()
                .any(|i| i.timestamp < last_interaction || i.timestamp < last_transaction)
    }

    /// The earliest event that was appended.
    pub(super) fn first_appended(&self) -> Millis {
        let (transactions, interactions) = self.appended();
        let first = transactions
            .iter()
            .map(|t| t.timestamp())
            .chain(interactions.iter().map(|i| i.timestamp))
            .min();
        first.unwrap_or(Millis::MAX)
    }

    /// Sorts what lies behind the emitted part.
    pub(super) fn sort_appended(&mut self) -> Unseen {
        let (done, settled) = (self.done_interactions as usize, self.settled_interactions as usize);
        let unseen = if settled > done {
            Unseen::Ids(self.interactions[done..settled].iter().map(|i| i.id).collect())
        } else {
            Unseen::None
        };
        sort_by_time(&mut self.transactions[self.done_transactions as usize..], |t| {
            (t.timestamp(), t.id)
        });
        sort_by_time(&mut self.interactions[done..], |i| (i.timestamp, i.id));
        unseen
    }

    pub(super) fn sort_all(&mut self) {
        sort_by_time(&mut self.transactions, |t| (t.timestamp(), t.id));
        sort_by_time(&mut self.interactions, |i| (i.timestamp, i.id));
    }

    /// From a snapshot: all of it is settled, and nothing of it counts as emitted.
    pub(super) fn tell_anew(&mut self) {
        self.settle_done(0, 0, 0);
        self.pending = 0;
        if let Some(extras) = &mut self.extras {
            (extras.unmatched, extras.recount) = (Unmatched::default(), true);
        }
    }

    /// Notes how far the customer has been worked through.
    pub(super) fn settle_done(
        &mut self,
        transactions: usize,
        interactions: usize,
        unrewarded: u32,
    ) {
        self.settled_transactions = self.transactions.len() as u32;
        self.settled_interactions = self.interactions.len() as u32;
        self.done_transactions = transactions as u32;
        self.done_interactions = interactions as u32;
        self.unrewarded = unrewarded;
    }
}

fn sort_by_time<T>(list: &mut [T], key: impl Fn(&T) -> (Millis, u64)) {
    if !list.is_sorted_by_key(&key) {
        list.sort_unstable_by_key(key);
    }
}
