//! What is committed reads back exactly, once, and only by the one who may write.

mod refused;
mod values;

use super::*;
use crate::postgres::error::PostgresError;
use crate::postgres::{PostgresOutbox, migrations};
use crate::sink::outbox::Outbox as _;
use crate::sink::{RecordedEpoch, Sink, SinkError, thread as sink};
use crate::source::TopicUuids;
use std::sync::{Arc, Barrier, Mutex, atomic::AtomicU64};
use std::thread;

#[test]
fn instances_that_start_at_once_make_one_schema_and_get_different_incarnations() {
    let Some(database) = TestDatabase::create() else { return };
    let barrier = Barrier::new(4);
    let open = || {
        barrier.wait();
        Writer::open(database.settings()).unwrap().progress().incarnation
    };
    let mut incarnations = thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect::<Vec<_>>()
    });
    incarnations.sort_unstable();
    assert_eq!(incarnations, [1, 2, 3, 4]);
    assert_eq!(database.writer().progress().incarnation, 5);
    migrations::check_version(&mut database.client(), &database.settings()).unwrap();
}

#[test]
fn a_change_of_settings_names_the_tables_anew_with_its_commit_and_not_before() {
    let Some(database) = TestDatabase::create() else { return };
    database.writer().commit(&first_epoch()).unwrap();
    database.client().batch_execute("UPDATE customer_features SET travel_pct = 0.5").unwrap();
    let settings = database.worded(|wording| {
        (wording.at_risk_days, wording.context) = (7.0, vec!["recency".to_string()]);
        wording.arms.push("Letter".to_string());
        wording.features.push("games_pct".to_string());
    });
    let names = "SELECT concat_ws(' ', (SELECT string_agg(campaign_name, ',' ORDER BY arm) FROM \
        arms), (SELECT string_agg(name, ',' ORDER BY position) \
                 FROM context_names), (SELECT at_risk_days FROM settings), (SELECT string_agg(day \
                 || '=' || high_value, ',' ORDER BY day) FROM thresholds))";
    let before = database.text(names);
    let mut writer = Writer::open(PostgresSettings { changes: true, ..settings }).unwrap();
    assert_eq!(database.text(names), before, "until then all is of the former settings");
    let changed = Changed {
        gone_thresholds: vec![19_783, 19_784],
        gone_features: vec!["travel_pct".to_string()],
    };
    writer
        .commit(&EpochResults {
            changed: Some(changed),
            thresholds: vec![(19_784, 7)],
            ..EpochResults::new(2)
        })
        .unwrap();
    let after = database.text(names);
    assert!(
        after != before && after.contains("Letter") && after.ends_with("7 2024-03-02=7"),
        "{before}: {after}"
    );
    assert_eq!(database.text("SELECT count(travel_pct)::text FROM customer_features"), "0");
    assert!(
        database.text("SELECT count(games_pct)::text FROM customer_features_now") == "0",
        "there is such a column"
    );
}

#[test]
fn where_events_are_folded_an_id_may_come_again_and_an_erasure_takes_their_rows() {
    let Some(database) = TestDatabase::create() else { return };
    let again = || {
        let rows = vec![
            interaction(Change::Insert, 1, 11, false),
            interaction(Change::Insert, 1, 14, true),
            interaction(Change::Update, 3, 13, false),
        ];
        let names =
            vec![Names { text: b"again".to_vec(), keys: vec![(1, 11, 5)], ..Names::default() }];
        EpochResults { interactions: vec![interactions(rows)], names, ..EpochResults::new(2) }
    };
    let rows = "SELECT string_agg(concat_ws(' ', customer_id, interaction_key, interaction_id, \
        learned, epoch), ', ' ORDER BY customer_id, interaction_key) FROM interactions";
    let mut writer = database.writer();
    writer.commit(&first_epoch()).unwrap();
    let repeated = writer.commit(&again()).expect_err("nothing is folded");
    assert!(
        matches!(repeated, PostgresError::Statement { .. }) && repeated.is_repeated_key(),
        "{repeated}"
    );

    let mut writer = Writer::open(database.worded(|wording| wording.folding = true)).unwrap();
    writer.commit(&again()).unwrap();
    assert_eq!(
        database.text(rows),
        "1 11 again f 2, 1 14 t 2, 2 -2 i-18446744073709551614 f 1, 3 13 i-13 f 2"
    );

    let erasure = Erasure {
        customer: 1,
        until: MARCH,
        transactions: 4,
        folded: 7,
        folded_before: Some(MARCH + 14),
        ..Erasure::default()
    };
    writer.commit(&EpochResults { erasures: vec![erasure], ..EpochResults::new(3) }).unwrap();
    assert_eq!(database.text(rows), "1 14 t 2, 2 -2 i-18446744073709551614 f 1, 3 13 i-13 f 2");
    assert_eq!(database.text("SELECT string_agg(customer_id::text, ' ') FROM decisions"), "2");
    assert_eq!(
        database.text("SELECT concat_ws(' ', customer_id, transactions, folded) FROM erasures"),
        "1 4 7"
    );
}

