//! The benchmark of the whole program: simulated worlds through replays in processes of their own,
//! and what each of them took.
//!
//! A process of its own gives each run fresh memory and a peak of its own. The numbers of workers
//! take turns, so that a machine that gets slower or faster in the meantime does so for all of
//! them.

pub mod live;
pub mod machine;

use crate::blame::Blame;
use crate::jobs::load::LoadError;
use crate::kafka::KafkaError;
use crate::telemetry::progress::{Progress, Unit};
use live::{Live, LivePlan};
use machine::Machine;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use world::write::{FileFormat, WriteError, generate};
use world::{World, WorldError, WorldSettings};

/// What is measured, and where its files may lie meanwhile.
#[derive(Clone, Debug)]
pub struct Plan {
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

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// One for each world and number of workers.
    pub measured: Vec<Measured>,
    /// The long-running job, where that was asked for.
    pub live: Option<Live>,
}

/// The runs of one world with one number of workers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Customers of the world.
    pub customers: u32,
    /// Worker threads.
    pub workers: usize,
    /// Every run, in the order in which they ran.
    pub runs: Vec<Run>,
}

/// What one run took, from the summary of its replay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Records that were read: purchases, interactions and profiles.
    pub records: u64,
    /// Seconds from start to end.
    pub wall_seconds: f64,
    /// Seconds of all processors.
    pub cpu_seconds: f64,
    /// The most memory that was held, in bytes.
    pub peak_memory_bytes: u64,
    /// SHA-256 over the exact sums of the model, in hexadecimal digits.
    pub digest: String,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Such a world cannot be made.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The world cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The directory or the files in it.
    #[error("cannot use {}: {source}; name another place with --directory", path.display())]
    Directory {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Signals cannot be waited for.
    #[error("signals cannot be handled: {0}")]
    Signals(#[source] io::Error),
    /// A process cannot be started or waited for.
    #[error("the program cannot run itself: {0}")]
    Start(#[source] io::Error),
    /// A replay failed.
    #[error("a replay ended with {status}: {message}")]
    Replay {
        /// How it ended.
        status: ExitStatus,
        /// What it said last.
        message: String,
    },
    /// A replay's summary cannot be read.
    #[error("the summary of a replay cannot be read: {0}")]
    Summary(#[from] serde_json::Error),
    /// Two replays of one world learned differently.
    #[error(
        "replays of one world gave the model digests {first} and {other}: this is a fault of the \
         program, its figures mean nothing"
    )]
    Digests {
        /// That of the first replay.
        first: String,
        /// One that differs.
        other: String,
    },
    /// The broker.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The world cannot be sent.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The database cannot be reached.
    #[error(transparent)]
    Database(#[from] crate::postgres::PostgresError),
    /// The database.
    #[error("the database of --postgres cannot be used: {}", said(.0))]
    Postgres(#[source] ::postgres::Error),
    /// The long-running job.
    #[error("the job that is measured failed: {0}")]
    Job(String),
    /// A signal came.
    #[error("stopped by a signal before everything was measured")]
    Stopped,
}

impl BenchError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            BenchError::World(_) => Blame::Usage,
            BenchError::Directory { .. } => Blame::Usage,
            BenchError::Kafka(error) => error.blame(),
            BenchError::Database(error) => error.blame(),
            BenchError::Load(error) => error.blame(),
            BenchError::Write(_)
            | BenchError::Signals(_)
            | BenchError::Start(_)
            | BenchError::Replay { .. }
            | BenchError::Summary(_)
            | BenchError::Digests { .. }
            | BenchError::Postgres(_)
            | BenchError::Job(_)
            | BenchError::Stopped => Blame::World,
        }
    }
}

/// What the server says, where it says something.
fn said(error: &::postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |said| said.message().to_string())
}

/// How often is looked whether a replay has ended; it measures itself, so this is in no figure.
const LOOK: Duration = Duration::from_millis(20);

/// Measures everything planned.
///
/// # Errors
/// A world cannot be made or written, a replay fails, two of them learn differently, or a signal comes. The files are removed all the same.
pub fn bench(plan: &Plan) -> Result<Report, BenchError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(BenchError::Signals)?;
    }
    let machine = Machine::this();
    let folder = Folder::create(&plan.directory)?;
    let mut progress = Progress::start("bench", Unit::Events, plan.events());
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
    folder: &Folder,
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

impl Plan {
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

/// A directory that is removed, with all that is in it, when this goes.
struct Folder(PathBuf);

impl Folder {
    fn create(parent: &Path) -> Result<Self, BenchError> {
        let path = parent.join(format!("sluice-bench-{}", std::process::id()));
        fs::create_dir(&path)
            .map_err(|source| BenchError::Directory { path: path.clone(), source })?;
        Ok(Folder(path))
    }

