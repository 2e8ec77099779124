//! The files that `replay` writes of a campaign: features, model, thresholds, summary, rejects.

mod directory;
mod model;
mod summary;
pub mod thresholds;

pub use directory::{OutputDirectory, SinkError, sorted_rows};
pub use model::{ArmFile, ModelFile};
pub use summary::{Cost, Summary};
