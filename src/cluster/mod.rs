//! Starts the workers of this process, alone or together with other processes, and waits for them.
//!
//! Processes know each other before timely sees a byte: `meeting` finds them, in a `handshake` each
//! proves who it is, its `identity` is what has to be the same in all, and `frames` are what goes
//! between them afterwards. A process that is alone opens no port.

mod error;
mod frames;
mod handshake;
mod identity;
mod meeting;
mod secret;
pub mod section;
mod waiting;

pub use error::ClusterError;

use crate::config::secret::Secret;
use crate::config::types::Config;
use crate::first::caught;
use crossbeam_channel::unbounded;
use error::worker_error;
use handshake::Party;
use identity::Identity;
use meeting::{Mesh, meet};
use std::any::Any;
use std::panic::resume_unwind;
use timely::communication::Hooks;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::allocator::{AllocatorBuilder, ProcessBuilder};
use timely::execute::execute_from;
use timely::worker::Worker;
use timely::{CommunicationConfig, WorkerConfig};

/// Where the workers of the job run.
#[derive(Clone, Debug)]
pub struct Cluster {
    workers: usize,
    process: usize,
    hosts: Vec<String>,
    secret: Secret,
    identity: Identity,
}

/// A process that is connected with all others of its job.
pub struct Connected {
    workers: usize,
    process: usize,
    /// `None` for a process that is alone.
    met: Option<Mesh>,
}

impl Cluster {
    /// As the configuration says.
    ///
    /// # Errors
    /// The hostfile or the file of the secret cannot be read, or is not as it should be.
    pub fn of(config: &Config, of_dataflow: &[(String, String)]) -> Result<Self, ClusterError> {
        let hosts = config.hosts().map_err(ClusterError::Hosts)?;
        let secret = config.cluster_secret().map_err(ClusterError::SecretFile)?;
        Ok(Cluster {
            workers: config.workers,
            process: config.process,
            hosts,
            secret,
            identity: Identity::of(config, of_dataflow),
        })
    }

    /// One process that has to do with no other, however many the job has.
    pub fn alone(config: &Config) -> Self {
        let hosts = vec![String::new()];
        Cluster {
            workers: config.workers,
            process: 0,
            hosts,
            secret: Secret::default(),
            identity: Identity::default(),
        }
    }

    /// The same, where one thing more has to be the same in all processes: what they were started
    /// with beside the configuration.
    pub fn started_with(self, what: &str, value: impl ToString) -> Self {
        Cluster { identity: self.identity.started_with(what, value), ..self }
    }

    /// The same, where all processes have to find the same in one thing more, as far as each of
    /// them finds anything.
    pub fn finding(self, what: &str, value: impl ToString) -> Self {
        Cluster { identity: self.identity.finding(what, value), ..self }
    }

    /// Whether there are other processes.
    pub fn has_others(&self) -> bool {
        self.hosts.len() > 1
    }

    /// Workers in all processes together.
    pub fn peers(&self) -> usize {
        self.workers * self.hosts.len()
    }

    /// Whether this is the process that writes the results.
    pub fn is_first(&self) -> bool {
        self.process == 0
    }

    /// Waits until this process is connected with all others, and each has said who it is.
    ///
    /// # Errors
    /// It cannot listen at its own address, or another process is not one of this job.
    pub fn connect(&self) -> Result<Connected, ClusterError> {
        let party = || Party {
            process: self.process,
            secret: self.secret.clone(),
            identity: self.identity.clone(),
        };
        let met = if self.has_others() { Some(meet(&self.hosts, party())?) } else { None };
        Ok(Connected { workers: self.workers, process: self.process, met })
    }

