//! The form of summary.json.

use super::ModelFile;
use crate::campaign::counted::Counted;
use crate::campaign::results::EpochResults;
use crate::files::epochs::NamedOffsets;
use dataflows::event::Millis;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

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
