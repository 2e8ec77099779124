//! Retention takes records that a job has not read yet: it is told, goes on behind them once that
//! is accepted, and every restart and verification crosses the same gap in the same way.

use crate::services::console::Console;
use crate::services::sender::Sender;
use crate::services::verifying::{self, follow};
use crate::services::{Stage, eventually, program, text, topics};
use serde_json::{Value, json};

/// A job of one partition a topic, which takes no checkpoint but when it is drained.
struct Scene {
    stage: Stage,
    sender: Sender,
    database: bool,
    records: i64,
}

impl Scene {
    fn set(name: &str, database: bool) -> Option<Scene> {
        let stage = Stage::set(name)?;
        let toml = stage.toml("").replace("[checkpoint]\n", "[checkpoint]\ninterval = \"1h\"\n");
        let own = format!("[postgres]\nurl = \"{}\"\n", stage.url());
        let files = format!("[files]\ndir = \"{}\"\n", stage.path("files").display());
        let toml = if database { toml } else { toml.replace(&own, &files) };
        std::fs::write(stage.config(), toml).expect("the configuration can be written");
        stage.sluice(&["topics", "create", "--partitions", "1", text(&stage.config())]);
        let sender = Sender::plain(&stage);
        Some(Scene { stage, sender, database, records: 0 })
    }

    /// Sends purchases or contacts of a customer each.
    fn send(&mut self, topic: &str, count: i64) {
        for _ in 0..count {
            self.records += 1;
            let id = if topic == "transactions" { "transaction_id" } else { "interaction_id" };
            let value = json!({
                id: format!("r{}", self.records), "customer_id": self.records,
                "timestamp": "2024-03-01T10:00:00Z", "amount": 5, "action": 1,
            });
            self.sender.send(
                &self.stage.topic(topic),
                0,
                Some(b"c"),
                Some(value.to_string().as_bytes()),
                0,
            );
        }
        self.sender.flush();
    }

    /// Whether a table has a customer.
    fn has(&self, table: &str, customer: i64) -> bool {
        if self.database {
            let found =
                format!("SELECT count(*) FROM sluice.{table} WHERE customer_id = {customer}");
            return self
                .stage
                .database()
                .query_one(&found, &[])
                .is_ok_and(|row| row.get::<_, i64>(0) > 0);
        }
        let files =
            std::fs::read_dir(self.stage.path("files/campaign")).into_iter().flatten().flatten();
        let texts: String =
            files.filter_map(|file| std::fs::read_to_string(file.path()).ok()).collect();
        let table = format!("{{\"table\":\"{table}\",\"change\":\"insert\"");
        texts.lines().any(|line| {
            line.starts_with(&table) && line.contains(&format!("\"customer_id\":{customer},"))
        })
    }

    /// Sends records, and waits until the last one is committed.
    fn commit(&mut self, topic: &str, count: i64) {
        self.send(topic, count);
        let table = if topic == "transactions" { "customer_features" } else { "interactions" };
        eventually("it is committed", || self.has(table, self.records));
    }

    /// Retention takes the records of a topic before an offset.
    fn trim(&self, topic: &str, low: i64) {
        topics::trim(&self.stage.brokers, &self.stage.topic(topic), 0, low);
    }

