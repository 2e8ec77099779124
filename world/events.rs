//! What happens in a world, in time order: purchases and contacts merged.

use super::contacts::{Interactions, SimulatedContact};
use super::purchases::{SimulatedPurchase, Transactions};
use dataflows::event::Millis;
use std::iter::Peekable;

/// An event of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimulatedEvent {
    /// A purchase.
    Transaction(SimulatedPurchase),
    /// A contact and its reward.
    Interaction(SimulatedContact),
}

impl SimulatedEvent {
    /// When it happened.
    pub fn timestamp(&self) -> Millis {
        match self {
            SimulatedEvent::Transaction(purchase) => purchase.timestamp,
            SimulatedEvent::Interaction(contact) => contact.timestamp,
        }
    }
}

/// All events of a world, in time order.
pub struct Events<'a> {
    transactions: Peekable<Transactions<'a>>,
    interactions: Peekable<Interactions<'a>>,
}

impl<'a> Events<'a> {
    pub(crate) fn merged(transactions: Transactions<'a>, interactions: Interactions<'a>) -> Self {
        Events { transactions: transactions.peekable(), interactions: interactions.peekable() }
    }
}

impl Iterator for Events<'_> {
    type Item = SimulatedEvent;

    fn next(&mut self) -> Option<SimulatedEvent> {
        let contact_first = match (self.transactions.peek(), self.interactions.peek()) {
            (Some(purchase), Some(contact)) => contact.timestamp < purchase.timestamp,
            (purchase, _) => purchase.is_none(),
        };
        if contact_first {
            self.interactions.next().map(SimulatedEvent::Interaction)
        } else {
            self.transactions.next().map(SimulatedEvent::Transaction)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{World, WorldSettings};
    use super::*;

    #[test]
    fn events_are_both_kinds_merged_in_time_order() {
        let settings = WorldSettings {
            customers: 500,
            transactions: 5_003,
            interactions: 2_001,
            ..WorldSettings::default()
        };
        let world = World::new(settings).unwrap();
        let events: Vec<SimulatedEvent> = world.events().collect();
        assert!(events.is_sorted_by_key(SimulatedEvent::timestamp));
        let purchases = events.iter().filter_map(|event| {
            if let SimulatedEvent::Transaction(purchase) = event { Some(*purchase) } else { None }
        });
        let contacts = events.iter().filter_map(|event| {
            if let SimulatedEvent::Interaction(contact) = event { Some(*contact) } else { None }
        });
        assert!(purchases.eq(world.transactions()) && contacts.eq(world.interactions()));
    }
}
