//! `sluice generate`: the simulated world as files, or into Kafka.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Flags of `sluice generate`.
#[derive(Clone, Debug, Args)]
#[command(group = clap::ArgGroup::new("target").required(true).args(["out", "kafka"]))]
#[command(after_help = "The same seed makes the same events. Events are sorted by time.

Examples:
  sluice generate --out world
  sluice generate --transactions 10000000 --interactions 5000000 --out world --format csv
  sluice generate --kafka 127.0.0.1:9092")]
pub struct GenerateArgs {
    /// Customers
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..), env = "SLUICE_GENERATE_CUSTOMERS", hide_env_values = true)]
    pub customers: u64,
    /// Purchases
    #[arg(long, value_name = "N", default_value_t = 100_000, env = "SLUICE_GENERATE_TRANSACTIONS", hide_env_values = true)]
    pub transactions: u64,
    /// Campaign contacts
    #[arg(long, value_name = "N", default_value_t = 100_000, env = "SLUICE_GENERATE_INTERACTIONS", hide_env_values = true)]
    pub interactions: u64,
    /// Seed of the world
    #[arg(long, value_name = "S", default_value_t = 1, env = "SLUICE_GENERATE_SEED", hide_env_values = true)]
    pub seed: u64,
    /// Directory for the files; made if it is not there
    #[arg(long, value_name = "DIR", env = "SLUICE_GENERATE_OUT", hide_env_values = true)]
    pub out: Option<PathBuf>,
    /// Form of the files
    #[arg(long, value_enum, default_value_t = FileFormat::Jsonl, env = "SLUICE_GENERATE_FORMAT", hide_env_values = true)]
    pub format: FileFormat,
    /// Brokers to write to instead of files
    #[arg(long, value_name = "BROKERS", conflicts_with = "format", env = "SLUICE_GENERATE_KAFKA", hide_env_values = true)]
    pub kafka: Option<String>,
}

/// Form of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FileFormat {
    /// A JSON object a line
    Jsonl,
    /// Comma-separated values with a header
    Csv,
}
