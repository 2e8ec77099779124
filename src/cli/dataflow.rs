//! The dataflows that a configuration can choose, and what commands do with whichever it is.

use super::error::ProgramError;
use crate::checkpoint::{CheckpointError, Checkpoints, Manifest};
use crate::config::fault::Faults;
use crate::config::types::Config;
use crate::engine::replay::{Replay, ReplayOutcome, replay};
use crate::engine::run::run;
use crate::engine::soundness;
use crate::engine::start::Asked;
use crate::engine::verify::{Since, Verdict, verify};
use crate::fingerprint::Fingerprint;
use crate::hosting::replaying::Replays;
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
    use crate::cli::{Override, load};
    use crate::places::places;
    use dataflows::table::Keep;

    /// What the database is told of every dataflow where this is configured.
    fn told(flags: &[Override]) -> Vec<PostgresSettings> {
        let config = load(None, flags).accept().expect("it has no fault");
        let told = ALL.map(|dataflow| dataflow.postgres_settings(&config));
        told.into_iter().map(|told| told.expect("it has no fault")).collect()
    }

    #[test]
    fn every_setting_by_which_rows_go_can_be_configured() {
        for (place, of_dataflow) in told(&[]).into_iter().enumerate() {
            for table in of_dataflow.wording.tables() {
                let Some(setting) = table.keep.setting() else { continue };
                let key: &'static str = format!("postgres.{setting}").leak();
                let value = if matches!(table.keep, Keep::Versions { .. }) { "7" } else { "7d" };
                let configured =
                    told(&[Override { key, flag: "--keep", value: value.to_string() }]);
                let is_epochs = matches!(table.keep, Keep::Epochs { .. });
                assert_eq!(configured[place].keep.is_set(setting), is_epochs, "{setting}");
            }
        }
    }

    #[test]
    fn the_document_on_erasure_has_every_place_of_every_dataflow() {
        let document = include_str!("../../docs/erasure.md");
        let mut rows: Vec<&str> =
            document.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
        let of_dataflow = |settings: PostgresSettings| {
            places(&settings.wording.tables(), settings.wording.notices().is_some())
        };
        let all = told(&[]).into_iter().flat_map(of_dataflow);
        let mut wanted: Vec<String> =
            all.map(|of| format!("| {} | {} | {} |", of.name, of.done, of.remains)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        rows.sort_unstable();
        assert_eq!(rows, wanted);
    }

    #[test]
    fn a_configuration_can_choose_every_dataflow_that_there_is() {
        let names: Vec<&str> = ALL.iter().map(|dataflow| dataflow.name()).collect();
        assert_eq!(names, dataflows::names().collect::<Vec<_>>());
    }
}
