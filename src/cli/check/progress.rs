//! What `sluice check` finds where the job's progress is kept; whoever runs the job is not
//! disturbed.

use super::{Finding, Probe};
use crate::cli::dataflow;
use crate::config::types::Config;
use crate::journal;
use crate::kafka::{KafkaSettings, identify};
use crate::postgres::{self, PostgresError, PostgresSettings, address};
use crate::sink::Progress;
use crate::source::TopicUuids;
use std::path::PathBuf;
use std::time::Duration;

/// How long the broker may take to say which topics it has.
const ANSWER: Duration = Duration::from_secs(5);

/// The probe of a configuration; `None` where there can be no progress.
pub fn probe(config: &Config) -> Option<Box<dyn Probe>> {
    if let Some(folder) = config.journal_folder() {
        return Some(Box::new(JournalProbe {
            folder,
            job: config.job.clone(),
            kafka: config.kafka_settings(),
        }));
    }
    let is_known = !config.postgres.url.is_empty();
    is_known.then(|| {
        Box::new(DatabaseProbe {
            settings: dataflow::of(config)
                .postgres_settings(config)
                .unwrap_or_else(|_| config.postgres_address()),
            kafka: config.kafka_settings(),
        }) as Box<dyn Probe>
    })
}

/// Where the job stands by the journal beside its checkpoints.
struct JournalProbe {
    folder: PathBuf,
    job: String,
    kafka: KafkaSettings,
}

impl Probe for JournalProbe {
    fn name(&self) -> &'static str {
        "progress"
    }

    fn target(&self) -> String {
        journal::path_in(&self.folder).display().to_string()
    }

    fn probe(&self) -> Vec<Finding> {
        let standing = journal::inspect(&self.folder, &self.job, &self.kafka.topics);
        vec![standing.map_or_else(
            |error| Finding::fault(error.to_string()),
            |standing| shown(standing, &self.kafka),
        )]
    }
}

/// Where the job stands by its database, and whether that is another job's.
struct DatabaseProbe {
    settings: PostgresSettings,
    kafka: KafkaSettings,
}

impl Probe for DatabaseProbe {
    fn name(&self) -> &'static str {
        "progress"
    }

    fn target(&self) -> String {
        address::shown(&self.settings.url)
    }

    fn probe(&self) -> Vec<Finding> {
        match postgres::inspect(&self.settings) {
            Ok(standing) => vec![shown(standing, &self.kafka)],
            // Said once is enough.
            Err(
                PostgresError::Unreachable { .. }
                | PostgresError::Refused { .. }
                | PostgresError::Tls { .. }
                | PostgresError::Files(_)
                | PostgresError::Pooled(_),
            ) => vec![Finding::ok("not known, for PostgreSQL cannot be used")],
            Err(error) => vec![Finding::fault(error.to_string())],
        }
    }
}

/// Where the job stands; or why it cannot go on, when one of the topics is not the one that it has
/// read.
fn shown(standing: Option<(Progress, TopicUuids)>, kafka: &KafkaSettings) -> Finding {
    let Some((progress, read)) = standing else { return Finding::ok("nothing is committed yet") };
    // That the broker does not answer is said where it is tried itself.
    let now = if read == TopicUuids::UNKNOWN {
        read
    } else {
        identify::topic_ids(kafka, ANSWER).unwrap_or_default()
    };
    match read.compare(&now, &kafka.topics) {
        Ok(()) => Finding::ok(format!("epoch {} is committed", progress.epoch)),
        Err(remade) => Finding::fault(remade.to_string()),
    }
}
