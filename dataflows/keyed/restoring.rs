//! Taking up a snapshot: the customers of a worker from their images.

use super::{Keyed, KeyedBeginning, KeyedCommon, KeyedShards, image};
use crate::codec::Aligned;
use crate::dataflow::{Begins, Restoring};
use crate::snapshot::{Images, SnapshotError};
use crate::state::turns::Pacer;

/// One worker's customers while they are being loaded.
pub struct KeyedRestoring<K: Keyed> {
    shards: KeyedShards<K>,
    common: KeyedCommon,
}

impl<K: Keyed> KeyedRestoring<K> {
    /// Begins to load what goes with this common part.
    pub fn after(common: &KeyedCommon) -> Self {
        KeyedRestoring { shards: KeyedShards::new(), common: common.clone() }
    }
}

impl<K: Keyed> Restoring for KeyedRestoring<K> {
    type Beginning = KeyedBeginning<K>;

    fn load(&mut self, shard: u16, whole: bool, bytes: Aligned) -> Result<u64, SnapshotError> {
        let customers = image::customers::<K>(shard, whole, &bytes)?;
        let loaded = customers.len() as u64;
        self.shards.shards[usize::from(shard)].customers = customers.into_iter().collect();
        Ok(loaded)
    }

    fn finish(self) -> KeyedBeginning<K> {
        KeyedBeginning::new(self.shards, self.common)
    }
}

impl<K: Keyed> KeyedBeginning<K> {
    pub(super) fn new(shards: KeyedShards<K>, common: KeyedCommon) -> Self {
        KeyedBeginning { shards, common, pacer: Pacer::default(), images: None }
    }
}

impl<K: Keyed> Begins for KeyedBeginning<K> {
    fn epoch(&self) -> u64 {
        self.common.epoch
    }

    fn paced_by(self, pacer: Pacer) -> Self {
        KeyedBeginning { pacer, ..self }
    }

    fn saving(self, images: Option<Box<dyn Images>>) -> Self {
        KeyedBeginning { images, ..self }
    }
}
