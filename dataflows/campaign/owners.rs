//! Whose interactions are named by rewards that join nothing: nobody's, or another customer's.
//!
//! A customer's worker sees that the customer has no interaction of the id which a reward names, not whether somebody else has. An index of all ids would
//! cost every interaction; so the few ids that are asked for go to all workers, and each looks for them in its histories. At the end of the input all of
//! them are looked through at once, and what comes of it is exact. In a stream a round comes to all customers within [`ROUND`] epochs, some in each, as
//! the stream goes on: what comes of it is about as old as that, and nothing that is compared depends on it. Of folded events no ids are kept: what
//! only they would tell counts as nobody's.

use crate::campaign::output::Output;
use crate::campaign::settling::Shared;
use crate::campaign::shard::{Shard, Slot};
use crate::customer::unmatched::Unmatched;
use crate::operators::by_epoch::by_epoch;
use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::rc::Rc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::vec::Broadcast;

/// Epochs in which a round comes to all customers.
pub const ROUND: u64 = 64;

/// What a worker asks in an epoch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asked {
    /// With the first epoch of a round, and at the end of the input: the interactions that its customers' rewards name and they do not have, each with
    /// the number of these rewards.
    ids: Vec<(u64, u64)>,
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

/// Customers with a reward that names an interaction which they do not have, and the round that is under way.
#[derive(Debug, Default)]
pub(super) struct Searching {
    asking: HashSet<Slot>,
    wanted: HashMap<u64, u64>,
    found: HashSet<u64>,
    /// Customers before this one have been looked through.
    next: usize,
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
}

impl Shard {
    /// What is asked in an epoch, once its customers have been visited.
    pub(super) fn ask(&self, epoch: u64, last: bool) -> Asked {
        let begins = last || epoch.is_multiple_of(ROUND);
        Asked { ids: if begins { self.ids_asked_for() } else { Vec::new() }, last }
    }

    fn ids_asked_for(&self) -> Vec<(u64, u64)> {
        let mut ids: HashMap<u64, u64> = HashMap::new();
        for &slot in &self.searching.asking {
            let history = &self.histories[slot as usize];
            let own: HashSet<u64> = history.interactions.iter().map(|interaction| interaction.id).collect();
            let rewards = history.extras.iter().flat_map(|extras| &extras.rewards);
            // By the rule all customers are folded up to the horizon, though the turn of some may be still to come.
            let kept = rewards.filter(|reward| reward.timestamp >= self.folding.horizon.events);
            kept.filter(|reward| !own.contains(&reward.interaction)).for_each(|reward| *ids.entry(reward.interaction).or_default() += 1);
        }
        ids.into_iter().collect()
    }

    /// Goes on with the round, given what all workers ask in the epoch; says what was found once all customers have been looked through.
    fn search(&mut self, epoch: u64, asked: Vec<Asked>) -> Vec<Found> {
        let last = asked.iter().any(|asked| asked.last);
        if last || epoch.is_multiple_of(ROUND) {
            self.searching.wanted.clear();
            self.searching.found.clear();
            self.searching.next = 0;
            for (id, rewards) in asked.into_iter().flat_map(|asked| asked.ids) {
                *self.searching.wanted.entry(id).or_default() += rewards;
            }
        }
        let turn = self.histories.len().div_ceil(ROUND as usize);
        let is_end = last || epoch % ROUND == ROUND - 1;
        let end = if is_end { self.histories.len() } else { self.histories.len().min(self.searching.next + turn) };
        self.look_through(end);
        if !is_end {
            return Vec::new();
        }
        let Searching { wanted, found, .. } = &mut self.searching;
        let named = found.drain().map(|id| Found::Interaction(id, wanted.get(&id).copied().unwrap_or(0)));
        let told = named.chain([Found::Everything]).collect();
        wanted.clear();
        told
    }

    /// Looks through the customers from the next one up to `end`.
    fn look_through(&mut self, end: usize) {
        let Searching { wanted, found, next, .. } = &mut self.searching;
        let from = std::mem::replace(next, end);
        if wanted.is_empty() {
            return;
        }
        for slot in from..end {
            let kept = self.histories[slot].interactions.iter().filter(|interaction| interaction.timestamp >= self.folding.horizon.events);
            found.extend(kept.map(|interaction| interaction.id).filter(|id| wanted.contains_key(id)));
        }
    }
}

/// How many rewards name an interaction of another customer, from what each worker asks in each epoch: at the end of each round, and of the input.
pub fn find_owners<'scope>(asked: StreamVec<'scope, u64, Asked>, shared: Rc<RefCell<Shared>>) -> StreamVec<'scope, u64, Output> {
    let found = by_epoch(asked.broadcast(), Pipeline, "FindOwners", move |epoch, asked: Vec<Asked>| {
        let shard = &mut shared.borrow_mut().shard;
        let last = asked.iter().any(|asked| asked.last);
        let found = shard.search(epoch, asked);
        if last {
            shard.let_go();
        }
        found
    });
    by_epoch(found, Exchange::new(|_| 0), "CountOwners", |_, found| {
        // An id may be found on several workers.
        let named: HashMap<u64, u64> =
            found.iter().filter_map(|found| if let Found::Interaction(id, rewards) = found { Some((*id, *rewards)) } else { None }).collect();
        [Output::OfOtherCustomers(named.values().sum())]
    })
}
