//! The long-running job between a real broker and a real database: how many events a second it
//! takes from full topics, and how long an event that comes at a steady rate is on its way until a
//! reader of the database can see its epoch.
//!
//! The job is this program in a process of its own; topics and database are made for it and removed
//! in the end. A commit is dated when a connection beside the job's first sees the epoch, so
//! nothing of the job's own view of time is in a figure.

use super::{BenchError, Folder, own_program};
use crate::config::load::variable;
use crate::jobs::load;
use crate::jobs::run::READING;
use crate::kafka::paced::{Due, Landed, PacedProducer};
use crate::kafka::producer::Producer;
use crate::kafka::{KafkaSettings, admin};
use crate::postgres::{PostgresError, Target};
use crate::source::TopicNames;
use ::postgres::Client;
use dataflows::event::Topic;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use world::{World, WorldSettings, lines};

/// Where the job is to run, and at what rate.
#[derive(Clone, Debug)]
pub struct LivePlan {
    /// The brokers.
    pub brokers: String,
    /// Address of a database whose user may make databases.
    pub postgres: String,
    /// Events a second of the steady load.
    pub rate: u32,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Live {
    /// From full topics.
    pub prefilled: Prefilled,
    /// At a steady rate.
    pub paced: Paced,
}

/// The job on topics that hold everything when it starts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prefilled {
    /// Records of all topics.
    pub events: u64,
    /// Seconds from the first poll until the last commit is seen.
    pub seconds: f64,
    /// Events a second in that time.
    pub events_per_second: f64,
    /// Epochs that they came in.
    pub epochs: u64,
}

/// The job under a steady load.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Paced {
    /// Events a second.
    pub rate: u32,
    /// Purchases and interactions.
    pub events: u64,
    /// Milliseconds from the instant at which an event was due until the commit of its epoch is
    /// seen: half of the events took less.
    pub p50_ms: f64,
    /// 99 of 100 took less.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// Epochs that they came in.
    pub epochs: u64,
}

/// Time from one cut of the input to the next under the steady load.
pub const INTERVAL: &str = "100ms";
/// How often is looked for a new epoch: it is in every figure.
const LOOK: Duration = Duration::from_millis(2);
/// How long the broker may take for the last records, and the job to start and for what is left in
/// the end.
const PATIENCE: Duration = Duration::from_secs(60);
/// Events a second below which a job is not waited for.
const TOO_SLOW: u64 = 10_000;
/// Partitions of each topic.
const PARTITIONS: u32 = 3;

/// Measures both on a world whose files are in the folder; a replay of them has this digest.
///
/// # Errors
/// Broker or database refuse, the job ends, or it learns something else than the replay.
pub(super) fn measure(
    plan: &LivePlan,
    world: &WorldSettings,
    digest: &str,
    folder: &Folder,
    stop: &AtomicBool,
) -> Result<Live, BenchError> {
    let prefilled = prefilled(plan, digest, folder, stop)?;
    let paced = paced(plan, &World::new(world.clone())?, digest, folder, stop)?;
    Ok(Live { prefilled, paced })
}

fn prefilled(
    plan: &LivePlan,
    digest: &str,
    folder: &Folder,
    stop: &AtomicBool,
) -> Result<Prefilled, BenchError> {
    let arena = Arena::create(plan, "prefilled")?;
    let events = load::load(&arena.kafka, &folder.input(), |_| ())?.delivered;
    let mut job = arena.start(folder, events, &[])?;
    let began = job.await_reading(stop)?;
    let mut seen = Seen::connect(&arena)?;
    let ended = job.wait(stop, "all events are committed", || {
        Ok((seen.look()? >= events).then(Timestamp::now))
    })?;
    let epochs = seen.epochs();
    job.wait(stop, "the job has learned what the replay has", || {
        Ok((seen.look()? >= events && seen.digest == digest).then_some(()))
    })?;
    job.drain(stop)?;
    let seconds = ended.duration_since(began).as_secs_f64();
    Ok(Prefilled { events, seconds, events_per_second: events as f64 / seconds, epochs })
}

