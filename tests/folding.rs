//! A job that folds old events: what concerns them becomes a dead letter, an erasure reports what
//! stays, and `sluice verify` finds every row as it should be.

use crate::services::sender::Sender;
use crate::services::topics::PARTITIONS;
use crate::services::{Stage, eventually, program};
use serde_json::Value;

const WORLD: [&str; 8] =
    ["--customers", "300", "--transactions", "6000", "--interactions", "6000", "--seed", "21"];

/// The records of a file of the world, in order of time.
fn world(stage: &Stage, name: &str) -> Vec<Value> {
    let lines = std::fs::read_to_string(stage.path("world").join(format!("{name}.jsonl")))
        .expect("a file of the world");
    let mut records: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    records.sort_by_key(|record| record["timestamp"].as_str().expect("an instant").to_string());
    records
}

/// The oldest record of a customer.
fn oldest(records: &[Value], customer: i64) -> &Value {
    records
        .iter()
        .find(|record| record["customer_id"] == customer)
        .expect("a record of the customer")
}

fn wait_for_past_history(stage: &Stage, number: i64) {
    stage
        .wait_for("SELECT count(*) FROM sluice.dead_letters WHERE reason = 'past_history'", number);
}

#[test]
fn what_is_folded_cannot_be_taken_back_and_all_the_rest_is_as_it_should_be() {
    let Some(stage) = Stage::set("folding") else { return };
    let toml = stage.saving_toml("max_events = 500\n");
    std::fs::write(stage.config(), format!("{toml}[history]\nkeep = \"30d\"\n"))
        .expect("the configuration can be written");
    let folder = stage.path("world");
    stage.sluice(&[&["generate", "--out", folder.to_str().expect("UTF-8")], &WORLD[..]].concat());
    stage.create_topics_with_compacted_customers();
    let mut sender = Sender::new(&stage, 700);
    sender.send_world(&stage, &folder, PARTITIONS);
    let (purchases, contacts) = (world(&stage, "transactions"), world(&stage, "interactions"));
    let job = stage.start(&["--workers", "2"]);
    stage.wait_for("SELECT count(*) FROM sluice.interactions WHERE learned", 6_000);
    wait_for_past_history(&stage, 0);

    let bought = oldest(&purchases, 17)["transaction_id"].as_str().expect("an id");
    sender.put(
        &stage,
        "transactions",
        17,
        &format!(r#"{{"transaction_id":"{bought}","customer_id":17,"op":"retract"}}"#),
    );
    wait_for_past_history(&stage, 1);
    let again = oldest(&purchases, 17).to_string();
    sender.put(&stage, "transactions", 17, &again);
    wait_for_past_history(&stage, 2);
    let raw = stage
        .database()
        .query_one("SELECT raw FROM sluice.dead_letters ORDER BY id DESC LIMIT 1", &[])
        .expect("a dead letter");
    assert_eq!(raw.get::<_, Vec<u8>>(0), again.as_bytes());
    renew(&stage, &mut sender, &contacts);

    eventually("a checkpoint is there", || !stage.checkpoints().is_empty());
    job.kill();
    let job = stage.start(&["--workers", "3"]);
    stage.wait_for("SELECT incarnation FROM sluice.progress", 2);
    let contacted = oldest(&contacts, 17)["interaction_id"].as_str().expect("an id");
    sender.put(
        &stage,
        "interactions",
        17,
        &format!(r#"{{"interaction_id":"{contacted}","customer_id":17,"op":"retract"}}"#),
    );
    wait_for_past_history(&stage, 3);
    let all = contacts.iter().filter(|record| record["customer_id"] == 17).count() as i64;
    erase(&stage, &mut sender, all);
    job.drain();

    let verified = program()
        .arg("verify")
        .arg(stage.config())
        .args(["--workers", "2"])
        .output()
        .expect("the program can be started");
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(verified.status.success(), "{said}{}", String::from_utf8_lossy(&verified.stderr));
}

/// The id of a folded interaction comes again with an instant of today: its row is then the new
/// one's.
fn renew(stage: &Stage, sender: &mut Sender, contacts: &[Value]) {
    let mut renewed = oldest(contacts, 18).clone();
    renewed["timestamp"] = contacts.last().expect("an interaction")["timestamp"].clone();
    sender.put(stage, "interactions", 18, &renewed.to_string());
    let (id, at) = (
        renewed["interaction_id"].as_str().expect("an id"),
        renewed["timestamp"].as_str().expect("an instant"),
    );
    stage.wait_for(
        &format!(
            "SELECT count(*) FROM sluice.interactions WHERE customer_id = 18 AND \
        interaction_id = '{id}' AND ts = '{at}'"
        ),
        1,
    );
    stage.wait_for("SELECT count(*) FROM sluice.interactions", 6_000);
}

/// Erases a customer who had so many contacts: what was folded of them stays in the models.
fn erase(stage: &Stage, sender: &mut Sender, all: i64) {
    sender.put(stage, "customers", 17, r#"{"customer_id":17,"op":"erase"}"#);
    stage.wait_for("SELECT count(*) FROM sluice.erasures", 1);
    let report = stage
        .database()
        .query_one("SELECT interactions, learned, folded FROM sluice.erasures", &[])
        .expect("the report");
    let [interactions, learned, folded] = [0, 1, 2].map(|column| report.get::<_, i64>(column));
    assert!(
        folded > 0 && interactions == learned && interactions + folded == all,
        "{interactions} and {folded} of {all}"
    );
    for table in ["customer_features", "interactions", "decisions"] {
        stage.wait_for(&format!("SELECT count(*) FROM sluice.{table} WHERE customer_id = 17"), 0);
    }
    // What stays in the models is all but what was kept of the erased, and the one that came again.
    stage.wait_for("SELECT sum((counts->>'learned')::bigint) FROM sluice.epochs", 6_001 - learned);
    stage.wait_for("SELECT sum((counts->>'erased_folded')::bigint) FROM sluice.epochs", folded);
}
