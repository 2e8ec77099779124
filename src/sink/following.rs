//! Whoever follows a dataflow from epoch to epoch, on the first worker of a job.

use super::Link;
use super::gathered::Gathered;
use crate::source::TopicUuids;
use std::any::Any;

/// Gathers what the workers send of an epoch, and knows what stands after it beside what belongs
/// to customers.
///
/// # Contract
/// Epochs are followed in order, each once, when all of it has been added.
pub trait Follow {
    /// What a worker sends.
    type Output;
    /// All of an epoch.
    type Results: Gathered;

    /// An epoch of which nothing is known yet.
    fn begin(&self, epoch: u64) -> Self::Results;

    /// Takes in what a worker has sent of it.
    fn add(&self, results: &mut Self::Results, output: Self::Output);

    /// Takes an epoch's changes into what stands, and tells it the digests before and after.
    fn follow(&mut self, results: &mut Self::Results);

    /// Tells an epoch what topics it was read from, and its link in the chain.
    fn link(&self, results: &mut Self::Results, topic_ids: TopicUuids, link: Option<Link>);

    /// What stands, for whoever shows it.
    fn standing(&self) -> Box<dyn Any>;

    /// What stands, as it goes into checkpoints.
    fn common(&self) -> Vec<u8>;

    /// Customers that there are.
    fn customers(&self) -> u64;
}
