//! What `/metrics` says of every job, and what holds for every table of metrics.

use super::declared::MetricValues;
use super::*;
use crate::sink::destination::Destination;
use crate::status::EndOffsets;
use crate::status::erasures::ErasureFault;
use crate::status::tests::{AnEpoch, a_busy_epoch, status};
use crate::telemetry::stalls::{Cause, Seen};
use dataflows::event::{Reason, Topic};
use std::collections::{BTreeMap, BTreeSet};

/// The row of each metric of a table in the README, sorted.
pub(crate) fn described<S>(table: &[Metric<S>]) -> Vec<String> {
    let kind = |values: &MetricValues<S>| match values {
        MetricValues::Counter(_) => "counter",
        MetricValues::Gauge(_) => "gauge",
    };
    let mut rows: Vec<String> =
        table.iter().map(|metric| row(metric.name, kind(&metric.values), metric.help)).collect();
    rows.sort();
    rows
}

fn row(name: &str, kind: &str, help: &str) -> String {
    format!("| `{name}` | {kind} | {help} |")
}

/// The rows of the metrics of every job.
pub(crate) fn of_every_job() -> Vec<String> {
    let histograms = HISTOGRAMS.map(|of| row(of.name, "histogram", of.help));
    let mut rows = described(ENGINE);
    rows.extend(histograms);
    rows.sort();
    rows
}

/// Fails unless this section of the README has these rows.
pub(crate) fn assert_written(section: &str, rows: &[String]) {
    let readme = include_str!("../README.md");
    let heading = format!("\n## {section}\n");
    let (_, from) = readme.split_once(&heading).expect("the section is there");
    let lines = from.lines().take_while(|line| !line.starts_with("## "));
    let written: Vec<&str> = lines.filter(|line| line.starts_with("| `")).collect();
    let wanted = rows.join("\n");
    assert!(written == rows, "src/status/README.md should have under {section}:\n{wanted}");
}

/// Fails unless every metric of these rows is named and described as it should be.
pub(crate) fn assert_well_named(rows: &[String]) {
    let mut names = BTreeSet::new();
    for row in rows {
        let parts: Vec<&str> = row.trim_matches('|').splitn(3, '|').map(str::trim).collect();
        let (name, kind, help) = (parts[0].trim_matches('`'), parts[1], parts[2]);
        assert!(names.insert(name), "{name} is there twice");
        assert!(name.starts_with("sluice_") || name.starts_with("process_"), "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        let is_counter = kind == "counter";
        assert_eq!(name.ends_with("_total"), is_counter, "{name}: only counters end in _total");
        assert!(help.ends_with('.'), "{name}");
    }
}

/// Fails unless what is rendered has every one of these lines.
pub(crate) fn assert_has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|rendered| rendered == *line), "{line} in\n{text}");
    }
}

/// Fails unless what is rendered describes the metrics of these rows.
pub(crate) fn assert_describes(text: &str, rows: &[String]) {
    for row in rows {
        let parts: Vec<&str> = row.trim_matches('|').splitn(3, '|').map(str::trim).collect();
        let (name, kind, help) = (parts[0].trim_matches('`'), parts[1], parts[2]);
        let described = [format!("# HELP {name} {help}"), format!("# TYPE {name} {kind}")];
        assert_has(text, &described.each_ref().map(String::as_str));
    }
}

#[test]
fn every_name_is_valid_unique_and_described() {
    assert_well_named(&of_every_job());
}

#[test]
fn the_tables_beside_this_room_have_every_metric_and_every_cause() {
    assert_written("Every job", &of_every_job());
    let cause = |cause: Cause| {
        let ready = if cause.stops() { "no" } else { "yes" };
        format!("| `{}` | {ready} | {} | {} |", cause.word(), cause.told("…"), cause.meaning())
    };
    assert_written("What stands still", &Cause::ALL.map(cause));
}