fn paced(
    plan: &LivePlan,
    world: &World,
    digest: &str,
    folder: &Folder,
    stop: &AtomicBool,
) -> Result<Paced, BenchError> {
    let arena = Arena::create(plan, "paced")?;
    let profiles = arena.send_profiles(world)?;
    let events = profiles + world.settings().transactions + world.settings().interactions;
    let mut job = arena.start(folder, events, &[("epoch.interval", INTERVAL)])?;
    job.await_reading(stop)?;
    let mut seen = Seen::connect(&arena)?;
    job.wait(stop, "the profiles are committed", || Ok((seen.look()? >= profiles).then_some(())))?;

    let before = seen.epochs();
    let sent = AtomicBool::new(false);
    let (landed, mut seen) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            while !sent.load(Ordering::Acquire) {
                seen.look()?;
                std::thread::sleep(LOOK);
            }
            Ok::<_, BenchError>(seen)
        });
        let landed = arena.send_paced(world, plan.rate, stop);
        sent.store(true, Ordering::Release);
        let seen = watching.join().map_err(|_| {
            BenchError::Job("the thread that watches the commits has panicked".to_string())
        })?;
        Ok::<_, BenchError>((landed?, seen?))
    })?;
    let (started, landed) = landed;
    let all = profiles + landed.len() as u64;
    job.wait(stop, "all events are committed", || Ok((seen.look()? >= all).then_some(())))?;
    let epochs = seen.epochs() - before;
    let latencies = seen.latencies(&arena.kafka, started, &landed);
    job.wait(stop, "the job has learned what the replay has", || {
        Ok((seen.look()? >= all && seen.digest == digest).then_some(()))
    })?;
    job.drain(stop)?;
    let at = |share| percentile(&latencies, share).as_secs_f64() * 1e3;
    Ok(Paced {
        rate: plan.rate,
        events: landed.len() as u64,
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        max_ms: at(1.0),
        epochs,
    })
}

/// Nearest rank, of ascending values.
fn percentile(ascending: &[Duration], share: f64) -> Duration {
    let rank = (share * ascending.len() as f64).ceil() as usize;
    ascending.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// Topics and a database for one run of the job, removed when this goes.
struct Arena {
    kafka: KafkaSettings,
    /// Of the server, to make the run's database and to remove it.
    postgres: String,
    database: String,
}

impl Arena {
    fn create(plan: &LivePlan, name: &str) -> Result<Self, BenchError> {
        let database = format!("sluice_bench_{}_{name}", std::process::id());
        let mut kafka = KafkaSettings::new(&plan.brokers, TopicNames::own([]));
        let named = |topic: &str| format!("{}-{topic}", database.replace('_', "-"));
        kafka.topics = TopicNames::of(Topic::ids().map(|topic| (topic, named(topic.name()))));
        (kafka.predictions, kafka.dead_letters) =
            (named(&kafka.predictions), named(&kafka.dead_letters));
        let mut client = Target::at(&plan.postgres)?.connect()?;
        client
            .batch_execute(&format!("CREATE DATABASE {database}"))
            .map_err(BenchError::Postgres)?;
        let arena = Arena { kafka, postgres: plan.postgres.clone(), database };
        admin::create_topics(&arena.kafka, PARTITIONS, 1)?;
        Ok(arena)
    }

    /// The address of the run's database: the server's, with another name at its end.
    fn url(&self) -> String {
        with_database(&self.postgres, &self.database)
    }

    /// Starts the job, which is to take so many events, with the default settings but for these.
    fn start(
        &self,
        folder: &Folder,
        events: u64,
        more: &[(&str, &str)],
    ) -> Result<Job, BenchError> {
        let (config, log) = (folder.path("sluice.toml"), folder.path("job.log"));
        let used = |path: &PathBuf| {
            let path = path.clone();
            move |source| BenchError::Directory { path, source }
        };
        fs::write(&config, "").map_err(used(&config))?;
        let mut command = own_program()?;
        command
            .arg("run")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).map_err(used(&log))?);
        let (url, checkpoints) = (self.url(), folder.path(&self.database));
        let topics = Topic::ids().map(|topic| {
            (format!("kafka.topics.{}", topic.file_stem()), self.kafka.topic_name(topic))
        });
        topics.iter().for_each(|(key, name)| set(&mut command, key, name));
        for (key, value) in [
            ("kafka.topics.predictions", self.kafka.predictions.as_str()),
            ("kafka.topics.dead_letters", &self.kafka.dead_letters),
            ("kafka.brokers", &self.kafka.brokers),
            ("postgres.url", &url),
            ("checkpoint.dir", &checkpoints.to_string_lossy()),
            ("http.listen", "127.0.0.1:0"),
            ("log.format", "json"),
            ("epoch.idle", "1s"),
        ]
        .into_iter()
        .chain(more.iter().copied())
        {
            set(&mut command, key, value);
        }
        let patience = PATIENCE + Duration::from_secs(events / TOO_SLOW);
        Ok(Job { child: command.spawn().map_err(BenchError::Start)?, log, patience })
    }

    /// Sends the profiles; gives their number.
    fn send_profiles(&self, world: &World) -> Result<u64, BenchError> {
        let mut producer = Producer::new(&self.kafka)?;
        let mut line = Vec::new();
        for customer in world.customers() {
            line.clear();
            lines::customer_line(customer, &mut line);
            producer.send(
                self.kafka.topic_name(Topic::Customers.id()),
                customer.id,
                Some(&line),
                world.settings().start,
            )?;
        }
        Ok(producer.finish(PATIENCE)?.delivered)
    }

    /// Sends the events at a steady rate; gives when that began, and where they lie.
    fn send_paced(
        &self,
        world: &World,
        rate: u32,
        stop: &AtomicBool,
    ) -> Result<(Instant, Vec<Landed>), BenchError> {
        let mut producer = PacedProducer::new(&self.kafka, rate)?;
        let started = producer.started();
        let mut line = Vec::new();
        for event in world.events() {
            line.clear();
            let (topic, customer) = lines::line(&event, &mut line);
            if !producer.send(
                Due { topic: topic.id(), customer, value: &line, timestamp: event.timestamp() },
                stop,
            )? {
                return Err(BenchError::Stopped);
            }
        }
        Ok((started, producer.finish()?))
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        if let Err(error) = admin::delete_topics(&self.kafka) {
            tracing::warn!("Topics of the bench are left behind: {error}.");
        }
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database);
        let dropped = Target::at(&self.postgres).and_then(|target| target.connect()).and_then(
            |mut client| {
                client.batch_execute(&drop).map_err(PostgresError::statement("drop the database"))
            },
        );
        if let Err(error) = dropped {
            tracing::warn!("Database {} is left behind: {error}.", self.database);
        }
    }
}

