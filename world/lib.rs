//! The simulated world: customers, what they buy, how they answer a campaign; made from a seed, and
//! nothing like data of real people.
//!
//! settings ─▶ population ─┬─▶ purchases ─┬─▶ events in time order ─▶ lines ─▶ files, Kafka
//!                         └─▶ contacts ──┘
//!                              ▲ response: conversion by segment and channel
//!                              └─▶ closed forms that results are compared with
//!
//! Equal settings give equal events, bit for bit. Nothing here reads a file, a clock or the
//! machine's randomness, except that [`write::generate`] writes files.

#[cfg(feature = "demo")]
pub mod bench;
mod choices;
pub mod contacts;
#[cfg(feature = "demo")]
pub mod demo;
mod events;
pub mod lines;
pub mod population;
pub mod purchases;
mod random;
pub mod response;
pub mod segments;
mod settings;
mod timeline;
mod values;
pub mod write;

pub use choices::{CATEGORIES, CITIES, DEVICES, PAYMENTS};
pub use events::{Events, SimulatedEvent};
pub use settings::{WorldError, WorldSettings};

use contacts::Interactions;
use dataflows::event::{CustomerId, DAY, Millis};
use population::Customer;
use purchases::{Market, Transactions};
use response::{ARMS, Shares};
use segments::HiddenSegment;
use timeline::DailyQuota;

/// A simulated world.
pub struct World {
    settings: WorldSettings,
    customers: Vec<Customer>,
    market: Market,
    contacts: DailyQuota,
}

impl World {
    /// Makes the world: all of its customers; its events are drawn when they are asked for.
    ///
    /// # Errors
    /// When there are no customers or no days, or when it would not lie between 1980 and 2100.
    pub fn new(settings: WorldSettings) -> Result<World, WorldError> {
        let settings = settings.checked()?;
        let WorldSettings { customers, transactions, interactions, seed, start, days } = settings;
        let customers: Vec<Customer> = (1..=CustomerId::from(customers))
            .map(|id| Customer::draw(seed, id, start, days))
            .collect();
        let market = Market::new(&customers, transactions, start, days);
        let contacts = DailyQuota::new(start, interactions, &vec![1.0; usize::from(days)]);
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
        Shares(
            HiddenSegment::ALL.map(|segment| count(segment) as f64 / self.customers.len() as f64),
        )
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
        Events::merged(self.transactions(), self.interactions())
    }

    /// What a customer answers to decision number `sequence` if it was for `arm`: the reward in
    /// units of the currency. The same question gets the same answer, and the customer's luck in it
    /// does not depend on the arm. `None` for a customer or an arm that is not there.
    pub fn feedback(&self, customer: CustomerId, arm: usize, sequence: u64) -> Option<f64> {
        let customer = self.customer(customer).filter(|_| arm < ARMS.len())?;
        Some(contacts::feedback(customer, arm, sequence, self.settings.seed) as f64 / 100.0)
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

    fn events(settings: WorldSettings) -> Vec<SimulatedEvent> {
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
                let purchases: Vec<_> = world.transactions().collect();
                let contacts: Vec<_> = world.interactions().collect();
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
}
