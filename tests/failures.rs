//! A job that cannot go on says why, whatever it was doing: the exit code is 1, the first cause is
//! told once, and `/readyz` has it as long as the process is there. What each error says is in the
//! table beside `src/engine/ending.rs`; here the program itself is led into some of them while it
//! starts, repeats, runs and drains.

mod checkpoints;
mod retention;
mod room;

use crate::services::console::Console;
use crate::services::sender::Sender;
use crate::services::verifying::{verified, verify};
use crate::services::{Job, Stage, eventually, ports, program, topics};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use std::process::Stdio;
use tokio::runtime::Runtime;

/// One test's job, which takes no checkpoint before its end.
struct Scene {
    stage: Stage,
    sender: Sender,
    sent: i64,
    /// Where the purchases go.
    partition: i32,
}

impl Scene {
    fn set(name: &str) -> Option<Scene> {
        let stage = Stage::set(name)?;
        Scene::configure(&stage, "");
        stage.sluice(&[
            "topics",
            "create",
            "--partitions",
            "1",
            stage.config().to_str().expect("UTF-8"),
        ]);
        let sender = Sender::new(&stage, 4);
        Some(Scene { stage, sender, sent: 0, partition: 0 })
    }

    /// Without a database: a journal, and nothing else.
    fn without_database(&self) {
        let toml = std::fs::read_to_string(self.stage.config()).expect("the configuration");
        let database = format!("[postgres]\nurl = \"{}\"\n", self.stage.url());
        assert!(toml.contains(&database));
        std::fs::write(self.stage.config(), toml.replace(&database, ""))
            .expect("the configuration can be written");
    }

    fn configure(stage: &Stage, more: &str) {
        let toml = stage.toml(more).replace("[checkpoint]\n", "[checkpoint]\ninterval = \"1h\"\n");
        std::fs::write(stage.config(), toml).expect("the configuration can be written");
    }

    /// Purchases of one customer, each with an interaction two hours later: one pair a day, so that
    /// all before the last are settled.
    fn send(&mut self, records: i64) {
        for _ in 0..records {
            self.sent += 1;
            let (at, day) = (self.sent, format!("2024-03-{:02}", self.sent));
            let purchase = format!(
                "{{\"transaction_id\":\"t{at}\",\"customer_id\":1,\
                \"timestamp\":\"{day}T10:00:00Z\",\"amount\":5,\"product_category\":\"Travel\"}}"
            );
            let interaction = format!(
                "{{\"interaction_id\":\"i{at}\",\"customer_id\":1,\
                \"timestamp\":\"{day}T12:00:00Z\",\"action\":1,\"reward\":1}}"
            );
            for (topic, partition, value) in
                [("transactions", self.partition, purchase), ("interactions", 0, interaction)]
            {
                self.sender.send(
                    &self.stage.topic(topic),
                    partition,
                    Some(b"1"),
                    Some(value.as_bytes()),
                    1_709_251_200_000 + at * 86_400_000,
                );
            }
        }
        self.sender.flush();
    }

    fn start(&self, more: &[&str]) -> Job {
        let job = self.stage.start_with_log(more);
        eventually("the job reads", || self.stage.log().contains("The job begins to read."));
        job
    }

    /// Waits until the console shows that everything is committed.
    fn settle(&self) {
        let console = Console::of(&self.stage);
        eventually("everything is committed", || {
            let status: serde_json::Value =
                serde_json::from_str(&console.get("/status").1).expect("JSON");
            status["counts"]["transactions"].as_i64() == Some(self.sent)
                && status["counts"]["interactions"].as_i64() == Some(self.sent)
        });
    }

    /// Sends, commits and kills: with no checkpoint everything has to be repeated.
    fn crash(&mut self, records: i64) {
        let job = self.start(&[]);
        self.send(records);
        self.settle();
        job.kill();
    }

    /// The job ends by itself, with this exit code and cause.
    fn fails(&self, job: Job, code: i32, cause: &str) {
        assert_eq!(job.wait(), Some(code), "{}", self.stage.log());
        told(&self.stage.log(), cause);
    }

    /// For what is asked of the broker.
    fn broker(&self) -> (AdminClient<DefaultClientContext>, Runtime) {
        let admin = ClientConfig::new()
            .set("bootstrap.servers", &self.stage.brokers)
            .create()
            .expect("a client");
        (
            admin,
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"),
        )
    }
}

/// The log says once why the job cannot go on, as an error, and the program says it at its end.
fn told(log: &str, cause: &str) {
    let causes: Vec<&str> =
        log.lines().filter(|line| line.contains("The job cannot go on: ")).collect();
    assert!(
        causes.len() == 1 && causes[0].contains("ERROR") && causes[0].contains(cause),
        "{cause}: {log}"
    );
    assert!(
        log.lines().any(|line| line.starts_with("error: ") && line.contains(cause)),
        "{cause}: {log}"
    );
}

