//! The types of the configuration, section by section as in `default.toml`, which says what each
//! key is for.
//!
//! No type has defaults of its own: they are those of `default.toml`, from which every
//! configuration starts.

mod kafka;
mod learning;
mod postgres;

pub use kafka::{KafkaSection, StartFrom};
pub use learning::{
    BanditSection, ContextSection, CustomersSection, DecideOn, HighValueRule, HistorySection,
    PolicyTables,
};
pub use postgres::PostgresSection;

use super::values;
use crate::config::location::Location;
use dataflows::event::Millis;
use dataflows::event::instant::TimeUnit;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A second, in milliseconds.
const SECOND: i64 = 1_000;

/// A day, in milliseconds.
const DAY: i64 = 86_400 * SECOND;

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the job.
    #[serde(deserialize_with = "values::name")]
    pub job: String,
    /// The dataflow that the job runs.
    #[serde(deserialize_with = "values::dataflow")]
    pub dataflow: String,
    /// Worker threads in each process.
    #[serde(deserialize_with = "values::whole::<_, _, 1, 1024>")]
    pub workers: usize,
    /// Processes that run the job together.
    #[serde(deserialize_with = "values::whole::<_, _, 1, 1024>")]
    pub processes: usize,
    /// Which of them this one is.
    #[serde(deserialize_with = "values::whole::<_, _, 0, 1023>")]
    pub process: usize,
    /// Addresses of the processes, one a line.
    #[serde(deserialize_with = "values::optional_path")]
    pub hostfile: Option<PathBuf>,
    /// What the processes are to each other.
    pub cluster: ClusterSection,
    /// Logging.
    pub log: LogSection,
    /// The broker.
    pub kafka: KafkaSection,
    /// The database.
    pub postgres: PostgresSection,
    /// Files in its place.
    pub files: FilesSection,
    /// Checkpoints.
    pub checkpoint: CheckpointSection,
    /// Cutting of the input.
    pub epoch: EpochSection,
    /// Console and API.
    pub http: HttpSection,
    /// Reading of records.
    pub input: InputSection,
    /// Fields that are called otherwise in the source.
    pub fields: FieldsSection,
    /// What is kept of customers.
    pub history: HistorySection,
    /// Customers and their features.
    pub customers: CustomersSection,
    /// The context vector.
    pub context: ContextSection,
    /// The learner.
    pub bandit: BanditSection,
    /// Policies with names of their own.
    #[serde(deserialize_with = "values::policy_tables")]
    pub policies: PolicyTables,
    /// What bounds memory.
    pub limits: LimitsSection,
}

/// What bounds memory beside the history itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsSection {
    /// Epochs that are cut and not committed.
    #[serde(deserialize_with = "values::whole::<_, _, 1, 64>")]
    pub epochs_in_flight: u64,
    /// Bytes of records that a worker's Kafka client keeps ready.
    #[serde(deserialize_with = "values::size::<_, { 1 << 20 }, { 4 << 30 }>")]
    pub fetched: usize,
    /// Pieces of a checkpoint that wait to be written.
    #[serde(deserialize_with = "values::whole::<_, _, 1, 4096>")]
    pub unsaved: usize,
}

/// What the processes are to each other.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterSection {
    /// File that holds the secret by which they know each other.
    #[serde(deserialize_with = "values::optional_path")]
    pub secret_file: Option<PathBuf>,
}

/// Logging.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSection {
    /// Directives of what is logged.
    #[serde(deserialize_with = "values::log_level")]
    pub level: String,
    /// For people or for collectors.
    #[serde(deserialize_with = "values::log_format")]
    pub format: LogFormat,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// An object a line.
    Json,
}

/// Files of results.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesSection {
    /// Where they lie; `None`: there are none.
    #[serde(deserialize_with = "values::optional_path")]
    pub dir: Option<PathBuf>,
}

/// Checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointSection {
    /// Where they lie.
    #[serde(deserialize_with = "values::location")]
    pub dir: Location,
    /// Time from one to the next.
    #[serde(deserialize_with = "values::duration::<_, SECOND, DAY>")]
    pub interval: Duration,
    /// Complete ones that are kept.
    #[serde(deserialize_with = "values::whole::<_, _, 1, 1_000>")]
    pub keep: usize,
}

/// Cutting of the input.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochSection {
    /// Time from one cut to the next.
    #[serde(deserialize_with = "values::duration::<_, 10, { 3_600 * SECOND }>")]
    pub interval: Duration,
    /// Records after which an epoch is cut before its time.
    #[serde(deserialize_with = "values::whole::<_, _, 1, 1_000_000_000>")]
    pub max_events: u64,
    /// How late an event may come.
    #[serde(deserialize_with = "values::millis::<_, 0, { 3_650 * DAY }>")]
    pub lateness: Millis,
    /// Silence after which a partition no longer holds time back.
    #[serde(deserialize_with = "values::duration::<_, 100, DAY>")]
    pub idle: Duration,
}

/// Console and API.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSection {
    /// Address to listen at.
    #[serde(deserialize_with = "values::listen")]
    pub listen: SocketAddr,
    /// File that holds the bearer token.
    #[serde(deserialize_with = "values::optional_path")]
    pub api_token_file: Option<PathBuf>,
    /// Allows an address that others can reach without a token.
    #[serde(deserialize_with = "values::truth")]
    pub insecure: bool,
    /// What probes may ask for without a token and by any name.
    #[serde(deserialize_with = "values::open_paths")]
    pub open: Vec<OpenPath>,
}

/// A path that can be opened to probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenPath {
    /// Whether the job keeps up.
    Readyz,
    /// The text form of Prometheus.
    Metrics,
}

impl OpenPath {
    /// All of them.
    pub const ALL: [OpenPath; 2] = [OpenPath::Readyz, OpenPath::Metrics];

    /// As a request names it.
    pub fn path(self) -> &'static str {
        match self {
            OpenPath::Readyz => "/readyz",
            OpenPath::Metrics => "/metrics",
        }
    }
}

/// Reading of records.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSection {
    /// Decimals of the currency.
    #[serde(deserialize_with = "values::whole::<_, _, 0, 4>")]
    pub decimals: u32,
    /// Bytes of one record at most.
    #[serde(deserialize_with = "values::size::<_, 1024, { 64 << 20 }>")]
    pub max_record: usize,
    /// How far past the broker's timestamp an event may be dated.
    #[serde(deserialize_with = "values::millis::<_, 0, { 36_500 * DAY }>")]
    pub future: Millis,
    /// What numbers that are instants count; `None`: milliseconds, but for those that would lie in
    /// January 1970.
    #[serde(deserialize_with = "values::time_unit")]
    pub time_unit: Option<TimeUnit>,
    /// Forms of dates that are read beside those that need no configuration.
    #[serde(deserialize_with = "values::date_formats")]
    pub date_format: Vec<String>,
}

/// Fields that are called otherwise in the source: name here to name there, topic by topic.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldsSection {
    /// Of purchases.
    #[serde(deserialize_with = "values::texts")]
    pub transactions: BTreeMap<String, String>,
    /// Of profiles.
    #[serde(deserialize_with = "values::texts")]
    pub customers: BTreeMap<String, String>,
    /// Of contacts.
    #[serde(deserialize_with = "values::texts")]
    pub interactions: BTreeMap<String, String>,
    /// Of rewards.
    #[serde(deserialize_with = "values::texts")]
    pub rewards: BTreeMap<String, String>,
    /// Of requests.
    #[serde(deserialize_with = "values::texts")]
    pub requests: BTreeMap<String, String>,
}
