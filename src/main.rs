//! Sluice: customer features, contextual bandits and decisions from Kafka to PostgreSQL.
#![allow(dead_code, reason = "the commands that use the modules are not wired yet")]
#![allow(unreachable_pub, reason = "a program exports nothing: `pub` says what a module offers to the others")]

mod config;
mod files;
mod telemetry;
pub mod world;

fn main() {}
