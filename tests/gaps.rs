//! Offsets without a record: marks of transactions and aborted records, where epochs, restarts,
//! stretches of a replay and `sluice verify` have their bounds; and what an open transaction holds
//! back. A job is killed at each of them.

use crate::services::client::Client;
use crate::services::console::Console;
use crate::services::{Job, Stage, eventually, field, text};
use serde_json::{Value, json};

/// 2024-03-01T00:00:00Z.
const MARCH: i64 = 1_709_251_200_000;
const DAY: i64 = 86_400_000;

/// What every purchase costs, but for those that are aborted.
const AMOUNT: i64 = 5;

/// A job of one partition a topic, which takes no checkpoint: each start repeats everything.
struct Scene {
    stage: Stage,
    plain: Client<()>,
    transactional: Client<()>,
    database: bool,
    profiles: i64,
    /// Offsets of the purchases that are not aborted.
    purchases: Vec<i64>,
    /// Purchases behind the open transaction.
    held: i64,
}

impl Scene {
    fn set(name: &str, database: bool) -> Option<Scene> {
        let stage = Stage::set(name)?;
        let toml = stage.toml("").replace("[checkpoint]\n", "[checkpoint]\ninterval = \"1h\"\n");
        let own = format!("[postgres]\nurl = \"{}\"\n", stage.url());
        assert!(toml.contains(&own));
        let toml = if database { toml } else { toml.replace(&own, "") };
        std::fs::write(stage.config(), toml).expect("the configuration can be written");
        stage.sluice(&["topics", "create", text(&stage.config()), "--partitions", "1"]);
        let plain = Client::new(&stage.brokers, None);
        let transactional = Client::new(&stage.brokers, Some(&stage.topic("gaps")));
        Some(Scene {
            stage,
            plain,
            transactional,
            database,
            profiles: 0,
            purchases: Vec::new(),
            held: 0,
        })
    }

    fn start(&self) -> Job {
        let job = self.stage.start_with_log(&["--workers", "2"]);
        eventually("the job reads", || self.stage.log().contains("The job begins to read."));
        job
    }

    /// The purchase after so many others, at a price.
    fn buy(&self, client: &Client<()>, before: usize, amount: i64) {
        let at = MARCH + before as i64 * DAY;
        let value = json!({
            "transaction_id": format!("t{before}"), "customer_id": 1,
            "timestamp": at, "amount": amount,
        })
        .to_string();
        client.send(
            (&self.stage.topic("transactions"), 0),
            Some(b"1"),
            Some(value.as_bytes()),
            at,
            (),
        );
    }

    /// Purchases that can be read at once.
    fn send(&mut self, purchases: usize) {
        let before = self.purchases.len();
        (before..before + purchases).for_each(|before| self.buy(&self.plain, before, AMOUNT));
        self.plain.flush();
        self.purchases.extend(self.plain.landed().into_iter().map(|(_, offset, ())| offset));
    }

    /// Purchases in a transaction that is committed.
    fn commit(&mut self, purchases: usize) {
        let before = self.purchases.len();
        self.transactional.begin();
        (before..before + purchases)
            .for_each(|before| self.buy(&self.transactional, before, AMOUNT));
        self.transactional.end(true);
        let landed = self.transactional.landed();
        self.purchases.extend(landed.into_iter().map(|(_, offset, ())| offset));
        self.await_mark(self.purchases.last().copied());
    }

    /// Begins a transaction that makes so many purchases dearer, from the first one on.
    fn begin_dearer(&self, purchases: usize) {
        self.transactional.begin();
        (0..purchases).for_each(|before| self.buy(&self.transactional, before, 1_000));
        self.transactional.flush();
    }

    fn abort(&self) {
        self.transactional.end(false);
        let aborted = self.transactional.landed().last().map(|(_, offset, ())| *offset);
        self.await_mark(aborted.max(self.purchases.last().copied()));
    }

    /// Waits until the mark of a transaction is there, behind the last of all records.
    fn await_mark(&self, last: Option<i64>) {
        eventually("the mark is there", || Some(self.end() - 1) > last);
    }

    /// The offset behind the last of the purchases that can be read.
    fn end(&self) -> i64 {
        self.plain.bounds(&self.stage.topic("transactions"), 0).1
    }

    /// What the console says of a topic's partition.
    fn partition(&self, topic: &str) -> Value {
        let status: Value =
            serde_json::from_str(&Console::of(&self.stage).get("/status").1).expect("JSON");
        let all = status["partitions"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|partition| partition["topic"] == topic).unwrap_or_default()
    }

    /// Has epochs committed, of a profile each, until one of them ends behind all of the purchases'
    /// offsets that can be read.
    fn pass(&mut self) {
        eventually("an epoch has passed the gap", || {
            let value =
                json!({ "customer_id": 1, "timestamp": MARCH, "complaint_count": self.profiles })
                    .to_string();
            self.plain.send(
                (&self.stage.topic("customers"), 0),
                Some(b"1"),
                Some(value.as_bytes()),
                MARCH,
                (),
            );
            self.plain.flush();
            self.plain.landed();
            self.profiles += 1;
            eventually("the profile is committed", || {
                self.partition("customers")["next_offset"] == self.profiles
            });
            self.partition("transactions")["next_offset"] == self.end()
        });
    }

