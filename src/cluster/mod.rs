//! Starts the workers of this process, alone or together with other processes, and waits for them.

use crate::config::types::Config;
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
    #[error("a worker ended: {0}; the job has to be started again, in all its processes")]
    Worker(String),
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

    /// Runs `work` on each worker of this process until all have returned.
    ///
    /// # Errors
    /// The processes cannot be connected, or a worker panicked, here or in another process.
    pub fn run<T, F>(&self, work: F) -> Result<Vec<T>, ClusterError>
    where
        T: Send + 'static,
        F: Fn(&mut Worker) -> T + Send + Sync + 'static,
    {
        let guards = timely::execute(self.timely(), work).map_err(ClusterError::Start)?;
        // Losing another process panics in the thread that waits, not in a worker.
        let joined = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| guards.join()));
        let results = joined.map_err(|_| ClusterError::Worker("the connection to another process was lost".to_string()))?;
        results.into_iter().map(|result| result.map_err(ClusterError::Worker)).collect()
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
