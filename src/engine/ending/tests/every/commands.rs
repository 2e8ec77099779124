//! The same of the commands beside `run`.

use super::places::kafka;
use super::worlds::{bench, demo, world, write};
use super::{cluster, full, panicked, text};
use crate::checkpoint::CheckpointError;
use crate::cli::error::ProgramError;
use crate::cluster::ClusterError;
use crate::config::fault::Faults;
use crate::engine::gather::GatherError;
use crate::engine::history::HistoryError;
use crate::engine::load::LoadError;
use crate::engine::replay::span::Crossed;
use crate::engine::replay::{ReplayError, SourceFault, SourceFaults, TopicsError};
use crate::engine::run::RunError;
use crate::engine::verify::{Open, Since, VerifyError};
use crate::files::error::FileError;
use crate::files::names;
use crate::files::output::OutputError;
use crate::jobs::bench::error::BenchError;
use crate::jobs::demo::DemoError;
use crate::kafka::KafkaError;
use crate::postgres::PostgresError;
use dataflows::event::Topic;
use dataflows::snapshot::SnapshotError;
use std::collections::BTreeMap;
use std::time::Duration;
use world::WorldError;

/// Everything that can end the computing of a stretch of the topics.
fn history() -> Vec<HistoryError> {
    every![HistoryError;
        HistoryError::Kafka(_) => HistoryError::Kafka(
            KafkaError::Removed { topic: text("orders"), partition: 0, wanted: 0, low: 4 },
        ),
        HistoryError::Cluster(_) => HistoryError::Cluster(ClusterError::Lost),
        HistoryError::Gather(_) => HistoryError::Gather(GatherError::SinkEnded(7)),
        HistoryError::Panicked(_) => HistoryError::Panicked(panicked()),
        HistoryError::Load(_) => HistoryError::Load(SnapshotError::Common(text("no JSON")).into()),
    ]
}

/// Everything that can end `verify`.
fn verify() -> Vec<VerifyError> {
    let topic = || text("orders");
    let own = every![VerifyError;
        VerifyError::Kafka(_) => VerifyError::Kafka(
            KafkaError::MissingTopics { brokers: text("b:9092"), topics: vec![topic()] },
        ),
        VerifyError::Postgres(_) => VerifyError::Postgres(PostgresError::NoJob(text("campaign"))),
        VerifyError::Cluster(_) => VerifyError::Cluster(ClusterError::Panicked(panicked())),
        VerifyError::History(_) => VerifyError::History(HistoryError::Cluster(ClusterError::Lost)),
        VerifyError::Removed { .. } =>
            VerifyError::Removed { topic: topic(), partition: 0, wanted: 0, low: 4 },
        VerifyError::PastEnd { .. } =>
            VerifyError::PastEnd { epoch: 7, topic: topic(), partition: 0, wanted: 9, high: 4 },
        VerifyError::Unrepeatable(_) => VerifyError::Unrepeatable(text("campaign")),
        VerifyError::Checkpoint(_) => VerifyError::Checkpoint(
            CheckpointError::Address { address: text("s3://"), why: text("no bucket") },
        ),
        VerifyError::Closed { .. } => VerifyError::Closed {
            why: Box::new(VerifyError::Forgotten { through: 63, since: 0 }),
            open: Some(Open { since: Some(Since::Oldest), epoch: 99 }),
        },
        VerifyError::Unverified { .. } => VerifyError::Unverified {
            address: text("c/campaign"),
            since: Since::Epoch(7),
            there: vec![3, 9],
        },
        VerifyError::Unusable { .. } =>
            VerifyError::Unusable { object: text("c/7.json"), why: text("it is missing") },
        VerifyError::OtherHistory { .. } => VerifyError::OtherHistory {
            object: text("the verification of epoch 7 at c"),
            why: text("that epoch is not recorded"),
        },
        VerifyError::Forgotten { .. } => VerifyError::Forgotten { through: 63, since: 7 },
        VerifyError::RemovedSince { .. } =>
            VerifyError::RemovedSince { topic: topic(), partition: 0, epoch: 7, wanted: 2, low: 4 },
        VerifyError::Configured { .. } =>
            VerifyError::Configured {
                job: text("campaign"),
                differences: vec![text("input.decimals was 2 and is 3")],
            },
        VerifyError::Thread(_) => VerifyError::Thread(text("no room")),
    ];
    own.into_iter()
        .filter(|error| !matches!(error, VerifyError::History(_)))
        .chain(history().into_iter().map(VerifyError::History))
        .collect()
}

