//! Tests of the room as a whole: what is written is found again, what is damaged never.

mod crashes;
mod damage;
mod histories;
mod measure;
mod pruning;
mod saving;

use super::assembly::Assembly;
use super::store::{Folder, Store};
use super::*;
use dataflows::event::Topic;
use dataflows::settings::Settings;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The checkpoints of a job in a temporary folder.
struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        Scene { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::new(Folder::new(self.folder.path().to_path_buf()))
    }

    fn checkpoints(&self) -> Checkpoints {
        over(self.store())
    }

    /// A file of the job.
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("campaign").join(name)
    }

    /// Names of all files of the job.
    fn names(&self) -> Vec<String> {
        names_in(&*self.store())
    }
}

fn over(store: Arc<dyn Store>) -> Checkpoints {
    Checkpoints::over(store, "campaign", crate::campaign::fingerprint::of(&Settings::default()))
}

fn names_in(store: &dyn Store) -> Vec<String> {
    let name = |name: String| {
        name.strip_prefix("campaign/").map(str::to_string).expect("a file of the job")
    };
    store.list("campaign").expect("a list").into_iter().map(|entry| name(entry.name)).collect()
}

/// The name of a file, be it named itself or as a twin.
fn without_twins(name: &str) -> &str {
    name.strip_prefix("twins/").unwrap_or(name)
}

/// Settings of tests: nothing is waited for.
fn settings() -> SaverSettings {
    SaverSettings {
        poll: Duration::from_millis(1),
        tries: 1,
        first_pause: Duration::ZERO,
        ..SaverSettings::new(1)
    }
}

/// One process's saver without its thread.
struct Bench {
    assembly: Assembly,
    saved: Arc<Saved>,
    committed: Arc<AtomicU64>,
}

impl Bench {
    fn new(checkpoints: Checkpoints, restored: Option<Manifest>) -> Self {
        let (saved, committed) = (Arc::new(Saved::default()), Arc::new(AtomicU64::new(u64::MAX)));
        let own = restored.iter().filter(|restored| restored.identity == checkpoints.identity());
        own.for_each(|manifest| saved.complete(manifest.epoch, manifest.created));
        let assembly = Assembly::new(
            checkpoints,
            settings(),
            Arc::clone(&committed),
            Arc::clone(&saved),
            restored,
        )
        .expect("a store");
        Bench { assembly, saved, committed }
    }

    /// Hands over a whole checkpoint of these pieces; whether it became complete.
    fn save(&mut self, checkpoint: Checkpoint) -> bool {
        let epoch = checkpoint.epoch;
        checkpoint.pieces().into_iter().for_each(|piece| self.assembly.take(piece));
        self.assembly.poll();
        self.saved.newest() == epoch
    }
}

/// A checkpoint to be written.
#[derive(Clone)]
struct Checkpoint {
    epoch: u64,
    shards: Vec<(u16, FileKind)>,
    full: bool,
    erases: bool,
}

impl Checkpoint {
    fn full(epoch: u64, shards: &[u16]) -> Self {
        let shards = shards.iter().map(|shard| (*shard, FileKind::Base)).collect();
        Checkpoint { epoch, shards, full: true, erases: false }
    }

    fn of(epoch: u64, shards: &[(u16, FileKind)]) -> Self {
        Checkpoint { epoch, shards: shards.to_vec(), full: false, erases: false }
    }

    fn pieces(&self) -> Vec<Piece> {
        let epoch = self.epoch;
        let shard = |(shard, kind): &(u16, FileKind)| Piece::Shard {
            epoch,
            shard: *shard,
            kind: *kind,
            customers: 3,
            bytes: content(epoch, *shard),
        };
        let done = [
            Piece::WorkerDone { epoch, worker: 0, longest: Pause::default() },
            Piece::Shared(Box::new(self.shared())),
        ];
        self.shards.iter().map(shard).chain(done).collect()
    }

    fn shared(&self) -> CommonPiece {
        CommonPiece {
            epoch: self.epoch,
            bytes: content(self.epoch, SHARDS),
            digest: [7; 32],
            chain: None,
            topic_ids: Default::default(),
            watermark: Some(1_709_251_200_000),
            offsets: vec![
                (Topic::Transactions.id(), 0, 10 * self.epoch),
                (Topic::Rewards.id(), 2, 5),
            ],
            customers: 3 * self.shards.len() as u64,
            full: self.full,
            erases: self.erases,
        }
    }
}

/// What a shard holds at an epoch in these tests.
fn content(epoch: u64, shard: u16) -> Vec<u8> {
    format!("shard {shard} at epoch {epoch}; ").repeat(3).into_bytes()
}

/// What a restart would load: the epoch in each file of each shard, after every content was
/// compared with what was written.
fn loaded(checkpoints: &Checkpoints, manifest: &Manifest) -> BTreeMap<u16, Vec<u64>> {
    for (shard, file) in manifest.files() {
        let expected = content(file.epoch, shard.unwrap_or(SHARDS));
        assert_eq!(*checkpoints.read(file).expect("it is whole"), *expected, "{}", file.name);
    }
    manifest
        .shards
        .iter()
        .map(|(shard, chain)| (*shard, chain.iter().map(|file| file.epoch).collect()))
        .collect()
}

/// What a restart after epoch `at_most` would take.
fn restored(checkpoints: &Checkpoints, at_most: u64) -> Option<Manifest> {
    checkpoints
        .find::<()>(at_most, |_| None, |_| None, |manifest, _| unreadable(checkpoints, manifest))
        .expect("the store works")
        .manifest
}

/// A file of a checkpoint that cannot be read.
fn unreadable(checkpoints: &Checkpoints, manifest: &Manifest) -> Option<CheckpointError> {
    manifest.files().find_map(|(_, file)| checkpoints.read(file).err())
}
