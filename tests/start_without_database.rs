//! A start without a database that is refused has changed nothing, beside a running instance and
//! without one; and what each message advises leads on.

use crate::services::rotten::{ROTTEN, Rotten};
use crate::services::sender::Sender;
use crate::services::{Stage, eventually, program};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A job with files of changes, of one partition a topic, which takes no checkpoint but when it is
/// drained.
struct Scene {
    stage: Stage,
    sender: Sender,
}

/// Every file below a folder.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// How often a fault is tried at most where the job commits an epoch of its own meanwhile.
const TRIES: usize = 5;

impl Scene {
    fn set(name: &str) -> Option<Scene> {
        let stage = Stage::set(name)?;
        let database = format!("[postgres]\nurl = \"{}\"\n", stage.url());
        let files = format!("[files]\ndir = \"{}\"\n", stage.path("files").display());
        let toml = stage
            .toml("")
            .replace(&database, &files)
            .replace("[checkpoint]\n", "[checkpoint]\ninterval = \"1h\"\n");
        std::fs::write(stage.config(), toml).expect("the configuration can be written");
        stage.sluice(&[
            "topics",
            "create",
            "--partitions",
            "1",
            stage.config().to_str().expect("UTF-8"),
        ]);
        let sender = Sender::plain(&stage);
        Some(Scene { stage, sender })
    }

    /// Sends a purchase, and waits until it is in a file.
    fn buy(&mut self, customer: i64) {
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
        eventually("it is committed", || self.has(customer));
    }

    /// Whether the files have a customer.
    fn has(&self, customer: i64) -> bool {
        let files =
            std::fs::read_dir(self.stage.path("files/campaign")).into_iter().flatten().flatten();
        let texts: String =
            files.filter_map(|file| std::fs::read_to_string(file.path()).ok()).collect();
        let row = format!("\"customer_id\":{customer},");
        texts.lines().any(|line| {
            line.starts_with("{\"table\":\"customer_features\",\"change\":\"insert\"")
                && line.contains(&row)
        })
    }

    /// Everything that a refused start must leave alone.
    fn state(&self) -> (Files, Files) {
        (files(&self.stage.path("checkpoints")), files(&self.stage.path("files")))
    }

    /// That of the newest checkpoint.
    fn manifest(&self) -> PathBuf {
        self.stage.manifests().into_iter().max().expect("a checkpoint")
    }

    fn journal(&self) -> PathBuf {
        self.stage.path("checkpoints/campaign/journal.log")
    }

    /// Starts with another configuration, which finds and leaves everything as it was; where a job
    /// runs, in the end, for it may commit an epoch meanwhile.
    fn refused(&self, wanted: &str, (from, to): (&str, &str), flags: &[&str]) {
        let path = self.edited((from, to));
        let unchanged = (0..TRIES).any(|_| {
            let before = self.state();
            let output = program()
                .arg("run")
                .arg(&path)
                .args(flags)
                .output()
                .expect("the program can be started");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                matches!(output.status.code(), Some(1..=4)) && said.contains(wanted),
                "{wanted}: {said}"
            );
            assert!(!said.contains("The journal is ready."), "it was taken over: {said}");
            self.state() == before
        });
        assert!(unchanged, "{wanted}: something has changed");
    }

    /// The configuration with one text in place of another.
    fn edited(&self, (from, to): (&str, &str)) -> PathBuf {
        let toml = std::fs::read_to_string(self.stage.config()).expect("the configuration");
        assert!(toml.contains(from), "{from} in {toml}");
        let path = self.stage.path("edited.toml");
        std::fs::write(&path, toml.replace(from, to)).expect("a configuration");
        path
    }
}

fn files(folder: &Path) -> Files {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            // One that is about to get its name may be gone again.
            match path.is_dir() {
                true => folders.push(path),
                false => drop(std::fs::read(&path).map(|content| found.insert(path, content))),
            }
        }
    }
    found
}

