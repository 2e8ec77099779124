//! The statements that read what is owed, out of the tables in which a dataflow has it.

use crate::sink::rows::Wording;
use dataflows::event::tables::{DEAD_LETTERS, ERASURES};

/// The columns of a decision, behind its epoch.
const DECISION: &str = "d.customer_id, d.decision_key, d.decision_id, d.ts, d.arm, d.propensity, \
    d.expected_reward, d.uncertainty, d.scores, d.model_version, d.context, d.policy";

/// The statements: each of the epochs after `$1` up to `$2`. What a dataflow has no table of, it
/// does not owe.
pub struct OwedSelects {
    /// How far those epochs go that have `$3` records together, with how many there are up to
    /// there. The sort is that of the indexes.
    pub extent: Option<String>,
    /// Records, and seconds since the commit of the oldest; `$3` is the job.
    pub backlog: Option<String>,
    /// Decisions.
    pub decisions: Option<String>,
    /// Dead letters.
    pub letters: Option<String>,
    /// Who was erased.
    pub erased: Option<String>,
    /// Dead letters of earlier epochs that were blanked.
    pub blanked: Option<String>,
    /// Of each customer whom these epochs have erased the newest decision of an earlier one that
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
        let decisions = wording.decisions().map(part);
        let letters = there(DEAD_LETTERS).map(part);
        let erased = there(ERASURES).map(|table| OwedRows {
            records: "count(DISTINCT (epoch, customer_id))",
            ..part(table)
        });
        let blanked = there(DEAD_LETTERS).map(|table| OwedRows {
            epoch: "blanked",
            condition: " AND d.epoch < d.blanked",
            ..part(table)
        });
        let again = wording.decisions().zip(there(ERASURES)).map(|(decisions, erasures)| {
            format!(
                "SELECT DISTINCT ON (g.epoch, d.customer_id) g.epoch, {DECISION} FROM {erasures} g \
                 JOIN {decisions} d ON d.customer_id = g.customer_id AND d.epoch < g.epoch WHERE \
                 g.epoch > $1 AND g.epoch <= $2 ORDER BY g.epoch, d.customer_id, d.epoch DESC, \
                 d.ts DESC, d.decision_key DESC"
            )
        });
        let all: Vec<&OwedRows<'_>> =
            [&decisions, &letters, &erased, &blanked].into_iter().flatten().collect();
        let select = |part: &Option<OwedRows<'_>>, columns: &str| {
            part.as_ref().map(|part| part.select(columns))
        };
        OwedSelects {
            extent: extent(&all),
            backlog: backlog(&all),
            again,
            decisions: select(&decisions, &format!("d.epoch, {DECISION}")),
            letters: select(
                &letters,
                "epoch, topic, partition, position, reason, detail, raw, customer_id, dated",
            ),
            erased: select(&erased, "DISTINCT epoch, customer_id"),
            blanked: select(&blanked, "blanked, topic, partition, position"),
        }
    }
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
