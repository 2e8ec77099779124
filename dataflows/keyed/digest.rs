//! The sum of all views: each is hashed with its customer, and the hashes are added. So changes may
//! be added in any order, and what is taken back leaves nothing behind.

use super::output::ViewChange;
use crate::source::CustomerId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How many views there are, and the sum of their hashes; or how both change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewSum {
    /// How many.
    pub views: i64,
    /// The sum modulo 2^256, the lowest word first.
    words: [u64; 4],
}

impl ViewSum {
    /// Adds another.
    pub fn add(&mut self, other: &ViewSum) {
        self.views += other.views;
        let mut carry = false;
        for (word, other) in self.words.iter_mut().zip(other.words) {
            (*word, carry) = word.carrying_add(other, carry);
        }
    }

    /// Takes another away.
    fn subtract(&mut self, other: &ViewSum) {
        self.views -= other.views;
        let mut borrow = false;
        for (word, other) in self.words.iter_mut().zip(other.words) {
            (*word, borrow) = word.borrowing_sub(other, borrow);
        }
    }

    /// That of one view.
    pub(crate) fn of<V: Serialize>(customer: CustomerId, view: &V) -> ViewSum {
        let text = serde_json::to_vec(&(customer, view)).expect("plain values have a form in JSON");
        let hash = Sha256::digest(text);
        let (words, _) = hash.as_chunks::<8>();
        ViewSum { views: 1, words: std::array::from_fn(|at| u64::from_le_bytes(words[at])) }
    }

    /// Takes in a change.
    pub(super) fn change<V: Serialize>(&mut self, change: &ViewChange<V>) {
        let of = |view: &Option<V>| view.as_ref().map(|view| Self::of(change.customer, view));
        of(&change.before).iter().for_each(|before| self.subtract(before));
        of(&change.after).iter().for_each(|after| self.add(after));
    }

    /// The digest of what stands in a dataflow of this name.
    pub fn digest(&self, dataflow: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(dataflow.as_bytes());
        hash.update(self.views.to_le_bytes());
        self.words.iter().for_each(|word| hash.update(word.to_le_bytes()));
        hash.finalize().into()
    }
}
