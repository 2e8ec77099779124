//! `sluice bench`: what an event costs in a whole replay, in one table, with the machine's name.

mod table;

use super::error::ProgramError;
use super::{GlobalArgs, load, print, print_json};
use crate::jobs::bench::live::LivePlan;
use crate::jobs::bench::{BenchPlan, PlannedWorld, bench};
use crate::telemetry::logging;
use clap::Args;
use std::path::PathBuf;
use world::WorldSettings;

/// Flags of `sluice bench`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "A simulated world is replayed in processes of their own, three times with each \
        number of workers, at the default settings.
On a machine that does other things too, believe the CPU time, and the least of it.
With --brokers and --postgres the long-running job is measured too, on topics and a database of its
own that are removed in the end: from full topics, and from a producer that keeps to its schedule
whatever happens. An event's time runs from the instant at which it is due until a reader of the
database can see its epoch.

Examples:
  sluice bench                                       two million events with 1 worker and with 2
  sluice bench --workers 1,2,4,8 --wide --json       more workers, many customers too, for programs
  sluice bench --transactions 10000000 --directory /var/tmp
  sluice bench --brokers 127.0.0.1:9092 --postgres postgres://sluice@127.0.0.1/sluice --rate 50000"
)]
pub struct BenchArgs {
    /// Customers of the simulated world
    #[arg(
        long,
        value_name = "N",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(1..),
        env = "SLUICE_BENCH_CUSTOMERS",
        hide_env_values = true
    )]
    pub customers: u32,
    /// Their purchases
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1_000_000,
        env = "SLUICE_BENCH_TRANSACTIONS",
        hide_env_values = true
    )]
    pub transactions: u64,
    /// Campaign contacts
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1_000_000,
        env = "SLUICE_BENCH_INTERACTIONS",
        hide_env_values = true
    )]
    pub interactions: u64,
    /// Seed of the world
    #[arg(
        long,
        value_name = "S",
        default_value_t = 1,
        env = "SLUICE_BENCH_SEED",
        hide_env_values = true
    )]
    pub seed: u64,
    /// Numbers of worker threads; the first is what the others are compared with
    #[arg(
        short,
        long,
        value_name = "LIST",
        default_value = "1,2",
        value_delimiter = ',',
        value_parser = clap::value_parser!(u16).range(1..=1024),
        env = "SLUICE_BENCH_WORKERS",
        hide_env_values = true
    )]
    pub workers: Vec<u16>,
    /// Replays a world of 500,000 customers too, once with each number of workers
    #[arg(
        long,
        value_parser = clap::builder::FalseyValueParser::new(),
        env = "SLUICE_BENCH_WIDE",
        hide_env_values = true
    )]
    pub wide: bool,
    /// Brokers at which the long-running job is measured too
    #[arg(
        long,
        value_name = "BROKERS",
        requires = "postgres",
        env = "SLUICE_BENCH_BROKERS",
        hide_env_values = true
    )]
    pub brokers: Option<String>,
    /// Database for it, of a user who may make databases
    #[arg(
        long,
        value_name = "URL",
        requires = "brokers",
        env = "SLUICE_BENCH_POSTGRES",
        hide_env_values = true
    )]
    pub postgres: Option<String>,
    /// Events a second that it is sent when its latency is measured
    #[arg(
        long,
        value_name = "N",
        default_value_t = 50_000,
        value_parser = clap::value_parser!(u32).range(1..),
        env = "SLUICE_BENCH_RATE",
        hide_env_values = true
    )]
    pub rate: u32,
    /// Directory for the files, which are removed in the end [default: that of the system for
    /// temporary files]
    #[arg(long, value_name = "DIR", env = "SLUICE_BENCH_DIRECTORY", hide_env_values = true)]
    pub directory: Option<PathBuf>,
}

/// How often each number of workers replays the world.
const RUNS: usize = 3;
/// Customers of the wide world: their state fits no cache.
const WIDE: u32 = 500_000;

/// Measures, and prints the table.
///
/// # Errors
/// The flags are wrong, a world cannot be written, a replay fails, or standard output cannot be
/// written.
pub fn run(args: &BenchArgs, global: &GlobalArgs) -> Result<(), ProgramError> {
    logging::start(&load(None, &global.overrides()).accept()?.log);
    let report = bench(&args.plan())?;
    match global.json {
        true => print_json(&args.to_json(&report)),
        false => print(&args.to_text(&report)),
    }
}

impl BenchArgs {
    fn plan(&self) -> BenchPlan {
        let BenchArgs { customers, transactions, interactions, seed, .. } = *self;
        let settings = WorldSettings {
            customers,
            transactions,
            interactions,
            seed,
            ..WorldSettings::default()
        };
        let wide = self.wide.then(|| PlannedWorld {
            settings: WorldSettings { customers: WIDE, ..settings.clone() },
            runs: 1,
        });
        BenchPlan {
            worlds: [PlannedWorld { settings, runs: RUNS }].into_iter().chain(wide).collect(),
            workers: self.workers.iter().copied().map(usize::from).collect(),
            live: self
                .brokers
                .clone()
                .zip(self.postgres.clone())
                .map(|(brokers, postgres)| LivePlan { brokers, postgres, rate: self.rate }),
            directory: self.directory.clone().unwrap_or_else(std::env::temp_dir),
        }
    }
}
