//! A job on trial: what is done to it, one action after the other, and what it has come to.

use super::folder::Folder;
use super::sequence::{Action, Kind, LAYOUTS, Then, ended};
use super::supervised::Supervised;
use crate::services::own::Services;
use crate::services::{Stage, compaction, eventually, topics};
use crate::trial::layout::Layout;
use crate::trial::population::Record;
use crate::trial::{Crowd, Forgotten, Producer, Subject, Traffic, committed, verdict};
use nix::sys::signal::{Signal, kill};
use postgres::{Client, NoTls};
use std::time::{Duration, Instant};

/// How long a commit is waited for to be in the middle of it.
const LURK: Duration = Duration::from_secs(3);

/// Profiles that are renewed at the end, twice: some are the same customers'.
const RENEWALS: usize = 30;

/// Everything that is on trial.
pub(super) struct Trial {
    seed: u64,
    started: Instant,
    subject: Subject,
    crowd: Box<dyn Crowd>,
    // In this order: the job ends before its services, and they before their folder goes.
    job: Option<Supervised>,
    starts: usize,
    producer: Producer,
    stage: Stage,
    services: Services,
    folder: Folder,
}

impl Trial {
    pub(super) fn begin(subject: Subject, seed: u64) -> Trial {
        let folder = Folder::new();
        let (services, brokers, url) = Services::up(&folder.path.join("services"));
        let mut stage = Stage::within(&folder.path, "chaos", brokers, &url);
        stage.directory.disable_cleanup(true);
        let toml = subject.configured(&stage, &stage.saving_toml(""));
        std::fs::write(stage.config(), toml).expect("the configuration can be written");
        stage.sluice(&["topics", "create", stage.config().to_str().expect("UTF-8")]);
        let producer = Producer::new(&stage, subject.topics());
        let (crowd, started) = (subject.crowd(seed), Instant::now());
        let mut trial = Trial {
            seed,
            started,
            subject,
            crowd,
            job: None,
            starts: 0,
            producer,
            stage,
            services,
            folder,
        };
        trial.start(LAYOUTS[0]);
        trial.stage.wait_for(
            "SELECT (to_regclass('sluice.erasures') IS NOT NULL)::int FROM sluice.progress",
            1,
        );
        verdict::note_effects(&trial.stage, subject);
        trial
    }

    fn say(&self, what: &str) {
        println!("{:7.1} s  {what}", self.started.elapsed().as_secs_f64());
    }

    fn start(&mut self, layout: Layout) {
        self.starts += 1;
        self.job = Some(Supervised::start(&self.stage, layout, self.starts));
    }

    fn job(&mut self) -> &mut Supervised {
        self.job.as_mut().expect("there always is a job while actions are performed")
    }

    pub(super) fn perform(&mut self, number: usize, action: &Action) {
        let before = self.epochs();
        let note = match action.kind {
            Kind::Produce
            | Kind::Late
            | Kind::Duplicate
            | Kind::Replace
            | Kind::Retract
            | Kind::Renew
            | Kind::Erase
            | Kind::Bad => self.send(action),
            Kind::Abort | Kind::Open => self.transact(action),
            Kind::End => self.end_open(),
            Kind::KillOne | Kind::KillAll => self.kill(action),
            Kind::KillBroker | Kind::KillDatabase => self.take_away(action),
            Kind::Pause => self.pause(action),
            Kind::Rescale | Kind::Drain | Kind::Compact => self.start_anew(action),
        };
        let ended = self.wait(action.then, before);
        let (sent, layout) = (self.producer.sent(), self.job().layout);
        self.say(&format!(
            "{number:5}  {action}{note}{ended}  [{layout}, {sent} sent, epoch {}]",
            self.epochs()
        ));
    }

    fn send(&mut self, action: &Action) -> String {
        let traffic = match action.kind {
            Kind::Late => Traffic::Late,
            Kind::Duplicate => Traffic::Duplicates,
            Kind::Replace => Traffic::Replacements,
            Kind::Retract => Traffic::Retractions,
            Kind::Renew => Traffic::Renewals,
            Kind::Erase => Traffic::Erasure,
            Kind::Bad => Traffic::Bad,
            _ => Traffic::Mixed,
        };
        let records = self.crowd.send(traffic, action.records);
        self.hand_over(action, &records);
        self.producer.flush();
        String::new()
    }

