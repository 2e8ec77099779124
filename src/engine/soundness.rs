//! Whether a checkpoint can be taken up, found out before a start changes anything: every file is
//! read, and what is in it looked through. So whatever the workers load afterward they can load.

use crate::checkpoint::{CheckpointError, Checkpoints, FileKind, Manifest};
use dataflows::snapshot::SnapshotError;
use dataflows::{Announced, Dataflow, Soundness};
use std::time::Instant;

/// What is wrong with a checkpoint that was taken under these settings.
pub fn unsound<D: Dataflow>(
    checkpoints: &Checkpoints,
    manifest: &Manifest,
    settings: &D::Settings,
) -> Option<CheckpointError> {
    look_through::<D::Soundness>(&checkpoints.holding(manifest), manifest, settings).err()
}

fn look_through<S: Soundness>(
    checkpoints: &Checkpoints,
    manifest: &Manifest,
    settings: &S::Settings,
) -> Result<(), CheckpointError> {
    let started = Instant::now();
    let soundness = S::of(settings).map_err(|error| checkpoints.unfit(manifest, &error))?;
    let (epoch, watermark, digest, customers) =
        (manifest.epoch, manifest.watermark, manifest.digest, manifest.customers);
    let common = soundness.common(
        &Announced { epoch, watermark, digest, customers },
        &checkpoints.read(&manifest.shared)?,
    );
    let common = common.map_err(|error| damaged(checkpoints.object(&manifest.shared), &error))?;
    manifest.tables.iter().try_for_each(|file| checkpoints.read(file).map(drop))?;
    let found = checkpoints.each_shard(manifest, |shard, chain| {
        let mut look = soundness.shard(shard);
        for file in chain.iter().rev() {
            let (whole, bytes) = (file.kind == FileKind::Base, checkpoints.read(file)?);
            let looked = S::look(&mut look, whole, file.customers, bytes);
            looked.map_err(|error| damaged(checkpoints.object(file), &error))?;
        }
        Ok(S::found(look))
    })?;
    S::compare(&common, found).map_err(|error| checkpoints.unfit(manifest, &error))?;
    tracing::debug!(epoch, customers, took = ?started.elapsed(), "The checkpoint is sound.");
    Ok(())
}

fn damaged(object: String, error: &SnapshotError) -> CheckpointError {
    CheckpointError::Damaged { object, why: error.to_string() }
}
