//! The types of the configuration, section by section as in `default.toml`, which says what each
//! key is for.
//!
//! No type has defaults of its own: they are those of `default.toml`, from which every
//! configuration starts.

use super::secret::{MASK, Secret, SecretUrl};
use super::shown::is_harmless_property;
use super::values;
use crate::config::location::Location;
use crate::identifiers::SchemaName;
use dataflows::bandit::policy::Chosen;
use dataflows::event::Millis;
use dataflows::event::instant::TimeUnit;
use dataflows::settings::Term;
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
    pub cluster: Together,
    /// Logging.
    pub log: Log,
    /// The broker.
    pub kafka: Kafka,
    /// The database.
    pub postgres: Postgres,
    /// Files in its place.
    pub files: Files,
    /// Checkpoints.
    pub checkpoint: Checkpoint,
    /// Cutting of the input.
    pub epoch: Epoch,
    /// Console and API.
    pub http: Http,
    /// Reading of records.
    pub input: Input,
    /// Fields that are called otherwise in the source.
    pub fields: Fields,
    /// What is kept of customers.
    pub history: History,
    /// Customers and their features.
    pub customers: Customers,
    /// The context vector.
    pub context: Context,
    /// The learner.
    pub bandit: Bandit,
    /// What bounds memory.
    pub limits: Limits,
}

/// What bounds memory beside the history itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
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
pub struct Together {
    /// File that holds the secret by which they know each other.
    #[serde(deserialize_with = "values::optional_path")]
    pub secret_file: Option<PathBuf>,
}

/// Logging.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
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

/// The broker.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    /// Brokers to begin with; empty for none.
    #[serde(deserialize_with = "values::brokers")]
    pub brokers: String,
    /// Where a job without progress begins.
    #[serde(deserialize_with = "values::start")]
    pub start: Start,
    /// Consumer group for tools that show lag; `None`: [`Config::group`] makes one of the job's
    /// name.
    #[serde(deserialize_with = "values::optional_name")]
    pub group: Option<String>,
    /// Partitions of a topic that is made.
    #[serde(deserialize_with = "values::whole::<_, _, 1, 4096>")]
    pub partitions: i32,
    /// Replicas of a topic that is made.
    #[serde(deserialize_with = "values::whole::<_, _, 1, 100>")]
    pub replication: i32,
    /// Names of the topics.
    pub topics: Topics,
    /// Settings for librdkafka. May hold secrets: see [`is_harmless_property`].
    #[serde(deserialize_with = "values::texts")]
    pub properties: BTreeMap<String, String>,
}

impl std::fmt::Debug for Kafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = self
            .properties
            .iter()
            .map(|(name, value)| (name, if is_harmless_property(name) { value } else { MASK }));
        f.debug_struct("Kafka")
            .field("brokers", &self.brokers)
            .field("start", &self.start)
            .field("group", &self.group)
            .field("partitions", &self.partitions)
            .field("replication", &self.replication)
            .field("topics", &self.topics)
            .field("properties", &shown.collect::<BTreeMap<_, _>>())
            .finish()
    }
}

/// Where a job without progress begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record of each partition.
    Earliest,
    /// At the end of each partition.
    Latest,
    /// At the first record that the broker dated then or later.
    At(Millis),
}

/// Names of the topics.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topics {
    /// Purchases.
    #[serde(deserialize_with = "values::topic")]
    pub transactions: String,
    /// Profiles and erasures.
    #[serde(deserialize_with = "values::topic")]
    pub customers: String,
    /// Campaign contacts.
    #[serde(deserialize_with = "values::topic")]
    pub interactions: String,
    /// Delayed rewards.
    #[serde(deserialize_with = "values::topic")]
    pub rewards: String,
    /// Requests for a decision.
    #[serde(deserialize_with = "values::topic")]
    pub requests: String,
    /// Decisions, going out.
    #[serde(deserialize_with = "values::topic")]
    pub predictions: String,
    /// Rejected records, going out.
    #[serde(deserialize_with = "values::topic")]
    pub dead_letters: String,
}

