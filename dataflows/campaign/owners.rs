//! Whose interactions are named by rewards that join nothing: nobody's, or another customer's.
//!
//! A customer's worker sees that the customer has no interaction of the id which a reward names,
//! not whether somebody else has. An index of all ids would cost every interaction; so the few ids
//! that are asked for go to all workers, and each looks for them in its histories. At the end of
//! the input all of them are looked through at once, and what comes of it is exact. In a stream a
//! round comes to all customers, some in each epoch: in one with few records to so many that it
//! mostly ends there, and in those that are full to a share that brings it to its end within
//! [`ROUND`] of them. What comes of it is as old as the round, and nothing that is compared depends
//! on it. Of folded events no ids are kept: what only they would tell counts as nobody's.
//!
//! What a round is made of depends on nothing but what the workers ask, which all of them hear: so
//! all begin and end it in the same epoch.

mod gathering;

pub(super) use gathering::Gathering;

use crate::campaign::output::Output;
use crate::campaign::shard::Shard;
use crate::campaign::state::{Customers, Slot};
use crate::customer::unmatched::Unmatched;
use crate::operators::by_epoch::by_epoch;
use crate::operators::in_turns::{Work, in_turns};
use crate::state::parts::Parts;
use crate::state::turns::{Budget, Client};
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::vec::Broadcast;

/// Epochs in which a round comes to all customers, however full they are.
pub const ROUND: u64 = 64;

/// Customers that an epoch without records has time for: looking through them takes about a
/// millisecond.
const LEISURE: u64 = 1 << 14;

/// Looking through so many takes about as long as a record does on its way.
const RECORD: u64 = 16;

/// Customers that an epoch of so many records has time for.
fn leisure(records: u64) -> u64 {
    LEISURE.saturating_sub(records.saturating_mul(RECORD))
}

/// What a worker asks in an epoch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Inquiry {
    /// The interactions that its customers' rewards name and they do not have, each with the number
    /// of these rewards. They are collected where that is done within the epoch's leisure, once in
    /// a round's time, and at the end of the input.
    ids: Option<Vec<(u64, u64)>>,
    /// How many customers it has.
    customers: u64,
    /// How many records of the epoch it has had.
    records: u64,
    /// Whether the input ends with the epoch.
    last: bool,
}

/// What a worker has found.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Found {
    /// An interaction that was asked for, and how many rewards name it in vain.
    Interaction(u64, u64),
    /// The worker has looked through all its customers.
    Everything,
}

impl Inquiry {
    /// What was gathered of so many customers, in an epoch of so many records.
    pub(super) fn new(gathered: Gathering, customers: usize, records: u64, last: bool) -> Self {
        let is_due = gathered.is_due.unwrap_or(false);
        let ids = is_due.then(|| gathered.ids.into_iter().collect());
        Inquiry { ids, customers: customers as u64, records, last }
    }
}

/// Customers with a reward that names an interaction which they do not have, and the round that is
/// under way.
#[derive(Debug, Default)]
pub(super) struct Searching {
    asking: BTreeSet<Slot>,
    /// What the round looks for, as far as it has not been noted: lists of ids, each with how many
    /// rewards name it.
    coming: Vec<Vec<(u64, u64)>>,
    wanted: Parts<u64, u64>,
    found: Parts<u64, ()>,
    /// The first epoch of the round, while one is under way.
    since: Option<u64>,
    /// Every worker's customers before this one have had their turn.
    turn: u64,
    /// Customers of this worker before this one have been looked through.
    next: usize,
    /// In this epoch, those before this one are.
    until: usize,
    /// The round ends with the epoch.
    is_end: bool,
}

impl Searching {
    /// Notes a customer's rewards that join nothing.
    pub(super) fn note(&mut self, slot: Slot, unmatched: &Unmatched) {
        if unmatched.no_interaction > 0 {
            self.asking.insert(slot);
        } else {
            self.asking.remove(&slot);
        }
    }

    /// Goes on with the round, or begins one, given what all workers ask in the epoch, on a worker
    /// of so many customers.
    fn begin(&mut self, epoch: u64, asked: Vec<Inquiry>, own: usize) {
        let last = asked.iter().any(|asked| asked.last);
        let customers = asked.iter().map(|asked| asked.customers).max().unwrap_or(0);
        let records = asked.iter().map(|asked| asked.records).sum();
        // A round that began in between may not have ended: the ids that are asked for since have
        // waited for long enough.
        let is_due = last || epoch.is_multiple_of(ROUND) || self.since.is_none();
        let ids = asked.into_iter().map(|asked| asked.ids).collect::<Option<Vec<_>>>();
        if let Some(ids) = ids.filter(|_| is_due) {
            self.begin_round(epoch, ids);
        }
        let Some(since) = self.since else { return };
        let left = customers.saturating_sub(self.turn);
        let share = left.div_ceil((since + ROUND).saturating_sub(epoch).max(1));
        self.turn += share.max(leisure(records));
        self.is_end = last || self.wants_nothing() || self.turn >= customers;
        self.until = if self.is_end { own } else { own.min(self.turn as usize) };
    }

