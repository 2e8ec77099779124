//! A job whose topic of customers is compacted: killed, and the records that it has to repeat
//! removed by the broker before it starts again, it goes on as if they were there.

use crate::services::compaction::{NUDGED, compact, until_gone};
use crate::services::sender::Sender;
use crate::services::topics::PARTITIONS;
use crate::services::{Job, Stage, eventually, program};
use crate::trial::layout::{Layout, log};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// 2026-03-02T10:00Z, the instant of the first events.
const BEGIN: i64 = 1_772_445_600_000;
const MINUTE: i64 = 60_000;
/// A round in which no record is bad: whose one is that cannot be read, nobody knows.
const LAST: i64 = 9;
/// Customers of each round; the last has no profile.
const CUSTOMERS: std::ops::Range<i64> = 1..8;

/// A job and its topics.
struct Scene {
    stage: Stage,
    sender: Sender,
    /// Without a database its progress is in a journal.
    journal: bool,
    /// Whether customers are erased: each time the job takes a checkpoint at once.
    erases: bool,
}

impl Scene {
    /// A stage whose topic of customers is compacted, or one for whoever shows what the others must
    /// come to.
    fn set(
        name: &str,
        compacted: bool,
        journal: bool,
        interval: &str,
        erases: bool,
    ) -> Option<Scene> {
        let stage = Stage::set(name)?;
        let toml = stage
            .toml("")
            .replace("[checkpoint]\n", &format!("[checkpoint]\ninterval = \"{interval}\"\n"));
        let database = format!("[postgres]\nurl = \"{}\"\n", stage.url());
        let toml = if journal { toml.replace(&database, "") } else { toml };
        std::fs::write(stage.config(), toml).expect("the configuration can be written");
        if compacted {
            stage.create_topics_with_compacted_customers();
        } else {
            stage.create_topics();
        }
        let sender = Sender::plain(&stage);
        Some(Scene { stage, sender, journal, erases })
    }

    fn send(&mut self, file: &str, customer: i64, value: Option<Value>, at: i64) {
        let (topic, partition) =
            (self.stage.topic(file), (customer % i64::from(PARTITIONS)) as i32);
        let value = value.map(|value| value.to_string().into_bytes());
        self.sender.send(
            &topic,
            partition,
            Some(customer.to_string().as_bytes()),
            value.as_deref(),
            at,
        );
    }

    /// A purchase and a contact of each customer.
    fn events(&mut self, round: i64) {
        for customer in CUSTOMERS {
            let at = BEGIN + round * MINUTE;
            let purchase = json!({
                "transaction_id": format!("t{round}"), "customer_id": customer,
                "timestamp": at, "amount": 10,
            });
            self.send("transactions", customer, Some(purchase), at);
            let contact = json!({
                "interaction_id": format!("i{round}"), "customer_id": customer,
                "timestamp": at + 1, "action": customer % 3, "reward": round,
            });
            self.send("interactions", customer, Some(contact), at);
        }
    }

    /// Profiles of every kind, each of which says its round and part. In the first part customers
    /// have several records, of which the cleaner removes all but the last: the job must have read
    /// them by then. In the second each has one.
    fn profiles(&mut self, round: i64, part: i64) {
        let at = BEGIN + round * MINUTE + part * 20_000;
        let rate = (round * 2 + part) as f64 / 100.0;
        let profile = |customer: i64| {
            json!({
                "customer_id": customer, "email_open_rate": rate, "signup_date": "2026-01-05",
            })
        };
        let dated = |customer: i64, at: i64| {
            json!({
                "customer_id": customer, "email_open_rate": rate, "timestamp": at,
            })
        };
        (1..4).for_each(|customer| self.send("customers", customer, Some(profile(customer)), at));
        // What is dated up to the tombstone is gone, what comes after it is a new customer's.
        if part == 0 && self.erases {
            self.send("customers", 4, None, at);
        }
        self.send("customers", 4, Some(dated(4, at + 1)), at + 1);
        self.send("customers", 5, Some(dated(5, at)), at);
        if part == 0 && round < LAST {
            self.send("customers", 6, Some(json!({"customer_id": 6, "email_open_rate": 7})), at);
        }
        self.send("customers", 6, Some(profile(6)), at);
        self.sender.flush();
    }