#[test]
fn a_refused_start_has_changed_nothing_and_its_advice_leads_on() {
    let Some(mut scene) = Scene::set("refused_journal") else { return };
    let nothing = ("[kafka]\n", "[kafka]\n");
    let decimals = ("[kafka]\n", "[input]\ndecimals = 3\n[kafka]\n");
    let dir = format!("[files]\ndir = \"{}\"\n", scene.stage.path("files").display());
    let job = scene.stage.start_reading(&[]);
    scene.buy(1);
    job.drain();
    let job = scene.stage.start_reading(&[]);
    scene.buy(2);
    scene.refused("input.decimals was 2 and is 3", decimals, &[]);
    scene.refused("files.dir, and now it is not set", (&dir, ""), &[]);
    scene.refused("has no topic", ("-rewards\"", "-nothing\""), &["--rebuild"]);
    scene.refused("runs already", nothing, &[]);
    scene.buy(3);
    job.drain();

    scene.refused("input.decimals was 2 and is 3", decimals, &[]);
    // A checkpoint that cannot be taken up is named, and what is before it leads to the same.
    for (customer, (said, rot)) in (4..).zip([ROTTEN[3], ROTTEN[8]]) {
        rot(&mut Rotten::of(&scene.manifest()));
        let job = scene.stage.start_reading(&[]);
        let log = scene.stage.log();
        assert!(
            log.contains("cannot be used, and the one before it is tried") && log.contains(said),
            "{log}"
        );
        scene.buy(customer);
        job.drain();
    }
    // One of another version of the program is not: with it the job would go on, or as is advised.
    let (manifest, sound) =
        (scene.manifest(), std::fs::read(scene.manifest()).expect("a manifest"));
    Rotten::of(&manifest).in_another_format();
    scene.refused("has format 99", nothing, &[]);
    std::fs::write(&manifest, sound).expect("it is as it was");
    scene.stage.start_reading(&[]).drain();
    Rotten::of(&scene.manifest()).in_another_format();
    scene.refused("with --rebuild", nothing, &[]);
    let job = scene.stage.start_reading(&["--rebuild"]);
    eventually("everything is made anew", || (1..=5).all(|customer| scene.has(customer)));
    job.drain();
    let (journal, sound) = (scene.journal(), std::fs::read(scene.journal()).expect("a journal"));
    let mut damaged = sound.clone();
    damaged[sound.len() / 2] ^= 1;
    std::fs::write(&journal, damaged).expect("it is damaged");
    scene.refused("is damaged from byte", nothing, &[]);
    // As the message advises: it and the files are moved away, and everything is made anew.
    std::fs::rename(&journal, scene.stage.path("former.log")).expect("it is moved");
    std::fs::rename(scene.stage.path("files"), scene.stage.path("former")).expect("they are moved");
    let job = scene.stage.start_reading(&[]);
    eventually("everything is made anew", || (1..=3).all(|customer| scene.has(customer)));
    job.drain();
    do_without_files(&mut scene);

    // What cannot be taken over is made anew.
    scene.refused("with --rebuild; --reconfigure cannot take it over", decimals, &[]);
    scene.refused("from the topics with --rebuild", decimals, &["--reconfigure"]);
    std::fs::rename(scene.edited(decimals), scene.stage.config()).expect("a configuration");
    let job = scene.stage.start_reading(&["--rebuild"]);
    eventually("everything is made anew", || (1..=3).all(|customer| scene.has(customer)));
    job.drain();
    forget_a_topic(&mut scene);
}

/// Without files, everything is made anew without them, as is said; and with them again.
fn do_without_files(scene: &mut Scene) {
    let nothing = ("[kafka]\n", "[kafka]\n");
    let dir = format!("[files]\ndir = \"{}\"\n", scene.stage.path("files").display());
    let toml = std::fs::read_to_string(scene.stage.config()).expect("the configuration");
    scene.refused("with --rebuild", (&dir, ""), &[]);
    std::fs::write(scene.stage.config(), toml.replace(&dir, "")).expect("a configuration");
    let job = scene.stage.start_reading(&["--rebuild"]);
    job.drain();
    std::fs::write(scene.stage.config(), toml).expect("a configuration");
    scene.refused("without files.dir, and now it is set", nothing, &[]);
    std::fs::rename(scene.stage.path("files"), scene.stage.path("former-too"))
        .expect("they are moved");
    let job = scene.stage.start_reading(&["--rebuild"]);
    eventually("everything is made anew", || (1..=3).all(|customer| scene.has(customer)));
    job.drain();
}

/// Of a topic that is not configured any more nothing can be repeated.
fn forget_a_topic(scene: &mut Scene) {
    let other = ("-transactions\"", "-others\"");
    scene.stage.sluice(&[
        "topics",
        "create",
        "--partitions",
        "1",
        scene.edited(other).to_str().expect("UTF-8"),
    ]);
    scene.refused("which is not configured. Configure the job as before", other, &[]);
    scene.stage.start_reading(&[]).drain();
    std::fs::rename(scene.edited(other), scene.stage.config()).expect("a configuration");
    scene.stage.start_reading(&["--rebuild"]).drain();
}
