//! One job a schema: another name is refused, and finds everything as it was.

use super::*;
use crate::identifiers::quote;
use crate::postgres::comparison::Snapshot;
use crate::postgres::{PostgresError, inspect};
use crate::sink::Trouble;
use crate::source::{Loss, TopicUuid, TopicUuids};
use dataflows::source::Kept;

impl TestDatabase {
    /// Every table of the default schema with every row, and its columns.
    pub(super) fn dump(&self) -> String {
        self.dump_of("sluice")
    }

    /// Every table of a schema with every row, and its columns.
    pub(super) fn dump_of(&self, schema: &str) -> String {
        let mut client = self.client();
        let names =
            "SELECT coalesce(string_agg(c.table_name || '.' || c.column_name, ' ' ORDER BY \
            c.table_name, c.ordinal_position), '')
                     FROM information_schema.columns c WHERE c.table_schema = $1";
        let mut dump: String = client.query_one(names, &[&schema]).unwrap().get(0);
        for table in client
            .query(
                "SELECT tablename::text FROM pg_tables WHERE schemaname = $1 ORDER BY 1",
                &[&schema],
            )
            .unwrap()
        {
            let table: String = table.get(0);
            let rows = client.query_one(
                &format!(
                    "SELECT coalesce(string_agg(t::text, '\n' ORDER \
                BY t::text), '') FROM {}.{table} t",
                    quote(schema)
                ),
                &[],
            );
            dump = format!("{dump}\n{table}:\n{}", rows.unwrap().get::<_, String>(0));
        }
        dump
    }

    pub(super) fn other(&self) -> PostgresSettings {
        let features = vec!["recency".to_string(), "a_feature_of_its_own".to_string()];
        let settings = self.worded(|wording| {
            (wording.arms, wording.features) = (vec!["Letter".to_string()], features);
        });
        PostgresSettings { job: "other".to_string(), ..settings }
    }
}

