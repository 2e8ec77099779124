//! The campaign dataflow: purchases and interactions in; features, models and decisions out.

pub mod feed;
pub mod output;
