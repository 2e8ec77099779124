//! What a role may not do is found without leaving anything, and a migration that fails says what
//! the server says.

use super::super::rights::{self, Lacking};
use super::super::{PostgresError, PostgresSettings, Writer, connection};
use super::TestDatabase;
use crate::identifiers::SchemaName;

fn lacking(database: &TestDatabase) -> Lacking {
    of(&database.settings())
}

fn of(settings: &PostgresSettings) -> Lacking {
    rights::lacking(&mut connection::connect(settings).unwrap(), settings).unwrap()
}

#[test]
fn who_may_do_everything_lacks_nothing_and_nothing_is_left() {
    let Some(database) = TestDatabase::create() else { return };
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'sluice'";
    assert_eq!((lacking(&database), database.text(schemas).as_str()), (Lacking::default(), "0"));
    drop(database.writer());
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'sluice'::regnamespace";
    let before = database.text(tables);
    assert_eq!((lacking(&database), database.text(tables)), (Lacking::default(), before));
}

#[test]
fn what_the_database_does_not_allow_is_all_named() {
    let Some(database) = TestDatabase::create() else { return };
    database
        .client()
        .batch_execute(&format!(
            "REVOKE CREATE, TEMPORARY ON DATABASE {} FROM PUBLIC, CURRENT_USER",
            database.name
        ))
        .unwrap();
    let Lacking { faults, warnings } = lacking(&database);
    assert_eq!((faults.len(), warnings.len()), (2, 0), "{faults:?}");
    for (fault, (doing, grant)) in faults.iter().zip([
        ("make the schema `sluice`", "GRANT CREATE"),
        ("make temporary tables", "GRANT TEMPORARY"),
    ]) {
        assert!(
            fault.contains(doing) && fault.contains(grant) && fault.contains("[42501]"),
            "{fault}"
        );
    }
}

#[test]
fn what_the_tables_do_not_allow_is_all_named() {
    let Some(database) = TestDatabase::create() else { return };
    for (name, quoted) in [("sluice", "sluice"), ("Shop \"2\"", "\"Shop \"\"2\"\"\"")] {
        let schema = SchemaName::new(name).unwrap();
        let settings = PostgresSettings { schema, ..database.settings() };
        drop(Writer::open(settings.clone()).unwrap());
        let revoke = format!(
            "REVOKE INSERT, DELETE ON {quoted}.epochs FROM CURRENT_USER; REVOKE TRUNCATE ON \
             {quoted}.decisions FROM CURRENT_USER; REVOKE CREATE ON SCHEMA {quoted} FROM \
             CURRENT_USER"
        );
        database.client().batch_execute(&revoke).unwrap();
        let Lacking { faults, warnings } = of(&settings);
        assert!(
            faults.len() == 2
                && faults[0].contains(&format!("make tables in the schema `{name}`"))
                && faults[1].contains(&format!("GRANT INSERT, DELETE ON {quoted}.epochs")),
            "{faults:?}"
        );
        let truncates = format!("GRANT TRUNCATE ON {quoted}.decisions");
        assert!(warnings.len() == 1 && warnings[0].contains(&truncates), "{warnings:?}");
        for told in faults.iter().chain(&warnings) {
            let (_, grant) = told.rsplit_once("GRANT ").expect("what to do");
            database
                .client()
                .batch_execute(&format!("GRANT {grant}"))
                .expect("it can be done as it is said");
        }
        assert_eq!(of(&settings), Lacking::default());
        let revoke = format!("REVOKE USAGE ON SCHEMA {quoted} FROM CURRENT_USER");
        database.client().batch_execute(&revoke).unwrap();
        let faults = of(&settings).faults;
        let uses = format!("GRANT USAGE, CREATE ON SCHEMA {quoted}");
        assert!(faults.len() == 1 && faults[0].contains(&uses), "{faults:?}");
    }
}

#[test]
fn a_migration_that_fails_says_what_the_server_says() {
    let Some(database) = TestDatabase::create() else { return };
    database
        .client()
        .batch_execute("CREATE SCHEMA sluice; CREATE TABLE sluice.decisions (mine int)")
        .unwrap();
    let error = Writer::open(database.settings()).err().unwrap();
    let text = error.to_string();
    assert!(
        matches!(error, PostgresError::Migration { .. })
            && text.contains("is as it was")
            && text.contains("\"decisions\" already exists")
            && text.contains("[42P07]"),
        "{text}"
    );
}
