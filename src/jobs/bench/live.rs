//! The long-running job between a real broker and a real database: how many events a second it
//! takes from full topics, and how long an event that comes at a steady rate is on its way until a
//! reader of the database can see its epoch.
//!
//! The job is this program in a process of its own; topics and database are made for it and removed
//! in the end. A commit is dated when a connection beside the job's first sees the epoch, so
//! nothing of the job's own view of time is in a figure.

mod arena;
mod job;
mod observer;

use super::error::BenchError;
use super::folder::TemporaryFolder;
use crate::engine::load;
use arena::Arena;
use jiff::Timestamp;
use observer::CommitObserver;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use world::bench::live::{Live, Paced, Prefilled, percentile};
use world::{World, WorldSettings};

/// Where the job is to run, and at what rate.
#[derive(Clone, Debug)]
pub struct LivePlan {
    /// The brokers.
    pub brokers: String,
    /// Address of a database whose user may make databases.
    pub postgres: String,
    /// Events a second of the steady load.
    pub rate: u32,
}

/// Time from one cut of the input to the next under the steady load.
pub const INTERVAL: &str = "100ms";
/// How often is looked for a new epoch: it is in every figure.
const LOOK: Duration = Duration::from_millis(2);

/// Measures both on a world whose files are in the folder; a replay of them has this digest.
///
/// # Errors
/// Broker or database refuse, the job ends, or it learns something else than the replay.
pub(super) fn measure(
    plan: &LivePlan,
    world: &WorldSettings,
    digest: &str,
    folder: &TemporaryFolder,
    stop: &AtomicBool,
) -> Result<Live, BenchError> {
    let prefilled = prefilled(plan, digest, folder, stop)?;
    let paced = paced(plan, &World::new(world.clone())?, digest, folder, stop)?;
    Ok(Live { prefilled, paced })
}

fn prefilled(
    plan: &LivePlan,
    digest: &str,
    folder: &TemporaryFolder,
    stop: &AtomicBool,
) -> Result<Prefilled, BenchError> {
    let arena = Arena::create(plan, "prefilled")?;
    let events = load::load(&arena.kafka, &folder.input(), |_| ())?.delivered;
    let mut job = arena.start(folder, events, &[])?;
    let began = job.await_reading(stop)?;
    let mut seen = CommitObserver::connect(&arena)?;
    let ended = job.wait(stop, "all events are committed", || {
        Ok((seen.look()? >= events).then(Timestamp::now))
    })?;
    let epochs = seen.epochs();
    job.wait(stop, "the job has learned what the replay has", || {
        Ok((seen.look()? >= events && seen.digest == digest).then_some(()))
    })?;
    job.drain(stop)?;
    let seconds = ended.duration_since(began).as_secs_f64();
    Ok(Prefilled { events, seconds, events_per_second: events as f64 / seconds, epochs })
}

fn paced(
    plan: &LivePlan,
    world: &World,
    digest: &str,
    folder: &TemporaryFolder,
    stop: &AtomicBool,
) -> Result<Paced, BenchError> {
    let arena = Arena::create(plan, "paced")?;
    let profiles = arena.send_profiles(world)?;
    let events = profiles + world.settings().transactions + world.settings().interactions;
    let mut job = arena.start(folder, events, &[("epoch.interval", INTERVAL)])?;
    job.await_reading(stop)?;
    let mut seen = CommitObserver::connect(&arena)?;
    job.wait(stop, "the profiles are committed", || Ok((seen.look()? >= profiles).then_some(())))?;

    let before = seen.epochs();
    let sent = AtomicBool::new(false);
    let (landed, mut seen) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            while !sent.load(Ordering::Acquire) {
                seen.look()?;
                std::thread::sleep(LOOK);
            }
            Ok::<_, BenchError>(seen)
        });
        let landed = arena.send_paced(world, plan.rate, stop);
        sent.store(true, Ordering::Release);
        let seen = watching.join().map_err(|_| {
            BenchError::Job("the thread that watches the commits has panicked".to_string())
        })?;
        Ok::<_, BenchError>((landed?, seen?))
    })?;
    let (started, landed) = landed;
    let all = profiles + landed.len() as u64;
    job.wait(stop, "all events are committed", || Ok((seen.look()? >= all).then_some(())))?;
    let epochs = seen.epochs() - before;
    let latencies = seen.latencies(&arena.kafka, started, &landed);
    job.wait(stop, "the job has learned what the replay has", || {
        Ok((seen.look()? >= all && seen.digest == digest).then_some(()))
    })?;
    job.drain(stop)?;
    let at = |share| percentile(&latencies, share).as_secs_f64() * 1e3;
    Ok(Paced {
        rate: plan.rate,
        events: landed.len() as u64,
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        max_ms: at(1.0),
        epochs,
    })
}
