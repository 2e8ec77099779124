//! The long-running job without a database: progress in a journal beside the checkpoints, and the
//! changes of each epoch in a file, or nowhere. Killed again and again, it is given every kind of
//! trouble; in the end the files must come to what a replay of the topics gives.

use crate::services::topics::read_all;
use crate::services::{Job, Stage, eventually, field, program, text};
use crate::trial::Producer;
use crate::trial::layout::{Layout, log};
use crate::trial::population::Population;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

/// Digits of checksum and length before the JSON of a journal's line, with a space behind each.
const HEAD: usize = 18;

/// A table's rows by their keys.
type Rows = BTreeMap<String, Map<String, Value>>;

/// A job without a database.
struct Scene {
    stage: Stage,
    population: Population,
    producer: Producer,
    rounds: usize,
    files: bool,
}

impl Scene {
    /// With files of changes or without; `None` where there are no services.
    fn set(name: &str, seed: u64, files: bool) -> Option<Scene> {
        let stage = Stage::set(name)?;
        let database = format!("[postgres]\nurl = \"{}\"\n", stage.url());
        let own = if files {
            format!("[files]\ndir = \"{}\"\n", stage.path("files").display())
        } else {
            String::new()
        };
        let toml = stage.saving_toml("max_events = 60\n").replace("200ms", "50ms");
        assert!(toml.contains(&database));
        std::fs::write(stage.config(), toml.replace(&database, &own))
            .expect("the configuration can be written");
        stage.sluice(&["topics", "create", text(&stage.config())]);
        let producer = Producer::new(&stage);
        Some(Scene { stage, population: Population::new(seed), producer, rounds: 0, files })
    }

    /// Sends records plainly, in a transaction with an aborted one behind it, or behind one that is
    /// open for so long; in turn.
    fn send(&mut self, records: usize) {
        let Scene { stage, population, producer, rounds, .. } = self;
        producer.end_open();
        *rounds += 1;
        let records = [
            population.mixed(records),
            population.late(10),
            population.replacements(10),
            population.retractions(5),
        ]
        .concat();
        match *rounds % 3 {
            0 => producer.send(stage, &records),
            1 => {
                producer.commit(stage, &records);
                producer.abort(stage, &population.unseen(8));
            }
            _ => {
                producer.open(stage, &population.unseen(8), false);
                producer.send(stage, &records);
                producer.flush();
                producer.end_open();
            }
        }
        producer.send(stage, &population.bad(3));
        producer.flush();
    }

    /// Starts the job, and waits until it has taken over.
    fn start(&self, workers: &str) -> Job {
        self.stage.start_reading(&["--workers", workers])
    }

    fn journal(&self) -> PathBuf {
        self.stage.path("checkpoints/campaign/journal.log")
    }

    /// The whole lines of the journal.
    fn records(&self) -> Vec<Value> {
        let content = std::fs::read(self.journal()).unwrap_or_default();
        let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines = content[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(&line[HEAD..]).expect("JSON")).collect()
    }

    /// The committed epochs that the journal has.
    fn epochs(&self) -> Vec<Value> {
        self.records().into_iter().filter_map(|record| record.get("epoch").cloned()).collect()
    }

    /// The last committed epoch; 0 for none.
    fn last(&self) -> u64 {
        self.epochs().last().map_or(0, |epoch| epoch["epoch"].as_u64().expect("a number"))
    }

    /// Whether everything that can be read is committed.
    fn is_read(&self) -> bool {
        let epochs = self.epochs();
        let offsets = epochs.last().and_then(|epoch| epoch["offsets"].as_object());
        let next = |(topic, next): (&String, &Value)| {
            let next = next.as_object().expect("partitions").iter();
            let next = next.map(|(partition, next)| {
                (partition.parse().expect("a number"), next.as_i64().expect("an offset"))
            });
            next.map(|(partition, next)| ((topic.clone(), partition), next)).collect::<Vec<_>>()
        };
        self.producer.is_read(&offsets.into_iter().flatten().flat_map(next).collect())
    }

    fn await_all(&self) {
        eventually("everything is committed", || self.is_read());
    }

    /// Waits until what was committed is published too: nothing more is written then until records
    /// come.
    fn await_rest(&self) {
        eventually("everything is published", || {
            self.records().iter().filter_map(|record| record["published"].as_u64()).max()
                == Some(self.last())
        });
    }

