//! Everywhere that something of a customer may lie: what an erasure does there, and what remains.
//! Of the tables of a dataflow that follows from their declarations.
//!
//! `docs/erasure.md` has the same rows; a test compares them, and the tables of the schema with
//! those that are told of here.

#[cfg(test)]
mod tests;

use dataflows::table::{Erase, Table};
use std::borrow::Cow;
use std::sync::Arc;

/// A place.
#[derive(Clone, Debug)]
pub struct ErasurePlace {
    /// What it is.
    pub name: Cow<'static, str>,
    /// What is done there.
    pub done: Cow<'static, str>,
    /// What remains, and until when.
    pub remains: Cow<'static, str>,
    /// By what it is known that it is done.
    pub by: Evidence,
}

/// By what it is known that something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The epoch that erases: it is committed with it, or not at all.
    Epoch,
    /// What that epoch has to publish is published.
    Mark,
    /// No checkpoint is older than that epoch.
    Checkpoints,
    /// Nor is anything that verifications have left.
    Verified,
    /// No records are kept of epochs before it.
    KeptRecords,
    /// Nothing: it is for others to do.
    Nobody,
}

/// Every place of a dataflow with these tables, which has notices to publish or not.
pub fn places(tables: &[Arc<Table>], has_notices: bool) -> Vec<ErasurePlace> {
    let elsewhere = ELSEWHERE.iter().filter(|place| has_notices || place.name != PREDICTIONS);
    of_tables(tables).into_iter().chain(elsewhere.cloned()).collect()
}

/// The tables of a dataflow, those together of which the same is to be said.
fn of_tables(tables: &[Arc<Table>]) -> Vec<ErasurePlace> {
    let mut told: Vec<(Vec<&str>, ErasurePlace)> = Vec::new();
    for table in tables {
        let place = of_table(table);
        let says = |own: &ErasurePlace| (&own.done, &own.remains) == (&place.done, &place.remains);
        let at = told.iter().position(|(_, own)| says(own)).unwrap_or(told.len());
        if at == told.len() {
            told.push((Vec::new(), place));
        }
        let names = &mut told[at].0;
        names.push(table.name);
        names.extend(matches!(table.erase, Erase::Reports { .. }).then_some(ERASED));
    }
    let named = |(names, place): (Vec<&str>, ErasurePlace)| {
        let tables = if names.len() > 1 { "tables" } else { "table" };
        ErasurePlace { name: format!("{tables} `{}`", names.join("`, `")).into(), ..place }
    };
    told.into_iter().map(named).collect()
}

/// What a table is a place of.
fn of_table(table: &Table) -> ErasurePlace {
    let (done, remains): (Cow<'static, str>, Cow<'static, str>) = match table.erase {
        Erase::Rows { .. } => (
            "rows up to the instant are deleted".into(),
            "pages of the server until it vacuums them".into(),
        ),
        Erase::Blanks { columns, remains, .. } => {
            let blanked: Vec<&str> = columns.iter().map(|(column, _)| *column).collect();
            let until = table.keep.setting().map(|setting| format!(", until `postgres.{setting}`"));
            let done = format!(
                "those that name the customer are blanked, now and whenever such a record comes \
                 again: `{}`",
                blanked.join("`, `")
            );
            (done.into(), format!("{remains}{}", until.unwrap_or_default()).into())
        }
        Erase::Nobody { because } => (
            format!("no row is anybody's: {because}").into(),
            "nothing that could be told from what others gave".into(),
        ),
        Erase::Sums { remains, .. } => (
            "what the customer gave to sums is taken back, and the sums of older versions are \
             emptied"
                .into(),
            remains.into(),
        ),
        Erase::Reports { because, .. } => (
            "the report is written: number, instant and counts".into(),
            format!("the report: {because}").into(),
        ),
    };
    ErasurePlace { name: table.name.into(), done, remains, by: Evidence::Epoch }
}

/// The engine's table of who is erased, which goes with the reports.
const ERASED: &str = "erased_customers";

/// Where decisions are published.
const PREDICTIONS: &str = "topic `campaign-predictions`";

