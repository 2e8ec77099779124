//! What is put together of the engine, the campaign and a simulated world: the demo, and the bench.

pub mod bench;
pub mod demo;