    fn incarnation(&self) -> i64 {
        let starts: Vec<Value> =
            self.records().into_iter().filter_map(|record| record.get("start").cloned()).collect();
        starts.last().and_then(|start| start["incarnation"].as_i64()).unwrap_or(0)
    }

    fn file(&self, epoch: u64) -> PathBuf {
        self.stage.path("files/campaign").join(format!("{epoch:020}.jsonl"))
    }

    /// Sends records until there is a checkpoint of an epoch after this one.
    fn await_checkpoint(&mut self, after: u64) {
        while self.stage.checkpoints().into_iter().max() <= Some(after) {
            self.send(20);
            self.await_all();
        }
    }

    /// Sends records, and kills the job when at least one epoch of them is committed and at least
    /// some are not: these come while it is stopped.
    fn kill_within(&mut self, job: Job) {
        let before = self.last();
        self.send(400);
        eventually("an epoch is committed", || self.last() > before);
        signal(&job, "-STOP");
        self.send(100);
        // A transaction is open when it is killed.
        self.producer.open(&self.stage, &self.population.unseen(8), false);
        assert!(!self.is_read());
        job.kill();
    }

    /// Makes the journal longer than any other file that the job writes.
    fn pad(&self) {
        let json = format!("{{\"published\":0{}}}", " ".repeat(4 << 20));
        let checked = format!("{:08x} {json}", json.len());
        let line = format!("{:08x} {checked}\n", crc32fast::hash(checked.as_bytes()));
        let mut journal =
            std::fs::OpenOptions::new().append(true).open(self.journal()).expect("a journal");
        journal.write_all(line.as_bytes()).expect("a line can be written");
    }

    /// Has the job killed when the file of an epoch is there and only the beginning of its line in
    /// the journal: no file may become longer than the journal and that beginning.
    fn kill_between(&mut self, job: Job) {
        self.send(20);
        self.await_all();
        self.await_rest();
        let limit = std::fs::metadata(self.journal()).expect("a journal").len() + 20;
        let limited = Command::new("prlimit")
            .args(["--pid", &job.id().to_string(), &format!("--fsize={limit}")])
            .status();
        assert!(limited.expect("prlimit can be started").success());
        self.send(400);
        assert_eq!(job.wait(), None, "a signal ends it: {}", self.stage.log());
        assert!(self.file(self.last() + 1).exists() && !self.is_read());
    }

    /// What a crash of the machine may leave: half a line, and a file whose epoch is not committed.
    fn tear(&self) {
        let mut journal =
            std::fs::OpenOptions::new().append(true).open(self.journal()).expect("a journal");
        journal
            .write_all(b"0123abcd 00000fff {\"epoch\":{\"epoch\":")
            .expect("half a line can be written");
        if self.files {
            std::fs::write(self.file(self.last() + 1), b"{\"table\":\"decisions\"}\n")
                .expect("a file can be written");
        }
    }

    /// What tells the files of committed epochs apart: one that is written again, with whatever
    /// content, has another number.
    fn marks(&self) -> BTreeMap<u64, (u64, i64, u64)> {
        let mark = |epoch| {
            Some((
                epoch,
                std::fs::metadata(self.file(epoch))
                    .ok()
                    .map(|file| (file.ino(), file.mtime_nsec(), file.len()))?,
            ))
        };
        (1..=self.last()).filter_map(mark).collect()
    }

    /// Every line of every file, in the order of the epochs.
    fn lines(&self) -> Vec<Value> {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(self.stage.path("files/campaign"))
            .expect("files")
            .map(|entry| entry.expect("a file").path())
            .collect();
        paths.sort_unstable();
        let wanted: Vec<PathBuf> = (1..=self.last()).map(|epoch| self.file(epoch)).collect();
        assert_eq!(paths, wanted, "a file for each epoch and no other");
        let lines = paths.iter().flat_map(|path| {
            let text = std::fs::read_to_string(path).expect("a file");
            text.lines()
                .map(|line| serde_json::from_str(line).expect("JSON"))
                .collect::<Vec<Value>>()
        });
        lines.collect()
    }

