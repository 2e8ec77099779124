//! What is not committed: by whoever was taken over, out of order, without values, or against what
//! is published.

use super::*;

#[test]
fn whoever_was_taken_over_cannot_write() {
    let Some(database) = TestDatabase::create() else { return };
    let mut old = database.writer();
    old.commit(&first_epoch()).unwrap();
    let mut new = database.writer();
    assert_eq!((new.progress().epoch, new.progress().incarnation), (1, 2));
    let error = old.commit(&second_epoch()).unwrap_err();
    assert!(matches!(error, PostgresError::Fenced { epoch: 2, own: 1, current: 2, .. }), "{error}");
    assert_eq!(database.text("SELECT max(epoch) FROM epochs"), "1");
    new.commit(&second_epoch()).unwrap();
}

#[test]
fn epochs_follow_one_another_and_progress_must_stay() {
    let Some(database) = TestDatabase::create() else { return };
    let mut writer = database.writer();
    let error = writer.commit(&second_epoch()).unwrap_err();
    assert!(matches!(error, PostgresError::Gap { epoch: 2, recorded: 0, .. }), "{error}");
    database.client().batch_execute("DELETE FROM progress").unwrap();
    let error = writer.commit(&first_epoch()).unwrap_err();
    assert!(matches!(error, PostgresError::NoProgress(_)), "{error}");
    assert_eq!(database.text("SELECT count(*) FROM interactions"), "0");
}

#[test]
fn a_published_threshold_is_not_reopened() {
    let Some(database) = TestDatabase::create() else { return };
    let mut writer = database.writer();
    writer.commit(&first_epoch()).unwrap();
    let mut again = EpochResults::new(2);
    again.thresholds = vec![(19_783, 123_456)];
    writer.commit(&again).unwrap();
    let mut other = EpochResults::new(3);
    other.thresholds = vec![(19_783, 123_457)];
    let error = writer.commit(&other).unwrap_err();
    let PostgresError::Published { table: "thresholds", row } = &error else { panic!("{error}") };
    assert!(row.contains("19783") && row.contains("123457"), "{error}");
    assert_eq!(
        database.text(
            "SELECT string_agg((day, high_value, epoch)::text, ' ' ORDER BY day) FROM thresholds"
        ),
        "(2024-03-01,123456,1) (2024-03-02,0,1)"
    );
    assert_eq!(database.text("SELECT epoch FROM progress"), "2");
}

#[test]
fn rows_without_their_values_are_refused_whole() {
    let Some(database) = TestDatabase::create() else { return };
    let mut writer = database.writer();
    let mut epoch = first_epoch();
    epoch.interactions[1].contexts.pop();
    let error = writer.commit(&epoch).unwrap_err();
    assert!(matches!(error, PostgresError::Shape { found: 3, wanted: 4, .. }), "{error}");
    let mut epoch = first_epoch();
    epoch.features[0].values.push(0.0);
    assert!(matches!(
        writer.commit(&epoch).unwrap_err(),
        PostgresError::Shape { found: 4, wanted: 3, .. }
    ));
    assert_eq!(database.text("SELECT epoch FROM progress"), "0");
}

#[test]
fn a_fenced_sink_ends_and_its_sender_notices() {
    let Some(database) = TestDatabase::create() else { return };
    let (sender, receiver) = crossbeam_channel::bounded(1);
    let old = database.writer();
    let _new = database.writer();
    let failure = crate::first::First::<SinkError>::default();
    let sink = sink::spawn(
        Box::new(old),
        receiver,
        Arc::default(),
        |_, _, _| panic!("nothing was committed"),
        |_| {},
        failure.teller(),
    )
    .unwrap();
    sender.send(Box::new(first_epoch())).unwrap();
    assert!(sink.join().unwrap().is_none());
    let failure = failure.take().expect("it was told");
    assert!(matches!(failure.of(), Some(PostgresError::Fenced { .. })), "{failure}");
    assert!(sender.send(Box::new(second_epoch())).is_err());
}
