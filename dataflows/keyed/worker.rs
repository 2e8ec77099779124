//! What a worker does with an epoch: its records are applied customer by customer, in turns.

use super::{Keyed, KeyedCommon, KeyedCounts, KeyedErasure, KeyedOutput, KeyedShards, ViewSum};
use crate::epoch::Closed;
use crate::event::{Place, Rejected};
use crate::snapshot::Images;
use crate::source::{CustomerId, Save, TopicId};
use crate::state::turns::{Budget, Client, Pacer};
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::vec::IntoIter;

/// What is said to a customer, on its worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ToCustomer<E> {
    pub(super) customer: CustomerId,
    /// In which order it is applied.
    pub(super) at: (TopicId, Place),
    pub(super) says: Says<E>,
}

/// What it says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Says<E> {
    /// A record.
    Event(E),
    /// It is erased up to an instant.
    Erase(Millis),
    /// A rejected record names it: its bytes go where it is erased.
    Rejected(Box<Rejected>),
}

/// What a worker begins with.
pub struct KeyedBeginning<K: Keyed> {
    /// Its customers.
    pub(super) shards: KeyedShards<K>,
    /// What belongs to none of them.
    pub(super) common: KeyedCommon,
    pub(super) pacer: Pacer,
    /// Who takes the images of snapshots.
    pub(super) images: Option<Box<dyn Images>>,
}

/// One worker's customers, and the epoch that is under way.
pub(super) struct KeyedWorker<K: Keyed> {
    shards: KeyedShards<K>,
    pacer: Pacer,
    images: Option<Box<dyn Images>>,
    /// Customer by customer, in the order in which it is applied.
    news: IntoIter<ToCustomer<K::Event>>,
    sum: ViewSum,
    counts: KeyedCounts,
}

/// What a turn gave.
struct Turn<V> {
    views: Vec<super::ViewChange<V>>,
    rejected: Vec<Rejected>,
    erasures: Vec<KeyedErasure>,
}

impl<K: Keyed> KeyedWorker<K> {
    pub(super) fn new(
        shards: KeyedShards<K>,
        pacer: Pacer,
        images: Option<Box<dyn Images>>,
    ) -> Self {
        let (sum, counts) = (ViewSum::default(), KeyedCounts::default());
        KeyedWorker { shards, pacer, images, news: Vec::new().into_iter(), sum, counts }
    }

    /// Begins with an epoch.
    pub(super) fn begin(&mut self, mut news: Vec<ToCustomer<K::Event>>) {
        news.sort_by_key(|news| (news.customer, news.at));
        self.news = news.into_iter();
    }

    /// Takes a turn at the epoch; gives what is to be said of it, and whether that was all.
    pub(super) fn go_on(&mut self) -> (Vec<KeyedOutput<K::View>>, bool) {
        let KeyedWorker { shards, pacer, news, sum, counts, .. } = self;
        let mut turn = Turn { views: Vec::new(), rejected: Vec::new(), erasures: Vec::new() };
        pacer.turn(Client::Settle, |budget| {
            while budget.is_left() && turn.take_next(shards, news, counts, budget) {}
        });
        turn.views.iter().for_each(|change| sum.change(change));
        let Turn { views, rejected, erasures } = turn;
        let mut outputs = Vec::new();
        outputs.extend((!views.is_empty()).then_some(KeyedOutput::Views(views)));
        outputs.extend((!rejected.is_empty()).then_some(KeyedOutput::Rejected(rejected)));
        outputs.extend((!erasures.is_empty()).then_some(KeyedOutput::Erasures(erasures)));
        let is_done = news.as_slice().is_empty();
        if is_done {
            outputs.push(KeyedOutput::Sum(std::mem::take(sum)));
            outputs.push(KeyedOutput::Counts(std::mem::take(counts)));
        }
        (outputs, is_done)
    }

    /// Begins a snapshot of how things stand after the epoch, where one is wanted; says whether one
    /// is taken.
    pub(super) fn begin_snapshot(&mut self, epoch: u64, end: Option<&Closed>) -> bool {
        let save: Option<Save> = end.and_then(|end| end.save).filter(|_| self.images.is_some());
        save.into_iter().for_each(|save| self.shards.begin_snapshot(epoch, save));
        save.is_some()
    }

    /// Takes a turn at the snapshot, between two epochs; says whether more is left.
    pub(super) fn go_on_with_snapshot(&mut self) -> bool {
        let KeyedWorker { shards, pacer, images, .. } = self;
        let Some(images) = images else { return false };
        pacer.turn(Client::Snapshot, |budget| shards.save_some(images.as_mut(), budget))
    }
}

impl<V> Turn<V> {
    /// Applies what is said to the next customer; says whether there was one.
    fn take_next<K: Keyed<View = V>>(
        &mut self,
        shards: &mut KeyedShards<K>,
        news: &mut IntoIter<ToCustomer<K::Event>>,
        counts: &mut KeyedCounts,
        budget: &mut Budget,
    ) -> bool {
        let Some(customer) = news.as_slice().first().map(|first| first.customer) else {
            return false;
        };
        let number = news.as_slice().partition_point(|news| news.customer == customer);
        budget.spend(8 + 4 * number);
        let (mut named, mut erasing) = (Vec::new(), false);
        let change = shards.change(customer, |holding| {
            for ToCustomer { says, .. } in news.take(number) {
                match says {
                    Says::Event(event) => K::fold(&mut holding.kept, event),
                    Says::Erase(until) => {
                        holding.erased = holding.erased.max(Some(until));
                        erasing = true;
                    }
                    Says::Rejected(rejected) => named.push(*rejected),
                }
            }
            let Some(until) = holding.erased else { return };
            let events = K::erase(&mut holding.kept, until);
            counts.erased += events;
            if erasing {
                self.erasures.push(KeyedErasure { customer, until, events });
            }
            let erased = [(customer, until)];
            let is_erased = |rejected: &&mut Rejected| {
                rejected.whose.is_some_and(|whose| whose.is_erased(&erased))
            };
            named.iter_mut().filter(is_erased).for_each(Rejected::blank);
        });
        self.views.extend(change);
        self.rejected.append(&mut named);
        true
    }
}
