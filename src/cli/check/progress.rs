//! What `sluice check` finds where the job's progress is kept; whoever runs the job is not disturbed.

use super::{Finding, Probe};
use crate::config::types::Config;
use crate::journal;
use crate::postgres::{self, PostgresError, PostgresSettings, address};
use crate::sink::Progress;
use std::path::PathBuf;

/// The probe of a configuration; `None` where there can be no progress.
pub fn probe(config: &Config) -> Option<Box<dyn Probe>> {
    if let Some(folder) = config.journal_folder() {
        return Some(Box::new(JournalProbe { folder, job: config.job.clone() }));
    }
    let is_known = !config.postgres.url.is_empty();
    is_known.then(|| Box::new(DatabaseProbe { settings: config.postgres_address() }) as Box<dyn Probe>)
}

/// Where the job stands by the journal beside its checkpoints.
struct JournalProbe {
    folder: PathBuf,
    job: String,
}

impl Probe for JournalProbe {
    fn name(&self) -> &'static str {
        "progress"
    }

    fn target(&self) -> String {
        journal::path_in(&self.folder).display().to_string()
    }

    fn probe(&self) -> Vec<Finding> {
        let standing = journal::inspect(&self.folder, &self.job);
        vec![standing.map_or_else(|error| Finding::fault(error.to_string()), shown)]
    }
}

/// Where the job stands by its database, and whether that is another job's.
struct DatabaseProbe {
    settings: PostgresSettings,
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
            Ok(progress) => vec![shown(progress)],
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

fn shown(progress: Option<Progress>) -> Finding {
    match progress {
        Some(progress) => Finding::ok(format!("epoch {} is committed", progress.epoch)),
        None => Finding::ok("nothing is committed yet"),
    }
}
