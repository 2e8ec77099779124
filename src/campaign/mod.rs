//! What the program knows of the campaign dataflow beside the graph itself: its rows, what it
//! publishes and shows, and the keys that what stands depends on.

mod answers;
mod changing;
pub mod counted;
mod fields;
pub mod figures;
pub mod fingerprint;
pub mod following;
mod hosted;
mod many;
mod policies;
mod predictions;
pub mod replayed;
pub mod results;
pub mod rows;
pub mod section;