    /// The published thresholds, as `replay` reads them.
    fn thresholds(&self) -> PathBuf {
        let mut days: BTreeMap<i64, u64> = BTreeMap::new();
        for record in self.records() {
            let own = record
                .get("epoch")
                .or(record.get("standing"))
                .and_then(|record| record["thresholds"].as_object());
            days.extend(own.into_iter().flatten().map(|(day, value)| {
                (day.parse().expect("a day"), value.as_u64().expect("a number"))
            }));
        }
        let day = |day: i64| {
            jiff::Timestamp::from_second(day * 86_400).expect("a day").to_string()[..10].to_string()
        };
        let lines: String =
            days.iter().map(|(number, value)| format!("{},{value}\n", day(*number))).collect();
        let path = self.stage.path("thresholds.csv");
        std::fs::write(&path, format!("day,high_value\n{lines}")).expect("a file");
        path
    }

    /// Replays the topics; gives the digest of the model.
    fn replay(&self, name: &str, more: &[&str]) -> String {
        let output = self.stage.path(name);
        let config = self.stage.config();
        self.stage.sluice(
            &[
                &[
                    "replay",
                    "--config",
                    text(&config),
                    "--from",
                    "earliest",
                    "--output",
                    text(&output),
                ],
                more,
            ]
            .concat(),
        );
        field(&output.join("model.json"), "digest").as_str().expect("a digest").to_string()
    }

    /// Closes what is open, drains the job, and compares what it has learned with a replay of all
    /// topics at once.
    fn end(&mut self, job: Job) -> String {
        self.producer.end_open();
        let closing = self.population.closing();
        self.producer.send(&self.stage, &closing);
        self.producer.flush();
        self.await_all();
        eventually("nothing waits", || {
            self.epochs().last().is_some_and(|epoch| epoch["pending"] == 0)
        });
        job.drain();
        let digest = self.epochs().last().expect("an epoch")["digest"]
            .as_str()
            .expect("a digest")
            .to_string();
        assert_eq!(
            self.replay("replayed", &["--thresholds", text(&self.thresholds())]),
            digest,
            "a replay with the published thresholds"
        );
        digest
    }
}

fn signal(job: &Job, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &job.id().to_string()])
        .status()
        .expect("kill can be started");
    assert!(sent.success());
}

/// The rows of a table that lines come to, as a reader would fold them.
fn fold(lines: &[Value], table: &str, key: &[&str]) -> Rows {
    let mut rows = Rows::new();
    for line in lines.iter().filter(|line| line["table"] == table) {
        let key: Vec<String> = key.iter().map(|column| line[*column].to_string()).collect();
        let columns = line.as_object().expect("an object").clone();
        match line["change"].as_str() {
            Some("delete") => drop(rows.remove(&key.join(" "))),
            Some("insert") => drop(rows.insert(key.join(" "), columns)),
            _ => rows.entry(key.join(" ")).or_default().extend(columns),
        }
    }
    rows
}

/// Features that hold for an instant, or for a threshold that is open at the end.
const OF_AN_INSTANT: [&str; 7] = [
    "customer_id",
    "recency",
    "days_since_signup",
    "is_high_value",
    "is_at_risk",
    "is_recent_active",
    "clv_score",
];

/// The customers of the files have the features that the replay gives.
fn same_features(scene: &Scene, lines: &[Value]) {
    let csv = std::fs::read_to_string(scene.stage.path("replayed/features.csv")).expect("features");
    let mut csv = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = csv.next().expect("a header");
    let compared: Vec<usize> =
        (0..header.len()).filter(|&column| !OF_AN_INSTANT.contains(&header[column])).collect();
    let wanted: BTreeMap<i64, Vec<f64>> = csv
        .map(|row| {
            (
                row[0].parse().expect("a customer"),
                compared.iter().map(|&column| row[column].parse().expect("a number")).collect(),
            )
        })
        .collect();
    let of = |row: &Map<String, Value>| {
        let values = compared
            .iter()
            .map(|&column| row[header[column]].as_f64().expect("a number"))
            .collect();
        (row["customer_id"].as_i64().expect("a customer"), values)
    };
    let found: BTreeMap<i64, Vec<f64>> =
        fold(lines, "customer_features", &["customer_id"]).values().map(of).collect();
    assert!(found.len() > 30, "{} customers", found.len());
    assert_eq!(found, wanted);
}