#[test]
fn an_erasure_blanks_the_dead_letters_of_the_customer_that_are_dated_up_to_it() {
    let Some(database) = TestDatabase::create() else { return };
    let mut writer = database.writer();
    let mut first = EpochResults::new(1);
    first.rejected = vec![
        rejected_of(1, Millis::MIN, 1),
        rejected_of(1, MARCH, 2),
        rejected_of(1, MARCH + 1, 3),
        rejected_of(2, MARCH, 4),
        rejected(5, "x"),
    ];
    writer.commit(&first).unwrap();
    let mut blank = rejected_of(1, MARCH, 7);
    blank.blank();
    let erasures = vec![erasure_of(1, MARCH), erasure_of(3, MARCH)];
    // The epoch's own are judged before it is committed.
    writer
        .commit(&EpochResults {
            erasures,
            rejected: vec![rejected_of(1, MARCH, 6), blank],
            ..EpochResults::new(2)
        })
        .unwrap();
    let shown = "SELECT string_agg(concat_ws(' ', position, detail = 'its customer was erased', \
        length(raw), customer_id, blanked), ', ' ORDER BY position) FROM dead_letters";
    assert_eq!(database.text(shown), "1 t 0 2, 2 t 0 2, 3 f 3 1, 4 f 3 2, 5 f 3, 6 f 3 1, 7 t 0 2");
    assert_eq!(
        database.text(
            "SELECT string_agg(concat_ws(' ', customer_id, dead_letters), ', ' \
        ORDER BY customer_id) FROM erasures"
        ),
        "1 2, 3 0"
    );
}

#[test]
fn an_epoch_committed_again_changes_nothing() {
    let Some(database) = TestDatabase::create() else { return };
    let mut writer = database.writer();
    writer.commit(&first_epoch()).unwrap();
    writer.commit(&second_epoch()).unwrap();
    let before = database.contents();
    writer.commit(&first_epoch()).unwrap();
    writer.commit(&second_epoch()).unwrap();
    assert_eq!(database.contents(), before);
    assert_eq!(writer.progress().epoch, 2);
}

#[test]
fn recorded_epochs_thresholds_and_the_published_mark_read_back() {
    let Some(database) = TestDatabase::create() else { return };
    let mut settings = database.settings();
    settings.topics = settings.topics.with(Topic::Transactions.id(), "purchases");
    let mut writer = Writer::open(settings.clone()).unwrap();
    writer.commit(&first_epoch()).unwrap();
    let mut unbounded = second_epoch();
    unbounded.closed.watermark = Some(Millis::MAX);
    writer.commit(&unbounded).unwrap();
    assert_eq!(PostgresOutbox::new(settings.clone(), 1).advance(0, 2).unwrap(), 2);
    drop(writer);

    let mut writer = Writer::open(settings).unwrap();
    let progress = writer.progress();
    assert_eq!((progress.epoch, progress.incarnation, progress.published), (2, 2, 2));
    let epochs = writer.recorded_epochs(0).unwrap();
    assert_eq!(
        epochs[0],
        RecordedEpoch {
            epoch: 1,
            watermark: Some(MARCH - DAY),
            offsets: vec![
                (Topic::Transactions.id(), 0, 17),
                (Topic::Transactions.id(), 1, 0),
                (Topic::Rewards.id(), 2, 7)
            ],
            digest: [0xab; 32],
            records: 9,
            topic_ids: Default::default(),
            chain: None,
        }
    );
    assert_eq!(epochs[1].watermark, Some(Millis::MAX));
    assert_eq!(writer.recorded_epochs(1).unwrap(), epochs[1..]);
    assert_eq!(writer.thresholds().unwrap(), [(19_783, 123_456), (19_784, 0)]);
    assert_eq!(
        database.text("SELECT offsets FROM epochs WHERE epoch = 1"),
        r#"{"rewards": {"2": 7}, "purchases": {"0": 17, "1": 0}}"#
    );

    let error = database.writer().recorded_epochs(0).unwrap_err().to_string();
    assert!(error.contains("`purchases`, which is not configured"), "{error}");
}

