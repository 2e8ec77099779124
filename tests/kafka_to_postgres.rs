//! 300,000 events through a real broker into a real database: every table equals what a replay of
//! the same events wrote to files, and the rows of customers equal, column by column, what the
//! naive oracle computes for each as of its own instant.

use crate::oracle::settle::{Settled, settle};
use crate::oracle::{Config, DAY, features, read, thresholds};
use crate::services::sender::Sender;
use crate::services::topics::PARTITIONS;
use crate::services::{Course, Stage, field};
use postgres::Client;
use serde_json::Value;
use std::collections::BTreeMap;

const WORLD: [&str; 8] =
    ["--customers", "5000", "--transactions", "150000", "--interactions", "150000", "--seed", "31"];
/// Events of each kind.
const EACH: i64 = 150_000;

#[test]
fn three_hundred_thousand_events_give_the_tables_that_they_should() {
    prove("proof", Course::Undisturbed);
}

#[test]
fn three_hundred_thousand_events_give_the_same_tables_to_a_job_that_is_killed() {
    prove("proof_killed", Course::Killed);
}

fn prove(name: &str, course: Course) {
    let Some(stage) = Stage::set(name) else { return };
    let (world, results) = (stage.path("world"), stage.path("results"));
    let [world, results] = [&world, &results].map(|path| path.to_str().expect("UTF-8"));
    stage.sluice(&[&["generate", "--out", world], &WORLD[..]].concat());
    stage.create_topics_with_compacted_customers();
    let mut sender = Sender::new(&stage, 10_000);
    sender.send_world(&stage, &stage.path("world"), PARTITIONS);
    sender.leave_open();
    let job = stage.start_on(course);
    stage.sluice(&["replay", "--input", world, "--output", results]);
    let settled = settled(&stage);

    stage.wait_for("SELECT count(*) FROM sluice.interactions WHERE learned", EACH);
    stage.wait_for("SELECT sum(frequency) FROM sluice.customer_features", EACH);
    job.drain();
    assert!(!stage.log().contains("panicked"), "{}", stage.log());
    let mut database = stage.database();
    same_model(&stage, &mut database);
    same_thresholds(&stage, &mut database);
    same_arm_days(&settled, &mut database);
    let rows = same_customers(&settled, &mut database);
    same_segments(&settled, &rows, &mut database);
    let one = |database: &mut Client, query: &str| {
        database.query_one(query, &[]).expect("a row").get::<_, i64>(0)
    };
    assert_eq!(one(&mut database, "SELECT count(*) FROM sluice.dead_letters"), 0);
    for (name, count) in [
        ("transactions", EACH),
        ("interactions", EACH),
        ("learned", EACH),
        ("late", 0),
        ("duplicates", 0),
    ] {
        let query = format!("SELECT sum((counts->>'{name}')::bigint)::bigint FROM sluice.epochs");
        assert_eq!(one(&mut database, &query), count, "{name} of all epochs");
        assert_eq!(
            field(&stage.path("results").join("summary.json"), name),
            count,
            "{name} of the replay"
        );
    }
}

/// The world's files, read by the oracle.
fn settled(stage: &Stage) -> Settled {
    let mut records = read::Records::default();
    for name in ["transactions.jsonl", "customers.jsonl", "interactions.jsonl"] {
        let bytes = std::fs::read(stage.path("world").join(name)).expect("a file of the world");
        read::read(name, &bytes, &Config::default(), &mut records);
    }
    settle(&records)
}

