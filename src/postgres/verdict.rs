//! What follows from an error of the database: whose fault it is, whether the same may be tried
//! again, and what stands still meanwhile.

use super::error::PostgresError;
use super::said::{cause_of, passes};
use crate::blame::Blame;
use crate::telemetry::stalls::Cause;
use postgres::error::SqlState;
use std::borrow::Cow;

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
        let PostgresError::Statement { source, .. } = self else { return false };
        source.code() == Some(&SqlState::UNIQUE_VIOLATION)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_is_transient_and_says_why() {
        let target =
            crate::postgres::target::Target::at("host=127.0.0.1 port=1 connect_timeout=1").unwrap();
        let error = target.connect().err().unwrap();
        assert!(
            error.is_transient() && matches!(error, PostgresError::Unreachable { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("refused"), "{error}");
    }
}
