//! Checkpoints: what a restart goes on from instead of replaying every recorded epoch.
//!
//! A checkpoint is a manifest and the files that it names, under the job's name in a folder or an object store:
//!
//! ```text
//! <job>/manifests/<epoch>.json              written last, once the epoch is committed: what has no manifest is no checkpoint
//! <job>/shards/<shard>/<epoch>-base.zst     all customers of a virtual shard
//! <job>/shards/<shard>/<epoch>-delta.zst    those that changed since the checkpoint before; a later record takes the place of an earlier
//! <job>/twins/shards/...                    each file of a shard once more
//! <job>/shared/<epoch>.zst                  what belongs to no customer
//! <job>/parts/<epoch>-<process>.json        what another process has written, for process 0; gone when the manifest is there
//! ```
//!
//! A manifest names its epoch's link in the chain of the job's epochs, so that one of another history is never taken. Where a file of such a one has the name
//! of one that is written, it is written over, and the other manifest is damaged from then on: what a manifest names it knows by length and checksum.
//!
//! The files of a shard are named by one checkpoint after the other until its base is written anew, so each is there twice: where one is missing or damaged,
//! its twin is read. Else one bad block could be the end of every checkpoint at once.
//!
//! [`Checkpoints`] finds, reads, commits and prunes them; [`Saver`] is the thread that writes one while the job goes on. What the bytes mean
//! is the core's affair. Everything is checked before it is believed: the manifest and the parts carry a checksum of themselves, and the
//! manifest the length and the checksum of each file, so that nothing truncated, flipped or foreign is ever loaded.

mod assembly;
mod at_once;
mod checkpoints;
pub mod error;
pub mod fingerprint;
pub mod manifest;
mod names;
mod pack;
pub mod saver;
pub mod store;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub use assembly::Abandoned;
pub use checkpoints::{Checkpoints, Found, Listed, PassedOver};
pub use error::CheckpointError;
pub use fingerprint::Fingerprint;
pub use manifest::{Kind, Manifest};
pub use saver::{Pause, Piece, Saved, Saver, SaverSettings, Shared, Unsaved};
pub use store::Location;

use dataflows::event::text::VIRTUAL_SHARDS;

/// Virtual shards that the customers are spread over; frozen, as the number of workers is not.
pub const SHARDS: u16 = VIRTUAL_SHARDS as u16;
