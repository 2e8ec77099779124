//! The same of the places that a job reads from and writes to.

use super::{full, panicked, remade, text};
use crate::blame::Blame;
use crate::checkpoint::CheckpointError;
use crate::files::changes::ChangesError;
use crate::journal::JournalError;
use crate::kafka::KafkaError;
use crate::postgres::{PostgresError, Target};
use crate::sink::SinkError;
use crate::sink::applied::UnknownSettings;
use rdkafka::types::RDKafkaErrorCode;
use std::time::Duration;

/// What the client of the database says where nothing answers.
pub(super) fn silent() -> postgres::Error {
    let target = Target::at("host=127.0.0.1 port=1 connect_timeout=1").expect("an address");
    match target.connect() {
        Err(PostgresError::Unreachable { source, .. }) => source,
        other => panic!("nobody is there: {:?}", other.err()),
    }
}

pub(super) fn target() -> PostgresError {
    PostgresError::Target(vec![("postgres.url", text("it has no host"))])
}

pub fn kafka() -> Vec<KafkaError> {
    let (brokers, topic, why) = (|| text("b:9092"), || text("orders"), || text("timed out"));
    let waited = Duration::from_secs(30);
    every![KafkaError;
        KafkaError::FixedProperty { .. } =>
            KafkaError::FixedProperty { name: "acks", value: text("0"), wanted: text("all") },
        KafkaError::Configuration(_) => KafkaError::Configuration(text("no such property")),
        KafkaError::Unreachable { .. } => KafkaError::Unreachable {
            brokers: brokers(),
            doing: "ask for its topics",
            waited,
            why: why(),
        },
        KafkaError::MissingTopics { .. } =>
            KafkaError::MissingTopics { brokers: brokers(), topics: vec![topic()] },
        KafkaError::Kept { .. } =>
            KafkaError::Kept { why: text("a file is gone"), blame: Blame::Lasting },
        KafkaError::Remade(_) => KafkaError::Remade(remade()),
        KafkaError::Deleted { .. } => KafkaError::Deleted { brokers: brokers(), topic: topic() },
        KafkaError::MissingPartition { .. } =>
            KafkaError::MissingPartition {
                brokers: brokers(),
                topic: topic(),
                partition: 2,
                found: 1,
            },
        KafkaError::TooManyPartitions { .. } =>
            KafkaError::TooManyPartitions { topic: topic(), partition: 70_000 },
        KafkaError::Removed { .. } =>
            KafkaError::Removed { topic: topic(), partition: 0, wanted: 0, low: 4 },
        KafkaError::PastEnd { .. } =>
            KafkaError::PastEnd { topic: topic(), partition: 0, wanted: 9, high: 4 },
        KafkaError::Refused { .. } => KafkaError::Refused {
            brokers: brokers(),
            doing: text("read"),
            why: text("not authorized"),
        },
        KafkaError::Delivery { .. } => KafkaError::Delivery {
            brokers: brokers(),
            topic: topic(),
            why: text("too large"),
            code: RDKafkaErrorCode::MessageSizeTooLarge,
        },
        KafkaError::Undelivered { .. } =>
            KafkaError::Undelivered { brokers: brokers(), waiting: 3, waited, why: why() },
        KafkaError::Thread(_) => KafkaError::Thread(full()),
        KafkaError::Panicked(_) => KafkaError::Panicked(panicked()),
    ]
}

