//! Computes a stretch of epochs once more, with the settings that it had.

use super::basis::Basis;
use super::error::VerifyError;
use super::folding::{Fold, Folding};
use super::lost::Lost;
use super::reading;
use super::recorded::{Checker, Found};
use super::verified::{Leaving, Verified};
use crate::cluster::Cluster;
use crate::config::types::Config;
use crate::engine::gather::Gather;
use crate::engine::history::{AHEAD, HistoryError, HistoryPass, OffsetRanges, ReadPlan};
use crate::engine::live::{Control, Replayed};
use crate::engine::saving::ResumeError;
use crate::engine::topics;
use crate::first::First;
use crate::hosting::{After, Hosted};
use crate::kafka::compacted::Compacted;
use crate::kafka::intake::Sight;
use crate::kafka::{KafkaError, KafkaSettings};
use crate::postgres::PostgresSettings;
use crate::postgres::comparison::{Expected, Standing};
use crossbeam_channel::bounded;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What comes of all epochs: nothing where there is none.
pub struct Recomputed {
    /// What the tables must hold.
    pub expected: Expected,
    /// What was found of the epochs.
    pub checker: Checker,
    /// What was handed over for the next verification, if anything was.
    pub leaving: Option<Leaving>,
}

/// What computing takes beside what is recorded.
pub struct Computing<'a, D: Hosted> {
    /// The configuration.
    pub config: &'a Config,
    /// The dataflow, with the settings of the stretch.
    pub described: D,
    /// What the database must be told of it.
    pub postgres: PostgresSettings,
    /// Where what it comes to is left.
    pub verified: &'a Verified,
    /// What it goes on from.
    pub basis: Option<Basis<D::Settings>>,
    /// Whether anything is left for the next verification.
    pub leaves: bool,
}

impl<D: Hosted> Computing<'_, D> {
    /// Computes a stretch, with what is lost of those before it; `keeps` the tables for the next
    /// verification.
    pub fn run(
        self,
        standing: Standing,
        expected: Expected,
        found: Found,
        before: Option<Lost>,
        keeps: bool,
    ) -> Result<Recomputed, VerifyError> {
        let common = self.common()?;
        let keep = u64::from(self.postgres.keep_model_versions);
        let answers = self.described.looked_at_again(common.as_ref(), keep, found.decided);
        let Some(last) = standing.epochs.last().cloned() else {
            let lost = before.unwrap_or_default();
            let checker = Checker::new(Vec::new(), self.postgres, found.epochs, lost, answers);
            return Ok(Recomputed { expected, checker, leaving: None });
        };
        let cluster = Cluster::alone(self.config);
        let kafka = self.kafka(&standing)?;
        let (stretch, lost) = self.reading(&kafka, &standing)?;
        let lost = before.unwrap_or(lost);
        let (resumption, leaving) =
            self.verified.resumption(self.basis.as_ref(), self.config.workers, self.leaves);
        let described = self.described.computed_again(leaving.is_some());
        let (control, failure) = (Control::default(), First::<HistoryError>::default());
        let from = resumption.after();
        control.committed.store(from, Ordering::Release);
        let sight = Sight::new(&kafka.brokers, failure.teller());
        let (to_fold, results) = bounded(AHEAD as usize + 1);
        let follower = follower(&described, common.as_ref(), self.basis.as_ref())?;
        let after = self.basis.as_ref().map_or(0, Basis::epoch);
        let mut gather = Gather::new(follower, after, control.clone(), to_fold, failure.teller());
        let mut replayed = replayed(&standing);
        if let (Some(leaving), Some(replayed)) = (&leaving, replayed.last_mut()) {
            gather = leaving.gathering(gather, &last);
            replayed.save = Some(leaving.save);
        }
        let mut blocks = standing.seen.blocks;
        standing.epochs.iter().for_each(|recorded| blocks.add(recorded));
        let watermark = self.basis.and_then(|basis| basis.manifest.watermark);
        let checker = Checker::new(standing.epochs, self.postgres, found.epochs, lost, answers)
            .after(watermark);
        let (at, seen, told) = (control.clone(), sight.clone(), failure.clone());
        let last = last.epoch;
        let fold = Fold { expected, checker, last, control: at, sight: seen, failure: told };
        let folding = fold.start(results)?;
        let again = described.clone();
        let begin = move |worker, peers| resumption.begin(&again, worker, peers);
        let history = HistoryPass {
            kafka,
            described,
            closes: false,
            control,
            sight,
            failure,
            read: Arc::new(|_| ()),
            after: from,
            begin: Arc::new(begin),
        };
        let receive = Box::new(move |delivery| gather.receive(delivery));
        let decided = ReadPlan { stretch, epochs: replayed, receive };
        // The thread that folds is not waited for after a failure: nothing says that its epochs
        // have an end then.
        history.run(&cluster, Some(decided)).map_err(failed)?;
        let (expected, checker) = joined(folding)?;
        leaving.iter().for_each(|leaving| match keeps {
            true => leaving.hand(last, &expected, &blocks),
            false => leaving.hand_none(last),
        });
        Ok(Recomputed { expected, checker, leaving })
    }

    /// What of the basis belongs to no key.
    fn common(&self) -> Result<Option<D::Common>, VerifyError> {
        let common = self.basis.as_ref().map(|basis| D::common(&basis.common)).transpose();
        Ok(common.map_err(ResumeError::from)?)
    }

    /// The broker, whose topics must be those that were read.
    fn kafka(&self, standing: &Standing) -> Result<KafkaSettings, VerifyError> {
        let kafka = KafkaSettings {
            topic_ids: standing.topic_ids,
            losses: standing.losses.clone(),
            ..self.config.kafka_settings()
        };
        kafka.topic_ids.compare(&topics::ids(&kafka), &kafka.topics).map_err(KafkaError::from)?;
        Ok(kafka)
    }

    /// What is read, and what of it is there no more.
    fn reading(
        &self,
        kafka: &KafkaSettings,
        standing: &Standing,
    ) -> Result<(OffsetRanges, Lost), VerifyError> {
        let compacted = Compacted::default();
        compacted.look(kafka);
        let (job, basis) = (&self.config.job, self.basis.as_ref());
        reading::stretch(job, kafka, standing, basis, compacted.topics())
    }
}

/// Whoever follows the epochs, from what is gone on from.
fn follower<D: Hosted>(
    described: &D,
    common: Option<&D::Common>,
    basis: Option<&Basis<D::Settings>>,
) -> Result<D::Follower, VerifyError> {
    let former = basis.and_then(|basis| basis.former.as_ref());
    let from = common.map(|common| After { common, former });
    Ok(described.follower(from).map_err(ResumeError::from)?)
}

/// The epochs, to be computed as they were recorded.
fn replayed(standing: &Standing) -> Vec<Replayed> {
    let recorded = standing
        .epochs
        .iter()
        .map(|epoch| (epoch.epoch, epoch.offsets.as_slice(), epoch.watermark));
    Replayed::each(recorded, standing.erasures.iter().copied())
}

fn failed(error: HistoryError) -> VerifyError {
    match error {
        HistoryError::Load(error) => VerifyError::from(error),
        other => VerifyError::from(other),
    }
}

/// What the thread that folds has come to.
fn joined(folding: Folding) -> Result<(Expected, Checker), VerifyError> {
    let folded =
        folding.join().map_err(|_| VerifyError::Thread("it ended before its time".to_string()))?;
    Ok(folded.map_err(HistoryError::from)??)
}
