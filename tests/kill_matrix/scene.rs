//! The stage of a job that is to be killed: its topics, its records and its checkpoints.

use crate::services::{Job, Stage, compaction, eventually};
use crate::trial::layout::Layout;
use crate::trial::{Crowd, Forgotten, Producer, Subject, Traffic, committed, verdict};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Time from one checkpoint to the next, where they are taken.
const CHECKPOINTS: Duration = Duration::from_secs(1);

/// A stage with what every test here needs.
pub(super) struct Scene {
    pub(super) stage: Stage,
    subject: Subject,
    crowd: Box<dyn Crowd>,
    producer: Producer,
    /// Checkpoints are taken.
    saves: bool,
    /// How the next transaction that stays open will end.
    pub(super) commits: bool,
}

impl Scene {
    /// A stage whose topics are there; `None` where there are no services.
    pub(super) fn set(name: &str, subject: Subject, seed: u64, saves: bool) -> Option<Scene> {
        let stage = Stage::set(name)?;
        let interval = if saves { "1s" } else { "1h" };
        let checkpoint = format!("[checkpoint]\ninterval = \"{interval}\"\n");
        // So many that a commit which is held keeps no later epoch from coming with a checkpoint.
        let limits = "[limits]\nepochs_in_flight = 32\n";
        let toml = stage.toml("").replace("[checkpoint]\n", &checkpoint).replace("200ms", "100ms")
            + limits;
        std::fs::write(stage.config(), subject.configured(&stage, &toml))
            .expect("the configuration can be written");
        stage.sluice(&["topics", "create", stage.config().to_str().expect("UTF-8")]);
        let producer = Producer::new(&stage, subject.topics());
        Some(Scene { stage, subject, crowd: subject.crowd(seed), producer, saves, commits: true })
    }

    /// The same with a job of the campaign, as [`run`](Self::run) starts it.
    pub(super) fn running(
        name: &str,
        seed: u64,
        saves: bool,
        layout: Layout,
    ) -> Option<(Scene, Vec<Job>)> {
        Some(Scene::set(name, Subject::Campaign, seed, saves)?.run(layout))
    }

    /// The same, with a topic that is compacted.
    pub(super) fn compacting(mut self, topic: &str) -> Scene {
        compaction::compact(&self.stage.brokers, &self.stage.topic(topic));
        self.producer.forget(&self.stage, &BTreeMap::new());
        self
    }

    /// The same, with a job that has made its tables, and every effect noted from then on.
    pub(super) fn run(self, layout: Layout) -> (Scene, Vec<Job>) {
        let jobs = layout.start(&self.stage, "first");
        self.stage.wait_for("SELECT incarnation FROM sluice.progress", 1);
        verdict::note_effects(&self.stage, self.subject);
        (self, jobs)
    }

    pub(super) fn send(&mut self, records: usize) {
        let records = self.crowd.send(Traffic::Mixed, records);
        self.producer.send(&self.stage, &records);
        self.producer.flush();
    }

    /// Late events, changes and bad records too, some of them in a transaction; and an erasure,
    /// unless no checkpoint may follow from it. A transaction is aborted; and one begins that stays
    /// open, or ends that was open while all this came behind it: where the job is killed, it knows
    /// of records that it cannot read yet.
    pub(super) fn send_trouble(&mut self) {
        let Scene { stage, crowd, producer, saves, .. } = self;
        if *saves {
            // First: with the epoch that has it the job takes a checkpoint, due or not.
            producer.send(stage, &crowd.send(Traffic::Erasure, 1));
            producer.flush();
        }
        let kinds = [Traffic::Late, Traffic::Replacements, Traffic::Retractions, Traffic::Renewals];
        let records = kinds.map(|kind| crowd.send(kind, 10)).concat();
        producer.send(stage, &records);
        producer.abort(stage, &crowd.send(Traffic::Unseen, 20));
        producer.send(stage, &crowd.send(Traffic::Bad, 5));
        producer.commit(stage, &crowd.send(Traffic::Mixed, 20));
        self.send(60);
        if self.producer.end_open().is_none() {
            let Scene { stage, crowd, producer, commits, .. } = self;
            let kind = if *commits { Traffic::Mixed } else { Traffic::Unseen };
            producer.open(stage, &crowd.send(kind, 30), *commits);
            *commits = !*commits;
        }
    }

    pub(super) fn await_all(&mut self) {
        self.producer.end_open();
        let (mut database, producer) = (self.stage.database(), &self.producer);
        eventually("everything is committed", || producer.is_read(&committed(&mut database)));
    }

    /// Closes what is open, drains the job and judges it.
    pub(super) fn end(mut self, jobs: Vec<Job>) {
        let closing = self.crowd.send(Traffic::Closing, 0);
        self.producer.send(&self.stage, &closing);
        self.producer.flush();
        self.await_all();
        self.subject.await_closed(&self.stage);
        drain(jobs);
        for line in self.crowd.judge(&self.stage, &self.producer) {
            println!("    {line}");
        }
    }

    /// Waits until the broker has removed something that the job has read, where a topic is
    /// compacted.
    pub(super) fn await_forgotten(&self) {
        if let Some(forgotten) = Forgotten::of(&self.stage, &self.producer) {
            eventually("the cleaner has removed what the job has read", || {
                forgotten.gone(&self.stage) > 0
            });
        }
    }

    /// Waits for a checkpoint of this epoch or a later one, and until the next one is due.
    pub(super) fn await_checkpoint(&self, epoch: u64) {
        eventually("a checkpoint, and the next one due", || {
            let (newest, files) = newest_files(&self.stage, "manifests");
            let age = files
                .first()
                .and_then(|file| file.metadata().ok()?.modified().ok()?.elapsed().ok());
            newest >= epoch && age.is_some_and(|age| age > CHECKPOINTS)
        });
    }

    /// The newest epoch that a file of a checkpoint in this folder is of; 0 for none.
    pub(super) fn newest(&self, folder: &str) -> u64 {
        newest_files(&self.stage, folder).0
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for entry in
                std::fs::read_dir(self.stage.directory.path()).into_iter().flatten().flatten()
            {
                if entry.path().extension().is_some_and(|extension| extension == "log") {
                    println!(
                        "{}:\n{}",
                        entry.path().display(),
                        String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap_or_default())
                    );
                }
            }
        }
    }
}

/// Drains a job of one process or more: whichever is told first tells the others.
pub(super) fn drain(jobs: Vec<Job>) {
    let mut jobs = jobs.into_iter();
    jobs.next().expect("a job has a process").drain();
    jobs.for_each(|job| assert_eq!(job.wait(), Some(0), "the others drain too"));
}

/// The newest epoch that files in this folder of the checkpoints are of, and these files.
pub(super) fn newest_files(stage: &Stage, folder: &str) -> (u64, Vec<PathBuf>) {
    let mut pending: Vec<PathBuf> =
        stage.histories().into_iter().map(|history| history.join(folder)).collect();
    let mut newest = (0, Vec::new());
    while let Some(path) = pending.pop() {
        // A file may have gone since its folder was listed.
        for entry in std::fs::read_dir(&path).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                pending.push(entry.path());
            } else if let Some(epoch) =
                entry.file_name().to_str().and_then(|name| name.get(..20)?.parse::<u64>().ok())
            {
                if epoch > newest.0 {
                    newest = (epoch, Vec::new());
                }
                if epoch == newest.0 {
                    newest.1.push(entry.path());
                }
            }
        }
    }
    newest
}
