//! A customer: the purchases as they are kept, their sums, the features as of an instant and the context vector made of them.

pub mod calendar;
pub mod context;
mod counts;
pub mod features;
pub mod folded;
mod formulas;
pub mod histories;
pub mod history;
pub mod ranks;
pub mod summary;
pub mod unmatched;

pub use context::ContextMap;
pub use features::Features;
pub use formulas::State;
pub use ranks::Ranks;
pub use summary::{Layout, Summary};

use crate::event::{Millis, Purchase};

/// A settled purchase as a history keeps it: 24 bytes of plain old data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Transaction {
    /// Frozen hash of its id.
    pub id: u64,
    /// When it happened.
    pub timestamp: Millis,
    /// Its facts, the bits of a [`Purchase`].
    pub purchase: u64,
}

impl Transaction {
    /// A purchase under its id.
    #[inline]
    pub fn new(id: u64, timestamp: Millis, purchase: Purchase) -> Self {
        Transaction { id, timestamp, purchase: purchase.0 }
    }

    /// What was bought, how, and for how much.
    #[inline]
    pub fn purchase(&self) -> Purchase {
        Purchase(self.purchase)
    }

    /// Its amount in minor units of the currency.
    #[inline]
    pub fn amount(&self) -> u64 {
        self.purchase().amount()
    }
}
