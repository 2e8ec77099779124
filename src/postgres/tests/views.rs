//! Columns, names and views follow the configuration.

use super::*;
use crate::postgres::error::PostgresError;
use crate::postgres::tests::declared::with_default_features;

#[test]
fn every_default_feature_has_a_column_and_more_are_added() {
    let Some(database) = TestDatabase::create() else { return };
    let settings = database.worded(|wording| {
        wording.features = vec!["clv_score".to_string(), "sport & outdoor_pct".to_string()];
    });
    let mut epoch = EpochResults::new(1);
    let row = FeatureRow {
        change: Change::Insert,
        customer: 1,
        as_of: Millis::MIN,
        last_purchase: None,
        signup: None,
    };
    epoch.features = vec![FeatureRows { rows: vec![row], values: vec![0.5, 0.25] }];
    Writer::open(settings.clone()).unwrap().commit(&epoch).unwrap();
    assert_eq!(
        database.text(
            r#"SELECT (clv_score, "sport & outdoor_pct", recency, as_of) FROM customer_features"#
        ),
        "(0.5,0.25,,-infinity)"
    );
    assert_eq!(
        database
            .text(r#"SELECT (clv_score, "sport & outdoor_pct", as_of) FROM customer_features_now"#),
        "(0,0.25,-infinity)"
    );
    let writer = Writer::open(database.settings()).unwrap();
    assert_eq!(writer.progress().epoch, 1);
    assert_eq!(database.text("SELECT recency FROM customer_features_now"), "0");
}

#[test]
fn the_migration_knows_the_default_features_in_their_order() {
    let Some(database) = TestDatabase::create() else { return };
    let settings = with_default_features(&database);
    drop(Writer::open(settings.clone()).unwrap());
    let table = settings.wording.tables().remove(1);
    for name in [table.name.to_string(), format!("{}_now", table.name)] {
        let columns = format!(
            "SELECT string_agg(column_name, ' ' ORDER BY ordinal_position) FROM \
             information_schema.columns WHERE table_name = '{name}'"
        );
        let wanted = table.names().collect::<Vec<_>>().join(" ");
        assert_eq!(database.text(&columns), wanted, "{name}");
    }
}

#[test]
fn a_column_of_another_type_is_named() {
    let Some(database) = TestDatabase::create() else { return };
    drop(database.writer());
    database.client().batch_execute("ALTER TABLE customer_features ADD COLUMN mood text").unwrap();
    let settings = database.worded(|wording| wording.features = vec!["mood".to_string()]);
    let error = Writer::open(settings.clone()).err().unwrap();
    let PostgresError::Column { column, found, .. } = &error else { panic!("{error}") };
    assert_eq!((column.as_str(), found.as_str()), ("mood", "text"), "{error}");
    database
        .client()
        .batch_execute("ALTER TABLE customer_features RENAME COLUMN mood TO former_mood")
        .unwrap();
    drop(Writer::open(settings).expect("as the message advises"));
}

#[test]
fn rights_on_the_view_outlive_a_start() {
    let Some(database) = TestDatabase::create() else { return };
    drop(database.writer());
    database.client().batch_execute("GRANT SELECT ON customer_features_now TO pg_monitor").unwrap();
    drop(database.writer());
    assert_eq!(
        database.text(
            "SELECT has_table_privilege('pg_monitor', 'sluice.customer_features_now', 'SELECT')"
        ),
        "true"
    );
}

#[test]
fn features_move_with_the_clock() {
    let Some(database) = TestDatabase::create() else { return };
    let features = [
        "recency",
        "frequency",
        "monetary",
        "days_since_signup",
        "clv_score",
        "is_at_risk",
        "is_recent_active",
    ]
    .map(str::to_string)
    .to_vec();
    let settings = database.worded(|wording| wording.features = features);
    let mut writer = Writer::open(settings).unwrap();
    let customer = |customer, last_purchase, signup| FeatureRow {
        change: Change::Insert,
        customer,
        as_of: MARCH - DAY * 300,
        last_purchase,
        signup,
    };
    let third_of_a_day = DAY / 3;
    let rows = vec![
        customer(1, Some(MARCH - DAY * 200 - third_of_a_day), Some(MARCH - DAY * 400)),
        customer(2, Some(MARCH - DAY * 30), None),
        customer(3, None, Some(MARCH - DAY * 7)),
        customer(4, None, None),
        customer(5, Some(MARCH + 1), Some(MARCH + DAY)),
    ];
    let mut epoch = EpochResults::new(1);
    epoch.features = vec![FeatureRows {
        values: [0.0, 3.0, 600.0, 0.0, 0.0, 0.0, 0.0].repeat(rows.len()),
        rows,
    }];
    epoch.closed.watermark = Some(MARCH - DAY);
    writer.commit(&epoch).unwrap();
    // A last epoch without an end of time must not move the clock.
    let mut last = EpochResults::new(2);
    last.closed.watermark = Some(Millis::MAX);
    writer.commit(&last).unwrap();
    let rows = database
        .client()
        .query(
            "SELECT recency, days_since_signup, clv_score, is_at_risk, is_recent_active, frequency \
             FROM customer_features_now ORDER BY customer_id",
            &[],
        )
        .unwrap();
    let found: Vec<[f64; 6]> =
        rows.iter().map(|row| std::array::from_fn(|column| row.get(column))).collect();
    let recency = (DAY * 200 + third_of_a_day) as f64 / DAY as f64;
    assert_eq!(found[0], [recency, 400.0, 1_800.0 / (recency + 1.0), 1.0, 0.0, 3.0]);
    assert_eq!(found[1], [30.0, 0.0, 1_800.0 / 31.0, 0.0, 1.0, 3.0]);
    assert_eq!(found[2], [7.0, 7.0, 0.0, 0.0, 0.0, 3.0]);
    assert_eq!(found[3], [0.0, 0.0, 0.0, 0.0, 0.0, 3.0]);
    assert_eq!(found[4], [0.0, 0.0, 1_800.0, 0.0, 1.0, 3.0]);
    assert_eq!(
        database.text("SELECT DISTINCT as_of FROM customer_features_now"),
        "2024-03-01 00:00:00+00"
    );
}

#[test]
fn contexts_have_names() {
    let Some(database) = TestDatabase::create() else { return };
    database.writer().commit(&first_epoch()).unwrap();
    let shown = "SELECT string_agg(coalesce(campaign_name || ' ' || context::text, 'pending'), ' | \
        ' ORDER BY customer_id) FROM interactions_named";
    assert_eq!(
        database.text(shown),
        "SMS {\"recency\": 0.000244140625, \"intercept\": 1} | pending | SMS \
        {\"recency\": 0.000732421875, \"intercept\": 1}"
    );
}

#[test]
fn what_is_asked_by_time_is_found_by_it() {
    let Some(database) = TestDatabase::create() else { return };
    database.writer().commit(&first_epoch()).unwrap();
    let mut client = database.client();
    client.batch_execute("SET enable_seqscan = off").unwrap();
    for (query, index) in [
        (
            "SELECT arm, avg(reward) FROM interactions WHERE ts >= now() - interval '1 day' GROUP \
             BY arm",
            "interactions_by_time",
        ),
        (
            "SELECT * FROM interactions_named WHERE ts > now() - interval '5 minutes' ORDER BY ts \
             DESC LIMIT 10",
            "interactions_by_time",
        ),
        (
            "SELECT * FROM decisions WHERE ts > now() - interval '5 minutes' ORDER BY ts DESC \
             LIMIT 10",
            "decisions_by_time",
        ),
        (
            "SELECT sum(events) FROM model_metrics WHERE committed_at > now() - interval '1 hour'",
            "model_metrics_by_time",
        ),
        (
            "SELECT max(watermark) FROM epochs WHERE committed_at > now() - interval '1 hour'",
            "epochs_by_time",
        ),
        (
            "SELECT reason, count(*) FROM dead_letters WHERE received_at > now() - interval '1 \
             hour' GROUP BY reason",
            "dead_letters_by_arrival",
        ),
    ] {
        let plan: Vec<String> = client
            .query(&format!("EXPLAIN {query}"), &[])
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        assert!(plan.iter().any(|line| line.contains(index)), "{query}: {plan:#?}");
    }
}

#[test]
fn the_business_case_comes_to_its_figures() {
    let Some(database) = TestDatabase::create() else { return };
    drop(database.writer());
    assert_eq!(
        database.text(
            "SELECT (baseline_discounts_crore + baseline_messages_crore, \
        baseline_profit_crore) FROM roi"
        ),
        "(752,248)"
    );
    assert_eq!(
        database.text(
            "SELECT (optimised_discounts_crore, optimised_messages_crore, \
            optimised_profit_crore) FROM roi"
        ),
        "(312.5,78.16,2009.34)"
    );
    assert_eq!(
        database.text("SELECT (gain_a_year_crore, trunc(gain_a_year_crore)) FROM roi"),
        "(21118.5,21118)"
    );
    database.client().batch_execute("UPDATE roi_inputs SET chances = 1").unwrap();
    assert_eq!(database.text("SELECT baseline_profit_crore FROM roi"), "-652");
}
