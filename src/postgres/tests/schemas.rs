//! Two jobs in two schemas of one database have nothing to do with each other; and what an older
//! version left in a schema gets its owner, or is refused with a way out.

use super::*;
use crate::identifiers::SchemaName;
use crate::postgres::comparison::Snapshot;
use crate::postgres::{PostgresError, Survey, inspect};
use crate::sink::Trouble;
use crate::source::TopicUuids;
use std::sync::mpsc;

/// A name that is none without its quotes.
const SHOP: &str = "Shop \"2\"";

impl TestDatabase {
    /// The other job, in a schema of its own.
    fn apart(&self) -> PostgresSettings {
        let schema = SchemaName::new(SHOP).unwrap();
        PostgresSettings {
            schema,
            job: "other".to_string(),
            ..self.worded(|wording| {
                wording.arms = vec!["Letter".to_string()];
            })
        }
    }

    /// Makes the schema what the version before would have left.
    fn age(&self) {
        let sql = "DROP TABLE owner; DELETE FROM refinery_schema_history WHERE version = 14";
        self.client().batch_execute(sql).unwrap();
    }

    fn owner(&self) -> String {
        self.text("SELECT concat_ws(' ', job, dataflow, format) FROM owner")
    }
}

#[test]
fn what_one_job_does_in_its_schema_leaves_the_other_as_it_was() {
    let Some(database) = TestDatabase::create() else { return };
    let mut one = database.writer();
    one.commit(&first_epoch()).unwrap();
    let before = database.dump();
    assert_eq!(inspect(&database.apart()).unwrap(), None, "its own schema is still to be made");

    let mut other = Writer::open(database.apart()).unwrap();
    other.commit(&first_epoch()).unwrap();
    other.commit(&second_epoch()).unwrap();
    let mut erases = EpochResults::new(3);
    erases.erasures = vec![erasure_of(1, MARCH + DAY)];
    other.commit(&erases).unwrap();
    let theirs = Snapshot::open(database.apart()).unwrap().standing(0).unwrap();
    assert_eq!((theirs.progress.epoch, theirs.erasures.len()), (3, 1));
    other.forget(&[(Topic::Rewards.id(), 0, 3)], &TopicUuids::UNKNOWN).unwrap();
    other.commit(&first_epoch()).unwrap();
    assert_eq!(database.dump(), before);

    let theirs = database.dump_of(SHOP);
    one.commit(&second_epoch()).expect("nobody has taken its job over");
    one.forget(&[], &TopicUuids::UNKNOWN).unwrap();
    drop(database.writer());
    assert_eq!(database.dump_of(SHOP), theirs);
    assert!(database.dump() != before && database.owner() == "campaign campaign 1");
}

#[test]
fn two_jobs_start_side_by_side_and_two_of_one_schema_after_each_other() {
    let Some(database) = TestDatabase::create() else { return };
    let (settings, (held, holds), (done, is_done)) =
        (database.settings(), mpsc::channel(), mpsc::channel::<()>());
    let first = std::thread::spawn(move || {
        Writer::open_settling(settings, TopicUuids::UNKNOWN, Trouble::default(), |_| {
            held.send(()).unwrap();
            Ok::<_, PostgresError>(is_done.recv())
        })
        .map(|_| ())
    });
    holds.recv().unwrap();
    let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND \
        database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    Writer::open(database.apart()).expect("the lock of the other schema is in nobody's way");
    let settings = database.settings();
    let second = std::thread::spawn(move || Writer::open(settings).map(|_| ()));
    while database.text(waits) != "1" {
        assert!(!second.is_finished(), "it has not waited for the first");
    }
    done.send(()).unwrap();
    first.join().unwrap().unwrap();
    second.join().unwrap().unwrap();
    assert_eq!(database.text("SELECT incarnation FROM progress"), "2");
}

#[test]
fn a_schema_of_the_version_before_gets_its_owner_at_the_next_start() {
    let Some(database) = TestDatabase::create() else { return };
    database.writer().commit(&first_epoch()).unwrap();
    database.age();
    let (before, contents) = (database.dump(), database.contents());
    for refused in [Writer::open(database.other()).err(), inspect(&database.other()).err()] {
        assert!(
            matches!(&refused, Some(PostgresError::OtherJob { owner, .. }) if owner == "campaign"),
            "{refused:?}"
        );
    }
    assert_eq!(database.dump(), before);
    database.writer().commit(&second_epoch()).expect("its own job goes on");
    assert!(database.contents() != contents && database.owner() == "campaign campaign 1");
}

/// The survey of a start, and the start itself, are refused with this and change nothing.
fn refused(database: &TestDatabase, said: &[&str]) {
    let before = database.dump();
    let survey = Survey::open(database.settings(), &TopicUuids::UNKNOWN, true, &Trouble::default());
    let starts = [
        survey.err().map(|error| error.to_string()),
        Writer::open(database.settings()).err().map(|error| error.to_string()),
        inspect(&database.settings()).err().map(|error| error.to_string()),
        Snapshot::open(database.settings()).err().map(|error| error.to_string()),
    ];
    for text in starts {
        let text = text.expect("it is refused");
        assert!(said.iter().all(|said| text.contains(said)), "{text}");
    }
    assert_eq!(database.dump(), before);
}

/// A schema in which a version long ago let another job write too.
fn shared() -> Option<TestDatabase> {
    let database = TestDatabase::create()?;
    database.writer().commit(&first_epoch()).unwrap();
    database.age();
    let rows = "INSERT INTO progress SELECT (jsonb_populate_record(p, '{\"job\": \"shop\"}')).* \
        FROM progress p; INSERT INTO epochs SELECT (jsonb_populate_record(e, '{\"job\": \
        \"shop\"}')).* FROM epochs e";
    database.client().batch_execute(rows).unwrap();
    refused(&database, &["has rows of job `shop`", "those of job `campaign`", "postgres.schema"]);
    Some(database)
}

#[test]
fn a_job_that_shared_its_schema_goes_to_another_one() {
    let Some(database) = shared() else { return };
    let before = database.dump();
    let settings = PostgresSettings { job: "campaign".to_string(), ..database.apart() };
    let mut writer = Writer::open(settings).unwrap();
    writer.forget(&[], &TopicUuids::UNKNOWN).unwrap();
    writer.commit(&first_epoch()).unwrap();
    assert_eq!(database.dump(), before);
}

#[test]
fn a_job_that_shared_its_schema_has_it_alone_when_the_others_rows_are_deleted() {
    let Some(database) = shared() else { return };
    let delete = "DELETE FROM progress WHERE job <> 'campaign'; DELETE FROM epochs WHERE job <> \
        'campaign'";
    database.client().batch_execute(delete).unwrap();
    let mut writer = database.writer();
    writer.forget(&[], &TopicUuids::UNKNOWN).unwrap();
    writer.commit(&first_epoch()).unwrap();
    assert_eq!(database.owner(), "campaign campaign 1");
}

#[test]
fn results_of_another_dataflow_or_of_a_later_format_are_refused() {
    let Some(database) = TestDatabase::create() else { return };
    database.writer().commit(&first_epoch()).unwrap();
    for (other, said) in [
        ("dataflow = 'arrivals'", "results of dataflow `arrivals` in format 1"),
        ("format = 2", "results of dataflow `campaign` in format 2"),
    ] {
        database.client().batch_execute(&format!("UPDATE owner SET {other}")).unwrap();
        refused(&database, &[said, "those of dataflow `campaign` in format 1"]);
        let restore = "UPDATE owner SET dataflow = 'campaign', format = 1";
        database.client().batch_execute(restore).unwrap();
    }
}
