//! A start that is refused has changed nothing: database and checkpoints are as before, byte for
//! byte, and the instance that has the job goes on. And what a refusal advises works.

mod faults;

use crate::services::dump::dump;
use crate::services::rotten::{ROTTEN, Rotten};
use crate::services::sender::Sender;
use crate::services::{Job, Stage, eventually, files_below, program, text, topics};
use faults::{FAULTS, Fault, LATEST, REBUILD, UNDO, fault};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// One job with purchases of a customer each, each in an epoch of its own.
struct Scene {
    stage: Stage,
    sender: Sender,
}

/// The lock that every instance takes in the database before it takes a job over.
const TAKE_OVER: i64 = 0x73_6c75_6963_6500;

/// How often a fault is tried at most where the job commits an epoch of its own meanwhile, as when
/// its topics have become idle.
const TRIES: usize = 5;

impl Scene {
    fn set(name: &str) -> Option<Scene> {
        let stage = Stage::set(name)?;
        let toml = stage.toml("").replace("[checkpoint]\n", "[checkpoint]\ninterval = \"1h\"\n");
        std::fs::write(stage.config(), toml).expect("the configuration can be written");
        stage.sluice(&["topics", "create", "--partitions", "1", text(&stage.config())]);
        let sender = Sender::plain(&stage);
        Some(Scene { stage, sender })
    }

    /// Sends purchases, and waits until each is committed and whatever it owes is published.
    fn buy(&mut self, customers: RangeInclusive<i64>) {
        for customer in customers {
            let value = json!({
                "transaction_id": format!("t{customer}"), "customer_id": customer,
                "timestamp": "2024-03-01T10:00:00Z", "amount": 5,
            });
            self.sender.send(
                &self.stage.topic("transactions"),
                0,
                Some(b"c"),
                Some(value.to_string().as_bytes()),
                0,
            );
            self.sender.flush();
            self.stage.wait_for(
                &format!(
                    "SELECT count(*) FROM sluice.customer_features WHERE customer_id = {customer}"
                ),
                1,
            );
        }
        // All are of one instant: once there is a watermark it moves no more, and no further epoch
        // comes by itself.
        let quiet = "SELECT (p.published = p.epoch AND e.watermark IS NOT NULL)::int FROM \
            sluice.progress p JOIN sluice.epochs e USING (job, epoch)";
        self.stage.wait_for(quiet, 1);
    }

    /// Retention takes the purchases before an offset.
    fn trim(&self, low: i64) {
        topics::trim(&self.stage.brokers, &self.stage.topic("transactions"), 0, low);
    }

    /// Starts another instance with something wrong, which finds and leaves everything as it was.
    fn refused(&self, fault: &Fault) {
        let Fault { said: wanted, edits, flags, sql } = fault;
        let mut database = self.stage.database();
        database
            .batch_execute(&format!("SET search_path = sluice; {sql}"))
            .expect("the fault is made");
        let toml = std::fs::read_to_string(self.stage.config()).expect("the configuration");
        let edited = edits.iter().fold(toml, |toml, (from, to)| {
            assert!(toml.contains(from), "{from} in {toml}");
            toml.replace(from, to)
        });
        let path = self.stage.path("refused.toml");
        std::fs::write(&path, edited).expect("a configuration");
        let mut tries = 0;
        loop {
            let (standing, before) = (self.standing(), self.state());
            let (code, said) = self.ended(&path, flags);
            assert!(
                matches!(code, Some(1 | 2 | 4)) && said.contains(wanted),
                "{wanted}: {code:?} {said}"
            );
            assert!(
                !said.contains("The database is ready.") && !said.contains("The journal is ready."),
                "it was taken over: {said}"
            );
            let after = self.state();
            if before == after {
                break;
            }
            tries += 1;
            let has_moved = self.standing() != standing;
            assert!(has_moved && tries < TRIES, "{wanted}: {said}\n{}\n{}", before.0, after.0);
        }
        database
            .batch_execute(if sql.is_empty() { "" } else { UNDO })
            .expect("the fault is undone");
    }

    /// Runs the program to its end; gives its exit code and what it said.
    fn ended(&self, config: &Path, flags: &[&str]) -> (Option<i32>, String) {
        let path = self.stage.path("refused.log");
        let log = File::create(&path).expect("a log");
        let mut command = program();
        command.arg("run").arg(config).args(flags).stdout(Stdio::null()).stderr(log);
        let code = Job(command.spawn().expect("the program can be started")).wait();
        (code, std::fs::read_to_string(path).expect("there is a log"))
    }

