//! Checkpoints of the long-running job: killed and drained, it goes on from them with another
//! number of workers, and gives what a replay gives.

use crate::services::sender::Sender;
use crate::services::topics::PARTITIONS;
use crate::services::{Stage, eventually, field};

const WORLD: [&str; 8] =
    ["--customers", "2000", "--transactions", "60000", "--interactions", "60000", "--seed", "11"];
/// Records that are sent alike.
const STRETCH: usize = 5_000;

/// A configuration with many small epochs and a checkpoint each second.
fn configure(stage: &Stage) {
    stage.configure_saving("max_events = 1000\n");
}

/// Writes the world into files and replays it; gives the digest of the model.
fn replay(stage: &Stage) -> String {
    let (files, results) = (stage.path("world"), stage.path("results"));
    let (files, results) = (files.to_str().expect("UTF-8"), results.to_str().expect("UTF-8"));
    stage.sluice(&[&["generate", "--out", files], &WORLD[..]].concat());
    stage.sluice(&["replay", "--input", files, "--output", results]);
    field(&stage.path("results").join("summary.json"), "digest")
        .as_str()
        .expect("a digest")
        .to_string()
}

/// Makes the topics, that of customers a compacted one, and sends the world; a transaction stays
/// open behind it.
fn produce(stage: &Stage) -> Sender {
    stage.create_topics_with_compacted_customers();
    let mut sender = Sender::new(stage, STRETCH);
    sender.send_world(stage, &stage.path("world"), PARTITIONS);
    sender.leave_open();
    sender
}

/// Starts the job, drains it as soon as it reads, and gives what it logged: where it began.
fn beginning(stage: &Stage, workers: &str) -> String {
    let job = stage.start_with_log(&["--workers", workers]);
    eventually("the job reads", || stage.log().contains("The job begins to read."));
    job.drain();
    stage.log()
}

fn settled(stage: &Stage) {
    stage.wait_for("SELECT count(*) FROM sluice.interactions WHERE learned", 60_000);
    stage.wait_for("SELECT sum(frequency) FROM sluice.customer_features", 60_000);
}

#[test]
fn a_killed_job_goes_on_from_its_checkpoint_with_other_workers() {
    let Some(stage) = Stage::set("checkpoints") else { return };
    configure(&stage);
    let digest = replay(&stage);
    let _sender = produce(&stage);
    let job = stage.start(&["--workers", "2"]);
    while stage.checkpoints().is_empty() {
        stage.wait_for("SELECT (count(*) > 0)::int FROM sluice.epochs", 1);
    }
    job.kill();
    let job = stage.start(&["--workers", "3"]);
    settled(&stage);
    job.drain();
    let mut database = stage.database();
    let mut digest_of = || -> (i64, String) {
        let row = database
            .query_one("SELECT epoch, digest FROM sluice.epochs ORDER BY epoch DESC LIMIT 1", &[])
            .expect("an epoch");
        (row.get(0), row.get(1))
    };
    let (epoch, found) = digest_of();
    assert_eq!(found, digest, "the digest of the model");
    // Drained, it has left a checkpoint of its last epoch: nothing is to be repeated.
    let log = beginning(&stage, "1");
    assert!(
        log.contains("The checkpoint is loaded.")
            && log.contains(&format!("checkpoint={epoch} repeated=0")),
        "{log}"
    );
    assert_eq!(digest_of().1, digest);
}

#[test]
fn without_its_checkpoints_a_job_repeats_every_epoch() {
    let Some(stage) = Stage::set("repeats") else { return };
    configure(&stage);
    let digest = replay(&stage);
    let mut sender = produce(&stage);
    let job = stage.start(&[]);
    settled(&stage);
    job.drain();
    std::fs::remove_dir_all(stage.path("checkpoints")).expect("there are checkpoints");
    let log = beginning(&stage, "2");
    assert!(log.contains("checkpoint=0"), "{log}");
    let job = stage.start(&["--workers", "2"]);
    sender.send_world(&stage, &stage.path("world"), PARTITIONS);
    stage.wait_for("SELECT (sum((counts->>'duplicates')::bigint) > 0)::int FROM sluice.epochs", 1);
    job.drain();
    let row = stage
        .database()
        .query_one("SELECT digest FROM sluice.epochs ORDER BY epoch DESC LIMIT 1", &[])
        .expect("an epoch");
    assert_eq!(row.get::<_, String>(0), digest);
}

#[test]
fn a_partition_that_is_added_is_read_within_a_minute() {
    let Some(stage) = Stage::set("added") else { return };
    configure(&stage);
    // Two years arrive in a moment: a partition that counted as idle meanwhile would let time run
    // ahead of its own records.
    let toml = std::fs::read_to_string(stage.config())
        .expect("a configuration")
        .replace("idle = \"1s\"", "idle = \"8s\"");
    std::fs::write(stage.config(), toml).expect("the configuration can be written");
    let digest = replay(&stage);
    stage.create_topics();
    let job = stage.start(&["--workers", "2"]);
    stage.wait_for("SELECT incarnation FROM sluice.progress", 1);
    stage.add_partitions(7);
    // What came before they were seen would find its thresholds closed.
    stage.wait_for(&format!("SELECT max(({PARTITIONS_READ})) FROM sluice.epochs"), 7);
    Sender::new(&stage, STRETCH).send_world(&stage, &stage.path("world"), 7);
    settled(&stage);
    job.drain();
    let row = stage
        .database()
        .query_one("SELECT digest FROM sluice.epochs ORDER BY epoch DESC LIMIT 1", &[])
        .expect("an epoch");
    assert_eq!(row.get::<_, String>(0), digest);
    let log = beginning(&stage, "3");
    assert!(log.contains("repeated=0"), "{log}");
}

/// How many partitions of the transactions an epoch has read.
const PARTITIONS_READ: &str = "SELECT count(*) FROM jsonb_each(offsets) AS t (topic, partitions), \
    jsonb_object_keys(partitions) \
                               WHERE topic LIKE '%-transactions'";
