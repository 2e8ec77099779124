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
pub struct Asked {
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

/// Customers with a reward that names an interaction which they do not have, and the round that is
/// under way.
#[derive(Debug, Default)]
pub(super) struct Searching {
    asking: HashSet<Slot>,
    wanted: HashMap<u64, u64>,
    found: HashSet<u64>,
    /// The first epoch of the round, while one is under way.
    since: Option<u64>,
    /// Every worker's customers before this one have had their turn.
    turn: u64,
    /// Customers of this worker before this one have been looked through.
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

    /// Begins a round, and leaves the one that was under way.
    fn begin(&mut self, epoch: u64, ids: impl Iterator<Item = (u64, u64)>) {
        (self.since, self.turn, self.next) = (Some(epoch), 0, 0);
        self.wanted.clear();
        self.found.clear();
        ids.for_each(|(id, rewards)| *self.wanted.entry(id).or_default() += rewards);
    }
}

impl Shard {
    /// What is asked in an epoch of so many records on this worker, once its customers have been
    /// visited.
    pub(super) fn ask(&self, epoch: u64, last: bool, records: u64) -> Asked {
        let is_due = last || epoch.is_multiple_of(ROUND) || self.is_little(leisure(records));
        Asked {
            ids: is_due.then(|| self.ids_asked_for()),
            customers: self.histories.len() as u64,
            records,
            last,
        }
    }

    /// Whether what is asked for is found out by looking at so many entries.
    fn is_little(&self, mut entries: u64) -> bool {
        self.searching.asking.iter().all(|&slot| {
            let history = &self.histories[slot as usize];
            let own = 1
                + history.interactions.len()
                + history.extras.as_ref().map_or(0, |extras| extras.rewards.len());
            let left = entries.checked_sub(own as u64);
            entries = left.unwrap_or(0);
            left.is_some()
        })
    }

    fn ids_asked_for(&self) -> Vec<(u64, u64)> {
        let mut ids: HashMap<u64, u64> = HashMap::new();
        for &slot in &self.searching.asking {
            let history = &self.histories[slot as usize];
            let own: HashSet<u64> =
                history.interactions.iter().map(|interaction| interaction.id).collect();
            let rewards = history.extras.iter().flat_map(|extras| &extras.rewards);
            // By the rule all customers are folded up to the horizon, though the turn of some may
            // be still to come.
            let kept = rewards.filter(|reward| reward.timestamp >= self.folding.horizon.events);
            kept.filter(|reward| !own.contains(&reward.interaction))
                .for_each(|reward| *ids.entry(reward.interaction).or_default() += 1);
        }
        ids.into_iter().collect()
    }

    /// Goes on with the round, or begins one, given what all workers ask in the epoch; says what
    /// was found once all customers have been looked through.
    fn search(&mut self, epoch: u64, asked: Vec<Asked>) -> Vec<Found> {
        let last = asked.iter().any(|asked| asked.last);
        let customers = asked.iter().map(|asked| asked.customers).max().unwrap_or(0);
        let records = asked.iter().map(|asked| asked.records).sum();
        // A round that began in between may not have ended: the ids that are asked for since have
        // waited for long enough.
        let is_due = last || epoch.is_multiple_of(ROUND) || self.searching.since.is_none();
        if let Some(ids) =
            asked.into_iter().map(|asked| asked.ids).collect::<Option<Vec<_>>>().filter(|_| is_due)
        {
            self.searching.begin(epoch, ids.into_iter().flatten());
        }
        let Some(since) = self.searching.since else { return Vec::new() };
        let left = customers.saturating_sub(self.searching.turn);
        let share = left.div_ceil((since + ROUND).saturating_sub(epoch).max(1));
        self.searching.turn += share.max(leisure(records));
        let is_end = last || self.searching.wanted.is_empty() || self.searching.turn >= customers;
        let end = if is_end {
            self.histories.len()
        } else {
            self.histories.len().min(self.searching.turn as usize)
        };
        self.look_through(end);
        if !is_end {
            return Vec::new();
        }
        self.searching.since = None;
        let Searching { wanted, found, .. } = &mut self.searching;
        let named =
            found.drain().map(|id| Found::Interaction(id, wanted.get(&id).copied().unwrap_or(0)));
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
            let kept = self.histories[slot]
                .interactions
                .iter()
                .filter(|interaction| interaction.timestamp >= self.folding.horizon.events);
            found.extend(
                kept.map(|interaction| interaction.id).filter(|id| wanted.contains_key(id)),
            );
        }
    }
}

