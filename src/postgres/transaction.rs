//! The one transaction of an epoch: progress by compare-and-set first, then every row, then the
//! commit.
//!
//! Whatever is killed when: the rows, the offsets and the progress of an epoch are there together
//! or not at all, and no instance that was taken over can still write.

use super::encode::Timestamp;
use super::error::PostgresError;
use super::recorded;
use super::retention::{Gone, Retention};
use super::rows::Staging;
use super::schema;
use super::settings::PostgresSettings;
use super::statements::{
    BLANK_DEAD_LETTERS, DELETE_FEATURES, DELETE_INTERACTIONS, ERASE_DECISIONS,
    ERASE_FOLDED_INTERACTIONS, ERASE_SUMS, INSERT_ERASURE, INSERT_THRESHOLD, PRUNE_DEAD_LETTERS,
    PRUNE_MODELS, REMEMBER_ERASED, Statements, UPSERT_ARM_STATS, UPSERT_SEGMENTS,
};
use crate::hexadecimal::hexadecimal;
use crate::identifiers::quote;
use crate::results::{Changed, EpochResults};
use crate::sink::Progress;
use crate::source::offsets_by_name;
use dataflows::event::Rejected;
use postgres::types::Json;
use postgres::{Client, Transaction};
use std::collections::BTreeMap;

/// Epochs between two rounds of deleting what is no longer kept.
pub const PRUNE_EVERY: u64 = 64;

/// What became of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was written now.
    Committed,
    /// It had been written before, by this instance.
    AlreadyThere,
}

/// One epoch on its way into the database.
pub struct Commit<'a> {
    /// What the sink was told.
    pub settings: &'a PostgresSettings,
    /// The session's statements.
    pub statements: &'a Statements,
    /// The epoch's results.
    pub results: &'a EpochResults,
    /// Its rows, filled from the results.
    pub staging: &'a Staging,
    /// The incarnation that this instance got at its start.
    pub incarnation: i64,
    /// Records a second since the commit before.
    pub events_per_second: Option<f64>,
    /// What is gone before the epoch, of each table.
    pub gone: Gone,
}