#[test]
fn old_model_versions_go_but_for_those_in_force_or_pinned() {
    let Some(database) = TestDatabase::create() else { return };
    let mut writer = Writer::open(PostgresSettings {
        keep_model_versions: 3,
        dead_letter_days: 1,
        ..database.settings()
    })
    .unwrap();
    for number in 1..=63 {
        let mut epoch = EpochResults::new(number);
        epoch.arms = if number == 5 {
            vec![arm_update(0, 5), arm_update(1, 5)]
        } else {
            vec![arm_update(0, number as i64)]
        };
        epoch.rejected = if number < 3 { vec![rejected(number, "old")] } else { Vec::new() };
        writer.commit(&epoch).unwrap();
    }
    let mut client = database.client();
    client.batch_execute("UPDATE model_versions SET pinned = true WHERE version = 20").unwrap();
    client
        .batch_execute(
            "UPDATE dead_letters SET received_at = now() - interval '25 hours' WHERE position = 1",
        )
        .unwrap();
    client.batch_execute("UPDATE progress SET published = 63").unwrap();
    writer.commit(&EpochResults::new(64)).unwrap();
    assert_eq!(
        database.text(
            "SELECT string_agg(version || '/' || arm, ' ' ORDER BY version) FROM model_versions"
        ),
        "5/1 20/0 61/0 62/0 63/0"
    );
    assert_eq!(database.text("SELECT string_agg(position::text, ' ') FROM dead_letters"), "2");
}

#[test]
fn the_sink_commits_in_order_tells_and_gives_the_writer_back() {
    let Some(database) = TestDatabase::create() else { return };
    let (sender, receiver) = crossbeam_channel::bounded(1);
    let committed = Arc::new(AtomicU64::new(0));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (mark, list) = (committed.clone(), seen.clone());
    let then = move |_: &mut dyn Sink, epoch: Box<EpochResults>, commit: crate::sink::Commit| {
        list.lock().unwrap().push((
            epoch.epoch,
            commit.epoch,
            commit.retries,
            mark.load(Ordering::Acquire),
        ));
    };
    let sink = sink::spawn(
        Box::new(database.writer()),
        receiver,
        committed.clone(),
        then,
        |_| {},
        crate::first::First::<SinkError>::default().teller(),
    )
    .unwrap();
    for epoch in [first_epoch(), second_epoch()] {
        sender.send(Box::new(epoch)).unwrap();
    }
    drop(sender);
    let writer = sink.join().unwrap().unwrap();
    assert_eq!(*seen.lock().unwrap(), [(1, 1, 0, 1), (2, 2, 0, 2)]);
    assert_eq!((writer.progress().epoch, committed.load(Ordering::Acquire)), (2, 2));
}

#[test]
fn settings_are_recorded_with_the_epoch_from_which_on_they_hold() {
    let Some(database) = TestDatabase::create() else { return };
    let mut writer = database.writer();
    let of = |alpha| serde_json::json!({ "alpha": alpha });
    let recorded = |writer: &mut Writer| -> Vec<(u64, f64)> {
        writer
            .applied()
            .unwrap()
            .0
            .iter()
            .map(|applied| (applied.since, applied.settings["alpha"].as_f64().unwrap()))
            .collect()
    };
    assert!(writer.apply(&of(1.0)).unwrap() && !writer.apply(&of(1.0)).unwrap());
    writer.commit(&first_epoch()).unwrap();
    assert!(writer.apply(&of(0.1 + 0.2)).unwrap() && writer.apply(&of(3.0)).unwrap());
    assert_eq!(
        recorded(&mut writer),
        [(1, 1.0), (2, 3.0)],
        "no epoch was computed with what came between"
    );
    let mut new = database.writer();
    assert!(matches!(writer.apply(&of(4.0)), Err(PostgresError::Fenced { epoch: 2, .. })));
    assert_eq!(recorded(&mut new), [(1, 1.0), (2, 3.0)]);
    assert!(new.apply(&of(1.0)).unwrap(), "as before, from which nothing is left");
    assert_eq!(recorded(&mut new), [(1, 1.0)]);
    new.forget(&[], &TopicUuids::UNKNOWN).unwrap();
    assert_eq!(recorded(&mut new), []);
}