/// How many rewards name an interaction of another customer, from what each worker asks in each
/// epoch: at the end of each round, and of the input.
pub fn find_owners<'scope>(
    asked: StreamVec<'scope, u64, Asked>,
    shared: Rc<RefCell<Shared>>,
) -> StreamVec<'scope, u64, Output> {
    let found =
        by_epoch(asked.broadcast(), Pipeline, "FindOwners", move |epoch, asked: Vec<Asked>| {
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
mod tests {
    use super::*;
    use crate::customer::features::Features;
    use crate::settings::Settings;
    use std::sync::Arc;

    fn shard(customers: u64) -> Shard {
        let settings = Settings::default();
        let features = Features::new(&settings.input, &settings.customer)
            .expect("the default features are valid");
        let mut shard = Shard::new(Arc::new(settings), Arc::new(features), None, 0, 1);
        for customer in 0..customers {
            shard.slot(customer as i64);
        }
        shard
    }

    /// The first epoch after `epoch` in which a round ends that began in one with these ids, and
    /// the most customers that one epoch has looked through. Another worker has `others` customers,
    /// and each epoch `records` records.
    fn round(shard: &mut Shard, epoch: u64, others: u64, records: u64) -> (u64, u64) {
        let mut most = 0;
        for now in epoch.. {
            let ids = (now == epoch).then(|| vec![(7, 1)]);
            let asked = |customers| Asked {
                ids: ids.clone(),
                customers,
                records: records / 2,
                last: false,
            };
            let before = shard.searching.next as u64;
            let told = shard.search(now, vec![asked(shard.histories.len() as u64), asked(others)]);
            most = most.max((shard.searching.next as u64).saturating_sub(before));
            if !told.is_empty() {
                assert_eq!(shard.searching.next, shard.histories.len());
                return (now, most);
            }
        }
        unreachable!("a round ends")
    }

    #[test]
    fn a_round_ends_at_once_where_little_is_to_do_and_within_its_epochs_where_much_is() {
        let full = LEISURE / RECORD;
        for (customers, others, records, epochs, most) in [
            (100, 100, 0, 1, 100),
            (100, 0, full - 8, 1, 100),
            (LEISURE, 0, 0, 1, LEISURE),
            (LEISURE + 1, 0, 0, 2, LEISURE),
            // All end it together, whoever has the most.
            (100, 3 * LEISURE, 0, 3, 100),
            (6_400, 0, full, ROUND, 100),
            (6_401, 0, 9 * full, ROUND, 101),
            (6_400, 0, full - 8, 50, 128),
            (100 * ROUND, 20, u64::MAX, ROUND, 100),
        ] {
            for epoch in [1, ROUND, ROUND + 1] {
                let mut shard = shard(customers);
                let found = round(&mut shard, epoch, others, records);
                assert_eq!(
                    found,
                    (epoch + epochs - 1, most),
                    "{customers} and {others} customers, {records} records"
                );
            }
        }
    }

    #[test]
    fn a_round_is_left_for_the_next_and_for_the_end_of_the_input() {
        let mut shard = shard(6_400);
        let asked = |ids: Option<Vec<(u64, u64)>>, last| {
            vec![Asked { ids, customers: 6_400, records: LEISURE, last }]
        };
        let mut seen = |epoch, ids, last| {
            let told = shard.search(epoch, asked(ids, last)).len();
            (shard.searching.next, told)
        };
        assert_eq!(seen(10, None, false), (0, 0), "no round began");
        assert_eq!(seen(11, Some(vec![(7, 1)]), false), (100, 0));
        assert_eq!(seen(12, Some(vec![(8, 1)]), false), (200, 0), "it goes on");
        assert_eq!(seen(ROUND, Some(vec![(8, 1)]), false), (100, 0), "it is left");
        assert_eq!(seen(ROUND + 1, Some(Vec::new()), true), (6_400, 1), "all is looked through");
        assert_eq!(seen(ROUND + 2, Some(Vec::new()), false), (6_400, 1), "nothing is looked for");
    }

    #[test]
    fn what_is_much_to_collect_waits_for_its_epoch() {
        let mut shard = shard(3);
        assert!(shard.is_little(0));
        shard.searching.note(1, &Unmatched { no_interaction: 1, ..Unmatched::default() });
        shard.searching.note(2, &Unmatched { no_interaction: 1, ..Unmatched::default() });
        assert_eq!([0, 1, 2].map(|entries| shard.is_little(entries)), [false, false, true]);
        let full = LEISURE / RECORD;
        assert_eq!(
            [(1, full, false), (1, 0, false), (ROUND, full, false), (1, full, true)]
                .map(|(epoch, records, last)| shard.ask(epoch, last, records).ids.is_some()),
            [false, true, true, true]
        );
    }
}
