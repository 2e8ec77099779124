//! `sluice verify` beside a job that takes in a hostile history, killed and gone on from a
//! checkpoint, and with rows changed by hand; and `sluice replay` of its topics: from offsets and
//! timestamps, in one epoch and in the recorded ones.

mod changes;
mod replays;
mod retention;

use crate::hostile::History;
use crate::services::sender::{COPIES, Sender};
use crate::services::verifying::{follow, verified, verify};
use crate::services::{Stage, eventually, field, text, topics};
use changes::{changed, find_changes, find_changes_since, named};
use postgres::{Client, NoTls};
use replays::{forget_records, replay_epochs, replay_parts};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const LINES: usize = 2_500;
const SEED: u64 = 23;
const FILES: [&str; 5] = ["customers", "transactions", "interactions", "rewards", "requests"];

/// The lines of each file, in order.
type Lines = BTreeMap<&'static str, Vec<Vec<u8>>>;

/// A hostile history, and requests for decisions all over its time.
fn history() -> Lines {
    let files = History::generate(SEED, LINES).jsonl();
    let split = |bytes: &Vec<u8>| -> Vec<Vec<u8>> {
        let lines =
            bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        lines.filter(|line| !line.trim_ascii().is_empty()).map(<[u8]>::to_vec).collect()
    };
    let mut lines: Lines = FILES
        .iter()
        .filter_map(|name| Some((*name, split(files.get(&format!("{name}.jsonl"))?))))
        .collect();
    let request = |number: i64| {
        let (customer, instant) = (100 + number % 40, 1_650_000_000_000 + number * 1_500_000_000);
        let mut request = json!({
            "decision_id": format!("d-{number}"), "customer_id": customer, "timestamp": instant,
        });
        // Some were decided when they were asked for, before anything was learned.
        if number % 6 == 5 {
            let context: Vec<i16> =
                (0..32).map(|place| if place == 0 { 4096 } else { 0 }).collect();
            request["decided"] = json!({
                "action": 2, "propensity": 0.25, "expected_reward": 0.0, "uncertainty": 1.0,
                "alpha": 0.5, "scores": [0.5, 0.5, 0.5, 0.5], "model_version": 0,
                "policy": "linucb", "context": context,
            });
        }
        request.to_string().into_bytes()
    };
    lines.insert("requests", (0..60).map(request).collect());
    // Should requests be read first, time stands behind all purchases at once: two more let a day
    // close that has one.
    let purchase = |days: i64| {
        let instant = 1_741_000_000_000 + days * 86_400_000;
        let purchase = json!({
            "transaction_id": format!("last-{days}"), "customer_id": 100,
            "timestamp": instant, "amount": 5,
        });
        purchase.to_string().into_bytes()
    };
    lines.entry("transactions").or_default().extend([0, 10].map(purchase));
    lines
}

/// Each topic's records lie in one partition of their own, in the order of the lines.
fn partition(file: &str) -> i32 {
    FILES.iter().position(|name| *name == file).map_or(0, |place| place as i32 % 3)
}

/// The lines of each file, sent into the topics.
struct Produced {
    sender: Sender,
    /// The offset of each line.
    offsets: BTreeMap<&'static str, Vec<i64>>,
    /// When the broker is told that the first record of each topic came; the next ones come a
    /// millisecond after each other. Marks of transactions bear the time of the day, and would be
    /// found before records that are older: so all of it is soon to come.
    began: i64,
}

impl Produced {
    fn new(stage: &Stage) -> Produced {
        let soon = jiff::Timestamp::now().as_millisecond() + 1_800_000;
        Produced { sender: Sender::new(stage, 100), offsets: BTreeMap::new(), began: soon }
    }

    /// Sends the lines of each file from `from` to `until`, in parts of its length.
    fn produce(
        &mut self,
        stage: &Stage,
        lines: &Lines,
        from: (usize, usize),
        until: (usize, usize),
    ) {
        for (&file, lines) in lines {
            let place = |(part, of)| lines.len() * part / of;
            let offsets = self.offsets.entry(file).or_default();
            for (line, at) in lines[place(from)..place(until)].iter().zip(place(from)..) {
                // A topic that is compacted takes no records without a key; here each has its own.
                let key = at.to_string();
                let (_, _, offset) = self.sender.send(
                    &stage.topic(file),
                    partition(file),
                    Some(key.as_bytes()),
                    Some(line),
                    self.began + at as i64,
                );
                offsets.push(offset);
            }
        }
    }
}

