//! The progress of a job without a database: a journal beside its checkpoints.
//!
//! ```text
//! <checkpoint.dir>/<job>/journal.log     who has the job, where it began, and of each epoch
//!                                        offsets, watermark, digest, thresholds: a line each
//! <checkpoint.dir>/<job>/journal.lock    locked by the process that has it
//! <checkpoint.dir>/<job>/kept/           what is kept of compacted topics, a file an epoch
//! ```
//!
//! An epoch counts from the moment at which its line lies on the disk; where the changes of each
//! epoch go into a file, that file lies there before. Lines are only ever appended. The file is
//! written anew where that makes it shorter or something has to go: when the epochs from before the
//! oldest checkpoint are many, when a customer is erased, and when everything is made anew.
//!
//! **One writer.** The first instance holds the lock and a second one is refused, where PostgreSQL
//! lets the second one win: a file cannot be put in place and the journal appended to in one step,
//! so an instance that still went on could write over files of the next one. The lock ends with its
//! process, however that ends; one that hangs ends itself or is killed by whoever keeps it running.
//! Each start also raises the incarnation. Every line of an epoch has it, the file is looked at
//! before each write and its end after, and of lines that came from an older incarnation after a
//! newer one has started none counts: even without any lock, two instances would not both go on.

pub mod error;
pub mod kept;
mod ledger;
mod log;
mod record;
mod section;
mod shared;
mod state;
#[cfg(test)]
pub mod tests;
mod writer;

pub use error::JournalError;
pub use ledger::{Ledger, inspect};
pub use log::path_in;
pub use shared::share;
pub use writer::{JournalSettings, JournalWriter};
