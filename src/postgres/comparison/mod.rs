//! The tables compared with what they should hold: read beside the job that writes them, and
//! changed in nothing.
//!
//! [`Snapshot`] sees all tables as of one commit. [`Expected`] folds the results of every epoch up
//! to it into the rows that the tables must then have, encoded by the very code that the writer
//! uses; [`Snapshot::compare`] reads each table once and names whatever differs.

pub mod blocks;
pub mod copied;
pub mod difference;
pub mod doubt;
pub mod expected;
pub mod kept;
pub mod snapshot;
pub mod stored;
pub mod trust;
pub mod wanted;

pub use blocks::EpochBlocks;
pub use difference::{Difference, Findings};
pub use doubt::Doubt;
pub use expected::Expected;
pub use snapshot::{Recorded, Snapshot, Standing};
