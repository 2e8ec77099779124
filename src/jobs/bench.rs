//! The benchmark of the whole program: simulated worlds through replays in processes of their own,
//! and what each of them took.
//!
//! A process of its own gives each run fresh memory and a peak of its own. The numbers of workers
//! take turns, so that a machine that gets slower or faster in the meantime does so for all of
//! them.

pub mod error;
mod folder;
pub mod live;

use crate::telemetry::progress::{ProgressMeter, Unit};
use error::BenchError;
use folder::TemporaryFolder;
use live::LivePlan;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use world::bench::machine::Machine;
use world::bench::{Measured, Report};
use world::write::{FileFormat, generate};
use world::{World, WorldSettings};

/// What is measured, and where its files may lie meanwhile.
#[derive(Clone, Debug)]
pub struct BenchPlan {
    /// The worlds.
    pub worlds: Vec<PlannedWorld>,
    /// Numbers of workers; the first is what the others are compared with.
    pub workers: Vec<usize>,
    /// Where the long-running job is measured, on the first world; `None`: nowhere.
    pub live: Option<LivePlan>,
    /// A directory, in which one is made that is removed in the end.
    pub directory: PathBuf,
}

/// A world that is replayed.
#[derive(Clone, Debug)]
pub struct PlannedWorld {
    /// What it is made from.
    pub settings: WorldSettings,
    /// How often it is replayed with each number of workers.
    pub runs: usize,
}

/// Measures everything planned.
///
/// # Errors
/// A world cannot be made or written, a replay fails, two of them learn differently, or a signal
/// comes. The files are removed all the same.
pub fn bench(plan: &BenchPlan) -> Result<Report, BenchError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(BenchError::Signals)?;
    }
    let machine = Machine::this();
    let folder = TemporaryFolder::create(&plan.directory)?;
    let mut progress = ProgressMeter::start("bench", Unit::Events, plan.events());
    let (mut measured, mut live, mut done) = (Vec::new(), None, 0);
    for world in &plan.worlds {
        generate(&World::new(world.settings.clone())?, &folder.input(), FileFormat::Jsonl, |_| ())?;
        let replayed = measure(world, &plan.workers, &folder, &stop, |records| {
            done += records;
            progress.set(done);
        })?;
        let digest = replayed
            .first()
            .and_then(|measured| measured.runs.first())
            .map(|run| run.digest.clone());
        measured.extend(replayed);
        if let (Some(plan), Some(digest), None) = (&plan.live, digest, &live) {
            live = Some(live::measure(plan, &world.settings, &digest, &folder, &stop)?);
        }
    }
    progress.finish();
    Ok(Report { machine, measured, live })
}

/// Replays the world that was written, the numbers of workers in turn.
fn measure(
    world: &PlannedWorld,
    workers: &[usize],
    folder: &TemporaryFolder,
    stop: &AtomicBool,
    mut ran: impl FnMut(u64),
) -> Result<Vec<Measured>, BenchError> {
    let empty = |&workers: &usize| Measured {
        customers: world.settings.customers,
        workers,
        runs: Vec::with_capacity(world.runs),
    };
    let mut measured: Vec<Measured> = workers.iter().map(empty).collect();
    let mut first: Option<String> = None;
    for _ in 0..world.runs {
        for measured in &mut measured {
            let run = folder.replay(measured.workers, stop)?;
            let first = first.get_or_insert_with(|| run.digest.clone());
            if run.digest != *first {
                return Err(BenchError::Digests { first: first.clone(), other: run.digest });
            }
            ran(run.records);
            measured.runs.push(run);
        }
    }
    Ok(measured)
}

impl BenchPlan {
    /// Records of all runs.
    fn events(&self) -> u64 {
        let records = |world: &WorldSettings| {
            u64::from(world.customers) + world.transactions + world.interactions
        };
        self.worlds
            .iter()
            .map(|world| records(&world.settings) * (world.runs * self.workers.len()) as u64)
            .sum()
    }
}
