//! The campaign dataflow: purchases and interactions in; features, models and decisions out.
//! [`graph`] is its drawing.

pub mod counts;
pub mod emission;
mod fold;
pub mod graph;
mod learn;
pub mod learning;
pub mod output;
pub mod owners;
pub mod parsing;
mod recorded;
pub mod recount;
mod resuming;
pub mod rows;
mod settle;
pub mod settling;
pub mod shard;
pub mod snapshot;
mod state;
pub mod tables;
#[cfg(test)]
mod tests;
pub mod thresholds;
pub mod views;
