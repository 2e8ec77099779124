//! A long-running job that everything is done to: its processes killed and stopped, its broker and
//! its database killed, its layout changed, and records sent that are late, double, replaced, taken
//! back, renewed, erased or bad, plainly or in transactions that are committed, aborted or stay
//! open. At some time the topic of customers becomes a compacted one, which forgets what newer
//! records replace. At the end nothing may be lost, nothing there twice, and every row must be what
//! the records give.
//!
//! What is done is drawn from a seed and printed before it begins: `scripts/chaos --seed N
//! --actions N` does the same again.

mod sequence;
mod supervised;

use crate::services::own::{Services, wanted};
use crate::services::{Stage, compaction, eventually, topics};
use crate::trial::population::{Population, Record};
use crate::trial::{Forgotten, Producer, WAITING, committed, verdict};
use nix::sys::signal::{Signal, kill};
use postgres::{Client, NoTls};
use sequence::{Action, Kind, LAYOUTS, Then, draw, ended};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use supervised::Supervised;

/// How long a commit is waited for to be in the middle of it.
const LURK: Duration = Duration::from_secs(3);

/// Profiles that are renewed at the end, twice: some are the same customers'.
const RENEWALS: usize = 30;

/// A number of the environment.
fn number(variable: &str, otherwise: u64) -> u64 {
    let given = std::env::var(variable).ok().filter(|value| !value.is_empty());
    given.map_or(otherwise, |value| {
        value.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {value}"))
    })
}

#[test]
fn whatever_befalls_the_job_nothing_is_lost_and_nothing_is_double() {
    if !wanted() {
        return;
    }
    let (seed, actions) = (number("CHAOS_SEED", 1), number("CHAOS_ACTIONS", 200) as usize);
    let sequence = draw(seed, actions);
    assert_eq!(sequence, draw(seed, actions), "the same sequence for the same seed");
    println!("chaos: seed {seed}, {actions} actions");
    sequence.iter().enumerate().for_each(|(number, action)| println!("{:5}  {action}", number + 1));
    let mut trial = Trial::begin(seed);
    sequence.iter().enumerate().for_each(|(number, action)| trial.perform(number + 1, action));
    trial.end();
}

#[test]
fn every_kind_of_action_is_among_two_hundred() {
    for seed in 0..100 {
        let sequence = draw(seed, 200);
        let mut counts = std::collections::HashMap::new();
        sequence
            .iter()
            .for_each(|action| *counts.entry(format!("{:?}", action.kind)).or_insert(0) += 1);
        assert_eq!(counts.remove("Compact"), Some(1), "seed {seed}");
        assert!(
            counts.len() == 18 && counts.values().all(|count| *count >= 5),
            "seed {seed}: {counts:?}"
        );
        let so_many =
            |holds: fn(&Action) -> bool| sequence.iter().filter(|action| holds(action)).count();
        assert!(
            so_many(|action| action.in_transaction) >= 5,
            "seed {seed}: records in transactions"
        );
    }
}

/// Everything that is on trial.
struct Trial {
    seed: u64,
    started: Instant,
    population: Population,
    // In this order: the job ends before its services, and they before their folder goes.
    job: Option<Supervised>,
    starts: usize,
    producer: Producer,
    stage: Stage,
    services: Services,
    folder: Folder,
}

