//! Whether a session is one. Behind a pool of transactions each transaction may be in another.

use super::address;
use super::error::PostgresError;
use super::settings::PostgresSettings;
use postgres::{Client, SimpleQueryMessage};

/// A session as the server knows it. The start of the server is a part of it, for two servers may
/// use the same process id.
const WHO: &str = "SELECT pg_backend_pid() || ' ' || pg_postmaster_start_time()";

/// Makes sure that no pool hands the server's sessions from one transaction to the next: search
/// path, temporary tables, prepared statements and the lock of the job are kept in one. A pool
/// shows itself when somebody else has a turn between two transactions.
///
/// # Errors
/// [`PostgresError::Pooled`], or that of a statement.
pub fn check(
    client: &mut Client,
    other: Option<&mut Client>,
    settings: &PostgresSettings,
) -> Result<(), PostgresError> {
    // Twice, so that a pool that goes around is not met at the same place each time.
    let mut own = vec![session(client)?, session(client)?];
    let others = other.map(session).transpose()?;
    own.push(session(client)?);
    let is_one = own.iter().all(|session| *session == own[0]);
    if is_one && others.is_none_or(|other| other != own[0]) {
        Ok(())
    } else {
        Err(PostgresError::Pooled(address::shown(&settings.url)))
    }
}

/// By the simple protocol: the other one prepares statements, which is what a pool may not take.
fn session(client: &mut Client) -> Result<String, PostgresError> {
    let rows = client.simple_query(WHO).map_err(PostgresError::statement("tell its session"))?;
    let row = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(row.unwrap_or_default().to_string())
}
