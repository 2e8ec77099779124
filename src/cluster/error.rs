//! Why the workers ended, or never began.

use crate::blame::Blame;
use crate::first::Panicked;
use std::io;

/// Why the workers ended.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The hosts of the processes are not known.
    #[error("{0}")]
    Hosts(String),
    /// The secret of the processes is not known.
    #[error("cluster.secret_file: {0}")]
    SecretFile(String),
    /// The address of this process cannot be listened at.
    #[error(
        "process {process} cannot listen at {address}: {source}. That has to be an address of this \
         machine, and a port that nobody has: is another process \
         {process} running?"
    )]
    Listen {
        /// The process.
        process: usize,
        /// Its line of the hostfile.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// A process that is called does not know the secret, or the right one knows another.
    #[error(
        "the process at {0} has another secret: give each process of the job the same \
         cluster.secret_file"
    )]
    Secret(String),
    /// A process is of another version of the program.
    #[error(
        "the process at {address} is of another version of the program (protocol {found}, and this \
         one's is {own}): start all processes of the job with one program"
    )]
    Version {
        /// The address.
        address: String,
        /// The version of its protocol.
        found: u16,
        /// That of this program's.
        own: u16,
    },
    /// Two processes have one number.
    #[error(
        "two processes say that they are process {process}: the one at {address} is connected with \
         another one already. Give each process a number of its own \
         (--process)"
    )]
    Claimed {
        /// The number.
        process: usize,
        /// Who has found it out.
        address: String,
    },
    /// The processes were started differently.
    #[error(
        "the processes of the job do not fit each other: {0}. Start all with one program, one \
         configuration and the same flags"
    )]
    Differs(String),
    /// The processes have found different things.
    #[error(
        "the processes of the job do not see the same: {0}. If something has just changed, another \
         start helps"
    )]
    Moved(String),
    /// The workers cannot be started.
    #[error("the processes of the job cannot be connected: {0}")]
    Start(String),
    /// A worker panicked.
    #[error(transparent)]
    Panicked(#[from] Panicked),
    /// Another process ended, or the network between is gone.
    #[error(
        "the connection to another process of the job is lost: that process has ended, and its own \
         log says why, or it cannot be reached. None can go on \
         without the others; start all of them again"
    )]
    Lost,
    /// Another process has said that it fails.
    #[error(
        "another process of the job has failed, and its own log says why. None can go on without \
         the others; start all of them again"
    )]
    Elsewhere,
}

impl ClusterError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            ClusterError::Hosts(_)
            | ClusterError::SecretFile(_)
            | ClusterError::Secret(_)
            | ClusterError::Version { .. }
            | ClusterError::Claimed { .. }
            | ClusterError::Differs(_) => Blame::Usage,
            ClusterError::Listen { .. }
            | ClusterError::Moved(_)
            | ClusterError::Start(_)
            | ClusterError::Panicked(_)
            | ClusterError::Lost
            | ClusterError::Elsewhere => Blame::World,
        }
    }
}

/// What a panic of a worker means. One that finds its queues poisoned has lost another process: the
/// threads of the connections panic first, and nothing else does that is not told before.
pub(super) fn worker_error(panicked: Panicked) -> ClusterError {
    match panicked.message.as_str() {
        "MergeQueue poisoned." => ClusterError::Lost,
        message if message.starts_with("timely communication error:") => ClusterError::Lost,
        _ => ClusterError::Panicked(panicked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_process_is_told_from_a_panic() {
        let error = |message: &str| {
            worker_error(Panicked { thread: "worker 0".to_string(), message: message.to_string() })
        };
        assert!(matches!(error("MergeQueue poisoned."), ClusterError::Lost));
        assert!(matches!(
            error("timely communication error: reading data: connection closed"),
            ClusterError::Lost
        ));
        assert!(matches!(error("index out of bounds"), ClusterError::Panicked(_)));
    }
}
