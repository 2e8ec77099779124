//! Every variant of every error that can end a job or another command, once. A variant that is new
//! does not compile until it has its row here.

use crate::checkpoint::{Abandoned, CheckpointError, Unsaved};
use crate::cluster::ClusterError;
use crate::console::ConsoleError;
use crate::engine::gather::GatherError;
use crate::engine::reach::{Instead, MissingRecords};
use crate::engine::restart::RestartError;
use crate::engine::run::RunError;
use crate::engine::saving::ResumeError;
use crate::first::Panicked;
use crate::kafka::KafkaError;
use crate::postgres::PostgresError;
use crate::sink::SinkError;
use crate::source::{Remade, TopicUuid};
use dataflows::codec::CodecError;
use dataflows::snapshot::SnapshotError;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// A value for each pattern; together the patterns are all that there is.
macro_rules! every {
    ($error:ty; $($variant:pat => $value:expr),+ $(,)?) => {{
        let name = |error: &$error| match error { $($variant => stringify!($variant)),+ };
        let all: Vec<$error> = vec![$($value),+];
        let named: Vec<&str> = all.iter().map(name).collect();
        assert_eq!(named, [$(stringify!($variant)),+], "each row has the value of its variant");
        all
    }};
}

mod commands;
mod places;
mod worlds;

pub use commands::program;
use places::{checkpoint, kafka, sink};

fn text(text: &str) -> String {
    text.to_string()
}

fn full() -> io::Error {
    io::Error::other("no room")
}

fn panicked() -> Panicked {
    Panicked { thread: text("sink"), message: text("row 3 is gone") }
}

fn remade() -> Remade {
    let id = |half| TopicUuid::of(half, half).expect("an id");
    Remade { topic: text("orders"), before: id(1), now: id(2) }
}

fn gone() -> Vec<MissingRecords> {
    vec![MissingRecords {
        topic: text("orders"),
        partition: 0,
        wanted: 0,
        instead: Instead::Starts(4),
    }]
}

fn restart() -> Vec<RestartError> {
    let job = || text("campaign");
    let mut all = every![RestartError;
        RestartError::Kafka(_) => RestartError::Kafka(
            KafkaError::Removed { topic: text("orders"), partition: 0, wanted: 0, low: 4 },
        ),
        RestartError::Sink(_) => RestartError::Sink(PostgresError::NoProgress(job()).into()),
        RestartError::Checkpoint(_) =>
            RestartError::Checkpoint(CheckpointError::Missing { object: text("manifests/7.json") }),
        RestartError::Broken(_) => RestartError::Broken(7),
        RestartError::Passed(_) => RestartError::Passed(gone()),
        RestartError::Unreadable { .. } => RestartError::Unreadable { needed: 7, gone: gone() },
        RestartError::Unrebuildable(_) => RestartError::Unrebuildable(gone()),
        RestartError::Unwritable { .. } => RestartError::Unwritable {
            key: "checkpoint.dir",
            place: text("/nowhere"),
            why: text("no room"),
        },
        RestartError::Configured { .. } => RestartError::Configured {
            job: job(),
            differences: vec![text("input.decimals was 2 and is 3")],
            refusals: vec![text("input.decimals: amounts are kept in units of it")],
        },
        RestartError::Unreconfigurable { .. } =>
            RestartError::Unreconfigurable { job: job(), refusals: vec![text("input.decimals: \
                amounts are kept in units of it")] },
        RestartError::Uncheckpointed { .. } =>
            RestartError::Uncheckpointed { job: job(), epoch: 9, newest: Some(7) },
        RestartError::Forgotten { .. } => RestartError::Forgotten { job: job(), epoch: 7 },
        RestartError::Unrepeatable(_) => RestartError::Unrepeatable(job()),
        RestartError::Unrecorded { .. } =>
            RestartError::Unrecorded { job: job(), needed: 1, first: 4 },
    ];
    // What can be taken over is advised otherwise.
    all.push(RestartError::Configured {
        job: job(),
        differences: vec![text("epoch.lateness was 1d and is 2h")],
        refusals: Vec::new(),
    });
    all
}

fn cluster() -> Vec<ClusterError> {
    every![ClusterError;
        ClusterError::Hosts(_) => ClusterError::Hosts(text("hosts has 3 lines for 2 processes")),
        ClusterError::SecretFile(_) => ClusterError::SecretFile(text("cannot be read: no such \
            file")),
        ClusterError::Listen { .. } =>
            ClusterError::Listen { process: 1, address: text("10.0.0.1:2101"), source: full() },
        ClusterError::Secret(_) => ClusterError::Secret(text("10.0.0.1:2101")),
        ClusterError::Version { .. } =>
            ClusterError::Version { address: text("10.0.0.2:2101"), found: 9, own: 1 },
        ClusterError::Claimed { .. } =>
            ClusterError::Claimed { process: 1, address: text("10.0.0.1:2101") },
        ClusterError::Differs(_) => ClusterError::Differs(text("workers is 2 in process 0 and 3 in \
            process 1")),
        ClusterError::Moved(_) => ClusterError::Moved(text("partitions of rewards is 3 in process \
            0 and 4 in process 1")),
        ClusterError::Start(_) => ClusterError::Start(text("no room")),
        ClusterError::Panicked(_) => ClusterError::Panicked(panicked()),
        ClusterError::Lost => ClusterError::Lost,
        ClusterError::Elsewhere => ClusterError::Elsewhere,
    ]
}

