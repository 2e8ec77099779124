//! A job of the smallest dataflow, from Kafka to PostgreSQL, killed and gone on with by other
//! numbers of workers, against what its records say when they are read one after the other.

use crate::services::client::Client;
use crate::services::console::Console;
use crate::services::topics::{self, PARTITIONS};
use crate::services::verifying::{verified, verify};
use crate::services::{Stage, eventually, text};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// 2024-01-01.
const START: i64 = 1_704_067_200_000;

/// A day in milliseconds.
const DAY: i64 = 86_400_000;

/// Customers that come.
const CUSTOMERS: u64 = 300;

/// A row of the table: customer, arrivals, first and last in milliseconds.
pub(crate) type Row = (i64, i64, i64, i64);

/// What was sent, as it is told one record after the other.
#[derive(Default)]
pub(crate) struct Told {
    random: u64,
    arrivals: BTreeMap<(i64, u64), i64>,
    erased: BTreeMap<i64, i64>,
    pub(crate) broken: i64,
    pub(crate) sent: i64,
}

impl Told {
    fn below(&mut self, end: u64) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.random >> 33) % end
    }

    /// The next record: its customer, and what it says.
    pub(crate) fn next(&mut self) -> (i64, Value) {
        self.sent += 1;
        let customer = 1 + self.below(CUSTOMERS) as i64;
        let (id, at) = (self.below(40), START + self.below(40 * DAY as u64) as i64);
        let arrival =
            json!({ "customer_id": customer, "arrival_id": format!("a-{id}"), "timestamp": at });
        match self.below(100) {
            0..80 => {
                self.arrivals.insert((customer, id), at);
                (customer, arrival)
            }
            80..95 => {
                self.arrivals.remove(&(customer, id));
                let mut retracted = arrival;
                retracted["op"] = json!("retract");
                (customer, retracted)
            }
            95..97 => {
                let until = at.min(START + 10 * DAY);
                let erased = self.erased.entry(customer).or_insert(until);
                *erased = until.max(*erased);
                (customer, json!({ "customer_id": customer, "timestamp": until, "op": "erase" }))
            }
            _ => {
                self.broken += 1;
                (customer, json!({ "customer_id": customer, "timestamp": at }))
            }
        }
    }

    /// The rows that it comes to.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let mut rows: BTreeMap<i64, Row> = BTreeMap::new();
        for (&(customer, _), &at) in &self.arrivals {
            if self.erased.get(&customer).is_some_and(|until| at <= *until) {
                continue;
            }
            let row = rows.entry(customer).or_insert((customer, 0, at, at));
            *row = (customer, row.1 + 1, row.2.min(at), row.3.max(at));
        }
        rows.into_values().collect()
    }
}

/// Sends so many records, those of a customer to one partition.
pub(crate) fn send(stage: &Stage, told: &mut Told, records: usize) {
    let client = Client::new(&stage.brokers, None);
    let topic = stage.topic("arrivals");
    for _ in 0..records {
        let (customer, record) = told.next();
        let place = (topic.as_str(), customer as i32 % PARTITIONS);
        let (key, sent) = (customer.to_string(), START + 41 * DAY);
        client.send(place, Some(key.as_bytes()), Some(record.to_string().as_bytes()), sent, ());
    }
    client.flush();
}

/// Waits until everything is committed that was sent.
pub(crate) fn settled(stage: &Stage, told: &Told) {
    eventually("everything is committed", || stage.committed().values().sum::<i64>() == told.sent);
}

pub(crate) fn assert_told(stage: &Stage, told: &Told) {
    let rows = stage.database().query(
        "SELECT customer_id, arrivals, (extract(epoch FROM first) * 1000)::bigint, \
         (extract(epoch FROM last) * 1000)::bigint FROM sluice.arrivals ORDER BY 1",
        &[],
    );
    let rows: Vec<Row> = rows
        .expect("the table")
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect();
    assert_eq!(rows, told.rows());
    stage.wait_for("SELECT count(*) FROM sluice.dead_letters", told.broken);
}

/// Writes a configuration of the smallest dataflow, made of the stage's for the campaign; it has
/// no topic for predictions.
fn configure(stage: &Stage, toml: String) {
    let topics = format!("[kafka.topics]\narrivals = \"{}\"\n", stage.topic("arrivals"));
    let predictions = format!("predictions = \"{}\"\n", stage.topic("predictions"));
    assert!(toml.contains(&predictions));
    let toml = toml.replace("[kafka.topics]\n", &topics).replace(&predictions, "");
    std::fs::write(stage.config(), format!("dataflow = \"arrivals\"\n{toml}"))
        .expect("the configuration can be written");
}

