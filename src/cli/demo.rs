//! `sluice demo`: everything embedded in one process, nothing to install.

use super::cluster::ClusterArgs;
use super::error::ProgramError;
use super::serve::ServeArgs;
use super::{GlobalArgs, load, print, warn};
use crate::config::load::Override;
use crate::config::types::Config;
use crate::jobs::demo::{
    Asked, Beginning, Comparison, Progress, Summary, Told, WINDOW, Window, demo,
};
use crate::telemetry::logging;
use clap::Args;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::time::Duration;
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
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000), env = "SLUICE_DEMO_RATE", hide_env_values = true)]
    pub rate: u64,
    /// Ends by itself after so many seconds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=31_536_000), env = "SLUICE_DEMO_SECONDS", hide_env_values = true)]
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
    let asked =
        Asked { seed: args.seed, rate: args.rate, duration: args.seconds.map(Duration::from_secs) };
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

fn beginning_text(beginning: &Beginning, asked: Asked) -> String {
    format!(
        "Sluice, simulated: {} customers with {} purchases from seed {}, then {} events a second. \
         Ctrl-C ends it.\n\
         Status page: http://{}",
        grouped(beginning.customers),
        grouped(beginning.purchases),
        asked.seed,
        grouped(asked.rate),
        beginning.console,
    )
}

fn beginning_json(beginning: &Beginning, asked: Asked) -> Value {
    json!({
        "kind": "beginning",
        "simulated": true,
        "address": format!("http://{}", beginning.console),
        "seed": asked.seed,
        "rate": asked.rate,
        "customers": beginning.customers,
        "purchases": beginning.purchases,
        "arms": beginning.comparison.arms,
        "best_fixed_arm": arm_name(&beginning.comparison),
        "best_fixed_reward": beginning.comparison.best_fixed,
        "best_possible_reward": beginning.comparison.best_possible,
    })
}

/// One line of progress, its columns always as wide.
fn progress_text(progress: &Progress, comparison: &Comparison) -> String {
    let Progress { elapsed, events_per_second, .. } = progress;
    let so_far = format!(
        "{:>5} s {:>9} events/s",
        elapsed.as_secs(),
        grouped(events_per_second.round() as u64)
    );
    match &progress.last {
        None if progress.history => {
            format!("{so_far}   reading the history: {} records", grouped(progress.events))
        }
        None => format!("{so_far}   no decision yet"),
        Some(last) => format!(
            "{so_far} {:>11} decisions   {}   reward {:>6.1} (best fixed {:.1}, best possible \
             {:.1})",
            grouped(progress.decisions),
            shares_text(last, comparison),
            last.mean_reward,
            comparison.best_fixed,
            comparison.best_possible,
        ),
    }
}

fn progress_json(progress: &Progress, comparison: &Comparison) -> Value {
    json!({
        "kind": "progress",
        "simulated": true,
        "elapsed_seconds": progress.elapsed.as_secs_f64(),
        "history": progress.history,
        "epoch": progress.epoch,
        "events": progress.events,
        "events_per_second": progress.events_per_second,
        "decisions": progress.decisions,
        "last": progress.last.as_ref().map(|last| window_json(last, comparison)),
        "best_fixed_reward": comparison.best_fixed,
        "best_possible_reward": comparison.best_possible,
        "simulated_time": Timestamp::from_millisecond(progress.simulated).map(|instant| instant.to_string()).ok(),
    })
}

fn summary_text(summary: &Summary) -> String {
    let comparison = &summary.comparison;
    let window = |window: &Option<Window>| match window {
        Some(window) => {
            format!(
                "reward {:>6.1}, regret {:>5.1} a decision, {}",
                window.mean_reward,
                window.mean_regret,
                shares_text(window, comparison)
            )
        }
        None => "no decision".to_string(),
    };
    format!(
        "Simulated: {} events and {} decisions in {:.1} s
first {:<7}  {}
last {:<7}   {}
best fixed     {:>6.1} ({})
best possible  {:>6.1}; regret to it {} in all
model digest   {}",
        grouped(summary.events),
        grouped(summary.decisions),
        summary.elapsed.as_secs_f64(),
        grouped(WINDOW as u64),
        window(&summary.first),
        grouped(WINDOW as u64),
        window(&summary.last),
        comparison.best_fixed,
        arm_name(comparison),
        comparison.best_possible,
        grouped(summary.regret.round() as u64),
        summary.digest,
    )
}

