//! What is told of the tables, and that nothing in a schema is left out.

use super::*;
use crate::postgres::tables::ENGINES;
use crate::postgres::tests::TestDatabase;
use dataflows::arrivals::Arrivals;
use dataflows::keyed;
use std::collections::BTreeSet;

/// A table that people fill.
const PEOPLES: &str = "roi_inputs";

/// The engine's tables that have nothing of a person.
const NOBODYS: [&str; 5] =
    ["owner", "progress", "losses", "refinery_schema_history", "applied_settings"];

#[test]
fn a_table_is_told_of_by_its_declaration_alone() {
    let tables = keyed::tables::<Arrivals>().map(Arc::new);
    let names = |places: Vec<ErasurePlace>| -> Vec<Cow<'static, str>> {
        places.into_iter().map(|place| place.name).collect()
    };
    let told = names(places(&tables, false));
    let wanted = ["table `arrivals`", "tables `erasures`, `erased_customers`"];
    assert_eq!(told[..2], wanted);
    assert_eq!((&*told[2], &*told[3]), ("table `dead_letters`", "table `epochs`"));
    let with_decisions = names(places(&tables, true));
    let mut differing = with_decisions.iter().filter(|name| !told.contains(name));
    assert_eq!((differing.next(), differing.next()), (Some(&PREDICTIONS.into()), None));
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
    let tables: BTreeSet<String> = rows.expect("the tables").iter().map(|row| row.get(0)).collect();
    let wording = database.settings().wording;
    let places = places(&wording.tables(), true);
    let told = places
        .iter()
        .filter(|place| place.name.starts_with("table"))
        .flat_map(|place| place.name.split('`').skip(1).step_by(2));
    let told: BTreeSet<String> = told.filter(|name| *name != "kept").map(str::to_string).collect();
    assert!(tables.len() > 15 && told.is_subset(&tables), "{told:?} are not all among {tables:?}");
    let named = wording.names();
    let nobodys = NOBODYS.into_iter().chain(named.iter().map(|naming| naming.table));
    let nobodys: Vec<&str> = nobodys.chain([PEOPLES]).collect();
    let untold: Vec<&String> =
        tables.difference(&told).filter(|table| !nobodys.contains(&table.as_str())).collect();
    assert!(
        untold.is_empty(),
        "{untold:?}: is something of a customer there? Tell of it in ELSEWHERE and \
         docs/erasure.md, or name it in NOBODYS"
    );
    assert!(NOBODYS.iter().all(|table| ENGINES.contains(table)));
}
