//! Everywhere that something of a customer may lie: what an erasure does there, and what remains.
//!
//! `docs/erasure.md` has the same rows; a test compares them, and the tables of the schema with
//! those that are told of here.

/// A place.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// What it is.
    pub name: &'static str,
    /// What is done there.
    pub done: &'static str,
    /// What remains, and until when.
    pub remains: &'static str,
    /// By what it is known that it is done.
    pub by: By,
}

/// By what it is known that something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
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

/// Every place.
pub const PLACES: [Place; 18] = [
    Place {
        name: "tables `customer_features`, `interactions`, `decisions`",
        done: "rows up to the instant are deleted",
        remains: "pages of the server until it vacuums them",
        by: By::Epoch,
    },
    Place {
        name: "table `dead_letters`",
        done: "those that name the customer are blanked: bytes, detail and number go, now and \
            whenever such a record comes again",
        remains: "place and reason; letters that name nobody, neither by a field nor by their key, \
            until `postgres.keep_dead_letters`",
        by: By::Epoch,
    },
    Place {
        name: "tables `model_versions`, `model_metrics`, `arm_stats`, `segments`, `thresholds`, \
            `epochs`",
        done: "what the customer gave to sums is taken back, and the sums of older versions are \
            emptied",
        remains: "coefficients of older versions and published thresholds, to which many have \
            given; folded contributions (`history.keep`) until a `--rebuild`",
        by: By::Epoch,
    },
    Place {
        name: "tables `erasures`, `erased_customers`",
        done: "the report is written: number, instant and counts",
        remains: "the report: without it an old record would bring the customer back",
        by: By::Epoch,
    },
    Place {
        name: "table `kept_records`, without a database the folder `kept` of the journal",
        done: "records of before go with the checkpoints that need them",
        remains: "a record that was kept since, until the next checkpoint",
        by: By::KeptRecords,
    },
    Place {
        name: "checkpoints and their twins",
        done: "one without the customer is taken at once, and all older ones are removed when it \
            is complete",
        remains: "number and instant of the erasure; copies that somebody made, and checkpoints of \
            other histories in the same place (`sluice checkpoint list` names them)",
        by: By::Checkpoints,
    },
    Place {
        name: "folder `kind=verified` beside the checkpoints",
        done: "what `sluice verify` has left of before is replaced by the next verification of the \
            same history",
        remains: "rows and histories of before, until then",
        by: By::Verified,
    },
    Place {
        name: "journal",
        done: "it is written anew without what was decided or could not be taken",
        remains: "number and instant of the erasure",
        by: By::Epoch,
    },
    Place {
        name: "files of changes",
        done: "older files are written anew without the customer's rows, and with blanked dead \
            letters",
        remains: "the report, and which rows were taken back: number and keys",
        by: By::Epoch,
    },
    Place {
        name: "what is owed to the topics",
        done: "decisions are taken out and dead letters blanked before they are sent",
        remains: "nothing",
        by: By::Epoch,
    },
    Place {
        name: "topic `campaign-predictions`",
        done: "a tombstone with the customer's number as its key, and behind it the newest \
            decision that stands",
        remains: "where `cleanup.policy` is `compact`: the tombstone, until `delete.retention.ms`; \
            else all that was published, until `retention.ms`",
        by: By::Mark,
    },
    Place {
        name: "topic `dead-letters`",
        done: "a tombstone for each letter that was blanked, with its key `topic/partition/offset`",
        remains: "as above; letters that name nobody, those of before this version, and without a \
            database and `files.dir` those that were published",
        by: By::Mark,
    },
    Place {
        name: "log",
        done: "it never shows a number, nor what a record says: customers bear a pseudonym that \
            nobody can resolve",
        remains: "nothing",
        by: By::Epoch,
    },
    Place {
        name: "console, `/status`, `/metrics`",
        done: "they show no customers; what is shown of dead letters is blanked",
        remains: "nothing",
        by: By::Epoch,
    },
    Place {
        name: "memory and temporary files of the database server",
        done: "nothing",
        remains: "what the server has not overwritten",
        by: By::Nobody,
    },
    Place {
        name: "write-ahead log, replicas, backups of database, checkpoints and files",
        done: "nothing",
        remains: "everything of before, as long as they are kept; after restoring one, erase anew \
            whoever was erased since",
        by: By::Nobody,
    },
    Place {
        name: "input topics and files",
        done: "nothing: they belong to those who fill them",
        remains: "everything, until `retention.ms`; what a `compact` topic has of the key goes \
            with the null record that erases",
        by: By::Nobody,
    },
    Place {
        name: "folders that `sluice replay`, `generate` and `checkpoint` were told to write",
        done: "nothing",
        remains: "everything: remove them",
        by: By::Nobody,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::tests::TestDatabase;
    use dataflows::campaign::tables::tables;
    use dataflows::table::Erase;
    use std::collections::BTreeSet;

    const DOCUMENT: &str = include_str!("../docs/erasure.md");

    #[test]
    fn the_document_has_every_place() {
        let rows: Vec<&str> =
            DOCUMENT.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
        let wanted: Vec<String> = PLACES
            .iter()
            .map(|Place { name, done, remains, .. }| format!("| {name} | {done} | {remains} |"))
            .collect();
        assert_eq!(rows, wanted);
    }

    /// The engine's tables that have nothing of a person, and one that people fill.
    const NOBODYS: [&str; 9] = [
        "owner",
        "progress",
        "losses",
        "settings",
        "arms",
        "context_names",
        "roi_inputs",
        "refinery_schema_history",
        "applied_settings",
    ];

    #[test]
    fn what_is_told_of_a_table_is_what_its_declaration_does() {
        for table in tables(&[], 2) {
            let place = PLACES.iter().find(|place| {
                place.name.starts_with("table") && place.name.contains(&format!("`{}`", table.name))
            });
            let done = match table.erase {
                Erase::Rows { .. } => "rows up to the instant are deleted",
                Erase::Blanks { .. } => "are blanked",
                Erase::Nobody { .. } | Erase::Sums { .. } => "is taken back",
                Erase::Reports { .. } => "the report is written",
            };
            assert!(place.is_some_and(|place| place.done.contains(done)), "{}: {done}", table.name);
        }
    }

    #[test]
    fn every_table_is_a_place_or_nobodys() {
        let Some(database) = TestDatabase::create() else { return };
        drop(database.writer());
        let rows = database.client().query(
            "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = \
             'sluice'::regnamespace AND NOT relispartition",
            &[],
        );
        let tables: BTreeSet<String> =
            rows.expect("the tables").iter().map(|row| row.get(0)).collect();
        let told = PLACES
            .iter()
            .filter(|place| place.name.starts_with("table"))
            .flat_map(|place| place.name.split('`').skip(1).step_by(2));
        let told: BTreeSet<String> =
            told.filter(|name| *name != "kept").map(str::to_string).collect();
        assert!(
            tables.len() > 15 && told.is_subset(&tables),
            "{told:?} are not all among {tables:?}"
        );
        let untold: Vec<&String> =
            tables.difference(&told).filter(|table| !NOBODYS.contains(&table.as_str())).collect();
        assert!(
            untold.is_empty(),
            "{untold:?}: is something of a customer there? Tell of it in PLACES and \
             docs/erasure.md, or name it in NOBODYS"
        );
    }
}