    /// The end of each partition of the topic of customers.
    fn ends(&self) -> Vec<i64> {
        (0..PARTITIONS)
            .map(|partition| {
                crate::services::compaction::end(
                    &self.stage.brokers,
                    &self.stage.topic("customers"),
                    partition,
                )
            })
            .collect()
    }

    /// Digest and offsets of the last committed epoch, as far as there is one.
    fn last_epoch(&self) -> Option<(String, Value)> {
        if !self.journal {
            let rows = self
                .stage
                .database()
                .query(
                    "SELECT digest, offsets::text FROM sluice.epochs ORDER BY epoch DESC LIMIT 1",
                    &[],
                )
                .ok()?;
            let row = rows.first()?;
            return Some((row.get(0), serde_json::from_str(row.get(1)).expect("JSON")));
        }
        let journal =
            std::fs::read(self.stage.path("checkpoints").join("campaign").join("journal.log"))
                .ok()?;
        // Checksum and length stand before the JSON of each line.
        let records = journal
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice::<Value>(line.get(18..)?).ok());
        let last = records.filter_map(|record| record.get("epoch").cloned()).next_back()?;
        Some((last["digest"].as_str()?.to_string(), last["offsets"].clone()))
    }

    /// Waits until the job has committed all that the topics have, and has learned from it; looks
    /// whether it still runs.
    fn settle(&self, jobs: &mut [Job]) {
        let names = ["customers", "transactions", "interactions"];
        let wanted: BTreeMap<(String, String), i64> = names
            .iter()
            .flat_map(|name| (0..PARTITIONS).map(|partition| (self.stage.topic(name), partition)))
            .map(|(topic, partition)| {
                (
                    (topic.clone(), partition.to_string()),
                    crate::services::compaction::end(&self.stage.brokers, &topic, partition),
                )
            })
            .collect();
        eventually("everything is committed", || {
            for job in jobs.iter_mut() {
                let ended = job.0.try_wait().expect("it can be waited for");
                assert!(ended.is_none(), "the job ended with {ended:?}");
            }
            self.last_epoch().is_some_and(|(_, offsets)| {
                wanted.iter().all(|((topic, partition), end)| {
                    offsets[topic][partition].as_i64().unwrap_or(0) >= *end
                })
            })
        });
    }

    /// What the tables hold, but for when it came there.
    fn tables(&self) -> Vec<String> {
        let rows = |table: &str, order: &str| {
            format!(
                "SELECT coalesce(string_agg((to_jsonb(t) - 'epoch')::text, E'\\n' ORDER BY \
                 {order}), '') FROM sluice.{table} t WHERE customer_id <> {NUDGED}"
            )
        };
        let letters = "SELECT string_agg(encode(raw, 'escape'), E'\\n' ORDER BY raw) FROM \
            sluice.dead_letters"
            .to_string();
        let queries = [
            rows("customer_features", "customer_id"),
            rows("interactions", "customer_id, interaction_key"),
            letters,
        ];
        let mut database = self.stage.database();
        queries
            .iter()
            .map(|query| {
                database
                    .query_one(query, &[])
                    .expect("the tables are there")
                    .get::<_, Option<String>>(0)
                    .unwrap_or_default()
            })
            .collect()
    }
}

/// Has the program verify a stage's job; gives whether nothing differs, and what it says.
fn verified(stage: &Stage) -> (bool, Value) {
    let output = program()
        .arg("verify")
        .arg(stage.config())
        .arg("--json")
        .output()
        .expect("the program can be started");
    let said = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.success(), said)
}

