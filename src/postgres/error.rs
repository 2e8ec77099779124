//! What can go wrong with the database.

use super::said::reason;
use super::tls::KeyProblem;
use crate::sink::rows::Unfit;
use crate::source::Remade;
use std::borrow::Cow;
use std::io;
use std::time::Duration;

/// Why the sink could not go on. No variant ever shows a password.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// Address, password and TLS do not say how the database is reached.
    #[error("the database cannot be reached so: {}", listed(.0))]
    Target(Vec<KeyProblem>),
    /// A file of certificates or keys cannot be used.
    #[error("the database cannot be reached securely: {}", listed(.0))]
    Files(Vec<KeyProblem>),
    /// There is no TLS with the server.
    #[error("PostgreSQL at {address} cannot be reached securely: {why} [{}]", reason(.source))]
    Tls {
        /// The address.
        address: String,
        /// What is wrong and what to do.
        why: String,
        /// What the library says.
        source: postgres::Error,
    },
    /// Nothing answers there.
    #[error("no PostgreSQL answers at {address} after {:.1} s ({}); start it, or correct \
        postgres.url", .waited.as_secs_f64(), reason(.source))]
    Unreachable {
        /// The address.
        address: String,
        /// How long it was tried.
        waited: Duration,
        /// The last failure.
        source: postgres::Error,
    },
    /// The server answers but does not let us in.
    #[error("PostgreSQL at {address} refuses the connection ({}); {advice}", reason(.source))]
    Refused {
        /// The address.
        address: String,
        /// What to do about it.
        advice: &'static str,
        /// What it says.
        source: postgres::Error,
    },
    /// The session is a pool's.
    #[error(
        "at {0} a pool hands each transaction to another session, as PgBouncer does with pool_mode \
         = transaction; the job keeps search path, temporary \
         tables, prepared statements and a lock in its session: use pool_mode = session for it, or \
         the server's own address"
    )]
    Pooled(String),
    /// The database cannot hold every text.
    #[error(
        "the database at {address} has the encoding {encoding}; create one with ENCODING 'UTF8'"
    )]
    Encoding {
        /// The address.
        address: String,
        /// Its encoding.
        encoding: String,
    },
    /// The schema could not be brought up to date.
    #[error(
        "schema `{schema}` cannot be brought up to date, and is as it was: {}", reason(.source)
    )]
    Migration {
        /// The schema.
        schema: String,
        /// What the server says.
        source: postgres::Error,
    },
    /// The schema is not the one of this program, and nothing may be changed.
    #[error(
        "schema `{schema}` is at version {found} where this program needs {wanted} (0: there is \
         none): {}",
        if *found > *wanted {
            "it is of a newer version of the program, and cannot be made older; run that one"
        } else {
            "what only reads does not change it; use the job's own version of the program, or \
             start the job once with this one"
        }
    )]
    Version {
        /// The schema.
        schema: String,
        /// Its version.
        found: i64,
        /// The one that is needed.
        wanted: i64,
    },
    /// The schema went another way than this program's.
    #[error(
        "version {version} of the schema `{schema}` is not the one of this program: another \
         program of this name has made it. Run that one, or give the job a schema of its own in \
         postgres.schema"
    )]
    Diverged {
        /// The schema.
        schema: String,
        /// Its version that differs.
        version: i32,
    },
    /// The role may not do what the job does.
    #[error("the database does not allow what the job does: {}", .0.join("; "))]
    Rights(Vec<String>),
    /// The database knows no such job.
    #[error("the database has no job `{0}`; correct `job` or postgres.url, or start the job once")]
    NoJob(String),
    /// The schema is another job's.
    #[error(
        "schema `{schema}` at {address} belongs to job `{owner}`: what job `{job}` writes would \
         mix with that, so nothing was changed. Give `{job}` a schema of its own in \
         postgres.schema, or correct `job`"
    )]
    OtherJob {
        /// The schema.
        schema: String,
        /// The address.
        address: String,
        /// The job that it belongs to.
        owner: String,
        /// The job that was to be run.
        job: String,
    },
    /// A version that let jobs share a schema has written there for several.
    #[error(
        "schema `{schema}` at {address} has rows of job {}, written by a version that let jobs \
         share tables: which are those of job `{job}` cannot be told, so nothing was changed. \
         Give `{job}` a schema of its own in postgres.schema and make everything anew in it with \
         --rebuild; or delete the rows of the others in its tables `progress` and `epochs`, and \
         make everything anew there",
        .others.iter().map(|job| format!("`{job}`")).collect::<Vec<_>>().join(" and of ")
    )]
    SeveralJobs {
        /// The schema.
        schema: String,
        /// The address.
        address: String,
        /// The jobs beside it.
        others: Vec<String>,
        /// The job that was to be run.
        job: String,
    },
    /// The schema has results that this program neither reads nor writes.
    #[error(
        "schema `{schema}` at {address} has results of {found}, where this program writes those \
         of {wanted}: nothing was changed. Run the program that made them, or give the job \
         another schema in postgres.schema"
    )]
    OtherResults {
        /// The schema.
        schema: String,
        /// The address.
        address: String,
        /// What they are.
        found: String,
        /// What they should be.
        wanted: String,
    },
    /// A topic is not the one that the job has read.
    #[error(transparent)]
    Remade(#[from] Remade),
    /// A configured feature cannot be a column.
    #[error("feature `{name}` cannot be a column of {table}: {why}; rename it")]
    FeatureName {
        /// The feature.
        name: String,
        /// The table.
        table: &'static str,
        /// Why not.
        why: &'static str,
    },
    /// A column is there with another type.
    #[error(
        "column {table}.{column} is of type {found} where {wanted} is needed; rename or \
         drop it"
    )]
    Column {
        /// The table.
        table: &'static str,
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// The type that it should have.
        wanted: &'static str,
    },
    /// Another instance of the job has taken over.
    #[error(
        "job `{job}` was taken over by another instance (its incarnation is {current}, ours was \
         {own}); epoch {epoch} was not written here"
    )]
    Fenced {
        /// The job.
        job: String,
        /// The epoch that was to be committed.
        epoch: u64,
        /// The incarnation that this instance got.
        own: i64,
        /// The incarnation that is recorded.
        current: i64,
    },
    /// The epoch does not follow the recorded one.
    #[error(
        "epoch {epoch} of job `{job}` cannot be committed after epoch {recorded}: those between \
         are missing"
    )]
    Gap {
        /// The job.
        job: String,
        /// The epoch that was to be committed.
        epoch: u64,
        /// The last that is committed.
        recorded: u64,
    },
    /// The job's row of progress is gone.
    #[error(
        "table progress has no row of job `{0}`: somebody deleted it while the job ran; restore it \
         from a copy, or make everything anew from the topics \
         with --rebuild"
    )]
    NoProgress(String),
    /// A published row would change.
    #[error("a row of {table} is published with other values than {row}; it is never reopened")]
    Published {
        /// The table.
        table: &'static str,
        /// The row that was to be written, as JSON.
        row: String,
    },
    /// A batch of rows does not have the values that its rows need.
    #[error(
        "epoch {epoch} has {found} {what} where its rows need {wanted}: the configured list is not \
         the one that the dataflow runs with"
    )]
    Shape {
        /// The epoch.
        epoch: u64,
        /// Values of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        wanted: usize,
    },
    /// A recorded epoch cannot be read back.
    #[error(
        "recorded epoch {epoch} cannot be read: {why}; restore all of the job's progress from one \
         copy, or make everything anew from the topics with \
         --rebuild"
    )]
    Recorded {
        /// The epoch.
        epoch: u64,
        /// Why not.
        why: String,
    },
    /// A statement failed.
    #[error("PostgreSQL failed to {doing}: {}", reason(.source))]
    Statement {
        /// What was being done.
        doing: Cow<'static, str>,
        /// What it says.
        source: postgres::Error,
    },
    /// The stream of rows broke off.
    #[error("the connection to PostgreSQL broke off while copying rows: {0}")]
    Copy(#[source] io::Error),
    /// The database stayed away for too long.
    #[error(
        "PostgreSQL stayed away for {waited:?}, longer than postgres.retry_timeout; epoch {epoch} \
         is not committed: {last}"
    )]
    GaveUp {
        /// The epoch that waits.
        epoch: u64,
        /// How long it was tried.
        waited: Duration,
        /// The last failure.
        last: Box<PostgresError>,
    },
}

impl From<Unfit> for PostgresError {
    fn from(Unfit { epoch, what, found, wanted }: Unfit) -> Self {
        PostgresError::Shape { epoch, what, found, wanted }
    }
}

fn listed(problems: &[KeyProblem]) -> String {
    problems.iter().map(|(key, problem)| format!("{key}: {problem}")).collect::<Vec<_>>().join("; ")
}