/// The digest of the last epoch; and of the interactions' rows, by arm: how many, their rewards and
/// each term of their contexts.
fn same_model(stage: &Stage, database: &mut Client) {
    let model = stage.path("results").join("model.json");
    let digest = database
        .query_one("SELECT digest FROM sluice.epochs ORDER BY epoch DESC LIMIT 1", &[])
        .expect("an epoch");
    assert_eq!(field(&model, "digest"), digest.get::<_, String>(0), "the digest of the last epoch");
    let terms = "SELECT term::int, sum(value)::bigint FROM sluice.interactions, unnest(context) \
        WITH ORDINALITY AS c (value, term) WHERE arm = $1 GROUP BY term ORDER BY term";
    for arm in field(&model, "arms").as_array().expect("arms") {
        let number = |value: &Value| value.as_f64().expect("a number");
        let index = arm["arm"].as_i64().expect("a number") as i16;
        let sums = database
            .query_one(
                "SELECT count(*), sum(reward) FROM sluice.interactions WHERE arm = $1",
                &[&index],
            )
            .expect("sums");
        let (count, reward): (i64, f64) = (sums.get(0), sums.get(1));
        assert_eq!(arm["n"], count, "interactions of arm {index}");
        // Rewards are multiples of 2^-16 and their sum is far below 2^37, so that floating-point
        // sums are exact; the first term of a context is 1.
        assert_eq!(number(&arm["b"][0]), reward, "rewards of arm {index}");
        let ridge = number(&field(&model, "ridge"));
        let wanted = arm["A"][0].as_array().expect("a row").iter().enumerate();
        let wanted: Vec<f64> =
            wanted.map(|(term, sum)| number(sum) - if term == 0 { ridge } else { 0.0 }).collect();
        let found: Vec<f64> = database
            .query(terms, &[&index])
            .expect("terms")
            .iter()
            .map(|row| row.get::<_, i64>(1) as f64 / 4096.0)
            .collect();
        assert_eq!(found, wanted, "sums of the contexts of arm {index}");
    }
}

/// Every threshold that is published is that of the replay; all are but those of days that the live
/// job has not reached.
fn same_thresholds(stage: &Stage, database: &mut Client) {
    let text =
        std::fs::read_to_string(stage.path("results").join("thresholds.csv")).expect("thresholds");
    let wanted: Vec<&str> = text.lines().skip(1).collect();
    let rows = database
        .query("SELECT day::text || ',' || high_value FROM sluice.thresholds ORDER BY day", &[])
        .expect("thresholds");
    let found: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(found.len() + 1 >= wanted.len(), "{} of {} days", found.len(), wanted.len());
    let common = found.len().min(wanted.len());
    assert_eq!(found[..common], wanted[..common]);
}

/// Interactions, responses and exact rewards of each day and arm.
fn same_arm_days(settled: &Settled, database: &mut Client) {
    let mut wanted: BTreeMap<(i64, usize), (i64, i64, i128)> = BTreeMap::new();
    for contact in settled.interactions.values() {
        let reward = contact.reward.unwrap_or(0);
        let sums = wanted.entry((contact.timestamp.div_euclid(DAY), contact.arm)).or_default();
        *sums = (sums.0 + 1, sums.1 + i64::from(reward > 0), sums.2 + reward);
    }
    let query = "SELECT (day - date '1970-01-01')::bigint, arm, interactions, responses, (reward * \
        65536)::bigint FROM sluice.arm_stats";
    let rows = database.query(query, &[]).expect("days of arms");
    let found = rows.iter().map(|row| {
        let (arm, reward) = (row.get::<_, i16>(1) as usize, i128::from(row.get::<_, i64>(4)));
        ((row.get(0), arm), (row.get(2), row.get(3), reward))
    });
    assert_eq!(found.collect::<BTreeMap<(i64, usize), (i64, i64, i128)>>(), wanted);
}