    /// Sends ordinary records, which may take their time.
    fn send_mixed(&mut self, action: &Action) {
        let records = self.crowd.send(Traffic::Mixed, action.records);
        self.hand_over(action, &records);
    }

    fn hand_over(&mut self, action: &Action, records: &[Record]) {
        if action.in_transaction {
            self.producer.commit(&self.stage, records);
        } else {
            self.producer.send(&self.stage, records);
        }
    }

    /// A transaction that is aborted, or stays open; at most one does.
    fn transact(&mut self, action: &Action) -> String {
        if action.kind == Kind::Abort {
            let records = self.crowd.send(Traffic::Unseen, action.records);
            self.producer.abort(&self.stage, &records);
            return String::new();
        }
        let note = self.end_open();
        let traffic = if action.commits { Traffic::Troubled } else { Traffic::Unseen };
        let records = self.crowd.send(traffic, action.records);
        self.producer.open(&self.stage, &records, action.commits);
        note
    }

    /// Ends the transaction that is open, if one is.
    fn end_open(&mut self) -> String {
        self.producer.end_open().map_or_else(String::new, |commits| {
            format!(" (one that was open is {})", ended(commits))
        })
    }

    fn kill(&mut self, action: &Action) -> String {
        self.send_mixed(action);
        let mut processes = self.job().processes();
        let note = self.lurk(action);
        if action.kind == Kind::KillOne {
            processes = vec![processes[action.process % processes.len()]];
        }
        self.job().kill_some(&processes);
        note
    }

    /// Waits, if so drawn, until the job's writer is in a transaction that has written something.
    fn lurk(&mut self, action: &Action) -> String {
        if !action.in_commit {
            return String::new();
        }
        let query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND \
            application_name LIKE 'sluice %' AND backend_xid IS NOT NULL";
        let (mut database, started) = (self.stage.database(), Instant::now());
        while started.elapsed() < LURK {
            if database.query_one(query, &[]).expect("the database answers").get::<_, i64>(0) > 0 {
                return " (it was)".to_string();
            }
        }
        " (there was none)".to_string()
    }

    fn take_away(&mut self, action: &Action) -> String {
        // Of a transaction in the hands of a broker that is killed nobody knows what becomes.
        let (service, note) = match action.kind {
            Kind::KillBroker => ("kafka", self.end_open()),
            _ => ("postgres", String::new()),
        };
        if service == "kafka" {
            self.producer.flush();
            topics::await_marks(&self.stage.brokers);
        }
        self.services.run(&["stop", service, "--kill"]);
        self.send_mixed(action);
        if service == "postgres" {
            self.producer.flush();
        }
        self.services.run(&["start", service]);
        self.producer.flush();
        note
    }

    fn pause(&mut self, action: &Action) -> String {
        let processes = self.job().processes();
        let process = processes[action.process % processes.len()];
        // It may have ended by itself: a start that followed a kill.
        let stopped = kill(process, Signal::SIGSTOP).is_ok();
        self.send_mixed(action);
        self.producer.flush();
        let went_on = kill(process, Signal::SIGCONT).is_ok();
        if stopped && went_on { String::new() } else { " (it had ended)".to_string() }
    }

    fn start_anew(&mut self, action: &Action) -> String {
        self.send_mixed(action);
        let mut note = String::new();
        match (action.kind, self.subject.compacted()) {
            (Kind::Rescale, _) => {
                note = self.lurk(action);
                self.take_job().kill();
            }
            (Kind::Compact, Some(topic)) => note = self.compact(topic, action),
            _ => self.take_job().drain(),
        }
        self.start(action.layout);
        note
    }

    fn take_job(&mut self) -> Supervised {
        self.job.take().expect("there always is a job while actions are performed")
    }

