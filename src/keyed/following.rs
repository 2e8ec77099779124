//! Follows a small dataflow from epoch to epoch: the sum of all its views, and its digest.

use super::results::KeyedResults;
use crate::sink::Link;
use crate::sink::following::Follow;
use crate::source::TopicUuids;
use dataflows::keyed::{Keyed, KeyedCommon, KeyedOutput};
use std::any::Any;
use std::marker::PhantomData;

/// What stands of a small dataflow beside its customers.
pub struct KeyedFollower<K> {
    common: KeyedCommon,
    /// The next epoch is a change of settings.
    changing: bool,
    dataflow: PhantomData<fn() -> K>,
}

impl<K: Keyed> KeyedFollower<K> {
    /// Goes on after this; the default is a job that begins.
    pub fn after(common: KeyedCommon) -> Self {
        KeyedFollower { common, changing: false, dataflow: PhantomData }
    }

    /// Begins with an epoch that is a change of settings, where it is one.
    pub fn changing(self, changing: bool) -> Self {
        KeyedFollower { changing, ..self }
    }
}

impl<K: Keyed> Follow for KeyedFollower<K> {
    type Output = KeyedOutput<K::View>;
    type Results = KeyedResults<K::View>;

    fn begin(&self, epoch: u64) -> Self::Results {
        KeyedResults::new(epoch)
    }

    fn add(&self, results: &mut Self::Results, output: Self::Output) {
        results.add(output);
    }

    fn follow(&mut self, results: &mut Self::Results) {
        results.is_change = std::mem::take(&mut self.changing);
        results.digest_before = self.common.digest::<K>();
        self.common.end(results.epoch, &results.closed, &results.sum, &results.counts);
        results.digest = self.common.digest::<K>();
    }

    fn link(&self, results: &mut Self::Results, topic_ids: TopicUuids, link: Option<Link>) {
        (results.topic_ids, results.chain) = (topic_ids, link);
    }

    fn standing(&self) -> Box<dyn Any> {
        Box::new(self.common.clone())
    }

    fn common(&self) -> Vec<u8> {
        self.common.to_bytes()
    }

    fn customers(&self) -> u64 {
        self.common.customers()
    }
}