/// The interactions of the files are those that the model of the replay has learned from.
fn same_model(scene: &Scene, lines: &[Value]) {
    let interactions = fold(lines, "interactions", &["customer_id", "interaction_key"]);
    let model = scene.stage.path("replayed/model.json");
    let number = |value: &Value| value.as_f64().expect("a number");
    let ridge = number(&field(&model, "ridge"));
    for arm in field(&model, "arms").as_array().expect("arms") {
        let own: Vec<_> = interactions.values().filter(|row| row["arm"] == arm["arm"]).collect();
        assert!(
            own.iter().all(|row| row["learned"] == true && row["interaction_id"].is_string()),
            "arm {}",
            arm["arm"]
        );
        assert_eq!(
            own.len() as i64,
            arm["n"].as_i64().expect("a number"),
            "interactions of arm {}",
            arm["arm"]
        );
        // Rewards are multiples of 2^-16 and contexts of 2^-12, and few, so that these sums are
        // exact; the first term of a context is 1.
        assert_eq!(
            own.iter().map(|row| number(&row["reward"])).sum::<f64>(),
            number(&arm["b"][0]),
            "rewards of arm {}",
            arm["arm"]
        );
        for (term, wanted) in arm["A"][0].as_array().expect("a row").iter().enumerate() {
            let sum: i64 =
                own.iter().map(|row| row["context"][term].as_i64().expect("a number")).sum();
            assert_eq!(
                sum as f64 / 4096.0,
                number(wanted) - if term == 0 { ridge } else { 0.0 },
                "term {term} of arm {}",
                arm["arm"]
            );
        }
    }
}

/// Each epoch's line in its file agrees with the journal, every record was counted once, and cut so
/// they come to the same again.
fn same_epochs(scene: &Scene, lines: &[Value], digest: &str) {
    let of_files: Vec<&Value> = lines.iter().filter(|line| line["table"] == "epochs").collect();
    let of_journal = scene.epochs();
    assert_eq!(of_files.len() as u64, scene.last());
    // The journal may have been written anew without the first ones.
    for (file, journal) in of_files.iter().rev().zip(of_journal.iter().rev()) {
        assert_eq!(
            (&file["epoch"], &file["offsets"], &file["digest"]),
            (&journal["epoch"], &journal["offsets"], &journal["digest"])
        );
    }
    let counted: i64 =
        of_files.iter().map(|epoch| epoch["counts"]["records"].as_i64().expect("a count")).sum();
    assert_eq!(counted, scene.producer.sent() - scene.producer.bad(), "valid records");
    let text: String = of_files.iter().map(|epoch| format!("{epoch}\n")).collect();
    let path = scene.stage.path("epochs.jsonl");
    std::fs::write(&path, text).expect("a file");
    assert_eq!(
        scene.replay("cut", &["--epochs", path.to_str().expect("UTF-8")]),
        digest,
        "a replay in the recorded epochs"
    );
}

/// No decision was made twice, and each that was made is in the topic, always as the same.
fn same_decisions(scene: &Scene, lines: &[Value]) {
    let ids: Vec<String> = lines
        .iter()
        .filter(|line| line["table"] == "decisions")
        .map(|line| line["decision_id"].to_string())
        .collect();
    let distinct: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "a decision in two epochs");
    let published = predictions(scene);
    let missing: Vec<&&String> =
        distinct.iter().filter(|id| !published.contains_key(**id)).collect();
    assert!(
        !ids.is_empty() && missing.is_empty(),
        "{missing:?} of {} are not published",
        ids.len()
    );
}

/// What the topic of predictions has, by decision.
fn predictions(scene: &Scene) -> BTreeMap<String, Value> {
    let mut published: BTreeMap<String, Value> = BTreeMap::new();
    for value in read_all(&scene.stage.brokers, &scene.stage.topic("predictions")) {
        let value: Value = serde_json::from_slice(&value).expect("JSON");
        let before = published.insert(value["decision_id"].to_string(), value.clone());
        assert!(
            before.is_none_or(|before| before == value),
            "{value} was published as something else too"
        );
    }
    published
}

