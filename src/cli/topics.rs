//! `sluice topics`: the topics at the broker.

use super::error::ProgramError;
use super::{GlobalArgs, load, overrides, print, print_json};
use crate::config::fault::Faults;
use crate::config::load::Override;
use crate::kafka::admin::{Creation, create_topics};
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
        overrides([
            ("kafka.partitions", "--partitions", &self.partitions),
            ("kafka.replication", "--replication", &self.replication),
        ])
    }
}

/// Does what is asked of the topics.
///
/// # Errors
/// The configuration is wrong, or the broker cannot be reached or refuses.
pub fn run(args: &TopicsArgs, global: &GlobalArgs) -> Result<(), ProgramError> {
    match &args.command {
        TopicsCommand::Create(args) => create(args, global),
    }
}

fn create(args: &CreateArgs, global: &GlobalArgs) -> Result<(), ProgramError> {
    let loaded = load(Some(&args.config), &[global.overrides(), args.overrides()].concat());
    let config = loaded.accept()?;
    crate::telemetry::logging::start(&config.log);
    if config.kafka.brokers.is_empty() {
        return Err(Faults::of(
            "kafka.brokers",
            vec![
                "expected the brokers to make the topics at, such as \"127.0.0.1:9092\""
                    .to_string(),
            ],
        )
        .into());
    }
    let (partitions, replication) =
        (config.kafka.partitions.unsigned_abs(), config.kafka.replication.unsigned_abs());
    let created = create_topics(&config.kafka_settings(), partitions, replication)?;
    let word = |creation| match creation {
        Creation::Created => "created",
        Creation::Exists => "exists",
    };
    match global.json {
        true => print_json(
            &created
                .iter()
                .map(|(name, creation)| (name.clone(), word(*creation).into()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        ),
        false => print(
            &created
                .iter()
                .map(|(name, creation)| format!("{:8} {name}", word(*creation)))
                .collect::<Vec<_>>()
                .join("\n"),
        ),
    }
}
