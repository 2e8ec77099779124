//! The long-running job from Kafka to PostgreSQL, against a replay of the same events from files.

use crate::services::sender::Sender;
use crate::services::topics::PARTITIONS;
use crate::services::{Job, Stage, eventually, field, ports};

const WORLD: [&str; 8] =
    ["--customers", "1000", "--transactions", "20000", "--interactions", "20000", "--seed", "5"];

/// Writes the world into topics and files, and replays the files; gives the digest of the model,
/// and who has sent the world. That of customers is a compacted topic, and in each a transaction
/// stays open.
fn generate(stage: &Stage) -> (String, Sender) {
    let (files, results) = (stage.path("world"), stage.path("results"));
    let (files, results) = (files.to_str().expect("UTF-8"), results.to_str().expect("UTF-8"));
    stage.sluice(&[&["generate", "--out", files], &WORLD[..]].concat());
    stage.create_topics_with_compacted_customers();
    let mut sender = Sender::new(stage, 1_500);
    sender.send_world(stage, &stage.path("world"), PARTITIONS);
    sender.leave_open();
    stage.sluice(&["replay", "--input", files, "--output", results]);
    let digest = field(&stage.path("results").join("summary.json"), "digest")
        .as_str()
        .expect("a digest")
        .to_string();
    (digest, sender)
}

/// Rows and sums in the database equal those of the replay.
fn assert_replayed(stage: &Stage, digest: &str) {
    let mut database = stage.database();
    let row = database
        .query_one("SELECT digest FROM sluice.epochs ORDER BY epoch DESC LIMIT 1", &[])
        .expect("an epoch");
    assert_eq!(row.get::<_, String>(0), digest, "the digest of the model");
    let csv = std::fs::read_to_string(stage.path("results").join("features.csv"))
        .expect("the replay's features");
    let mut lines = csv.lines();
    let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let column = |name: &str| header.iter().position(|field| *field == name).expect("the column");
    let (frequency, monetary, entropy) =
        (column("frequency"), column("monetary"), column("category_diversity"));
    let expected: Vec<(i64, f64, f64, f64)> = lines
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|fields| {
            (
                fields[0].parse().expect("a number"),
                number(fields[frequency]),
                number(fields[monetary]),
                number(fields[entropy]),
            )
        })
        .collect();
    let rows = database.query(
        "SELECT customer_id, frequency, monetary, category_diversity FROM \
        sluice.customer_features ORDER BY 1",
        &[],
    );
    let found: Vec<(i64, f64, f64, f64)> =
        rows.expect("features").iter().map(|r| (r.get(0), r.get(1), r.get(2), r.get(3))).collect();
    assert_eq!(found, expected, "features that do not depend on the instant");
    let row = database.query_one(
        "SELECT count(*), sum(interactions)::bigint FROM \
        sluice.interactions, (SELECT sum(interactions) AS interactions FROM sluice.arm_stats) s \
        GROUP BY s.interactions",
        &[],
    );
    assert_eq!(row.expect("one row").get::<_, i64>(0), 20_000);
}

fn number(text: &str) -> f64 {
    text.parse().expect("a number")
}

fn settled(stage: &Stage) {
    stage.wait_for("SELECT count(*) FROM sluice.interactions WHERE learned", 20_000);
    stage.wait_for("SELECT sum(frequency) FROM sluice.customer_features", 20_000);
}

#[test]
fn one_worker_and_then_three_give_what_the_replay_gives() {
    let Some(stage) = Stage::set("layouts") else { return };
    let (digest, mut sender) = generate(&stage);
    let job = stage.start(&[]);
    settled(&stage);
    job.drain();
    assert_replayed(&stage, &digest);
    // The same job again, with other workers: its epochs are read again as they were recorded,
    // compared, and not written twice.
    let epochs: i64 = stage
        .database()
        .query_one("SELECT max(epoch) FROM sluice.epochs", &[])
        .expect("an epoch")
        .get(0);
    let job = stage.start(&["--workers", "3"]);
    stage.wait_for("SELECT incarnation FROM sluice.progress", 2);
    sender.send_world(&stage, &stage.path("world"), PARTITIONS);
    stage.wait_for(
        &format!(
            "SELECT (max(epoch) > {epochs})::int FROM sluice.epochs WHERE \
        (counts->>'duplicates')::int > 0"
        ),
        1,
    );
    job.drain();
    assert_replayed(&stage, &digest);
}

#[test]
fn a_process_whose_others_never_come_ends_well_when_it_is_told_to() {
    let Some(stage) = Stage::set("alone") else { return };
    let hosts = stage.path("hosts");
    std::fs::write(&hosts, ports::hostfile(2)).expect("the hostfile can be written");
    stage.create_topics();
    let job = stage.start_with_log(&[
        "--processes",
        "2",
        "--process",
        "1",
        "--hostfile",
        hosts.to_str().expect("UTF-8"),
    ]);
    eventually("it looks for the other", || {
        stage.log().contains("The other processes of the job are looked for.")
    });
    job.drain();
    assert!(stage.log().contains("before its processes have found each other"), "{}", stage.log());
}

#[test]
fn two_processes_give_what_the_replay_gives_even_if_killed() {
    let Some(stage) = Stage::set("processes") else { return };
    let (digest, _sender) = generate(&stage);
    let pair = |stage: &Stage| -> [Job; 2] {
        std::fs::write(stage.path("hosts"), ports::hostfile(2))
            .expect("the hostfile can be written");
        let hostfile = stage.path("hosts");
        let hostfile = hostfile.to_str().expect("UTF-8");
        ["0", "1"].map(|process| {
            stage.start(&["--processes", "2", "--process", process, "--hostfile", hostfile])
        })
    };
    let [first, second] = pair(&stage);
    stage.wait_for("SELECT (count(*) > 0)::int FROM sluice.interactions", 1);
    first.kill();
    second.kill();
    let [first, second] = pair(&stage);
    // All may have been settled before the kill: the job is up once it has registered its start.
    stage.wait_for("SELECT incarnation FROM sluice.progress", 2);
    settled(&stage);
    first.drain();
    drop(second);
    assert_replayed(&stage, &digest);
}
