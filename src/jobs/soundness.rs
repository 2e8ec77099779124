//! Whether a checkpoint can be taken up, found out before a start changes anything: every file is
//! read, and what is in it looked through. So whatever the workers load afterward they can load.

use crate::checkpoint::{CheckpointError, Checkpoints, Kind, Manifest};
use dataflows::campaign::snapshot::soundness::{Announced, Bounds, ShardLook, compare};
use dataflows::settings::Settings;
use dataflows::snapshot::SnapshotError;
use std::time::Instant;

/// What is wrong with a checkpoint that was taken under these settings.
pub fn unsound(
    checkpoints: &Checkpoints,
    manifest: &Manifest,
    settings: &Settings,
) -> Option<CheckpointError> {
    look_through(&checkpoints.holding(manifest), manifest, settings).err()
}

fn look_through(
    checkpoints: &Checkpoints,
    manifest: &Manifest,
    settings: &Settings,
) -> Result<(), CheckpointError> {
    let started = Instant::now();
    let bounds = Bounds::of(settings).map_err(|error| whole(checkpoints, manifest, &error))?;
    let (epoch, watermark, digest, customers) =
        (manifest.epoch, manifest.watermark, manifest.digest, manifest.customers);
    let common = bounds.look_at_common(
        &Announced { epoch, watermark, digest, customers },
        &checkpoints.read(&manifest.shared)?,
    );
    let common = common.map_err(|error| damaged(checkpoints.object(&manifest.shared), &error))?;
    manifest.tables.iter().try_for_each(|file| checkpoints.read(file).map(drop))?;
    let segments = checkpoints.each_shard(manifest, |shard, chain| {
        let mut look = ShardLook::new(&bounds, shard);
        for file in chain.iter().rev() {
            let looked =
                look.look(file.kind == Kind::Base, file.customers, checkpoints.read(file)?);
            looked.map_err(|error| damaged(checkpoints.object(file), &error))?;
        }
        Ok(look.segments())
    })?;
    compare(&common, segments).map_err(|error| whole(checkpoints, manifest, &error))?;
    tracing::debug!(epoch, customers, took = ?started.elapsed(), "The checkpoint is sound.");
    Ok(())
}

/// What is wrong with no single file of it.
pub(super) fn whole(
    checkpoints: &Checkpoints,
    manifest: &Manifest,
    error: &SnapshotError,
) -> CheckpointError {
    damaged(
        format!("the checkpoint of epoch {} in {}", manifest.epoch, checkpoints.address()),
        error,
    )
}

fn damaged(object: String, error: &SnapshotError) -> CheckpointError {
    CheckpointError::Damaged { object, why: error.to_string() }
}
