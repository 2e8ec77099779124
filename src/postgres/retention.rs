//! How long rows are kept: those of the oldest epochs go, a few epochs' with each commit, and how
//! far they are gone is recorded with the epoch.
//!
//! A row goes by the epoch that has written it last. So one that is corrected stays as long as a
//! new one, and whether a row is there after an epoch follows from what is recorded alone: it is,
//! unless the epoch that wrote it last is among those that are gone. A correction of a row that is
//! gone finds none, and brings none back.
//!
//! The largest tables are not partitioned by month. Rows are corrected by customer and key, which
//! would have to be unique over all partitions: PostgreSQL wants the column that partitions in the
//! key, and the time of a contact may change with a correction. A few epochs' rows with each commit
//! cost as much as writing them again would, and never hold a commit up for longer.

use super::encode::Timestamp;
use super::error::PostgresError;
use super::settings::PostgresSettings;
use crate::results::EpochResults;
use dataflows::event::Millis;
use postgres::types::ToSql;
use postgres::{GenericClient, Transaction};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Recorded epochs that go together, those that begin at a multiple of it: a verification knows
/// them by a digest of so many.
pub const BLOCK: u64 = 64;

/// Epochs whose rows of other tables go with one commit.
const STEP: u64 = 4;

/// The newest epochs, which always stay.
const ALWAYS: u64 = BLOCK;

/// How long the rows of a table are kept; `None`: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Since the time of the newest interaction that an epoch wrote.
    pub interactions: Option<Millis>,
    /// Since the time of the newest decision that an epoch made.
    pub decisions: Option<Millis>,
    /// Since the commit.
    pub metrics: Option<Duration>,
    /// Since the commit.
    pub epochs: Option<Duration>,
}

/// The last epoch of which a table no longer has rows; 0: it has all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gone {
    /// Of `interactions`.
    pub interactions: u64,
    /// Of `decisions`.
    pub decisions: u64,
    /// Of `model_metrics`.
    pub metrics: u64,
    /// Of `epochs`.
    pub epochs: u64,
}

impl Gone {
    /// Whether everything is there.
    pub fn is_nothing(&self) -> bool {
        *self == Gone::default()
    }

    /// Of each table, in the order of [`TABLES`].
    fn each(&mut self) -> [&mut u64; 4] {
        let Gone { interactions, decisions, metrics, epochs } = self;
        [interactions, decisions, metrics, epochs]
    }
}

/// What is gone as of the newest recorded epoch.
///
/// # Errors
/// [`PostgresError::Recorded`], or that of a statement.
pub fn gone(client: &mut impl GenericClient, job: &str) -> Result<Gone, PostgresError> {
    let row = client
        .query_opt(
            "SELECT epoch, to_jsonb(e) ->> 'gone' FROM epochs e WHERE job = $1 ORDER BY \
            epoch DESC LIMIT 1",
            &[&job],
        )
        .map_err(PostgresError::statement("tell which rows are gone"))?;
    let Some(row) = row else { return Ok(Gone::default()) };
    let epoch = row.get::<_, i64>(0) as u64;
    gone_of(row.get(1)).map_err(|why| PostgresError::Recorded { epoch, why })
}

/// What is gone, from the text in which it is recorded.
pub fn gone_of(text: Option<&str>) -> Result<Gone, String> {
    let read = |text: &str| {
        serde_json::from_str(text).map_err(|error| format!("which rows are gone: {error}"))
    };
    text.map_or(Ok(Gone::default()), read)
}

/// A table of which rows go.
struct Table {
    /// Whether all rows of some epochs are old enough: after which epoch, through which, and how
    /// old that is.
    is_old: &'static str,
    /// Deletes these rows.
    retire: &'static str,
    /// Epochs that go at once, those that begin at a multiple of it.
    step: u64,
}