    /// Connects, and runs `work` on each worker of this process: see [`Connected::run`].
    ///
    /// # Errors
    /// The processes cannot be connected or have lost each other, or what the first worker failed
    /// with.
    pub fn run<T, E, F>(&self, work: F) -> Result<Vec<T>, E>
    where
        T: Send + 'static,
        E: From<ClusterError> + Send + 'static,
        F: Fn(&mut Worker) -> Result<T, E> + Send + Sync + 'static,
    {
        self.connect()?.run(work)
    }
}

impl Connected {
    /// Runs `work` on each worker of this process until all have returned, or one has failed or
    /// panicked: the others would wait for it for ever, so they are left to the end of the process.
    ///
    /// # Errors
    /// The processes have lost each other, or what the first worker failed with.
    pub fn run<T, E, F>(self, work: F) -> Result<Vec<T>, E>
    where
        T: Send + 'static,
        E: From<ClusterError> + Send + 'static,
        F: Fn(&mut Worker) -> Result<T, E> + Send + Sync + 'static,
    {
        let (tell, told) = unbounded();
        let telling = move |worker: &mut Worker| {
            let name = format!("worker {}", worker.index());
            let outcome = caught(&name, || work(worker))
                .unwrap_or_else(|panicked| Err(worker_error(panicked).into()));
            let failed = outcome.is_err();
            // Whoever has heard of a failure listens no more.
            drop(tell.send(outcome));
            if failed {
                // What it has half done must not go on as if it were whole; this ends its thread,
                // and its connections to other processes.
                resume_unwind(Box::new("told already"));
            }
        };
        let workers = self.workers;
        let (builders, others) = self.build().map_err(ClusterError::Start)?;
        let guards =
            execute_from(builders, others, settings(), telling).map_err(ClusterError::Start)?;
        let mut results = Vec::new();
        for outcome in told.iter().take(workers) {
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

    /// What timely builds its workers of, and what has to be kept until they have ended.
    fn build(self) -> Result<(Vec<AllocatorBuilder>, Box<dyn Any + Send>), String> {
        match (self.met, self.workers) {
            (None, 1) => CommunicationConfig::Thread.try_build(),
            (None, workers) => CommunicationConfig::Process(workers).try_build(),
            (Some(Mesh { connections, listener }), workers) => {
                let hooks = Hooks::default();
                let local = ProcessBuilder::new_typed_vector(
                    workers,
                    hooks.refill.clone(),
                    hooks.spill.clone(),
                );
                let built = initialize_networking_from_sockets(
                    local,
                    connections,
                    self.process,
                    workers,
                    hooks,
                );
                let (builders, guard) = built.map_err(|error| error.to_string())?;
                Ok((
                    builders.into_iter().map(AllocatorBuilder::Tcp).collect(),
                    Box::new((guard, listener)),
                ))
            }
        }
    }
}

fn settings() -> WorkerConfig {
    let mut worker = WorkerConfig::default();
    differential_dataflow::configure(
        &mut worker,
        &differential_dataflow::Config::default().idle_merge_effort(Some(1000)),
    );
    worker
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(
        workers: usize,
        work: fn(usize) -> Result<usize, ClusterError>,
    ) -> Result<Vec<usize>, ClusterError> {
        Connected { workers, process: 0, met: None }.run(move |worker| work(worker.index()))
    }

    #[test]
    fn what_one_worker_fails_with_ends_the_waiting_for_all() {
        let mut all = run(3, Ok).expect("nothing fails");
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2]);
        // The others never end by themselves.
        let alone = |index: usize| if index == 1 { Err(ClusterError::Elsewhere) } else { wait() };
        assert!(matches!(run(3, alone), Err(ClusterError::Elsewhere)));
        let panicking =
            |index: usize| if index == 2 { panic!("row {index} is gone") } else { wait() };
        let error = run(3, panicking).expect_err("it panics").to_string();
        assert_eq!(
            error,
            "the thread `worker 2` panicked, which is a fault of this program: row 2 is gone"
        );
    }

    fn wait() -> Result<usize, ClusterError> {
        loop {
            std::thread::park();
        }
    }
}