/// What compaction has removed is no difference; anything else is.
fn assert_verified(scene: &Scene) {
    let (ok, said) = verified(&scene.stage);
    assert!(
        ok && said["removed"]["records"][scene.stage.topic("customers")].as_u64() > Some(0),
        "{said}"
    );
    let mut database = scene.stage.database();
    for (change, back, table) in [
        (
            "UPDATE sluice.customer_features SET monetary = monetary + 1 WHERE customer_id = 1",
            "monetary - 1",
            "customer_features",
        ),
        (
            "UPDATE sluice.interactions SET reward = reward + 1 WHERE customer_id = 2",
            "reward - 1",
            "interactions",
        ),
        (
            "UPDATE sluice.customer_features SET email_open_rate = email_open_rate + 1 WHERE \
             customer_id = 7",
            "email_open_rate - 1",
            "customer_features",
        ),
        ("UPDATE sluice.model_versions SET n = n + 1", "n - 1", "model_versions"),
    ] {
        database.batch_execute(change).expect("rows can be changed");
        let (ok, said) = verified(&scene.stage);
        let named = said["tables"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|of| of["total"].as_u64() > Some(0))
            .map(|of| of["table"].clone());
        assert_eq!(
            (ok, named.collect::<Vec<_>>()),
            (false, vec![json!(table)]),
            "{change}: {said}"
        );
        let (start, column) = change.split_once(" = ").expect("an assignment");
        let condition = column
            .split_once(" WHERE ")
            .map_or(String::new(), |(_, condition)| format!(" WHERE {condition}"));
        database
            .batch_execute(&format!("{start} = {back}{condition}"))
            .expect("rows can be changed back");
    }
}

/// What a job comes to that is never killed, of topics that forget nothing, after so many rounds.
fn undisturbed(name: &str, rounds: i64, erases: bool) -> Option<(String, Vec<String>)> {
    let mut scene = Scene::set(name, false, false, "1h", erases)?;
    let mut jobs = Layout::of(1, 1).start(&scene.stage, "undisturbed");
    for round in 0..rounds {
        scene.events(round);
        scene.profiles(round, 0);
        scene.profiles(round, 1);
    }
    (0..PARTITIONS).for_each(|partition| {
        drop(crate::services::compaction::nudge(
            &scene.stage.brokers,
            &scene.stage.topic("customers"),
            partition,
        ))
    });
    scene.settle(&mut jobs);
    scene.stage.wait_for(
        "SELECT count(*) FROM sluice.interactions WHERE learned",
        learned(rounds, erases),
    );
    let (digest, _) = scene.last_epoch().expect("an epoch");
    let tables = scene.tables();
    jobs.into_iter().for_each(Job::drain);
    Some((digest, tables))
}

/// Interactions that are there after so many rounds: of a customer that is erased in each, only
/// that of the last is.
fn learned(rounds: i64, erases: bool) -> i64 {
    let customers = CUSTOMERS.end - CUSTOMERS.start;
    if erases { rounds * (customers - 1) + 1 } else { rounds * customers }
}

/// Kills a job after every round, has the cleaner remove what it has read of the round, and goes on
/// with the next layout; in the end the model must have this digest.
fn goes_on(scene: &mut Scene, layouts: &[Layout], digest: &str, mut between: impl FnMut(&Scene)) {
    let customers = scene.stage.topic("customers");
    let mut jobs = layouts[0].start(&scene.stage, "job");
    for (round, layout) in (0..).zip(layouts) {
        let before = scene.ends();
        scene.events(round);
        scene.profiles(round, 0);
        let after = scene.ends();
        scene.settle(&mut jobs);
        between(scene);
        jobs.into_iter().for_each(Job::kill);
        scene.profiles(round, 1);
        for (partition, (before, after)) in (0..).zip(before.into_iter().zip(after)) {
            let gone: Vec<i64> = (before..after).collect();
            until_gone(&scene.stage.brokers, &customers, partition, &gone);
        }
        jobs = layout.start(&scene.stage, &format!("round{round}-{layout}"));
        scene.settle(&mut jobs);
    }
    eventually("all is learned, and nothing but what must be", || {
        scene.last_epoch().is_some_and(|(now, _)| now == digest)
    });
    jobs.into_iter().for_each(Job::kill);
}

const LAYOUTS: [Layout; 5] =
    [Layout::of(1, 2), Layout::of(1, 3), Layout::of(2, 1), Layout::of(1, 1), Layout::of(2, 2)];

