//! `sluice demo`: everything embedded in one process, nothing to install.

mod texts;

use super::cluster::ClusterArgs;
use super::error::ProgramError;
use super::serve::ServeArgs;
use super::{GlobalArgs, load, print, warn};
use crate::config::load::Override;
use crate::config::types::Config;
use crate::jobs::demo::{Told, demo};
use crate::telemetry::logging;
use clap::Args;
use std::time::Duration;
use texts::{
    beginning_json, beginning_text, progress_json, progress_text, summary_json, summary_text,
};
use world::demo::DemoSettings;
use world::response::ARMS;

/// Flags of `sluice demo`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Customers, purchases and what customers answer are simulated; the decisions are \
        those of the dataflow, which learns from the answers.
Ctrl-C drains and ends it; a second one ends it at once. Nothing is stored, but all histories are \
kept in memory: about 100 bytes an event.
By itself it ends when simulated time reaches 2100, after 27 million events.

Examples:
  sluice demo                          then open http://127.0.0.1:8080
  sluice demo --seconds 60             ends by itself
  sluice demo --rate 10000 --seed 7    faster, and another world"
)]
pub struct DemoArgs {
    /// Seed of the simulated world
    #[arg(
        long,
        value_name = "S",
        default_value_t = 1,
        env = "SLUICE_DEMO_SEED",
        hide_env_values = true
    )]
    pub seed: u64,
    /// Events a second; a thousand of them are a simulated day
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u64).range(1..=1_000_000),
        env = "SLUICE_DEMO_RATE",
        hide_env_values = true
    )]
    pub rate: u64,
    /// Ends by itself after so many seconds
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..=31_536_000),
        env = "SLUICE_DEMO_SECONDS",
        hide_env_values = true
    )]
    pub seconds: Option<u64>,
    /// Width of the confidence term, in units of the reward: half of what lies between two answers
    /// of a customer, 400 apart, by default
    #[arg(
        long,
        value_name = "A",
        default_value = "200",
        env = "SLUICE_BANDIT_ALPHA",
        hide_env_values = true
    )]
    pub alpha: String,
    /// Time from one epoch to the next: a model that has learned in one decides in the next
    #[arg(
        long,
        value_name = "D",
        default_value = "100ms",
        env = "SLUICE_EPOCH_INTERVAL",
        hide_env_values = true
    )]
    pub interval: String,
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
        let key = |key, flag, value: &str| Override { key, flag, value: value.to_string() };
        let own = vec![
            key("bandit.alpha", "--alpha", &self.alpha),
            key("epoch.interval", "--interval", &self.interval),
        ];
        [own, self.serve.overrides(), self.cluster.overrides()].concat()
    }
}

/// Plays the demo, and prints how it goes and what came of it.
///
/// # Errors
/// The configuration is wrong, the demo cannot go on, or standard output cannot be written.
pub fn run(args: &DemoArgs, global: &GlobalArgs) -> Result<(), ProgramError> {
    let mut loaded = load(None, &[global.overrides(), args.overrides()].concat());
    let unfit = unfit(&loaded.config);
    loaded.add_faults(unfit);
    warn(&loaded);
    let config = loaded.accept()?;
    logging::start(&config.log);
    let features = config.features()?;
    let asked = DemoSettings {
        seed: args.seed,
        rate: args.rate,
        duration: args.seconds.map(Duration::from_secs),
    };
    let summary = demo(&config, features, asked, |told| match (told, global.json) {
        (Told::Beginning(beginning), false) => print(&beginning_text(beginning, asked)),
        (Told::Beginning(beginning), true) => print(&beginning_json(beginning, asked).to_string()),
        (Told::Progress(progress, comparison), false) => {
            print(&progress_text(progress, comparison))
        }
        (Told::Progress(progress, comparison), true) => {
            print(&progress_json(progress, comparison).to_string())
        }
    })?;
    print(&if global.json { summary_json(&summary).to_string() } else { summary_text(&summary) })
}

/// What the demo cannot do: (key, what is wrong).
fn unfit(config: &Config) -> Vec<(&'static str, String)> {
    let faults = [
        (
            "processes",
            config.processes != 1,
            "the demo runs in 1 process; give it more --workers".to_string(),
        ),
        (
            "bandit.arms",
            config.bandit.arms != ARMS,
            format!("the simulated customers know {}", ARMS.join(", ")),
        ),
        (
            "input.decimals",
            config.input.decimals != 2,
            "the simulated world counts in hundredths".to_string(),
        ),
    ];
    faults
        .into_iter()
        .filter(|(_, wrong, _)| *wrong)
        .map(|(key, _, problem)| (key, problem))
        .collect()
}