/// Everything that can end a replay of topics.
fn topics() -> Vec<TopicsError> {
    let topic = || text("orders");
    let own = every![TopicsError;
        TopicsError::History(_) => TopicsError::History(HistoryError::Cluster(ClusterError::Lost)),
        TopicsError::Files(_) => TopicsError::Files(
            FileError::Line { path: "epochs.jsonl".into(), line: 3, problem: text("no epoch") },
        ),
        TopicsError::UnknownTopic(_) => TopicsError::UnknownTopic(topic()),
        TopicsError::UnknownPartition { .. } =>
            TopicsError::UnknownPartition { topic: topic(), partition: 2 },
        TopicsError::Crossed(_) => TopicsError::Crossed(Crossed::Offsets(vec![(topic(), 0, 9, 3)])),
        TopicsError::Backwards { .. } =>
            TopicsError::Backwards { epoch: 7, topic: topic(), partition: 0, next: 3 },
    ];
    let inner =
        |error: &TopicsError| matches!(error, TopicsError::History(_) | TopicsError::Crossed(_));
    let nested = crossed()
        .into_iter()
        .map(TopicsError::Crossed)
        .chain(history().into_iter().map(TopicsError::History));
    own.into_iter().filter(|error| !inner(error)).chain(nested).collect()
}

fn crossed() -> Vec<Crossed> {
    every![Crossed;
        Crossed::Offsets(_) => Crossed::Offsets(vec![(text("orders"), 0, 9, 3)]),
        Crossed::Instants { .. } =>
            Crossed::Instants { from: 1_709_251_200_000, until: 1_704_067_200_000 },
    ]
}

/// Everything that can end a replay of files.
fn files() -> Vec<FileError> {
    let path = || "in/transactions.jsonl".into();
    every![FileError;
        FileError::Directory { .. } => FileError::Directory { path: "in".into(), source: full() },
        FileError::Ambiguous { .. } => FileError::Ambiguous {
            topic: "transactions",
            names: vec![text("transactions.csv"), text("transactions.jsonl")],
        },
        FileError::Missing { .. } =>
            FileError::Missing { topic: "transactions", directory: "in".into(), alike: Vec::new() },
        FileError::Header { .. } =>
            FileError::Header { path: path(), line: 1, problem: text("it is empty") },
        FileError::Encoding { .. } => FileError::Encoding { path: path(), found: "UTF-16" },
        FileError::Packed { .. } => FileError::Packed { path: path(), found: "gzip", ending: "gz" },
        FileError::LineEnds { .. } => FileError::LineEnds { path: path() },
        FileError::Line { .. } =>
            FileError::Line { path: path(), line: 3, problem: text("no JSON") },
        FileError::Read { .. } => FileError::Read { path: path(), position: 64, source: full() },
    ]
}

/// Everything that can end a replay.
fn replay() -> Vec<ReplayError> {
    let written = every![OutputError;
        OutputError::Write { .. } => OutputError::Write { path: "out".into(), source: full() },
    ];
    let own = every![ReplayError;
        ReplayError::Topics(_) => ReplayError::Topics(TopicsError::UnknownTopic(text("orders"))),
        ReplayError::Files(_) =>
            ReplayError::Files(FileError::Ambiguous { topic: "transactions", names: Vec::new() }),
        ReplayError::Cluster(_) => ReplayError::Cluster(ClusterError::Lost),
        ReplayError::Results(_) =>
            ReplayError::Results(OutputError::Write { path: "out".into(), source: full() }),
        ReplayError::Flag { .. } => ReplayError::Flag { flag: "--as-of", dataflow: "arrivals" },
        ReplayError::Beside { .. } => ReplayError::Beside { file: text("arrivals.csv") },
    ];
    let of_its_own = |error: &ReplayError| {
        matches!(error, ReplayError::Flag { .. } | ReplayError::Beside { .. })
    };
    let mut all: Vec<ReplayError> = own.into_iter().filter(of_its_own).collect();
    all.extend(topics().into_iter().map(ReplayError::Topics));
    all.extend(files().into_iter().map(ReplayError::Files));
    all.extend(cluster().into_iter().map(ReplayError::Cluster));
    all.extend(written.into_iter().map(ReplayError::Results));
    all
}

/// What files of a campaign are called.
fn read() -> String {
    names(&Topic::ids())
}

