//! Replays of the smallest dataflow, from files and from topics, on one to three workers, against
//! what its records say when they are read one after the other, and against a job of them.

use crate::arrivals::{Row, Told, assert_told, send, set, settled};
use crate::services::{program, text};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A configuration of nothing but the dataflow.
const CONFIG: &str = "dataflow = \"arrivals\"\n";

/// A replay that is made: its exit code, and what it says of faults.
fn replay(output: &Path, more: &[&str]) -> (Option<i32>, String) {
    let made = program()
        .args(["replay", "--output", text(output)])
        .args(more)
        .output()
        .expect("the program can be started");
    (made.status.code(), String::from_utf8_lossy(&made.stderr).into_owned())
}

/// The rows of the table that a replay has written.
fn written(output: &Path) -> Vec<Row> {
    let mut file = csv::Reader::from_path(output.join("arrivals.csv")).expect("the table");
    let header = file.headers().expect("a header");
    assert_eq!(header, ["customer_id", "arrivals", "first", "last"].as_slice());
    let instant = |text: &str| text.parse::<Timestamp>().expect("an instant").as_millisecond();
    let row = |row: csv::StringRecord| {
        let number = |place: usize| row[place].parse::<i64>().expect("a number");
        (number(0), number(1), instant(&row[2]), instant(&row[3]))
    };
    file.records().map(|line| row(line.expect("a row"))).collect()
}

fn summary(output: &Path) -> Value {
    let text = fs::read_to_string(output.join("summary.json")).expect("a summary");
    serde_json::from_str(&text).expect("JSON")
}

/// Replays on one to three workers; gives the digest, which is the same each time, as are all
/// files but what it took.
fn replayed(folder: &Path, told: &Told, more: &[&str]) -> String {
    let mut before: Option<[String; 3]> = None;
    for workers in ["1", "2", "3"] {
        let output = folder.join("replayed");
        let (code, said) = replay(&output, &[more, &["--workers", workers]].concat());
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(written(&output), told.rows(), "{workers} workers, {more:?}");
        let summary = summary(&output);
        assert_eq!(summary["records"], told.sent - told.broken);
        assert_eq!(summary["rejected"], told.broken);
        assert_eq!(summary["dead_letters"], json!({ "missing_field": told.broken }));
        assert_eq!(summary["customers"], told.rows().len());
        let letters = fs::read_to_string(output.join("dead_letters.jsonl")).expect("dead letters");
        assert_eq!(letters.lines().count() as i64, told.broken);
        let table = fs::read_to_string(output.join("arrivals.csv")).expect("the table");
        let digest = summary["digest"].as_str().expect("a digest").to_string();
        let same = [table, letters, digest];
        assert!(before.is_none_or(|before| before == same), "{workers} workers, {more:?}");
        before = Some(same);
    }
    before.map(|[.., digest]| digest).expect("replays")
}

/// A folder with the dataflow's configuration and this file below `in`.
fn folder(name: &str, content: &str) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in");
    fs::create_dir(&input).expect("a folder");
    fs::write(input.join(name), content).expect("a file");
    let config = folder.path().join("sluice.toml");
    fs::write(&config, CONFIG).expect("a file");
    (folder, input, config)
}

fn json_lines(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

fn csv_rows(records: &[Value]) -> String {
    let cell = |record: &Value, name: &str| match &record[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let columns = ["op", "timestamp", "arrival_id", "customer_id"];
    let row = |record: &Value| columns.map(|name| cell(record, name)).join(",");
    let rows = records.iter().map(row);
    [columns.join(",")].into_iter().chain(rows).map(|row| format!("{row}\n")).collect()
}

#[test]
fn files_give_what_their_records_say_whatever_their_form() {
    let mut told = Told::default();
    let records: Vec<Value> = (0..20_000).map(|_| told.next().1).collect();
    assert!(told.broken > 100 && told.rows().len() > 100);
    let mut digests = Vec::new();
    let (lines, rows) = (json_lines(&records), csv_rows(&records));
    for (name, content) in [("arrivals.jsonl", lines), ("arrivals.csv", rows)] {
        let (folder, input, config) = folder(name, &content);
        let more = ["--input", text(&input), "--config", text(&config)];
        digests.push(replayed(folder.path(), &told, &more));
    }
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn topics_give_what_a_job_has_committed() {
    let Some(stage) = set("arrivals_replayed") else { return };
    let mut told = Told::default();
    send(&stage, &mut told, 3_000);
    let job = stage.start_reading(&["--workers", "2"]);
    settled(&stage, &told);
    send(&stage, &mut told, 2_000);
    settled(&stage, &told);
    job.drain();
    assert_told(&stage, &told);
    let rows = stage
        .database()
        .query("SELECT row_to_json(e)::text FROM sluice.epochs e ORDER BY epoch", &[])
        .expect("epochs");
    let epochs: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let last: Value = serde_json::from_str(epochs.last().expect("an epoch")).expect("JSON");
    let file = stage.path("epochs.jsonl");
    fs::write(&file, epochs.join("\n")).expect("a file");
    let (folder, config) = (stage.directory.path(), stage.config());
    let topics = ["--config", text(&config), "--from", "earliest"];
    let cut = [&topics[..], &["--epochs", text(&file)]].concat();
    for more in [&topics[..], &cut] {
        assert_eq!(json!(replayed(folder, &told, more)), last["digest"], "{more:?}");
    }
    // Up to where the first epoch ended there is less.
    let first: Value = serde_json::from_str(&epochs[0]).expect("JSON");
    let until = first["offsets"].to_string();
    let output = stage.path("less");
    let (code, said) = replay(&output, &[&topics[..], &["--until", &until]].concat());
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(json!(summary(&output)["digest"]), first["digest"]);
    assert_eq!(summary(&output)["held_back"], json!({}));
}

#[test]
fn what_can_hardly_be_meant_is_named() {
    let record = json!({ "customer_id": 1, "arrival_id": "a", "timestamp": "2024-03-01" });
    let (_held, input, config) = folder("arrivals.jsonl", &json_lines(&[record]));
    let output = input.with_file_name("out");
    let whole = ["--input", text(&input), "--config", text(&config)];
    for (flag, value) in [("--as-of", "2024-03-01"), ("--lateness", "1d"), ("--thresholds", "t")] {
        let (code, said) = replay(&output, &[&whole[..], &[flag, value]].concat());
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(&format!("a replay of arrivals has no {flag}: leave it out")));
    }
    let (code, said) = replay(&input, &whole);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("arrivals.csv, which would be read as input"), "{said}");
    let (code, said) = replay(&output, &whole);
    assert_eq!(code, Some(0), "{said}");

    let named: BTreeMap<&str, (&str, &str, i32)> = BTreeMap::from([
        ("Arrivals.csv", ("customer_id\n", "no arrivals.jsonl or arrivals.csv (", 1)),
        ("arrivals.csv", ("id,at\n1,2\n", "none of id, at is known; wanted are customer_id", 1)),
        ("arrivals.jsonl", ("{\"customer_id\":1}\n", "arrivals.jsonl gives nothing: all of", 1)),
    ]);
    for (name, (content, wanted, exit)) in named {
        let (_held, input, config) = folder(name, content);
        let output = input.with_file_name("out");
        let (code, said) = replay(&output, &["--input", text(&input), "--config", text(&config)]);
        assert!(said.contains(wanted), "{name}: {said}");
        assert_eq!(code, Some(exit), "{name}: {said}");
    }
}
