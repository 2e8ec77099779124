//! The rows of an epoch on their way into the tables, by what a row does to the one that is there.

use super::EpochTransaction;
use crate::postgres::encode::copy;
use crate::postgres::error::PostgresError;
use crate::postgres::tables::{MEASURE, Writing, is_direct};
use crate::table::Changes;
use crate::table::encode::CopyBuffer;
use dataflows::table::{Rule, Table};
use postgres::Transaction;
use std::borrow::Cow;

impl EpochTransaction<'_> {
    /// Writes the rows of the tables that are `chosen`.
    pub(super) fn write(
        &self,
        transaction: &mut Transaction<'_>,
        chosen: impl Fn(&Table) -> bool,
    ) -> Result<(), PostgresError> {
        let all = self.rows.tables().iter().zip(&self.statements.writing);
        for (changes, writing) in all {
            if chosen(&changes.table) {
                self.write_table(transaction, changes, writing)?;
            }
        }
        Ok(())
    }

    /// Deletes first and updates last, so that what was taken back and came again is there.
    fn write_table(
        &self,
        transaction: &mut Transaction<'_>,
        changes: &Changes,
        writing: &Writing,
    ) -> Result<(), PostgresError> {
        let Changes { table, gone, new, changed, .. } = changes;
        let doing = format!("write rows of {}", table.name);
        let failed = || PostgresError::statement(doing.clone());
        if !gone.is_empty() {
            copy(gone, transaction, &writing.stage_gone, &doing)?;
            let rows = transaction.execute(&writing.delete, &[]).map_err(failed())?;
            self.expect(table, gone.rows(), rows);
        }
        match table.rule {
            Rule::Changes { again: true } => {
                self.write_again(transaction, table, new, writing)?;
            }
            Rule::Changes { .. } | Rule::Adds if is_direct(table) => {
                copy(new, transaction, &writing.copy, &doing)?;
            }
            Rule::Changes { .. } | Rule::Adds | Rule::Replaces { .. } | Rule::Stays => {
                self.staged(transaction, new, writing, &doing)?;
            }
            Rule::Agrees => self.agree(transaction, changes, writing)?,
        }
        if let (Rule::Changes { .. }, false) = (table.rule, changed.is_empty()) {
            copy(changed, transaction, &writing.stage, &doing)?;
            let rows = transaction.execute(&writing.update, &[]).map_err(failed())?;
            self.expect(table, changed.rows(), rows);
            return Ok(());
        }
        self.staged(transaction, changed, writing, &doing)
    }

    /// Brings rows in by way of where they wait.
    fn staged(
        &self,
        transaction: &mut Transaction<'_>,
        rows: &CopyBuffer,
        writing: &Writing,
        doing: &str,
    ) -> Result<(), PostgresError> {
        if rows.is_empty() {
            return Ok(());
        }
        copy(rows, transaction, &writing.stage, doing)?;
        let statement = self.measured(&writing.bring);
        transaction.batch_execute(&statement).map_err(PostgresError::statement(doing.to_string()))
    }

    /// A statement with what was measured in its place.
    fn measured<'s>(&self, statement: &'s str) -> Cow<'s, str> {
        if !statement.contains(MEASURE) {
            return Cow::Borrowed(statement);
        }
        let measure = match self.events_per_second {
            Some(measure) => format!("'{measure}'::float8"),
            None => "NULL".to_string(),
        };
        Cow::Owned(statement.replace(MEASURE, &measure))
    }

    /// New rows go in as they are. Where old events are folded, the key of one may come again,
    /// though it hardly ever does: then its row becomes the new one's.
    fn write_again(
        &self,
        transaction: &mut Transaction<'_>,
        table: &Table,
        new: &CopyBuffer,
        writing: &Writing,
    ) -> Result<(), PostgresError> {
        if new.is_empty() {
            return Ok(());
        }
        let doing = format!("write new rows of {}", table.name);
        let failed = || PostgresError::statement(doing.clone());
        let mut trial = transaction.savepoint("new_rows").map_err(failed())?;
        match copy(new, &mut trial, &writing.copy, &doing) {
            Ok(()) => return trial.commit().map_err(failed()),
            Err(error) if !error.is_repeated_key() => return Err(error),
            Err(_) => trial.rollback().map_err(failed())?,
        }
        self.staged(transaction, new, writing, &doing)
    }

    /// A row that is there stays as it is; that it is the same is seen by the number of rows.
    fn agree(
        &self,
        transaction: &mut Transaction<'_>,
        changes: &Changes,
        writing: &Writing,
    ) -> Result<(), PostgresError> {
        let Changes { table, new, .. } = changes;
        if new.is_empty() {
            return Ok(());
        }
        let doing = format!("publish rows of {}", table.name);
        let failed = || PostgresError::statement(doing.clone());
        copy(new, transaction, &writing.stage, &doing)?;
        let rows = transaction.execute(&writing.agree, &[]).map_err(failed())?;
        if rows == new.rows() {
            return Ok(());
        }
        let row = transaction.query_opt(&writing.disagrees, &[]).map_err(failed())?;
        let row = row.map_or_else(|| "those of this epoch".to_string(), |row| row.get(0));
        Err(PostgresError::Published { table: table.name, row })
    }

    /// Rows that somebody else deleted or added cannot be mended here; that they differ is said.
    /// Some may be gone that are old. Of rows that replace others nobody knows whether there are
    /// any.
    fn expect(&self, table: &Table, wanted: u64, found: u64) {
        let may_be_gone = self.gone.of(table).is_some_and(|gone| gone > 0) && found < wanted;
        if wanted != found && !may_be_gone && matches!(table.rule, Rule::Changes { .. }) {
            tracing::warn!(
                epoch = self.results.epoch,
                table = table.name,
                wanted,
                found,
                "Rows to be changed are not there: somebody else has written to the table."
            );
        }
    }
}
