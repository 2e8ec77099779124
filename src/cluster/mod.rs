//! Starts the workers of this process, alone or together with other processes, and waits for them.

use crate::blame::Blame;
use crate::config::types::Config;
use crate::first::{Panicked, caught};
use crossbeam_channel::unbounded;
use std::panic::resume_unwind;
use timely::CommunicationConfig;
use timely::worker::Worker;
use timely::{Config as TimelyConfig, WorkerConfig};

/// Where the workers of the job run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    workers: usize,
    process: usize,
    addresses: Vec<String>,
}

/// Why the workers ended.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The hosts of the processes are not known.
    #[error("{0}")]
    Hosts(String),
    /// The processes cannot be connected.
    #[error("the processes of the job cannot be connected: {0}; each needs the same hostfile and a free port")]
    Start(String),
    /// A worker panicked.
    #[error(transparent)]
    Panicked(#[from] Panicked),
    /// Another process ended, or the network between is gone.
    #[error(
        "the connection to another process of the job is lost: that process has ended, and its own log says why, or it cannot be reached. None can go on \
         without the others; start all of them again"
    )]
    Lost,
    /// Another process has said that it fails.
    #[error("another process of the job has failed, and its own log says why. None can go on without the others; start all of them again")]
    Elsewhere,
}

impl ClusterError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            ClusterError::Hosts(_) => Blame::Usage,
            ClusterError::Start(_) | ClusterError::Panicked(_) | ClusterError::Lost | ClusterError::Elsewhere => Blame::World,
        }
    }
}

/// The port of the first process on this machine, where there is no hostfile; the next ones follow.
const FIRST_PORT: usize = 2101;

impl Cluster {
    /// As the configuration says.
    ///
    /// # Errors
    /// The hostfile cannot be read or has another number of lines than there are processes.
    pub fn of(config: &Config) -> Result<Self, ClusterError> {
        let hosts = config.hosts().map_err(ClusterError::Hosts)?;
        let local = || (0..config.processes).map(|process| format!("localhost:{}", FIRST_PORT + process)).collect();
        Ok(Cluster { workers: config.workers, process: config.process, addresses: hosts.unwrap_or_else(local) })
    }

    /// Workers in all processes together.
    pub fn peers(&self) -> usize {
        self.workers * self.addresses.len()
    }

    /// Whether this is the process that writes the results.
    pub fn is_first(&self) -> bool {
        self.process == 0
    }

    /// Runs `work` on each worker of this process until all have returned, or one has failed or panicked: the others would wait for it for ever, so they
    /// are left to the end of the process.
    ///
    /// # Errors
    /// The processes cannot be connected or have lost each other, or what the first worker failed with.
    pub fn run<T, E, F>(&self, work: F) -> Result<Vec<T>, E>
    where
        T: Send + 'static,
        E: From<ClusterError> + Send + 'static,
        F: Fn(&mut Worker) -> Result<T, E> + Send + Sync + 'static,
    {
        let (tell, told) = unbounded();
        let telling = move |worker: &mut Worker| {
            let name = format!("worker {}", worker.index());
            let outcome = caught(&name, || work(worker)).unwrap_or_else(|panicked| Err(worker_error(panicked).into()));
            let failed = outcome.is_err();
            // Whoever has heard of a failure listens no more.
            drop(tell.send(outcome));
            if failed {
                // What it has half done must not go on as if it were whole; this ends its thread, and its connections to other processes.
                resume_unwind(Box::new("told already"));
            }
        };
        let guards = timely::execute(self.timely(), telling).map_err(ClusterError::Start)?;
        let mut results = Vec::new();
        for outcome in told.iter().take(self.workers) {
            match outcome {
                Ok(result) => results.push(result),
                Err(error) => {
                    // Dropped, they would wait for the other workers.
                    std::mem::forget(guards);
                    return Err(error);
                }
            }
        }
        // Losing another process in the very end panics in the thread that waits, not in a worker.
        match caught("workers", || guards.join().into_iter().all(|ended| ended.is_ok())) {
            Ok(true) => Ok(results),
            Ok(false) | Err(_) => Err(ClusterError::Lost.into()),
        }
    }

    fn timely(&self) -> TimelyConfig {
        let mut worker = WorkerConfig::default();
        differential_dataflow::configure(&mut worker, &differential_dataflow::Config::default().idle_merge_effort(Some(1000)));
        let communication = match (self.addresses.len(), self.workers) {
            (1, 1) => CommunicationConfig::Thread,
            (1, workers) => CommunicationConfig::Process(workers),
            (_, threads) => {
                CommunicationConfig::Cluster { threads, process: self.process, addresses: self.addresses.clone(), report: false, zerocopy: false }
            }
        };
        TimelyConfig { communication, worker }
    }
}

/// What a panic of a worker means. One that finds its queues poisoned has lost another process: the threads of the connections panic first, and nothing else
/// does that is not told before.
fn worker_error(panicked: Panicked) -> ClusterError {
    match panicked.message.as_str() {
        "MergeQueue poisoned." => ClusterError::Lost,
        message if message.starts_with("timely communication error:") => ClusterError::Lost,
        _ => ClusterError::Panicked(panicked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(workers: usize, work: fn(usize) -> Result<usize, ClusterError>) -> Result<Vec<usize>, ClusterError> {
        let cluster = Cluster { workers, process: 0, addresses: vec!["localhost:0".to_string()] };
        cluster.run(move |worker| work(worker.index()))
    }

    #[test]
    fn what_one_worker_fails_with_ends_the_waiting_for_all() {
        let mut all = run(3, Ok).expect("nothing fails");
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2]);
        // The others never end by themselves.
        let alone = |index: usize| if index == 1 { Err(ClusterError::Elsewhere) } else { wait() };
        assert!(matches!(run(3, alone), Err(ClusterError::Elsewhere)));
        let panicking = |index: usize| if index == 2 { panic!("row {index} is gone") } else { wait() };
        let error = run(3, panicking).expect_err("it panics").to_string();
        assert_eq!(error, "the thread `worker 2` panicked, which is a fault of this program: row 2 is gone");
    }

    fn wait() -> Result<usize, ClusterError> {
        loop {
            std::thread::park();
        }
    }

    #[test]
    fn a_lost_process_is_told_from_a_panic() {
        let error = |message: &str| worker_error(Panicked { thread: "worker 0".to_string(), message: message.to_string() });
        assert!(matches!(error("MergeQueue poisoned."), ClusterError::Lost));
        assert!(matches!(error("timely communication error: reading data: connection closed"), ClusterError::Lost));
        assert!(matches!(error("index out of bounds"), ClusterError::Panicked(_)));
    }
}
