//! The files that `replay` writes: features, model, thresholds, summary, dead letters.
//!
//! Each is written under another name and renamed when it is complete, so that nobody ever reads
//! half of one.

use super::epochs::NamedOffsets;
use super::thresholds;
use crate::campaign::counted::Counted;
use crate::campaign::results::EpochResults;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use dataflows::campaign::output::{ArmUpdate, Day, LastRow, LastRows};
use dataflows::event::{Millis, Rejected};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};

/// A result that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Making a directory, writing or renaming failed.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The directory that results are written to.
#[derive(Clone, Debug)]
pub struct OutputDirectory {
    path: PathBuf,
}

/// The learned model, as model.json has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelFile {
    /// Length of the context.
    pub dimension: usize,
    /// Names of its terms.
    pub context: Vec<String>,
    /// Ridge of the solved model.
    pub ridge: f64,
    /// Width of the confidence term.
    pub alpha: f64,
    /// The arms, in their order.
    pub arms: Vec<ArmFile>,
    /// SHA-256 over the exact sums, in hexadecimal digits.
    pub digest: String,
    /// SHA-256 over the rows of features.csv, in hexadecimal digits.
    pub features_digest: String,
}

/// An arm of the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmFile {
    /// Its number.
    pub arm: u32,
    /// Its name.
    pub name: String,
    /// Observations.
    pub n: i64,
    /// Ridge and sum of x x', row by row.
    #[serde(rename = "A")]
    pub a: Vec<Vec<f64>>,
    /// Sum of r x.
    pub b: Vec<f64>,
    /// The solved coefficients.
    pub theta: Vec<f64>,
}

impl ArmFile {
    /// An arm by its name.
    pub fn new(arm: &ArmUpdate, name: &str) -> Self {
        let dimension = arm.totals.dimension();
        let mut a = vec![vec![0.0; dimension]; dimension];
        let triangle =
            (0..dimension).flat_map(|row| (row..dimension).map(move |column| (row, column)));
        for ((row, column), cell) in triangle.zip(arm.totals.real_a()) {
            a[row][column] = cell;
            a[column][row] = cell;
        }
        (0..dimension).for_each(|i| a[i][i] += arm.model.ridge);
        ArmFile {
            arm: arm.arm,
            name: name.to_string(),
            n: arm.totals.n,
            a,
            b: arm.totals.real_b(),
            theta: arm.model.theta.clone(),
        }
    }
}

/// What a replay did, as summary.json has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// What was counted, each by its name.
    #[serde(flatten)]
    pub counted: Counted,
    /// Customers in features.csv.
    pub customers: u64,
    /// Rejected records by reason.
    pub dead_letters: BTreeMap<&'static str, u64>,
    /// Optional fields that could not be read and were left out, by file and field.
    pub ignored_fields: BTreeMap<String, u64>,
    /// Offsets that lie behind a transaction which was open, by topic and partition; only of
    /// topics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_back: Option<NamedOffsets>,
    /// The earliest event, RFC 3339.
    pub first_event: Option<String>,
    /// The latest event, RFC 3339.
    pub last_event: Option<String>,
    /// SHA-256 over the exact sums of the model, in hexadecimal digits.
    pub digest: String,
    /// SHA-256 over the rows of features.csv, in hexadecimal digits.
    pub features_digest: String,
    /// Seconds from start to end.
    pub wall_seconds: f64,
    /// Seconds of all processors, of this process.
    pub cpu_seconds: f64,
    /// Records for each second from start to end.
    pub events_per_second: f64,
    /// The most memory that this process held, in bytes.
    pub peak_memory_bytes: u64,
    /// Worker threads of all processes.
    pub workers: usize,
}

/// What a replay took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Seconds from start to end.
    pub wall_seconds: f64,
    /// Seconds of all processors, of this process.
    pub cpu_seconds: f64,
    /// The most memory that this process held, in bytes.
    pub peak_memory_bytes: u64,
    /// Worker threads of all processes.
    pub workers: usize,
}

