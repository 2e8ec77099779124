//! Every variant of every error that can end a job or another command, once. A variant that is new
//! does not compile until it has its row here.

use crate::blame::Blame;
use crate::checkpoint::{Abandoned, CheckpointError, Unsaved};
use crate::cluster::ClusterError;
use crate::console::ConsoleError;
use crate::files::changes::ChangesError;
use crate::first::Panicked;
use crate::jobs::gather::GatherError;
use crate::jobs::reach::{Gone, Instead};
use crate::jobs::restart::RestartError;
use crate::jobs::run::RunError;
use crate::jobs::saving::LoadError;
use crate::journal::JournalError;
use crate::kafka::KafkaError;
use crate::postgres::{PostgresError, Target};
use crate::sink::SinkError;
use crate::source::{Remade, TopicUuid};
use dataflows::codec::CodecError;
use dataflows::snapshot::SnapshotError;
use rdkafka::types::RDKafkaErrorCode;
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

pub use commands::program;

fn text(text: &str) -> String {
    text.to_string()
}

fn full() -> io::Error {
    io::Error::other("no room")
}

fn panicked() -> Panicked {
    Panicked { thread: text("sink"), message: text("row 3 is gone") }
}

/// What the client of the database says where nothing answers.
fn silent() -> postgres::Error {
    let target = Target::at("host=127.0.0.1 port=1 connect_timeout=1").expect("an address");
    match target.connect() {
        Err(PostgresError::Unreachable { source, .. }) => source,
        other => panic!("nobody is there: {:?}", other.err()),
    }
}

fn target() -> PostgresError {
    PostgresError::Target(vec![("postgres.url", text("it has no host"))])
}

fn remade() -> Remade {
    let id = |half| TopicUuid::of(half, half).expect("an id");
    Remade { topic: text("orders"), before: id(1), now: id(2) }
}

pub fn kafka() -> Vec<KafkaError> {
    let (brokers, topic, why) = (|| text("b:9092"), || text("orders"), || text("timed out"));
    let waited = Duration::from_secs(30);
    every![KafkaError;
        KafkaError::FixedProperty { .. } => KafkaError::FixedProperty { name: "acks", value: text("0"), wanted: text("all") },
        KafkaError::Configuration(_) => KafkaError::Configuration(text("no such property")),
        KafkaError::Unreachable { .. } => KafkaError::Unreachable { brokers: brokers(), doing: "ask for its topics", waited, why: why() },
        KafkaError::MissingTopics { .. } => KafkaError::MissingTopics { brokers: brokers(), topics: vec![topic()] },
        KafkaError::Kept { .. } => KafkaError::Kept { why: text("a file is gone"), blame: Blame::Lasting },
        KafkaError::Remade(_) => KafkaError::Remade(remade()),
        KafkaError::Deleted { .. } => KafkaError::Deleted { brokers: brokers(), topic: topic() },
        KafkaError::MissingPartition { .. } => KafkaError::MissingPartition { brokers: brokers(), topic: topic(), partition: 2, found: 1 },
        KafkaError::TooManyPartitions { .. } => KafkaError::TooManyPartitions { topic: topic(), partition: 70_000 },
        KafkaError::Removed { .. } => KafkaError::Removed { topic: topic(), partition: 0, wanted: 0, low: 4 },
        KafkaError::PastEnd { .. } => KafkaError::PastEnd { topic: topic(), partition: 0, wanted: 9, high: 4 },
        KafkaError::Refused { .. } => KafkaError::Refused { brokers: brokers(), doing: text("read"), why: text("not authorized") },
        KafkaError::Delivery { .. } => KafkaError::Delivery { brokers: brokers(), topic: topic(), why: text("too large"), code: RDKafkaErrorCode::MessageSizeTooLarge },
        KafkaError::Undelivered { .. } => KafkaError::Undelivered { brokers: brokers(), waiting: 3, waited, why: why() },
        KafkaError::Thread(_) => KafkaError::Thread(full()),
        KafkaError::Panicked(_) => KafkaError::Panicked(panicked()),
    ]
}

