//! Whose records are resolved in order.

use crate::campaign::state::{Slot, id_key};
use crate::event::{Kind, Millis, Record};
use crate::state::parts::Parts;
use crate::state::sparse::Sparse;

/// Slots whose records are resolved in order.
#[derive(Debug)]
pub(super) struct Careful {
    /// A bit for each slot: it is asked for with every record.
    slots: Sparse<u64>,
    is_empty: bool,
    /// Up to which instant the epoch erases some of them.
    erased: Parts<Slot, Millis>,
    /// How many records have a key that the filter took for a known one.
    doubted: Parts<u64, u32>,
}

impl Careful {
    /// Adds a slot.
    #[cold]
    pub(super) fn add(&mut self, slot: Slot) {
        *self.slots.get_mut(slot as usize / 64) |= 1 << (slot % 64);
        self.is_empty = false;
    }

    /// Adds the slot of a record that is neither a purchase nor an interaction.
    #[cold]
    pub(super) fn take(&mut self, record: &Record, slot: Slot) {
        self.add(slot);
        if record.kind() == Kind::Erase {
            let until = self.erased.or_insert_with(slot, || record.timestamp);
            *until = record.timestamp.max(*until);
        }
    }

    /// A key may be that of more than one record. The filter takes each of those for a known one,
    /// and some others: all are counted.
    #[cold]
    pub(super) fn doubt(&mut self, key: u64) {
        self.doubted.insert(key, 0);
    }

    /// Whether there are keys to be counted.
    pub(super) fn is_in_doubt(&self) -> bool {
        !self.doubted.is_empty()
    }

    /// Counts a record; with the second one of a key its slot is added.
    pub(super) fn count(&mut self, record: &Record, slot: Slot) {
        if let Some(count) = id_key(record, slot).and_then(|key| self.doubted.get_mut(&key)) {
            *count += 1;
            if *count > 1 {
                self.add(slot);
            }
        }
    }

    /// Up to which instant the epoch erases a customer.
    pub(super) fn erased(&self, slot: Slot) -> Option<Millis> {
        self.erased.get(&slot).copied()
    }

    /// Whether the slot's records are resolved in order.
    #[inline]
    pub(super) fn contains(&self, slot: Slot) -> bool {
        self.slots.get(slot as usize / 64) >> (slot % 64) & 1 == 1
    }

    /// Whether there is no such slot.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }
}

impl Default for Careful {
    fn default() -> Self {
        Careful {
            slots: Sparse::of(0),
            is_empty: true,
            erased: Parts::default(),
            doubted: Parts::default(),
        }
    }
}