    /// Starts another instance, and holds it between its survey and the step in which it takes the
    /// job over, until `meanwhile` is done; nothing where it did not come so far.
    fn held(
        &mut self,
        config: &Path,
        flags: &[&str],
        meanwhile: impl FnOnce(&mut Scene),
    ) -> Option<Job> {
        let mut holder = self.stage.database();
        holder.batch_execute(&format!("SELECT pg_advisory_lock({TAKE_OVER})")).expect("it is held");
        let log = File::create(self.stage.path("held.log")).expect("a log");
        let mut command = program();
        command.arg("run").arg(config).args(flags).stdout(Stdio::null()).stderr(log);
        let mut other = Job(command.spawn().expect("the program can be started"));
        let waiting = "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = \
            l.database
                       WHERE d.datname = current_database() AND locktype = 'advisory' AND NOT \
                       granted)";
        let mut has_ended = false;
        eventually("it is about to take the job over", || {
            has_ended = other.0.try_wait().expect("it can be waited for").is_some();
            has_ended || holder.query_one(waiting, &[]).expect("locks").get(0)
        });
        if has_ended {
            return None;
        }
        meanwhile(self);
        holder
            .batch_execute(&format!("SELECT pg_advisory_unlock({TAKE_OVER})"))
            .expect("it is let go");
        Some(other)
    }

    fn held_log(&self) -> String {
        std::fs::read_to_string(self.stage.path("held.log")).expect("there is a log")
    }

    /// That of the newest checkpoint, which is the only one from then on: the job may have taken
    /// another one meanwhile.
    fn manifest(&self) -> PathBuf {
        let newest = self.stage.manifests().into_iter().max().expect("a checkpoint");
        self.stage
            .manifests()
            .iter()
            .filter(|manifest| **manifest != newest)
            .for_each(|older| std::fs::remove_file(older).expect("it goes"));
        newest
    }

    /// What the running job moves, and no other: its incarnation is part of it.
    fn standing(&self) -> String {
        let query =
            "SELECT concat_ws(' ', epoch, published) FROM sluice.progress WHERE incarnation = 2";
        self.stage.database().query_one(query, &[]).expect("it is the second instance's").get(0)
    }

    /// Everything that a refused start must leave alone.
    fn state(&self) -> (String, BTreeMap<PathBuf, Vec<u8>>) {
        (dump(&mut self.stage.database(), "sluice"), files_below(&self.stage.path("checkpoints")))
    }
}

#[test]
fn a_refused_start_has_changed_nothing_and_disturbed_nobody() {
    let Some(mut scene) = Scene::set("refused") else { return };
    let job = scene.stage.start_reading(&[]);
    scene.buy(1..=3);
    job.drain();
    let job = scene.stage.start_reading(&[]);
    scene.buy(4..=5);
    let aside = ["progress", "epochs", "applied_settings", "refinery_schema_history"]
        .map(|table| format!("CREATE TABLE aside.{table} AS TABLE sluice.{table};"));
    scene
        .stage
        .database()
        .batch_execute(&format!("CREATE SCHEMA aside; {}", aside.concat()))
        .expect("a copy");
    // No folder can be made in a file.
    std::fs::write(scene.stage.path("sluice.toml.d"), "a file").expect("a file");
    FAULTS.iter().for_each(|fault| scene.refused(fault));

    let (manifest, sound) =
        (scene.manifest(), std::fs::read(scene.manifest()).expect("a manifest"));
    Rotten::of(&manifest).in_another_format();
    scene.refused(&fault("has format 99", &[], &[], ""));
    std::fs::write(&manifest, &sound).expect("as it was");
    // From here on not everything can be made anew.
    scene.trim(4);
    for (said, rot) in ROTTEN {
        let files = files_below(&scene.stage.path("checkpoints"));
        rot(&mut Rotten::of(&manifest));
        scene.refused(&fault(said, &[], &[], ""));
        files.iter().for_each(|(path, content)| std::fs::write(path, content).expect("as it was"));
    }
    std::fs::write(&manifest, vec![0; sound.len()]).expect("nothing of it is left");
    scene.refused(&fault("starts at offset 4, but offset 0 is wanted", &[], &[], ""));
    scene.refused(&fault("--rebuild --accept-loss", &[], &[], ""));
    scene.refused(&fault("starts at offset 4, but offset 0 is wanted", &[], REBUILD, ""));
    std::fs::write(&manifest, sound).expect("as it was");

    scene.buy(6..=6);
    job.drain();
    let job = scene.stage.start_reading(&[]);
    scene.buy(7..=7);
    job.kill();
    let job = scene.stage.start_reading(&["--rebuild", "--accept-loss"]);
    scene.stage.wait_for(
        "SELECT (min(customer_id) > 1 AND max(customer_id) = 7)::int FROM sluice.customer_features",
        1,
    );
    job.kill();
    // Without a checkpoint it begins where it has begun anew.
    let job = scene.stage.start_reading(&[]);
    scene.buy(8..=8);
    job.drain();
    scene.stage.sluice(&["verify", text(&scene.stage.config())]);
    begin_as_configured(&mut scene);
}