    /// Drains the job, and has the broker compact a topic. What the job reads from
    /// then on it keeps; what it has read is kept by nobody, so a checkpoint must cover it. One
    /// that is told to drain while it starts leaves none, nor one that is still writing another.
    fn compact(&mut self, topic: &str, action: &Action) -> String {
        let note = self.wait(Then::CatchUp, 0);
        self.take_job().drain();
        while self.stage.checkpoints().into_iter().max() < u64::try_from(self.epochs()).ok() {
            self.start(action.layout);
            self.send_mixed(action);
            self.wait(Then::CatchUp, 0);
            self.take_job().drain();
        }
        let read = committed(&mut self.stage.database());
        self.producer.forget(&self.stage, &read);
        compaction::compact(&self.stage.brokers, &self.stage.topic(topic));
        note
    }

    /// The last epoch. At no moment does anybody see a part of one: progress, epochs and what
    /// follows from them move together.
    fn epochs(&self) -> i64 {
        let follows = self.subject.of_each_epoch().unwrap_or("epochs");
        let query = format!(
            "SELECT coalesce(max(epoch), 0), count(*), (SELECT epoch FROM sluice.progress), \
             (SELECT coalesce(max(epoch), 0) FROM sluice.{follows}) FROM sluice.epochs"
        );
        let row = self.stage.database().query_one(&query, &[]).expect("epochs");
        let (last, count, progress, following): (i64, i64, i64, i64) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        assert_eq!(
            (count, progress, following),
            (last, last, last),
            "epochs, progress and {follows}, where the last epoch is {last}"
        );
        last
    }

    /// Waits for the job. What an open transaction holds back would be waited for in vain: before
    /// all is waited for, it ends.
    fn wait(&mut self, then: Then, before: i64) -> String {
        let note = if then == Then::CatchUp { self.end_open() } else { String::new() };
        if then == Then::GoOn {
            return note;
        }
        self.producer.flush();
        let url = self.stage.url().to_string();
        let mut database = Client::connect(&url, NoTls).expect("the database answers");
        eventually(
            &format!(
                "the job has committed what it should, log: {}",
                self.stage.directory.path().display()
            ),
            || {
                self.job().assert_alive();
                let next = committed(&mut database);
                let epoch: i64 = database
                    .query_one("SELECT coalesce(max(epoch), 0) FROM sluice.epochs", &[])
                    .expect("the database answers")
                    .get(0);
                self.producer.is_read(&next) || (then == Then::Commit && epoch > before)
            },
        );
        note
    }

    /// Closes what is open, drains the job and judges it.
    pub(super) fn end(mut self) {
        self.say("       everything was done; what is open closes");
        for (traffic, records) in
            [(Traffic::Renewals, RENEWALS), (Traffic::Renewals, RENEWALS), (Traffic::Closing, 0)]
        {
            let records = self.crowd.send(traffic, records);
            self.producer.send(&self.stage, &records);
            self.wait(Then::CatchUp, 0);
        }
        self.subject.await_closed(&self.stage);
        self.take_job().drain();
        self.say("       drained");
        self.assert_calm();
        if let Some(forgotten) = Forgotten::of(&self.stage, &self.producer) {
            eventually("the cleaner has removed what the job has read", || {
                forgotten.gone(&self.stage) > 0
            });
        }
        for line in self.crowd.judge(&self.stage, &self.producer) {
            self.say(&format!("       {line}"));
        }
        self.say(&format!(
            "       verdict: seed {}: nothing lost, nothing double, every row what \
            the records give",
            self.seed
        ));
    }

    /// No start of the job found an epoch to be another one, or rows of its own gone.
    fn assert_calm(&self) {
        let logs = std::fs::read_dir(self.stage.directory.path())
            .expect("the stage's files")
            .flatten()
            .map(|entry| entry.path());
        for log in logs.filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        {
            let text = String::from_utf8_lossy(&std::fs::read(&log).expect("a log")).into_owned();
            let strange = text.lines().find(|line| {
                line.contains("was committed with the model digest")
                    || line.contains("somebody else has written")
            });
            assert_eq!(strange, None, "{}", log.display());
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!(
                "chaos: {}, seed {} FAILED; everything is kept in {}",
                self.subject.name(),
                self.seed,
                self.folder.path.display()
            );
        }
    }
}