impl Trial {
    fn begin(seed: u64) -> Trial {
        let folder = Folder::new();
        let (services, brokers, url) = Services::up(&folder.path.join("services"));
        let mut stage = Stage::within(&folder.path, "chaos", brokers, &url);
        stage.directory.disable_cleanup(true);
        stage.configure_saving("");
        stage.sluice(&["topics", "create", stage.config().to_str().expect("UTF-8")]);
        let producer = Producer::new(&stage);
        let (population, started) = (Population::new(seed), Instant::now());
        let mut trial = Trial {
            seed,
            started,
            population,
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
        verdict::note_effects(&trial.stage);
        trial
    }

    fn say(&self, what: &str) {
        println!("{:7.1} s  {what}", self.started.elapsed().as_secs_f64());
    }

    fn start(&mut self, layout: crate::trial::layout::Layout) {
        self.starts += 1;
        self.job = Some(Supervised::start(&self.stage, layout, self.starts));
    }

    fn job(&mut self) -> &mut Supervised {
        self.job.as_mut().expect("there always is a job while actions are performed")
    }

    fn perform(&mut self, number: usize, action: &Action) {
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
        let population = &mut self.population;
        let records = match action.kind {
            Kind::Late => population.late(action.records),
            Kind::Duplicate => population.duplicates(action.records),
            Kind::Replace => population.replacements(action.records),
            Kind::Retract => population.retractions(action.records),
            Kind::Renew => population.renewals(action.records),
            Kind::Erase => population.erasure(),
            Kind::Bad => population.bad(action.records),
            _ => population.mixed(action.records),
        };
        self.hand_over(action, &records);
        self.producer.flush();
        String::new()
    }

    /// Sends ordinary records, which may take their time.
    fn send_mixed(&mut self, action: &Action) {
        let records = self.population.mixed(action.records);
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
            self.producer.abort(&self.stage, &self.population.unseen(action.records));
            return String::new();
        }
        let note = self.end_open();
        let Trial { population, producer, stage, .. } = self;
        let records = if action.commits {
            population.troubled(action.records)
        } else {
            population.unseen(action.records)
        };
        producer.open(stage, &records, action.commits);
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
        match action.kind {
            Kind::Rescale => {
                note = self.lurk(action);
                self.take_job().kill();
            }
            Kind::Compact => note = self.compact(action),
            _ => self.take_job().drain(),
        }
        self.start(action.layout);
        note
    }

    fn take_job(&mut self) -> Supervised {
        self.job.take().expect("there always is a job while actions are performed")
    }

    /// Drains the job, and has the broker compact the topic of customers. What the job reads from
    /// then on it keeps; what it has read is kept by nobody, so a checkpoint must cover it. One
    /// that is told to drain while it starts leaves none, nor one that is still writing another.
    fn compact(&mut self, action: &Action) -> String {
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
        compaction::compact(&self.stage.brokers, &self.stage.topic("customers"));
        note
    }

    /// The last epoch. At no moment does anybody see a part of one: progress, epochs and what
    /// follows from them move together.
    fn epochs(&self) -> i64 {
        let query = "SELECT coalesce(max(epoch), 0), count(*), (SELECT epoch FROM \
            sluice.progress), (SELECT coalesce(max(epoch), 0) FROM sluice.model_metrics)
                     FROM sluice.epochs";
        let row = self.stage.database().query_one(query, &[]).expect("epochs");
        let (last, count, progress, metrics): (i64, i64, i64, i64) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        assert_eq!(
            (count, progress, metrics),
            (last, last, last),
            "epochs, progress and metrics, where the last epoch is {last}"
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
    fn end(mut self) {
        self.say("       everything was done; what is open closes");
        for records in [
            self.population.renewals(RENEWALS),
            self.population.renewals(RENEWALS),
            self.population.closing(),
        ] {
            self.producer.send(&self.stage, &records);
            self.wait(Then::CatchUp, 0);
        }
        self.stage.wait_for(WAITING, 0);
        self.take_job().drain();
        self.say("       drained");
        self.assert_calm();
        if let Some(forgotten) = Forgotten::of(&self.stage, &self.producer) {
            eventually("the cleaner has removed what the job has read", || {
                forgotten.gone(&self.stage) > 0
            });
        }
        for line in verdict::judge(&self.stage, &self.producer) {
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
                "chaos: seed {} FAILED; everything is kept in {}",
                self.seed,
                self.folder.path.display()
            );
        }
    }
}

/// The folder of everything: kept where it was named by whoever started the test, and when that
/// fails.
struct Folder {
    path: PathBuf,
    named: bool,
}

impl Folder {
    fn new() -> Folder {
        let named = std::env::var("CHAOS_DATA").ok().filter(|folder| !folder.is_empty());
        let path = match &named {
            Some(folder) => PathBuf::from(folder),
            None => {
                tempfile::Builder::new().prefix("sluice-chaos.").tempdir().expect("a folder").keep()
            }
        };
        std::fs::create_dir_all(&path).expect("the folder can be made");
        // The database may run as another user, who must get through.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o711))
            .expect("permissions can be set");
        Folder { path, named: named.is_some() }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.named && !std::thread::panicking() {
            // What is left behind of a test that went well is in nobody's way.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
