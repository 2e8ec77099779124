//! The form of summary.json.

use crate::files::epochs::NamedOffsets;
use crate::hosting::replaying::NamedFigures;
use crate::sink::gathered::Essentials;
use crate::telemetry::usage::usage;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Instant;

/// What a replay did, as summary.json has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplaySummary {
    /// What was counted.
    #[serde(flatten)]
    pub counted: NamedFigures,
    /// Rejected records by reason.
    pub dead_letters: BTreeMap<&'static str, u64>,
    /// Optional fields that could not be read and were left out, by file and field.
    pub ignored_fields: BTreeMap<String, u64>,
    /// Offsets that lie behind a transaction which was open, by topic and partition; only of
    /// topics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_back: Option<NamedOffsets>,
    /// What came out, by its digests.
    #[serde(flatten)]
    pub outcome: NamedFigures,
    /// What it took.
    #[serde(flatten)]
    pub cost: Cost,
}

/// What a replay took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cost {
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

impl Cost {
    /// What it took so far to read so many records.
    pub(super) fn since(started: Instant, records: u64, workers: usize) -> Self {
        let used = usage();
        let wall_seconds = started.elapsed().as_secs_f64();
        Cost {
            wall_seconds,
            cpu_seconds: used.cpu_seconds,
            events_per_second: a_second(records, wall_seconds),
            peak_memory_bytes: used.peak_memory_bytes,
            workers,
        }
    }

    /// A line for a person.
    pub fn line(&self) -> String {
        format!(
            "{:.2} s, {:.2} s of CPU, {:.0} events/s, {:.0} MB at the peak",
            self.wall_seconds,
            self.cpu_seconds,
            self.events_per_second,
            self.peak_memory_bytes as f64 * 1e-6,
        )
    }
}

fn a_second(records: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { records as f64 / seconds } else { 0.0 }
}

/// Rejected records by reason.
pub(super) fn dead_letters(epoch: &Essentials<'_>) -> BTreeMap<&'static str, u64> {
    let mut dead_letters = BTreeMap::new();
    let reasons = epoch.rejected.iter().map(|rejected| rejected.reason.word());
    reasons.for_each(|reason| *dead_letters.entry(reason).or_insert(0) += 1);
    dead_letters
}

/// Fields that were left out, by file and field.
pub(super) fn ignored_fields(epoch: &Essentials<'_>) -> BTreeMap<String, u64> {
    let ignored = epoch.ignored.iter();
    ignored
        .map(|((topic, field), records)| (format!("{}.{field}", topic.file_stem()), *records))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_counted_comes_first_and_what_it_took_last() {
        let summary = ReplaySummary {
            counted: NamedFigures(vec![("records", json!(100)), ("rejected", json!(2))]),
            dead_letters: BTreeMap::from([("bad_reward", 2)]),
            ignored_fields: BTreeMap::new(),
            held_back: None,
            outcome: NamedFigures(vec![("digest", json!("ab"))]),
            cost: Cost {
                wall_seconds: 0.5,
                cpu_seconds: 0.4,
                events_per_second: a_second(100, 0.5),
                peak_memory_bytes: 1,
                workers: 2,
            },
        };
        let text = serde_json::to_string(&summary).expect("plain values");
        assert_eq!(
            text,
            "{\"records\":100,\"rejected\":2,\"dead_letters\":{\"bad_reward\":2},\
             \"ignored_fields\":{},\"digest\":\"ab\",\"wall_seconds\":0.5,\"cpu_seconds\":0.4,\
             \"events_per_second\":200.0,\"peak_memory_bytes\":1,\"workers\":2}"
        );
        assert_eq!(a_second(100, 0.0), 0.0);
    }
}
