//! A small dataflow as whoever runs it sees it: its drawing.

use super::parsing::parse;
use super::settling::settle;
use super::worker::KeyedWorker;
use super::{
    Keyed, KeyedBeginning, KeyedCommon, KeyedOutput, KeyedRestoring, KeyedSettings, KeyedShards,
    KeyedSoundness,
};
use crate::dataflow::Dataflow;
use crate::epoch::{Partitions, close_epochs};
use crate::snapshot::SnapshotError;
use crate::source::{Feed, TopicId};
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::operators::Concatenate;
use timely::dataflow::operators::vec::{Broadcast, Map};

impl<K: Keyed> Dataflow for K {
    const NAME: &'static str = K::NAME;
    type Settings = KeyedSettings;
    type Output = KeyedOutput<K::View>;
    type Common = KeyedCommon;
    type Beginning = KeyedBeginning<K>;
    type Restoring = KeyedRestoring<K>;
    type Soundness = KeyedSoundness<K>;

    fn topics() -> Vec<TopicId> {
        K::topics()
    }

    fn settings(&self) -> KeyedSettings {
        Keyed::settings(self).clone()
    }

    fn anew(&self, _: usize, _: usize) -> KeyedBeginning<K> {
        KeyedBeginning::new(KeyedShards::new(), KeyedCommon::default())
    }

    fn common(bytes: &[u8]) -> Result<KeyedCommon, SnapshotError> {
        KeyedCommon::from_bytes(bytes)
    }

    fn restoring(
        &self,
        _: usize,
        _: usize,
        common: &Arc<KeyedCommon>,
        _: Option<&KeyedSettings>,
    ) -> Result<KeyedRestoring<K>, SnapshotError> {
        Ok(KeyedRestoring::after(common))
    }

    fn build<'scope>(
        &self,
        feed: StreamVec<'scope, u64, Feed>,
        beginning: KeyedBeginning<K>,
    ) -> StreamVec<'scope, u64, KeyedOutput<K::View>> {
        let scope = feed.scope();
        let KeyedBeginning { shards, common, pacer, images } = beginning;
        let parsed = parse(feed, self, &common, pacer.clone());
        let partitions = Partitions::new(Keyed::settings(self).lateness, common.watermark);
        let closings = close_epochs(parsed.standings, partitions);
        let worker = KeyedWorker::new(shards, pacer, images);
        let settled = settle(parsed.said, closings.clone().broadcast(), worker);
        scope.concatenate([parsed.outputs, settled, closings.map(KeyedOutput::Closed)])
    }
}