    /// Begins a round, and leaves the one that was under way.
    fn begin_round(&mut self, epoch: u64, ids: Vec<Vec<(u64, u64)>>) {
        (self.since, self.turn, self.next) = (Some(epoch), 0, 0);
        (self.coming, self.wanted, self.found) = (ids, Parts::default(), Parts::default());
    }

    fn wants_nothing(&self) -> bool {
        self.wanted.is_empty() && self.coming.iter().all(Vec::is_empty)
    }

    /// Goes on to note what the round looks for; says whether that is done.
    fn note_wanted(&mut self, budget: &mut Budget) -> bool {
        while let Some(ids) = self.coming.last_mut() {
            let Some((id, rewards)) = ids.pop() else {
                self.coming.pop();
                continue;
            };
            *self.wanted.or_insert_with(id, || 0) += rewards;
            budget.spend(1);
            if !budget.is_left() {
                return false;
            }
        }
        true
    }

    /// Goes on to look through the epoch's share of customers; once that is done, gives what was
    /// found if all have been looked through, and otherwise nothing.
    fn go_on(&mut self, customers: &Customers, budget: &mut Budget) -> Option<Vec<Found>> {
        if self.since.is_none() {
            return Some(Vec::new());
        }
        if !self.note_wanted(budget) {
            return None;
        }
        if self.wanted.is_empty() {
            self.next = self.until;
        }
        let horizon = customers.horizon().events;
        while self.next < self.until {
            if !budget.is_left() {
                return None;
            }
            let interactions = &customers.history(self.next as Slot).interactions;
            budget.spend(1 + interactions.len() / 8);
            let kept = interactions.iter().filter(|interaction| interaction.timestamp >= horizon);
            let ids = kept.map(|interaction| interaction.id);
            ids.filter(|id| self.wanted.contains(id)).for_each(|id| self.found.insert(id, ()));
            self.next += 1;
        }
        Some(if std::mem::take(&mut self.is_end) { self.end_round() } else { Vec::new() })
    }

    fn end_round(&mut self) -> Vec<Found> {
        self.since = None;
        let (wanted, found) = (std::mem::take(&mut self.wanted), std::mem::take(&mut self.found));
        let named = found
            .into_iter()
            .map(|(id, ())| Found::Interaction(id, wanted.get(&id).copied().unwrap_or(0)));
        named.chain([Found::Everything]).collect()
    }
}

/// The search on one worker.
struct Search {
    shard: Rc<RefCell<Shard>>,
    /// The input ends with the epoch.
    last: bool,
}

impl Work<Inquiry, Found> for Search {
    fn begin(&mut self, epoch: u64, asked: Vec<Inquiry>) {
        self.last = asked.iter().any(|asked| asked.last);
        let Shard { customers, searching, .. } = &mut *self.shard.borrow_mut();
        searching.begin(epoch, asked, customers.len());
    }

    fn go_on(&mut self) -> Option<Vec<Found>> {
        let Shard { customers, searching, pacer, .. } = &mut *self.shard.borrow_mut();
        let found = pacer.turn(Client::Owners, |budget| searching.go_on(customers, budget))?;
        if self.last {
            customers.let_go();
        }
        Some(found)
    }
}

/// How many rewards name an interaction of another customer, from what each worker asks in each
/// epoch: at the end of each round, and of the input.
pub fn find_owners<'scope>(
    asked: StreamVec<'scope, u64, Inquiry>,
    shard: Rc<RefCell<Shard>>,
) -> StreamVec<'scope, u64, Output> {
    let search = Search { shard, last: false };
    let found = in_turns(asked.broadcast(), Pipeline, "FindOwners", search);
    by_epoch(found, Exchange::new(|_| 0), "CountOwners", |_, found| {
        // An id may be found on several workers.
        let named: HashMap<u64, u64> = found
            .iter()
            .filter_map(|found| {
                if let Found::Interaction(id, rewards) = found {
                    Some((*id, *rewards))
                } else {
                    None
                }
            })
            .collect();
        [Output::OfOtherCustomers(named.values().sum())]
    })
}

#[cfg(test)]
mod tests;
