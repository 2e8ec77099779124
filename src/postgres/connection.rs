//! Connecting: one session as the sink wants it, and the pauses between tries.

use super::error::PostgresError;
use super::pooling;
use super::settings::PostgresSettings;
use super::target::{Surroundings, Target};
use postgres::Client;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

/// Silence on the line after which the system asks whether the other side is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
/// Pause between such questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// Unanswered questions, or seconds of unacknowledged data, after which the connection counts as dead.
const KEEPALIVE_RETRIES: u32 = 4;
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// What every session starts with. A dead client must not hold its locks for long, since the row of progress is among them; a commit that is
/// acknowledged must be on disk, whatever the server's default; and an epoch's rows are to be looked up by their key, where the planner, without
/// statistics on the staged ones, likes to read the whole table instead.
const SESSION: &str = "
    SET search_path = sluice;
    SET client_min_messages = warning;
    SET timezone = 'UTC';
    SET default_transaction_isolation = 'read committed';
    SET lock_timeout = '60s';
    SET enable_hashjoin = off;
    SET enable_mergejoin = off;
    SET idle_in_transaction_session_timeout = '60s';
    SET tcp_keepalives_idle = 10;
    SET tcp_keepalives_interval = 5;
    SET tcp_keepalives_count = 4;
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
";

/// Opens one session.
///
/// Password and certificates are read anew each time, so that a connection after they were
/// exchanged has the new ones.
///
/// # Errors
/// [`PostgresError::Target`], those of [`Target::connect`], or that of a statement.
pub fn connect(settings: &PostgresSettings) -> Result<Client, PostgresError> {
    prepared(open(settings)?)
}

/// Opens one session, and makes sure that it is one before anything is set in it: a pool of
/// transactions would hand that to others.
///
/// # Errors
/// As for [`connect`], or [`PostgresError::Pooled`].
pub fn connect_alone(settings: &PostgresSettings) -> Result<Client, PostgresError> {
    let mut client = open(settings)?;
    pooling::check(&mut client, open(settings).ok().as_mut(), settings)?;
    prepared(client)
}

/// Opens one session and leaves it as the server makes it.
///
/// # Errors
/// [`PostgresError::Target`], or those of [`Target::connect`].
pub fn open(settings: &PostgresSettings) -> Result<Client, PostgresError> {
    let mut target = Target::settle(&settings.url, settings.password.as_deref(), &settings.parameters, &Surroundings::of_process())
        .map_err(PostgresError::Target)?;
    target
        .config_mut()
        .application_name(&format!("sluice {}", settings.job))
        .connect_timeout(settings.connect_timeout)
        .keepalives_idle(KEEPALIVE_IDLE)
        .keepalives_interval(KEEPALIVE_INTERVAL)
        .keepalives_retries(KEEPALIVE_RETRIES)
        .tcp_user_timeout(SEND_TIMEOUT);
    target.connect()
}

fn prepared(mut client: Client) -> Result<Client, PostgresError> {
    client.batch_execute(SESSION).map_err(PostgresError::statement("set up the session"))?;
    Ok(client)
}

/// Growing pauses between tries, with chance in them so that several clients do not come back at once.
#[derive(Debug)]
pub struct Backoff {
    started: Instant,
    next: Duration,
    longest: Duration,
    tries: u32,
}

impl Backoff {
    /// The first pause is up to `first`, each next one up to twice the one before, none beyond `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Backoff { started: Instant::now(), next: first.min(longest), longest, tries: 0 }
    }

    /// Time since the first try.
    pub fn waited(&self) -> Duration {
        self.started.elapsed()
    }

    /// Pauses so far.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// The next pause: between half and all of the current bound.
    pub fn pause(&mut self) -> Duration {
        let bound = self.next;
        self.tries += 1;
        self.next = (bound * 2).min(self.longest);
        let chance = RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64;
        bound.mul_f64(0.5 + chance / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(450));
        for bound in [100, 200, 400, 450, 450] {
            let pause = backoff.pause().as_secs_f64() * 1e3;
            assert!((f64::from(bound) / 2.0..=f64::from(bound)).contains(&pause), "{pause} ms, bound {bound} ms");
        }
        assert_eq!(backoff.tries(), 5);
    }

    #[test]
    fn nobody_at_the_address_is_said_with_the_address_and_without_the_password() {
        let error = connect(&PostgresSettings::new("postgres://ann:s3cret@127.0.0.1:1/shop", "campaign")).err().unwrap();
        assert!(error.is_transient());
        let text = error.to_string();
        assert!(text.contains("postgres://ann@127.0.0.1:1/shop") && !text.contains("s3cret"), "{text}");
    }

    #[test]
    fn an_address_that_cannot_be_read_is_not_shown_at_all() {
        let error = connect(&PostgresSettings::new("postgres://ann:s3cret@[broken", "campaign")).err().unwrap();
        assert!(!error.is_transient() && !error.to_string().contains("s3cret"));
    }
}
