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

mod gone;

pub use gone::Gone;

use super::encode::Timestamp;
use super::error::PostgresError;
use super::settings::PostgresSettings;
use crate::sink::gathered::Essentials;
use dataflows::event::Millis;
use dataflows::table::{Dated, Keep, Table};
use postgres::types::ToSql;
use postgres::{GenericClient, Transaction};
use std::collections::BTreeMap;
use std::time::Duration;

/// Recorded epochs that go together, those that begin at a multiple of it: a verification knows
/// them by a digest of so many.
pub const BLOCK: u64 = 64;

/// The newest epochs, which always stay.
const ALWAYS: u64 = BLOCK;

/// How long rows are kept that go by their epochs, by the settings that declarations name; what has
/// no age is kept for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ages(BTreeMap<&'static str, Duration>);

/// What is gone as of the newest recorded epoch.
///
/// # Errors
/// [`PostgresError::Recorded`], or that of a statement.
pub fn gone(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
) -> Result<Gone, PostgresError> {
    let row = client
        .query_opt(
            "SELECT epoch, to_jsonb(e) ->> 'gone' FROM epochs e WHERE job = $1 ORDER BY \
            epoch DESC LIMIT 1",
            &[&settings.job],
        )
        .map_err(PostgresError::statement("tell which rows are gone"))?;
    let tables = settings.wording.tables();
    let Some(row) = row else { return Ok(Gone::nothing_of(&tables)) };
    let epoch = row.get::<_, i64>(0) as u64;
    Gone::read(row.get(1), &tables).map_err(|why| PostgresError::Recorded { epoch, why })
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
    gone: &'static str,
}

impl Aging {
    fn of(table: &Table) -> Option<Aging> {
        let Keep::Epochs { epoch, dated, together, published, setting, gone } = table.keep else {
            return None;
        };
        let (table, condition) = (table.name, "");
        Some(Aging { table, condition, epoch, dated, together, published, setting, gone })
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
    gone: gone::EPOCHS,
};

impl Ages {
    /// By these settings.
    pub fn of(settings: impl IntoIterator<Item = (&'static str, Option<Duration>)>) -> Ages {
        Ages(settings.into_iter().filter_map(|(setting, age)| Some((setting, age?))).collect())
    }

    /// Whether a setting lets rows go.
    pub fn is_set(&self, setting: &str) -> bool {
        self.0.contains_key(setting)
    }

    /// How old rows of a table must be to go: an instant of events before the watermark, or seconds
    /// by the clock.
    fn limit(&self, of: &Aging, watermark: Option<Millis>) -> Option<Box<dyn ToSql + Sync>> {
        let age = *self.0.get(of.setting)?;
        Some(match of.dated {
            Dated::Event(_) => {
                Box::new(Timestamp(watermark?.saturating_sub_unsigned(age.as_millis() as u64)))
            }
            Dated::Commit(_) => Box::new(age.as_secs_f64()),
        })
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
    /// Lets go, with the epoch, of what is old enough and what no restart needs; `gone` is what is
    /// gone then.
    ///
    /// # Errors
    /// That of a statement.
    pub fn advance(
        &mut self,
        transaction: &mut Transaction<'_>,
        settings: &PostgresSettings,
        results: Essentials<'_>,
        gone: &mut Gone,
    ) -> Result<(), PostgresError> {
        let failed = || PostgresError::statement("delete what is no longer kept");
        let tables = settings.wording.tables();
        for aging in tables.iter().filter_map(|table| Aging::of(table)).chain([EPOCHS]) {
            let through = gone.through(aging.gone);
            let until = ((through + 1) / aging.together + 1) * aging.together - 1;
            let look = self.looks.entry(aging.table).or_default();
            let may_go =
                until < self.oldest && until + ALWAYS < results.epoch && *look <= results.epoch;
            let limit = settings.keep.limit(&aging, results.closed.watermark);
            let Some(limit) = limit.filter(|_| may_go) else { continue };
            let (from, to) = (through as i64, until as i64);
            let is_old =
                transaction.query_one(&aging.is_old(), &[&from, &to, &*limit]).map_err(failed())?;
            if is_old.get(0) {
                transaction.execute(&aging.retire(), &[&from, &to]).map_err(failed())?;
                gone.set(aging.gone, until);
            } else {
                *look = results.epoch + BLOCK;
            }
        }
        Ok(())
    }
}
