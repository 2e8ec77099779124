//! What can go wrong with the database, and whether trying again can help.

use super::tls::Problem;
use crate::blame::Blame;
use crate::campaign::rows::Unfit;
use crate::source::Remade;
use crate::telemetry::stalls::Cause;
use postgres::error::SqlState;
use std::borrow::Cow;
use std::io;
use std::time::Duration;

/// Why the sink could not go on. No variant ever shows a password.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// Address, password and TLS do not say how the database is reached.
    #[error("the database cannot be reached so: {}", listed(.0))]
    Target(Vec<Problem>),
    /// A file of certificates or keys cannot be used.
    #[error("the database cannot be reached securely: {}", listed(.0))]
    Files(Vec<Problem>),
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
    #[error("schema `{schema}` cannot be brought up to date, and is as it was: {}", reason(.source))]
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
         --rebuild; or delete the rows of the others in its tables `progress` and `epochs`, and make \
         everything anew there",
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
    #[error("feature `{name}` cannot be a column of customer_features: {why}; rename it")]
    FeatureName {
        /// The feature.
        name: String,
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

impl PostgresError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            PostgresError::Target(_) | PostgresError::FeatureName { .. } => Blame::Usage,
            PostgresError::Unreachable { .. }
            | PostgresError::Refused { .. }
            | PostgresError::Tls { .. }
            | PostgresError::Files(_)
            | PostgresError::Migration { .. }
            | PostgresError::Rights(_)
            | PostgresError::Remade(_)
            | PostgresError::Gap { .. }
            | PostgresError::Statement { .. }
            | PostgresError::Copy(_) => Blame::World,
            PostgresError::Fenced { .. } => Blame::Another,
            PostgresError::OtherJob { .. }
            | PostgresError::SeveralJobs { .. }
            | PostgresError::OtherResults { .. }
            | PostgresError::Pooled(_)
            | PostgresError::Encoding { .. }
            | PostgresError::Version { .. }
            | PostgresError::Diverged { .. }
            | PostgresError::NoJob(_)
            | PostgresError::Column { .. }
            | PostgresError::NoProgress(_)
            | PostgresError::Published { .. }
            | PostgresError::Shape { .. }
            | PostgresError::Recorded { .. } => Blame::Lasting,
            PostgresError::GaveUp { last, .. } => last.blame(),
        }
    }

    /// Whether a row was to be written under a key that is there already.
    pub fn is_repeated_key(&self) -> bool {
        matches!(self, PostgresError::Statement { source, .. } if source.code() == Some(&SqlState::UNIQUE_VIOLATION))
    }

    /// Whether the same again, on a new connection, may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            // What is exchanged may be half written for a moment; at the start it was looked at
            // with the configuration.
            PostgresError::Unreachable { .. }
            | PostgresError::Copy(_)
            | PostgresError::Files(_) => true,
            PostgresError::Refused { source, .. }
            | PostgresError::Statement { source, .. }
            | PostgresError::Migration { source, .. } => passes(source),
            PostgresError::Target(_)
            | PostgresError::Tls { .. }
            | PostgresError::Pooled(_)
            | PostgresError::Encoding { .. }
            | PostgresError::Version { .. }
            | PostgresError::Diverged { .. }
            | PostgresError::Rights(_)
            | PostgresError::NoJob(_)
            | PostgresError::OtherJob { .. }
            | PostgresError::SeveralJobs { .. }
            | PostgresError::OtherResults { .. }
            | PostgresError::Remade(_)
            | PostgresError::FeatureName { .. }
            | PostgresError::Column { .. }
            | PostgresError::Fenced { .. }
            | PostgresError::Gap { .. }
            | PostgresError::NoProgress(_)
            | PostgresError::Published { .. }
            | PostgresError::Shape { .. }
            | PostgresError::Recorded { .. }
            | PostgresError::GaveUp { .. } => false,
        }
    }

    /// What stands still where the same is tried again.
    pub fn cause(&self) -> Cause {
        match self {
            PostgresError::Statement { source, .. } => {
                source.code().map_or(Cause::Database, cause_of)
            }
            PostgresError::Migration { source: error, .. } => {
                error.code().map_or(Cause::Database, cause_of)
            }
            PostgresError::GaveUp { last, .. } => last.cause(),
            _ => Cause::Database,
        }
    }

    /// Makes a failed statement's error; `doing` completes "PostgreSQL failed to …".
    pub fn statement(
        doing: impl Into<Cow<'static, str>>,
    ) -> impl FnOnce(postgres::Error) -> PostgresError {
        let doing = doing.into();
        move |source| PostgresError::Statement { doing, source }
    }
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(|(key, problem)| format!("{key}: {problem}")).collect::<Vec<_>>().join("; ")
}