const OTHER_TERMS: &str = "[context]\nterms = [\"intercept\"]\n";

#[test]
fn epochs_that_come_out_differently_are_said_and_nothing_is_committed_after_them() {
    let Some(mut scene) = Scene::set("differs") else { return };
    scene.crash(5);
    // As of a version that did not record the settings, or the start itself would be refused.
    scene.stage.database().batch_execute("DELETE FROM sluice.applied_settings").expect("they go");
    Scene::configure(&scene.stage, OTHER_TERMS);
    // There is more to read after what is repeated.
    scene.send(5);
    scene.fails(scene.stage.start_with_log(&[]), 4, "was committed with the model digest");
    let count = "SELECT (sum((counts->>'transactions')::bigint))::bigint FROM sluice.epochs";
    let committed: i64 = scene.stage.database().query_one(count, &[]).expect("the epochs").get(0);
    assert_eq!(committed, 5);
    // As the message advises.
    let anew = |scene: &Scene| {
        let job = scene.start(&["--rebuild"]);
        scene.settle();
        job.drain();
    };
    anew(&scene);
    // So it is with a checkpoint of other settings; or they are configured as before.
    let forget = |scene: &Scene, more: &str| {
        scene
            .stage
            .database()
            .batch_execute("DELETE FROM sluice.applied_settings")
            .expect("they go");
        Scene::configure(&scene.stage, more);
    };
    forget(&scene, "");
    scene.fails(scene.stage.start_with_log(&[]), 4, "was written with another configuration");
    Scene::configure(&scene.stage, OTHER_TERMS);
    scene.start(&[]).drain();
    forget(&scene, "");
    anew(&scene);
}

#[test]
fn a_database_that_refuses_ends_a_running_job_and_a_draining_one() {
    let Some(mut scene) = Scene::set("refuses") else { return };
    let job = scene.start(&[]);
    scene.send(3);
    scene.settle();
    let row = "CREATE TABLE kept AS TABLE sluice.progress; DELETE FROM sluice.progress";
    scene.stage.database().batch_execute(row).expect("the row goes");
    scene.send(1);
    scene.fails(job, 4, "table progress has no row of job");
    // The same once it was asked to drain: the last commit waits, and is refused then.
    scene
        .stage
        .database()
        .batch_execute("INSERT INTO sluice.progress TABLE kept")
        .expect("the row is back");
    let job = scene.start(&[]);
    scene.settle();
    let mut database = scene.stage.database();
    let mut holding = database.transaction().expect("a transaction");
    holding.batch_execute("LOCK TABLE sluice.progress").expect("it is locked");
    scene.send(1);
    job.terminate();
    eventually("it drains", || scene.stage.log().contains("Draining"));
    holding.batch_execute("DELETE FROM sluice.progress").expect("the row goes");
    holding.commit().expect("it is unlocked");
    scene.fails(job, 4, "table progress has no row of job");
    // What each message advises leads to the next one, and on.
    let (code, said) = verify(&scene.stage.config(), &[]);
    assert!(
        code == Some(1)
            && said.as_str().is_some_and(
                |said| said.contains("has no job") && said.contains("start the job once")
            ),
        "{said}"
    );
    scene.fails(
        scene.stage.start_with_log(&[]),
        4,
        "of another history of the job than its progress; restore all",
    );
    let job = scene.start(&["--rebuild"]);
    scene.settle();
    job.drain();
    verified(&scene.stage.config(), &[]);
}

/// Whether a running job is told to stand still for this cause, as a number and in a sentence with
/// all of these.
fn stalls(console: Console, cause: &str, sentence: &[&str]) -> bool {
    let metrics = console.get("/metrics").1;
    let (code, body) = console.get("/readyz");
    let numbers = metrics.contains(&format!("\nsluice_stalled{{cause=\"{cause}\"}} 1\n"))
        && metrics.contains("\nsluice_stalled{cause=\"unknown\"} 0\n");
    numbers && code == 503 && sentence.iter().all(|part| body.contains(part))
}

#[test]
fn a_lock_that_somebody_holds_is_told_with_its_holder_and_a_time_limit_as_such() {
    let Some(mut scene) = Scene::set("locked") else { return };
    for (limits, cause, sentence) in [
        ("", "database_lock", "customer_features that epoch"),
        ("statement_timeout = \"1s\"\nlock_timeout = \"\"\n", "database_slow", "statement timeout"),
    ] {
        let toml = std::fs::read_to_string(scene.stage.config()).expect("the configuration");
        std::fs::write(
            scene.stage.config(),
            toml.replace("[postgres]\n", &format!("[postgres]\n{limits}")),
        )
        .expect("it can be written");
        let job = scene.start(&[]);
        scene.send(1);
        scene.settle();
        let console = Console::of(&scene.stage);
        eventually("it keeps up", || console.get("/readyz") == (200, "ready\n".to_string()));
        let mut holder = scene.stage.database();
        let session =
            holder.query_one("SELECT pg_backend_pid()", &[]).expect("its number").get::<_, i32>(0);
        let mut holding = holder.transaction().expect("a transaction");
        holding.batch_execute("LOCK TABLE sluice.customer_features").expect("it is locked");
        scene.send(1);
        let holder = if limits.is_empty() { format!("session {session} (") } else { String::new() };
        eventually(cause, || stalls(console, cause, &[sentence, &holder, scene.stage.server()]));
        eventually("the log says it", || scene.stage.log().contains(&format!("cause=\"{cause}\"")));
        holding.commit().expect("it is unlocked");
        scene.settle();
        eventually("it keeps up again", || console.get("/readyz") == (200, "ready\n".to_string()));
        job.drain();
    }
}

