//! `sluice bench` as its user sees it: a table of what was measured, and no file left behind.

use crate::services::Stage;
use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use std::path::Path;

/// A bench of a world that is soon replayed; its files go to `directory`.
fn bench(directory: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(cargo_bin!("sluice"));
    command
        .args([
            "bench",
            "--customers",
            "50",
            "--transactions",
            "500",
            "--interactions",
            "500",
            "--directory",
        ])
        .arg(directory)
        .args(more);
    command
}

fn number(object: &Value, pointer: &str) -> f64 {
    object
        .pointer(pointer)
        .and_then(Value::as_f64)
        .unwrap_or_else(|| panic!("no number at {pointer}: {object}"))
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).expect("the folder stays").next().is_none()
}

#[test]
fn it_measures_each_number_of_workers_and_cleans_up() {
    let folder = tempfile::tempdir().expect("a folder");
    // What the environment says is for other commands: the replays are all the same.
    let output = bench(folder.path(), &["--json"])
        .env("SLUICE_REPLAY_AS_OF", "2023-02-01")
        .env("SLUICE_BANDIT_ALPHA", "2")
        .assert()
        .success();
    let report: Value = serde_json::from_slice(&output.get_output().stdout).expect("an object");
    assert!(number(&report, "/machine/cores") >= 1.0, "{report}");
    let measured = report["measured"].as_array().expect("a list");
    let workers: Vec<f64> = measured.iter().map(|measured| number(measured, "/workers")).collect();
    assert_eq!(workers, [1.0, 2.0]);
    for measured in measured {
        assert_eq!((number(measured, "/customers"), number(measured, "/events")), (50.0, 1_050.0));
        for quantity in ["/cpu_microseconds_per_event", "/wall_seconds"] {
            let (least, median) = (
                number(measured, &format!("{quantity}/least")),
                number(measured, &format!("{quantity}/median")),
            );
            assert!(0.0 < least && least <= median, "{measured}");
        }
        let (rate, wall) =
            (number(measured, "/events_per_second"), number(measured, "/wall_seconds/median"));
        assert!((rate * wall - 1_050.0).abs() < 1e-6, "{measured}");
        assert!(number(measured, "/peak_memory_bytes") > 1e6, "{measured}");
        let runs = measured["runs"].as_array().expect("a list");
        assert!(
            runs.len() == 3
                && runs.iter().all(|run| run["digest"] == measured["runs"][0]["digest"]),
            "{measured}"
        );
    }
    let speedup =
        number(&measured[0], "/wall_seconds/median") / number(&measured[1], "/wall_seconds/median");
    assert!(
        (number(&measured[1], "/speedup") - speedup).abs() < 1e-9
            && number(&measured[0], "/speedup") == 1.0,
        "{report}"
    );
    assert!(is_empty(folder.path()), "files are left");
}

#[test]
fn its_table_names_the_machine_and_has_a_row_for_each() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = bench(folder.path(), &["--workers", "1"]).assert().success();
    let text = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("core") && lines[0].contains("load"), "{text}");
    assert_eq!(
        lines[1],
        "500 purchases and 500 interactions, seed 1; the least and the median of the runs"
    );
    assert!(lines[3].contains("CPU us/event"), "{text}");
    let cells: Vec<&str> = lines[4].split_whitespace().collect();
    assert_eq!(
        (&cells[..4], cells.len(), lines.len()),
        (&["50", "1", "3", "1,050"][..], 11, 7),
        "{text}"
    );
    assert!(lines[6].contains("--brokers and --postgres"), "{text}");
    assert!(is_empty(folder.path()), "files are left");
}

#[test]
fn it_measures_the_job_between_a_broker_and_a_database_and_cleans_up() {
    let Some(stage) = Stage::set("bench") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let more = [
        "--workers",
        "1",
        "--rate",
        "500",
        "--json",
        "--brokers",
        &stage.brokers,
        "--postgres",
        stage.url(),
    ];
    let output = bench(folder.path(), &more).assert().success();
    let report: Value = serde_json::from_slice(&output.get_output().stdout).expect("an object");
    let live = &report["live"];
    assert_eq!(
        (
            number(live, "/prefilled/events"),
            number(live, "/paced/events"),
            number(live, "/paced/rate")
        ),
        (1_050.0, 1_000.0, 500.0)
    );
    let [p50, p99, max] =
        ["/paced/p50_ms", "/paced/p99_ms", "/paced/max_ms"].map(|at| number(live, at));
    assert!(0.0 < p50 && p50 <= p99 && p99 <= max, "{live}");
    // A thousand events at 500 a second take two seconds, and an epoch is cut ten times a second.
    assert!(number(live, "/paced/epochs") > 5.0, "{live}");
    let rate = number(live, "/prefilled/events") / number(live, "/prefilled/seconds");
    assert!(
        (rate - number(live, "/prefilled/events_per_second")).abs() < 1e-6 && rate > 0.0,
        "{live}"
    );

    assert!(is_empty(folder.path()), "files are left");
    let left = "SELECT count(*) FROM pg_database WHERE datname LIKE 'sluice\\_bench\\_%'";
    assert_eq!(
        stage.database().query_one(left, &[]).expect("a count").get::<_, i64>(0),
        0,
        "a database is left"
    );
    let topics = crate::services::topics::names(&stage.brokers);
    assert!(!topics.iter().any(|name| name.starts_with("sluice-bench-")), "{topics:?}");
}

#[test]
fn it_refuses_what_it_cannot_do() {
    for wrong in [
        &["--workers", "0"][..],
        &["--workers", "1,,2"],
        &["--directory", "/dev/null"],
        &["--brokers", "127.0.0.1:9092"],
    ] {
        let mut command = Command::new(cargo_bin!("sluice"));
        command.arg("bench").args(wrong).assert().code(2);
    }
}
