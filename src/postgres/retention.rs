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
use crate::sink::gathered::Essentials;
use dataflows::event::Millis;
use dataflows::table::{Dated, Keep, Table};
use postgres::types::ToSql;
use postgres::{GenericClient, Transaction};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Recorded epochs that go together, those that begin at a multiple of it: a verification knows
/// them by a digest of so many.
pub const BLOCK: u64 = 64;

/// The newest epochs, which always stay.
const ALWAYS: u64 = BLOCK;

/// How long the rows of a table are kept; `None`: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ages {
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
    /// Of a table that goes by epochs; `None` for any other.
    pub fn of(&self, table: &Table) -> Option<u64> {
        let Keep::Epochs { setting, .. } = table.keep else { return None };
        Some(*self.clone().by(setting))
    }

    /// Whether everything is there.
    pub fn is_nothing(&self) -> bool {
        *self == Gone::default()
    }

    fn by(&mut self, setting: &str) -> &mut u64 {
        match setting {
            "keep_interactions" => &mut self.interactions,
            "keep_decisions" => &mut self.decisions,
            "keep_model_metrics" => &mut self.metrics,
            "keep_epochs" => &mut self.epochs,
            other => unreachable!("{other} lets rows go, and nobody records how far"),
        }
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

/// A table of which rows go by their epochs.
#[derive(Clone, Copy)]
struct Aging {
    table: &'static str,
    /// Beside which its rows are the job's.
    condition: &'static str,
    epoch: &'static str,
    dated: Dated,
    /// Epochs that go at once, those that begin at a multiple of it.
    together: u64,
    published: bool,
    setting: &'static str,
}

impl Aging {
    fn of(table: &Table) -> Option<Aging> {
        let Keep::Epochs { epoch, dated, together, published, setting } = table.keep else {
            return None;
        };
        Some(Aging { table: table.name, condition: "", epoch, dated, together, published, setting })
    }

    /// Whether all rows of some epochs are old enough: after which epoch, through which, and how
    /// old that is.
    fn is_old(&self) -> String {
        let Aging { table, condition, epoch, dated, .. } = self;
        let (at, limit) = match dated {
            Dated::Event(at) => (at, "$3::timestamptz"),
            Dated::Commit(at) => (at, "now() - make_interval(secs => $3::float8)"),
        };
        let published = match self.published {
            true => " AND $2 <= (SELECT min(published) FROM progress)",
            false => "",
        };
        format!(
            "SELECT coalesce(max({at}) < {limit}, true){published} FROM {table} WHERE {condition}\
             {epoch} > $1 AND {epoch} <= $2"
        )
    }

    /// Deletes these rows.
    fn retire(&self) -> String {
        let Aging { table, condition, epoch, .. } = self;
        format!("DELETE FROM {table} WHERE {condition}{epoch} > $1 AND {epoch} <= $2")
    }
}

/// The recorded epochs themselves; a schema is one job's.
const EPOCHS: Aging = Aging {
    table: "epochs",
    condition: "job IN (SELECT job FROM progress) AND ",
    epoch: "epoch",
    dated: Dated::Commit("committed_at"),
    together: BLOCK,
    published: true,
    setting: "keep_epochs",
};

impl Ages {
    /// Whether a setting lets rows go.
    pub fn is_set(&self, setting: &str) -> bool {
        self.limit(setting, Some(0)).is_some()
    }

    /// How old rows must be that go by a setting: an instant of events before the watermark, or
    /// seconds by the clock.
    fn limit(&self, setting: &str, watermark: Option<Millis>) -> Option<Box<dyn ToSql + Sync>> {
        let before = |age: Option<Millis>| -> Option<Box<dyn ToSql + Sync>> {
            Some(Box::new(Timestamp(watermark?.saturating_sub(age?))))
        };
        let seconds = |age: Option<Duration>| -> Option<Box<dyn ToSql + Sync>> {
            Some(Box::new(age?.as_secs_f64()))
        };
        match setting {
            "keep_interactions" => before(self.interactions),
            "keep_decisions" => before(self.decisions),
            "keep_model_metrics" => seconds(self.metrics),
            "keep_epochs" => seconds(self.epochs),
            other => unreachable!("{other} lets rows go, and nobody can set it"),
        }
    }
}

/// What lets rows go: what must stay, and when it is worth looking again.
#[derive(Clone, Debug, Default)]
pub struct Retention {
    /// Of each table, the epoch with which it is looked at again.
    looks: BTreeMap<&'static str, u64>,
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
        results: Essentials<'_>,
        mut gone: Gone,
    ) -> Result<Gone, PostgresError> {
        let failed = || PostgresError::statement("delete what is no longer kept");
        let tables = settings.wording.tables();
        for aging in tables.iter().filter_map(|table| Aging::of(table)).chain([EPOCHS]) {
            let gone = gone.by(aging.setting);
            let until = ((*gone + 1) / aging.together + 1) * aging.together - 1;
            let look = self.looks.entry(aging.table).or_default();
            let may_go =
                until < self.oldest && until + ALWAYS < results.epoch && *look <= results.epoch;
            let limit = settings.keep.limit(aging.setting, results.closed.watermark);
            let Some(limit) = limit.filter(|_| may_go) else { continue };
            let (from, to) = (*gone as i64, until as i64);
            let is_old =
                transaction.query_one(&aging.is_old(), &[&from, &to, &*limit]).map_err(failed())?;
            if is_old.get(0) {
                transaction.execute(&aging.retire(), &[&from, &to]).map_err(failed())?;
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
