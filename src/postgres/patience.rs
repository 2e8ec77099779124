//! How long a start waits for a database that is not ready.

use super::error::PostgresError;
use super::settings::PostgresSettings;
use crate::backoff::Backoff;
use crate::sink::Trouble;
use crate::telemetry::stalls::Seen;
use std::thread;
use std::time::Duration;

/// What a start wants of the database, tried for up to `start_timeout` as long as what fails passes
/// by itself; `trouble` tells why it is waited for.
///
/// # Errors
/// What does not pass, or has not after so long.
pub fn awaited<T>(
    settings: &PostgresSettings,
    trouble: &Trouble,
    mut attempt: impl FnMut() -> Result<T, PostgresError>,
) -> Result<T, PostgresError> {
    let mut backoff = Backoff::new(settings.retry_first, settings.retry_longest);
    loop {
        let attempted = attempt();
        trouble.rests();
        let error = match attempted {
            Ok(done) => {
                trouble.note(None);
                return Ok(done);
            }
            Err(error) => error,
        };
        let waited = backoff.waited();
        let error = with_waiting_time(error, waited);
        if !error.is_transient() || waited >= settings.start_timeout {
            return Err(error);
        }
        trouble.note(Some(Seen::of(error.cause(), error.to_string())));
        if backoff.tries() == 0 {
            tracing::warn!(timeout = ?settings.start_timeout, "The database is not ready; waiting \
                for it: {error}.");
        }
        thread::sleep(backoff.pause().min(settings.start_timeout.saturating_sub(waited)));
    }
}

/// The error, which tells how long was waited where nobody answers.
pub fn with_waiting_time(error: PostgresError, waited: Duration) -> PostgresError {
    match error {
        PostgresError::Unreachable { address, source, .. } => {
            PostgresError::Unreachable { address, waited, source }
        }
        other => other,
    }
}
