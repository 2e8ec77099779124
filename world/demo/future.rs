//! The purchases after the history of a world.

use crate::purchases::SimulatedPurchase;
use crate::{World, WorldSettings};
use dataflows::event::Millis;
use std::collections::VecDeque;

/// Days that are made at a time when the world goes on. Up to 180, those at risk have stopped
/// buying before they begin.
pub(super) const CHUNK_DAYS: u16 = 30;

/// The purchases after the history: worlds of the same seed, so of the same customers, that begin
/// where the one before has ended.
pub(super) struct Future {
    /// Of the next world to be made.
    settings: WorldSettings,
    purchases: VecDeque<SimulatedPurchase>,
    /// Before this instant all purchases have been made.
    made_until: Millis,
    /// Purchases that have been made, those of the history too.
    made: u64,
}

impl Future {
    pub(super) fn after(world: &World) -> Self {
        let past = world.settings();
        let transactions = past.transactions * u64::from(CHUNK_DAYS) / u64::from(past.days);
        let settings =
            WorldSettings { start: world.end(), days: CHUNK_DAYS, transactions, ..past.clone() };
        Future {
            settings,
            purchases: VecDeque::new(),
            made_until: world.end(),
            made: past.transactions,
        }
    }

    /// The next purchase, if it happens by `now`; `None` around it when the calendar has no more
    /// days.
    pub(super) fn before(&mut self, now: Millis) -> Option<Option<SimulatedPurchase>> {
        if now >= self.made_until && self.purchases.is_empty() {
            let world = World::new(self.settings.clone()).ok()?;
            let made = self.made;
            self.purchases = world
                .transactions()
                .map(|purchase| SimulatedPurchase { number: made + purchase.number, ..purchase })
                .collect();
            self.made += self.settings.transactions;
            self.made_until = world.end();
            self.settings.start = world.end();
        }
        Some(self.purchases.pop_front_if(|purchase| purchase.timestamp <= now))
    }
}
