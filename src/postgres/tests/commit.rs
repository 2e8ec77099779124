//! What is committed reads back exactly, once, and only by the one who may write.

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
fn interactions_read_back_exactly() {
    let Some(database) = TestDatabase::create() else { return };
    database.writer().commit(&first_epoch()).unwrap();
    let rows = database
        .client()
        .query(
            "SELECT customer_id, interaction_key, interaction_id, extract(epoch FROM ts)::float8 * \
             1000, arm, reward, propensity, learned, decision_key,
             model_version, context, epoch FROM interactions ORDER BY 1, 2",
            &[],
        )
        .unwrap();
    let keys: Vec<(i64, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(keys, [(1, 11), (2, -2), (3, 13)]);
    let ids: Vec<&str> = rows.iter().map(|row| row.get(2)).collect();
    assert_eq!(ids, ["i-11", "i-18446744073709551614", "i-13"]);
    assert_eq!(rows[0].get::<_, f64>(3), (MARCH + 11) as f64);
    assert_eq!(
        (rows[0].get::<_, i16>(4), rows[0].get::<_, Option<f64>>(5), rows[0].get::<_, f64>(6)),
        (1, Some(1.5), 0.1)
    );
    let learned: Vec<bool> = rows.iter().map(|row| row.get(7)).collect();
    assert_eq!(learned, [true, false, true]);
    assert_eq!(
        (rows[1].get::<_, Option<i64>>(8), rows[1].get::<_, Option<i64>>(9)),
        (Some(-1), Some(7))
    );
    let contexts: Vec<Option<Vec<i16>>> = rows.iter().map(|row| row.get(10)).collect();
    assert_eq!(contexts, [Some(vec![4_096, 1]), None, Some(vec![4_096, 3])]);
    assert!(rows.iter().all(|row| row.get::<_, i64>(11) == 1));
}

#[test]
fn features_decisions_and_models_read_back_bit_for_bit() {
    let Some(database) = TestDatabase::create() else { return };
    let epoch = first_epoch();
    database.writer().commit(&epoch).unwrap();
    let mut client = database.client();
    let bits = |row: &postgres::Row, columns: std::ops::Range<usize>| {
        columns.map(|column| row.get::<_, f64>(column).to_bits()).collect::<Vec<_>>()
    };
    let rows = client
        .query(
            "SELECT customer_id, recency, frequency, monetary FROM customer_features ORDER BY 1",
            &[],
        )
        .unwrap();
    assert_eq!(bits(&rows[0], 1..4), [1.0, f64::MAX, 1.0 / 3.0].map(f64::to_bits));
    assert_eq!(bits(&rows[1], 1..4), [0.1 + 0.2, -0.0, 5e-324].map(f64::to_bits));
    let rows = client
        .query(
            "SELECT expected_reward, uncertainty, scores[1], scores[2], decision_id, \
             campaign_name, context FROM decisions ORDER BY decision_id",
            &[],
        )
        .unwrap();
    assert_eq!(bits(&rows[0], 0..4), [0.1 + 0.2, f64::MIN_POSITIVE, -0.0, 0.1].map(f64::to_bits));
    assert_eq!(
        (rows[0].get::<_, &str>(4), rows[0].get::<_, Option<&str>>(5)),
        ("d-21", Some("SMS"))
    );
    assert_eq!(
        (rows[1].get::<_, Option<&str>>(5), rows[1].get::<_, Vec<i16>>(6)),
        (None, vec![4_096, -1])
    );
    let rows = client
        .query("SELECT n, a, b, theta FROM model_versions WHERE version = 1 ORDER BY arm", &[])
        .unwrap();
    assert_eq!(rows.len(), 2);
    let wide = |bytes: Vec<u8>| {
        bytes
            .chunks_exact(16)
            .map(|word| i128::from_le_bytes(word.try_into().unwrap()))
            .collect::<Vec<_>>()
    };
    for (row, update) in rows.iter().zip(epoch.arms.iter().rev()) {
        assert_eq!(row.get::<_, i64>(0), update.totals.n);
        assert_eq!(
            (wide(row.get(1)), wide(row.get(2))),
            (update.totals.a.clone(), update.totals.b.clone())
        );
        assert_eq!(row.get::<_, Vec<f64>>(3), update.model.theta);
    }
}

#[test]
fn aggregates_are_exact_decimals() {
    let Some(database) = TestDatabase::create() else { return };
    database.writer().commit(&first_epoch()).unwrap();
    assert_eq!(
        database.text(
            "SELECT (day, arm, campaign_name, interactions, responses, reward) FROM arm_stats"
        ),
        "(2024-03-01,1,SMS,2,2,562949953421311.9999542236328125)"
    );
    let segments = "SELECT string_agg((is_high_value, is_at_risk, is_frequent_buyer, \
        is_recent_active, customers, monetary)::text, ' ' ORDER BY customers) FROM segments";
    assert_eq!(database.text(segments), "(f,f,f,f,1,0.05) (t,f,f,t,2,1234.56)");
    assert_eq!(
        database.text(
            "SELECT string_agg((topic, partition, position, reason, detail, raw)::text, \
            ' ' ORDER BY id) FROM dead_letters"
        ),
        "(rewards,2,5,bad_reward,a\u{FFFD}b,\"\\\\x00ff78\") (rewards,2,6,bad_reward,\"no \
         number\",\"\\\\x00ff78\")"
    );
    assert_eq!(
        database.text(
            "SELECT (events, interactions, mean_reward, events_per_second, pending, \
            dead_letters) FROM model_metrics"
        ),
        "(9,3,1.5,,1,2)"
    );
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
fn a_second_epoch_updates_and_deletes() {
    let Some(database) = TestDatabase::create() else { return };
    let mut writer = database.writer();
    writer.commit(&first_epoch()).unwrap();
    writer.commit(&second_epoch()).unwrap();
    let interactions = "SELECT string_agg((customer_id, interaction_key, interaction_id, learned, \
        context, epoch)::text, ' ' ORDER BY customer_id) FROM interactions";
    assert_eq!(
        database.text(interactions),
        "(1,12,,f,,2) (2,-2,i-18446744073709551614,t,\"{4096,2}\",2) (3,13,i-13,t,\"{4096,3}\",1)"
    );
    assert_eq!(
        database.text(
            "SELECT string_agg((customer_id, recency, frequency, monetary, epoch)::text, \
            ' ' ORDER BY customer_id) FROM customer_features"
        ),
        "(2,2,3,4,2) (9,9,9,9,2)"
    );
    assert_eq!(
        database.text(
            "SELECT string_agg((decision_id, propensity, epoch)::text, ' ' ORDER BY \
            decision_id) FROM decisions"
        ),
        "(d-21,1,2) (d-22,0.5,1)"
    );
    assert_eq!(
        database.text("SELECT string_agg(customers::text, ' ' ORDER BY customers) FROM segments"),
        "1 3"
    );
    assert_eq!(database.text("SELECT count(*) FROM arm_stats"), "0");
    assert_eq!(database.text("SELECT count(*) FROM dead_letters"), "2");
    assert_eq!(
        database.text("SELECT string_agg(pending::text, ' ' ORDER BY epoch) FROM model_metrics"),
        "1 0"
    );
    assert_eq!(database.text("SELECT count(events_per_second) FROM model_metrics"), "1");
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
fn several_changes_of_one_row_in_an_epoch_come_to_their_sum() {
    use Change::{Delete, Insert, Update};
    let Some(database) = TestDatabase::create() else { return };
    let mut writer = database.writer();
    let mut epoch = EpochResults::new(1);
    let rounds = [
        (1, vec![Insert]),
        (2, vec![Insert, Update]),
        (3, vec![Insert, Delete]),
        (4, vec![Insert, Delete, Insert]),
    ];
    let rows: Vec<_> = rounds
        .iter()
        .flat_map(|(key, changes)| {
            changes.iter().map(|change| interaction(*change, 5, *key, *change == Update))
        })
        .collect();
    epoch.names = vec![names(&rows)];
    epoch.interactions = vec![interactions(rows)];
    epoch.features = vec![features(Insert, 5, [1.0; 3]), features(Update, 5, [2.0; 3])];
    writer.commit(&epoch).unwrap();
    let shown = "SELECT string_agg((interaction_key, interaction_id, learned)::text, ' ' ORDER BY \
        interaction_key) FROM interactions";
    assert_eq!(database.text(shown), "(1,i-1,f) (2,i-2,t) (4,i-4,f)");
    let mut epoch = EpochResults::new(2);
    let rounds = [
        (1, vec![Update, Delete]),
        (2, vec![Delete, Insert]),
        (4, vec![Update, Delete, Insert, Update]),
    ];
    let rows: Vec<_> = rounds
        .iter()
        .flat_map(|(key, changes)| {
            changes.iter().map(|change| interaction(*change, 5, *key, *change == Update))
        })
        .collect();
    epoch.interactions = vec![interactions(rows)];
    epoch.features = vec![features(Delete, 5, [0.0; 3]), features(Insert, 5, [3.0; 3])];
    writer.commit(&epoch).unwrap();
    assert_eq!(database.text(shown), "(2,i-2,f) (4,i-4,t)");
    assert_eq!(database.text("SELECT (customer_id, recency) FROM customer_features"), "(5,3)");
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
