//! What `/status` says of every job, as plain values: times in milliseconds since 1970 or in
//! seconds. What a dataflow has beside stands among it.

use super::figures::FiguresShown;
use dataflows::event::Millis;
use serde::Serialize;
use std::collections::BTreeMap;

/// The job at one instant.
#[derive(Debug, Serialize)]
pub struct StatusReport {
    /// Name of the job.
    pub job: String,
    /// Version of the program.
    pub version: &'static str,
    /// The state's word: see [`super::State::word`].
    pub state: &'static str,
    /// What the job waits for, where it waits.
    pub message: Option<String>,
    /// Whether the job keeps up with its input.
    pub ready: bool,
    /// What stands still, the gravest first.
    pub stalls: Vec<StallReport>,
    /// Seconds since the start.
    pub uptime_seconds: f64,
    /// Seconds of CPU time used by the process.
    pub cpu_seconds: f64,
    /// Resident memory of the process.
    pub memory_bytes: u64,
    /// Epochs.
    pub epoch: Epochs,
    /// What committed epochs have still to publish.
    pub publishing: PublishingBacklog,
    /// When something last succeeded.
    pub times: SuccessTimes,
    /// Event time.
    pub watermark: Option<Watermark>,
    /// Partitions, sorted by topic and number.
    pub partitions: Vec<PartitionProgress>,
    /// Valid records that were read.
    pub events: Throughput,
    /// What its dataflow shows.
    #[serde(flatten)]
    pub figures: Box<dyn FiguresShown>,
    /// Erasures that were not done, by the word for why.
    pub failed_erasures: BTreeMap<&'static str, u64>,
    /// Rejected records by the word of their reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Optional fields that could not be read and were left out, those too of which there are none.
    pub ignored_fields: Vec<IgnoredField>,
    /// Offsets by topic that were gone before they were read, and without which the job was told to
    /// go on.
    pub given_up: BTreeMap<&'static str, u64>,
    /// The last rejected records, newest first.
    pub dead_letters: Vec<DeadLetter>,
}

/// Something that stands still.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StallReport {
    /// The word for its cause: see [`Cause`](crate::telemetry::stalls::Cause).
    pub cause: &'static str,
    /// Whether epochs cannot be committed for it.
    pub stops: bool,
    /// What it is, as a sentence.
    pub what: String,
    /// For how long.
    pub seconds: u64,
}

/// Epochs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Epochs {
    /// The newest that was cut; 0 for none.
    pub cut: u64,
    /// The newest that is committed; 0 for none.
    pub committed: u64,
    /// Cut and not yet committed.
    pub in_flight: u64,
    /// The newest complete checkpoint; 0 before the first.
    pub checkpoint: u64,
    /// How long the last commit took.
    pub commit_seconds: Option<f64>,
    /// SHA-256 of the model's statistics after the last commit, in hexadecimal digits.
    pub digest: Option<String>,
}

/// What committed epochs have still to publish: decisions and dead letters, to their topics.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PublishingBacklog {
    /// The epoch up to which everything is published.
    pub published: u64,
    /// Epochs that are committed and not published.
    pub epochs: u64,
    /// Records of these.
    pub records: u64,
    /// Seconds since the oldest of them was committed; 0 where there are none.
    pub oldest_seconds: f64,
    /// What keeps them, while something does.
    pub trouble: Option<String>,
    /// Records that were passed over, because their topic never takes them: decisions, where there
    /// are such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unpublishable_predictions: Option<u64>,
    /// Likewise: dead letters.
    pub unpublishable_dead_letters: u64,
}

/// When something last succeeded.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SuccessTimes {
    /// The last commit; `None` before the first since the start.
    pub commit_ms: Option<Millis>,
    /// When the newest complete checkpoint was made; `None` before the first.
    pub checkpoint_ms: Option<Millis>,
    /// Seconds since then, or since the start where there is none.
    pub checkpoint_age_seconds: f64,
    /// Checkpoints that could not be written since the start.
    pub checkpoints_failed: u64,
}

/// Event time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Watermark {
    /// Below it nothing is expected any more.
    pub timestamp_ms: Millis,
    /// The partition that holds it back.
    pub held_by: Option<Holder>,
}

/// A partition that holds the watermark back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// Its topic.
    pub topic: &'static str,
    /// Its number.
    pub partition: u32,
}

/// How far one partition has been read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionProgress {
    /// Its topic.
    pub topic: &'static str,
    /// Its number.
    pub partition: u32,
    /// The first offset that is not committed; before the first commit it is not known.
    pub next_offset: Option<u64>,
    /// The offset after the last record that can be read, where it is known: before it every
    /// transaction has ended.
    pub last_stable_offset: Option<u64>,
    /// The offset after the last record that the broker has, where it is known.
    pub high_watermark: Option<u64>,
    /// How many offsets can be read and are not committed.
    pub lag: Option<u64>,
    /// How many offsets cannot be read, because a transaction before them is open.
    pub held_back: Option<u64>,
}

/// Valid records that were read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Throughput {
    /// Since the start.
    pub total: u64,
    /// Over the last ten seconds.
    pub per_second: f64,
}

/// An optional field that could not be read and was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IgnoredField {
    /// Its topic.
    pub topic: &'static str,
    /// Its name.
    pub field: String,
    /// In how many records.
    pub records: u64,
}

/// A rejected record, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// Its topic.
    pub topic: &'static str,
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub position: u64,
    /// Why, in a word.
    pub reason: &'static str,
    /// Why, in a sentence.
    pub detail: String,
}
