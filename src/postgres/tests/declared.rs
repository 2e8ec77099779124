//! The tables of the schema are those that are declared, whether a migration has made them or a
//! start.

use super::*;
use dataflows::customer::features::Features;
use dataflows::settings::{CustomerSettings, InputSettings};
use dataflows::table::Table;
use std::sync::Arc;

/// Settings with the features that a job has where nothing else is configured.
pub(super) fn with_default_features(database: &TestDatabase) -> PostgresSettings {
    let features = Features::new(&InputSettings::default(), &CustomerSettings::default()).unwrap();
    database.worded(|wording| wording.features = features.names().to_vec())
}

/// Columns with types and whether they may be NULL, and the keys, of a table as it is there.
fn described(database: &TestDatabase, table: &str) -> String {
    let columns = database.text(&format!(
        "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod) || \
         CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END, E'\\n' ORDER BY attname)
         FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped"
    ));
    let keys = database.text(&format!(
        "SELECT string_agg(key, E'\\n' ORDER BY key) FROM (
            SELECT indisprimary::text || ' ' || (
                SELECT string_agg(attname, ' ' ORDER BY position)
                FROM unnest(indkey) WITH ORDINALITY AS k (number, position)
                JOIN pg_attribute ON attrelid = indrelid AND attnum = number
            ) AS key FROM pg_index WHERE indrelid = '{table}'::regclass AND indisunique
        ) i"
    ));
    format!("{columns}\n{keys}")
}

#[test]
fn what_the_migrations_make_is_what_is_declared() {
    let Some(database) = TestDatabase::create() else { return };
    let settings = with_default_features(&database);
    let open = || drop(Writer::open(settings.clone()).unwrap());
    open();
    let tables: Vec<Arc<Table>> = settings.wording.tables();
    let all =
        || -> Vec<String> { tables.iter().map(|table| described(&database, table.name)).collect() };
    let migrated = all();
    for table in &tables {
        database.client().batch_execute(&format!("DROP TABLE {} CASCADE", table.name)).unwrap();
    }
    open();
    for (table, (made, migrated)) in tables.iter().zip(all().iter().zip(&migrated)) {
        assert_eq!(made, migrated, "{}", table.name);
    }
    assert_eq!(database.text("SELECT count(*) FROM customer_features_now"), "0");
}

#[test]
fn a_start_makes_tables_and_columns_that_are_not_there() {
    let Some(database) = TestDatabase::create() else { return };
    database.writer().commit(&first_epoch()).unwrap();
    let described = |table| described(&database, table);
    let before = ["decisions", "arm_stats", "segments", "dead_letters"].map(described);
    database
        .client()
        .batch_execute(
            "ALTER TABLE decisions DROP COLUMN policy; ALTER TABLE arm_stats DROP COLUMN \
             campaign_name; ALTER TABLE dead_letters DROP COLUMN received_at; DROP TABLE segments",
        )
        .unwrap();
    let mut writer = database.writer();
    let [decisions, others @ ..] = before;
    // Rows of before have nothing in it.
    assert_eq!(described("decisions"), decisions.replace("policy text NOT NULL", "policy text"));
    assert_eq!(["arm_stats", "segments", "dead_letters"].map(described), others);
    writer.commit(&second_epoch()).unwrap();
    assert_eq!(
        database
            .text("SELECT string_agg(coalesce(policy, '-'), ' ' ORDER BY policy) FROM decisions"),
        "greedy -"
    );
    assert_eq!(database.text("SELECT count(*) FROM segments"), "1");
}
