//! What the program knows of the campaign dataflow beside the graph itself: its rows, and what it
//! shows, and the keys that what stands depends on.

mod answers;
mod changing;
pub mod counted;
pub mod figures;
pub mod fingerprint;
pub mod following;
mod hosted;
mod many;
pub mod replayed;
pub mod results;
pub mod rows;
mod sums;
