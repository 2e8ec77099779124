//! The stage of a job without a database: its files, its journal and its instances.

use super::*;

/// A job without a database.
pub(super) struct Scene {
    pub(super) stage: Stage,
    pub(super) population: Population,
    pub(super) producer: Producer,
    pub(super) rounds: usize,
    pub(super) files: bool,
}

impl Scene {
    /// With files of changes or without; `None` where there are no services.
    pub(super) fn set(name: &str, seed: u64, files: bool) -> Option<Scene> {
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
        let producer = Producer::new(&stage, Subject::Campaign.topics());
        Some(Scene { stage, population: Population::new(seed), producer, rounds: 0, files })
    }

    /// Sends records plainly, in a transaction with an aborted one behind it, or behind one that is
    /// open for so long; in turn.
    pub(super) fn send(&mut self, records: usize) {
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
    pub(super) fn start(&self, workers: &str) -> Job {
        self.stage.start_reading(&["--workers", workers])
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.stage.path("checkpoints/campaign/journal.log")
    }

    /// The committed epochs that the journal has.
    pub(super) fn epochs(&self) -> Vec<Value> {
        self.stage.journal().into_iter().filter_map(|record| record.get("epoch").cloned()).collect()
    }

    /// The last committed epoch; 0 for none.
    pub(super) fn last(&self) -> u64 {
        self.epochs().last().map_or(0, |epoch| epoch["epoch"].as_u64().expect("a number"))
    }

    /// Whether everything that can be read is committed.
    pub(super) fn is_read(&self) -> bool {
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

    pub(super) fn await_all(&self) {
        eventually("everything is committed", || self.is_read());
    }

    /// Waits until what was committed is published too: nothing more is written then until records
    /// come.
    pub(super) fn await_rest(&self) {
        eventually("everything is published", || {
            self.stage.journal().iter().filter_map(|record| record["published"].as_u64()).max()
                == Some(self.last())
        });
    }

    pub(super) fn incarnation(&self) -> i64 {
        let starts: Vec<Value> = self
            .stage
            .journal()
            .into_iter()
            .filter_map(|record| record.get("start").cloned())
            .collect();
        starts.last().and_then(|start| start["incarnation"].as_i64()).unwrap_or(0)
    }

    pub(super) fn file(&self, epoch: u64) -> PathBuf {
        self.stage.path("files/campaign").join(format!("{epoch:020}.jsonl"))
    }

    /// Sends records until there is a checkpoint of an epoch after this one.
    pub(super) fn await_checkpoint(&mut self, after: u64) {
        while self.stage.checkpoints().into_iter().max() <= Some(after) {
            self.send(20);
            self.await_all();
        }
    }

    /// Sends records, and kills the job when at least one epoch of them is committed and at least
    /// some are not: these come while it is stopped.
    pub(super) fn kill_within(&mut self, job: Job) {
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
    pub(super) fn pad(&self) {
        let json = format!("{{\"published\":0{}}}", " ".repeat(4 << 20));
        let checked = format!("{:08x} {json}", json.len());
        let line = format!("{:08x} {checked}\n", crc32fast::hash(checked.as_bytes()));
        let mut journal =
            std::fs::OpenOptions::new().append(true).open(self.journal()).expect("a journal");
        journal.write_all(line.as_bytes()).expect("a line can be written");
    }

    /// Has the job killed when the file of an epoch is there and only the beginning of its line in
    /// the journal: no file may become longer than the journal and that beginning.
    pub(super) fn kill_between(&mut self, job: Job) {
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
    pub(super) fn tear(&self) {
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
    pub(super) fn marks(&self) -> BTreeMap<u64, (u64, i64, u64)> {
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
    pub(super) fn lines(&self) -> Vec<Value> {
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
    pub(super) fn thresholds(&self) -> PathBuf {
        let mut days: BTreeMap<i64, u64> = BTreeMap::new();
        for record in self.stage.journal() {
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
    pub(super) fn replay(&self, name: &str, more: &[&str]) -> String {
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
    pub(super) fn end(&mut self, job: Job) -> String {
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

pub(super) fn signal(job: &Job, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &job.id().to_string()])
        .status()
        .expect("kill can be started");
    assert!(sent.success());
}