impl Summary {
    /// The summary of a replay; `customers` is the number of rows of features.csv, the digests are
    /// those of the model and of these rows.
    pub fn new(results: &EpochResults, customers: u64, model: &ModelFile, cost: Cost) -> Self {
        let EpochResults { counts, rejected, ignored, of_other_customers, .. } = results;
        let mut dead_letters = BTreeMap::new();
        rejected
            .iter()
            .for_each(|rejected| *dead_letters.entry(rejected.reason.word()).or_insert(0) += 1);
        let seen = counts.first <= counts.last;
        Summary {
            counted: Counted {
                counts: *counts,
                rejected: rejected.len() as u64,
                of_other_customers: of_other_customers.unwrap_or(0),
            },
            customers,
            dead_letters,
            ignored_fields: ignored
                .iter()
                .map(|((topic, field), records)| {
                    (format!("{}.{field}", topic.file_stem()), *records)
                })
                .collect(),
            held_back: None,
            first_event: instant(counts.first).filter(|_| seen),
            last_event: instant(counts.last).filter(|_| seen),
            digest: model.digest.clone(),
            features_digest: model.features_digest.clone(),
            wall_seconds: cost.wall_seconds,
            cpu_seconds: cost.cpu_seconds,
            events_per_second: if cost.wall_seconds > 0.0 {
                counts.records as f64 / cost.wall_seconds
            } else {
                0.0
            },
            peak_memory_bytes: cost.peak_memory_bytes,
            workers: cost.workers,
        }
    }
}

/// An instant in RFC 3339; `None` beyond the calendar.
fn instant(millis: Millis) -> Option<String> {
    Timestamp::from_millisecond(millis).ok().map(|timestamp| timestamp.to_string())
}

/// The rows of all batches in ascending order of customers, as [`OutputDirectory::features`] takes
/// them.
pub fn sorted_rows(batches: &[LastRows]) -> Vec<LastRow<'_>> {
    let mut rows = Vec::with_capacity(batches.iter().map(LastRows::len).sum());
    rows.extend(batches.iter().flat_map(LastRows::iter));
    // Stable, because it finds what is sorted already: nearly always the rows of each worker.
    rows.sort_by_key(|row| row.customer);
    rows
}