/// Gives the job a key of its configuration; by the environment, where no other user can read a
/// password.
fn set(command: &mut Command, key: &str, value: &str) {
    command.env(variable(key), value);
}

/// An address with another database: of the last of several names of a parameter the last counts.
fn with_database(url: &str, name: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return format!("{url} dbname={name}") };
    let (place, parameters) = rest
        .split_once('?')
        .map_or((rest, String::new()), |(place, parameters)| (place, format!("?{parameters}")));
    let server = place.split_once('/').map_or(place, |(server, _)| server);
    format!("{scheme}://{server}/{name}{parameters}")
}

/// A running job, ended at once when this goes.
struct Job {
    child: Child,
    log: PathBuf,
    /// How long something is waited for.
    patience: Duration,
}

impl Job {
    /// Waits until the job asks for the first record; gives the instant.
    fn await_reading(&mut self, stop: &AtomicBool) -> Result<Timestamp, BenchError> {
        let log = self.log.clone();
        self.wait(stop, "the job reads", || {
            let text = fs::read_to_string(&log)
                .map_err(|source| BenchError::Directory { path: log.clone(), source })?;
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let reading = lines
                .filter(|line| line["message"] == READING)
                .find_map(|line| line["timestamp"].as_str()?.parse().ok());
            Ok(reading)
        })
    }