/// Every column of every customer; gives the oracle's rows.
fn same_customers(settled: &Settled, database: &mut Client) -> BTreeMap<i64, Vec<f64>> {
    let config = Config::default();
    let wanted = customers(settled, &config);
    let names = features::names(&config);
    let columns = "SELECT attname::text FROM pg_attribute WHERE attrelid = \
        'sluice.customer_features'::regclass AND attnum > 0";
    let mut unknown: Vec<String> =
        database.query(columns, &[]).expect("columns").iter().map(|row| row.get(0)).collect();
    let others = ["customer_id", "as_of", "last_purchase", "signup", "epoch"];
    unknown.retain(|column| {
        !names.contains(column)
            && !others.contains(&column.as_str())
            && !features::OPEN.contains(&column.as_str())
    });
    assert!(unknown.is_empty(), "columns that nobody computes: {unknown:?}");

    let list: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let milliseconds = |column: &str| format!("(extract(epoch FROM {column}) * 1000)::bigint");
    let [as_of, last, signup] = ["as_of", "last_purchase", "signup"].map(milliseconds);
    let query = format!(
        "SELECT customer_id, {as_of}, {last}, {signup}, {} FROM sluice.customer_features ORDER BY \
         customer_id",
        list.join(", ")
    );
    let rows = database.query(&query, &[]).expect("customers");
    assert_eq!(rows.len(), wanted.len(), "customers");
    for (row, (customer, (instant, values))) in rows.iter().zip(&wanted) {
        let last = settled.purchases_of(*customer).map(|purchase| purchase.timestamp).max();
        let signup = settled.profile_at(*customer, *instant).and_then(|profile| profile.signup);
        assert_eq!(
            (row.get(0), row.get(1), row.get(2), row.get(3)),
            (*customer, *instant, last, signup),
            "the instants of customer {customer}"
        );
        for (index, (name, value)) in names.iter().zip(values).enumerate() {
            let found: f64 = row.get(4 + index);
            assert!(
                (found - value).abs() <= 1e-9 * value.abs().max(1.0),
                "{name} of customer {customer} as of {instant} is {found}, not {value}"
            );
        }
    }
    wanted.into_iter().map(|(customer, (_, values))| (customer, values)).collect()
}

/// Each customer's features as of its own latest settled event, signup or profile.
fn customers(settled: &Settled, config: &Config) -> BTreeMap<i64, (i64, Vec<f64>)> {
    let purchases = settled
        .transactions
        .iter()
        .map(|((customer, _), purchase)| (*customer, purchase.timestamp));
    let contacts =
        settled.interactions.iter().map(|((customer, _), contact)| (*customer, contact.timestamp));
    let profiles = settled.profiles.iter().flat_map(|(customer, profile)| {
        [profile.from, profile.signup].map(|at| at.map(|at| (*customer, at)))
    });
    let mut latest: BTreeMap<i64, i64> = BTreeMap::new();
    for (customer, at) in purchases.chain(contacts).chain(profiles.flatten()) {
        let known = latest.entry(customer).or_insert(at);
        *known = at.max(*known);
    }
    let mut of_days: BTreeMap<i64, Option<i128>> = BTreeMap::new();
    let row = |(customer, at): (i64, i64)| {
        let day = at.div_euclid(DAY);
        let threshold =
            *of_days.entry(day).or_insert_with(|| thresholds::of_day(day, settled, config));
        (customer, (at, features::as_of(customer, at, threshold, settled, config)))
    };
    latest.into_iter().map(row).collect()
}

/// Customers and exact purchases of each segment.
fn same_segments(settled: &Settled, rows: &BTreeMap<i64, Vec<f64>>, database: &mut Client) {
    let names = features::names(&Config::default());
    let flags = ["is_high_value", "is_at_risk", "is_frequent_buyer", "is_recent_active"];
    let columns = flags.map(|flag| names.iter().position(|name| name == flag).expect("a feature"));
    let mut wanted: BTreeMap<[bool; 4], (i64, i64)> = BTreeMap::new();
    for (customer, values) in rows {
        let amount: i64 = settled.purchases_of(*customer).map(|purchase| purchase.amount).sum();
        let sums = wanted.entry(columns.map(|column| values[column] != 0.0)).or_default();
        *sums = (sums.0 + 1, sums.1 + amount);
    }
    let query = format!(
        "SELECT {}, customers, (monetary * 100)::bigint FROM sluice.segments",
        flags.join(", ")
    );
    let found = database
        .query(&query, &[])
        .expect("segments")
        .iter()
        .map(|row| ([0, 1, 2, 3].map(|flag| row.get(flag)), (row.get(4), row.get(5))))
        .collect();
    assert_eq!(wanted, found);
}