/// Whether a failure of the server or the connection passes by itself.
pub fn passes(error: &postgres::Error) -> bool {
    match error.code() {
        Some(state) => state_passes(state),
        None => error.is_closed() || is_io(error),
    }
}

/// Connections lost (08), resources short (53), server going down or coming up (57P0x), canceled by
/// an operator, conflicts with other sessions, and a standby that is about to be promoted.
fn state_passes(state: &SqlState) -> bool {
    let code = state.code();
    matches!(&code[..2], "08" | "53")
        || code.starts_with("57P0")
        // A transaction that took longer than transaction_timeout.
        || code == "25P04"
        || [
            SqlState::QUERY_CANCELED,
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            SqlState::READ_ONLY_SQL_TRANSACTION,
        ]
        .contains(state)
}

/// Locks that others hold (waited for too long, a deadlock, a conflict), and what ends after a
/// time: a statement (which is also what an operator cancels), or a transaction. With everything
/// else the database itself does not take the epoch.
fn cause_of(state: &SqlState) -> Cause {
    match state.code() {
        "55P03" | "40P01" | "40001" => Cause::DatabaseLock,
        "57014" | "25P03" | "25P04" => Cause::DatabaseSlow,
        _ => Cause::Database,
    }
}

fn is_io(error: &postgres::Error) -> bool {
    super::tls::causes(error).into_iter().any(|cause| cause.is::<io::Error>())
}

/// What the server says, with its detail and hint; without a server the chain of causes.
pub fn reason(error: &postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        // What a row has that breaks a rule, or a value that cannot be read, is nobody's affair
        // here.
        let quotes = ["22", "23"].iter().any(|class| said.code().code().starts_with(class));
        let extra = [said.detail().filter(|_| !quotes), said.hint()]
            .into_iter()
            .flatten()
            .map(|text| format!("; {text}"))
            .collect::<String>();
        return format!("{}{extra} [{}]", said.message(), said.code().code());
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_retried_and_what_stays_is_not() {
        for code in [
            "08006", "53300", "57P01", "57P02", "57P03", "57014", "40001", "40P01", "55P03",
            "25P03", "25P04", "25006",
        ] {
            assert!(state_passes(&SqlState::from_code(code)), "{code}");
        }
        for code in ["23505", "42P01", "28P01", "3D000", "22021", "42501", "57000"] {
            assert!(!state_passes(&SqlState::from_code(code)), "{code}");
        }
    }

    #[test]
    fn a_lock_and_a_time_limit_are_told_from_a_database_that_is_away() {
        let causes = [
            ("55P03", Cause::DatabaseLock),
            ("40P01", Cause::DatabaseLock),
            ("57014", Cause::DatabaseSlow),
            ("25P04", Cause::DatabaseSlow),
        ];
        for (code, cause) in causes
            .into_iter()
            .chain(["57P01", "53300", "08006"].map(|code| (code, Cause::Database)))
        {
            assert_eq!(cause_of(&SqlState::from_code(code)), cause, "{code}");
        }
    }

    #[test]
    fn a_refused_connection_is_transient_and_says_why() {
        let target =
            super::super::target::Target::at("host=127.0.0.1 port=1 connect_timeout=1").unwrap();
        let error = target.connect().err().unwrap();
        assert!(
            error.is_transient() && matches!(error, PostgresError::Unreachable { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("refused"), "{error}");
    }
}