    /// Starts the program, which refuses.
    fn refused(&self, flags: &[&str], wanted: &[&str]) {
        let output = program()
            .arg("run")
            .arg(self.stage.config())
            .args(flags)
            .output()
            .expect("the program can be started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        wanted.iter().for_each(|wanted| assert!(said.contains(wanted), "{wanted}: {said}"));
    }

    /// A gap with records before and behind it: the first ones are gone, but what was verified up
    /// to the gap, or a checkpoint there, is gone on from.
    fn verify_across(&self, since: &Value) {
        let (config, left) = (self.stage.config(), self.stage.path("checkpoints/kind=verified"));
        let aside = self.stage.path("aside");
        let said = follow(&config, &[], "retention has removed", &["--since", "last"]);
        assert_eq!(
            (&said["since_epoch"], &said["trusted_through_epoch"]),
            (since, &Value::Null),
            "{said:#}"
        );
        assert_eq!(
            &verifying::verified(&config, &["--since", "last"])["since_epoch"],
            &said["epoch"]
        );
        std::fs::rename(&left, &aside).expect("what verifications have left");
        for asked in [&[][..], &["--since", "last"]] {
            let said = follow(&config, asked, "", &["--since", "oldest"]);
            assert_eq!(said["trusted_through_epoch"], said["since_epoch"], "{said:#}");
            std::fs::remove_dir_all(&left).expect("what verifications have left");
        }
        std::fs::rename(&aside, &left).expect("what verifications have left");
    }

    /// What is recorded of losses: epoch, topic, first, next.
    fn losses(&self) -> Vec<(i64, String, i64, i64)> {
        if self.database {
            let rows = self
                .stage
                .database()
                .query("SELECT epoch, topic, first, next FROM sluice.losses ORDER BY epoch", &[])
                .expect("losses");
            return rows
                .iter()
                .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
                .collect();
        }
        let journal = self.stage.journal();
        let lost = journal.iter().filter_map(|record| record["losses"].as_array());
        let number = |lost: &Value, field: &str| lost[field].as_i64().expect("a number");
        let told = |lost: &Value| {
            (
                number(lost, "epoch"),
                lost["topic"].as_str().expect("a name").to_string(),
                number(lost, "first"),
                number(lost, "next"),
            )
        };
        lost.flatten().map(told).collect()
    }
}

/// Unread records are gone of a topic of which nothing was read, and then of one of which something
/// was.
fn goes_on(name: &str, database: bool) {
    let Some(mut scene) = Scene::set(name, database) else { return };
    let job = scene.stage.start_reading(&[]);
    scene.commit("transactions", 2);
    job.kill();
    scene.send("interactions", 3);
    scene.trim("interactions", 3);
    let told = [
        "not read yet",
        "-interactions` starts at offset 3, but offset 0 is wanted",
        "go on without them with --accept-loss",
    ];
    scene.refused(&[], &told);
    assert_eq!(scene.losses(), []);
    let job = scene.stage.start_reading(&["--accept-loss"]);
    let told = format!(
        "3 offsets of partition 0 of `{}`, from 0 to before 3, which are not read",
        scene.stage.topic("interactions")
    );
    assert!(scene.stage.log().contains(&told), "{}", scene.stage.log());
    scene.commit("interactions", 1);
    job.kill();
    let losses = scene.losses();
    let (epoch, topic) = (losses[0].0, scene.stage.topic("interactions"));
    assert_eq!(losses, [(epoch, topic.clone(), 0, 3)]);
    // From the first record on, across what is gone.
    let job = scene.stage.start_reading(&[]);
    let log = scene.stage.log();
    assert!(log.contains("checkpoint=0 ") && !log.contains("which are not read"), "{log}");
    scene.commit("interactions", 1);
    job.drain();
    let verified = || verifying::verified(&scene.stage.config(), &[])["epoch"].clone();
    let verified = if database { verified() } else { Value::Null };
    let last = accept_behind_a_checkpoint(&mut scene);
    if database {
        scene.verify_across(&verified);
    }

    begin_anew(&mut scene, last);
}

/// With a checkpoint, before and behind which something was read; gives the last record before.
fn accept_behind_a_checkpoint(scene: &mut Scene) -> i64 {
    scene.send("transactions", 3);
    scene.trim("transactions", 4);
    scene.refused(&[], &["starts at offset 4, but offset 2 is wanted", "--accept-loss"]);
    let job = scene.stage.start_reading(&["--accept-loss"]);
    let last = scene.records;
    eventually("what is left is committed", || scene.has("customer_features", last));
    assert!(!scene.has("customer_features", last - 1) && !scene.has("customer_features", last - 2));
    job.kill();
    assert_eq!(
        scene.losses()[1..],
        [(scene.losses()[1].0, scene.stage.topic("transactions"), 2, 4)]
    );
    let job = scene.stage.start_reading(&[]);
    assert!(!scene.stage.log().contains("checkpoint=0 "), "{}", scene.stage.log());
    let console = Console::of(&scene.stage);
    let metrics = [("customer-interactions", 3), ("transactions", 2), ("decision-requests", 0)]
        .map(|(topic, number)| format!("sluice_given_up_offsets{{topic=\"{topic}\"}} {number}\n"));
    // The workers tell them once they begin, which is after the log says so.
    eventually("what was given up is told", || {
        let (_, told) = console.get("/metrics");
        metrics.iter().all(|metric| told.contains(metric))
    });
    scene.commit("transactions", 1);
    job.kill();
    last
}

/// What has to be repeated is no loss that can be accepted: everything is made anew from what is
/// left, as is advised.
fn begin_anew(scene: &mut Scene, last: i64) {
    scene.trim("transactions", 6);
    for flags in [&[][..], &["--accept-loss"]] {
        scene.refused(
            flags,
            &[
                "has to repeat its epochs from",
                "starts at offset 6, but offset 4 is wanted",
                "--accept-loss alone cannot help",
            ],
        );
    }
    // As the message advises.
    let job = scene.stage.start_reading(&["--rebuild", "--accept-loss"]);
    scene.commit("transactions", 1);
    assert!(!scene.has("customer_features", last), "nothing else is left");
    assert_eq!(scene.losses(), [], "another history begins");
    job.drain();
    // Nor need it go on without what is gone unread.
    scene.send("transactions", 2);
    scene.trim("transactions", 8);
    scene.refused(
        &[],
        &[
            "not read yet",
            "starts at offset 8, but offset 7 is wanted",
            "anew from what is left with --rebuild --accept-loss",
        ],
    );
    let job = scene.stage.start_reading(&["--rebuild", "--accept-loss"]);
    let last = scene.records;
    eventually("what is left is there", || scene.has("customer_features", last));
    job.drain();
}

#[test]
fn a_job_goes_on_behind_what_is_gone_unread() {
    goes_on("losses", true);
}

#[test]
fn so_does_one_without_a_database() {
    goes_on("losses_journal", false);
}