fn gather() -> Vec<GatherError> {
    every![GatherError;
        GatherError::Changed { .. } =>
            GatherError::Changed { epoch: 7, committed: "a1".repeat(8), now: "b2".repeat(8) },
        GatherError::SinkEnded(_) => GatherError::SinkEnded(7),
    ]
}

fn console() -> Vec<ConsoleError> {
    let address: SocketAddr = "10.0.0.1:80".parse().expect("an address");
    every![ConsoleError;
        ConsoleError::Token(_) => ConsoleError::Token(text("token is empty")),
        ConsoleError::Exposed(_) => ConsoleError::Exposed(address),
        ConsoleError::Taken(_) => ConsoleError::Taken(address),
        ConsoleError::Listen { .. } => ConsoleError::Listen { address, source: full() },
        ConsoleError::Start(_) => ConsoleError::Start(full()),
    ]
}

fn codec() -> Vec<CodecError> {
    let name = "event::Record 3";
    every![CodecError;
        CodecError::Length { .. } => CodecError::Length { name, expected: 64, found: 60 },
        CodecError::Magic { .. } => CodecError::Magic { name, found: 7 },
        CodecError::Layout { .. } => CodecError::Layout { name, expected: 7, found: 8 },
        CodecError::Checksum { .. } => CodecError::Checksum { name, expected: 7, found: 8 },
    ]
}

fn load() -> Vec<ResumeError> {
    let own = every![SnapshotError;
        SnapshotError::Block(_) => SnapshotError::Block(CodecError::Magic { name: "event::Record \
            3", found: 7 }),
        SnapshotError::Rows { .. } => SnapshotError::Rows { shard: 3, why: "a customer comes \
            twice" },
        SnapshotError::Common(_) => SnapshotError::Common(text("a field is missing")),
        SnapshotError::Older(_) => SnapshotError::Older(text("squares. Wait for the next")),
    ];
    let snapshot = own
        .into_iter()
        .filter(|error| !matches!(error, SnapshotError::Block(_)))
        .chain(codec().into_iter().map(SnapshotError::Block));
    drop(every![ResumeError;
        ResumeError::Checkpoint(_) =>
            ResumeError::Checkpoint(CheckpointError::Missing { object: text("7") }),
        ResumeError::Snapshot(_) => ResumeError::Snapshot(SnapshotError::Common(text("a field is \
            missing"))),
    ]);
    checkpoint()
        .into_iter()
        .map(ResumeError::Checkpoint)
        .chain(snapshot.map(ResumeError::Snapshot))
        .collect()
}

fn unsaved() -> Vec<Unsaved> {
    let why = every![Abandoned;
        Abandoned::Store(_) => Abandoned::Store(
            CheckpointError::Store {
                object: text("7.json"),
                done: "written",
                source: Box::new(full()),
            },
        ),
        Abandoned::Overtaken(_) => Abandoned::Overtaken(8),
        Abandoned::Baseless => Abandoned::Baseless,
        Abandoned::Twice(_) => Abandoned::Twice(3),
        Abandoned::Inconsistent(_) => Abandoned::Inconsistent(text("shard 3 has no base")),
        Abandoned::Elsewhere { .. } => Abandoned::Elsewhere { process: 1, why: text("no room") },
    ];
    why.into_iter().map(|why| Unsaved { epoch: 7, why }).collect()
}

/// Everything that can end the job.
pub fn run() -> Vec<RunError> {
    let own = every![RunError;
        RunError::Kafka(_) => RunError::Kafka(KafkaError::Thread(full())),
        RunError::Sink(_) => RunError::Sink(SinkError::Thread(full())),
        RunError::Checkpoint(_) => RunError::Checkpoint(CheckpointError::Thread(full())),
        RunError::Restart(_) => RunError::Restart(RestartError::Unrepeatable(text("campaign"))),
        RunError::Cluster(_) => RunError::Cluster(ClusterError::Lost),
        RunError::Gather(_) => RunError::Gather(GatherError::SinkEnded(7)),
        RunError::Console(_) => RunError::Console(ConsoleError::Start(full())),
        RunError::Load(_) =>
            RunError::Load(ResumeError::Checkpoint(CheckpointError::Thread(full()))),
        RunError::Unsaved(_) => RunError::Unsaved(Unsaved { epoch: 7, why: Abandoned::Baseless }),
        RunError::Signals(_) => RunError::Signals(full()),
        RunError::Thread { .. } => RunError::Thread { name: "job", source: full() },
        RunError::Panicked(_) => RunError::Panicked(panicked()),
        RunError::Hung(_) => RunError::Hung(Duration::from_secs(30)),
        RunError::Undrained(_) => RunError::Undrained(Duration::from_secs(9)),
    ];
    let mut all: Vec<RunError> = kafka().into_iter().map(RunError::Kafka).collect();
    all.extend(sink().into_iter().map(RunError::Sink));
    all.extend(checkpoint().into_iter().map(RunError::Checkpoint));
    all.extend(restart().into_iter().map(RunError::Restart));
    all.extend(cluster().into_iter().map(RunError::Cluster));
    all.extend(gather().into_iter().map(RunError::Gather));
    all.extend(console().into_iter().map(RunError::Console));
    all.extend(load().into_iter().map(RunError::Load));
    all.extend(unsaved().into_iter().map(RunError::Unsaved));
    let ends = |error: &RunError| {
        matches!(
            error,
            RunError::Signals(_)
                | RunError::Thread { .. }
                | RunError::Panicked(_)
                | RunError::Hung(_)
                | RunError::Undrained(_)
        )
    };
    all.extend(own.into_iter().filter(ends));
    all
}
