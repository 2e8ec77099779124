//! The simulated world: customers, what they buy, how they answer a campaign; made from a seed, and
//! nothing like data of real people.
//!
//! settings ─▶ population ─┬─▶ purchases ─┬─▶ events in time order ─▶ lines ─▶ files, Kafka
//!                         └─▶ contacts ──┘
//!                              ▲ response: conversion by segment and channel ─▶ closed forms that results are compared with
//!
//! Equal settings give equal events, bit for bit. Nothing here reads a file, a clock or the
//! machine's randomness, except that [`write::generate`] writes files.

pub mod contacts;
pub mod population;
pub mod purchases;
mod random;
pub mod response;
mod timeline;
pub mod write;

use contacts::{Interaction, Interactions};
use dataflows::event::{CustomerId, DAY, Millis};
use population::{Customer, Segment};
use purchases::{Market, Transaction, Transactions};
use response::{ARMS, Shares};
use std::iter::Peekable;
use timeline::Plan;

/// What a world is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldSettings {
    /// Customers, numbered from 1.
    pub customers: u32,
    /// Purchases in all.
    pub transactions: u64,
    /// Campaign contacts in all.
    pub interactions: u64,
    /// Whatever is drawn is drawn from this.
    pub seed: u64,
    /// The first instant; cut to the midnight (UTC) before it.
    pub start: Millis,
    /// How long it lasts.
    pub days: u16,
}

impl Default for WorldSettings {
    /// The world of the specification: 730 days from 2023-01-01 on.
    fn default() -> Self {
        WorldSettings {
            customers: 10_000,
            transactions: 100_000,
            interactions: 10_000,
            seed: 1,
            start: 1_672_531_200_000,
            days: 730,
        }
    }
}

/// Settings that no world can be made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// Nobody is there.
    #[error("a simulated world needs at least 1 customer; ask for more with --customers")]
    NoCustomers,
    /// It lasts no time.
    #[error("a simulated world needs at least 1 day")]
    NoDays,
    /// Timestamps or signup dates would not be valid.
    #[error(
        "a simulated world must begin in 1980 or later and end before 2100, but {days} days from \
         {start} ms since 1970 do not"
    )]
    OutOfTime {
        /// Where it would start.
        start: Millis,
        /// How long it would last.
        days: u16,
    },
}

/// 1980-01-01: signup dates, up to four years before the start, are then after 1970.
const EARLIEST: Millis = 315_532_800_000;
/// 2100-01-01: events from then on are not valid.
const LATEST: Millis = 4_102_444_800_000;

/// A simulated world.
pub struct World {
    settings: WorldSettings,
    customers: Vec<Customer>,
    market: Market,
    contacts: Plan,
}

impl World {
    /// Makes the world: all of its customers; its events are drawn when they are asked for.
    ///
    /// # Errors
    /// When there are no customers or no days, or when it would not lie between 1980 and 2100.
    pub fn new(settings: WorldSettings) -> Result<World, WorldError> {
        let WorldSettings { customers, transactions, interactions, seed, start, days } = settings;
        if customers == 0 {
            return Err(WorldError::NoCustomers);
        }
        if days == 0 {
            return Err(WorldError::NoDays);
        }
        if !(EARLIEST..=LATEST - Millis::from(days) * DAY).contains(&start) {
            return Err(WorldError::OutOfTime { start, days });
        }
        let start = start - start % DAY;
        let settings = WorldSettings { start, ..settings };
        let customers: Vec<Customer> = (1..=CustomerId::from(customers))
            .map(|id| Customer::draw(seed, id, start, days))
            .collect();
        let market = Market::new(&customers, transactions, start, days);
        let contacts = Plan::new(start, interactions, &vec![1.0; usize::from(days)]);
        Ok(World { settings, customers, market, contacts })
    }

    /// What it was made from.
    pub fn settings(&self) -> &WorldSettings {
        &self.settings
    }

    /// The instant after its last.
    pub fn end(&self) -> Millis {
        self.settings.start + Millis::from(self.settings.days) * DAY
    }

    /// Everybody, by number.
    pub fn customers(&self) -> &[Customer] {
        &self.customers
    }

    /// The customer of this number.
    pub fn customer(&self, id: CustomerId) -> Option<&Customer> {
        usize::try_from(id).ok()?.checked_sub(1).and_then(|index| self.customers.get(index))
    }

    /// The segments' shares in this population, for the closed forms.
    pub fn shares(&self) -> Shares {
        let count =
            |segment| self.customers.iter().filter(|customer| customer.segment == segment).count();
        Shares(Segment::ALL.map(|segment| count(segment) as f64 / self.customers.len() as f64))
    }

    /// All purchases, in time order.
    pub fn transactions(&self) -> Transactions<'_> {
        Transactions::new(&self.market, &self.customers, self.settings.seed)
    }

    /// All logged contacts, in time order.
    pub fn interactions(&self) -> Interactions<'_> {
        Interactions::new(&self.contacts, &self.customers, self.settings.seed)
    }

    /// Purchases and contacts merged in time order; of the same second, purchases first. A day's
    /// instants are in memory, no more.
    pub fn events(&self) -> Events<'_> {
        Events {
            transactions: self.transactions().peekable(),
            interactions: self.interactions().peekable(),
        }
    }

    /// What a customer answers to decision number `sequence` if it was for `arm`: the reward in
    /// units of the currency. The same question gets the same answer, and the customer's luck in it
    /// does not depend on the arm. `None` for a customer or an arm that is not there.
    pub fn feedback(&self, customer: CustomerId, arm: usize, sequence: u64) -> Option<f64> {
        let customer = self.customer(customer).filter(|_| arm < ARMS.len())?;
        Some(contacts::feedback(customer, arm, sequence, self.settings.seed) as f64 / 100.0)
    }
}

