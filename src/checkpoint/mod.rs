//! Checkpoints: what a restart goes on from instead of replaying every recorded epoch.
//!
//! A checkpoint is a manifest and the files that it names, under the names of the job and of its
//! history in a folder or an object store:
//!
//! ```text
//! <job>/<history>/manifests/<epoch>.json    written last, once the epoch is committed: what has
//!                                           no manifest is no checkpoint
//! .../shards/<shard>/<epoch>-base.zst       all customers of a virtual shard
//! .../shards/<shard>/<epoch>-delta.zst      those that changed since the checkpoint before; a
//!                                           later record takes the place of an earlier
//! .../twins/shards/...                      each file of a shard once more
//! .../shared/<epoch>.zst                    what belongs to no customer
//! .../parts/<epoch>-<process>.json          what another process has written, for process 0; gone
//!                                           when the manifest is there
//! ```
//!
//! `<history>` are the first 16 digits of the identity that was drawn when the job began, or began
//! anew, and that its progress has; the manifest has all of them. So several deployments of a job
//! can share a place: whatever lies there of another history (of another deployment, of before a
//! database was lost) is named, and neither taken nor written over nor removed. One history can
//! still have two futures, where a database was restored from a copy: a manifest also names its
//! epoch's link in the chain of the job's epochs, and is passed over where that is not the recorded
//! one. A file of such a lost future that has the name of one that is written is written over: what
//! a manifest names it knows by length and checksum.
//!
//! Older versions wrote all this right into `<job>`. Such a checkpoint is gone on from where its
//! link, or its digest, is that of the recorded epoch. The first one after it is full, and once it
//! is whole what lies in `<job>` itself goes.
//!
//! The files of a shard are named by one checkpoint after the other until its base is written anew,
//! so each is there twice: where one is missing or damaged, its twin is read. Else one bad block
//! could be the end of every checkpoint at once.
//!
//! [`Checkpoints`] finds, reads, commits and prunes them; [`Saver`] is the thread that writes one
//! while the job goes on. What the bytes mean is the core's affair. Everything is checked before it
//! is believed: the manifest and the parts carry a checksum of themselves, and the manifest the
//! length and the checksum of each file, so that nothing truncated, flipped or foreign is ever
//! loaded.

mod assembly;
mod at_once;
mod checkpoints;
pub mod error;
pub mod manifest;
mod names;
mod pack;
pub mod saver;
mod section;
pub mod store;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub use assembly::Abandoned;
pub use checkpoints::{Checkpoints, Listed, PassedOver, Selection};
pub use error::CheckpointError;
pub use manifest::{FileKind, Manifest};
pub use saver::{CommonPiece, Pause, Piece, Saved, Saver, SaverSettings, Unsaved};

use dataflows::event::text::VIRTUAL_SHARDS;

/// Virtual shards that the customers are spread over; frozen, as the number of workers is not.
pub const SHARDS: u16 = VIRTUAL_SHARDS as u16;
