//! The brokers, and the topics of the job.
//!
//! The clock of a broker is not looked at: it tells it only with a record that is written, and no
//! topic of the job's is for trials. Nor is the right to write, for the same reason.

use super::{Finding, Probe};
use crate::kafka::{KafkaError, KafkaSettings, admin, properties};

/// Asks the brokers for everything that `run` reads and writes.
pub(super) struct KafkaProbe {
    pub(super) settings: KafkaSettings,
}

impl Probe for KafkaProbe {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn target(&self) -> String {
        self.settings.brokers.clone()
    }

    fn probe(&self) -> Vec<Finding> {
        if let Err(problems) = admin::check(&self.settings) {
            return problems.into_iter().map(Finding::fault).collect();
        }
        self.try_out().unwrap_or_else(|error| vec![Finding::fault(error.to_string())])
    }
}

impl KafkaProbe {
    fn try_out(&self) -> Result<Vec<Finding>, KafkaError> {
        let partitions = admin::partitions(&self.settings)?;
        let found = format!("{} topics with {} partitions", partitions.len(), partitions.values().map(Vec::len).sum::<usize>());
        let warnings = properties::warnings(&self.settings)?.into_iter().chain(properties::warnings_of_written(&self.settings)?);
        Ok([vec![Finding::ok(found)], warnings.map(Finding::warn).collect()].concat())
    }
}
