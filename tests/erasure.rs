//! Erasing a customer from a running job: rows, history, model and checkpoints are as if the
//! customer had never been there, and nothing of what the customer sent is found in any place but
//! those that are told of.

mod cage;
mod canary;

use crate::services::client::Place;
use crate::services::console::Console;
use crate::services::sender::Sender;
use crate::services::topics::{self, PARTITIONS};
use crate::services::{Job, Stage, eventually, field};
use base64::Engine;
use cage::{CANARY, Cage, Kept, MARCH, WORD, contains};
use dataflows::event::text::id_hash;
use std::collections::BTreeMap;
use std::path::Path;

const WORLD: [&str; 8] =
    ["--customers", "300", "--transactions", "6000", "--interactions", "6000", "--seed", "21"];
const ERASED: i64 = 17;

/// The digest of a replay of the world without a customer, given the published thresholds.
fn without(stage: &Stage, customer: i64) -> String {
    let (world, rest) = (stage.path("world"), stage.path("rest"));
    std::fs::create_dir_all(&rest).expect("a folder");
    for name in ["customers", "transactions", "interactions"] {
        let lines = std::fs::read_to_string(world.join(format!("{name}.jsonl")))
            .expect("a file of the world");
        let is_theirs = |line: &&str| {
            serde_json::from_str::<serde_json::Value>(line).expect("JSON")["customer_id"]
                == customer
        };
        let kept: String =
            lines.lines().filter(|line| !is_theirs(line)).map(|line| format!("{line}\n")).collect();
        assert!(kept.len() < lines.len(), "customer {customer} has no {name}");
        std::fs::write(rest.join(format!("{name}.jsonl")), kept).expect("a file");
    }
    let rows = stage
        .database()
        .query("SELECT day::text, high_value FROM sluice.thresholds ORDER BY day", &[])
        .expect("thresholds");
    let thresholds: String = rows
        .iter()
        .map(|row| format!("{},{}\n", row.get::<_, String>(0), row.get::<_, i64>(1)))
        .collect();
    std::fs::write(stage.path("thresholds.csv"), format!("day,high_value\n{thresholds}"))
        .expect("a file");
    replay(stage, &rest, &["--thresholds", stage.path("thresholds.csv").to_str().expect("UTF-8")])
}

fn replay(stage: &Stage, input: &Path, more: &[&str]) -> String {
    let output = stage.path("output");
    stage.sluice(
        &[
            &[
                "replay",
                "--input",
                input.to_str().expect("UTF-8"),
                "--output",
                output.to_str().expect("UTF-8"),
            ],
            more,
        ]
        .concat(),
    );
    field(&output.join("summary.json"), "digest").as_str().expect("a digest").to_string()
}

#[test]
fn an_erased_customer_leaves_nothing_but_the_report() {
    let Some(stage) = Stage::set("erasure") else { return };
    stage.configure_saving("max_events = 500\n");
    let world = stage.path("world");
    stage.sluice(&[&["generate", "--out", world.to_str().expect("UTF-8")], &WORLD[..]].concat());
    stage.create_topics_with_compacted_customers();
    let mut sender = Sender::new(&stage, 700);
    sender.send_world(&stage, &world, PARTITIONS);
    sender.leave_open();
    let job = stage.start_with_log(&["--workers", "2"]);
    stage.wait_for("SELECT count(*) FROM sluice.interactions WHERE learned", 6_000);
    eventually("a checkpoint is there", || !stage.checkpoints().is_empty());

    // Whatever strangers do at its port, the job goes on, and so does its console.
    let strangers = Console::of(&stage).besieged();
    let (refused, code, answer) = Console::of(&stage).erase(&stage, ERASED);
    let asked: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!((refused, code, &asked["customer_id"]), (401, 202, &ERASED.into()), "{answer}");
    stage.wait_for("SELECT count(*) FROM sluice.erasures", 1);
    let mut database = stage.database();
    let report = database
        .query_one(
            "SELECT customer_id, transactions, interactions, learned, profiles, \
            digest_before <> digest_after, digest_after, epoch FROM sluice.erasures",
            &[],
        )
        .expect("the report");
    let (interactions, learned): (i64, i64) = (report.get(2), report.get(3));
    assert_eq!(
        (report.get::<_, i64>(0), report.get::<_, i64>(4), report.get::<_, bool>(5)),
        (ERASED, 1, true)
    );
    assert!(
        report.get::<_, i64>(1) > 0 && interactions > 0 && learned == interactions,
        "{report:?}"
    );
    for table in ["customer_features", "interactions", "decisions"] {
        stage.wait_for(
            &format!("SELECT count(*) FROM sluice.{table} WHERE customer_id = {ERASED}"),
            0,
        );
    }
    stage.wait_for(
        "SELECT count(*) FROM sluice.model_versions m WHERE a IS NOT NULL AND version < \
        (SELECT max(version) FROM sluice.model_versions n WHERE n.arm = m.arm)",
        0,
    );

    // The older checkpoints, which still had the customer, go without anything else arriving.
    let epoch = report.get::<_, i64>(7) as u64;
    eventually("the older checkpoints are gone", || {
        let left = stage.checkpoints();
        !left.is_empty() && left.iter().all(|checkpoint| *checkpoint >= epoch)
    });
    job.kill();
    drop(strangers);
    go_on_without(&stage, &mut sender, epoch);
    let last: String = database
        .query_one("SELECT digest FROM sluice.epochs ORDER BY epoch DESC LIMIT 1", &[])
        .expect("an epoch")
        .get(0);
    assert_eq!((last.clone(), last), (without(&stage, ERASED), report.get(6)));
}

/// What goes on from there knows nothing of the customer, and drops what is dated before the
/// erasure.
fn go_on_without(stage: &Stage, sender: &mut Sender, epoch: u64) {
    let job = stage.start(&["--workers", "1"]);
    stage.wait_for("SELECT incarnation FROM sluice.progress", 2);
    let old = format!(
        r#"{{"transaction_id":"old","customer_id":{ERASED},"timestamp":"2024-01-01","amount":7}}"#
    );
    sender.put(stage, "transactions", ERASED, &old);
    stage.wait_for(
        &format!(
            "SELECT sum((counts->>'erased')::bigint) FROM sluice.epochs WHERE epoch > {epoch}"
        ),
        1,
    );
    job.drain();
    stage.wait_for(
        &format!("SELECT count(*) FROM sluice.customer_features WHERE customer_id = {ERASED}"),
        0,
    );
}