impl OutputDirectory {
    /// Makes the directory if it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(path: &Path) -> Result<Self, SinkError> {
        std::fs::create_dir_all(path)
            .map_err(|source| SinkError::Write { path: path.to_path_buf(), source })?;
        Ok(OutputDirectory { path: path.to_path_buf() })
    }

    /// Makes sure that files can be written there, by writing one and removing it.
    ///
    /// # Errors
    /// They cannot.
    pub fn try_out(&self) -> Result<(), SinkError> {
        let path = self.path.join(format!(".sluice-trial-{}", std::process::id()));
        let tried = std::fs::write(&path, b"sluice").and_then(|()| std::fs::remove_file(&path));
        tried.map_err(|source| SinkError::Write { path: self.path.clone(), source })
    }

    /// Writes a page of the manual, and gives its path.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn page(&self, name: &str, page: &[u8]) -> Result<PathBuf, SinkError> {
        self.file(name, |out| out.write_all(page))?;
        Ok(self.path.join(name))
    }

    /// Writes features.csv and returns the SHA-256 over its rows: every line after the header, line
    /// end included.
    ///
    /// `rows`: each customer once, in ascending order, with a value for each of `names`. Every
    /// value is written in the fewest digits that read back to the same f64. So many `threads` find
    /// the digits, which takes longer than anything else here.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn features(
        &self,
        names: &[impl AsRef<str>],
        rows: &[LastRow<'_>],
        threads: usize,
    ) -> Result<[u8; 32], SinkError> {
        self.file("features.csv", |out| {
            write!(out, "customer_id")?;
            names.iter().try_for_each(|name| write!(out, ",{}", name.as_ref()))?;
            writeln!(out)?;
            let mut digest = Sha256::new();
            for_each_text(rows, names.len(), threads, |text| {
                digest.update(text);
                out.write_all(text)
            })?;
            Ok(digest.finalize().into())
        })
    }

    /// Writes model.json.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn model(&self, model: &ModelFile) -> Result<(), SinkError> {
        self.file("model.json", |out| {
            serde_json::to_writer(&mut *out, model)?;
            writeln!(out)
        })
    }

    /// Writes thresholds.csv.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn thresholds(&self, thresholds: &[(Day, u64)]) -> Result<(), SinkError> {
        self.file("thresholds.csv", |out| thresholds::write(out, thresholds))
    }

    /// Writes summary.json.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn summary(&self, summary: &Summary) -> Result<(), SinkError> {
        self.file("summary.json", |out| {
            serde_json::to_writer_pretty(&mut *out, summary)?;
            writeln!(out)
        })
    }

    /// Writes dead_letters.jsonl, in the order of topics and places. `source` names the file of a
    /// topic.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn dead_letters(
        &self,
        rejected: &[Rejected],
        source: impl Fn(&Rejected) -> String,
    ) -> Result<(), SinkError> {
        let mut sorted: Vec<&Rejected> = rejected.iter().collect();
        sorted.sort_by_key(|rejected| (rejected.topic, rejected.place));
        self.file("dead_letters.jsonl", |out| {
            sorted.iter().try_for_each(|rejected| {
                serde_json::to_writer(&mut *out, &dead_letter(rejected, source(rejected)))?;
                writeln!(out)
            })
        })
    }

    /// Writes a file under another name, and renames it when it is complete and on the disk.
    fn file<T>(
        &self,
        name: &str,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<T>,
    ) -> Result<T, SinkError> {
        let path = self.path.join(name);
        let partial = self.path.join(format!(".{name}.partial"));
        let written = || -> io::Result<T> {
            // Texts of many rows are longer and go straight to the file.
            let mut out = BufWriter::with_capacity(1 << 16, File::create(&partial)?);
            let result = write(&mut out)?;
            out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            std::fs::rename(&partial, &path)?;
            Ok(result)
        };
        written().map_err(|source| {
            // What is left of it is of no use; that it is left is no second error.
            let _ = std::fs::remove_file(&partial);
            SinkError::Write { path, source }
        })
    }
}

/// Rows whose text is made at a time: some 200 KB, which the second-level cache holds.
const ROWS_OF_A_TEXT: usize = 1024;

/// Texts that a thread may be ahead of whoever takes them.
const TEXTS_AHEAD: usize = 2;

