//! What can end the program, and the exit code of each.

use crate::blame::Blame;
use crate::checkpoint::CheckpointError;
use crate::config::fault::Faults;
use crate::engine::ending::{ExitReason, told};
use crate::engine::load::LoadError;
use crate::engine::replay::{ReplayError, SourceFaults};
use crate::engine::run::RunError;
use crate::engine::verify::VerifyError;
use crate::files::error::FileError;
use crate::files::output::OutputError;
use crate::first::Panicked;
#[cfg(feature = "demo")]
use crate::jobs::bench::error::BenchError;
#[cfg(feature = "demo")]
use crate::jobs::demo::DemoError;
use crate::kafka::KafkaError;
use std::io;
use std::process::ExitCode;
use world::WorldError;
use world::write::WriteError;

/// What ended the program.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] Faults),
    /// `check` found faults, which it has printed.
    #[error("{} of the configuration, {} of its connections; all are named \
        above", faults(*.configuration), faults(*.connections))]
    Check {
        /// Faults of the configuration.
        configuration: usize,
        /// Connections that failed.
        connections: usize,
    },
    /// The replay failed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The replay was made, but of files that were hardly meant so.
    #[error(transparent)]
    Sources(#[from] SourceFaults),
    /// The job cannot be computed again.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// `verify` found differences, which it has printed.
    #[error(
        "{differences} of what was written differ from what the records give, in {tables} tables; \
         they are named above"
    )]
    Differs {
        /// How many.
        differences: u64,
        /// In so many tables.
        tables: usize,
    },
    /// The job cannot go on.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The demo cannot go on.
    #[cfg(feature = "demo")]
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// Nothing was measured.
    #[cfg(feature = "demo")]
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// Kafka cannot be reached or refuses.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// Checkpoints cannot be found, read or removed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// `checkpoint verify` found damage, which it has printed.
    #[error("{} in the files of checkpoints; all are named above", faults(*.0))]
    Damaged(usize),
    /// Files cannot be found or read.
    #[error(transparent)]
    Files(#[from] FileError),
    /// Files cannot be sent.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The simulated world cannot be made as asked.
    #[error(transparent)]
    World(#[from] WorldError),
    /// Pages of the manual cannot be written.
    #[error(transparent)]
    Pages(#[from] OutputError),
    /// The simulated world cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Standard output cannot be written.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
    /// The program is at fault.
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

impl ProgramError {
    /// The program's exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    /// The same as a number. What ended a job is told in one place.
    pub fn code(&self) -> u8 {
        match self {
            ProgramError::Run(error) => told(ExitReason::Failed(error)).code,
            other => other.blame().of_command(),
        }
    }

    /// Whether all of it stands in the document that `--json` has made on standard output.
    pub fn is_in_output(&self) -> bool {
        matches!(self, ProgramError::Check { .. })
    }

    fn blame(&self) -> Blame {
        match self {
            ProgramError::Config(_) | ProgramError::Check { configuration: 1.., .. } => {
                Blame::Usage
            }
            ProgramError::Check { configuration: 0, .. }
            | ProgramError::Differs { .. }
            | ProgramError::Damaged(_) => Blame::World,
            ProgramError::Sources(_) => Blame::World,
            ProgramError::Replay(error) => error.blame(),
            ProgramError::Verify(error) => error.blame(),
            ProgramError::Run(error) => error.blame(),
            #[cfg(feature = "demo")]
            ProgramError::Demo(error) => error.blame(),
            #[cfg(feature = "demo")]
            ProgramError::Bench(error) => error.blame(),
            ProgramError::Kafka(error) => error.blame(),
            ProgramError::Checkpoint(error) => error.blame(),
            ProgramError::Files(error) => error.blame(),
            ProgramError::Load(error) => error.blame(),
            ProgramError::World(_) => Blame::Usage,
            ProgramError::Pages(_)
            | ProgramError::Write(_)
            | ProgramError::Output(_)
            | ProgramError::Panicked(_) => Blame::World,
        }
    }

    /// The error as an object, for `--json`.
    pub fn to_json(&self) -> serde_json::Value {
        let faults = match self {
            ProgramError::Config(Faults(faults)) => faults.as_slice(),
            _ => &[],
        };
        serde_json::json!({ "error": self.to_string(), "exit_code": self.code(), "faults": faults })
    }
}

fn faults(count: usize) -> String {
    match count {
        1 => "1 fault".to_string(),
        count => format!("{count} faults"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_configuration_is_2_and_a_failed_connection_1() {
        assert_eq!(ProgramError::Config(Faults(Vec::new())).code(), 2);
        assert_eq!(ProgramError::Check { configuration: 1, connections: 1 }.code(), 2);
        assert_eq!(ProgramError::Check { configuration: 0, connections: 1 }.code(), 1);
        assert_eq!(ProgramError::Output(io::Error::other("full")).code(), 1);
    }
}
