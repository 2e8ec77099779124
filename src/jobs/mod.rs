//! Jobs: a source, the campaign dataflow and a sink put together, one file each.

pub mod bench;
pub mod demo;
pub mod gather;
pub mod live;
pub mod predictions;
pub mod replay;
pub mod run;
