//! A session of the one writer: a connection that is ready for epochs.

use super::connection;
use super::error::PostgresError;
use super::settings::PostgresSettings;
use super::statements::Statements;
use postgres::Client;

/// A connection that is ready for epochs.
pub struct Session {
    /// The connection.
    pub client: Client,
    /// What was prepared on it.
    pub statements: Statements,
    /// The server's number for it.
    pub backend: i32,
}

impl Session {
    /// Connects and prepares.
    ///
    /// # Errors
    /// Whatever keeps it from that: see [`PostgresError`].
    pub fn open(settings: &PostgresSettings) -> Result<Session, PostgresError> {
        let mut client = connection::connect(settings)?;
        let statements = Statements::prepare(&mut client, settings)?;
        Session::of(client, statements, settings)
    }

    /// A session that is ready but for its limits.
    ///
    /// # Errors
    /// That of a statement.
    pub fn of(
        mut client: Client,
        statements: Statements,
        settings: &PostgresSettings,
    ) -> Result<Session, PostgresError> {
        connection::limit(&mut client, settings)?;
        let backend = connection::backend(&mut client)?;
        Ok(Session { client, statements, backend })
    }
}
