//! A job whose topic of customers is compacted while it runs, and the rounds of records that it is
//! sent.

use super::*;

/// A job and its topics.
pub(super) struct Scene {
    pub(super) stage: Stage,
    pub(super) sender: Sender,
    /// Without a database its progress is in a journal.
    pub(super) journal: bool,
    /// Whether customers are erased: each time the job takes a checkpoint at once.
    pub(super) erases: bool,
}

impl Scene {
    /// A stage whose topic of customers is compacted, or one for whoever shows what the others must
    /// come to.
    pub(super) fn set(
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

    pub(super) fn send(&mut self, file: &str, customer: i64, value: Option<Value>, at: i64) {
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
    pub(super) fn events(&mut self, round: i64) {
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
    pub(super) fn profiles(&mut self, round: i64, part: i64) {
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
    pub(super) fn ends(&self) -> Vec<i64> {
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
    pub(super) fn last_epoch(&self) -> Option<(String, Value)> {
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
        let records = self.stage.journal().into_iter();
        let last = records.filter_map(|record| record.get("epoch").cloned()).next_back()?;
        Some((last["digest"].as_str()?.to_string(), last["offsets"].clone()))
    }

    /// Waits until the job has committed all that the topics have, and has learned from it; looks
    /// whether it still runs.
    pub(super) fn settle(&self, jobs: &mut [Job]) {
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
    pub(super) fn tables(&self) -> Vec<String> {
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
pub(super) fn verified(stage: &Stage) -> (bool, Value) {
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
pub(super) fn assert_verified(scene: &Scene) {
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
pub(super) fn undisturbed(name: &str, rounds: i64, erases: bool) -> Option<(String, Vec<String>)> {
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
pub(super) fn goes_on(
    scene: &mut Scene,
    layouts: &[Layout],
    digest: &str,
    mut between: impl FnMut(&Scene),
) {
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
