//! Sluice: customer features, contextual bandits and decisions from Kafka to PostgreSQL.
#![allow(dead_code, reason = "the commands that use the modules are not wired yet")]

pub mod kafka;
pub mod world;

fn main() {}