pub fn postgres() -> Vec<PostgresError> {
    let (address, job, waited) =
        (|| text("postgres://db/shop"), || text("campaign"), Duration::from_secs(30));
    every![PostgresError;
        PostgresError::Target(_) => target(),
        PostgresError::Files(_) => PostgresError::Files(vec![("postgres.sslrootcert", text("root.crt is missing"))]),
        PostgresError::Tls { .. } => PostgresError::Tls { address: address(), why: text("the server has no TLS"), source: silent() },
        PostgresError::Unreachable { .. } => PostgresError::Unreachable { address: address(), waited, source: silent() },
        PostgresError::Refused { .. } => PostgresError::Refused { address: address(), advice: "check user, password and database", source: silent() },
        PostgresError::Encoding { .. } => PostgresError::Encoding { address: address(), encoding: text("LATIN1") },
        PostgresError::Migration { .. } => PostgresError::Migration { schema: text("sluice"), source: silent() },
        PostgresError::Version { .. } => PostgresError::Version { schema: text("sluice"), found: 3, wanted: 4 },
        PostgresError::Diverged { .. } => PostgresError::Diverged { schema: text("sluice"), version: 7 },
        PostgresError::Rights(_) => PostgresError::Rights(vec![text("the role cannot make \
            temporary tables")]),
        PostgresError::NoJob(_) => PostgresError::NoJob(job()),
        PostgresError::Remade(_) => PostgresError::Remade(remade()),
        PostgresError::Pooled(_) => PostgresError::Pooled(address()),
        PostgresError::OtherJob { .. } => PostgresError::OtherJob { schema: text("sluice"), address: address(), owner: text("shop"), job: job() },
        PostgresError::SeveralJobs { .. } =>
            PostgresError::SeveralJobs { schema: text("sluice"), address: address(), others: vec![text("shop"), text("store")], job: job() },
        PostgresError::OtherResults { .. } =>
            PostgresError::OtherResults { schema: text("sluice"), address: address(), found: text("dataflow `arrivals` in format 1"), wanted: text("dataflow `campaign` in format 1") },
        PostgresError::FeatureName { .. } => PostgresError::FeatureName { name: text("oid"), why: "it is a column of every table" },
        PostgresError::Column { .. } => PostgresError::Column { table: "customer_features", column: text("recency"), found: text("text"), wanted: "double precision" },
        PostgresError::Fenced { .. } => PostgresError::Fenced { job: job(), epoch: 7, own: 1, current: 2 },
        PostgresError::Gap { .. } => PostgresError::Gap { job: job(), epoch: 9, recorded: 7 },
        PostgresError::NoProgress(_) => PostgresError::NoProgress(job()),
        PostgresError::Published { .. } => PostgresError::Published { table: "thresholds", row: text("{\"day\":19000}") },
        PostgresError::Shape { .. } => PostgresError::Shape { epoch: 7, what: "features", found: 3, wanted: 4 },
        PostgresError::Recorded { .. } => PostgresError::Recorded { epoch: 7, why: text("its digest is no number") },
        PostgresError::Statement { .. } => PostgresError::Statement { doing: "commit".into(), source: silent() },
        PostgresError::Copy(_) => PostgresError::Copy(full()),
        PostgresError::GaveUp { .. } => PostgresError::GaveUp { epoch: 7, waited, last: Box::new(PostgresError::Copy(full())) },
    ]
}

pub fn checkpoint() -> Vec<CheckpointError> {
    let object = || text("manifests/7.json");
    every![CheckpointError;
        CheckpointError::Address { .. } => CheckpointError::Address { address: text("ftp://x"), why: text("no such store") },
        CheckpointError::Store { .. } => CheckpointError::Store { object: object(), done: "written", source: Box::new(full()) },
        CheckpointError::Missing { .. } => CheckpointError::Missing { object: object() },
        CheckpointError::Damaged { .. } => CheckpointError::Damaged { object: object(), why: text("its checksum differs") },
        CheckpointError::Format { .. } => CheckpointError::Format { object: object(), found: 99 },
        CheckpointError::Foreign { .. } => CheckpointError::Foreign { object: object(), differences: vec![text("bandit.arms: 3 instead of 2")] },
        CheckpointError::Unknown { .. } => CheckpointError::Unknown { address: text("checkpoints/campaign"), epoch: 7 },
        CheckpointError::UnknownHistory { .. } =>
            CheckpointError::UnknownHistory { address: text("checkpoints/campaign"), history: text("0123") },
        CheckpointError::Ambiguous { .. } =>
            CheckpointError::Ambiguous { address: text("checkpoints/campaign"), histories: vec![text("none"), text("0123456789abcdef")] },
        CheckpointError::Nothing { .. } => CheckpointError::Nothing { address: text("checkpoints/campaign") },
        CheckpointError::Thread(_) => CheckpointError::Thread(full()),
        CheckpointError::Panicked(_) => CheckpointError::Panicked(panicked()),
    ]
}

