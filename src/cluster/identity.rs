//! What a process says of itself to the others before anything is read: all that has to be the same
//! in each of them.
//!
//! Left out is what a machine may have of its own: where the console listens, how it logs, files of
//! secrets and certificates, properties of the client of Kafka, how much memory is used for what
//! waits.

use crate::config::types::{
    CheckpointSection, Config, EpochSection, FilesSection, KafkaSection, LimitsSection,
    PostgresSection,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Characters of a value that a difference shows.
const SHOWN: usize = 120;

/// Everything in which the processes of a job have to agree, each with its value as a text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// As it was started. The same again gives the same.
    started: BTreeMap<String, String>,
    /// As it finds the world, which may have changed between two looks. What one of them could not
    /// find is not compared.
    found: BTreeMap<String, String>,
}

/// In what two processes differ.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Differences {
    /// A clause for each.
    pub(super) clauses: Vec<String>,
    /// Whether it is how they were started: then they would differ again.
    pub(super) lasting: bool,
}

impl Identity {
    /// As the configuration says, and its dataflow makes of it. A test holds every key against
    /// this, so that a new one has to be decided on.
    pub(crate) fn of(config: &Config, of_dataflow: &[(String, String)]) -> Self {
        let Config {
            job,
            dataflow,
            workers,
            processes,
            process: _,
            hostfile: _,
            cluster: _,
            log: _,
            kafka,
            postgres: PostgresSection { url, schema, .. },
            files: FilesSection { dir: files },
            checkpoint: CheckpointSection { dir: checkpoints, interval: _, keep },
            epoch: EpochSection { interval, max_events, lateness: _, idle },
            http: _,
            input: _,
            fields: _,
            history: _,
            customers: _,
            context: _,
            bandit: _,
            policies: _,
            limits: LimitsSection { epochs_in_flight, fetched: _, unsaved: _ },
        } = config;
        let mut started = of_kafka(kafka);
        started.extend(of_dataflow.iter().cloned());
        let rest = [
            ("program", env!("SLUICE_VERSION").to_string()),
            ("job", job.clone()),
            ("dataflow", dataflow.clone()),
            ("workers", workers.to_string()),
            ("processes", processes.to_string()),
            ("postgres.url", url.to_string()),
            ("postgres.schema", schema.to_string()),
            ("files.dir", files.as_deref().map_or(String::new(), |dir| dir.display().to_string())),
            ("checkpoint.dir", checkpoints.to_string()),
            ("checkpoint.keep", keep.to_string()),
            ("epoch.interval", format!("{interval:?}")),
            ("epoch.max_events", max_events.to_string()),
            ("epoch.idle", format!("{idle:?}")),
            ("limits.epochs_in_flight", epochs_in_flight.to_string()),
        ];
        started.extend(rest.into_iter().map(|(key, value)| (key.to_string(), value)));
        Identity { started, found: BTreeMap::new() }
    }

    /// The same with one thing more of how the process was started.
    pub(crate) fn started_with(mut self, what: &str, value: impl ToString) -> Self {
        self.started.insert(what.to_string(), value.to_string());
        self
    }

    /// The same with one thing more of how it finds the world.
    pub(crate) fn finding(mut self, what: &str, value: impl ToString) -> Self {
        self.found.insert(what.to_string(), value.to_string());
        self
    }

    /// Whether a process of the one identity can work with one of the other.
    pub(super) fn fits(&self, other: &Identity) -> bool {
        self.differences(0, other, 1).clauses.is_empty()
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts are JSON")
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// In what this one, of the process `here`, differs from `other`, of the process `there`.
    pub(super) fn differences(&self, here: usize, other: &Identity, there: usize) -> Differences {
        let started = clauses((&self.started, here), (&other.started, there));
        let (mut mine, mut theirs) = (self.found.clone(), other.found.clone());
        mine.retain(|what, _| other.found.contains_key(what));
        theirs.retain(|what, _| self.found.contains_key(what));
        let found = clauses((&mine, here), (&theirs, there));
        Differences { lasting: !started.is_empty(), clauses: [started, found].concat() }
    }
}

fn of_kafka(kafka: &KafkaSection) -> BTreeMap<String, String> {
    let KafkaSection {
        brokers,
        start,
        group: _,
        partitions: _,
        replication: _,
        topics,
        properties: _,
    } = kafka;
    let named = topics.all().map(|(key, name)| (format!("kafka.topics.{key}"), name.to_string()));
    let values =
        [("kafka.brokers", brokers.clone()), ("kafka.start", format!("{start:?}").to_lowercase())];
    values.into_iter().map(|(key, value)| (key.to_string(), value)).chain(named).collect()
}

/// The values of one process, and its number.
type Of<'a> = (&'a BTreeMap<String, String>, usize);

/// A clause for each key with another value, the process of the lower number first: both sides say
/// the same.
fn clauses(one: Of<'_>, other: Of<'_>) -> Vec<String> {
    let ((first, low), (second, high)) = if one.1 <= other.1 { (one, other) } else { (other, one) };
    let keys: BTreeSet<&String> = first.keys().chain(second.keys()).collect();
    let differing = keys.into_iter().filter(|key| first.get(*key) != second.get(*key));
    differing
        .map(|key| {
            let (here, there) = shown(first.get(key), second.get(key));
            format!("{key} is {here} in process {low} and {there} in process {high}")
        })
        .collect()
}

/// Two values that differ. Of two lists that have not the same items, only those that the other has
/// not.
fn shown(one: Option<&String>, other: Option<&String>) -> (String, String) {
    let list = |value: Option<&String>| serde_json::from_str::<Vec<String>>(value?).ok();
    let (Some(first), Some(second)) = (list(one), list(other)) else {
        return (short(one), short(other));
    };
    let beyond = |items: &[String], others: &[String]| {
        let own: Vec<String> =
            items.iter().filter(|item| !others.contains(item)).cloned().collect();
        serde_json::Value::from(own).to_string()
    };
    match (beyond(&first, &second), beyond(&second, &first)) {
        (here, there) if here == there => (short(one), short(other)),
        (here, there) => (
            format!("a list with {}", short(Some(&here))),
            format!("one with {}", short(Some(&there))),
        ),
    }
}

fn short(value: Option<&String>) -> String {
    let Some(value) = value else { return "not said".to_string() };
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None if value.is_empty() => "none".to_string(),
        None => value.clone(),
    }
}

#[cfg(test)]
mod tests;
