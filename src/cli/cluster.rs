//! Flags of every command that runs a dataflow: how many workers and processes, with timely's own
//! meaning.

use super::overrides;
use crate::config::load::Override;
use clap::Args;

/// Workers and processes. The values are checked as keys of the configuration, together with all
/// others.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster options")]
pub struct ClusterArgs {
    /// Worker threads in each process [default: 1]
    #[arg(short, long, value_name = "N", env = "SLUICE_WORKERS", hide_env_values = true)]
    pub workers: Option<String>,
    /// Processes that run the job together [default: 1]
    #[arg(short = 'n', long, value_name = "N", env = "SLUICE_PROCESSES", hide_env_values = true)]
    pub processes: Option<String>,
    /// Which of them this one is, counted from 0
    #[arg(short, long, value_name = "I", env = "SLUICE_PROCESS", hide_env_values = true)]
    pub process: Option<String>,
    /// File with one host:port a line, one line for each process; without it all are on this
    /// machine
    #[arg(long, value_name = "FILE", env = "SLUICE_HOSTFILE", hide_env_values = true)]
    pub hostfile: Option<String>,
}

impl ClusterArgs {
    /// The keys that these flags stand for.
    pub fn overrides(&self) -> Vec<Override> {
        overrides([
            ("workers", "--workers", &self.workers),
            ("processes", "--processes", &self.processes),
            ("process", "--process", &self.process),
            ("hostfile", "--hostfile", &self.hostfile),
        ])
    }
}
