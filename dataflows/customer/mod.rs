//! A customer: the purchases as they are kept, their sums, the features as of an instant and the
//! context vector made of them.

pub mod calendar;
pub mod context;
mod counts;
pub mod features;
pub mod folded;
mod formulas;
pub mod history;
pub mod ranks;
pub mod summary;
pub mod unmatched;

pub use context::ContextMap;
pub use features::Features;
pub use formulas::CustomerState;
pub use ranks::Ranks;
pub use summary::{Layout, Summary};

use crate::event::unlisted::Code;
use crate::event::{Millis, Purchase};

/// A settled purchase as a history keeps it: 24 bytes of plain old data.
///
/// Two are equal where the same counts of them: names that are not listed are all alike.
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Transaction {
    /// Frozen hash of its id.
    pub id: u64,
    /// When it happened, below the upper parts of its codes.
    when: u64,
    /// Its facts, the bits of a [`Purchase`].
    purchase: u64,
}

impl PartialEq for Transaction {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.counted() == other.counted()
    }
}

impl Eq for Transaction {}

impl Transaction {
    /// A purchase under its id.
    #[inline]
    pub fn new(id: u64, timestamp: Millis, purchase: Purchase) -> Self {
        Self::coded(id, timestamp, purchase, 0)
    }

    /// A purchase under its id, with the [upper parts](Purchase::coded) of its codes.
    #[inline]
    pub fn coded(id: u64, timestamp: Millis, purchase: Purchase, upper: u64) -> Self {
        debug_assert!(
            (0..1 << Purchase::UPPER_SHIFT).contains(&timestamp),
            "{timestamp} is no instant of a purchase"
        );
        Transaction { id, when: timestamp as u64 | upper, purchase: purchase.0 }
    }

    /// When it happened.
    #[inline(always)]
    pub fn timestamp(&self) -> Millis {
        (self.when & ((1 << Purchase::UPPER_SHIFT) - 1)) as Millis
    }

    /// What it says of category, device and payment method.
    #[inline]
    pub fn codes(&self) -> [Code; 3] {
        self.purchase().codes(self.when)
    }

    /// The same purchase with other codes.
    pub fn with_codes(&self, codes: [Code; 3]) -> Self {
        let purchase = self.purchase();
        let (purchase, upper) = Purchase::coded(purchase.amount(), codes, purchase.discount());
        Self::coded(self.id, self.timestamp(), purchase, upper)
    }

    /// All that counts beside the id.
    fn counted(&self) -> (Millis, u64, [Code; 3], bool) {
        let purchase = self.purchase();
        (self.timestamp(), purchase.amount(), self.codes().map(Code::counted), purchase.discount())
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
