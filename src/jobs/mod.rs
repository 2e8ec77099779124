//! Jobs: a source, the campaign dataflow and a sink put together, one file each.

pub mod replay;