/// An event of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A purchase.
    Transaction(Transaction),
    /// A contact and its reward.
    Interaction(Interaction),
}

impl Event {
    /// When it happened.
    pub fn timestamp(&self) -> Millis {
        match self {
            Event::Transaction(purchase) => purchase.timestamp,
            Event::Interaction(contact) => contact.timestamp,
        }
    }
}

/// All events of a world, in time order.
pub struct Events<'a> {
    transactions: Peekable<Transactions<'a>>,
    interactions: Peekable<Interactions<'a>>,
}

impl Iterator for Events<'_> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let contact_first = match (self.transactions.peek(), self.interactions.peek()) {
            (Some(purchase), Some(contact)) => contact.timestamp < purchase.timestamp,
            (purchase, _) => purchase.is_none(),
        };
        if contact_first {
            self.interactions.next().map(Event::Interaction)
        } else {
            self.transactions.next().map(Event::Transaction)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> WorldSettings {
        WorldSettings {
            customers: 500,
            transactions: 5_003,
            interactions: 2_001,
            ..WorldSettings::default()
        }
    }

    fn events(settings: WorldSettings) -> Vec<Event> {
        World::new(settings).unwrap().events().collect()
    }

    #[test]
    fn counts_are_exact_whatever_the_size() {
        for (customers, transactions, interactions, days) in [
            (500, 5_003, 2_001, 730),
            (1, 10, 10, 1),
            (3, 1_000, 0, 200),
            (5, 0, 7, 730),
            (2, 0, 0, 5),
            (1, 5_000, 1, 730),
            (50, 1, 1, 180),
        ] {
            for seed in 0..20 {
                let settings = WorldSettings {
                    customers,
                    transactions,
                    interactions,
                    days,
                    seed,
                    ..WorldSettings::default()
                };
                let world = World::new(settings).unwrap();
                let purchases: Vec<Transaction> = world.transactions().collect();
                let contacts: Vec<Interaction> = world.interactions().collect();
                assert_eq!(
                    (world.customers().len(), purchases.len(), contacts.len()),
                    (customers as usize, transactions as usize, interactions as usize)
                );
                assert!(purchases.iter().map(|purchase| purchase.number).eq(1..=transactions));
                assert!(contacts.iter().map(|contact| contact.number).eq(1..=interactions));
                let range = world.settings().start..world.end();
                assert!(world.events().all(|event| range.contains(&event.timestamp())));
            }
        }
    }

    #[test]
    fn events_are_both_kinds_merged_in_time_order() {
        let world = World::new(small()).unwrap();
        let events: Vec<Event> = world.events().collect();
        assert!(events.is_sorted_by_key(Event::timestamp));
        let purchases = events.iter().filter_map(|event| {
            if let Event::Transaction(purchase) = event { Some(*purchase) } else { None }
        });
        let contacts = events.iter().filter_map(|event| {
            if let Event::Interaction(contact) = event { Some(*contact) } else { None }
        });
        assert!(purchases.eq(world.transactions()) && contacts.eq(world.interactions()));
    }

    #[test]
    fn a_seed_is_a_world() {
        assert_eq!(events(small()), events(small()));
        assert_ne!(events(small()), events(WorldSettings { seed: 2, ..small() }));
        assert_eq!(
            events(small()),
            events(WorldSettings { start: small().start + DAY - 1, ..small() }),
            "the start is cut to midnight"
        );
    }

    #[test]
    fn a_customer_does_not_depend_on_the_others() {
        let (few, many) = (
            World::new(small()).unwrap(),
            World::new(WorldSettings { customers: 700, interactions: 9, ..small() }).unwrap(),
        );
        assert_eq!(few.customers(), &many.customers()[..500]);
    }

    #[test]
    fn the_default_world_begins_in_2023() {
        assert_eq!(
            jiff::Timestamp::from_millisecond(WorldSettings::default().start).unwrap().to_string(),
            "2023-01-01T00:00:00Z"
        );
    }

    #[test]
    fn impossible_settings_are_refused() {
        let refused = |settings| World::new(settings).err();
        assert_eq!(
            refused(WorldSettings { customers: 0, ..small() }),
            Some(WorldError::NoCustomers)
        );
        assert_eq!(refused(WorldSettings { days: 0, ..small() }), Some(WorldError::NoDays));
        for start in [Millis::MIN, -1, 0, LATEST - 729 * DAY, Millis::MAX] {
            assert!(
                matches!(
                    refused(WorldSettings { start, ..small() }),
                    Some(WorldError::OutOfTime { .. })
                ),
                "start {start}"
            );
        }
        assert_eq!(refused(WorldSettings { start: LATEST - 730 * DAY, ..small() }), None);
    }
}
