//! What `sluice check` finds where the job's progress is kept; whoever runs the job is not disturbed.

use super::check::Probe;
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

    fn probe(&self) -> Result<String, String> {
        journal::inspect(&self.folder, &self.job).map(shown).map_err(|error| error.to_string())
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

    fn probe(&self) -> Result<String, String> {
        match postgres::inspect(&self.settings) {
            Ok(progress) => Ok(shown(progress)),
            // Said once is enough.
            Err(PostgresError::Unreachable { .. } | PostgresError::Refused { .. } | PostgresError::Tls { .. }) => {
                Ok("not known, for PostgreSQL cannot be used".to_string())
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

fn shown(progress: Option<Progress>) -> String {
    match progress {
        Some(progress) => format!("epoch {} is committed", progress.epoch),
        None => "nothing is committed yet".to_string(),
    }
}
