//! Sluice: customer features, contextual bandits and decisions from Kafka to PostgreSQL.
#![allow(dead_code, reason = "the commands that use the modules are not wired yet")]

pub mod postgres;
pub mod results;
pub mod world;

fn main() {}