#[test]
fn a_job_is_verified_beside_its_running_and_every_change_by_hand_is_found() {
    let Some(stage) = Stage::set("verify") else { return };
    stage.configure_saving("max_events = 100\n");
    stage.create_topics_with_compacted_customers();
    let lines = history();
    let job = stage.start_with_log(&["--workers", "2"]);
    // Only when the first half has been learned from the second comes: much of it is late then.
    let mut produced = Produced::new(&stage);
    produced.produce(&stage, &lines, (0, 2), (1, 2));
    stage.wait_for("SELECT (count(*) > 50)::int FROM sluice.interactions WHERE learned", 1);
    eventually("a checkpoint", || !stage.checkpoints().is_empty());
    produced.produce(&stage, &lines, (1, 2), (2, 3));
    produced.sender.leave_open();
    job.kill();
    let job = stage.start_with_log(&["--workers", "3"]);
    produced.produce(&stage, &lines, (2, 3), (1, 1));
    produced.sender.leave_open();
    let (code, said) = verify(&stage.config(), &["--workers", "2"]);
    assert_eq!(
        (code, &said["ok"]),
        (Some(0), &Value::Bool(true)),
        "beside the running job: {said:#}"
    );
    let before = said["epoch"].as_u64().expect("an epoch");

    eventually("everything is committed", || produced.sender.is_read(&stage.committed()));
    let incarnation = "SELECT incarnation FROM sluice.progress";
    stage.wait_for(incarnation, 2);
    // Partitions without a record hold time back until they are idle.
    stage.wait_for("SELECT (count(*) > 0)::int FROM sluice.thresholds", 1);
    job.drain();
    let log = stage.log();
    assert!(!log.contains("ERROR") && log.contains("The checkpoint is loaded."), "{log}");

    find_changes_since(&stage, before);
    let (code, since) = verify(&stage.config(), &["--since", "last"]);
    assert_eq!(
        (code, &since["ok"], &since["since_epoch"]),
        (Some(0), &Value::Bool(true), &json!(before)),
        "{since:#}"
    );
    let last = since["epoch"].as_u64().expect("an epoch");
    assert!(last > before, "the job went on after epoch {before}: {since:#}");

    let (code, said) = verify(&stage.config(), &[]);
    assert_eq!((code, &said["ok"]), (Some(0), &Value::Bool(true)), "{said:#}");
    assert_all_compared(&stage, &since, &said);

    stage.wait_for(incarnation, 2);

    find_changes(&stage);
    replay_parts(&stage, &lines, &produced);
    replay_epochs(&stage);
    produced.sender.finish();
    go_on_without_records(&stage, last);
}

/// What was read before need not be there any more for whoever goes on from a verification.
fn go_on_without_records(stage: &Stage, last: u64) {
    forget_records(stage);
    let (code, said) = verify(&stage.config(), &[]);
    assert_eq!(code, Some(1));
    assert!(
        said.as_str().is_some_and(|said| said.contains(
            "retention has removed"
        ) && said.contains("offset 5")),
        "{said}"
    );
    let (code, said) = verify(&stage.config(), &["--since", "last"]);
    assert_eq!(
        (code, &said["ok"], &said["since_epoch"]),
        (Some(0), &Value::Bool(true), &json!(last)),
        "what was read before need not be there: {said:#}"
    );
}

/// Every table is compared, and all of its rows, whatever was verified before.
fn assert_all_compared(stage: &Stage, since: &Value, said: &Value) {
    let compared = |said: &Value| {
        said["tables"]
            .as_array()
            .into_iter()
            .flatten()
            // Scored again are those of epochs that are computed again.
            .filter(|t| t["table"] != "decided")
            .map(|t| (t["table"].clone(), t["rows"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        compared(since),
        compared(said),
        "all rows are compared, whatever was verified before"
    );
    let rows: BTreeMap<&str, u64> = said["tables"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|t| (t["table"].as_str().unwrap_or_default(), t["rows"].as_u64().unwrap_or(0)))
        .collect();
    assert_eq!(rows.len(), 13, "{rows:?}");
    stage.wait_for(
        "SELECT count(*) FROM sluice.decisions WHERE propensity = 0.25 AND uncertainty = 1 \
         AND arm = 2 AND model_version = 0",
        rows["decided"] as i64,
    );
    assert!(rows.values().all(|rows| *rows > 0), "every table has rows to be compared: {rows:?}");
}
