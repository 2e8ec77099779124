//! A dataflow as whoever runs it sees it: what a worker begins with, what comes of a feed, and how
//! what stands is taken up again.

use crate::codec::Aligned;
use crate::snapshot::{Images, SnapshotError};
use crate::source::{Feed, TopicId};
use crate::state::turns::Pacer;
use crate::time::Millis;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;
use timely::ExchangeData;
use timely::dataflow::StreamVec;

/// A dataflow and its settings; the same on every worker.
///
/// # Contract
/// - The same topics, epochs and settings give the same rows, whatever the number of workers and
///   the order in which records arrive in an epoch.
/// - What is sent of an epoch is sent at its time, before the frontier passes it. Of several rows
///   of one key in one epoch, which come from one worker, the last one stands.
/// - Each epoch's end is told once, by the first worker.
/// - Nothing is read but the feed: no clock, no file, no randomness.
/// - What is taken up again of a snapshot goes on as if it had never been put down, on any number
///   of workers.
pub trait Dataflow: Clone + Send + Sync + 'static {
    /// The name by which a configuration chooses it.
    const NAME: &'static str;

    /// What its rows are made with, and nothing of which rows a sink wants: recorded with the
    /// epochs that it holds for.
    type Settings: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync;

    /// What a worker sends of an epoch.
    type Output: ExchangeData;

    /// What belongs to no key of a snapshot.
    type Common: Send + Sync;

    /// What a worker begins with.
    type Beginning: Begins;

    /// What a worker begins with, while it is being loaded.
    type Restoring: Restoring<Beginning = Self::Beginning>;

    /// Who looks snapshots through.
    type Soundness: Soundness<Settings = Self::Settings>;

    /// The topics that it reads, in the order of their numbers.
    fn topics() -> Vec<TopicId>;

    /// The key of the topic to which it tells others what it comes to, where it does.
    fn tells() -> Option<&'static str> {
        None
    }

    /// Its settings.
    fn settings(&self) -> Self::Settings;

    /// What worker `worker` of `peers` begins with in a job without a past.
    fn anew(&self, worker: usize, peers: usize) -> Self::Beginning;

    /// What belongs to no key of a snapshot, from its bytes.
    ///
    /// # Errors
    /// They are something else.
    fn common(bytes: &[u8]) -> Result<Self::Common, SnapshotError>;

    /// Begins to take up a snapshot on worker `worker` of `peers`, given what belongs to no key of
    /// it; where it was taken under `former` settings, the next epoch is the change of them.
    ///
    /// # Errors
    /// The former settings are none.
    fn restoring(
        &self,
        worker: usize,
        peers: usize,
        common: &Arc<Self::Common>,
        former: Option<&Self::Settings>,
    ) -> Result<Self::Restoring, SnapshotError>;

    /// Wires it on this worker. The first epoch is the one after that which the beginning is of;
    /// each source worker sends its marks with every epoch. Outputs stay on the worker that made
    /// them.
    fn build<'scope>(
        &self,
        feed: StreamVec<'scope, u64, Feed>,
        beginning: Self::Beginning,
    ) -> StreamVec<'scope, u64, Self::Output>;
}

/// What a worker begins with.
pub trait Begins {
    /// The epoch that it goes on after; 0: it is the beginning of all.
    fn epoch(&self) -> u64;

    /// The same, with turns that this one ends.
    fn paced_by(self, pacer: Pacer) -> Self;

    /// The same, with whoever takes the images of its snapshots.
    fn saving(self, images: Option<Box<dyn Images>>) -> Self;
}

/// What a worker begins with, while it is being loaded.
pub trait Restoring {
    /// What comes of it.
    type Beginning;

    /// Loads an image of a virtual shard: the whole one, or changes after it, in the order in which
    /// they were taken. Says how many keys it has.
    ///
    /// # Errors
    /// Bytes that are no image of this virtual shard. What was loaded so far is then of no use.
    fn load(&mut self, shard: u16, whole: bool, bytes: Aligned) -> Result<u64, SnapshotError>;

    /// All of it, ready for the epoch after the snapshot.
    fn finish(self) -> Self::Beginning;
}

/// What is known of a snapshot before anything of it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Its epoch.
    pub epoch: u64,
    /// The epoch's watermark.
    pub watermark: Option<Millis>,
    /// The digest of what stands after it.
    pub digest: [u8; 32],
    /// How many keys stand after it.
    pub customers: u64,
}

/// Looks a snapshot through without taking it up: whatever passes can be taken up.
pub trait Soundness: Sized + Sync {
    /// What it was taken under.
    type Settings;
    /// What belongs to no key.
    type Common: Sync;
    /// One virtual shard while it is looked through.
    type Shard<'a>
    where
        Self: 'a;
    /// What was found in one virtual shard.
    type Found: Send;

    /// By these settings.
    ///
    /// # Errors
    /// They are none.
    fn of(settings: &Self::Settings) -> Result<Self, SnapshotError>;

    /// Looks through what belongs to no key.
    ///
    /// # Errors
    /// It cannot be read, or is not of the snapshot that is announced.
    fn common(&self, announced: &Announced, bytes: &[u8]) -> Result<Self::Common, SnapshotError>;

    /// Begins with a virtual shard.
    fn shard(&self, shard: u16) -> Self::Shard<'_>;

    /// Looks through an image that should have so many keys. Later images come first; the last to
    /// come is the `whole` one.
    ///
    /// # Errors
    /// It cannot be taken up.
    fn look(
        shard: &mut Self::Shard<'_>,
        whole: bool,
        customers: u64,
        bytes: Aligned,
    ) -> Result<(), SnapshotError>;

    /// What the virtual shard has.
    fn found(shard: Self::Shard<'_>) -> Self::Found;

    /// Makes sure that what all virtual shards have is what the common part says.
    ///
    /// # Errors
    /// It is something else.
    fn compare(
        common: &Self::Common,
        found: impl IntoIterator<Item = Self::Found>,
    ) -> Result<(), SnapshotError>;
}