/// Every place beside the tables of a dataflow.
static ELSEWHERE: [ErasurePlace; 15] = [
    ErasurePlace {
        name: Cow::Borrowed("table `epochs`"),
        done: Cow::Borrowed("no row is anybody's: it tells what was read, and counts it"),
        remains: Cow::Borrowed("digests and counts of before"),
        by: Evidence::Epoch,
    },
    ErasurePlace {
        name: Cow::Borrowed(
            "table `kept_records`, without a database the folder `kept` of the journal",
        ),
        done: Cow::Borrowed("records of before go with the checkpoints that need them"),
        remains: Cow::Borrowed("a record that was kept since, until the next checkpoint"),
        by: Evidence::KeptRecords,
    },
    ErasurePlace {
        name: Cow::Borrowed("checkpoints and their twins"),
        done: Cow::Borrowed(
            "one without the customer is taken at once, and all older ones are removed when it \
            is complete",
        ),
        remains: Cow::Borrowed(
            "number and instant of the erasure; copies that somebody made, and checkpoints of \
            other histories in the same place (`sluice checkpoint list` names them)",
        ),
        by: Evidence::Checkpoints,
    },
    ErasurePlace {
        name: Cow::Borrowed("folder `kind=verified` beside the checkpoints"),
        done: Cow::Borrowed(
            "what `sluice verify` has left of before is replaced by the next verification of the \
            same history",
        ),
        remains: Cow::Borrowed("rows and histories of before, until then"),
        by: Evidence::Verified,
    },
    ErasurePlace {
        name: Cow::Borrowed("journal"),
        done: Cow::Borrowed("it is written anew without what was decided or could not be taken"),
        remains: Cow::Borrowed("number and instant of the erasure"),
        by: Evidence::Epoch,
    },
    ErasurePlace {
        name: Cow::Borrowed("files of changes"),
        done: Cow::Borrowed(
            "older files are written anew without the customer's rows, and with blanked dead \
            letters",
        ),
        remains: Cow::Borrowed("the report, and which rows were taken back: number and keys"),
        by: Evidence::Epoch,
    },
    ErasurePlace {
        name: Cow::Borrowed("what is owed to the topics"),
        done: Cow::Borrowed(
            "decisions are taken out and dead letters blanked before they are sent",
        ),
        remains: Cow::Borrowed("nothing"),
        by: Evidence::Epoch,
    },
    ErasurePlace {
        name: Cow::Borrowed(PREDICTIONS),
        done: Cow::Borrowed(
            "a tombstone with the customer's number as its key, and behind it the newest \
            decision that stands",
        ),
        remains: Cow::Borrowed(
            "where `cleanup.policy` is `compact`: the tombstone, until `delete.retention.ms`; \
            else all that was published, until `retention.ms`",
        ),
        by: Evidence::Mark,
    },
    ErasurePlace {
        name: Cow::Borrowed("topic `dead-letters`"),
        done: Cow::Borrowed(
            "a tombstone for each letter that was blanked, with its key `topic/partition/offset`",
        ),
        remains: Cow::Borrowed(
            "as above; letters that name nobody, those of before this version, and without a \
            database and `files.dir` those that were published",
        ),
        by: Evidence::Mark,
    },
    ErasurePlace {
        name: Cow::Borrowed("log"),
        done: Cow::Borrowed(
            "it never shows a number, nor what a record says: customers bear a pseudonym that \
            nobody can resolve",
        ),
        remains: Cow::Borrowed("nothing"),
        by: Evidence::Epoch,
    },
    ErasurePlace {
        name: Cow::Borrowed("console, `/status`, `/metrics`"),
        done: Cow::Borrowed("they show no customers; what is shown of dead letters is blanked"),
        remains: Cow::Borrowed("nothing"),
        by: Evidence::Epoch,
    },
    ErasurePlace {
        name: Cow::Borrowed("memory and temporary files of the database server"),
        done: Cow::Borrowed("nothing"),
        remains: Cow::Borrowed("what the server has not overwritten"),
        by: Evidence::Nobody,
    },
    ErasurePlace {
        name: Cow::Borrowed(
            "write-ahead log, replicas, backups of database, checkpoints and files",
        ),
        done: Cow::Borrowed("nothing"),
        remains: Cow::Borrowed(
            "everything of before, as long as they are kept; after restoring one, erase anew \
            whoever was erased since",
        ),
        by: Evidence::Nobody,
    },
    ErasurePlace {
        name: Cow::Borrowed("input topics and files"),
        done: Cow::Borrowed("nothing: they belong to those who fill them"),
        remains: Cow::Borrowed(
            "everything, until `retention.ms`; what a `compact` topic has of the key goes \
            with the null record that erases",
        ),
        by: Evidence::Nobody,
    },
    ErasurePlace {
        name: Cow::Borrowed(
            "folders that `sluice replay`, `generate` and `checkpoint` were told to write",
        ),
        done: Cow::Borrowed("nothing"),
        remains: Cow::Borrowed("everything: remove them"),
        by: Evidence::Nobody,
    },
];
