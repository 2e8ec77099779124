//! Running `sluice replay` over a history and reading back what it wrote.

use super::Files;
use crate::services::ports;
use assert_cmd::Command;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// How many processes, with how many workers each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) processes: usize,
    pub(crate) workers: usize,
}

/// A run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a run wrote, as it stands in its files.
#[derive(Debug)]
pub(crate) struct Output {
    /// Names of the columns of `features.csv`.
    pub(crate) header: Vec<String>,
    /// Its rows.
    pub(crate) features: Vec<Vec<String>>,
    /// `thresholds.csv`: day and minor units.
    pub(crate) thresholds: Vec<(String, String)>,
    pub(crate) model: Value,
    pub(crate) summary: Value,
    /// The objects of `dead_letters.jsonl`.
    pub(crate) dead_letters: Vec<Value>,
}

impl Output {
    /// A count of the summary, which may stand at its top or among its `counts`.
    pub(crate) fn count(&self, name: &str) -> &Value {
        let count = self.summary.get(name).or_else(|| self.summary.get("counts")?.get(name));
        count.unwrap_or_else(|| panic!("summary.json has no {name}: {}", self.summary))
    }

    /// The two digests: of the model, and of the rows of features.
    pub(crate) fn digests(&self) -> (String, String) {
        let model = self.model["digest"].as_str().expect("model.json has a digest");
        let features = self
            .summary
            .get("features_digest")
            .or(self.model.get("features_digest"))
            .and_then(Value::as_str);
        (
            model.to_owned(),
            features.expect("summary.json or model.json has features_digest").to_owned(),
        )
    }
}

/// Replays these files in a directory of their own; `more` are further arguments of the command.
pub(crate) fn replay(files: &Files, layout: Layout, more: &[&str]) -> Output {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (input, output) = (directory.path().join("in"), directory.path().join("out"));
    fs::create_dir(&input).expect("the input directory");
    for (name, bytes) in files {
        fs::write(input.join(name), bytes).expect("an input file");
    }
    let command = || {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("sluice"));
        command.arg("replay").arg("--input").arg(&input).arg("--output").arg(&output);
        command.arg("--workers").arg(layout.workers.to_string()).args(more).timeout(PATIENCE);
        command
    };
    if layout.processes == 1 {
        command().assert().success();
    } else {
        let hosts = directory.path().join("hosts");
        fs::write(&hosts, ports::hostfile(layout.processes)).expect("the host file");
        thread::scope(|scope| {
            for process in 0..layout.processes {
                let mut command = command();
                command.arg("--processes").arg(layout.processes.to_string());
                command.arg("--process").arg(process.to_string()).arg("--hostfile").arg(&hosts);
                scope.spawn(move || command.assert().success());
            }
        });
    }
    read_output(&output)
}

fn read_output(directory: &Path) -> Output {
    let read = |name: &str| {
        fs::read_to_string(directory.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let json = |name: &str| -> Value {
        serde_json::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let table = |name: &str| -> Vec<Vec<String>> {
        let text = read(name);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        reader
            .records()
            .map(|row| {
                row.unwrap_or_else(|error| panic!("{name}: {error}"))
                    .iter()
                    .map(str::to_owned)
                    .collect()
            })
            .collect()
    };
    let mut features = table("features.csv");
    let thresholds = table("thresholds.csv")
        .into_iter()
        .skip(1)
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let dead_letters = read("dead_letters.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("dead letters are JSON"))
        .collect();
    Output {
        header: features.remove(0),
        features,
        thresholds,
        model: json("model.json"),
        summary: json("summary.json"),
        dead_letters,
    }
}

/// The counts by reason of a list of reasons.
pub(crate) fn by_reason<'a>(reasons: impl Iterator<Item = &'a str>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for reason in reasons {
        *counts.entry(reason.to_owned()).or_default() += 1;
    }
    counts
}