#[test]
fn what_the_cleaner_removes_before_a_restart_is_repeated_all_the_same() {
    let Some((digest, tables)) = undisturbed("kept_wanted", LAYOUTS.len() as i64, false) else {
        return;
    };
    let Some(mut scene) = Scene::set("kept", true, false, "1h", false) else { return };
    goes_on(&mut scene, &LAYOUTS, &digest, |scene| {
        assert!(scene.stage.checkpoints().is_empty(), "no checkpoint is there to help")
    });
    assert_eq!(scene.tables(), tables);
    assert_verified(&scene);
    // What is kept is not what was written: that is said, and what is advised leads on.
    scene
        .stage
        .database()
        .batch_execute("UPDATE sluice.kept_records SET records = '{'")
        .expect("a change");
    rebuilds(&scene, "the records that were kept of epochs that are repeated cannot be read back");
}

/// The job cannot go on, and says this; made anew, as it advises, it does.
fn rebuilds(scene: &Scene, said: &str) {
    assert_eq!(scene.stage.start_with_log(&[]).wait(), Some(4));
    let log = scene.stage.log();
    assert!(log.contains(said) && log.contains("with --rebuild"), "{log}");
    let mut jobs = [scene.stage.start_reading(&["--rebuild"])];
    scene.settle(&mut jobs);
    jobs.into_iter().for_each(Job::drain);
}

#[test]
fn so_it_is_beside_checkpoints_and_what_these_cover_is_not_kept() {
    let Some((digest, tables)) = undisturbed("kept_saving_wanted", LAYOUTS.len() as i64, true)
    else {
        return;
    };
    let Some(mut scene) = Scene::set("kept_saving", true, false, "1s", true) else { return };
    goes_on(&mut scene, &LAYOUTS, &digest, |scene| {
        eventually("a checkpoint is there", || !scene.stage.checkpoints().is_empty());
    });
    assert_eq!(scene.tables(), tables);
    // Each erasure has had a checkpoint at once, after which the older ones went.
    let mut jobs = LAYOUTS[0].start(&scene.stage, "last");
    let newest = scene.stage.checkpoints().into_iter().max().expect("a checkpoint");
    scene.profiles(LAST, 0);
    scene.settle(&mut jobs);
    eventually("older checkpoints are gone", || {
        scene.stage.checkpoints().into_iter().all(|epoch| epoch > newest)
    });
    jobs.into_iter().for_each(Job::drain);
    let oldest = scene.stage.checkpoints().into_iter().min().expect("a checkpoint");
    scene
        .stage
        .wait_for(&format!("SELECT count(*) FROM sluice.kept_records WHERE epoch <= {oldest}"), 0);
    assert_verified(&scene);
}

#[test]
fn so_it_is_without_a_database() {
    let layouts = &LAYOUTS[..3];
    let Some((digest, _)) = undisturbed("kept_journal_wanted", layouts.len() as i64, false) else {
        return;
    };
    let Some(mut scene) = Scene::set("kept_journal", true, true, "1h", false) else { return };
    let kept = scene.stage.path("checkpoints").join("campaign").join("kept");
    let files = || std::fs::read_dir(&kept).map_or(0, Iterator::count);
    goes_on(&mut scene, layouts, &digest, |_| assert!(files() > 0));
    assert!(
        !log(&scene.stage, "round2-2x1", 0).contains("digest"),
        "{}",
        log(&scene.stage, "round2-2x1", 0)
    );
    for file in std::fs::read_dir(&kept).expect("a folder") {
        std::fs::write(file.expect("an entry").path(), "{").expect("it can be damaged");
    }
    rebuilds(&scene, "records that are kept of an epoch, is damaged from byte 0 on");
}

#[test]
fn topics_that_forget_nothing_are_not_kept() {
    let Some(mut scene) = Scene::set("kept_nothing", false, false, "1h", true) else { return };
    let mut jobs = Layout::of(1, 1).start(&scene.stage, "job");
    scene.events(0);
    scene.profiles(0, 0);
    scene.settle(&mut jobs);
    scene.stage.wait_for("SELECT count(*) FROM sluice.kept_records", 0);
    jobs.into_iter().for_each(Job::drain);
}

