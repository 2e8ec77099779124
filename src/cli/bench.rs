//! `sluice bench`: throughput and latency side by side.

use super::cluster::ClusterArgs;
use clap::Args;

/// Flags of `sluice bench`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice bench                                  one table, machine named
  sluice bench --events 10000000 --workers 2    larger, on two workers")]
pub struct BenchArgs {
    /// Events of the simulated world
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..), env = "SLUICE_BENCH_EVENTS", hide_env_values = true)]
    pub events: u64,
    /// Seed of the world
    #[arg(long, value_name = "S", default_value_t = 1, env = "SLUICE_BENCH_SEED", hide_env_values = true)]
    pub seed: u64,
    /// Workers and processes.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}