fn summary_json(summary: &Summary) -> Value {
    let comparison = &summary.comparison;
    json!({
        "kind": "summary",
        "simulated": true,
        "elapsed_seconds": summary.elapsed.as_secs_f64(),
        "events": summary.events,
        "decisions": summary.decisions,
        "first": summary.first.as_ref().map(|first| window_json(first, comparison)),
        "last": summary.last.as_ref().map(|last| window_json(last, comparison)),
        "best_fixed_arm": arm_name(comparison),
        "best_fixed_reward": comparison.best_fixed,
        "best_possible_reward": comparison.best_possible,
        "regret": summary.regret,
        "digest": summary.digest,
    })
}

fn window_json(window: &Window, comparison: &Comparison) -> Value {
    let shares: Map<String, Value> = comparison
        .arms
        .iter()
        .cloned()
        .zip(window.shares.iter().map(|share| json!(share)))
        .collect();
    json!({
        "decisions": window.decisions,
        "mean_reward": window.mean_reward,
        "mean_regret": window.mean_regret,
        "shares": shares,
    })
}

fn shares_text(window: &Window, comparison: &Comparison) -> String {
    let shares = comparison
        .arms
        .iter()
        .zip(&window.shares)
        .map(|(arm, share)| format!("{arm} {:>4.1} %", share * 100.0));
    shares.collect::<Vec<_>>().join("  ")
}

fn arm_name(comparison: &Comparison) -> &str {
    comparison.arms.get(comparison.best_fixed_arm).map_or("", String::as_str)
}

/// A number with commas between its thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let comma = |at: usize| if at > 0 && (digits.len() - at).is_multiple_of(3) { "," } else { "" };
    digits.chars().enumerate().flat_map(|(at, digit)| comma(at).chars().chain([digit])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison() -> Comparison {
        Comparison {
            arms: ARMS.map(str::to_string).to_vec(),
            best_fixed_arm: 1,
            best_fixed: 330.0,
            best_possible: 336.24,
        }
    }

    fn window() -> Window {
        Window {
            decisions: 5_000,
            mean_reward: 321.98,
            mean_regret: 9.04,
            shares: vec![0.125, 0.8, 0.0701, 0.0049],
        }
    }

    #[test]
    fn thousands_are_told_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345, "12,345"),
            (123_456, "123,456"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn a_line_of_progress_reads_well() {
        let progress = Progress {
            elapsed: Duration::from_millis(12_007),
            history: false,
            events: 120_000,
            events_per_second: 1_003.4,
            decisions: 5_214,
            last: Some(window()),
            simulated: 0,
            epoch: 120,
        };
        assert_eq!(
            progress_text(&progress, &comparison()),
            "   12 s     1,003 events/s       5,214 decisions   Email 12.5 %  SMS 80.0 %  Push  \
             7.0 %  Direct Mail  0.5 %   \
             reward  322.0 (best fixed 330.0, best possible 336.2)"
        );
        let early = Progress { history: true, last: None, ..progress };
        assert_eq!(
            progress_text(&early, &comparison()),
            "   12 s     1,003 events/s   reading the history: 120,000 records"
        );
    }

    #[test]
    fn the_summary_names_what_was_learned_and_its_digest() {
        let summary = Summary {
            elapsed: Duration::from_secs(60),
            events: 168_000,
            decisions: 25_000,
            first: Some(Window { mean_reward: 280.0, ..window() }),
            last: Some(window()),
            comparison: comparison(),
            regret: 500_000.4,
            digest: "ab".repeat(32),
        };
        let text = summary_text(&summary);
        for part in [
            "Simulated: 168,000 events and 25,000 decisions in 60.0 s\n",
            "first 5,000    reward  280.0, ",
            "330.0 (SMS)\n",
            "regret to it 500,000 in all",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(text.ends_with(&summary.digest));
        let object = summary_json(&summary);
        assert_eq!(
            (&object["digest"], &object["last"]["shares"]["Direct Mail"]),
            (&json!(summary.digest), &json!(0.0049))
        );
    }
}
