//! One stretch of epochs after the other, from a beginning to the last committed epoch: each with
//! the settings that it had.

use super::basis::Basis;
use super::computing::{Computing, Recomputed};
use super::error::VerifyError;
use super::lost::Lost;
use super::recorded::Found;
use super::stretches::{self, Era, parts};
use super::verified::Verified;
use super::ways::Ways;
use crate::config::types::Config;
use crate::hosting::Hosted;
use crate::postgres::PostgresSettings;
use crate::postgres::comparison::{Expected, Standing};
use crate::sink::applied::AppliedSettings;

/// What all stretches have in common.
pub(super) struct Course<'a, D: Hosted> {
    pub(super) config: &'a Config,
    /// The dataflow that is configured: that of the last stretch.
    pub(super) described: &'a D,
    /// What the database must be told of it.
    pub(super) postgres: &'a PostgresSettings,
    /// The settings that the epochs had.
    pub(super) applied: &'a AppliedSettings<D::Settings>,
}

/// How far computing is: behind one stretch and before another.
pub(super) struct Between<D: Hosted> {
    /// The dataflow of the one that comes.
    described: D,
    /// What it goes on from.
    basis: Option<Basis<D::Settings>>,
    /// What the tables must hold.
    pub(super) expected: Expected,
    found: Found,
    lost: Option<Lost>,
}

impl<D: Hosted> Course<'_, D> {
    /// The stretches after which other settings were taken over.
    fn parts(&self, since: u64, last: u64) -> Vec<Era<D::Settings>> {
        let mut parts = parts::<D>(self.applied, since, last);
        // The last one is what is configured.
        parts.pop();
        parts
    }

    /// The dataflow of a stretch, or of the last one.
    fn of(&self, part: Option<&Era<D::Settings>>) -> Result<D, VerifyError> {
        part.map_or(Ok(self.described.clone()), |part| part.described(self.described))
    }

    /// The beginning, from a basis or from the first records.
    pub(super) fn begin(
        &self,
        ways: &mut Ways<'_, D>,
        basis: Option<Basis<D::Settings>>,
        standing: &Standing,
        mut found: Found,
    ) -> Result<Between<D>, VerifyError> {
        let since = basis.as_ref().map_or(0, Basis::epoch);
        let described = self.of(self.parts(since, standing.last()).first())?;
        let tables = stretches::tables(self.postgres, &described);
        let mut expected = Expected::new(&tables, standing.kept.clone());
        if let Some(basis) = &basis {
            let pending = ways.snapshot.pending_after(since, &standing.epochs)?;
            let (seen, gone) = (&standing.seen.blocks, standing.gone().epochs());
            let blocks = basis.rows(&mut expected, pending)?;
            blocks.into_iter().for_each(|blocks| blocks.compare(seen, gone, &mut found.epochs));
        }
        Ok(Between { described, basis, expected, found, lost: None })
    }

    /// Computes every stretch but the last one.
    pub(super) fn up_to_the_last(
        &self,
        mut between: Between<D>,
        standing: &mut Standing,
    ) -> Result<Between<D>, VerifyError> {
        let since = between.basis.as_ref().map_or(0, Basis::epoch);
        let parts = self.parts(since, standing.last());
        for (place, part) in parts.iter().enumerate() {
            let next = self.of(parts.get(place + 1))?;
            between = self.through(part, next, between, standing)?;
        }
        Ok(between)
    }

    /// Computes a stretch, and takes over the settings that follow.
    fn through(
        &self,
        part: &Era<D::Settings>,
        next: D,
        between: Between<D>,
        standing: &mut Standing,
    ) -> Result<Between<D>, VerifyError> {
        let Between { described, mut basis, expected, found, lost } = between;
        if let Some(from) = basis.take_if(|basis| basis.epoch() == part.through) {
            // It ends where the other settings were taken over.
            let (from, expected) = stretches::change(from, part, &next, self.postgres, expected);
            return Ok(Between { described: next, basis: Some(from), expected, found, lost });
        }
        let memory = Verified::in_memory(&self.config.job, D::fingerprint(&part.settings))?;
        let computing = Computing {
            config: self.config,
            postgres: stretches::tables(self.postgres, &described),
            described,
            verified: &memory,
            basis,
            leaves: true,
        };
        let standing = stretches::take_through(standing, part.through);
        let recomputed = computing.run(standing, expected, found, lost, false)?;
        let leaving = recomputed.leaving.ok_or_else(|| {
            VerifyError::Thread("what it comes to cannot be held in memory".to_string())
        })?;
        let (found, lost) = recomputed.checker.into_findings();
        leaving.keep(part.through);
        let (from, expected) = stretches::change(
            memory.at(part.through)?,
            part,
            &next,
            self.postgres,
            recomputed.expected,
        );
        tracing::info!(
            epoch = part.through + 1,
            "Other settings were taken over; it is computed on with these."
        );
        Ok(Between { described: next, basis: Some(from), expected, found, lost: Some(lost) })
    }

    /// Computes the last stretch; what it comes to is left, where it `leaves` anything.
    pub(super) fn last(
        &self,
        between: Between<D>,
        standing: Standing,
        verified: &Verified,
        leaves: bool,
    ) -> Result<Recomputed, VerifyError> {
        let Between { described, basis, expected, found, lost } = between;
        let postgres = self.postgres.clone();
        let computing =
            Computing { config: self.config, described, postgres, verified, basis, leaves };
        computing.run(standing, expected, found, lost, true)
    }
}
