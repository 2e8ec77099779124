//! The handle through which a customer is changed: a method for each change that there is.

use super::{Before, Customers, Slot};
use crate::campaign::thresholds::day_of;
use crate::customer::Transaction;
use crate::customer::folded::Folded;
use crate::customer::history::{Extras, History, Interaction};
use crate::event::{Attachment, Horizon, Millis, Profile};

/// A customer who has been touched in the epoch.
pub(crate) struct Touched<'c> {
    pub(super) customers: &'c mut Customers,
    pub(super) slot: Slot,
}

/// The events that a customer has been left with, where settled ones have changed.
pub(crate) struct Amendment<G, N> {
    /// Since when they are different.
    pub(crate) since: Millis,
    /// All purchases, unsorted.
    pub(crate) transactions: Vec<Transaction>,
    /// All interactions, unsorted.
    pub(crate) interactions: Vec<Interaction>,
    /// The purchases that were settled and are not so any more.
    pub(crate) gone: G,
    /// Those that are, and were not settled so.
    pub(crate) new: N,
}

impl Touched<'_> {
    /// Its number.
    pub(crate) fn slot(&self) -> Slot {
        self.slot
    }

    /// Its history.
    #[inline]
    pub(crate) fn history(&self) -> &History {
        &self.customers.histories[self.slot as usize]
    }

    #[inline]
    pub(super) fn history_mut(&mut self) -> &mut History {
        &mut self.customers.histories[self.slot as usize]
    }

    /// Up to when events are folded in this epoch.
    pub(crate) fn horizon(&self) -> Horizon {
        self.customers.horizon()
    }

    /// Keeps what the customer looked like before the epoch, because something settled looks
    /// different from `since` on.
    ///
    /// Where no interaction has been settled there is nothing that a change could correct, and
    /// nothing is kept.
    pub(crate) fn remember(&mut self, since: Millis) {
        let Customers { histories, before, .. } = &mut *self.customers;
        let history = &histories[self.slot as usize];
        if let Some(before) = before.get_mut(&self.slot) {
            before.since = before.since.min(since);
        } else if history.settled_interactions > 0 {
            before.insert(self.slot, Before::of(history, since));
        }
    }
}

/// What settling changes.
impl Touched<'_> {
    /// A purchase appears.
    #[inline]
    pub(crate) fn buy(&mut self, new: Transaction) {
        push(&mut self.history_mut().transactions, new);
        self.count_in_totals(&new, 1);
    }

    #[inline]
    fn count_in_totals(&mut self, purchase: &Transaction, sign: i32) {
        if let Some(ledger) = &mut self.customers.ledger {
            let amount = i64::from(sign) * purchase.amount() as i64;
            ledger.note(self.slot, day_of(purchase.timestamp()), sign, amount);
        }
    }

    /// An interaction appears.
    #[inline]
    pub(crate) fn contact(&mut self, new: Interaction) {
        push(&mut self.history_mut().interactions, new);
    }

    /// What an interaction carried beside its fixed part, unless that is there.
    pub(crate) fn attach(&mut self, interaction: u64, attachment: Attachment) {
        let attachments = &mut self.history_mut().extras_mut().attachments;
        if let Err(at) = attachments.binary_search_by_key(&interaction, |(id, _)| *id) {
            attachments.insert(at, (interaction, attachment));
        }
    }

    /// A profile version holds from its instant on.
    pub(crate) fn take_profile(&mut self, profile: Profile) {
        let profiles = &self.history().profiles;
        let at = profiles.binary_search_by_key(&profile.from, |p| p.from);
        if at.is_ok_and(|at| profiles[at] == profile) {
            return;
        }
        self.remember(profile.from);
        let profiles = &mut self.history_mut().profiles;
        match at {
            Ok(at) => profiles[at] = profile,
            Err(at) => {
                if profiles.is_empty() {
                    // Few customers ever have a second version.
                    profiles.reserve_exact(1);
                }
                push(profiles, profile);
                profiles[at..].rotate_right(1);
            }
        }
    }

    /// Profile versions up to an instant go; says how many there were.
    pub(crate) fn drop_profiles(&mut self, until: Millis) -> usize {
        let number = self.history().profiles.partition_point(|p| p.from <= until);
        if number > 0 {
            self.remember(Millis::MIN);
            self.history_mut().profiles.drain(..number);
        }
        number
    }

    /// No image that was made before may be part of a snapshot from now on.
    pub(crate) fn disown(&mut self) {
        let customer = self.history().customer;
        self.customers.changes.iter_mut().for_each(|changes| changes.disown(customer));
    }

    /// The totals lose purchases that had been folded.
    pub(crate) fn forget_folded(&mut self, folded: &Folded) {
        if let Some(ledger) = self.customers.ledger.as_mut().filter(|_| folded.has_purchases()) {
            ledger.note_folded_gone(self.slot, folded);
        }
    }

    /// Takes the events of which nothing settled changed: what is new goes behind it. Of what came
    /// once more the names stay that came last, which count for nothing as long as they are not
    /// listed.
    pub(crate) fn append(
        &mut self,
        mut transactions: impl Iterator<Item = Transaction>,
        interactions: impl Iterator<Item = Interaction>,
    ) {
        let history = self.history_mut();
        history.transactions.truncate(history.settled_transactions as usize);
        let settled = history.transactions.iter_mut().zip(transactions.by_ref());
        settled.for_each(|(settled, same)| *settled = same);
        history.interactions.truncate(history.settled_interactions as usize);
        history.interactions.extend(interactions.skip(history.settled_interactions as usize));
        transactions.for_each(|new| self.buy(new));
    }

    /// Takes the events of which settled ones changed: the lists are made anew, and the customer is
    /// worked through from the start.
    ///
    /// Where no interaction was settled before, none was emitted: those of this epoch then stay
    /// news.
    pub(crate) fn replace<'l, G, N>(&mut self, left: Amendment<G, N>)
    where
        G: Iterator<Item = &'l Transaction>,
        N: Iterator<Item = &'l Transaction>,
    {
        self.remember(left.since);
        let history = self.history_mut();
        history.transactions = left.transactions;
        history.settled_transactions = history.transactions.len() as u32;
        history.interactions = left.interactions;
        if history.settled_interactions > 0 {
            history.settled_interactions = history.interactions.len() as u32;
        }
        history.start_over();
        left.gone.for_each(|gone| self.count_in_totals(gone, -1));
        left.new.for_each(|new| self.count_in_totals(new, 1));
    }

    /// Takes what only some customers have, as it has been left.
    pub(crate) fn take_extras(&mut self, extras: Extras) {
        self.history_mut().extras = (extras != Extras::default()).then(|| Box::new(extras));
    }
}

/// Appends to a list that lives long: growing by a quarter wastes an eighth on average, where
/// doubling would waste a third.
#[inline]
fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 4).max(2));
    }
    list.push(item);
}
