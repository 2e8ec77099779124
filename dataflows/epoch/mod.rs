//! Epochs: how far time has come at the end of each, from where the partitions of its topics stand.

mod closed;
mod watermark;

pub use closed::Closed;
pub use watermark::{Partitions, Standing};
