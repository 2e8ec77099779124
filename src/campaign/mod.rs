//! What the program knows of the campaign dataflow beside the graph itself: its rows.

pub mod rows;
mod sums;