fn refused<T>(outcome: Result<T, PostgresError>) -> String {
    match outcome.err() {
        Some(error @ PostgresError::OtherJob { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_job_of_another_name_is_refused_before_anything_is_written() {
    let Some(database) = TestDatabase::create() else { return };
    let mut writer = database.writer();
    writer.commit(&first_epoch()).unwrap();
    let before = database.dump();
    let said = refused(Writer::open(database.other()));
    assert!(
        said.contains("belongs to job `campaign`")
            && said.contains("schema of its own in postgres.schema"),
        "{said}"
    );
    refused(inspect(&database.other()));
    refused(Snapshot::open(database.other()));
    assert_eq!(database.dump(), before);
    writer.commit(&second_epoch()).expect("nobody has taken the job over");
}

#[test]
fn without_its_row_a_schema_has_its_owner_by_either_table() {
    let Some(database) = TestDatabase::create() else { return };
    assert_eq!(inspect(&database.other()).unwrap(), None, "nothing is there yet");
    database.writer().commit(&first_epoch()).unwrap();
    database.client().batch_execute("DELETE FROM owner").unwrap();
    for table in ["epochs", "progress"] {
        database
            .client()
            .batch_execute(&format!(
                "CREATE TABLE kept AS SELECT * FROM {table}; DELETE FROM {table}"
            ))
            .unwrap();
        refused(Writer::open(database.other()));
        database
            .client()
            .batch_execute(&format!("INSERT INTO {table} SELECT * FROM kept; DROP TABLE kept"))
            .unwrap();
    }
    database.client().batch_execute("DELETE FROM epochs; DELETE FROM progress").unwrap();
    assert_eq!(
        Writer::open(database.other()).unwrap().progress().incarnation,
        1,
        "nobody's any more"
    );
    assert_eq!(inspect(&database.other()).unwrap().map(|(progress, _)| progress.epoch), Some(0));
}

#[test]
fn of_two_names_that_start_at_once_one_gets_the_schema() {
    let Some(database) = TestDatabase::create() else { return };
    let settings = [database.settings(), database.other()];
    let opened = settings
        .map(|settings| std::thread::spawn(move || Writer::open(settings).map(|_| ())))
        .map(|thread| thread.join().unwrap());
    assert_eq!(opened.iter().filter(|opened| opened.is_ok()).count(), 1, "{opened:?}");
    assert_eq!(database.text("SELECT count(*) FROM progress"), "1");
}

#[test]
fn who_has_lost_the_job_records_nothing_more_of_its_start() {
    let Some(database) = TestDatabase::create() else { return };
    let mut former = database.writer();
    let mut kept = first_epoch();
    kept.kept = vec![Kept {
        topic: Topic::Customers.id(),
        partition: 0,
        from: 0,
        until: 1,
        records: b"{}".to_vec(),
    }];
    former.commit(&kept).unwrap();
    drop(database.writer());
    let before = database.dump();
    let is_fenced = |done: Result<(), PostgresError>| {
        assert!(matches!(done, Err(PostgresError::Fenced { own: 1, current: 2, .. })), "{done:?}")
    };
    is_fenced(former.set_starts(&[(Topic::Rewards.id(), 0, 3)]));
    is_fenced(
        former.set_topic_ids(&TopicUuids::UNKNOWN.with(Topic::Rewards.id(), TopicUuid::of(1, 1))),
    );
    is_fenced(former.lose(&[Loss {
        epoch: 2,
        topic: Topic::Rewards.id(),
        partition: 0,
        first: 0,
        next: 3,
    }]));
    is_fenced(former.forget(&[], &TopicUuids::UNKNOWN));
    is_fenced(former.apply(&serde_json::json!(1)).map(|_| ()));
    former.forget_kept(1).unwrap();
    assert_eq!(database.dump(), before);
}

#[test]
fn what_refuses_under_the_lock_has_changed_nothing() {
    let Some(database) = TestDatabase::create() else { return };
    let mut former = database.writer();
    former.commit(&first_epoch()).unwrap();
    let (before, mut seen) = (database.dump(), None);
    let other = database.worded(|wording| wording.arms = vec!["other".to_string()]);
    let refused =
        Writer::open_settling(other, TopicUuids::UNKNOWN, Trouble::default(), |records| {
            seen = Some((
                records.progress(),
                records.recorded_epochs(0).map(|epochs| epochs.len()).ok(),
            ));
            Err::<(), _>(PostgresError::NoProgress("asked for".to_string()))
        });
    assert!(matches!(refused, Err(PostgresError::NoProgress(job)) if job == "asked for"));
    assert_eq!((seen, database.dump()), (Some((former.progress(), Some(1))), before));
    former.commit(&second_epoch()).expect("the job is still its");
}

#[test]
fn a_topic_that_was_made_anew_is_refused_before_anything_is_written() {
    let Some(database) = TestDatabase::create() else { return };
    let ids = |id| TopicUuids::UNKNOWN.with(Topic::Rewards.id(), TopicUuid::of(1, id));
    let open = |now| {
        Writer::open_settling(database.settings(), now, Trouble::default(), |_| {
            Ok::<_, PostgresError>(())
        })
        .map(|(writer, ())| writer)
    };
    let mut writer = open(ids(1)).unwrap();
    assert_eq!(writer.topic_ids(), TopicUuids::UNKNOWN);
    writer.set_topic_ids(&ids(1)).unwrap();
    writer.commit(&EpochResults { topic_ids: ids(1), ..first_epoch() }).unwrap();
    assert_eq!(
        database.text("SELECT topic_ids FROM epochs"),
        database.text("SELECT topic_ids FROM progress")
    );
    let before = database.dump();
    let refused = open(ids(2)).err().expect("another topic").to_string();
    assert!(
        refused.contains("topic `rewards` was deleted and made anew")
            && refused.contains("--rebuild"),
        "{refused}"
    );
    assert_eq!(database.dump(), before);
    assert_eq!(
        inspect(&database.settings()).unwrap().map(|(progress, ids)| (progress.epoch, ids)),
        Some((1, ids(1)))
    );
    assert_eq!(
        open(TopicUuids::UNKNOWN).unwrap().topic_ids(),
        ids(1),
        "nothing can be said of them now"
    );

    let mut writer = open(TopicUuids::UNKNOWN).unwrap();
    writer.forget(&[(Topic::Rewards.id(), 0, 3)], &ids(2)).unwrap();
    let mut writer = open(ids(2)).expect("the new topic is the one that is read");
    assert_eq!(
        (writer.progress().epoch, writer.starts().unwrap()),
        (0, Some(vec![(Topic::Rewards.id(), 0, 3)]))
    );
}