/// Calls `take` with the lines of all rows, many at a time and in their order. With two threads or
/// more they are made in that many, else here.
fn for_each_text(
    rows: &[LastRow<'_>],
    width: usize,
    threads: usize,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let texts = rows.chunks(ROWS_OF_A_TEXT);
    if threads < 2 {
        return texts.into_iter().try_for_each(|rows| take(&lines(rows, width)));
    }
    std::thread::scope(|scope| {
        let made_in = |thread| {
            let (sender, receiver) = sync_channel(TEXTS_AHEAD);
            let mut own = texts.clone().skip(thread).step_by(threads);
            // Nobody receives any more once writing has failed: then there is nothing left to do.
            scope.spawn(move || own.try_for_each(|rows| sender.send(lines(rows, width))).is_ok());
            receiver
        };
        let receivers: Vec<Receiver<Vec<u8>>> = (0..threads).map(made_in).collect();
        let in_order = receivers.iter().cycle().take(texts.len());
        in_order
            .map(|receiver| receiver.recv().map_err(io::Error::other))
            .try_for_each(|text| take(&text?))
    })
}

/// The lines of some rows, each with so many values.
fn lines(rows: &[LastRow<'_>], width: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(rows.len() * width * TYPICAL_VALUE_BYTES);
    for row in rows {
        text.extend_from_slice(itoa::Buffer::new().format(row.customer).as_bytes());
        row.values(width).for_each(|value| write_value(&mut text, value));
        text.push(b'\n');
    }
    text
}

/// Bytes of a value and its comma, on average: whole numbers have few digits, shares many.
const TYPICAL_VALUE_BYTES: usize = 10;

/// Greatest whole number up to which every one is an f64.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// Writes a comma and a value. Most values are whole numbers, for which the digits of an integer
/// are the same and sooner found, and of those most have one digit: flags, small counts, shares of
/// none or all.
fn write_value(line: &mut Vec<u8>, value: f64) {
    let whole = value as i64;
    let is_whole = value.abs() < WHOLE && (whole as f64).to_bits() == value.to_bits();
    if is_whole && (0..10).contains(&whole) {
        return line.extend_from_slice(&[b',', b'0' + whole as u8]);
    }
    line.push(b',');
    if is_whole {
        line.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
    } else {
        line.extend_from_slice(zmij::Buffer::new().format(value).as_bytes());
    }
}

fn dead_letter(rejected: &Rejected, source: String) -> Value {
    let raw = &rejected.raw[..rejected.raw.len().min(Rejected::MAX_RAW)];
    let (key, raw) = match std::str::from_utf8(raw) {
        Ok(text) => ("raw", text.to_string()),
        Err(_) => ("raw_base64", BASE64_STANDARD.encode(raw)),
    };
    json!({
        "source": source,
        "position": rejected.place.position(),
        "reason": rejected.reason.word(),
        "detail": rejected.detail,
        key: raw,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hexadecimal::hexadecimal;
    use dataflows::bandit::ridge::solve;
    use dataflows::bandit::totals::Totals;
    use dataflows::campaign::output::Counts;
    use dataflows::event::Topic;
    use dataflows::event::{Place, Reason};
    use proptest::prelude::*;

    fn output() -> (tempfile::TempDir, OutputDirectory) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let output =
            OutputDirectory::create(&directory.path().join("a/b")).expect("it can be made");
        (directory, output)
    }

    fn content(output: &OutputDirectory, name: &str) -> String {
        std::fs::read_to_string(output.path.join(name)).expect("it is written")
    }

    /// Rows of values in a batch.
    fn rows(rows: &[(i64, &[f64])]) -> Vec<LastRows> {
        let mut batch = LastRows::new(rows.first().map_or(1, |(_, values)| values.len()));
        rows.iter().for_each(|(customer, values)| batch.push(*customer, values));
        vec![batch]
    }

    #[test]
    fn features_have_a_header_and_a_digest_of_their_rows() {
        let (_held, output) = output();
        let rows = rows(&[(7, &[1.0, 0.1]), (12, &[-0.0, 1e21])]);
        let digest = output.features(&["n", "share"], &sorted_rows(&rows), 1).expect("writing");
        assert_eq!(
            content(&output, "features.csv"),
            "customer_id,n,share\n7,1,0.1\n12,-0.0,1e+21\n"
        );
        assert_eq!(digest, <[u8; 32]>::from(Sha256::digest(b"7,1,0.1\n12,-0.0,1e+21\n")));
        let none = output.features(&["n"], &[], 1).expect("writing");
        assert_eq!(
            hexadecimal(&none),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn many_threads_write_what_one_writes() {
        let values: Vec<f64> = (0..7 * ROWS_OF_A_TEXT + 5).map(|i| i as f64 / 7.0).collect();
        let batches = rows(&(-9..).zip(values.chunks(1)).collect::<Vec<_>>());
        let rows = sorted_rows(&batches);
        let written = |threads: usize| {
            let (_held, output) = output();
            let digest = output.features(&["x"], &rows, threads).expect("writing");
            (digest, content(&output, "features.csv"))
        };
        let (digest, text) = written(1);
        assert_eq!(
            (text.lines().count(), text.lines().nth(10)),
            (rows.len() + 1, Some("0,1.2857142857142858"))
        );
        assert!([2, 3, 16].iter().all(|&threads| written(threads) == (digest, text.clone())));
    }

    #[test]
    fn a_failure_ends_the_threads() {
        let values = vec![0.5; 40 * ROWS_OF_A_TEXT];
        let batches = rows(&(0..).zip(values.chunks(1)).collect::<Vec<_>>());
        let mut left = 3;
        let failed = for_each_text(&sorted_rows(&batches), 1, 2, |_| {
            left -= 1;
            if left == 0 { Err(io::Error::other("full")) } else { Ok(()) }
        });
        assert_eq!((failed.expect_err("it failed").to_string(), left), ("full".to_string(), 0));
    }

    proptest! {
        #[test]
        fn every_value_reads_back_to_the_same_bits(value in any::<f64>().prop_filter("features are \
            numbers", |v| !v.is_nan())) {
            for value in [value, value.trunc(), value % 1e6] {
                let mut line = Vec::new();
                write_value(&mut line, value);
                let text = std::str::from_utf8(&line[1..]).expect("digits");
                prop_assert_eq!(text.parse::<f64>().expect("a number").to_bits(), value.to_bits());
                prop_assert!(text.len() <= 25, "{text}");
            }
        }
    }

    #[test]
    fn the_model_has_the_names_of_the_contract() {
        let (_held, output) = output();
        let arm = ArmFile {
            arm: 0,
            name: "Email".to_string(),
            n: 12,
            a: vec![vec![1.5]],
            b: vec![0.25],
            theta: vec![1.0 / 6.0],
        };
        let model = ModelFile {
            dimension: 1,
            context: vec!["intercept".to_string()],
            ridge: 1.0,
            alpha: 0.5,
            arms: vec![arm],
            digest: "ab".to_string(),
            features_digest: "cd".to_string(),
        };
        output.model(&model).expect("writing");
        let expected = "{\"dimension\":1,\"context\":[\"intercept\"],\"ridge\":1.0,\"alpha\":0.5,\"arms\":[{\"arm\":0,\"name\":\"Email\",\"n\":12,\
                        \"A\":[[1.5]],\"b\":[0.25],\"theta\":[0.16666666666666666]}],\"digest\":\"ab\",\"features_digest\":\"cd\"}\n";
        assert_eq!(content(&output, "model.json"), expected);
    }

    #[test]
    fn an_arm_has_the_whole_matrix_and_the_ridge_in_it() {
        let totals =
            Totals { n: 3, a: vec![1 << 24, 2 << 24, 3 << 24], b: vec![1 << 28, -(1 << 27)] };
        let model = solve(1, &totals, 0.5);
        let arm = ArmFile::new(&ArmUpdate { arm: 1, totals, model: model.clone() }, "SMS");
        assert_eq!((arm.arm, arm.n, arm.name.as_str()), (1, 3, "SMS"));
        assert_eq!(arm.a, [[1.0 + model.ridge, 2.0], [2.0, 3.0 + model.ridge]]);
        assert_eq!((arm.b, arm.theta), (vec![1.0, -0.5], model.theta));
    }

    #[test]
    fn a_summary_counts_reasons_and_names_the_range_of_events() {
        let model = ModelFile {
            dimension: 0,
            context: Vec::new(),
            ridge: 1.0,
            alpha: 1.0,
            arms: Vec::new(),
            digest: "ab".to_string(),
            features_digest: "cd".to_string(),
        };
        let rejected = Rejected {
            topic: Topic::Rewards.id(),
            place: Place::new(0, 0),
            reason: Reason::BadReward,
            detail: String::new(),
            raw: Vec::new(),
            whose: None,
        };
        let counts = Counts { records: 100, first: 0, last: 1_709_251_200_000, ..Counts::none() };
        let cost = Cost { wall_seconds: 0.5, cpu_seconds: 0.4, peak_memory_bytes: 1, workers: 2 };
        let results = EpochResults {
            counts,
            rejected: vec![rejected.clone(), rejected],
            ..EpochResults::new(1)
        };
        let summary = Summary::new(&results, 7, &model, cost);
        assert_eq!(summary.dead_letters, BTreeMap::from([("bad_reward", 2)]));
        assert_eq!(
            (summary.first_event.as_deref(), summary.last_event.as_deref()),
            (Some("1970-01-01T00:00:00Z"), Some("2024-03-01T00:00:00Z"))
        );
        assert_eq!((summary.events_per_second, summary.customers), (200.0, 7));
        let nothing =
            Summary::new(&EpochResults::new(1), 0, &model, Cost { wall_seconds: 0.0, ..cost });
        assert_eq!(
            (nothing.first_event, nothing.last_event, nothing.events_per_second),
            (None, None, 0.0)
        );
    }

    #[test]
    fn rows_of_all_workers_are_sorted() {
        let batches =
            [rows(&[(9, &[9.0, 0.0]), (1, &[1.0, 1.5])]), rows(&[(5, &[0.0, 5.5])])].concat();
        let found: Vec<(i64, Vec<f64>)> = sorted_rows(&batches)
            .iter()
            .map(|row| (row.customer, row.values(2).collect()))
            .collect();
        assert_eq!(found, [(1, vec![1.0, 1.5]), (5, vec![0.0, 5.5]), (9, vec![9.0, 0.0])]);
    }

    #[test]
    fn thresholds_are_written_in_the_form_that_is_read() {
        let (_held, output) = output();
        output.thresholds(&[(2, 7), (1, 5)]).expect("writing");
        assert_eq!(
            thresholds::read(&output.path.join("thresholds.csv")).expect("reading"),
            [(1, 5), (2, 7)]
        );
    }

    #[test]
    fn dead_letters_are_sorted_and_keep_their_bytes() {
        let (_held, output) = output();
        let rejected = |topic, position, raw: &[u8]| Rejected {
            topic,
            place: Place::new(1, position),
            reason: Reason::BadAmount,
            detail: "the amount is negative".to_string(),
            raw: raw.to_vec(),
            whose: None,
        };
        let letters = [
            rejected(Topic::Interactions.id(), 5, b"{\"a\":1}"),
            rejected(Topic::Transactions.id(), 9, b"\xff"),
            rejected(Topic::Transactions.id(), 3, "é".as_bytes()),
        ];
        output
            .dead_letters(&letters, |rejected| format!("{}.jsonl", rejected.topic.file_stem()))
            .expect("writing");
        let lines: Vec<Value> = content(&output, "dead_letters.jsonl")
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let line = |source: &str, position: u64, key: &str, raw: &str| json!({"source": source, "position": position, "reason": "bad_amount", "detail": "the amount is negative", key: raw});
        assert_eq!(
            lines,
            [
                line("transactions.jsonl", 3, "raw", "é"),
                line("transactions.jsonl", 9, "raw_base64", "/w=="),
                line("interactions.jsonl", 5, "raw", "{\"a\":1}"),
            ]
        );
    }

    #[test]
    fn a_failed_file_leaves_the_old_one_and_nothing_else() {
        let (_held, output) = output();
        output.thresholds(&[(1, 5)]).expect("writing");
        let failed = output.file("thresholds.csv", |out| {
            out.write_all(b"half")?;
            Err::<(), _>(io::Error::other("disk full"))
        });
        assert!(failed.expect_err("it failed").to_string().ends_with("thresholds.csv: disk full"));
        assert_eq!(content(&output, "thresholds.csv"), "day,high_value\n1970-01-02,5\n");
        assert_eq!(std::fs::read_dir(&output.path).expect("reading").count(), 1);
    }
}
