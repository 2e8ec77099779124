//! Why a job cannot begin where it was.

use crate::blame::Blame;
use crate::checkpoint::CheckpointError;
use crate::engine::reach::MissingRecords;
use crate::kafka::KafkaError;
use crate::sink::SinkError;

/// Why a job cannot begin where it was.
#[derive(Debug, thiserror::Error)]
pub enum RestartError {
    /// The broker.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// What is recorded of it.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The checkpoints.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// What is recorded of an epoch is not what was committed.
    #[error(
        "what is recorded of epoch {0} is not what was committed: its chain does not follow from \
         it. Somebody has changed it, or restored it without the \
         others; restore all of the job's progress from one copy, or make everything anew from the \
         topics with --rebuild"
    )]
    Broken(u64),
    /// The topics no longer have what the job has to read next.
    #[error(
        "retention has removed records that the job has not read yet: {}. Restore them, or go on \
         without them with --accept-loss, which records what was not \
         read; or make everything anew from what is left with --rebuild --accept-loss",
        listed(.0)
    )]
    Passed(Vec<MissingRecords>),
    /// The topics no longer have what the job has to repeat.
    #[error(
        "the job has to repeat its epochs from {needed} on, for no newer checkpoint can be used, \
         and retention has removed records of theirs: {}. Restore a newer \
         checkpoint, or the records, or make everything anew from what is left with --rebuild \
         --accept-loss; --accept-loss alone cannot help, for what is \
         committed has to be repeated as it was",
        listed(gone)
    )]
    Unreadable {
        /// The first epoch that is needed.
        needed: u64,
        /// What is gone.
        gone: Vec<MissingRecords>,
    },
    /// Not everything can be made anew.
    #[error(
        "--rebuild would make everything anew without records that the job has read and that are \
         gone: {}. Nothing was changed; with --rebuild --accept-loss it \
         is made anew from what is left",
        listed(.0)
    )]
    Unrebuildable(Vec<MissingRecords>),
    /// Something cannot be kept where it is to be.
    #[error("{key} = {place:?} cannot be used: {why}")]
    Unwritable {
        /// The key of the configuration.
        key: &'static str,
        /// Where.
        place: String,
        /// Why not.
        why: String,
    },
    /// The job's epochs were computed with other settings.
    #[error("job `{job}` was run with another configuration: {}; configure it as before, or \
        {}", differences.join("; "), advised(refusals))]
    Configured {
        /// The job.
        job: String,
        /// What differs, key by key.
        differences: Vec<String>,
        /// What of that cannot be taken over from what is kept.
        refusals: Vec<String>,
    },
    /// What is kept of the job does not tell what it would be with other settings.
    #[error(
        "--reconfigure cannot take over for job `{job}` what is configured: {}. Nothing was \
         changed; configure that as before, or make everything anew from \
         the topics with --rebuild",
        refusals.join("; ")
    )]
    Unreconfigurable {
        /// The job.
        job: String,
        /// What cannot be taken over, and why.
        refusals: Vec<String>,
    },
    /// There is no checkpoint of how things stand.
    #[error(
        "--reconfigure goes on from a checkpoint of the last epoch that is committed, which is \
         {epoch}, and {}. Nothing was changed; start job `{job}` once \
         with the configuration that it had and stop it in order, which leaves such a checkpoint",
        match newest { Some(newest) => format!("the newest that can be used is of epoch \
            {newest}"), None => "there is none that can be used".to_string() }
    )]
    Uncheckpointed {
        /// The job.
        job: String,
        /// The last committed epoch.
        epoch: u64,
        /// That of the newest checkpoint.
        newest: Option<u64>,
    },
    /// Nothing is recorded of what the checkpoints hold, and they do not say whose they are.
    #[error(
        "there are checkpoints of job `{job}` up to epoch {epoch}, of a version that did not write \
         whose they are, but no progress of it is recorded: is it \
         another database, or another sink? With --rebuild the checkpoints are removed and \
         everything is made anew from the topics"
    )]
    Forgotten {
        /// The job.
        job: String,
        /// Of the newest checkpoint.
        epoch: u64,
    },
    /// A start in the middle cannot be repeated.
    #[error(
        "job `{0}` has progress, but neither a checkpoint nor a record of the offsets that it \
         began with: its first records cannot be found again. \
         Restore its checkpoints, or make everything anew from where kafka.start says with \
         --rebuild --accept-loss"
    )]
    Unrepeatable(String),
    /// The first epochs to be repeated are no longer recorded.
    #[error(
        "job `{job}` would have to repeat its epochs from {needed} on, for no newer checkpoint can \
         be used, but they are recorded only from {first} \
         on: restore its checkpoints, or make everything anew from the topics with --rebuild"
    )]
    Unrecorded {
        /// The job.
        job: String,
        /// The first that is needed.
        needed: u64,
        /// The first that is recorded.
        first: u64,
    },
}

impl RestartError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            RestartError::Kafka(error) => error.blame(),
            RestartError::Sink(error) => error.blame(),
            RestartError::Checkpoint(error) => error.blame(),
            // What is gone may be restored where it was, and then another start is all it takes.
            RestartError::Passed(_)
            | RestartError::Unreadable { .. }
            | RestartError::Unrebuildable(_)
            | RestartError::Unrepeatable(_)
            | RestartError::Unrecorded { .. }
            | RestartError::Unwritable { .. } => Blame::World,
            RestartError::Broken(_)
            | RestartError::Configured { .. }
            | RestartError::Unreconfigurable { .. }
            | RestartError::Uncheckpointed { .. }
            | RestartError::Forgotten { .. } => Blame::Lasting,
        }
    }
}

/// What to do about another configuration, of which these cannot be taken over.
fn advised(refusals: &[String]) -> String {
    match refusals {
        [] => "take the new one over with --reconfigure, which computes all results anew from the \
            histories that are kept"
            .to_string(),
        refusals => format!(
            "make everything anew from the topics with --rebuild; --reconfigure \
            cannot take it over ({})",
            refusals.join("; ")
        ),
    }
}

fn listed(gone: &[MissingRecords]) -> String {
    gone.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