#[test]
fn everything_is_rendered_with_its_description() {
    let status = status();
    status.committed(&a_busy_epoch(), Duration::from_millis(20));
    status.ends([(
        (Topic::Transactions.id(), 3),
        EndOffsets { last_stable: Some(620), high_watermark: Some(655) },
    )]);
    status.publishing(4, 3, 12, None);
    status.unpublishable(Destination::DeadLetters);
    status.checkpoints(Some(1_709_251_200_000), 2);
    let text = status.metrics();
    assert_describes(&text, &of_every_job());
    assert_has(
        &text,
        &[
            "sluice_events_total 70",
            "sluice_input_rejected_total{reason=\"bad_amount\"} 1",
            "sluice_erasures_failed_total{reason=\"unread\"} 0",
            "sluice_epoch_committed 7",
            "sluice_epoch_published 4",
            "sluice_unpublished_epochs 3",
            "sluice_unpublished_records 12",
            "sluice_publishing_held 0",
            "sluice_unpublishable_total{topic=\"predictions\"} 0",
            "sluice_unpublishable_total{topic=\"dead_letters\"} 1",
            "sluice_commit_seconds_bucket{le=\"0.025\"} 1",
            "sluice_commit_seconds_bucket{le=\"0.01\"} 0",
            "sluice_kafka_consumer_lag{topic=\"transactions\",partition=\"3\"} 120",
            "sluice_kafka_consumer_offset{topic=\"transactions\",partition=\"3\"} 500",
            "sluice_kafka_high_watermark{topic=\"transactions\",partition=\"3\"} 655",
            "sluice_kafka_last_stable_offset{topic=\"transactions\",partition=\"3\"} 620",
            "sluice_kafka_held_back{topic=\"transactions\",partition=\"3\"} 35",
            "sluice_watermark_held{topic=\"transactions\",partition=\"3\"} 1",
            "sluice_checkpoint_timestamp_seconds 1709251200",
            "sluice_checkpoints_failed_total 2",
            "sluice_given_up_offsets{topic=\"transactions\"} 0",
            "sluice_event_to_commit_seconds_count 0",
            "sluice_state{state=\"starting\"} 1",
            "sluice_state{state=\"running\"} 0",
            concat!("sluice_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ],
    );
}

#[test]
fn a_dataflow_without_figures_has_the_metrics_of_every_job_and_no_others() {
    let text = status().metrics();
    let families = text.lines().filter_map(|line| line.strip_prefix("# HELP "));
    let known = of_every_job();
    for family in families {
        let name = family.split(' ').next().expect("a name");
        assert!(known.iter().any(|row| row.starts_with(&format!("| `{name}` "))), "{name}");
    }
}

#[test]
fn a_dataflow_that_has_only_dead_letters_to_publish_shows_nothing_of_predictions() {
    let status = status();
    status.without_predictions();
    let text = status.metrics();
    assert_has(&text, &["sluice_unpublishable_total{topic=\"dead_letters\"} 0"]);
    assert!(!text.contains("predictions"), "{text}");
    let shown = serde_json::to_value(status.report().publishing).expect("it is shown");
    assert_eq!(shown.get("unpublishable_predictions"), None, "{shown}");
}

#[test]
fn every_counter_is_there_from_the_start_with_every_label() {
    let text = status().metrics();
    for row in of_every_job().iter().filter(|row| !row.contains("` | gauge | ")) {
        let name = row.split('`').nth(1).expect("a name");
        // There is one for each field that the dataflow may leave out, and this one has none.
        if name == "sluice_ignored_fields_total" {
            continue;
        }
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} in\n{text}");
    }
    let zeros = Reason::ALL
        .map(|reason| format!("sluice_input_rejected_total{{reason=\"{}\"}} 0", reason.word()));
    assert_has(&text, &zeros.each_ref().map(String::as_str));
    assert_has(
        &text,
        &[
            "sluice_unpublishable_total{topic=\"predictions\"} 0",
            "sluice_turn_seconds_count{client=\"settle\"} 0",
        ],
    );
}

#[test]
fn every_cause_of_a_stall_is_there_from_the_start() {
    let status = status();
    for seen in [None, Some(Cause::HeldBack), Some(Cause::Unknown), None] {
        status.look(seen.map(|cause| Seen::of(cause, "for a reason")).into_iter().collect());
        let text = status.metrics();
        for cause in Cause::ALL {
            let holds = u8::from(seen == Some(cause));
            assert_has(&text, &[&format!("sluice_stalled{{cause=\"{}\"}} {holds}", cause.word())]);
        }
    }
}

#[test]
fn failed_erasures_are_there_from_the_start_by_reason() {
    let status = status();
    for number in 0..3 {
        if number > 0 {
            status.erasure_failed(ErasureFault::NotWritten);
            let epoch = AnEpoch { unread_erasures: 5, ..AnEpoch::new(number) };
            status.committed(&epoch, Duration::from_millis(20));
        }
        status.erasures_failed(ErasureFault::Checkpoints, 3 * number);
        let wanted = BTreeMap::from([
            ("unread", 5 * number),
            ("not_written", number),
            ("checkpoints", 3 * number),
        ]);
        let (text, shown) = (status.metrics(), status.report().failed_erasures);
        for (reason, number) in &wanted {
            let line = format!("sluice_erasures_failed_total{{reason=\"{reason}\"}} {number}");
            assert_has(&text, &[&line]);
        }
        assert_eq!(shown, wanted, "the status says the same");
        let lines = text.lines().filter(|line| line.contains("erasures") && !line.starts_with('#'));
        assert_eq!(lines.count(), ErasureFault::ALL.len(), "and nothing twice");
    }
}

#[test]
fn counters_go_on_from_one_rendering_to_the_next() {
    let status = status();
    for commits in 1..=3u64 {
        status.committed(&a_busy_epoch(), Duration::from_millis(20));
        let text = status.metrics();
        let events = format!("sluice_events_total {}", 70 * commits);
        assert_has(&text, &[&events, &format!("sluice_commit_seconds_count {commits}")]);
    }
}
