//! A stash of what arrived for each epoch, with the right to send at it.

use std::collections::BTreeMap;
use timely::dataflow::operators::Capability;

/// What arrived for each epoch that is still open.
#[derive(Debug)]
pub struct Stash<D> {
    epochs: BTreeMap<u64, (Vec<Capability<u64>>, D)>,
}

impl<D: Default> Stash<D> {
    /// Nothing yet.
    pub fn new() -> Self {
        Stash { epochs: BTreeMap::new() }
    }

    /// What has arrived for the epoch; `capabilities` (one for each output) are kept with the first
    /// of it.
    pub fn at(
        &mut self,
        epoch: u64,
        capabilities: impl FnOnce() -> Vec<Capability<u64>>,
    ) -> &mut D {
        &mut self.epochs.entry(epoch).or_insert_with(|| (capabilities(), D::default())).1
    }

    /// The first open epoch.
    pub fn first(&self) -> Option<u64> {
        self.epochs.first_key_value().map(|(&epoch, _)| epoch)
    }

    /// Takes out the first open epoch, if `closed` says that nothing more can arrive for it.
    pub fn take_closed(
        &mut self,
        closed: impl Fn(&u64) -> bool,
    ) -> Option<(u64, Vec<Capability<u64>>, D)> {
        let epoch = self.first().filter(closed)?;
        self.epochs.remove(&epoch).map(|(capabilities, data)| (epoch, capabilities, data))
    }
}

impl<D: Default> Default for Stash<D> {
    fn default() -> Self {
        Stash::new()
    }
}
