//! The same of the commands that make up a world: `demo`, `bench` and `generate`.

use super::commands::load;
use super::places::{kafka, postgres, silent, target};
use super::{cluster, console, full, gather, text};
use crate::cluster::ClusterError;
use crate::console::ConsoleError;
use crate::engine::gather::GatherError;
use crate::engine::load::LoadError;
use crate::jobs::bench::error::BenchError;
use crate::jobs::demo::DemoError;
use crate::kafka::KafkaError;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use world::WorldError;
use world::write::WriteError;

pub(super) fn world() -> Vec<WorldError> {
    every![WorldError;
        WorldError::NoCustomers => WorldError::NoCustomers,
        WorldError::NoDays => WorldError::NoDays,
        WorldError::OutOfTime { .. } => WorldError::OutOfTime { start: 0, days: 730 },
    ]
}

/// The only one of its kind.
pub(super) fn write() -> WriteError {
    WriteError { path: "world/customers.csv".into(), source: full() }
}

/// Everything that can end the demo.
pub(super) fn demo() -> Vec<DemoError> {
    let own = every![DemoError;
        DemoError::World(_) => DemoError::World(WorldError::NoDays),
        DemoError::Cluster(_) => DemoError::Cluster(ClusterError::Lost),
        DemoError::Gather(_) => DemoError::Gather(GatherError::SinkEnded(7)),
        DemoError::Console(_) => DemoError::Console(ConsoleError::Start(full())),
        DemoError::Signals(_) => DemoError::Signals(full()),
    ];
    let mut all: Vec<DemoError> = world().into_iter().map(DemoError::World).collect();
    all.extend(cluster().into_iter().map(DemoError::Cluster));
    all.extend(gather().into_iter().map(DemoError::Gather));
    all.extend(console().into_iter().map(DemoError::Console));
    all.extend(own.into_iter().filter(|error| matches!(error, DemoError::Signals(_))));
    all
}

/// Everything that can end a measurement.
pub(super) fn bench() -> Vec<BenchError> {
    let summary = || serde_json::from_str::<u64>("none").expect_err("it is no number");
    let own = every![BenchError;
        BenchError::World(_) => BenchError::World(WorldError::NoDays),
        BenchError::Write(_) => BenchError::Write(write()),
        BenchError::Directory { .. } =>
            BenchError::Directory { path: "bench".into(), source: full() },
        BenchError::Signals(_) => BenchError::Signals(full()),
        BenchError::Start(_) => BenchError::Start(full()),
        BenchError::Replay { .. } => BenchError::Replay {
            status: ExitStatus::from_raw(1 << 8),
            message: text("the disk is full"),
        },
        BenchError::Summary(_) => BenchError::Summary(summary()),
        BenchError::Digests { .. } =>
            BenchError::Digests { first: "a1".repeat(8), other: "b2".repeat(8) },
        BenchError::Kafka(_) => BenchError::Kafka(KafkaError::Thread(full())),
        BenchError::Load(_) => BenchError::Load(LoadError::Form(text("transactions.csv"))),
        BenchError::Database(_) => BenchError::Database(target()),
        BenchError::Postgres(_) => BenchError::Postgres(silent()),
        BenchError::Job(_) => BenchError::Job(text("it has ended")),
        BenchError::Stopped => BenchError::Stopped,
    ];
    let is_of_others = |error: &BenchError| {
        matches!(
            error,
            BenchError::World(_)
                | BenchError::Kafka(_)
                | BenchError::Load(_)
                | BenchError::Database(_)
        )
    };
    let mut all: Vec<BenchError> = own.into_iter().filter(|error| !is_of_others(error)).collect();
    all.extend(world().into_iter().map(BenchError::World));
    all.extend(kafka().into_iter().map(BenchError::Kafka));
    all.extend(load().into_iter().map(BenchError::Load));
    all.extend(postgres().into_iter().map(BenchError::Database));
    all
}