/// Runs a job that takes in arrivals, erasures and what is broken, and is started anew once.
fn nothing_is_told(stage: &Stage) {
    let own = [stage.topic("predictions"), "campaign-predictions".to_string()];
    let there = || topics::names(&stage.brokers).into_iter().filter(|name| own.contains(name));
    let before = there().count();
    stage.create_topics();
    stage.sluice(&["check", text(&stage.config())]);
    let mut told = Told::default();
    for _ in 0..2 {
        send(stage, &mut told, 500);
        let job = stage.start_reading(&["--workers", "2"]);
        let metrics = || Console::of(stage).get("/metrics").1;
        let letters = || topics::read_all(&stage.brokers, &stage.topic("dead_letters"));
        let distinct = || letters().into_iter().collect::<BTreeSet<_>>().len();
        eventually("what is broken is published", || distinct() as i64 == told.broken);
        eventually("nothing is owed", || {
            metrics().lines().any(|shown| shown == "sluice_unpublished_epochs 0")
        });
        assert!(!metrics().contains("predictions"), "{}", metrics());
        job.drain();
    }
    assert!(!told.erased.is_empty() && told.broken > 0);
    assert_eq!(there().count(), before, "no topic is made that nobody needs");
}

#[test]
fn no_topic_of_predictions_is_needed_with_a_database() {
    let Some(stage) = Stage::set("arrivals_told") else { return };
    configure(&stage, stage.saving_toml(""));
    nothing_is_told(&stage);
    stage.wait_for("SELECT (published = epoch)::int FROM sluice.progress", 1);
    verified(&stage.config(), &[]);
}

#[test]
fn no_topic_of_predictions_is_needed_without_a_database() {
    let Some(stage) = Stage::set("arrivals_journal") else { return };
    let url = format!("url = \"{}\"\n", stage.url());
    configure(&stage, stage.saving_toml("").replace(&url, ""));
    nothing_is_told(&stage);
}

/// A stage for jobs of arrivals, with their topic.
pub(crate) fn set(name: &str) -> Option<Stage> {
    let stage = Stage::set(name)?;
    configure(&stage, stage.saving_toml(""));
    stage.create_topics();
    Some(stage)
}

#[test]
fn arrivals_are_counted_once_whatever_is_killed_and_however_many_workers_go_on() {
    let Some(stage) = set("arrivals") else { return };
    let mut told = Told::default();
    send(&stage, &mut told, 4_000);
    let job = stage.start_reading(&["--workers", "2"]);
    settled(&stage, &told);
    send(&stage, &mut told, 4_000);
    stage.wait_for("SELECT (max(epoch) > 1)::int FROM sluice.epochs", 1);
    job.kill();
    send(&stage, &mut told, 2_000);
    let job = stage.start_reading(&["--workers", "3"]);
    settled(&stage, &told);
    job.kill();
    let job = stage.start_reading(&["--workers", "1"]);
    send(&stage, &mut told, 1_000);
    settled(&stage, &told);
    job.drain();
    assert_told(&stage, &told);
    verified(&stage.config(), &["--workers", "2"]);
    stage.sluice(&["checkpoint", "verify", text(&stage.config())]);

    // Somebody has changed a row: verification says which.
    let mut database = stage.database();
    let changed = database.execute(
        "UPDATE sluice.arrivals SET arrivals = arrivals + 1 WHERE customer_id = (SELECT \
         min(customer_id) FROM sluice.arrivals)",
        &[],
    );
    assert_eq!(changed.expect("the row"), 1);
    let (code, said) = verify(&stage.config(), &[]);
    assert_eq!((code, &said["ok"]), (Some(1), &json!(false)), "{said:#}");
}

/// The places of which the program reports what an erasure has done, each with its state.
fn report(stage: &Stage, customer: i64) -> Vec<(String, String)> {
    let (config, customer) = (stage.config(), customer.to_string());
    let asked = ["erasures", text(&config), "--customer", &customer, "--json"];
    let output = stage.sluice(&asked);
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let erasure = told.as_array().and_then(|all| all.last()).expect("an erasure");
    let text = |value: &Value| value.as_str().expect("a text").to_string();
    let places = erasure["places"].as_array().expect("places").iter();
    places.map(|place| (text(&place["place"]), text(&place["state"]))).collect()
}

#[test]
fn a_customer_is_erased_by_the_console_and_reported_by_the_tables_of_arrivals() {
    let Some(stage) = set("erased_arrivals") else { return };
    let mut told = Told::default();
    send(&stage, &mut told, 2_000);
    let job = stage.start_reading(&["--workers", "2"]);
    settled(&stage, &told);
    let erased = told.rows()[0].0;
    let (refused, code, _) = Console::of(&stage).erase(&stage, erased);
    assert_eq!((refused, code), (401, 202));
    let row =
        |table: &str| format!("SELECT count(*) FROM sluice.{table} WHERE customer_id = {erased}");
    let newest =
        format!("{} AND epoch = (SELECT max(epoch) FROM sluice.erasures)", row("erasures"));
    stage.wait_for(&newest, 1);
    stage.wait_for(&row("arrivals"), 0);
    job.drain();
    let places = report(&stage, erased);
    let names: Vec<&str> = places.iter().map(|(name, _)| name.as_str()).collect();
    let tables = ["table `arrivals`", "tables `erasures`, `erased_customers`"];
    assert_eq!(names[..2], tables, "{places:?}");
    assert!(!names.iter().any(|name| name.contains("predictions") || name.contains("models")));
    assert_eq!(places[0].1, "done");
    verified(&stage.config(), &[]);
}
