//! The statements that read what is owed, out of the tables in which a dataflow has it.

use crate::sink::notices::{NoticeForm, NoticeTable};
use crate::sink::rows::Wording;
use dataflows::event::tables::{DEAD_LETTERS, ERASURES};

/// The statements: each of the epochs after `$1` up to `$2`. What a dataflow has no table of, it
/// does not owe.
pub struct OwedSelects {
    /// How far those epochs go that have `$3` records together, with how many there are up to
    /// there. The sort is that of the indexes.
    pub extent: Option<String>,
    /// Records, and seconds since the commit of the oldest; `$3` is the job.
    pub backlog: Option<String>,
    /// Notices.
    pub notices: Option<String>,
    /// Dead letters.
    pub letters: Option<String>,
    /// Who was erased.
    pub erased: Option<String>,
    /// Dead letters of earlier epochs that were blanked.
    pub blanked: Option<String>,
    /// Of each customer whom these epochs have erased the newest notice of an earlier one that
    /// stands.
    pub again: Option<String>,
}

/// Rows that are owed, a record each.
struct OwedRows<'a> {
    table: &'a str,
    /// Since which epoch.
    epoch: &'a str,
    condition: &'a str,
    records: &'a str,
}

impl OwedRows<'_> {
    fn select(&self, columns: &str) -> String {
        let OwedRows { table, epoch, condition, .. } = self;
        format!(
            "SELECT {columns} FROM {table} d WHERE d.{epoch} > $1 AND d.{epoch} <= $2{condition}"
        )
    }
}

impl OwedSelects {
    /// Of a dataflow whose rows are worded so.
    pub fn of(wording: &dyn Wording) -> OwedSelects {
        let tables = wording.tables();
        let there = |table| tables.iter().any(|own| own.name == table).then_some(table);
        let part = |table| OwedRows { table, epoch: "epoch", condition: "", records: "count(*)" };
        let table = wording.notices().map(NoticeForm::table);
        let notices = table.map(|table| part(table.name));
        let letters = there(DEAD_LETTERS).map(part);
        // Where there are no notices, none of an erased customer need be buried.
        let buried = table.zip(there(ERASURES));
        let erased = buried.map(|(_, table)| OwedRows {
            records: "count(DISTINCT (epoch, customer_id))",
            ..part(table)
        });
        let blanked = there(DEAD_LETTERS).map(|table| OwedRows {
            epoch: "blanked",
            condition: " AND d.epoch < d.blanked",
            ..part(table)
        });
        let again = buried.map(|(table, erasures)| again(table, erasures));
        let all: Vec<&OwedRows<'_>> =
            [&notices, &letters, &erased, &blanked].into_iter().flatten().collect();
        let select = |part: &Option<OwedRows<'_>>, columns: &str| {
            part.as_ref().map(|part| part.select(columns))
        };
        OwedSelects {
            extent: extent(&all),
            backlog: backlog(&all),
            again,
            notices: table
                .and_then(|table| select(&notices, &format!("d.epoch, {}", columns(table)))),
            letters: select(
                &letters,
                "epoch, topic, partition, position, reason, detail, raw, customer_id, dated",
            ),
            erased: select(&erased, "DISTINCT epoch, customer_id"),
            blanked: select(&blanked, "blanked, topic, partition, position"),
        }
    }
}

/// The columns of a notice.
fn columns(table: &NoticeTable) -> String {
    let columns: Vec<String> = table.columns.iter().map(|column| format!("d.{column}")).collect();
    columns.join(", ")
}

fn again(table: &NoticeTable, erasures: &str) -> String {
    let NoticeTable { name, customer, instant, number, .. } = table;
    let columns = columns(table);
    format!(
        "SELECT DISTINCT ON (g.epoch, d.{customer}) g.epoch, {columns} FROM {erasures} g JOIN \
         {name} d ON d.{customer} = g.customer_id AND d.epoch < g.epoch WHERE g.epoch > $1 AND \
         g.epoch <= $2 ORDER BY g.epoch, d.{customer}, d.epoch DESC, d.{instant} DESC, d.{number} \
         DESC"
    )
}

fn extent(all: &[&OwedRows<'_>]) -> Option<String> {
    let epochs = all.iter().map(|part| part.select(&format!("d.{} AS epoch", part.epoch)));
    let epochs = epochs.reduce(|all, next| format!("{all} UNION ALL {next}"))?;
    Some(format!(
        "SELECT count(*), min(epoch), max(epoch) FROM ({epochs} ORDER BY epoch LIMIT $3) owed"
    ))
}

fn backlog(all: &[&OwedRows<'_>]) -> Option<String> {
    let counts = all.iter().map(|OwedRows { records, epoch, .. }| {
        format!("{records} AS records, min(d.{epoch}) AS first")
    });
    let counts = all.iter().zip(counts).map(|(part, counts)| part.select(&counts));
    let counts = counts.reduce(|all, next| format!("{all} UNION ALL {next}"))?;
    Some(format!(
        "SELECT o.records, (
            SELECT greatest(0, extract(epoch FROM now() - e.committed_at))::float8 FROM epochs e
            WHERE e.job = $3 AND e.epoch = o.first
        )
        FROM (SELECT sum(records)::int8 AS records, min(first) AS first FROM ({counts}) p) o"
    ))
}
