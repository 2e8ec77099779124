//! Why nothing can be said of a job. What keeps a verification from beginning where it was to begin
//! says only that; where one can begin was looked for by then, and is said behind it.

use super::since::Since;
use crate::blame::Blame;
use crate::checkpoint::CheckpointError;
use crate::cluster::ClusterError;
use crate::engine::history::HistoryError;
use crate::engine::saving::ResumeError;
use crate::kafka::KafkaError;
use crate::postgres::PostgresError;

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The broker or its topics.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The database.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// The workers.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The topics cannot be read to the end.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// It cannot begin where it was to begin.
    #[error("{why}. {}", advised(open.as_ref()))]
    Closed {
        /// Why not.
        why: Box<VerifyError>,
        /// Where it can begin; `None`: nowhere.
        open: Option<Open>,
    },
    /// The records that the job began with are gone.
    #[error(
        "partition {partition} of `{topic}` starts at offset {low}, but the job began with offset \
         {wanted}: retention has removed the records between, \
         so it cannot be computed from its beginning again, unless the topic is restored from a \
         copy"
    )]
    Removed {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// Where the job began.
        wanted: u64,
        /// The first offset that is there.
        low: u64,
    },
    /// The job has recorded more than there is.
    #[error(
        "epoch {epoch} is recorded to end at offset {wanted} of partition {partition} of \
         `{topic}`, which ends at {high}: the topic was made anew, the \
         broker has lost records, or the recorded offsets were changed"
    )]
    PastEnd {
        /// The epoch.
        epoch: u64,
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The offset that is recorded.
        wanted: u64,
        /// The offset after the last that is there.
        high: u64,
    },
    /// The beginning is not known.
    #[error(
        "job `{0}` has no record of the offsets that it began with, and did not begin with the \
         earliest: it cannot be computed from its beginning again"
    )]
    Unrepeatable(String),
    /// What earlier verifications or the job have left cannot be looked for.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// There is nothing to go on from.
    #[error("{}", missing(*since, address, there))]
    Unverified {
        /// Where it would be.
        address: String,
        /// Which was asked for.
        since: Since,
        /// The epochs of those that are there.
        there: Vec<u64>,
    },
    /// What is there cannot be gone on from.
    #[error("{object} cannot be gone on from: {why}")]
    Unusable {
        /// What.
        object: String,
        /// Why not.
        why: String,
    },
    /// What is there is not of what is recorded.
    #[error(
        "{object} is of another history than the job's: {why}. The database was restored from \
         another copy, or the job was made anew, or somebody has \
         changed the record of that epoch"
    )]
    OtherHistory {
        /// What.
        object: String,
        /// How that shows.
        why: String,
    },
    /// The epochs are no longer recorded.
    #[error("epochs up to {through} are no longer recorded (postgres.keep_epochs), \
        {}", match since {
        0 => "so it cannot be computed from its beginning again".to_string(),
        since => format!("and what is to be gone on from ends with epoch {since}"),
    })]
    Forgotten {
        /// The last one that is not.
        through: u64,
        /// The epoch after which they are needed; 0 for the beginning.
        since: u64,
    },
    /// The records after what is gone on from are gone.
    #[error(
        "partition {partition} of `{topic}` starts at offset {low}, but what is to be gone on from \
         ends, with epoch {epoch}, at offset {wanted}: retention \
         has removed the records between"
    )]
    RemovedSince {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The epoch.
        epoch: u64,
        /// Where it ends.
        wanted: u64,
        /// The first offset that is there.
        low: u64,
    },
    /// The job was run with other settings.
    #[error(
        "job `{job}` was run with another configuration than this one: {}. Nothing was compared; \
         verify it with the configuration that it runs with",
        differences.join("; ")
    )]
    Configured {
        /// The job.
        job: String,
        /// What differs, key by key.
        differences: Vec<String>,
    },
    /// The thread that compares could not be started, or ended.
    #[error("the thread that compares epochs: {0}")]
    Thread(String),
}

