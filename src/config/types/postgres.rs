//! The section on PostgreSQL.

use super::{DAY, SECOND};
use crate::config::secret::{Secret, SecretUrl};
use crate::config::values;
use crate::identifiers::SchemaName;
use dataflows::event::Millis;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// The database.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresSection {
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