#[test]
fn a_topic_that_is_deleted_ends_the_job_and_readyz_says_so() {
    let Some(mut scene) = Scene::set("deleted") else { return };
    let job = scene.start(&[]);
    scene.send(3);
    scene.settle();
    // An epoch that cannot be committed keeps the process for a while.
    let mut database = scene.stage.database();
    let mut holding = database.transaction().expect("a transaction");
    holding.batch_execute("LOCK TABLE sluice.progress").expect("it is locked");
    let console = Console::of(&scene.stage);
    scene.send(1);
    let topic = scene.stage.topic("rewards");
    let (admin, runtime) = scene.broker();
    runtime.block_on(admin.delete_topics(&[&topic], &AdminOptions::new())).expect("the topic goes");
    eventually("it has failed", || scene.stage.log().contains("The job cannot go on"));
    let (code, body) = console.get("/readyz");
    assert!(
        code == 503 && body.contains("the job has failed: ") && body.contains(&topic),
        "{code} {body}"
    );
    drop(holding);
    scene.fails(job, 1, &topic);
}

/// One process of two, with a log of its own.
fn process(stage: &Stage, number: &str) -> Job {
    let log = std::fs::File::create(stage.path(&format!("{number}.log"))).expect("a log");
    let mut command = crate::services::program();
    command
        .arg("run")
        .arg(stage.config())
        .args(["--processes", "2", "--process", number, "--hostfile"])
        .arg(stage.path("hosts"));
    Job(command.stdout(Stdio::null()).stderr(log).spawn().expect("the program can be started"))
}

/// Both processes of a job, once they have committed what was sent.
fn pair(scene: &mut Scene, incarnation: i64) -> [Job; 2] {
    std::fs::write(scene.stage.path("hosts"), ports::hostfile(2))
        .expect("the hostfile can be written");
    let both = ["0", "1"].map(|number| process(&scene.stage, number));
    scene.stage.wait_for("SELECT incarnation FROM sluice.progress", incarnation);
    scene.send(1);
    scene.stage.wait_for(
        "SELECT (sum((counts->>'transactions')::bigint))::bigint FROM sluice.epochs",
        scene.sent,
    );
    both
}

#[test]
fn of_two_processes_the_one_that_did_not_fail_says_what_it_knows() {
    let Some(mut scene) = Scene::set("pair") else { return };
    let log = |stage: &Stage, number: &str| {
        std::fs::read_to_string(stage.path(&format!("{number}.log"))).expect("a log")
    };
    let [first, second] = pair(&mut scene, 1);
    // One that is stopped says nothing, and keeps its connections: the other one tells.
    let [own, other] = ["0", "1"].map(|number| Console::logged(|| log(&scene.stage, number)));
    for (stopped, number, told) in [(&second, "1", own), (&first, "0", other)] {
        eventually("both are heard of", || {
            !told.get("/metrics").1.contains("\nsluice_stalled{cause=\"peer\"} 1\n")
        });
        stopped.signal("STOP");
        let process = format!("process {number} of 2");
        eventually(&process, || {
            stalls(told, "peer", &["another process of the job gives no sign of life", &process])
        });
        stopped.signal("CONT");
        eventually("it is over", || {
            told.get("/metrics").1.contains("\nsluice_stalled{cause=\"peer\"} 0\n")
        });
    }
    scene.send(1);
    scene.stage.wait_for(
        "SELECT (sum((counts->>'transactions')::bigint))::bigint FROM sluice.epochs",
        scene.sent,
    );
    second.kill();
    assert_eq!(first.wait(), Some(1), "{}", log(&scene.stage, "0"));
    told(&log(&scene.stage, "0"), "the connection to another process of the job is lost");
    // The first one fails in order: the other hears of it with the last epoch.
    let [first, second] = pair(&mut scene, 2);
    scene.stage.database().batch_execute("DELETE FROM sluice.progress").expect("the row goes");
    scene.send(1);
    assert_eq!(
        (first.wait(), second.wait()),
        (Some(4), Some(1)),
        "{}\n{}",
        log(&scene.stage, "0"),
        log(&scene.stage, "1")
    );
    told(&log(&scene.stage, "0"), "table progress has no row of job");
    told(&log(&scene.stage, "1"), "another process of the job");
}