/// Where nothing says where it began it begins, as is advised, where the configuration says.
fn begin_as_configured(scene: &mut Scene) {
    std::fs::remove_dir_all(scene.stage.path("checkpoints")).expect("there are checkpoints");
    scene
        .stage
        .database()
        .batch_execute("UPDATE sluice.progress SET starts = NULL")
        .expect("a change");
    let toml = std::fs::read_to_string(scene.stage.config()).expect("the configuration");
    std::fs::write(scene.stage.config(), toml.replace(LATEST.0, LATEST.1))
        .expect("a configuration");
    let (code, said) = scene.ended(&scene.stage.config(), &[]);
    assert!(
        code == Some(1)
            && said.contains("neither a checkpoint nor a record")
            && said.contains("with --rebuild --accept-loss"),
        "{code:?} {said}"
    );
    let job = scene.stage.start_reading(&["--rebuild", "--accept-loss"]);
    scene.buy(9..=9);
    scene.stage.wait_for("SELECT min(customer_id) FROM sluice.customer_features", 9);
    job.drain();
}

#[test]
fn what_moves_between_the_survey_and_the_take_over_is_settled_before_anybody_is_fenced_off() {
    let Some(mut scene) = Scene::set("moved") else { return };
    let other = scene.stage.path("other.toml");
    let toml = std::fs::read_to_string(scene.stage.config()).expect("the configuration");
    std::fs::write(&other, toml.replace("[epoch]\n", "[epoch]\nlateness = \"2h\"\n"))
        .expect("a configuration");
    let mut job = scene.stage.start_reading(&[]);
    scene.buy(1..=3);
    let (mut starts, mut held) = (1, None);
    while held.is_none() {
        // Its drain leaves a checkpoint of the last epoch, from which the settings could be taken
        // over unless another one is committed, as when its topics have become idle.
        job.drain();
        job = scene.stage.start_reading(&[]);
        starts += 1;
        assert!(starts < TRIES, "{}", scene.held_log());
        held = scene.held(&other, &["--reconfigure"], |scene| scene.buy(4..=4));
    }
    let code = held.and_then(Job::wait);
    let log = scene.held_log();
    assert!(
        code == Some(4)
            && log.contains("--reconfigure goes on from a checkpoint of the last epoch"),
        "{code:?} {log}"
    );
    scene.buy(5..=5);
    let incarnation: i64 = scene
        .stage
        .database()
        .query_one("SELECT incarnation FROM sluice.progress", &[])
        .expect("progress")
        .get(0);
    assert_eq!(incarnation, starts as i64, "the job was not taken over");

    // What keeps nobody from going on is gone on from.
    let mut next = scene
        .held(&scene.stage.config(), &[], |scene| scene.buy(6..=6))
        .expect("nothing speaks against it");
    eventually("the job is taken over", || {
        assert!(next.0.try_wait().expect("it can be waited for").is_none(), "{}", scene.held_log());
        scene.held_log().contains("The job begins to read.")
    });
    scene.buy(7..=7);
    assert_eq!(job.wait(), Some(3), "the former instance is fenced off");
    next.drain();
    scene.stage.sluice(&["verify", text(&scene.stage.config())]);
    // As the first one was advised: it was stopped in order with the former configuration.
    std::fs::copy(&other, scene.stage.config()).expect("a configuration");
    let last: i64 = scene
        .stage
        .database()
        .query_one("SELECT epoch FROM sluice.progress", &[])
        .expect("progress")
        .get(0);
    let job = scene.stage.start_reading(&["--reconfigure"]);
    scene.stage.wait_for(&format!("SELECT (epoch > {last})::int FROM sluice.progress"), 1);
    job.drain();
    scene.stage.sluice(&["verify", text(&scene.stage.config())]);
}

#[test]
fn checkpoints_of_a_database_that_is_lost_leave_an_empty_one_empty() {
    let Some(mut scene) = Scene::set("lost_database") else { return };
    let job = scene.stage.start_reading(&[]);
    scene.buy(1..=2);
    job.drain();
    // As of a version that did not write whose they are.
    let history = scene.stage.histories().pop().expect("a history");
    for folder in std::fs::read_dir(&history).expect("its files") {
        let folder = folder.expect("an entry").path();
        std::fs::rename(&folder, history.with_file_name(folder.file_name().expect("a name")))
            .expect("it can be moved");
    }
    scene.stage.database().batch_execute("DROP SCHEMA sluice CASCADE").expect("it is gone");
    let (folder, before) =
        (scene.stage.path("checkpoints"), files_below(&scene.stage.path("checkpoints")));
    let refused = |exit: i32, said: &str, flags: &[&str]| {
        let (code, told) = scene.ended(&scene.stage.config(), flags);
        assert!(code == Some(exit) && told.contains(said), "{said}: {code:?} {told}");
        let schemas = scene
            .stage
            .database()
            .query_one("SELECT count(*) FROM pg_namespace WHERE nspname = 'sluice'", &[])
            .expect("schemas");
        assert_eq!((schemas.get::<_, i64>(0), files_below(&folder) == before), (0, true), "{said}");
    };
    refused(4, "no progress of it is recorded", &[]);
    scene.trim(1);
    refused(1, "starts at offset 1, but offset 0 is wanted", REBUILD);
    let job = scene.stage.start_reading(&["--rebuild", "--accept-loss"]);
    scene.stage.wait_for("SELECT min(customer_id) FROM sluice.customer_features", 2);
    job.drain();
}
