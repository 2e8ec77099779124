//! A dataflow as whoever runs it sees it: what a worker begins with, and what comes of a feed.

use crate::source::{Feed, TopicId};
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
pub trait Dataflow: Clone + Send + Sync + 'static {
    /// The name by which a configuration chooses it.
    const NAME: &'static str;

    /// What a worker sends of an epoch.
    type Output: ExchangeData;

    /// What a worker begins with.
    type Beginning;

    /// The topics that it reads, in the order of their numbers.
    fn topics() -> Vec<TopicId>;

    /// What worker `worker` of `peers` begins with in a job without a past.
    fn anew(&self, worker: usize, peers: usize) -> Self::Beginning;

    /// Wires it on this worker. The first epoch is the one after that which the beginning is of;
    /// each source worker sends its marks with every epoch. Outputs stay on the worker that made
    /// them.
    fn build<'scope>(
        &self,
        feed: StreamVec<'scope, u64, Feed>,
        beginning: Self::Beginning,
    ) -> StreamVec<'scope, u64, Self::Output>;
}