/// The database.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Postgres {
    /// Address; empty for none.
    #[serde(deserialize_with = "values::postgres_url")]
    pub url: SecretUrl,
    /// Where results lie in it.
    #[serde(deserialize_with = "values::schema")]
    pub schema: SchemaName,
    /// Password, where it is not in the address.
    #[serde(deserialize_with = "values::secret")]
    pub password: Secret,
    /// File that holds the password.
    #[serde(deserialize_with = "values::optional_path")]
    pub password_file: Option<PathBuf>,
    /// Whether TLS is used, and how the server is verified; empty for the default.
    #[serde(deserialize_with = "values::text")]
    pub sslmode: String,
    /// What the server's certificate is trusted by.
    #[serde(deserialize_with = "values::text")]
    pub sslrootcert: String,
    /// The client's certificate.
    #[serde(deserialize_with = "values::text")]
    pub sslcert: String,
    /// Its key.
    #[serde(deserialize_with = "values::text")]
    pub sslkey: String,
    /// What the key is encrypted with.
    #[serde(deserialize_with = "values::secret")]
    pub sslpassword: Secret,
    /// Whether TLS is asked for or begun at once.
    #[serde(deserialize_with = "values::text")]
    pub sslnegotiation: String,
    /// Whether the password is bound to the connection.
    #[serde(deserialize_with = "values::text")]
    pub channel_binding: String,
    /// File of passwords.
    #[serde(deserialize_with = "values::text")]
    pub passfile: String,
    /// What a statement of an epoch may take; `None`: as long as it takes.
    #[serde(deserialize_with = "values::optional_duration::<_, SECOND, DAY>")]
    pub statement_timeout: Option<Duration>,
    /// What waiting for a lock may take.
    #[serde(deserialize_with = "values::optional_duration::<_, SECOND, DAY>")]
    pub lock_timeout: Option<Duration>,
    /// How long a transaction may be without anything happening in it.
    #[serde(deserialize_with = "values::optional_duration::<_, SECOND, DAY>")]
    pub idle_timeout: Option<Duration>,
    /// What a transaction may take as a whole.
    #[serde(deserialize_with = "values::optional_duration::<_, SECOND, DAY>")]
    pub transaction_timeout: Option<Duration>,
    /// After how long a silent line counts as dead.
    #[serde(deserialize_with = "values::duration::<_, { 6 * SECOND }, { 3_600 * SECOND }>")]
    pub silence_timeout: Duration,
    /// Models kept beside the pinned ones.
    #[serde(deserialize_with = "values::whole::<_, _, 1, 1_000_000>")]
    pub keep_models: u32,
    /// How long dead letters are kept.
    #[serde(deserialize_with = "values::millis::<_, DAY, { 36_500 * DAY }>")]
    pub keep_dead_letters: Millis,
    /// How long interactions are kept; `None`: for ever.
    #[serde(deserialize_with = "values::optional_millis::<_, DAY, { 36_500 * DAY }>")]
    pub keep_interactions: Option<Millis>,
    /// How long decisions are kept; `None`: for ever.
    #[serde(deserialize_with = "values::optional_millis::<_, DAY, { 36_500 * DAY }>")]
    pub keep_decisions: Option<Millis>,
    /// How long metrics of epochs are kept; `None`: for ever.
    #[serde(deserialize_with = "values::optional_duration::<_, 1_000, { 36_500 * DAY }>")]
    pub keep_model_metrics: Option<Duration>,
    /// How long records of epochs are kept; `None`: for ever.
    #[serde(deserialize_with = "values::optional_duration::<_, 1_000, { 36_500 * DAY }>")]
    pub keep_epochs: Option<Duration>,
}

/// Files of results.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// Where they lie; `None`: there are none.
    #[serde(deserialize_with = "values::optional_path")]
    pub dir: Option<PathBuf>,
}

/// Checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
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
pub struct Epoch {
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
pub struct Http {
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
pub struct Input {
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
pub struct Fields {
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

/// What is kept of customers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// How long events are kept one by one; `None`: for ever.
    #[serde(deserialize_with = "values::optional_millis::<_, DAY, { 36_500 * DAY }>")]
    pub keep: Option<Millis>,
}

/// Customers and their features.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Customers {
    /// Categories that are told apart.
    #[serde(deserialize_with = "values::names::<_, { values::MAX_LISTED }>")]
    pub categories: Vec<String>,
    /// Devices that are told apart.
    #[serde(deserialize_with = "values::names::<_, { values::MAX_LISTED }>")]
    pub devices: Vec<String>,
    /// Payment methods that are told apart.
    #[serde(deserialize_with = "values::names::<_, { values::MAX_LISTED }>")]
    pub payments: Vec<String>,
    /// Holiday season, one bit a month (bit 1 = January).
    #[serde(deserialize_with = "values::months")]
    pub holiday_months: u16,
    /// Who is of high value.
    #[serde(deserialize_with = "values::high_value")]
    pub high_value: HighValueRule,
    /// Days of recency from which a customer is at risk.
    #[serde(deserialize_with = "values::real::<_, 0, 36_500>")]
    pub at_risk_days: f64,
    /// Days of recency up to which a customer is recently active.
    #[serde(deserialize_with = "values::real::<_, 0, 36_500>")]
    pub recent_days: f64,
    /// Purchases from which a customer is a frequent buyer.
    #[serde(deserialize_with = "values::whole::<_, _, 1, 1_000_000>")]
    pub frequent_purchases: u32,
}

/// Who is of high value, before the currency's decimals are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HighValueRule {
    /// The percentile of all customers.
    Percentile(u8),
    /// A fixed sum, in ten-thousandths of the currency: the finest that any currency here has.
    Amount {
        /// The sum.
        ten_thousandths: u64,
    },
}

/// The context vector.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// Its terms.
    #[serde(deserialize_with = "values::context_terms")]
    pub terms: Vec<Term>,
}

/// The learner.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bandit {
    /// Names of the arms.
    #[serde(deserialize_with = "values::names::<_, { values::MAX_ARMS }>")]
    pub arms: Vec<String>,
    /// Ridge of the solved model.
    #[serde(deserialize_with = "values::positive")]
    pub ridge: f64,
    /// The policy that decides.
    #[serde(deserialize_with = "values::policy")]
    pub policy: Chosen,
    /// Width of the confidence term.
    #[serde(deserialize_with = "values::real::<_, 0, 1_000_000>")]
    pub alpha: f64,
    /// What the draws of decisions begin with.
    #[serde(deserialize_with = "values::whole::<_, _, 0, { i64::MAX }>")]
    pub seed: u64,
    /// Epochs from learning to deciding.
    #[serde(deserialize_with = "values::whole::<_, _, 1, 1_000>")]
    pub model_lag: u64,
    /// What asks for a decision.
    #[serde(deserialize_with = "values::decide_on")]
    pub decide_on: DecideOn,
    /// Whether an event's own features are used.
    #[serde(deserialize_with = "values::truth")]
    pub own_features: bool,
    /// How long a reward belongs to its interaction.
    #[serde(deserialize_with = "values::millis::<_, SECOND, { 3_650 * DAY }>")]
    pub attribution_window: Millis,
    /// What an interaction without any reward counts.
    #[serde(deserialize_with = "values::real::<_, -10_000_000, 10_000_000>")]
    pub no_response_reward: f64,
}

/// What asks for a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecideOn {
    /// The topic of requests, and the API.
    Request,
    /// Every purchase as well.
    Transaction,
}
