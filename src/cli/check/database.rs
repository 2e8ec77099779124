//! The database: whether it can be reached, keeps a session, allows what the job does, and agrees
//! about the time.

use super::{Finding, PATIENCE, Probe};
use crate::postgres::{PostgresError, PostgresSettings, connection, rights};
use dataflows::event::Millis;
use jiff::Timestamp;
use postgres::Client;

/// Milliseconds that clocks may differ by before somebody is told.
const TOLERANCE: Millis = 5_000;

/// Tries everything that `run` will do there.
pub(super) struct DatabaseProbe {
    pub(super) shown: String,
    pub(super) settings: PostgresSettings,
}

impl Probe for DatabaseProbe {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    fn target(&self) -> String {
        self.shown.clone()
    }

    fn probe(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        if let Err(error) = self.try_out(&mut found) {
            found.push(Finding::fault(error.to_string()));
        }
        found
    }
}

impl DatabaseProbe {
    fn try_out(&self, found: &mut Vec<Finding>) -> Result<(), PostgresError> {
        let settings = PostgresSettings { connect_timeout: PATIENCE, ..self.settings.clone() };
        let mut client = connection::connect_alone(&settings)?;
        let row = client
            .query_one("SHOW server_version", &[])
            .map_err(PostgresError::statement("tell its version"))?;
        found.push(Finding::ok(format!("version {}", row.get::<_, String>(0))));
        let lacking = rights::lacking(&mut client, &settings)?;
        found.extend(lacking.faults.into_iter().map(Finding::fault));
        found.extend(lacking.warnings.into_iter().map(Finding::warn));
        found.extend(clock(&mut client)?);
        Ok(())
    }
}

/// What is odd about the server's clock.
fn clock(client: &mut Client) -> Result<Option<Finding>, PostgresError> {
    let before = Timestamp::now().as_millisecond();
    let row = client
        .query_one("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::int8", &[])
        .map_err(PostgresError::statement("tell the time"))?;
    let difference = difference(before, row.get(0), Timestamp::now().as_millisecond());
    let seconds = difference as f64 / 1e3;
    let which = if difference < 0 { "behind" } else { "ahead of" };
    let detail = format!(
        "its clock is {:.1} s {which} that of this machine; set both by the same source: dates of \
         dead letters and of commits are the server's",
        seconds.abs()
    );
    Ok((difference.abs() > TOLERANCE).then(|| Finding::warn(detail)))
}

/// How far a clock that was read between two instants is from them; 0 for one that is between them.
fn difference(before: Millis, there: Millis, after: Millis) -> Millis {
    there - there.clamp(before, after.max(before))
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;
    use crate::postgres::tests::TestDatabase;
    use crate::postgres::tests::pooling::Pool;

    #[test]
    fn a_clock_differs_by_what_the_way_does_not_explain() {
        for (there, wanted) in [(100, 0), (150, 0), (200, 0), (90, -10), (260, 60)] {
            assert_eq!(difference(100, there, 200), wanted, "{there}");
        }
        assert_eq!(difference(200, 150, 100), -50, "a clock that was set back meanwhile");
    }

    #[test]
    fn a_closed_port_is_a_fault_with_its_cause() {
        // The port of a service that nobody runs.
        let settings = PostgresSettings::new("postgres://sluice@127.0.0.1:1/sluice", "campaign");
        let found = DatabaseProbe { shown: String::new(), settings }.probe();
        assert!(found.len() == 1 && found[0].detail.contains("refused"), "{found:?}");
    }

    #[test]
    fn a_pool_of_transactions_is_a_fault() {
        let Some(database) = TestDatabase::create() else { return };
        let settings = Pool::before(&database).settings(&database);
        let found = DatabaseProbe { shown: String::new(), settings }.probe();
        assert!(
            found.len() == 1
                && found[0].level == Level::Fault
                && found[0].detail.contains("pool_mode = session"),
            "{found:?}"
        );
        let found = DatabaseProbe { shown: String::new(), settings: database.settings() }.probe();
        assert!(
            found.len() == 1
                && found[0].level == Level::Ok
                && found[0].detail.starts_with("version"),
            "{found:?}"
        );
    }
}
