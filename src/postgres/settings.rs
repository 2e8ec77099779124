//! What the sink must be told.

use super::address::{self, ConnectionParameters};
use super::retention::Ages;
use crate::identifiers::SchemaName;
use crate::sink::rows::{Wording, Wordless};
use crate::source::TopicNames;
use dataflows::event::Millis;
use dataflows::source::TopicId;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What bounds how long something in the database may take; `None`: nothing, whatever the server
/// says of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// One statement of an epoch.
    pub statement: Option<Duration>,
    /// Waiting for one lock.
    pub lock: Option<Duration>,
    /// A transaction in which nothing happens.
    pub idle: Option<Duration>,
    /// A transaction as a whole, where the server knows such a limit.
    pub transaction: Option<Duration>,
    /// A line on which nothing is heard of the other side.
    pub silence: Duration,
}

impl Default for Timeouts {
    /// As in `default.toml`.
    fn default() -> Self {
        let (statement, lock, idle) = (
            Some(Duration::from_secs(900)),
            Some(Duration::from_secs(60)),
            Some(Duration::from_secs(60)),
        );
        Timeouts { statement, lock, idle, transaction: None, silence: Duration::from_secs(30) }
    }
}

/// Settings of the PostgreSQL sink.
#[derive(Clone)]
pub struct PostgresSettings {
    /// Address of the database, `postgres://user:password@host:port/name`, or in the form `host=…
    /// user=…`.
    pub url: String,
    /// Password, where it is not in the address.
    pub password: Option<Vec<u8>>,
    /// What libpq would take of the address beside it: TLS and the file of passwords.
    pub parameters: ConnectionParameters,
    /// Where the job's results lie.
    pub schema: SchemaName,
    /// Name of the job whose progress is kept.
    pub job: String,
    /// How long one attempt to connect may take.
    pub connect_timeout: Duration,
    /// What bounds how long something may take there.
    pub limits: Timeouts,
    /// How long a start waits for a database that does not answer.
    pub start_timeout: Duration,
    /// How long a commit is retried while the database is away; `None`: for ever.
    pub retry_timeout: Option<Duration>,
    /// The first pause between two tries; each further one is up to twice as long.
    pub retry_first: Duration,
    /// The longest pause between two tries.
    pub retry_longest: Duration,
    /// How many of the newest model versions are kept, beside the pinned ones.
    pub keep_model_versions: u32,
    /// Days that dead letters are kept.
    pub dead_letter_days: u32,
    /// How long rows of the tables that grow are kept.
    pub keep: Ages,
    /// What rows are worded by.
    pub wording: Arc<dyn Wording>,
    /// Names of the topics.
    pub topics: TopicNames,
    /// How late an event may come and still count as in order.
    pub lateness: Millis,
    /// The tables are of other settings until an epoch changes them: until then their names stay.
    pub changes: bool,
    /// What is recorded of the job is about to be forgotten: it need not be readable.
    pub anew: bool,
}

impl PostgresSettings {
    /// Settings for an address and a job, with the default of everything else and no tables yet.
    pub fn new(url: &str, job: &str) -> Self {
        PostgresSettings {
            url: url.to_string(),
            password: None,
            parameters: ConnectionParameters::default(),
            schema: SchemaName::default(),
            job: job.to_string(),
            connect_timeout: Duration::from_secs(5),
            limits: Timeouts::default(),
            start_timeout: Duration::from_secs(30),
            retry_timeout: None,
            retry_first: Duration::from_millis(100),
            retry_longest: Duration::from_secs(5),
            keep_model_versions: 1_000,
            dead_letter_days: 30,
            keep: Ages::default(),
            wording: Arc::new(Wordless),
            topics: TopicNames::own(dataflows::topics()),
            lateness: dataflows::event::DAY,
            changes: false,
            anew: false,
        }
    }

    /// The name of a topic at the broker.
    pub fn topic_name(&self, topic: TopicId) -> &str {
        &self.topics[topic]
    }
}

/// The address is left out but for what is certain not to be a password.
impl fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresSettings")
            .field("url", &address::shown(&self.url))
            .field("parameters", &self.parameters)
            .field("schema", &self.schema)
            .field("job", &self.job)
            .field("connect_timeout", &self.connect_timeout)
            .field("limits", &self.limits)
            .field("start_timeout", &self.start_timeout)
            .field("retry_timeout", &self.retry_timeout)
            .field("retry_first", &self.retry_first)
            .field("retry_longest", &self.retry_longest)
            .field("keep_model_versions", &self.keep_model_versions)
            .field("dead_letter_days", &self.dead_letter_days)
            .field("keep", &self.keep)
            .field("wording", &self.wording)
            .field("topics", &self.topics)
            .field("lateness", &self.lateness)
            .field("changes", &self.changes)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for url in [
            "postgres://ann:s3cret@db.example:5433/shop",
            "host=db.example user=ann password=s3cret",
            "postgres://ann:s3cret@[broken",
        ] {
            let shown = format!("{:?}", PostgresSettings::new(url, "campaign"));
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }
}
