//! Broker and database that are away, at the start and in the middle: the job says so, waits, goes
//! on, and nothing is lost or counted twice.
//!
//! The services are stopped and started here, so they are the test's own. `scripts/outage` does the
//! same for longer, with more events.

use crate::services::console::Console;
use crate::services::own::{Services, wanted};
use crate::services::sender::Sender;
use crate::services::topics::PARTITIONS;
use crate::services::{Stage, eventually, field, ports};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const WORLD: [&str; 8] =
    ["--customers", "1000", "--transactions", "30000", "--interactions", "30000", "--seed", "8"];
/// Events of each kind.
const EACH: i64 = 30_000;

/// The database may run as another user, who must get through.
fn public() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o711)
}

#[test]
fn what_was_away_is_waited_for_and_nothing_is_lost() {
    if !wanted() {
        return;
    }
    let folder = tempfile::Builder::new().permissions(public()).tempdir().expect("a folder");
    let (services, brokers, url) = Services::up(folder.path());
    let stage = Stage::at("outage", brokers.clone(), &url);
    // Small epochs, so that there is something to do whenever something is away. High value by an
    // amount: daily thresholds close by event time, and what is sent after a pause of idle
    // partitions comes a year at once here, so that much of it would rightly count as late.
    stage.configure_saving("max_events = 1000\n[customers]\nhigh_value = 500");
    let [first, second] = replayed_halves(&stage);

    stage.create_topics_with_compacted_customers();
    let mut sender = Sender::new(&stage, 4_000);
    sender.send_world(&stage, &first, PARTITIONS);
    // The broker and the job are killed with a transaction open.
    sender.leave_open();
    let job = stage.start_with_log(&["--workers", "2"]);
    let console = Console::of(&stage);
    stage.wait_for("SELECT (max(epoch) > 3)::int FROM sluice.epochs", 1);
    services.run(&["stop", "kafka"]);
    let said = console.await_state("waiting_for_broker");
    assert!(said.contains(&brokers), "{said}");
    refuses(console, "the job waits for the broker");
    services.run(&["start", "kafka"]);
    console.await_state("running");
    stage.wait_for("SELECT count(*) FROM sluice.interactions", EACH / 2);

    // Killed as well, it goes on from a checkpoint with another number of workers.
    eventually("a checkpoint is there", || !stage.checkpoints().is_empty());
    let before = stage.log();
    job.kill();
    let job = stage.start_with_log(&["--workers", "3"]);
    let console = Console::of(&stage);
    console.await_state("running");
    eventually("the checkpoint is loaded", || stage.log().contains("The checkpoint is loaded."));

    services.run(&["stop", "postgres", "--kill"]);
    sender.send_world(&stage, &second, PARTITIONS);
    sender.leave_open();
    let said = console.await_state("waiting_for_database");
    assert!(said.contains(stage.server()), "{said}");
    refuses(console, "the job waits for the database");
    services.run(&["start", "postgres"]);
    stage.wait_for("SELECT count(*) FROM sluice.interactions WHERE learned", EACH);
    stage.wait_for("SELECT sum(frequency) FROM sluice.customer_features", EACH);
    console.await_state("running");
    job.drain();
    assert_as_replayed(&stage);
    let log = before + &stage.log();
    assert_told(&log);
}

/// Makes a world and replays it; gives its halves.
fn replayed_halves(stage: &Stage) -> [PathBuf; 2] {
    let (world, results) = (stage.path("world"), stage.path("results"));
    let [world, results] = [&world, &results].map(|path| path.to_str().expect("UTF-8"));
    stage.sluice(&[&["generate", "--out", world], &WORLD[..]].concat());
    stage.sluice(&[
        "replay",
        "--input",
        world,
        "--output",
        results,
        "--config",
        stage.config().to_str().expect("UTF-8"),
    ]);
    halves(Path::new(world), stage)
}

/// All rows are what the records give, and the model is that of the replay.
fn assert_as_replayed(stage: &Stage) {
    stage.sluice(&["verify", stage.config().to_str().expect("UTF-8")]);
    let digest = stage
        .database()
        .query_one("SELECT digest FROM sluice.epochs ORDER BY epoch DESC LIMIT 1", &[])
        .expect("an epoch");
    assert_eq!(
        field(&stage.path("results").join("summary.json"), "digest"),
        digest.get::<_, String>(0)
    );
}

/// The log says what was away, and that it came back.
fn assert_told(log: &str) {
    for line in [
        "cannot be reached",
        "Connected to Kafka again",
        "The job waits for the broker",
        "The job waits for the database",
        "The database is back",
    ] {
        assert!(log.contains(line), "the log does not say `{line}`: {log}");
    }
    assert!(!log.contains("panicked"), "{log}");
}

/// Not ready, for a reason, and alive all the same.
fn refuses(console: Console, why: &str) {
    let (code, body) = console.get("/readyz");
    assert!(code == 503 && body.contains(why), "{code}: {body}");
    assert_eq!(console.get("/healthz").0, 200);
}

/// The earlier and the later half of a world's events, as folders, each with all profiles.
fn halves(world: &Path, stage: &Stage) -> [PathBuf; 2] {
    let folders = ["first", "second"].map(|name| stage.path(name));
    for folder in &folders {
        std::fs::create_dir(folder).expect("a folder");
        std::fs::copy(world.join("customers.jsonl"), folder.join("customers.jsonl"))
            .expect("profiles");
    }
    for name in ["transactions.jsonl", "interactions.jsonl"] {
        let text = std::fs::read_to_string(world.join(name)).expect("events");
        let middle =
            text.match_indices('\n').nth(EACH as usize / 2 - 1).expect("as many lines as events").0
                + 1;
        for (folder, half) in folders.iter().zip([&text[..middle], &text[middle..]]) {
            std::fs::write(folder.join(name), half).expect("half of the events");
        }
    }
    folders
}

#[test]
fn a_broker_that_never_comes_is_waited_for_and_named() {
    let stage = Stage::nowhere(ports::address(), ports::address());
    let started = Instant::now();
    let job = stage.start_with_log(&[]);
    let console = Console::of(&stage);
    let said = console.await_state("waiting_for_broker");
    assert!(said.contains(&stage.brokers), "{said}");
    assert_eq!(job.wait(), Some(1));
    let waited = started.elapsed();
    assert!((Duration::from_secs(29)..Duration::from_secs(60)).contains(&waited), "{waited:?}");
    let log = stage.log();
    let error = log.lines().last().expect("an error");
    assert!(
        error.starts_with(&format!("error: broker {} cannot be reached", stage.brokers))
            && error.contains("start it, or correct kafka.brokers"),
        "{log}"
    );
}

#[test]
fn a_start_that_waits_ends_when_it_is_told_to() {
    let stage = Stage::nowhere(ports::address(), ports::address());
    let job = stage.start_with_log(&[]);
    Console::of(&stage).await_state("waiting_for_broker");
    let told = Instant::now();
    job.drain();
    assert!(told.elapsed() < Duration::from_secs(5), "{:?}", told.elapsed());
}
