//! A small dataflow put through histories, on any number of workers and across a snapshot: what
//! every one of them may be tested by. It is used beside each of them.

use super::{
    Keyed, KeyedBeginning, KeyedCommon, KeyedCounts, KeyedErasure, KeyedOutput, KeyedRestoring,
    ViewChange, ViewSum,
};
use crate::codec::Aligned;
use crate::dataflow::Dataflow;
use crate::dataflow::{Begins, Restoring};
use crate::epoch::Closed;
use crate::event::Rejected;
use crate::mixing;
use crate::operators::deliver::{Delivery, deliver};
use crate::snapshot::{Images, ShardImage};
use crate::source::{Block, CustomerId, Feed, Head, Mark, Messages, Save, TopicId};
use crate::state::turns::Pacer;
use crate::time::Millis;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::worker::Worker;

/// A record of the first topic, and the epoch in which it comes. Of a partition they are in order.
#[derive(Clone, Debug)]
pub(crate) struct Coming {
    pub(crate) epoch: u64,
    pub(crate) partition: u32,
    pub(crate) text: String,
}

/// What a dataflow is put through.
#[derive(Clone, Debug)]
pub(crate) struct Trial<'a> {
    pub(crate) workers: usize,
    pub(crate) partitions: u32,
    pub(crate) epochs: u64,
    pub(crate) coming: &'a [Coming],
    /// Erasures that are on record, which come with the first epoch.
    pub(crate) on_record: &'a [(CustomerId, Millis)],
    /// Snapshots that are taken.
    pub(crate) saves: &'a BTreeMap<u64, Save>,
    /// The snapshot that it goes on after.
    pub(crate) after: Option<&'a Taken>,
    /// In which order partitions come, and how much of one at a time.
    pub(crate) shuffle: u64,
}

/// A snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Taken {
    pub(crate) common: KeyedCommon,
    /// By virtual shard.
    pub(crate) images: BTreeMap<u16, ShardImage>,
}

/// What came of an epoch, whichever worker said so.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Came<V> {
    pub(crate) views: Vec<ViewChange<V>>,
    pub(crate) rejected: Vec<Rejected>,
    pub(crate) erasures: Vec<KeyedErasure>,
    pub(crate) counts: KeyedCounts,
    pub(crate) sum: ViewSum,
    pub(crate) closed: Closed,
    /// What stands after it.
    pub(crate) common: KeyedCommon,
}

/// What came of all epochs, and the images of the snapshots that were completed by all workers.
pub(crate) struct CameOfAll<V> {
    pub(crate) epochs: BTreeMap<u64, Came<V>>,
    pub(crate) images: Vec<ShardImage>,
}

/// What the workers hand over.
struct Tray<V> {
    outputs: Vec<(u64, KeyedOutput<V>)>,
    images: Vec<ShardImage>,
    complete: BTreeMap<u64, usize>,
}

/// Takes images, but has room only now and then, so that epochs pass while a snapshot is taken.
struct SlowShelf<V> {
    tray: Arc<Mutex<Tray<V>>>,
    asked: Cell<u64>,
}

impl<V> Images for SlowShelf<V> {
    fn has_room(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        self.asked.get().is_multiple_of(3)
    }

    fn take(&mut self, image: ShardImage) {
        assert!(!image.bytes.is_empty() && image.whole);
        self.tray.lock().expect("no worker panicked").images.push(image);
    }

    fn complete(&mut self, epoch: u64) {
        *self.tray.lock().expect("no worker panicked").complete.entry(epoch).or_default() += 1;
    }
}

