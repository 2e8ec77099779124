//! Connecting: one session as the sink wants it.

use super::error::PostgresError;
use super::pooling;
use super::settings::{PostgresSettings, Timeouts};
use super::target::{Surroundings, Target};
use postgres::Client;
use std::time::Duration;

/// Questions on a silent line, of which the first comes after a third of the time that it may be
/// silent, until it counts as dead.
const KEEPALIVE_RETRIES: u32 = 4;

/// What every session starts with. A dead client must not hold its locks for long, since the row of
/// progress is among them; a commit that is acknowledged must be on disk, whatever the server's
/// default; and an epoch's rows are to be looked up by their key, where the planner, without
/// statistics on the staged ones, likes to read the whole table instead. Every time limit is set,
/// for one that was made for other users of the server must not end what may take long; those that
/// older servers do not know are passed over.
///
/// By statements and not by options of the start, which PgBouncer refuses. They are the session's,
/// as much else is: see [`pooling`].
const SESSION: &str = "
    SET client_min_messages = warning;
    SET timezone = 'UTC';
    SET default_transaction_isolation = 'read committed';
    SET enable_hashjoin = off;
    SET enable_mergejoin = off;
    SET statement_timeout = 0;
    SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout';
    SELECT set_config('synchronous_commit', 'on', false) WHERE \
    current_setting('synchronous_commit') = 'off';
";

/// Opens one session.
///
/// Password and certificates are read anew each time, so that a connection after they were
/// exchanged has the new ones.
///
/// # Errors
/// [`PostgresError::Target`], those of [`Target::connect`], or that of a statement.
pub fn connect(settings: &PostgresSettings) -> Result<Client, PostgresError> {
    prepared(open(settings)?, settings)
}

/// Opens one session, and makes sure that it is one before anything is set in it: a pool of
/// transactions would hand that to others.
///
/// # Errors
/// As for [`connect`], or [`PostgresError::Pooled`].
pub fn connect_alone(settings: &PostgresSettings) -> Result<Client, PostgresError> {
    let mut client = open(settings)?;
    pooling::check(&mut client, open(settings).ok().as_mut(), settings)?;
    prepared(client, settings)
}

/// Opens one session and leaves it as the server makes it.
///
/// # Errors
/// [`PostgresError::Target`], or those of [`Target::connect`].
pub fn open(settings: &PostgresSettings) -> Result<Client, PostgresError> {
    let mut target = Target::settle(
        &settings.url,
        settings.password.as_deref(),
        &settings.parameters,
        &Surroundings::of_process(),
    )
    .map_err(PostgresError::Target)?;
    target
        .config_mut()
        .application_name(&format!("sluice {}", settings.job))
        .connect_timeout(settings.connect_timeout)
        .keepalives_idle(settings.limits.silence / 3)
        .keepalives_interval(settings.limits.silence / 6)
        .keepalives_retries(KEEPALIVE_RETRIES)
        .tcp_user_timeout(settings.limits.silence);
    target.connect()
}

fn prepared(mut client: Client, settings: &PostgresSettings) -> Result<Client, PostgresError> {
    let Timeouts { lock, idle, transaction, silence, .. } = settings.limits;
    let own = format!(
        "SET search_path = {};
        {SESSION}
        SET lock_timeout = {};
        SET idle_in_transaction_session_timeout = {};
        SELECT set_config(name, '{}', false) FROM pg_settings WHERE name = 'transaction_timeout';
        SET tcp_keepalives_idle = {};
        SET tcp_keepalives_interval = {};
        SET tcp_keepalives_count = {KEEPALIVE_RETRIES};",
        settings.schema.quoted(),
        milliseconds(lock),
        milliseconds(idle),
        milliseconds(transaction),
        (silence / 3).as_secs().max(1),
        (silence / 6).as_secs().max(1),
    );
    client.batch_execute(&own).map_err(PostgresError::statement("set up the session"))?;
    Ok(client)
}

/// Limits the statements of a session from now on, which commits epochs: what changes the schema,
/// or reads all of it, takes as long as it takes.
///
/// # Errors
/// That of the statement.
pub fn limit(client: &mut Client, settings: &PostgresSettings) -> Result<(), PostgresError> {
    let limit = format!("SET statement_timeout = {}", milliseconds(settings.limits.statement));
    client.batch_execute(&limit).map_err(PostgresError::statement("limit the session's statements"))
}

/// The server's number for a session.
///
/// # Errors
/// That of the statement.
pub fn backend(client: &mut Client) -> Result<i32, PostgresError> {
    Ok(client
        .query_one("SELECT pg_backend_pid()", &[])
        .map_err(PostgresError::statement("tell its session"))?
        .get(0))
}

/// As the server takes it; 0 for no limit.
fn milliseconds(limit: Option<Duration>) -> u128 {
    limit.map_or(0, |limit| limit.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::tests::TestDatabase;

    #[test]
    fn a_session_has_its_own_limits_whatever_the_server_would_give_it() {
        let Some(database) = TestDatabase::create() else { return };
        let role = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout = 50', \
            current_database());
            EXECUTE format('ALTER DATABASE %I SET lock_timeout = 50', current_database()); END $$";
        open(&database.settings()).unwrap().batch_execute(role).unwrap();
        let limits = Timeouts {
            statement: Some(Duration::from_secs(90)),
            lock: Some(Duration::from_secs(7)),
            idle: None,
            ..Timeouts::default()
        };
        let settings = PostgresSettings { limits, ..database.settings() };
        let mut client = connect(&settings).unwrap();
        let shown = |client: &mut Client| {
            [
                "statement_timeout",
                "lock_timeout",
                "idle_in_transaction_session_timeout",
                "idle_session_timeout",
                "tcp_keepalives_idle",
            ]
            .map(|name| client.query_one(&format!("SHOW {name}"), &[]).unwrap().get::<_, String>(0))
        };
        assert_eq!(shown(&mut client), ["0", "7s", "0", "0", "10"]);
        limit(&mut client, &settings).unwrap();
        assert_eq!(shown(&mut client)[0], "90s");
    }

    #[test]
    fn nobody_at_the_address_is_said_with_the_address_and_without_the_password() {
        let error =
            connect(&PostgresSettings::new("postgres://ann:s3cret@127.0.0.1:1/shop", "campaign"))
                .err()
                .unwrap();
        assert!(error.is_transient());
        let text = error.to_string();
        assert!(
            text.contains("postgres://ann@127.0.0.1:1/shop") && !text.contains("s3cret"),
            "{text}"
        );
    }

    #[test]
    fn an_address_that_cannot_be_read_is_not_shown_at_all() {
        let error = connect(&PostgresSettings::new("postgres://ann:s3cret@[broken", "campaign"))
            .err()
            .unwrap();
        assert!(!error.is_transient() && !error.to_string().contains("s3cret"));
    }
}
