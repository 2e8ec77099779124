//! What the database does while it has an epoch for long: asked on a session of its own, for the
//! sink's waits for an answer.

use super::address;
use super::connection;
use super::error::PostgresError;
use super::settings::PostgresSettings;
use crate::first::Panicked;
use crate::sink::{Outstanding, Trouble};
use crate::telemetry::stalls::{Cause, Seen};
use std::time::Duration;

/// How often is looked whether the sink is at work for long.
const LOOK: Duration = Duration::from_millis(500);

/// What takes so long is asked about.
const LONG: Duration = Duration::from_secs(2);

/// From then on it stands still, though no lock is to blame.
const SLOW: Duration = Duration::from_secs(5);

/// What the session `$1` does, what it waits for, and who is in its way. Not everybody may see what
/// other sessions do.
const WAITS: &str = "
    SELECT concat_ws(', ', a.state, 'waits for ' || nullif(concat_ws(' ', a.wait_event_type, \
    a.wait_event), '')),
        (SELECT string_agg(DISTINCT l.relation::regclass::text, ', ') FROM pg_locks l WHERE l.pid \
        = a.pid AND NOT l.granted AND l.relation IS NOT NULL),
        (SELECT string_agg(format('session %s (%s)', b.pid, concat_ws(', ', 'user ' || b.usename, \
        nullif(b.application_name, ''), b.state,
                'for ' || extract(epoch FROM clock_timestamp() - b.xact_start)::int8 || ' s')), ' \
                and ')
            FROM unnest(pg_blocking_pids(a.pid)) blocking(pid) LEFT JOIN pg_stat_activity b USING \
            (pid))
    FROM pg_stat_activity a WHERE a.pid = $1";

/// Looks, for as long as the process lives, what keeps the sink that `trouble` tells of, and tells
/// that to `trouble`.
pub fn watching(
    settings: PostgresSettings,
    trouble: Trouble,
) -> impl FnOnce() -> Result<(), Panicked> + Send {
    move || {
        loop {
            std::thread::sleep(LOOK);
            if let Some(work) = trouble.work().filter(|work| work.since.elapsed() >= LONG) {
                trouble.ask(&address::shown(&settings.url));
                trouble.answer(&work, ask(&settings, &work));
            }
        }
    }
}

/// Asks once what the database does.
fn ask(settings: &PostgresSettings, work: &Outstanding) -> Option<Seen> {
    let long = work.since.elapsed() >= SLOW;
    let slow = |what: String| long.then(|| Seen::of(Cause::DatabaseSlow, what).since(work.since));
    match look(settings, work) {
        Ok(Found::Locked(what)) => Some(Seen::of(Cause::DatabaseLock, what).since(work.since)),
        Ok(Found::Busy(doing)) => slow(format!(
            "at {}, {} is not done: its session is {doing}",
            address::shown(&settings.url),
            work.what
        )),
        Ok(Found::Gone) => slow(format!(
            "at {}, the session that {} was given to is gone",
            address::shown(&settings.url),
            work.what
        )),
        Err(error) => long.then(|| Seen::of(Cause::Database, error.to_string()).since(work.since)),
    }
}

/// What a session does.
enum Found {
    /// It waits for others: who, and for what.
    Locked(String),
    /// It works, or waits for something else.
    Busy(String),
    /// There is no such session.
    Gone,
}

fn look(settings: &PostgresSettings, work: &Outstanding) -> Result<Found, PostgresError> {
    let failed = || PostgresError::statement("tell what a session waits for");
    let mut client = connection::open(settings)?;
    let Some(backend) = work.backend else { return Ok(Found::Busy("being opened".to_string())) };
    client.batch_execute("SET statement_timeout = '5s'").map_err(failed())?;
    let Some(row) = client.query_opt(WAITS, &[&backend]).map_err(failed())? else {
        return Ok(Found::Gone);
    };
    let (doing, relation, blocking): (String, Option<String>, Option<String>) =
        (row.get(0), row.get(1), row.get(2));
    Ok(match blocking {
        None => Found::Busy(doing),
        Some(blocking) => {
            let on = relation.map(|relation| format!(" on {relation}")).unwrap_or_default();
            let address = address::shown(&settings.url);
            Found::Locked(format!(
                "at {address}, {blocking} holds one{on} that {} needs",
                work.what
            ))
        }
    })
}