impl Trial<'_> {
    /// Puts it through.
    pub(crate) fn run<K: Keyed + Default>(&self) -> CameOfAll<K::View> {
        let tray = Tray { outputs: Vec::new(), images: Vec::new(), complete: BTreeMap::new() };
        let tray = Arc::new(Mutex::new(tray));
        let (shared, dataflow) = (Arc::clone(&tray), K::default());
        let (coming, saves) = (self.coming.to_vec(), self.saves.clone());
        let (on_record, after) = (self.on_record.to_vec(), self.after.cloned());
        let Trial { workers, partitions, epochs, shuffle, .. } = *self;
        let config = match workers {
            1 => timely::Config::thread(),
            workers => timely::Config::process(workers),
        };
        let guards = timely::execute(config, move |worker| {
            let own = Trial {
                coming: &coming,
                saves: &saves,
                on_record: &on_record,
                after: after.as_ref(),
                ..Trial { workers, partitions, epochs, shuffle, ..empty() }
            };
            let mut input = InputHandle::<u64, CapacityContainerBuilder<Vec<Feed>>>::new();
            let shelf = SlowShelf { tray: Arc::clone(&shared), asked: Cell::new(0) };
            let units = [3, 20, 90, 4000][(shuffle as usize + worker.index()) % 4];
            let beginning = own.begin(&dataflow, worker.index(), worker.peers());
            let beginning = beginning.paced_by(Pacer::new(units, Box::new(())));
            let beginning = beginning.saving(Some(Box::new(shelf)));
            let (shared, tray) = (Arc::clone(&shared), Arc::clone(&shared));
            worker.dataflow::<u64, _, _>(|scope| {
                let feed = input.to_stream(scope);
                deliver(dataflow.build(feed, beginning), move |delivery| {
                    if let Delivery::Item(epoch, output) = delivery {
                        shared.lock().expect("no worker panicked").outputs.push((epoch, output));
                    }
                });
            });
            own.feed::<K>(input, worker, &tray);
            while worker.step_or_park(None) {}
        });
        let ended = guards.expect("the workers start").join();
        ended.into_iter().for_each(|result| result.expect("no worker panics"));
        let tray = Arc::into_inner(tray).expect("all have ended");
        self.gather::<K>(tray.into_inner().expect("no worker panicked"))
    }

    fn begin<K: Keyed>(&self, dataflow: &K, worker: usize, peers: usize) -> KeyedBeginning<K> {
        let Some(Taken { common, images }) = self.after else {
            return dataflow.anew(worker, peers);
        };
        let common = KeyedCommon::from_bytes(&common.to_bytes()).expect("the bytes are whole");
        let mut restoring = KeyedRestoring::after(&common);
        for image in images.values().filter(|image| usize::from(image.shard) % peers == worker) {
            let bytes = Aligned::from(&image.bytes[..]);
            assert_eq!(restoring.load(image.shard, image.whole, bytes), Ok(image.customers));
        }
        restoring.finish()
    }

    /// Feeds the epochs after the one that it begins with; each worker reads some partitions. No
    /// snapshot begins before the one before is complete.
    fn feed<K: Keyed>(
        &self,
        mut input: InputHandle<u64, CapacityContainerBuilder<Vec<Feed>>>,
        worker: &mut Worker,
        tray: &Mutex<Tray<K::View>>,
    ) {
        let done = self.after.map_or(0, |after| after.common.epoch);
        let (index, peers) = (worker.index(), worker.peers());
        let is_own = |partition: &u32| *partition as usize % peers == index;
        let topic = K::topics()[0];
        let mut shuffle = mixing::step(self.shuffle + index as u64);
        for epoch in done + 1..=self.epochs {
            input.advance_to(epoch);
            let before = self.saves.range(done + 1..epoch).next_back();
            if let (Some((before, _)), true) = (before, self.saves.contains_key(&epoch)) {
                let is_complete = |tray: &Mutex<Tray<K::View>>| {
                    let tray = tray.lock().expect("no worker panicked");
                    tray.complete.get(before) == Some(&self.workers)
                };
                while !is_complete(tray) {
                    worker.step();
                }
            }
            if epoch == 1 && index == 0 {
                self.on_record.iter().for_each(|&(customer, until)| {
                    input.send(Feed::Erased(customer, until));
                });
            }
            let mut left: Vec<Vec<(u64, &str)>> =
                (0..self.partitions).filter(is_own).map(|of| self.records(of, epoch)).collect();
            while left.iter().any(|records| !records.is_empty()) {
                shuffle = mixing::step(shuffle);
                let of = shuffle as usize % left.len();
                let some = (shuffle >> 32) as usize % 3;
                let some = some.min(left[of].len());
                let records: Vec<_> = left[of].drain(..some).collect();
                let partition = (0..self.partitions).filter(is_own).nth(of).expect("it is own");
                input.send(Feed::Block(block(topic, partition, &records)));
            }
            for partition in (0..self.partitions).filter(is_own) {
                input.send(Feed::Mark(Mark {
                    topic,
                    partition,
                    next: 0,
                    idle: false,
                    recorded: None,
                    last: epoch == self.epochs,
                    save: self.saves.get(&epoch).copied(),
                }));
            }
            worker.step();
        }
    }

    /// What a partition has in an epoch, each with its offset.
    fn records(&self, partition: u32, epoch: u64) -> Vec<(u64, &str)> {
        let all = self.coming.iter().filter(|coming| coming.partition == partition);
        let numbered = (0..).zip(all).filter(|(_, coming)| coming.epoch == epoch);
        numbered.map(|(offset, coming)| (offset, coming.text.as_str())).collect()
    }

    fn gather<K: Keyed>(&self, tray: Tray<K::View>) -> CameOfAll<K::View> {
        let mut epochs: BTreeMap<u64, Came<K::View>> = BTreeMap::new();
        for (epoch, output) in tray.outputs {
            let came = epochs.entry(epoch).or_insert_with(Came::nothing);
            match output {
                KeyedOutput::Views(mut views) => came.views.append(&mut views),
                KeyedOutput::Sum(sum) => came.sum.add(&sum),
                KeyedOutput::Rejected(mut rejected) => came.rejected.append(&mut rejected),
                KeyedOutput::Erasures(mut erasures) => came.erasures.append(&mut erasures),
                KeyedOutput::Counts(counts) => came.counts.add(&counts),
                KeyedOutput::Closed(closed) => came.closed = closed,
                KeyedOutput::Kept(_) => {}
            }
        }
        let mut common = self.after.map(|after| after.common.clone()).unwrap_or_default();
        for (epoch, came) in &mut epochs {
            came.views.sort_by_key(|change| change.customer);
            came.rejected.sort_by_key(|rejected| rejected.place);
            came.erasures.sort();
            common.end(*epoch, &came.closed, &came.sum, &came.counts);
            came.common = common.clone();
        }
        let all_did = |image: &ShardImage| tray.complete.get(&image.epoch) == Some(&self.workers);
        let images = tray.images.into_iter().filter(all_did).collect();
        CameOfAll { epochs, images }
    }
}

