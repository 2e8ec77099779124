//! The lines of an epoch's file: the epoch itself, and the rows that it changed in each table.

use crate::hexadecimal::hexadecimal;
use crate::postgres::PostgresSettings;
use crate::sink::Link;
use crate::sink::gathered::{Essentials, Gathered};
use crate::sink::rows::{EpochRows, Unfit};
use crate::source::offsets_by_name;
use crate::table::Changes;
use crate::table::encode::microseconds;
use crate::table::json::{INSERT, UPDATE, gone, line};
use crate::table::value::show;
use dataflows::table::{ColumnType, Rule, Table};
use serde_json::json;
use std::sync::Arc;

/// Writes the lines of epochs, one after the other.
pub struct LineWriter {
    settings: PostgresSettings,
    rows: EpochRows,
    out: Vec<u8>,
}

impl LineWriter {
    /// For a job whose tables would have these settings.
    pub fn new(settings: PostgresSettings) -> LineWriter {
        LineWriter {
            rows: EpochRows::new(Arc::clone(&settings.wording)),
            settings,
            out: Vec::new(),
        }
    }

    /// The tables whose rows they are.
    pub fn tables(&self) -> Vec<Arc<Table>> {
        self.rows.tables().iter().map(|changes| Arc::clone(&changes.table)).collect()
    }

    /// The lines of an epoch of a history, after which `pending` interactions wait.
    ///
    /// # Errors
    /// [`Unfit`] when contexts or features are not as many as the settings name.
    pub fn write(
        &mut self,
        epoch: &dyn Gathered,
        pending: i64,
        history: Link,
    ) -> Result<&[u8], Unfit> {
        self.out.clear();
        self.rows.fill(epoch, pending)?;
        self.epoch(epoch.essentials(), history);
        self.rows.tables().iter().for_each(|changes| write_changes(&mut self.out, changes));
        Ok(&self.out)
    }

    /// As `sluice replay --epochs` reads it.
    fn epoch(&mut self, head: Essentials<'_>, history: Link) {
        let Essentials { epoch, closed, counts, digest, topic_ids, chain, .. } = head;
        let watermark = closed
            .watermark
            .map(|at| show(ColumnType::Timestamp, Some(&microseconds(at).to_be_bytes())));
        let values = [
            ("table", json!("epochs")),
            ("change", json!(INSERT)),
            ("job", json!(self.settings.job)),
            ("epoch", json!(epoch)),
            ("watermark", json!(watermark)),
            ("offsets", json!(offsets_by_name(&closed.offsets, &self.settings.topics))),
            ("digest", json!(hexadecimal(digest))),
            ("counts", counts.json()),
            ("topic_ids", json!(topic_ids.named(&self.settings.topics))),
            ("chain", json!(chain)),
            ("identity", json!(history)),
        ];
        let fields: Vec<String> =
            values.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        self.out.extend_from_slice(format!("{{{}}}\n", fields.join(",")).as_bytes());
    }
}

/// First what went: it may have come again.
fn write_changes(out: &mut Vec<u8>, changes: &Changes) {
    let Changes { table, gone: keys, new, changed, nulls } = changes;
    let leaves = matches!(table.rule, Rule::Changes { .. });
    keys.each_row().for_each(|key| gone(out, table, key));
    new.each_row().for_each(|row| line(out, table, INSERT, row, false, &[]));
    changed.each_row().for_each(|row| line(out, table, UPDATE, row, leaves, nulls));
}
