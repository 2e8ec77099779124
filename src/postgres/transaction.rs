//! The one transaction of an epoch: progress by compare-and-set first, then every row, then the
//! commit.
//!
//! Whatever is killed when: the rows, the offsets and the progress of an epoch are there together
//! or not at all, and no instance that was taken over can still write.

mod erasing;
mod writing;

use super::encode::{Timestamp, copy};
use super::error::PostgresError;
use super::kept;
use super::recorded;
use super::retention::{Gone, Retention};
use super::schema;
use super::settings::PostgresSettings;
use super::statements::Statements;
use super::tables::Pruning;
use crate::hexadecimal::hexadecimal;
use crate::identifiers::quote;
use crate::sink::Progress;
use crate::sink::gathered::{ErasedCustomer, Essentials};
use crate::sink::rows::EpochRows;
use crate::source::offsets_by_name;
use crate::table::Changes;
use crate::table::encode::CopyBuffer;
use dataflows::table::{Erase, Table};
use postgres::types::Json;
use postgres::{Client, Transaction};

/// Epochs between two rounds of deleting what is no longer kept.
pub const PRUNE_EVERY: u64 = 64;

/// What became of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// It was written now.
    Committed,
    /// It had been written before, by this instance.
    AlreadyThere,
}

/// One epoch on its way into the database.
pub struct EpochTransaction<'a> {
    /// What the sink was told.
    pub settings: &'a PostgresSettings,
    /// The session's statements.
    pub statements: &'a Statements,
    /// The epoch.
    pub results: Essentials<'a>,
    /// Its rows, filled from the results.
    pub rows: &'a EpochRows,
    /// Who is erased with it.
    pub erased: &'a [ErasedCustomer],
    /// Records that are kept with it.
    pub kept: &'a CopyBuffer,
    /// The incarnation that this instance got at its start.
    pub incarnation: i64,
    /// Records a second since the commit before.
    pub events_per_second: Option<f64>,
    /// What is gone before the epoch, of each table.
    pub gone: Gone,
}

impl EpochTransaction<'_> {
    /// Commits the epoch, once. With it goes what is no longer kept, and `gone` is what is gone
    /// then.
    ///
    /// # Errors
    /// [`PostgresError::Fenced`], [`PostgresError::Gap`], [`PostgresError::NoProgress`],
    /// [`PostgresError::Published`], or that of a statement.
    pub fn run(
        &mut self,
        client: &mut Client,
        retention: &mut Retention,
    ) -> Result<CommitOutcome, PostgresError> {
        let mut transaction = client
            .transaction()
            .map_err(PostgresError::statement("begin the epoch's transaction"))?;
        if !self.advance(&mut transaction)? {
            let progress = recorded::progress(&mut transaction, &self.settings.job)?;
            return self.explain(progress);
        }
        retention.advance(&mut transaction, self.settings, self.results, &mut self.gone)?;
        self.record_epoch(&mut transaction)?;
        self.change(&mut transaction)?;
        self.write(&mut transaction, |table| !is_blanked(table))?;
        self.erase(&mut transaction)?;
        // Those of the epoch itself are blanked already.
        self.write(&mut transaction, is_blanked)?;
        copy(self.kept, &mut transaction, kept::COPY, "keep records of compacted topics")?;
        if self.results.epoch.is_multiple_of(PRUNE_EVERY) {
            self.prune(&mut transaction)?;
        }
        transaction.commit().map_err(PostgresError::statement("commit the epoch"))?;
        Ok(CommitOutcome::Committed)
    }

    fn epoch(&self) -> i64 {
        self.results.epoch as i64
    }

    /// Moves progress from the epoch before to this one; false when it does not stand there, or is
    /// another instance's.
    fn advance(&self, transaction: &mut Transaction<'_>) -> Result<bool, PostgresError> {
        let rows = transaction
            .execute(
                &self.statements.compare_and_set,
                &[&self.settings.job, &self.epoch(), &self.incarnation],
            )
            .map_err(PostgresError::statement("advance the job's progress"))?;
        Ok(rows == 1)
    }

    /// Why progress could not be advanced.
    fn explain(&self, progress: Option<Progress>) -> Result<CommitOutcome, PostgresError> {
        let job = || self.settings.job.clone();
        let epoch = self.results.epoch;
        match progress {
            None => Err(PostgresError::NoProgress(job())),
            Some(at) if at.incarnation != self.incarnation => Err(PostgresError::Fenced {
                job: job(),
                epoch,
                own: self.incarnation,
                current: at.incarnation,
            }),
            Some(at) if at.epoch >= epoch => Ok(CommitOutcome::AlreadyThere),
            Some(at) => Err(PostgresError::Gap { job: job(), epoch, recorded: at.epoch }),
        }
    }

    /// Where the epoch is a change of settings: names are those of the new ones, and columns that
    /// no row has any more are emptied.
    fn change(&self, transaction: &mut Transaction<'_>) -> Result<(), PostgresError> {
        if !self.results.is_change {
            return Ok(());
        }
        schema::name(transaction, self.settings)?;
        for Changes { table, nulls, .. } in self.rows.tables() {
            if nulls.is_empty() {
                continue;
            }
            let nulls = nulls.iter().map(|name| format!("{} = NULL", quote(name)));
            let nulls = nulls.collect::<Vec<_>>().join(", ");
            transaction
                .batch_execute(&format!("UPDATE {} SET {nulls}", table.name))
                .map_err(PostgresError::statement("change the settings of the tables"))?;
        }
        Ok(())
    }

    fn record_epoch(&self, transaction: &mut Transaction<'_>) -> Result<(), PostgresError> {
        let Essentials { closed, counts, digest, topic_ids, chain, .. } = self.results;
        let watermark = closed.watermark.map(Timestamp);
        let offsets = Json(offsets_by_name(&closed.offsets, &self.settings.topics));
        let read = Json(offsets_by_name(&closed.read, &self.settings.topics));
        let ids = Json(topic_ids.named(&self.settings.topics));
        let chain = chain.map(|link| link.to_string());
        let gone = Some(Json(&self.gone)).filter(|gone| !gone.0.is_nothing());
        transaction
            .execute(
                &self.statements.epoch,
                &[
                    &self.settings.job,
                    &self.epoch(),
                    &watermark,
                    &offsets,
                    &hexadecimal(digest),
                    &Json(counts.json()),
                    &ids,
                    &chain,
                    &read,
                    &gone,
                ],
            )
            .map_err(PostgresError::statement("record the epoch"))?;
        Ok(())
    }

    fn prune(&self, transaction: &mut Transaction<'_>) -> Result<(), PostgresError> {
        let failed = || PostgresError::statement("delete what is no longer kept");
        let versions = i64::from(self.settings.keep_model_versions.max(1));
        let days = self.settings.dead_letter_days as i32;
        for pruning in &self.statements.pruning {
            match pruning {
                Pruning::Versions(prune) => transaction.execute(prune, &[&versions]),
                Pruning::Days(prune) => transaction.execute(prune, &[&days, &self.settings.job]),
            }
            .map_err(failed())?;
        }
        Ok(())
    }
}

fn is_blanked(table: &Table) -> bool {
    matches!(table.erase, Erase::Blanks { .. })
}
