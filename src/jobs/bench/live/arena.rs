//! Topics and a database for one run of the job.

use super::super::error::BenchError;
use super::super::folder::{TemporaryFolder, own_program};
use super::LivePlan;
use super::job::{Job, PATIENCE};
use crate::config::load::variable;
use crate::kafka::paced::{Due, Landed, PacedProducer};
use crate::kafka::producer::Producer;
use crate::kafka::{KafkaSettings, admin};
use crate::postgres::{PostgresError, Target};
use crate::source::TopicNames;
use dataflows::event::Topic;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use world::{World, lines};

/// Partitions of each topic.
const PARTITIONS: u32 = 3;

/// Events a second below which a job is not waited for.
const TOO_SLOW: u64 = 10_000;

/// Topics and a database for one run of the job, removed when this goes.
pub(super) struct Arena {
    pub(super) kafka: KafkaSettings,
    /// Of the server, to make the run's database and to remove it.
    postgres: String,
    database: String,
}

impl Arena {
    pub(super) fn create(plan: &LivePlan, name: &str) -> Result<Self, BenchError> {
        let database = format!("sluice_bench_{}_{name}", std::process::id());
        let mut kafka = KafkaSettings::new(&plan.brokers, TopicNames::own([]));
        let named = |topic: &str| format!("{}-{topic}", database.replace('_', "-"));
        kafka.topics = TopicNames::of(Topic::ids().map(|topic| (topic, named(topic.name()))));
        (kafka.predictions, kafka.dead_letters) =
            (Some(named("campaign-predictions")), named(&kafka.dead_letters));
        let mut client = Target::at(&plan.postgres)?.connect()?;
        client
            .batch_execute(&format!("CREATE DATABASE {database}"))
            .map_err(BenchError::Postgres)?;
        let arena = Arena { kafka, postgres: plan.postgres.clone(), database };
        admin::create_topics(&arena.kafka, PARTITIONS, 1)?;
        Ok(arena)
    }

    /// The address of the run's database: the server's, with another name at its end.
    pub(super) fn url(&self) -> String {
        with_database(&self.postgres, &self.database)
    }

    /// Starts the job, which is to take so many events, with the default settings but for these.
    pub(super) fn start(
        &self,
        folder: &TemporaryFolder,
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
        let predictions = self.kafka.predictions.as_deref().unwrap_or_default();
        for (key, value) in [
            ("kafka.topics.predictions", predictions),
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
    pub(super) fn send_profiles(&self, world: &World) -> Result<u64, BenchError> {
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
    pub(super) fn send_paced(
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

#[cfg(test)]
mod tests {
    use super::*;

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