#[test]
fn what_was_read_of_a_topic_before_it_is_compacted_is_covered_at_once() {
    let Some((digest, tables)) = undisturbed("kept_late_wanted", 1, false) else { return };
    let Some(mut scene) = Scene::set("kept_late", false, false, "1h", false) else { return };
    goes_on(&mut scene, &LAYOUTS[3..4], &digest, |scene| {
        compact(&scene.stage.brokers, &scene.stage.topic("customers"));
        eventually("a checkpoint is there", || !scene.stage.checkpoints().is_empty());
    });
    assert_eq!(scene.tables(), tables);
    assert_verified(&scene);
}

/// A customer of whom everything is gone, the order to erase it too.
const ERASED: i64 = 17;

/// Erases a customer, has the cleaner remove the order, and makes everything anew from the topics.
fn forgotten_orders(name: &str, journal: bool) -> Option<()> {
    let mut scene = Scene::set(name, true, journal, "1h", true)?;
    let partition = (ERASED % i64::from(PARTITIONS)) as i32;
    let job = scene.stage.start_with_log(&[]);
    let before = scene.ends()[partition as usize];
    let of_erased = |fields: Value| {
        let mut value = fields;
        value["customer_id"] = ERASED.into();
        value["timestamp"] = BEGIN.into();
        Some(value)
    };
    scene.send(
        "transactions",
        ERASED,
        of_erased(json!({"transaction_id": "t", "amount": 10})),
        BEGIN,
    );
    scene.send(
        "interactions",
        ERASED,
        of_erased(json!({"interaction_id": "i", "action": 1, "reward": 3})),
        BEGIN,
    );
    scene.send("customers", ERASED, of_erased(json!({"email_open_rate": 0.5})), BEGIN);
    scene.send("customers", ERASED, None, BEGIN + MINUTE);
    scene.events(2);
    scene.sender.flush();
    let mut jobs = [job];
    scene.settle(&mut jobs);
    let gone: Vec<i64> = (before..before + 2).collect();
    until_gone(&scene.stage.brokers, &scene.stage.topic("customers"), partition, &gone);
    scene.settle(&mut jobs);
    let learned = |scene: &Scene| {
        let orders = CUSTOMERS.end - CUSTOMERS.start;
        if !scene.journal {
            scene.stage.wait_for("SELECT count(*) FROM sluice.interactions WHERE learned", orders);
        }
    };
    learned(&scene);
    jobs.into_iter().for_each(Job::drain);
    let (digest, _) = scene.last_epoch().expect("an epoch");
    for _ in 0..2 {
        let mut jobs = [scene.stage.start_with_log(&["--rebuild"])];
        eventually("everything is made anew", || {
            scene.stage.log().contains("Everything is made anew")
        });
        scene.settle(&mut jobs);
        learned(&scene);
        if !journal {
            for table in ["customer_features", "interactions"] {
                scene.stage.wait_for(
                    &format!("SELECT count(*) FROM sluice.{table} WHERE customer_id = {ERASED}"),
                    0,
                );
            }
            // From the first record on.
            scene.stage.wait_for(
                &format!("SELECT min(epoch) FROM sluice.erasures WHERE customer_id = {ERASED}"),
                1,
            );
        }
        eventually("the model is the same", || {
            scene.last_epoch().is_some_and(|(now, _)| now == digest)
        });
        jobs.into_iter().for_each(Job::kill);
        let mut jobs = [scene.stage.start_with_log(&[])];
        eventually("the job repeats", || scene.stage.log().contains("The job begins to read."));
        scene.settle(&mut jobs);
        jobs.into_iter().for_each(Job::drain);
        assert_eq!(scene.last_epoch().expect("an epoch").0, digest);
        if !journal {
            let (ok, said) = verified(&scene.stage);
            assert!(ok, "{said}");
        }
    }
    Some(())
}

#[test]
fn erased_customers_stay_erased_though_the_topics_forget_it() {
    forgotten_orders("erased", false);
}

#[test]
fn so_they_do_without_a_database() {
    forgotten_orders("erased_journal", true);
}