    /// Waits until something is there, for as long as the job runs.
    fn wait<T>(
        &mut self,
        stop: &AtomicBool,
        what: &'static str,
        mut found: impl FnMut() -> Result<Option<T>, BenchError>,
    ) -> Result<T, BenchError> {
        let started = Instant::now();
        loop {
            if let Some(found) = found()? {
                return Ok(found);
            }
            if stop.load(Ordering::Relaxed) {
                return Err(BenchError::Stopped);
            }
            if let Some(status) = self.child.try_wait().map_err(BenchError::Start)? {
                return Err(BenchError::Job(format!(
                    "it ended with {status}: {}",
                    self.last_words()
                )));
            }
            if started.elapsed() > self.patience {
                return Err(BenchError::Job(format!(
                    "not within {} s: {what}; it said: {}",
                    self.patience.as_secs(),
                    self.last_words()
                )));
            }
            std::thread::sleep(LOOK);
        }
    }

    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().next_back().unwrap_or("nothing").to_string()
    }

    /// Asks the job to end, and waits until it has ended well.
    fn drain(mut self, stop: &AtomicBool) -> Result<(), BenchError> {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)
            .map_err(|error| BenchError::Start(error.into()))?;
        loop {
            match self.child.try_wait().map_err(BenchError::Start)? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    return Err(BenchError::Job(format!(
                        "it ended with {status}: {}",
                        self.last_words()
                    )));
                }
                None if stop.load(Ordering::Relaxed) => return Err(BenchError::Stopped),
                None => std::thread::sleep(LOOK),
            }
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to end, only its status to collect.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Next offsets by topic and partition.
type Offsets = BTreeMap<String, BTreeMap<u32, u64>>;

/// What a reader of the database has seen of the job's epochs.
struct Seen {
    client: Client,
    newest: i64,
    /// The model's digest after the newest epoch.
    digest: String,
    /// When each epoch was first seen, with the next offsets by topic and partition.
    commits: Vec<(Instant, Offsets)>,
}

impl Seen {
    fn connect(arena: &Arena) -> Result<Self, BenchError> {
        let client = Target::at(&arena.url())?.connect()?;
        Ok(Seen { client, newest: 0, digest: String::new(), commits: Vec::new() })
    }

    /// Looks for new epochs; gives how many records all together have.
    fn look(&mut self) -> Result<u64, BenchError> {
        let query = "SELECT epoch, digest, offsets::text FROM sluice.epochs WHERE epoch > $1 ORDER \
            BY epoch";
        let rows = self.client.query(query, &[&self.newest]).map_err(BenchError::Postgres)?;
        let now = Instant::now();
        for row in &rows {
            (self.newest, self.digest) = (row.get(0), row.get(1));
            self.commits.push((now, serde_json::from_str(row.get(2))?));
        }
        Ok(self
            .commits
            .last()
            .map_or(0, |(_, offsets)| offsets.values().flat_map(BTreeMap::values).sum()))
    }

    fn epochs(&self) -> u64 {
        self.commits.len() as u64
    }

    /// For each event the time from its due instant until the first commit beyond its offset was
    /// seen; ascending.
    fn latencies(
        &self,
        kafka: &KafkaSettings,
        started: Instant,
        landed: &[Landed],
    ) -> Vec<Duration> {
        let mut latencies: Vec<Duration> = landed
            .iter()
            .filter_map(|event| {
                let next = |offsets: &Offsets| {
                    offsets
                        .get(kafka.topic_name(event.topic))
                        .and_then(|of| of.get(&event.partition))
                        .copied()
                        .unwrap_or(0)
                };
                let covering =
                    self.commits.partition_point(|(_, offsets)| next(offsets) <= event.offset);
                Some(self.commits.get(covering)?.0.saturating_duration_since(started + event.due))
            })
            .collect();
        latencies.sort_unstable();
        latencies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let values: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        let at = |share| percentile(&values, share).as_millis();
        assert_eq!((at(0.5), at(0.99), at(1.0)), (100, 198, 200));
        assert_eq!(percentile(&[], 0.5), Duration::ZERO);
    }

    #[test]
    fn an_address_gets_another_database() {
        for (url, wanted) in [
            ("postgres://ann:s3cret@db:5433/shop", "postgres://ann:s3cret@db:5433/bench"),
            ("postgres://ann@db", "postgres://ann@db/bench"),
            (
                "postgresql://ann@db/shop?connect_timeout=3",
                "postgresql://ann@db/bench?connect_timeout=3",
            ),
            ("host=db user=ann dbname=shop", "host=db user=ann dbname=shop dbname=bench"),
        ] {
            assert_eq!(with_database(url, "bench"), wanted);
        }
    }
}
