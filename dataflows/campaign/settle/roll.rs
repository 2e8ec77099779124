//! Events of one topic and customer by their ids, while an epoch is resolved.

use crate::customer::Transaction;
use crate::customer::history::{Interaction, Reward};
use crate::event::Millis;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

/// Something settled that is known by its id and has an instant.
pub(super) trait Identified: Copy + PartialEq {
    fn id(&self) -> u64;
    fn timestamp(&self) -> Millis;
}

impl Identified for Transaction {
    fn id(&self) -> u64 {
        self.id
    }
    fn timestamp(&self) -> Millis {
        Transaction::timestamp(self)
    }
}

impl Identified for Interaction {
    fn id(&self) -> u64 {
        self.id
    }
    fn timestamp(&self) -> Millis {
        self.timestamp
    }
}

impl Identified for Reward {
    fn id(&self) -> u64 {
        self.id
    }
    fn timestamp(&self) -> Millis {
        self.timestamp
    }
}

/// Events of one topic by id, with those settled before the epoch in front.
pub(super) struct Roll<T> {
    items: Vec<Option<T>>,
    at: HashMap<u64, usize>,
    pub(super) settled: Vec<T>,
    /// The earliest instant at which something settled changes.
    pub(super) changed: Option<Millis>,
}

/// What an insert turned out to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    New,
    Duplicate,
    Replaced,
}

impl<T: Identified> Roll<T> {
    /// Those that were settled before.
    pub(super) fn of(settled: &[T]) -> Self {
        Roll {
            items: settled.iter().copied().map(Some).collect(),
            at: settled.iter().enumerate().map(|(i, item)| (item.id(), i)).collect(),
            settled: settled.to_vec(),
            changed: None,
        }
    }

    /// The one of this id.
    pub(super) fn get(&self, id: u64) -> Option<&T> {
        self.at.get(&id).and_then(|&i| self.items[i].as_ref())
    }

    /// The instant of one that was settled before, as it now stands.
    pub(super) fn settled_at(&self, id: u64) -> Option<Millis> {
        let at = self.at.get(&id).filter(|&&at| at < self.settled.len())?;
        self.items[*at].as_ref().map(Identified::timestamp)
    }

    /// Inserts `new`; `same` says whether the one that is there has the same content.
    pub(super) fn put(&mut self, new: T, same: impl FnOnce(&T) -> bool) -> Put {
        match self.at.entry(new.id()) {
            Entry::Vacant(vacant) => {
                vacant.insert(self.items.len());
                self.items.push(Some(new));
                Put::New
            }
            Entry::Occupied(occupied) => {
                let at = *occupied.get();
                let Some(old) = self.items[at].replace(new) else { return Put::New };
                if same(&old) {
                    return Put::Duplicate;
                }
                self.change(at, old.timestamp().min(new.timestamp()));
                Put::Replaced
            }
        }
    }

    /// Takes the event of this id back, if it is there.
    pub(super) fn take(&mut self, id: u64) -> Option<T> {
        let at = self.at.remove(&id)?;
        let taken = self.items[at].take()?;
        self.change(at, taken.timestamp());
        Some(taken)
    }

    /// Drops everything dated up to `until`; says how many.
    pub(super) fn erase(&mut self, until: Millis) -> u64 {
        let doomed: Vec<u64> = self
            .items
            .iter()
            .flatten()
            .filter(|item| item.timestamp() <= until)
            .map(Identified::id)
            .collect();
        doomed.iter().filter(|&&id| self.take(id).is_some()).count() as u64
    }

    fn change(&mut self, at: usize, since: Millis) {
        if at < self.settled.len() {
            self.changed = Some(self.changed.map_or(since, |changed| changed.min(since)));
        }
    }

    /// What is left, unsorted: settled ones in front in their order, then new ones as they came.
    pub(super) fn left(&self) -> impl Iterator<Item = T> + '_ {
        self.items.iter().flatten().copied()
    }

    /// What appeared that was not settled so before.
    pub(super) fn appeared(&self) -> impl Iterator<Item = &T> + '_ {
        self.items
            .iter()
            .enumerate()
            .filter(|(i, item)| item.as_ref() != self.settled.get(*i))
            .filter_map(|(_, item)| item.as_ref())
    }

    /// What was settled before and is not so any more.
    pub(super) fn vanished(&self) -> impl Iterator<Item = &T> + '_ {
        self.settled
            .iter()
            .zip(&self.items)
            .filter(|(settled, item)| item.as_ref() != Some(settled))
            .map(|(settled, _)| settled)
    }
}
