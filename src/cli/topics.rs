//! `sluice topics`: the topics at the broker.

use super::overrides;
use crate::config::load::Override;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Flags of `sluice topics`.
#[derive(Clone, Debug, Args)]
pub struct TopicsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: TopicsCommand,
}

/// What to do with topics.
#[derive(Clone, Debug, Subcommand)]
pub enum TopicsCommand {
    /// Makes the topics that are not there yet, kept for ever
    Create(CreateArgs),
}

/// Flags of `sluice topics create`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice topics create sluice.toml
  sluice topics create sluice.toml --partitions 12 --replication 3")]
pub struct CreateArgs {
    /// Configuration file
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// Partitions of each topic [default: 3]
    #[arg(long, value_name = "N", env = "SLUICE_KAFKA_PARTITIONS", hide_env_values = true)]
    pub partitions: Option<String>,
    /// Replicas of each partition [default: 1]
    #[arg(long, value_name = "N", env = "SLUICE_KAFKA_REPLICATION", hide_env_values = true)]
    pub replication: Option<String>,
}

impl CreateArgs {
    /// The keys that these flags stand for.
    pub fn overrides(&self) -> Vec<Override> {
        overrides([("kafka.partitions", "--partitions", &self.partitions), ("kafka.replication", "--replication", &self.replication)])
    }
}
