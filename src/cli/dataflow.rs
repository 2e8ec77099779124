//! The dataflows that a configuration can choose, and what commands do with whichever it is.

use super::error::ProgramError;
use crate::checkpoint::{CheckpointError, Checkpoints, Manifest};
use crate::config::fault::Faults;
use crate::config::types::Config;
use crate::fingerprint::Fingerprint;
use crate::hosting::replaying::Replays;
use crate::jobs::replay::{Replay, ReplayOutcome, replay};
use crate::jobs::run::run;
use crate::jobs::soundness;
use crate::jobs::start::Asked;
use crate::jobs::verify::{Since, Verdict, verify};
use crate::postgres::PostgresSettings;
use dataflows::arrivals::Arrivals;
use dataflows::campaign::graph::Campaign;
use std::marker::PhantomData;

/// A dataflow, whichever it is.
pub trait AnyDataflow: Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Runs a job of it.
    ///
    /// # Errors
    /// What ended it.
    fn run(&self, config: &Config, asked: Asked) -> Result<(), ProgramError>;

    /// Replays files or topics; `None` in processes other than the first.
    ///
    /// # Errors
    /// Why that cannot be done.
    fn replay(
        &self,
        config: &Config,
        asked: &Replay,
    ) -> Result<Option<ReplayOutcome>, ProgramError>;

    /// Verifies a job of it.
    ///
    /// # Errors
    /// What keeps it from being computed again.
    fn verify(&self, config: &Config, since: Option<Since>) -> Result<Verdict, ProgramError>;

    /// The keys that what stands of it depends on.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    fn fingerprint(&self, config: &Config) -> Result<Fingerprint, Faults>;

    /// What the database must be told of it.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    fn postgres_settings(&self, config: &Config) -> Result<PostgresSettings, Faults>;

    /// What is wrong with a checkpoint that was taken under the settings of this configuration.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    fn unsound(
        &self,
        config: &Config,
        checkpoints: &Checkpoints,
        manifest: &Manifest,
    ) -> Result<Option<CheckpointError>, Faults>;
}

/// Every dataflow.
static ALL: [&dyn AnyDataflow; 2] = [
    &OneOf::<Campaign>(PhantomData), //
    &OneOf::<Arrivals>(PhantomData),
];

/// The dataflow that the configuration names.
///
/// # Panics
/// Never for a configuration that was accepted, whose names are those of all dataflows.
pub fn of(config: &Config) -> &'static dyn AnyDataflow {
    let found = ALL.into_iter().find(|dataflow| dataflow.name() == config.dataflow);
    found.expect("a configuration is accepted with the name of a dataflow")
}

struct OneOf<D>(PhantomData<fn() -> D>);

impl<D: Replays> AnyDataflow for OneOf<D> {
    fn name(&self) -> &'static str {
        D::NAME
    }

    fn run(&self, config: &Config, asked: Asked) -> Result<(), ProgramError> {
        Ok(run(config, D::of(config, true)?, asked)?)
    }

    fn replay(
        &self,
        config: &Config,
        asked: &Replay,
    ) -> Result<Option<ReplayOutcome>, ProgramError> {
        Ok(replay(config, D::of(config, false)?, asked)?)
    }

    fn verify(&self, config: &Config, since: Option<Since>) -> Result<Verdict, ProgramError> {
        Ok(verify(config, D::of(config, true)?, since)?)
    }

    fn fingerprint(&self, config: &Config) -> Result<Fingerprint, Faults> {
        Ok(D::fingerprint(&D::of(config, false)?.settings()))
    }

    fn postgres_settings(&self, config: &Config) -> Result<PostgresSettings, Faults> {
        Ok(D::of(config, false)?.postgres_settings(config))
    }

    fn unsound(
        &self,
        config: &Config,
        checkpoints: &Checkpoints,
        manifest: &Manifest,
    ) -> Result<Option<CheckpointError>, Faults> {
        let settings = D::of(config, false)?.settings();
        Ok(soundness::unsound::<D>(checkpoints, manifest, &settings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_can_choose_every_dataflow_that_there_is() {
        let names: Vec<&str> = ALL.iter().map(|dataflow| dataflow.name()).collect();
        assert_eq!(names, dataflows::names().collect::<Vec<_>>());
    }
}
