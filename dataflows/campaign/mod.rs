//! The campaign dataflow: purchases and interactions in; features, models and decisions out.
//! [`graph`] is its drawing.

pub mod counts;
mod decide;
pub mod emission;
pub mod feed;
mod folding;
pub mod graph;
mod known;
pub mod learning;
pub mod ledger;
pub mod output;
pub mod owners;
pub mod parsing;
mod resolve;
mod running;
mod settle;
pub mod settling;
pub mod shard;
pub mod snapshot;
pub mod tables;
#[cfg(test)]
mod tests;
pub mod thresholds;
pub mod views;
mod visit;
mod walk;
pub mod watermark;
