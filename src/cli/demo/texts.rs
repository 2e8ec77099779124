//! What `sluice demo` prints: how it begins, how it goes, what came of it; as text and as JSON.

use crate::cli::thousands::grouped;
use crate::hexadecimal::hexadecimal;
use crate::jobs::demo::Prologue;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use world::demo::outcomes::{WINDOW, Window};
use world::demo::{Comparison, DemoSettings, DemoStatus, DemoSummary};

pub(super) fn beginning_text(beginning: &Prologue, asked: DemoSettings) -> String {
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

pub(super) fn beginning_json(beginning: &Prologue, asked: DemoSettings) -> Value {
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
pub(super) fn progress_text(progress: &DemoStatus, comparison: &Comparison) -> String {
    let DemoStatus { elapsed, events_per_second, .. } = progress;
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

pub(super) fn progress_json(progress: &DemoStatus, comparison: &Comparison) -> Value {
    let simulated = Timestamp::from_millisecond(progress.simulated);
    let simulated = simulated.map(|instant| instant.to_string()).ok();
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
        "simulated_time": simulated,
    })
}

pub(super) fn summary_text(summary: &DemoSummary) -> String {
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
        hexadecimal(&summary.digest),
    )
}

pub(super) fn summary_json(summary: &DemoSummary) -> Value {
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
        "digest": hexadecimal(&summary.digest),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use world::response::ARMS;

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
    fn a_line_of_progress_reads_well() {
        let progress = DemoStatus {
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
        let early = DemoStatus { history: true, last: None, ..progress };
        assert_eq!(
            progress_text(&early, &comparison()),
            "   12 s     1,003 events/s   reading the history: 120,000 records"
        );
    }

    #[test]
    fn the_summary_names_what_was_learned_and_its_digest() {
        let summary = DemoSummary {
            elapsed: Duration::from_secs(60),
            events: 168_000,
            decisions: 25_000,
            first: Some(Window { mean_reward: 280.0, ..window() }),
            last: Some(window()),
            comparison: comparison(),
            regret: 500_000.4,
            digest: [0xab; 32],
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
        assert!(text.ends_with(&"ab".repeat(32)));
        let object = summary_json(&summary);
        assert_eq!(
            (&object["digest"], &object["last"]["shares"]["Direct Mail"]),
            (&json!("ab".repeat(32)), &json!(0.0049))
        );
    }
}
