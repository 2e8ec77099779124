//! What of tables that forget is there.

use crate::postgres::error::PostgresError;
use crate::postgres::settings::PostgresSettings;
use crate::postgres::tables::sql_type;
use dataflows::table::{ColumnType, Keep};
use postgres::Client;
use std::collections::BTreeSet;

/// What is known beforehand of the rows that are deleted in time, so that nothing is held that
/// nobody will ask for.
#[derive(Clone, Debug, Default)]
pub struct Retained {
    /// Versions that are there, each with what it is one of: a pinned one may be older than those
    /// that must be kept.
    pub versions: BTreeSet<(i64, i64)>,
    /// The first epoch of which a row is there that goes by its days.
    pub first: u64,
    /// The first epoch whose rows are too young to have gone by their days.
    pub fresh: u64,
    /// Of the dead letters of the epochs up to this one it was not recorded whose they are; they
    /// are not compared.
    pub attributed_after: u64,
}

impl Retained {
    /// What is there.
    ///
    /// # Errors
    /// That of a statement.
    pub fn read(
        client: &mut Client,
        settings: &PostgresSettings,
    ) -> Result<Retained, PostgresError> {
        let failed = || PostgresError::statement("tell what is kept");
        let row = client
            .query_one(
                "SELECT (SELECT min(epoch) FROM epochs WHERE job = $1 AND committed_at >= now() - \
                    make_interval(days => $2::int4)),
                    (SELECT attributed_after FROM progress WHERE job = $1)",
                &[&settings.job, &(settings.dead_letter_days.min(i32::MAX as u32) as i32)],
            )
            .map_err(failed())?;
        let or_none = |epoch: Option<i64>| epoch.map_or(u64::MAX, |epoch| epoch.max(0) as u64);
        let mut kept = Retained {
            versions: BTreeSet::new(),
            first: u64::MAX,
            fresh: or_none(row.get(0)).min(i64::MAX as u64),
            attributed_after: row.get::<_, Option<i64>>(1).map_or(0, |epoch| epoch as u64),
        };
        let number = sql_type(ColumnType::Bigint);
        for table in settings.wording.tables() {
            let name = table.name;
            match table.keep {
                Keep::Versions { version, group, .. } => {
                    let all = format!("SELECT {version}::{number}, {group}::{number} FROM {name}");
                    let rows = client.query(&all, &[]).map_err(failed())?;
                    kept.versions.extend(rows.iter().map(|row| (row.get(0), row.get(1))));
                }
                Keep::Days { epochs: [epoch, ..], .. } => {
                    let first = format!("SELECT min({epoch}) FROM {name}");
                    let row = client.query_one(&first, &[]).map_err(failed())?;
                    kept.first = kept.first.min(or_none(row.get(0)));
                }
                Keep::All | Keep::Epochs { .. } | Keep::Days { .. } => {}
            }
        }
        Ok(kept)
    }
}