/// Where a verification can begin: it was tried, but for the computing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// What to ask for; `None`: nothing, for it is the beginning.
    pub since: Option<Since>,
    /// After which epoch it begins then.
    pub epoch: u64,
}

fn advised(open: Option<&Open>) -> String {
    match open {
        None => "Nothing else is there that one can begin at: one can at the next checkpoint, \
            which the job saves as it runs or is stopped in order \
            (checkpoint.interval), with `sluice verify --since oldest`"
            .to_string(),
        Some(Open { since: None, .. }) => "It can be computed from its beginning: `sluice verify` \
            without --since"
            .to_string(),
        Some(Open { since: Some(Since::Oldest), epoch }) => {
            format!(
                "The checkpoint of epoch {epoch} can be begun at, and what was before it is \
                taken on trust: `sluice verify --since oldest`"
            )
        }
        Some(Open { since: Some(since), epoch }) => {
            format!(
                "The verification up to epoch {epoch} can be gone on from: `sluice verify \
                --since {since}`"
            )
        }
    }
}

fn missing(since: Since, address: &str, there: &[u64]) -> String {
    let epochs = there.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let there = if there.is_empty() {
        String::new()
    } else {
        format!("; there are those of epochs {epochs}")
    };
    match since {
        Since::Last => format!("there is no verification to go on from at {address}"),
        Since::Oldest => format!("there is no checkpoint to begin at at {address}"),
        Since::Epoch(epoch) => format!(
            "there is neither a verification nor a checkpoint of epoch {epoch}, below \
             {address}{there}"
        ),
    }
}

impl VerifyError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            VerifyError::Kafka(error) => error.blame(),
            VerifyError::Postgres(error) => error.blame(),
            VerifyError::Cluster(error) => error.blame(),
            VerifyError::History(error) => error.blame(),
            VerifyError::Checkpoint(error) => error.blame(),
            VerifyError::Closed { why, .. } => why.blame(),
            VerifyError::Configured { .. }
            | VerifyError::Removed { .. }
            | VerifyError::PastEnd { .. }
            | VerifyError::Unrepeatable(_)
            | VerifyError::Unverified { .. }
            | VerifyError::Unusable { .. }
            | VerifyError::OtherHistory { .. }
            | VerifyError::Forgotten { .. }
            | VerifyError::RemovedSince { .. }
            | VerifyError::Thread(_) => Blame::World,
        }
    }

    /// Whether it is the beginning that does not do, so that another one may.
    pub fn is_of_the_beginning(&self) -> bool {
        matches!(
            self,
            VerifyError::Removed { .. }
                | VerifyError::Unrepeatable(_)
                | VerifyError::Unverified { .. }
                | VerifyError::Unusable { .. }
                | VerifyError::OtherHistory { .. }
                | VerifyError::Forgotten { .. }
                | VerifyError::RemovedSince { .. }
        )
    }

    /// What keeps a verification from going on from what is kept in files.
    pub fn of_files(error: CheckpointError) -> VerifyError {
        match error {
            CheckpointError::Missing { object } => {
                VerifyError::Unusable { object, why: "it is missing".to_string() }
            }
            CheckpointError::Damaged { object, why } => {
                VerifyError::Unusable { object, why: format!("it is damaged: {why}") }
            }
            CheckpointError::Format { object, found } => VerifyError::Unusable {
                object,
                why: format!("another version wrote it, in format {found}"),
            },
            CheckpointError::Foreign { object, differences } => VerifyError::Unusable {
                object,
                why: format!("it was left under another configuration: {}", differences.join("; ")),
            },
            other => VerifyError::Checkpoint(other),
        }
    }
}

impl From<ResumeError> for VerifyError {
    fn from(error: ResumeError) -> Self {
        match error {
            ResumeError::Checkpoint(error) => VerifyError::of_files(error),
            ResumeError::Snapshot(error) => VerifyError::Unusable {
                object: "what is to be gone on from".to_string(),
                why: error.to_string(),
            },
        }
    }
}
