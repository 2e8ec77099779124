//! A job against the real broker and database: its configuration, its topics and its database, each
//! test its own.

pub(crate) mod certificates;
pub(crate) mod client;
pub(crate) mod compaction;
pub(crate) mod console;
pub(crate) mod dump;
mod job;
mod kept;
pub(crate) mod own;
pub(crate) mod ports;
pub(crate) mod purchases;
pub(crate) mod rotten;
pub(crate) mod sender;
mod starting;
pub(crate) mod topics;
pub(crate) mod verifying;
pub(crate) mod world;

use client::Place;
pub(crate) use job::{Course, Job, program};
use postgres::{Client, NoTls};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a condition is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// One test's topics, database and files.
pub(crate) struct Stage {
    /// Files of the test.
    pub(crate) directory: tempfile::TempDir,
    /// The brokers.
    pub(crate) brokers: String,
    url: String,
    name: String,
}

impl Stage {
    /// A stage of its own; `None`, with a printed reason, where there are no services and none are
    /// demanded.
    pub(crate) fn set(name: &str) -> Option<Stage> {
        let (brokers, server) = match (
            std::env::var("SLUICE_KAFKA_BROKERS"),
            std::env::var("SLUICE_POSTGRES_URL"),
        ) {
            (Ok(brokers), Ok(url)) => (brokers, url),
            _ if std::env::var("SLUICE_REQUIRE_SERVICES").is_ok_and(|demanded| demanded == "1") => {
                panic!(
                    "SLUICE_KAFKA_BROKERS and SLUICE_POSTGRES_URL must be set: start them by \
                     scripts/services up"
                )
            }
            _ => {
                eprintln!(
                    "left out: no SLUICE_KAFKA_BROKERS and SLUICE_POSTGRES_URL; scripts/services \
                     up starts both"
                );
                return None;
            }
        };
        Some(Stage::at(name, brokers, &server))
    }

    /// A stage of its own at these services.
    pub(crate) fn at(name: &str, brokers: String, server: &str) -> Stage {
        Stage::within(&std::env::temp_dir(), name, brokers, server)
    }