pub fn postgres() -> Vec<PostgresError> {
    let (address, job, waited) =
        (|| text("postgres://db/shop"), || text("campaign"), Duration::from_secs(30));
    every![PostgresError;
        PostgresError::Target(_) => target(),
        PostgresError::Files(_) =>
            PostgresError::Files(vec![("postgres.sslrootcert", text("root.crt is missing"))]),
        PostgresError::Tls { .. } => PostgresError::Tls {
            address: address(), why: text("the server has no TLS"), source: silent(),
        },
        PostgresError::Unreachable { .. } =>
            PostgresError::Unreachable { address: address(), waited, source: silent() },
        PostgresError::Refused { .. } => PostgresError::Refused {
            address: address(),
            advice: "check user, password and database",
            source: silent(),
        },
        PostgresError::Encoding { .. } =>
            PostgresError::Encoding { address: address(), encoding: text("LATIN1") },
        PostgresError::Migration { .. } =>
            PostgresError::Migration { schema: text("sluice"), source: silent() },
        PostgresError::Version { .. } =>
            PostgresError::Version { schema: text("sluice"), found: 3, wanted: 4 },
        PostgresError::Diverged { .. } =>
            PostgresError::Diverged { schema: text("sluice"), version: 7 },
        PostgresError::Rights(_) => PostgresError::Rights(vec![text("the role cannot make \
            temporary tables")]),
        PostgresError::NoJob(_) => PostgresError::NoJob(job()),
        PostgresError::Remade(_) => PostgresError::Remade(remade()),
        PostgresError::Pooled(_) => PostgresError::Pooled(address()),
        PostgresError::OtherJob { .. } => PostgresError::OtherJob {
            schema: text("sluice"), address: address(), owner: text("shop"), job: job(),
        },
        PostgresError::SeveralJobs { .. } => PostgresError::SeveralJobs {
            schema: text("sluice"), address: address(), job: job(),
            others: vec![text("shop"), text("store")],
        },
        PostgresError::OtherResults { .. } => PostgresError::OtherResults {
            schema: text("sluice"), address: address(),
            found: text("dataflow `arrivals` in format 1"),
            wanted: text("dataflow `campaign` in format 1"),
        },
        PostgresError::FeatureName { .. } => PostgresError::FeatureName {
            name: text("oid"),
            table: "customer_features",
            why: "it is a column of every table",
        },
        PostgresError::Column { .. } => PostgresError::Column {
            table: "customer_features",
            column: text("recency"),
            found: text("text"),
            wanted: "double precision",
        },
        PostgresError::Fenced { .. } =>
            PostgresError::Fenced { job: job(), epoch: 7, own: 1, current: 2 },
        PostgresError::Gap { .. } => PostgresError::Gap { job: job(), epoch: 9, recorded: 7 },
        PostgresError::NoProgress(_) => PostgresError::NoProgress(job()),
        PostgresError::Published { .. } =>
            PostgresError::Published { table: "thresholds", row: text("{\"day\":19000}") },
        PostgresError::Shape { .. } =>
            PostgresError::Shape { epoch: 7, what: "features", found: 3, wanted: 4 },
        PostgresError::Recorded { .. } =>
            PostgresError::Recorded { epoch: 7, why: text("its digest is no number") },
        PostgresError::Statement { .. } =>
            PostgresError::Statement { doing: "commit".into(), source: silent() },
        PostgresError::Copy(_) => PostgresError::Copy(full()),
        PostgresError::GaveUp { .. } =>
            PostgresError::GaveUp { epoch: 7, waited, last: Box::new(PostgresError::Copy(full())) },
    ]
}

pub fn checkpoint() -> Vec<CheckpointError> {
    let object = || text("manifests/7.json");
    every![CheckpointError;
        CheckpointError::Address { .. } =>
            CheckpointError::Address { address: text("ftp://x"), why: text("no such store") },
        CheckpointError::Store { .. } =>
            CheckpointError::Store { object: object(), done: "written", source: Box::new(full()) },
        CheckpointError::Missing { .. } => CheckpointError::Missing { object: object() },
        CheckpointError::Damaged { .. } =>
            CheckpointError::Damaged { object: object(), why: text("its checksum differs") },
        CheckpointError::Format { .. } => CheckpointError::Format { object: object(), found: 99 },
        CheckpointError::Foreign { .. } => CheckpointError::Foreign {
            object: object(),
            differences: vec![text("bandit.arms: 3 instead of 2")],
        },
        CheckpointError::Unknown { .. } =>
            CheckpointError::Unknown { address: text("checkpoints/campaign"), epoch: 7 },
        CheckpointError::UnknownHistory { .. } =>
            CheckpointError::UnknownHistory {
                address: text("checkpoints/campaign"),
                history: text("0123"),
            },
        CheckpointError::Ambiguous { .. } =>
            CheckpointError::Ambiguous {
                address: text("checkpoints/campaign"),
                histories: vec![text("none"), text("0123456789abcdef")],
            },
        CheckpointError::Nothing { .. } =>
            CheckpointError::Nothing { address: text("checkpoints/campaign") },
        CheckpointError::Thread(_) => CheckpointError::Thread(full()),
        CheckpointError::Panicked(_) => CheckpointError::Panicked(panicked()),
    ]
}