fn changes() -> Vec<ChangesError> {
    let own = every![ChangesError;
        ChangesError::Io { .. } => ChangesError::Io { path: "7.jsonl".into(), done: "written", source: full() },
        ChangesError::Damaged { .. } => ChangesError::Damaged { path: "7.jsonl".into(), why: text("it is cut short") },
        ChangesError::OtherHistory { .. } => ChangesError::OtherHistory { path: "7.jsonl".into(), found: Some(text("0123456789abcdef")) },
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
        JournalError::Held { .. } => JournalError::Held { job: job(), path: path(), holder: Some(text("4711")) },
        JournalError::Io { .. } => JournalError::Io { path: path(), done: "written", source: full() },
        JournalError::Damaged { .. } => JournalError::Damaged { path: path(), at: 120, why: text("its checksum differs") },
        JournalError::Kept { .. } => JournalError::Kept { path: path(), at: 120, why: text("records are missing") },
        JournalError::Format { .. } => JournalError::Format { path: path(), found: 9 },
        JournalError::Remade(_) => JournalError::Remade(remade()),
        JournalError::OtherSink { .. } => JournalError::OtherSink { path: path(), before: true },
        JournalError::Fenced { .. } => JournalError::Fenced { job: job(), own: 1, current: 2 },
        JournalError::Changed { .. } => JournalError::Changed { path: path() },
        JournalError::Gap { .. } => JournalError::Gap { job: job(), epoch: 9, recorded: 7 },
        JournalError::Threshold { .. } => JournalError::Threshold { day: 19_000, published: 4, now: 5 },
        JournalError::TooLong { .. } => JournalError::TooLong { epoch: 7, path: path(), bytes: 5_000_000_000 },
        JournalError::Recorded { .. } => JournalError::Recorded { epoch: 7, path: path(), why: text("it has read topic `orders`, which is not configured") },
        JournalError::Changes(_) => JournalError::Changes(ChangesError::Io { path: "7.jsonl".into(), done: "written", source: full() }),
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
        .chain(own)
        .collect()
}

fn gone() -> Vec<Gone> {
    vec![Gone { topic: text("orders"), partition: 0, wanted: 0, instead: Instead::Starts(4) }]
}

fn restart() -> Vec<RestartError> {
    let job = || text("campaign");
    let mut all = every![RestartError;
        RestartError::Kafka(_) => RestartError::Kafka(KafkaError::Removed { topic: text("orders"), partition: 0, wanted: 0, low: 4 }),
        RestartError::Sink(_) => RestartError::Sink(PostgresError::NoProgress(job()).into()),
        RestartError::Checkpoint(_) => RestartError::Checkpoint(CheckpointError::Missing { object: text("manifests/7.json") }),
        RestartError::Broken(_) => RestartError::Broken(7),
        RestartError::Passed(_) => RestartError::Passed(gone()),
        RestartError::Unreadable { .. } => RestartError::Unreadable { needed: 7, gone: gone() },
        RestartError::Unrebuildable(_) => RestartError::Unrebuildable(gone()),
        RestartError::Unwritable { .. } => RestartError::Unwritable { key: "checkpoint.dir", place: text("/nowhere"), why: text("no room") },
        RestartError::Configured { .. } => RestartError::Configured {
            job: job(),
            differences: vec![text("input.decimals was 2 and is 3")],
            refusals: vec![text("input.decimals: amounts are kept in units of it")],
        },
        RestartError::Unreconfigurable { .. } =>
            RestartError::Unreconfigurable { job: job(), refusals: vec![text("input.decimals: \
                amounts are kept in units of it")] },
        RestartError::Uncheckpointed { .. } => RestartError::Uncheckpointed { job: job(), epoch: 9, newest: Some(7) },
        RestartError::Forgotten { .. } => RestartError::Forgotten { job: job(), epoch: 7 },
        RestartError::Unrepeatable(_) => RestartError::Unrepeatable(job()),
        RestartError::Unrecorded { .. } => RestartError::Unrecorded { job: job(), needed: 1, first: 4 },
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
        ClusterError::Listen { .. } => ClusterError::Listen { process: 1, address: text("10.0.0.1:2101"), source: full() },
        ClusterError::Secret(_) => ClusterError::Secret(text("10.0.0.1:2101")),
        ClusterError::Version { .. } => ClusterError::Version { address: text("10.0.0.2:2101"), found: 9, own: 1 },
        ClusterError::Claimed { .. } => ClusterError::Claimed { process: 1, address: text("10.0.0.1:2101") },
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
        GatherError::Changed { .. } => GatherError::Changed { epoch: 7, committed: "a1".repeat(8), now: "b2".repeat(8) },
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

fn load() -> Vec<LoadError> {
    let own = every![SnapshotError;
        SnapshotError::Block(_) => SnapshotError::Block(CodecError::Magic { name: "event::Record \
            3", found: 7 }),
        SnapshotError::Rows { .. } => SnapshotError::Rows { shard: 3, why: "a customer comes \
            twice" },
        SnapshotError::Common(_) => SnapshotError::Common(text("a field is missing")),
    ];
    let snapshot = own
        .into_iter()
        .filter(|error| !matches!(error, SnapshotError::Block(_)))
        .chain(codec().into_iter().map(SnapshotError::Block));
    drop(every![LoadError;
        LoadError::Checkpoint(_) => LoadError::Checkpoint(CheckpointError::Missing { object: text("7") }),
        LoadError::Snapshot(_) => LoadError::Snapshot(SnapshotError::Common(text("a field is \
            missing"))),
    ]);
    checkpoint()
        .into_iter()
        .map(LoadError::Checkpoint)
        .chain(snapshot.map(LoadError::Snapshot))
        .collect()
}

fn unsaved() -> Vec<Unsaved> {
    let why = every![Abandoned;
        Abandoned::Store(_) => Abandoned::Store(CheckpointError::Store { object: text("7.json"), done: "written", source: Box::new(full()) }),
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
        RunError::Load(_) => RunError::Load(LoadError::Checkpoint(CheckpointError::Thread(full()))),
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
