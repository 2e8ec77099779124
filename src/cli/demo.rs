//! `sluice demo`: everything embedded in one process, nothing to install.

use super::cluster::ClusterArgs;
use super::serve::ServeArgs;
use crate::config::load::Override;
use clap::Args;

/// Flags of `sluice demo`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Ctrl-C drains and ends it.

Examples:
  sluice demo                          then open http://127.0.0.1:8080
  sluice demo --rate 10000 --seed 7    faster, and another world")]
pub struct DemoArgs {
    /// Seed of the simulated world
    #[arg(long, value_name = "S", default_value_t = 1, env = "SLUICE_DEMO_SEED", hide_env_values = true)]
    pub seed: u64,
    /// Events a second
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..), env = "SLUICE_DEMO_RATE", hide_env_values = true)]
    pub rate: u64,
    /// Console and API.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// Workers and processes.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

impl DemoArgs {
    /// The keys that these flags stand for.
    pub fn overrides(&self) -> Vec<Override> {
        [self.serve.overrides(), self.cluster.overrides()].concat()
    }
}
