//! Where a verification can begin: with the first records, behind a verification of before, or at a
//! checkpoint of the job. Each beginning is tried with everything that it takes but the computing,
//! before anything is computed; so whoever is told to ask for another one can do so.

use super::basis::{Basis, Left};
use super::error::{Open, VerifyError};
use super::reading::stretch;
use super::serve;
use super::since::Since;
use super::verified::Verified;
use crate::checkpoint::{CheckpointError, Checkpoints, Manifest};
use crate::config::types::Config;
use crate::engine::topics;
use crate::hosting::Hosted;
use crate::kafka::compacted::TopicSet;
use crate::kafka::{KafkaError, KafkaSettings};
use crate::postgres::comparison::{Snapshot, Standing};
use std::collections::BTreeSet;

/// A beginning that does.
pub struct Footing<S> {
    /// What is gone on from; `None` for the first records.
    pub basis: Option<Basis<S>>,
    /// What is recorded, and what of it comes after.
    pub standing: Standing,
}

impl<S> Footing<S> {
    /// The epoch after which it begins.
    pub fn epoch(&self) -> u64 {
        self.basis.as_ref().map_or(0, Basis::epoch)
    }
}

/// All that there is to begin with.
pub struct Ways<'a, D> {
    config: &'a Config,
    described: &'a D,
    /// What is recorded.
    pub snapshot: Snapshot,
    /// What verifications have left.
    pub verified: Verified,
    checkpoints: Checkpoints,
}

/// What may be gone on from.
struct Candidate {
    place: Checkpoints,
    manifest: Manifest,
    left: Left,
}

/// Whether a verification can go on from something: nobody has computed anything by then.
type Found = Result<Candidate, VerifyError>;