    /// Waits until the job has all purchases that can be read, each once, and no other.
    fn settle(&self) {
        let readable = self.purchases.len() as i64 - self.held;
        let status = || {
            serde_json::from_str::<Value>(&Console::of(&self.stage).get("/status").1).expect("JSON")
        };
        eventually("everything is committed", || status()["counts"]["transactions"] == readable);
        if self.database {
            self.stage.wait_for("SELECT frequency FROM sluice.customer_features", readable);
            self.stage.wait_for("SELECT monetary FROM sluice.customer_features", readable * AMOUNT);
            self.stage.sluice(&["verify", text(&self.stage.config())]);
        }
    }

    /// The console tells what an open transaction holds back.
    fn await_held(&self, held: i64) {
        let metric =
            format!("\nsluice_kafka_held_back{{topic=\"transactions\",partition=\"0\"}} {held}\n");
        eventually("it is told what is held back", || {
            let partition = self.partition("transactions");
            let apart = partition["high_watermark"]
                .as_i64()
                .zip(partition["last_stable_offset"].as_i64())
                .map(|(high, stable)| high - stable);
            let told = partition["held_back"] == held
                && Console::of(&self.stage).get("/metrics").1.contains(&metric);
            told && apart == Some(held)
        });
    }

    /// A replay of the stretch from each of these offsets to the next has the purchases that lie
    /// there.
    fn replay_between(&self, bounds: &[i64]) {
        for (from, until) in bounds.iter().zip(&bounds[1..]) {
            let wanted =
                self.purchases.iter().filter(|offset| (*from..*until).contains(offset)).count();
            let at = |offset: &i64| {
                json!({ self.stage.topic("transactions"): { "0": offset } }).to_string()
            };
            self.replay(&["--from", &at(from), "--until", &at(until)]);
            assert_eq!(
                field(&self.stage.path("replayed/summary.json"), "transactions"),
                wanted,
                "{from} to {until}"
            );
        }
    }

    /// A replay in the recorded epochs has what the job has.
    fn replay_epochs(&self) {
        let rows = self
            .stage
            .database()
            .query("SELECT row_to_json(e)::text FROM sluice.epochs e ORDER BY epoch", &[])
            .expect("epochs");
        let epochs: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let last: Value = serde_json::from_str(epochs.last().expect("an epoch")).expect("JSON");
        let file = self.stage.path("epochs.jsonl");
        std::fs::write(&file, epochs.join("\n")).expect("a file");
        self.replay(&["--from", "earliest", "--epochs", text(&file)]);
        let summary = self.stage.path("replayed/summary.json");
        assert_eq!(
            (field(&summary, "digest"), field(&summary, "transactions")),
            (last["digest"].clone(), json!(self.purchases.len()))
        );
    }

    fn replay(&self, more: &[&str]) {
        let (config, output) = (self.stage.config(), self.stage.path("replayed"));
        self.stage.sluice(
            &[&["replay", "--config", text(&config), "--output", text(&output)], more].concat(),
        );
    }
}

fn course(name: &str, database: bool) {
    let Some(mut scene) = Scene::set(name, database) else { return };
    let mut bounds = vec![0];
    let job = scene.start();
    scene.commit(1);
    scene.settle();
    bounds.extend([scene.end() - 1, scene.end()]);
    scene.pass();
    job.kill();

    // A mark was the last that was passed; then whole stretches have nothing but aborted records.
    scene.send(3);
    let job = scene.start();
    scene.settle();
    for _ in 0..2 {
        bounds.push(scene.end() + 1);
        scene.begin_dearer(2);
        scene.abort();
        scene.pass();
    }
    job.kill();

    let job = scene.start();
    scene.settle();
    bounds.push(scene.end());
    scene.commit(2);
    scene.settle();
    scene.pass();

    // Killed and started again with a transaction open, it has nothing of what lies behind it.
    scene.begin_dearer(1);
    scene.held = 4;
    scene.send(4);
    scene.await_held(5);
    scene.settle();
    job.kill();
    let job = scene.start();
    scene.await_held(5);
    scene.settle();
    scene.held = 0;
    scene.abort();
    scene.settle();
    scene.await_held(0);
    scene.pass();
    job.drain();

    bounds.push(scene.end());
    scene.replay_between(&bounds);
    if database {
        scene.replay_epochs();
    }
    let job = scene.start();
    scene.settle();
    job.drain();
}

#[test]
fn bounds_that_lie_in_gaps_lose_nothing_and_repeat_nothing() {
    course("gaps", true);
}

#[test]
fn nor_do_they_without_a_database() {
    course("gaps_journal", false);
}