#[test]
fn killed_again_and_again_the_files_come_to_what_a_replay_gives() {
    let Some(mut scene) = Scene::set("files", 41, true) else { return };
    scene.start("2").kill();
    scene.pad();
    let mut marks = BTreeMap::new();
    for (round, workers) in ["1", "3", "2", "1"].into_iter().enumerate() {
        let (job, before) = (scene.start(workers), scene.last());
        if round > 0 {
            scene.await_checkpoint(before);
        }
        if round % 2 == 0 {
            scene.kill_between(job)
        } else {
            scene.kill_within(job)
        }
        if round == 1 {
            scene.tear();
        }
        let now = scene.marks();
        assert!(
            marks.iter().all(|(epoch, mark)| now.get(epoch) == Some(mark)),
            "a file of a committed epoch was written again"
        );
        marks = now;
    }
    let job = scene.start("2");
    assert_eq!(scene.incarnation(), 6);
    scene.send(200);
    scene.await_all();
    let now = scene.marks();
    assert!(
        marks.iter().all(|(epoch, mark)| now.get(epoch) == Some(mark)),
        "a file of a committed epoch was written again"
    );
    same_decisions(&scene, &scene.lines());

    // An erasure takes the customer out of every older file.
    let erasure = scene.population.erasure();
    let customer = erasure[0].customer;
    scene.producer.send(&scene.stage, &erasure);
    scene.producer.flush();
    scene.await_all();
    let erased = scene.last();
    eventually("older files are rewritten", || {
        scene.marks().iter().any(|(epoch, mark)| *epoch < erased && now.get(epoch) != Some(mark))
    });
    scene.send(100);
    scene.await_all();
    let digest = scene.end(job);
    let lines = scene.lines();
    assert!(
        lines.iter().any(|line| line["table"] == "erasures" && line["customer_id"] == customer),
        "the report stays"
    );
    same_features(&scene, &lines);
    same_model(&scene, &lines);
    same_epochs(&scene, &lines, &digest);
    let log = scene.stage.log();
    assert!(!log.contains("ERROR") && log.contains("The checkpoint is loaded."), "{log}");
}

#[test]
fn without_any_sink_a_killed_job_learns_what_a_replay_learns() {
    let Some(mut scene) = Scene::set("none", 43, false) else { return };
    for workers in ["2", "1", "3"] {
        let (job, before) = (scene.start(workers), scene.last());
        scene.await_checkpoint(before);
        scene.kill_within(job);
        scene.tear();
    }
    let pair = Layout::of(2, 1).start(&scene.stage, "pair");
    eventually("both processes read", || {
        (0..2).all(|process| log(&scene.stage, "pair", process).contains("The job begins to read."))
    });
    scene.send(100);
    scene.await_all();
    pair.into_iter().for_each(Job::kill);
    scene.tear();
    let job = scene.start("1");
    assert!(scene.stage.log().contains("written by half"), "{}", scene.stage.log());
    scene.send(100);
    let erasure = scene.population.erasure();
    scene.producer.send(&scene.stage, &erasure);
    scene.await_all();
    scene.end(job);
    assert!(!predictions(&scene).is_empty());
    assert!(!scene.stage.path("files").exists());
    let listed = scene.stage.sluice(&["checkpoint", "list", text(&scene.stage.config())]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("complete"), "{listed:?}");
    let checked = scene.stage.sluice(&["check", text(&scene.stage.config())]);
    let said = String::from_utf8_lossy(&checked.stdout).to_string();
    assert!(
        said.contains("ok    progress")
            && said.contains(&format!("epoch {} is committed", scene.last())),
        "{said}"
    );
    let verified = program()
        .args(["verify", text(&scene.stage.config())])
        .output()
        .expect("the program can be started");
    assert_eq!(verified.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&verified.stderr).contains("postgres.url"), "{verified:?}");
}

#[test]
fn a_second_job_is_refused_and_takes_over_once_the_first_is_killed() {
    let Some(mut scene) = Scene::set("second", 47, true) else { return };
    let first = scene.start("2");
    scene.send(100);
    scene.await_all();
    let second = program()
        .arg("run")
        .arg(scene.stage.config())
        .output()
        .expect("the program can be started");
    assert_eq!(second.status.code(), Some(3));
    let said = String::from_utf8_lossy(&second.stderr).to_string();
    assert!(
        said.contains("error: job `campaign` runs already")
            && said.contains(&format!("process {}", first.id())),
        "{said}"
    );
    assert_eq!(scene.incarnation(), 1, "it has changed nothing");
    // One that hangs is killed by whoever keeps it running, stopped as it is.
    scene.send(100);
    scene.await_all();
    signal(&first, "-STOP");
    first.kill();
    let third = scene.start("1");
    scene.send(100);
    scene.await_all();
    assert_eq!(scene.incarnation(), 2);
    scene.end(third);
}