fn empty<'a>() -> Trial<'a> {
    static NOTHING: BTreeMap<u64, Save> = BTreeMap::new();
    Trial {
        workers: 1,
        partitions: 1,
        epochs: 1,
        coming: &[],
        on_record: &[],
        saves: &NOTHING,
        after: None,
        shuffle: 0,
    }
}

/// Messages of a partition, of which nobody knows when they were sent.
fn block(topic: TopicId, partition: u32, records: &[(u64, &str)]) -> Block {
    let (mut bytes, mut heads) = (Vec::new(), Vec::new());
    for (position, text) in records {
        heads.push(Head {
            position: *position,
            timestamp: -1,
            start: bytes.len() as u32,
            length: text.len() as u32,
            null: false,
            key: 0,
        });
        bytes.extend_from_slice(text.as_bytes());
    }
    Messages::new(topic, partition, bytes, heads).into()
}

impl<V> Came<V> {
    fn nothing() -> Self {
        Came {
            views: Vec::new(),
            rejected: Vec::new(),
            erasures: Vec::new(),
            counts: KeyedCounts::default(),
            sum: ViewSum::default(),
            closed: Closed::default(),
            common: KeyedCommon::default(),
        }
    }
}

impl<V> CameOfAll<V> {
    /// The snapshot of an epoch as a manifest would name it: of each virtual shard the newest image
    /// up to then, none older than the last that was of everything.
    pub(crate) fn taken(&self, epoch: u64, everything: u64) -> Taken {
        let images = self.images.iter().filter(|image| (everything..=epoch).contains(&image.epoch));
        let mut newest: BTreeMap<u16, ShardImage> = BTreeMap::new();
        for image in images {
            let slot = newest.entry(image.shard).or_insert_with(|| image.clone());
            if slot.epoch < image.epoch {
                slot.clone_from(image);
            }
        }
        Taken { common: self.epochs[&epoch].common.clone(), images: newest }
    }
}