impl<'a, D: Hosted> Ways<'a, D> {
    /// Those of the job of this configuration.
    ///
    /// # Errors
    /// The database or the folder of checkpoints cannot be reached.
    pub fn find(config: &'a Config, described: &'a D) -> Result<Ways<'a, D>, VerifyError> {
        let mut snapshot = Snapshot::open(described.postgres_settings(config))?;
        let identity = snapshot.history()?.identity;
        let verified = Verified::open(config, D::fingerprint(&described.settings()), identity)?;
        let checkpoints = Checkpoints::open(
            &config.checkpoint.dir,
            &config.job,
            D::fingerprint(&described.settings()),
        )?
        .of(identity);
        Ok(Ways { config, described, snapshot, verified, checkpoints })
    }

    /// The beginning that is asked for.
    ///
    /// # Errors
    /// Why it does not do, or whatever keeps that from being told.
    pub fn open(&mut self, since: Option<Since>) -> Result<Footing<D::Settings>, VerifyError> {
        let Some(since) = since else { return self.try_beginning(None) };
        let mut refused: Option<VerifyError> = None;
        for found in self.candidates(since)? {
            match found.and_then(|candidate| self.try_beginning(Some(candidate))) {
                Ok(opened) => {
                    refused.iter().for_each(|why| tracing::warn!("Another one is taken: {why}."));
                    return Ok(opened);
                }
                Err(why) if why.is_of_the_beginning() => refused = refused.or(Some(why)),
                Err(why) => return Err(why),
            }
        }
        match refused {
            Some(why) => Err(why),
            None => Err(self.nothing(since)?),
        }
    }

    /// Adds to what keeps one beginning from being taken which other one can be.
    pub fn advised(&mut self, why: VerifyError, asked: Option<Since>) -> VerifyError {
        if !why.is_of_the_beginning() {
            return why;
        }
        let mut open = None;
        for since in [Some(Since::Last), None, Some(Since::Oldest)] {
            if since == asked || open.is_some() {
                continue;
            }
            match self.open(since) {
                Ok(opened) => open = Some(Open { since, epoch: opened.epoch() }),
                Err(other) if other.is_of_the_beginning() => {
                    tracing::info!("Nothing begins with that either: {other}.")
                }
                Err(other) => return other,
            }
        }
        VerifyError::Closed { why: Box::new(why), open }
    }

    /// The epoch of a verification that can be gone on from and has taken nothing on trust.
    pub fn proven(&mut self) -> Option<u64> {
        let opened = self.open(Some(Since::Last)).ok()?;
        opened.basis.filter(|basis| !basis.is_on_trust()).map(|basis| basis.epoch())
    }

    /// Whether what verifications have left before histories had folders is of this one.
    pub fn unnamed_are_own(&self, standing: &Standing) -> bool {
        let unnamed = self.verified.checkpoints().unnamed();
        let Ok(listed) = unnamed.list() else { return false };
        let chain_of =
            |epoch| match standing.epochs.binary_search_by_key(&epoch, |recorded| recorded.epoch) {
                Ok(place) => standing.epochs[place].chain.clone(),
                Err(_) => standing
                    .seen
                    .last
                    .as_ref()
                    .filter(|last| last.epoch == epoch)
                    .and_then(|last| last.chain.clone()),
            };
        let is_own = |manifest: &Manifest| {
            manifest.chain.is_some_and(|chain| chain_of(manifest.epoch) == Some(chain.to_string()))
        };
        let own = listed.iter().filter_map(|listed| listed.manifest.as_ref()).any(is_own);
        if !own && !listed.is_empty() {
            tracing::warn!(
                "What verifications of before have left at {} is not known to be of this history: \
                 it stays; remove it once no other deployment of the job \
                 goes on from it.",
                unnamed.address()
            );
        }
        own
    }

    /// What may be gone on from, the best first.
    fn candidates(&self, since: Since) -> Result<Vec<Found>, VerifyError> {
        let verified = || listed(self.verified.checkpoints(), Left::Verification);
        let saved = || listed(&self.checkpoints, Left::Job);
        let of = |epoch: u64, found: Vec<(u64, Found)>| {
            found.into_iter().filter(move |(of, _)| *of == epoch)
        };
        let found: Vec<(u64, Found)> = match since {
            Since::Last => verified()?,
            Since::Oldest => saved()?.into_iter().rev().collect(),
            Since::Epoch(epoch) => of(epoch, verified()?).chain(of(epoch, saved()?)).collect(),
        };
        Ok(found.into_iter().map(|(_, found)| found).collect())
    }

    fn nothing(&self, since: Since) -> Result<VerifyError, VerifyError> {
        let (address, there) = match since {
            Since::Last => (self.verified.checkpoints().address(), Vec::new()),
            Since::Oldest => (self.checkpoints.address(), Vec::new()),
            Since::Epoch(_) => {
                let all = [
                    listed(self.verified.checkpoints(), Left::Verification)?,
                    listed(&self.checkpoints, Left::Job)?,
                ];
                let epochs: BTreeSet<u64> = all.iter().flatten().map(|(epoch, _)| *epoch).collect();
                (self.config.checkpoint.dir.to_string(), epochs.into_iter().collect())
            }
        };
        Ok(VerifyError::Unverified { address, since, there })
    }

    /// Tries a beginning.
    fn try_beginning(
        &mut self,
        candidate: Option<Candidate>,
    ) -> Result<Footing<D::Settings>, VerifyError> {
        let since = candidate.as_ref().map_or(0, |candidate| candidate.manifest.epoch);
        let standing = self.snapshot.standing(since)?;
        let applied = super::read::<D::Settings>(&standing.applied)?;
        serve(self.described.clone(), &applied, standing.last(), &self.config.job)?;
        let through = standing.gone().epochs();
        if through > 0 && through >= since {
            return Err(VerifyError::Forgotten { through, since });
        }
        let basis = match candidate {
            None => None,
            Some(Candidate { place, manifest, left }) => {
                self.check_settings(&place, &manifest, &standing)?;
                let basis = Basis::read(place, manifest, left)?;
                basis.check(&standing)?;
                Some(basis)
            }
        };
        let kafka = KafkaSettings {
            topic_ids: standing.topic_ids,
            losses: standing.losses.clone(),
            ..self.config.kafka_settings()
        };
        kafka.topic_ids.compare(&topics::ids(&kafka), &kafka.topics).map_err(KafkaError::from)?;
        stretch(&self.config.job, &kafka, &standing, basis.as_ref(), TopicSet::default())?;
        basis.iter().try_for_each(Basis::look_through)?;
        Ok(Footing { basis, standing })
    }

    /// It must be of the settings that its epoch was computed with: whatever was taken over since
    /// is computed on from there.
    fn check_settings(
        &self,
        place: &Checkpoints,
        manifest: &Manifest,
        standing: &Standing,
    ) -> Result<(), VerifyError> {
        let applied = super::read::<D::Settings>(&standing.applied)?;
        let own = match applied.at(manifest.epoch) {
            Some(applied) => D::fingerprint(&applied.settings),
            None => place.fingerprint().clone(),
        };
        let differences = manifest.fingerprint.differences(&own);
        if differences.is_empty() {
            return Ok(());
        }
        let object = format!("{}, epoch {}", place.address(), manifest.epoch);
        Err(VerifyError::of_files(CheckpointError::Foreign { object, differences }))
    }
}

/// What lies in the folder of a history, and what lay there before histories had folders; newest
/// first. Which settings it is of is seen to later.
fn listed(checkpoints: &Checkpoints, left: Left) -> Result<Vec<(u64, Found)>, VerifyError> {
    let mut all = Vec::new();
    for place in [checkpoints.clone(), checkpoints.unnamed()] {
        for listed in place.list()? {
            let problem = listed
                .problem
                .filter(|problem| !matches!(problem, CheckpointError::Foreign { .. }));
            let found = match (problem, listed.manifest) {
                (None, Some(manifest)) => Ok(Candidate { place: place.clone(), manifest, left }),
                (Some(problem), _) => Err(VerifyError::of_files(problem)),
                (None, None) => continue,
            };
            all.push((listed.epoch, found));
        }
    }
    all.sort_by_key(|(epoch, _)| std::cmp::Reverse(*epoch));
    Ok(all)
}