const TABLES: [Table; 4] = [
    Table {
        is_old: "SELECT coalesce(max(ts) < $3::timestamptz, true) FROM interactions WHERE epoch > \
            $1 AND epoch <= $2",
        retire: "DELETE FROM interactions WHERE epoch > $1 AND epoch <= $2",
        step: STEP,
    },
    Table {
        is_old:
            "SELECT coalesce(max(ts) < $3::timestamptz, true) AND $2 <= (SELECT min(published) \
            FROM progress)
            FROM decisions WHERE epoch > $1 AND epoch <= $2",
        retire: "DELETE FROM decisions WHERE epoch > $1 AND epoch <= $2",
        step: STEP,
    },
    Table {
        is_old: "SELECT coalesce(max(committed_at) < now() - make_interval(secs => $3::float8), \
            true)
            FROM model_metrics WHERE epoch > $1 AND epoch <= $2",
        retire: "DELETE FROM model_metrics WHERE epoch > $1 AND epoch <= $2",
        step: BLOCK,
    },
    // A schema is one job's.
    Table {
        is_old: "SELECT coalesce(max(committed_at) < now() - make_interval(secs => $3::float8), \
            true) AND $2 <= (SELECT min(published) FROM progress)
            FROM epochs WHERE job IN (SELECT job FROM progress) AND epoch > $1 AND epoch <= $2",
        retire: "DELETE FROM epochs WHERE job IN (SELECT job FROM progress) AND epoch > $1 AND \
            epoch <= $2",
        step: BLOCK,
    },
];

/// What lets rows go: what must stay, and when it is worth looking again.
#[derive(Clone, Debug, Default)]
pub struct Retention {
    /// Of each table, the epoch with which it is looked at again.
    looks: [u64; 4],
    /// The oldest checkpoint that a restart may have to take; 0 as long as none is known, and
    /// nothing goes.
    pub oldest: u64,
}

impl Retention {
    /// Lets go, with the epoch, of what is old enough and what no restart needs. Gives what is gone
    /// then.
    ///
    /// # Errors
    /// That of a statement.
    pub fn advance(
        &mut self,
        transaction: &mut Transaction<'_>,
        settings: &PostgresSettings,
        results: &EpochResults,
        mut gone: Gone,
    ) -> Result<Gone, PostgresError> {
        let failed = || PostgresError::statement("delete what is no longer kept");
        let Keep { interactions, decisions, metrics, epochs } = settings.keep;
        let before =
            |keep: Option<Millis>| Some(Timestamp(results.closed.watermark?.saturating_sub(keep?)));
        let of_time = [before(interactions), before(decisions)];
        let of_commit = [metrics, epochs].map(|keep| keep.map(|keep| keep.as_secs_f64()));
        let limits =
            of_time.iter().map(|limit| limit.as_ref().map(|limit| limit as &(dyn ToSql + Sync)));
        let limits =
            limits.chain(of_commit.iter().map(|limit| limit.as_ref().map(|limit| limit as _)));
        for (((table, limit), gone), look) in
            TABLES.iter().zip(limits).zip(gone.each()).zip(&mut self.looks)
        {
            let until = ((*gone + 1) / table.step + 1) * table.step - 1;
            let may_go =
                until < self.oldest && until + ALWAYS < results.epoch && *look <= results.epoch;
            let Some(limit) = limit.filter(|_| may_go) else { continue };
            let (from, to) = (*gone as i64, until as i64);
            if transaction.query_one(table.is_old, &[&from, &to, limit]).map_err(failed())?.get(0) {
                transaction.execute(table.retire, &[&from, &to]).map_err(failed())?;
                *gone = until;
            } else {
                *look = results.epoch + BLOCK;
            }
        }
        Ok(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_read_as_it_was_written() {
        let gone = Gone { interactions: 7, decisions: 11, metrics: 63, epochs: 127 };
        let text = serde_json::to_string(&gone).expect("numbers are JSON");
        assert_eq!(gone_of(Some(&text)), Ok(gone));
        assert_eq!(gone_of(None), Ok(Gone::default()));
        assert!(gone_of(Some("{}")).is_err_and(|why| why.contains("which rows are gone")));
    }
}