    fn input(&self) -> PathBuf {
        self.path("input")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Replays the input in a process of its own.
    fn replay(&self, workers: usize, stop: &AtomicBool) -> Result<Run, BenchError> {
        let (summary, log) = (self.0.join("summary.json"), self.0.join("log.txt"));
        let file = |path: &Path| {
            File::create(path)
                .map_err(|source| BenchError::Directory { path: path.to_path_buf(), source })
        };
        let read = |path: &Path| {
            fs::read_to_string(path)
                .map_err(|source| BenchError::Directory { path: path.to_path_buf(), source })
        };
        let mut command = own_program()?;
        command
            .args(["replay", "--json", "--workers", &workers.to_string(), "--input"])
            .arg(self.input());
        command
            .arg("--output")
            .arg(self.0.join("output"))
            .stdout(file(&summary)?)
            .stderr(file(&log)?);
        let status = wait(command.spawn().map_err(BenchError::Start)?, stop)?;
        match status.success() {
            true => Ok(serde_json::from_str(&read(&summary)?)?),
            false => Err(BenchError::Replay {
                status,
                message: read(&log)?.lines().next_back().unwrap_or("it said nothing").to_string(),
            }),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!("{} is left behind: {error}", self.0.display());
        }
    }
}

/// This program, at the default settings whatever the environment says.
fn own_program() -> Result<Command, BenchError> {
    let mut command = Command::new(std::env::current_exe().map_err(BenchError::Start)?);
    std::env::vars_os()
        .map(|(name, _)| name)
        .filter(|name| name.to_string_lossy().starts_with("SLUICE_"))
        .for_each(|name| {
            command.env_remove(name);
        });
    Ok(command)
}

/// Waits until the process has ended; a signal to this one ends it.
fn wait(mut child: Child, stop: &AtomicBool) -> Result<ExitStatus, BenchError> {
    loop {
        if stop.load(Ordering::Relaxed) {
            // It may have ended by itself: then there is nothing to end, only its status to
            // collect.
            let _ = child.kill();
            child.wait().map_err(BenchError::Start)?;
            return Err(BenchError::Stopped);
        }
        if let Some(status) = child.try_wait().map_err(BenchError::Start)? {
            return Ok(status);
        }
        std::thread::sleep(LOOK);
    }
}

/// A quantity over several runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The least.
    pub least: f64,
    /// The median: the mean of the two in the middle, where their number is even.
    pub median: f64,
}

impl Spread {
    /// Of at least one value; of none it is not a number.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut ascending: Vec<f64> = values.into_iter().collect();
        ascending.sort_unstable_by(f64::total_cmp);
        let middle = ascending.len() / 2;
        let median = match ascending[..] {
            [] => f64::NAN,
            _ if ascending.len().is_multiple_of(2) => {
                (ascending[middle - 1] + ascending[middle]) / 2.0
            }
            _ => ascending[middle],
        };
        Spread { least: ascending.first().copied().unwrap_or(f64::NAN), median }
    }
}

impl Measured {
    /// Records of a run: all runs have the same.
    pub fn records(&self) -> u64 {
        self.runs.first().map_or(0, |run| run.records)
    }

    /// Microseconds of all processors for an event.
    pub fn cpu_microseconds(&self) -> Spread {
        Spread::of(self.runs.iter().map(|run| run.cpu_seconds * 1e6 / run.records as f64))
    }

    /// Seconds from start to end.
    pub fn wall_seconds(&self) -> Spread {
        Spread::of(self.runs.iter().map(|run| run.wall_seconds))
    }

    /// Events a second, in the run of median time.
    pub fn events_per_second(&self) -> f64 {
        self.records() as f64 / self.wall_seconds().median
    }

    /// The most memory that any run held, in bytes.
    pub fn peak_memory_bytes(&self) -> u64 {
        self.runs.iter().map(|run| run.peak_memory_bytes).max().unwrap_or(0)
    }
}

impl Report {
    /// How many times faster than with the first number of workers a world was replayed, by the
    /// median of the time from start to end.
    pub fn speedup(&self, measured: &Measured) -> f64 {
        let base = self
            .measured
            .iter()
            .find(|other| other.customers == measured.customers)
            .unwrap_or(measured);
        base.wall_seconds().median / measured.wall_seconds().median
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(wall_seconds: f64, cpu_seconds: f64, peak_memory_bytes: u64) -> Run {
        Run { records: 1_000, wall_seconds, cpu_seconds, peak_memory_bytes, digest: String::new() }
    }

    #[test]
    fn runs_are_summed_up_by_the_least_and_the_median() {
        let one = Measured {
            customers: 10,
            workers: 1,
            runs: vec![run(4.0, 0.003, 7), run(2.0, 0.002, 9), run(3.0, 0.001, 8)],
        };
        assert_eq!(one.cpu_microseconds(), Spread { least: 1.0, median: 2.0 });
        assert_eq!(one.wall_seconds(), Spread { least: 2.0, median: 3.0 });
        assert_eq!((one.records(), one.peak_memory_bytes()), (1_000, 9));
        assert!((one.events_per_second() - 1_000.0 / 3.0).abs() < 1e-9);
        assert_eq!(Spread::of([4.0, 1.0]), Spread { least: 1.0, median: 2.5 });
    }

    #[test]
    fn a_speedup_compares_runs_of_one_world() {
        let measured = |customers, workers, wall| Measured {
            customers,
            workers,
            runs: vec![run(wall, 1.0, 1)],
        };
        let machine =
            Machine { processor: None, cores: 2, memory_bytes: None, system: None, load: None };
        let report = Report {
            machine,
            live: None,
            measured: vec![
                measured(10, 1, 3.0),
                measured(10, 2, 2.0),
                measured(99, 1, 8.0),
                measured(99, 2, 4.0),
            ],
        };
        let speedups: Vec<f64> =
            report.measured.iter().map(|measured| report.speedup(measured)).collect();
        assert_eq!(speedups, [1.0, 1.5, 1.0, 2.0]);
    }

    #[test]
    fn a_folder_goes_with_what_is_in_it() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = Folder::create(parent.path()).expect("it can be made");
        fs::create_dir(folder.input()).expect("a folder");
        fs::write(folder.input().join("file"), "text").expect("a file");
        drop(folder);
        assert_eq!(fs::read_dir(parent.path()).expect("the parent stays").count(), 0);
        assert!(matches!(
            Folder::create(&parent.path().join("absent")),
            Err(BenchError::Directory { .. })
        ));
    }
}