    /// The same, with the test's files in a folder.
    pub(crate) fn within(folder: &Path, name: &str, brokers: String, server: &str) -> Stage {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("{name}_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut client = Client::connect(server, NoTls).expect("the database answers");
        client.batch_execute(&format!("CREATE DATABASE {name}")).expect("a database can be made");
        let (base, _) = server.rsplit_once('/').expect("the address ends with a database");
        let directory = tempfile::tempdir_in(folder).expect("a folder");
        let stage = Stage { directory, brokers, url: format!("{base}/{name}"), name };
        stage.configure("");
        stage
    }

    /// A stage with nobody at the addresses of its brokers and its database.
    pub(crate) fn nowhere(brokers: String, database: String) -> Stage {
        let url = format!("postgres://sluice@{database}/nowhere");
        let stage = Stage {
            directory: tempfile::tempdir().expect("a folder"),
            brokers,
            url,
            name: "nowhere".to_string(),
        };
        stage.configure("");
        stage
    }

    /// The address of the stage's database.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Host and port of the database's server.
    pub(crate) fn server(&self) -> &str {
        self.url
            .rsplit_once('@')
            .and_then(|(_, rest)| rest.split_once('/'))
            .map_or("", |(server, _)| server)
    }

    /// A configuration for this stage's topics and database, with more lines under `[epoch]`.
    pub(crate) fn toml(&self, epoch: &str) -> String {
        let Stage { brokers, url, name, .. } = self;
        let topics = [
            "transactions",
            "customers",
            "interactions",
            "rewards",
            "requests",
            "predictions",
            "dead_letters",
        ];
        let topics: String =
            topics.iter().map(|topic| format!("{topic} = \"{name}-{topic}\"\n")).collect();
        format!(
            "[kafka]\nbrokers = \"{brokers}\"\n[kafka.topics]\n{topics}[postgres]\nurl = \
             \"{url}\"\n[checkpoint]\ndir = \"{}\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\n[epoch]\nidle = \"1s\"\ninterval = \
             \"200ms\"\n{epoch}\n",
            self.path("checkpoints").display()
        )
    }

    /// The name of one of this stage's topics.
    pub(crate) fn topic(&self, topic: &str) -> String {
        format!("{}-{topic}", self.name)
    }

    /// Writes the configuration again, with more lines under `[epoch]`.
    pub(crate) fn configure(&self, epoch: &str) {
        std::fs::write(self.config(), self.toml(epoch)).expect("the configuration can be written");
    }

    /// As [`toml`](Self::toml), with a checkpoint each second.
    pub(crate) fn saving_toml(&self, epoch: &str) -> String {
        self.toml(epoch).replace("[checkpoint]\n", "[checkpoint]\ninterval = \"1s\"\n")
    }

    /// Writes the configuration again, with a checkpoint each second and more lines under
    /// `[epoch]`.
    pub(crate) fn configure_saving(&self, epoch: &str) {
        std::fs::write(self.config(), self.saving_toml(epoch))
            .expect("the configuration can be written");
    }

    /// Where the configuration is.
    pub(crate) fn config(&self) -> PathBuf {
        self.path("sluice.toml")
    }

    /// A path among the test's files.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes the topics.
    pub(crate) fn create_topics(&self) {
        self.sluice(&["topics", "create", self.config().to_str().expect("UTF-8")]);
    }

    /// Runs the program to its end.
    pub(crate) fn sluice(&self, arguments: &[&str]) -> Output {
        let output = program().args(arguments).output().expect("the program can be started");
        assert!(
            output.status.success(),
            "sluice {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    /// Adds partitions to each topic that is read, up to so many, and waits until the broker knows
    /// of them.
    pub(crate) fn add_partitions(&self, partitions: usize) {
        let admin: AdminClient<_> =
            ClientConfig::new().set("bootstrap.servers", &self.brokers).create().expect("a client");
        let names: Vec<String> = ["transactions", "customers", "interactions"]
            .iter()
            .map(|topic| format!("{}-{topic}", self.name))
            .collect();
        let wanted: Vec<NewPartitions<'_>> =
            names.iter().map(|name| NewPartitions::new(name, partitions)).collect();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let added = runtime
            .block_on(admin.create_partitions(&wanted, &AdminOptions::new()))
            .expect("the broker answers");
        added.into_iter().for_each(|added| drop(added.expect("partitions are added")));
        let known = |name: &String| {
            let found =
                admin.inner().fetch_metadata(Some(name), PATIENCE).expect("the broker answers");
            found.topics().iter().all(|topic| topic.partitions().len() == partitions)
        };
        eventually("the partitions are there", || names.iter().all(known));
    }

    /// Where the job goes on in each partition after the last committed epoch.
    pub(crate) fn committed(&self) -> BTreeMap<Place, i64> {
        committed(&mut self.database())
    }

    /// Epochs of the complete checkpoints that are there.
    pub(crate) fn checkpoints(&self) -> Vec<u64> {
        self.manifests()
            .iter()
            .filter_map(|path| path.file_stem()?.to_str()?.parse().ok())
            .collect()
    }

    /// Their manifests, of whatever history.
    pub(crate) fn manifests(&self) -> Vec<PathBuf> {
        let paths = self.histories().into_iter().flat_map(|folder| {
            std::fs::read_dir(folder.join("manifests")).into_iter().flatten().flatten()
        });
        paths
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .collect()
    }

    /// The folders of histories among the checkpoints: each named by sixteen digits.
    pub(crate) fn histories(&self) -> Vec<PathBuf> {
        let folders =
            std::fs::read_dir(self.path("checkpoints/campaign")).into_iter().flatten().flatten();
        let is_history = |path: &PathBuf| {
            path.file_name().is_some_and(|name| {
                name.len() == 16
                    && name.to_str().is_some_and(|name| u64::from_str_radix(name, 16).is_ok())
            })
        };
        folders.map(|entry| entry.path()).filter(is_history).collect()
    }

    /// What the job that was started last has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("job.log")).expect("there is a log")
    }

    /// A connection to the stage's database.
    pub(crate) fn database(&self) -> Client {
        Client::connect(&self.url, NoTls).expect("the database answers")
    }

    /// Waits until a query, which may fail until then, gives `wanted`.
    pub(crate) fn wait_for(&self, query: &str, wanted: i64) {
        let mut client = self.database();
        let started = Instant::now();
        let mut last = None;
        while started.elapsed() < PATIENCE {
            last = client
                .query_one(&format!("SELECT ({query})::bigint"), &[])
                .ok()
                .and_then(|row| row.get::<_, Option<i64>>(0));
            if last == Some(wanted) {
                return;
            }
            client.batch_execute("SELECT pg_sleep(0.05)").expect("the database answers");
        }
        panic!("{query} is {last:?} after {PATIENCE:?}, not {wanted}");
    }
}

/// Where the job goes on in each partition after the last committed epoch.
pub(crate) fn committed(database: &mut Client) -> BTreeMap<Place, i64> {
    let query = "SELECT topic.key, next.key::int, next.value::bigint FROM sluice.epochs e, \
         jsonb_each(e.offsets) topic, jsonb_each_text(topic.value) next
                 WHERE e.epoch = (SELECT max(epoch) FROM sluice.epochs) AND next.value::bigint > 0";
    let rows = database.query(query, &[]).expect("offsets");
    rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect()
}

/// How much of each log a test shows that fails.
const LAST_LINES: usize = 100;

impl Drop for Stage {
    /// What the jobs said is gone with the stage: a test that fails shows it.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let files = std::fs::read_dir(self.directory.path())
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        let mut logs: Vec<_> = files
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .collect();
        logs.sort();
        for log in logs {
            let said =
                String::from_utf8_lossy(&std::fs::read(&log).unwrap_or_default()).into_owned();
            let lines: Vec<&str> = said.lines().collect();
            println!(
                "{}, its last lines:\n{}",
                log.display(),
                lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
            );
        }
    }
}

/// A path as a command and a file of configuration name it.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Waits until something holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A field of a JSON file.
pub(crate) fn field(path: &Path, name: &str) -> serde_json::Value {
    let text = std::fs::read_to_string(path).expect("the file is there");
    serde_json::from_str::<serde_json::Value>(&text).expect("it is JSON")[name].clone()
}

/// Every file below a folder.
pub(crate) fn files_below(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    drop(found.insert(path.clone(), std::fs::read(&path).expect("it can be read")))
                }
            }
        }
    }
    found
}