impl Commit<'_> {
    /// Commits the epoch, once. With it goes what is no longer kept, and `gone` is what is gone
    /// then.
    ///
    /// # Errors
    /// [`PostgresError::Fenced`], [`PostgresError::Gap`], [`PostgresError::NoProgress`], [`PostgresError::Threshold`], or that of a statement.
    pub fn run(
        &mut self,
        client: &mut Client,
        retention: &mut Retention,
    ) -> Result<Outcome, PostgresError> {
        let mut transaction = client
            .transaction()
            .map_err(PostgresError::statement("begin the epoch's transaction"))?;
        if !self.advance(&mut transaction)? {
            let progress = recorded::progress(&mut transaction, &self.settings.job)?;
            return self.explain(progress);
        }
        self.gone = retention.advance(&mut transaction, self.settings, self.results, self.gone)?;
        self.record_epoch(&mut transaction)?;
        self.change(&mut transaction)?;
        self.write_interactions(&mut transaction)?;
        self.write_features(&mut transaction)?;
        self.write_decisions(&mut transaction)?;
        self.write_models(&mut transaction)?;
        self.erase(&mut transaction)?;
        self.write_aggregates(&mut transaction)?;
        self.write_dead_letters(&mut transaction)?;
        self.staging.kept.copy(
            &mut transaction,
            &self.statements.copy_kept,
            "keep records of compacted topics",
        )?;
        if self.results.epoch.is_multiple_of(PRUNE_EVERY) {
            self.prune(&mut transaction)?;
        }
        transaction.commit().map_err(PostgresError::statement("commit the epoch"))?;
        Ok(Outcome::Committed)
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
    fn explain(&self, progress: Option<Progress>) -> Result<Outcome, PostgresError> {
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
            Some(at) if at.epoch >= epoch => Ok(Outcome::AlreadyThere),
            Some(at) => Err(PostgresError::Gap { job: job(), epoch, recorded: at.epoch }),
        }
    }

    /// Where the epoch is a change of settings: names are those of the new ones, and what was made
    /// of the former ones goes where the epoch does not tell it anew.
    fn change(&self, transaction: &mut Transaction<'_>) -> Result<(), PostgresError> {
        let Some(Changed { gone_thresholds, gone_features }) = &self.results.changed else {
            return Ok(());
        };
        let failed = || PostgresError::statement("change the settings of the tables");
        schema::name(transaction, self.settings)?;
        if !gone_thresholds.is_empty() {
            transaction.execute("DELETE FROM thresholds", &[]).map_err(failed())?;
        }
        if !gone_features.is_empty() {
            let nulls = gone_features
                .iter()
                .map(|name| format!("{} = NULL", quote(name)))
                .collect::<Vec<_>>()
                .join(", ");
            transaction
                .batch_execute(&format!("UPDATE customer_features SET {nulls}"))
                .map_err(failed())?;
        }
        Ok(())
    }

    fn record_epoch(&self, transaction: &mut Transaction<'_>) -> Result<(), PostgresError> {
        let EpochResults { closed, counts, rejected, digest, topic_ids, chain, .. } = self.results;
        let watermark = closed.watermark.map(Timestamp);
        let offsets = Json(offsets_by_name(&closed.offsets, &self.settings.topics));
        let read = Json(offsets_by_name(&closed.read, &self.settings.topics));
        let ids = Json(topic_ids.named(&self.settings.topics));
        let chain = chain.map(|link| link.to_string());
        let gone = Some(Json(self.gone)).filter(|gone| !gone.0.is_nothing());
        transaction
            .execute(
                &self.statements.epoch,
                &[
                    &self.settings.job,
                    &self.epoch(),
                    &watermark,
                    &offsets,
                    &hexadecimal(digest),
                    &Json(counts),
                    &ids,
                    &chain,
                    &read,
                    &gone,
                ],
            )
            .map_err(PostgresError::statement("record the epoch"))?;
        transaction
            .execute(
                &self.statements.metrics,
                &[
                    &self.epoch(),
                    &(counts.records as i64),
                    &counts.interactions,
                    &(counts.decisions as i64),
                    &self.staging.mean_reward,
                    &self.events_per_second,
                    &(counts.late as i64),
                    &(counts.duplicates as i64),
                    &(counts.corrected as i64),
                    &(rejected.len() as i64),
                    &counts.pending,
                ],
            )
            .map_err(PostgresError::statement("record the epoch's metrics"))?;
        Ok(())
    }

    /// Deletes first and updates last, so that what was taken back and came again is there.
    fn write_interactions(&self, transaction: &mut Transaction<'_>) -> Result<(), PostgresError> {
        let (customers, keys) = &self.staging.gone_interactions;
        if !customers.is_empty() {
            let rows = transaction
                .execute(DELETE_INTERACTIONS, &[customers, keys])
                .map_err(PostgresError::statement("delete interactions"))?;
            self.expect("interactions", customers.len() as u64, rows);
        }
        self.write_new_interactions(transaction)?;
        let changed = &self.staging.changed_interactions;
        if !changed.is_empty() {
            changed.copy(
                transaction,
                &self.statements.stage_interactions,
                "stage changed interactions",
            )?;
            let rows = transaction
                .execute(&self.statements.update_interactions, &[])
                .map_err(PostgresError::statement("update interactions"))?;
            self.expect("interactions", changed.rows(), rows);
        }
        Ok(())
    }

    /// New rows go in as they are. Where old events are folded, the id of one may come again,
    /// though it hardly ever does: then its row becomes the new one's.
    fn write_new_interactions(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> Result<(), PostgresError> {
        let new = &self.staging.new_interactions;
        if !self.settings.folding || new.is_empty() {
            return new.copy(
                transaction,
                &self.statements.copy_interactions,
                "copy new interactions",
            );
        }
        let failed = || PostgresError::statement("write new interactions");
        let mut trial = transaction.savepoint("new_interactions").map_err(failed())?;
        match new.copy(&mut trial, &self.statements.copy_interactions, "copy new interactions") {
            Ok(()) => return trial.commit().map_err(failed()),
            Err(error) if !error.is_repeated_key() => return Err(error),
            Err(_) => trial.rollback().map_err(failed())?,
        }
        new.copy(transaction, &self.statements.stage_interactions, "stage new interactions")?;
        transaction.batch_execute(&self.statements.upsert_interactions).map_err(failed())
    }

    fn write_features(&self, transaction: &mut Transaction<'_>) -> Result<(), PostgresError> {
        let gone = &self.staging.gone_customers;
        if !gone.is_empty() {
            let rows = transaction
                .execute(DELETE_FEATURES, &[gone])
                .map_err(PostgresError::statement("delete customers"))?;
            self.expect("customer_features", gone.len() as u64, rows);
        }
        self.staging.new_features.copy(
            transaction,
            &self.statements.copy_features,
            "copy new customers",
        )?;
        let changed = &self.staging.changed_features;
        if !changed.is_empty() {
            changed.copy(
                transaction,
                &self.statements.stage_features,
                "stage changed customers",
            )?;
            let rows = transaction
                .execute(&self.statements.update_features, &[])
                .map_err(PostgresError::statement("update customers"))?;
            self.expect("customer_features", changed.rows(), rows);
        }
        Ok(())
    }

    /// Rows that somebody else deleted or added cannot be mended here; that they differ is said. Of
    /// interactions some may be gone that are old.
    fn expect(&self, table: &'static str, wanted: u64, found: u64) {
        let may_be_gone = table == "interactions" && self.gone.interactions > 0 && found < wanted;
        if wanted != found && !may_be_gone {
            tracing::warn!(
                epoch = self.results.epoch,
                table,
                wanted,
                found,
                "Rows to be changed are not there: somebody else has written to the table."
            );
        }
    }

    /// The id of an erased customer's decision may come again, so these are written over.
    fn write_decisions(&self, transaction: &mut Transaction<'_>) -> Result<(), PostgresError> {
        if self.staging.decisions.is_empty() {
            return Ok(());
        }
        self.staging.decisions.copy(
            transaction,
            &self.statements.stage_decisions,
            "stage decisions",
        )?;
        transaction
            .batch_execute(&self.statements.upsert_decisions)
            .map_err(PostgresError::statement("write decisions"))
    }

    /// Removes what the rows of this epoch do not take back of an erased customer, and reports each
    /// erasure.
    fn erase(&self, transaction: &mut Transaction<'_>) -> Result<(), PostgresError> {
        let failed = || PostgresError::statement("erase a customer");
        let (before, after) =
            (hexadecimal(&self.results.digest_before), hexadecimal(&self.results.digest));
        for erasure in &self.results.erasures {
            let (instant, gone) = (Timestamp(erasure.until), Timestamp(erasure.gone_until()));
            transaction
                .execute(REMEMBER_ERASED, &[&self.settings.job, &erasure.customer, &instant])
                .map_err(failed())?;
            transaction.execute(ERASE_DECISIONS, &[&erasure.customer, &gone]).map_err(failed())?;
            if erasure.folded_before.is_some() {
                transaction
                    .execute(ERASE_FOLDED_INTERACTIONS, &[&erasure.customer, &gone])
                    .map_err(failed())?;
            }
            let blanked = transaction
                .execute(
                    BLANK_DEAD_LETTERS,
                    &[&erasure.customer, &gone, &self.epoch(), &Rejected::BLANKED],
                )
                .map_err(failed())? as i64;
            let [transactions, interactions, rewards, profiles, learned, decisions, folded] =
                erasure.numbers().map(|number| number as i64);
            transaction
                .execute(
                    INSERT_ERASURE,
                    &[
                        &erasure.customer,
                        &instant,
                        &transactions,
                        &interactions,
                        &rewards,
                        &profiles,
                        &learned,
                        &decisions,
                        &folded,
                        &before,
                        &after,
                        &self.epoch(),
                        &blanked,
                    ],
                )
                .map_err(failed())?;
        }
        if self.results.erasures.iter().any(|erasure| erasure.learned > 0) {
            transaction.execute(ERASE_SUMS, &[]).map_err(failed())?;
        }
        Ok(())
    }

    fn write_models(&self, transaction: &mut Transaction<'_>) -> Result<(), PostgresError> {
        self.staging.models.copy(
            transaction,
            &self.statements.copy_models,
            "copy model versions",
        )?;
        for &(day, high_value) in &self.results.thresholds {
            let rows = transaction
                .execute(INSERT_THRESHOLD, &[&day, &(high_value as i64), &self.epoch()])
                .map_err(PostgresError::statement("publish a threshold"))?;
            if rows != 1 {
                return Err(PostgresError::Threshold { day, high_value });
            }
        }
        Ok(())
    }

    /// Of several rows for one key the last is what stands; one with nothing in it is no row.
    fn write_aggregates(&self, transaction: &mut Transaction<'_>) -> Result<(), PostgresError> {
        if !self.results.arm_days.is_empty() {
            let failed = || PostgresError::statement("write the statistics of arms");
            let last: BTreeMap<_, _> =
                self.results.arm_days.iter().map(|row| ((row.day, row.arm as i16), row)).collect();
            let (days, arms): (Vec<_>, Vec<_>) = last.keys().copied().unzip();
            let interactions = last.values().map(|row| row.interactions).collect::<Vec<_>>();
            let responses = last.values().map(|row| row.responses).collect::<Vec<_>>();
            let rewards = last.values().map(|row| row.reward.to_string()).collect::<Vec<_>>();
            transaction
                .execute(
                    UPSERT_ARM_STATS,
                    &[&days, &arms, &interactions, &responses, &rewards, &self.epoch()],
                )
                .map_err(failed())?;
            transaction
                .execute(
                    "DELETE FROM arm_stats WHERE epoch = $1 AND interactions = 0",
                    &[&self.epoch()],
                )
                .map_err(failed())?;
        }
        if !self.results.segments.is_empty() {
            let failed = || PostgresError::statement("write the segments");
            let last: BTreeMap<_, _> =
                self.results.segments.iter().map(|row| (i32::from(row.flags), row)).collect();
            let flags = last.keys().copied().collect::<Vec<_>>();
            let customers = last.values().map(|row| row.customers).collect::<Vec<_>>();
            let amounts = last.values().map(|row| row.amount).collect::<Vec<_>>();
            transaction
                .execute(
                    UPSERT_SEGMENTS,
                    &[
                        &flags,
                        &customers,
                        &amounts,
                        &(self.settings.decimals as i32),
                        &self.epoch(),
                    ],
                )
                .map_err(failed())?;
            transaction
                .execute("DELETE FROM segments WHERE customers = 0", &[])
                .map_err(failed())?;
        }
        Ok(())
    }

    fn write_dead_letters(&self, transaction: &mut Transaction<'_>) -> Result<(), PostgresError> {
        if self.staging.dead_letters.is_empty() {
            return Ok(());
        }
        self.staging.dead_letters.copy(
            transaction,
            &self.statements.stage_dead_letters,
            "stage dead letters",
        )?;
        transaction
            .batch_execute(&self.statements.insert_dead_letters)
            .map_err(PostgresError::statement("write dead letters"))
    }

    fn prune(&self, transaction: &mut Transaction<'_>) -> Result<(), PostgresError> {
        let failed = || PostgresError::statement("delete what is no longer kept");
        transaction
            .execute(PRUNE_MODELS, &[&i64::from(self.settings.keep_model_versions.max(1))])
            .map_err(failed())?;
        transaction
            .execute(
                PRUNE_DEAD_LETTERS,
                &[&(self.settings.dead_letter_days as i32), &self.settings.job],
            )
            .map_err(failed())?;
        Ok(())
    }
}
