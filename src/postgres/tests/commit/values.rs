//! What the rows of an epoch say, read back: exactly, in sum, and as later epochs change them.

use super::*;

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
        .query(
            "SELECT n, a, b, theta, reward::text, reward_squares::text FROM model_versions WHERE \
             version = 1 ORDER BY arm",
            &[],
        )
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
        let known = update.totals.rewards.is_some();
        assert_eq!(
            [4, 5].map(|column| row.get::<_, Option<&str>>(column)),
            [
                known.then_some("-2.5"),
                known.then_some("39614081257132168796771975167.99999999976716935634613037109375")
            ]
        );
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
