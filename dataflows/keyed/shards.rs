//! What is kept of the customers of one worker, virtual shard by virtual shard.

use super::snapshot::KeyedTaking;
use super::{Keyed, ViewChange};
use crate::event::text::{VIRTUAL_SHARDS, virtual_shard};
use crate::source::CustomerId;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is kept of the customers of one worker.
pub struct KeyedShards<K: Keyed> {
    pub(super) shards: Vec<KeyedShard<K::Kept>>,
    /// The snapshot that is being taken.
    pub(super) taking: Option<KeyedTaking<K::Kept>>,
}

/// One virtual shard.
pub(super) struct KeyedShard<S> {
    /// In the order of their numbers, so that an image is the same whoever came first.
    pub(super) customers: BTreeMap<CustomerId, Holding<S>>,
    /// Whether any changed since the last snapshot began.
    pub(super) changed: bool,
}

/// What is kept of a customer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Holding<S> {
    /// Up to when everything is erased, and will be.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub(super) erased: Option<Millis>,
    /// What the dataflow keeps.
    #[serde(rename = "k")]
    pub(super) kept: S,
}

impl<K: Keyed> KeyedShards<K> {
    /// Nobody yet.
    pub fn new() -> Self {
        let shard = || KeyedShard { customers: BTreeMap::new(), changed: false };
        let shards = std::iter::repeat_with(shard).take(VIRTUAL_SHARDS).collect();
        KeyedShards { shards, taking: None }
    }

    /// Changes what is kept of a customer; gives how the view of it changed, where it did. A
    /// snapshot that does not have the customer yet will have it as it was.
    pub(super) fn change(
        &mut self,
        customer: CustomerId,
        change: impl FnOnce(&mut Holding<K::Kept>),
    ) -> Option<ViewChange<K::View>> {
        let number = virtual_shard(customer) as usize;
        let KeyedShard { customers, changed } = &mut self.shards[number];
        let was = customers.get(&customer);
        if let Some(taking) = &mut self.taking {
            taking.note(number, customer, was);
        }
        *changed = true;
        let mut holding = was.cloned().unwrap_or_default();
        let before = K::view(&holding.kept);
        change(&mut holding);
        let after = K::view(&holding.kept);
        if holding == Holding::default() {
            customers.remove(&customer);
        } else {
            customers.insert(customer, holding);
        }
        (before != after).then_some(ViewChange { customer, before, after })
    }
}

impl<K: Keyed> Default for KeyedShards<K> {
    fn default() -> Self {
        KeyedShards::new()
    }
}