fn changes() -> Vec<ChangesError> {
    let own = every![ChangesError;
        ChangesError::Io { .. } =>
            ChangesError::Io { path: "7.jsonl".into(), done: "written", source: full() },
        ChangesError::Damaged { .. } =>
            ChangesError::Damaged { path: "7.jsonl".into(), why: text("it is cut short") },
        ChangesError::OtherHistory { .. } => ChangesError::OtherHistory {
            path: "7.jsonl".into(),
            found: Some(text("0123456789abcdef")),
        },
        ChangesError::Held(_) => ChangesError::Held("files/campaign".into()),
        ChangesError::Rows(_) => ChangesError::Rows(target()),
    ];
    own.into_iter()
        .filter(|error| !matches!(error, ChangesError::Rows(_)))
        .chain(postgres().into_iter().map(ChangesError::Rows).take(1))
        .collect()
}

fn journal() -> Vec<JournalError> {
    let (path, job) = (|| "campaign/journal".into(), || text("campaign"));
    let own = every![JournalError;
        JournalError::Held { .. } =>
            JournalError::Held { job: job(), path: path(), holder: Some(text("4711")) },
        JournalError::Io { .. } =>
            JournalError::Io { path: path(), done: "written", source: full() },
        JournalError::Damaged { .. } =>
            JournalError::Damaged { path: path(), at: 120, why: text("its checksum differs") },
        JournalError::Kept { .. } =>
            JournalError::Kept { path: path(), at: 120, why: text("records are missing") },
        JournalError::Format { .. } => JournalError::Format { path: path(), found: 9 },
        JournalError::Remade(_) => JournalError::Remade(remade()),
        JournalError::OtherSink { .. } => JournalError::OtherSink { path: path(), before: true },
        JournalError::Fenced { .. } => JournalError::Fenced { job: job(), own: 1, current: 2 },
        JournalError::Changed { .. } => JournalError::Changed { path: path() },
        JournalError::Gap { .. } => JournalError::Gap { job: job(), epoch: 9, recorded: 7 },
        JournalError::Published { .. } =>
            JournalError::Published { what: "threshold", day: 19_000, published: 4, now: 5 },
        JournalError::TooLong { .. } =>
            JournalError::TooLong { epoch: 7, path: path(), bytes: 5_000_000_000 },
        JournalError::Recorded { .. } => JournalError::Recorded {
            epoch: 7,
            path: path(),
            why: text("it has read topic `orders`, which is not configured"),
        },
        JournalError::Changes(_) => JournalError::Changes(
            ChangesError::Io { path: "7.jsonl".into(), done: "written", source: full() },
        ),
        JournalError::Checkpoint(_) => JournalError::Checkpoint(CheckpointError::Thread(full())),
    ];
    let own = own
        .into_iter()
        .filter(|error| !matches!(error, JournalError::Changes(_) | JournalError::Checkpoint(_)));
    own.chain(changes().into_iter().map(JournalError::Changes))
        .chain(checkpoint().into_iter().map(JournalError::Checkpoint).take(2))
        .collect()
}

pub fn sink() -> Vec<SinkError> {
    let own = every![SinkError;
        SinkError::Fault(_) => SinkError::from(target()),
        SinkError::Thread(_) => SinkError::Thread(full()),
        SinkError::Panicked(_) => SinkError::Panicked(panicked()),
    ];
    let own = own
        .into_iter()
        .filter(|error| matches!(error, SinkError::Thread(_) | SinkError::Panicked(_)));
    postgres()
        .into_iter()
        .map(SinkError::from)
        .chain(journal().into_iter().map(SinkError::from))
        .chain([SinkError::from(UnknownSettings { epoch: 5, why: text("unknown field `arms`") })])
        .chain(own)
        .collect()
}