/// What was hardly meant so with the files of a replay.
fn sources() -> Vec<SourceFault> {
    let (file, first) = (|| text("transactions.csv"), || text("line 2: amount: expected a number"));
    every![SourceFault;
        SourceFault::NoRow { .. } => SourceFault::NoRow {
            file: file(),
            rows: 7,
            reasons: BTreeMap::from([("bad_amount", 7)]),
            first: first(),
        },
        SourceFault::FirstRows { .. } =>
            SourceFault::FirstRows {
                file: file(),
                rows: 1_000,
                reason: "bad_amount",
                first: first(),
            },
        SourceFault::NotRead { .. } =>
            SourceFault::NotRead { names: vec![text("orders.parquet")], read: read() },
    ]
}

/// Everything that can keep files from being sent.
pub(super) fn load() -> Vec<LoadError> {
    let own = every![LoadError;
        LoadError::Files(_) =>
            LoadError::Files(FileError::Ambiguous { topic: "transactions", names: Vec::new() }),
        LoadError::Kafka(_) => LoadError::Kafka(KafkaError::Thread(full())),
        LoadError::Form(_) => LoadError::Form(text("transactions.csv")),
        LoadError::NotRead { .. } =>
            LoadError::NotRead { names: vec![text("orders.parquet")], read: read() },
    ];
    let own =
        own.into_iter().filter(|error| !matches!(error, LoadError::Files(_) | LoadError::Kafka(_)));
    files()
        .into_iter()
        .map(LoadError::Files)
        .chain(kafka().into_iter().map(LoadError::Kafka))
        .chain(own)
        .collect()
}

/// Everything that can end the program, but for what ends the job.
pub fn program() -> Vec<ProgramError> {
    let own = every![ProgramError;
        ProgramError::Config(_) =>
            ProgramError::Config(Faults::of("epoch.interval", vec![text("expected a duration")])),
        ProgramError::Check { .. } => ProgramError::Check { configuration: 0, connections: 1 },
        ProgramError::Replay(_) => ProgramError::Replay(ReplayError::Cluster(ClusterError::Lost)),
        ProgramError::Sources(_) => ProgramError::Sources(SourceFaults(sources())),
        ProgramError::Verify(_) =>
            ProgramError::Verify(VerifyError::Unrepeatable(text("campaign"))),
        ProgramError::Differs { .. } => ProgramError::Differs { differences: 3, tables: 1 },
        ProgramError::Run(_) => ProgramError::Run(RunError::Hung(Duration::from_secs(30))),
        ProgramError::Demo(_) => ProgramError::Demo(DemoError::Signals(full())),
        ProgramError::Bench(_) => ProgramError::Bench(BenchError::Stopped),
        ProgramError::Kafka(_) => ProgramError::Kafka(KafkaError::Thread(full())),
        ProgramError::Checkpoint(_) => ProgramError::Checkpoint(
            CheckpointError::Nothing { address: text("checkpoints/campaign") },
        ),
        ProgramError::Damaged(_) => ProgramError::Damaged(2),
        ProgramError::Files(_) =>
            ProgramError::Files(FileError::Ambiguous { topic: "transactions", names: Vec::new() }),
        ProgramError::Load(_) => ProgramError::Load(LoadError::Form(text("transactions.csv"))),
        ProgramError::World(_) => ProgramError::World(WorldError::NoDays),
        ProgramError::Pages(_) =>
            ProgramError::Pages(OutputError::Write { path: "man/sluice.1".into(), source: full() }),
        ProgramError::Write(_) => ProgramError::Write(write()),
        ProgramError::Output(_) => ProgramError::Output(full()),
        ProgramError::Panicked(_) => ProgramError::Panicked(panicked()),
    ];
    let inner = |error: &ProgramError| {
        matches!(
            error,
            ProgramError::Replay(_)
                | ProgramError::Verify(_)
                | ProgramError::Run(_)
                | ProgramError::Demo(_)
                | ProgramError::Bench(_)
        ) || matches!(error, ProgramError::Load(_) | ProgramError::World(_))
    };
    let mut all: Vec<ProgramError> = own.into_iter().filter(|error| !inner(error)).collect();
    all.extend(replay().into_iter().map(ProgramError::Replay));
    all.extend(verify().into_iter().map(ProgramError::Verify));
    all.extend(demo().into_iter().map(ProgramError::Demo));
    all.extend(bench().into_iter().map(ProgramError::Bench));
    all.extend(load().into_iter().map(ProgramError::Load));
    all.extend(world().into_iter().map(ProgramError::World));
    all
}
