//! The snapshot that is being taken while the stream goes on: virtual shards one after the other,
//! some customers a turn. A customer that changes before its turn is put aside as it was.
//!
//! An image is always a whole virtual shard: a JSON array, to be looked at with common tools, of a
//! pair for each customer.

use super::Keyed;
use super::shards::{Holding, KeyedShard, KeyedShards};
use crate::snapshot::{Images, ShardImage};
use crate::source::{CustomerId, Save};
use crate::state::turns::Budget;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::Bound;

/// A snapshot that is being taken.
pub(super) struct KeyedTaking<S> {
    epoch: u64,
    /// Virtual shards that are still to be written.
    lacking: Vec<bool>,
    /// The one whose turn it is, as far as it is written.
    part: ShardImage,
    /// The last customer of it that is written.
    after: Option<CustomerId>,
    /// Customers that changed before their turn, by virtual shard, as they were.
    before: BTreeMap<(usize, CustomerId), Option<Holding<S>>>,
}

impl<S: Clone + Serialize> KeyedTaking<S> {
    fn new(epoch: u64, lacking: Vec<bool>) -> Self {
        let part = begun(epoch, 0);
        KeyedTaking { epoch, lacking, part, after: None, before: BTreeMap::new() }
    }

    /// Notes that a customer changes now, who was so.
    pub(super) fn note(&mut self, shard: usize, customer: CustomerId, was: Option<&Holding<S>>) {
        let is_at_it = shard == usize::from(self.part.shard);
        let is_written = is_at_it && self.after.is_some_and(|after| customer <= after);
        if self.lacking[shard] && !is_written {
            self.before.entry((shard, customer)).or_insert_with(|| was.cloned());
        }
    }

    /// Goes to the next virtual shard that is still to be written; says whether there is one.
    fn go_to_next(&mut self) -> bool {
        let next = self.lacking.iter().position(|lacking| *lacking);
        if let Some(next) = next.filter(|next| *next != usize::from(self.part.shard)) {
            self.part = begun(self.epoch, next as u16);
        }
        next.is_some()
    }

    /// Writes the next customers of the virtual shard; gives its image once it is whole.
    fn write(
        &mut self,
        customers: &BTreeMap<CustomerId, Holding<S>>,
        budget: &mut Budget,
    ) -> Option<ShardImage> {
        let shard = usize::from(self.part.shard);
        while budget.is_left() {
            let from = self.after.map_or(Bound::Unbounded, Bound::Excluded);
            let now = customers.range((from, Bound::Unbounded)).next();
            let aside = self.before.first_key_value().filter(|((of, _), _)| *of == shard);
            let length = self.part.bytes.len();
            let customer = match (now, aside) {
                (None, None) => return Some(self.finish()),
                (Some((now, holding)), aside) if aside.is_none_or(|((_, at), _)| now < at) => {
                    self.push(*now, holding);
                    *now
                }
                _ => {
                    let ((_, customer), holding) = self.before.pop_first()?;
                    holding.iter().for_each(|holding| self.push(customer, holding));
                    customer
                }
            };
            self.after = Some(customer);
            budget.spend(2 + (self.part.bytes.len() - length) / 16);
        }
        None
    }

    fn push(&mut self, customer: CustomerId, holding: &Holding<S>) {
        let ShardImage { customers, bytes, .. } = &mut self.part;
        bytes.extend_from_slice(if *customers == 0 { b"\n" } else { b",\n" });
        serde_json::to_writer(bytes, &(customer, holding)).expect("memory takes whatever comes");
        *customers += 1;
    }

    fn finish(&mut self) -> ShardImage {
        let shard = self.part.shard;
        self.lacking[usize::from(shard)] = false;
        self.after = None;
        let mut image = std::mem::replace(&mut self.part, begun(self.epoch, shard));
        image.bytes.extend_from_slice(b"\n]\n");
        image
    }
}

fn begun(epoch: u64, shard: u16) -> ShardImage {
    ShardImage { epoch, shard, whole: true, customers: 0, bytes: b"[".to_vec() }
}

impl<K: Keyed> KeyedShards<K> {
    /// Begins to take a snapshot of the customers as they now are, between two epochs. One that is
    /// still being taken is given up, and what it should have held is in this one.
    pub(super) fn begin_snapshot(&mut self, epoch: u64, save: Save) {
        let everything = save == Save::Everything || self.taking.is_some();
        let lacks = |shard: &mut KeyedShard<K::Kept>| {
            let changed = std::mem::take(&mut shard.changed);
            // One of which nothing is left must tell so where an image is there that has more.
            changed || (everything && !shard.customers.is_empty())
        };
        let lacking = self.shards.iter_mut().map(lacks).collect();
        self.taking = Some(KeyedTaking::new(epoch, lacking));
    }

    /// Writes some more of the snapshot that is being taken, if there is room; says whether more is
    /// left.
    pub(super) fn save_some(&mut self, images: &mut dyn Images, budget: &mut Budget) -> bool {
        let Some(taking) = &mut self.taking else { return false };
        if !taking.go_to_next() {
            images.complete(taking.epoch);
            self.taking = None;
            return false;
        }
        if images.has_room() {
            let customers = &self.shards[usize::from(taking.part.shard)].customers;
            if let Some(image) = taking.write(customers, budget) {
                images.take(image);
            }
            images.rest();
        }
        true
    }
}
