//! What a job has committed and published: by its database, or by its journal.

use super::Stage;
use serde_json::Value;

/// Digits of checksum and length before the JSON of a journal's line, with a space behind each.
const HEAD: usize = 18;

impl Stage {
    /// The whole lines of the journal.
    pub(crate) fn journal(&self) -> Vec<Value> {
        let content =
            std::fs::read(self.path("checkpoints/campaign/journal.log")).unwrap_or_default();
        let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines = content[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(&line[HEAD..]).expect("JSON")).collect()
    }

    /// The last epoch that the database has as committed, and the last as published.
    pub(crate) fn progress_in_database(&self) -> (i64, i64) {
        let row = self
            .database()
            .query_one("SELECT epoch, published FROM sluice.progress", &[])
            .expect("progress");
        (row.get(0), row.get(1))
    }

    /// The last epoch that the journal has as committed, and the last as published.
    pub(crate) fn progress_in_journal(&self) -> (i64, i64) {
        let journal = self.journal();
        let of = |name: &str| {
            let numbers = journal
                .iter()
                .filter_map(|record| record[name].as_i64().or(record[name]["epoch"].as_i64()));
            numbers.max().unwrap_or(0)
        };
        (of("epoch").max(of("standing")), of("published"))
    }
}
