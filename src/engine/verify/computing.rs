//! Computes a stretch of epochs once more, with the settings that it had.

use super::basis::Basis;
use super::error::VerifyError;
use super::folding::Fold;
use super::lost::Lost;
use super::reading;
use super::recorded::{Checker, Found};
use super::verified::{Leaving, Verified};
use crate::cluster::Cluster;
use crate::config::types::Config;
use crate::engine::gather::Gather;
use crate::engine::history::{AHEAD, HistoryError, HistoryPass, ReadPlan};
use crate::engine::live::{Control, Replayed};
use crate::engine::saving::LoadError;
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
        let common = self.basis.as_ref().map(|basis| D::common(&basis.common)).transpose();
        let common = common.map_err(LoadError::from)?;
        let keep = u64::from(self.postgres.keep_model_versions);
        let answers = self.described.looked_at_again(common.as_ref(), keep, found.decided);
        let epochs = found.epochs;
        let Some(last) = standing.epochs.last().cloned() else {
            let lost = before.unwrap_or_default();
            let checker = Checker::new(Vec::new(), self.postgres, epochs, lost, answers);
            return Ok(Recomputed { expected, checker, leaving: None });
        };
        let cluster = Cluster::alone(self.config);
        let kafka = KafkaSettings {
            topic_ids: standing.topic_ids,
            losses: standing.losses.clone(),
            ..self.config.kafka_settings()
        };
        kafka.topic_ids.compare(&topics::ids(&kafka), &kafka.topics).map_err(KafkaError::from)?;
        let compacted = Compacted::default();
        compacted.look(&kafka);
        let (stretch, lost) = reading::stretch(
            &self.config.job,
            &kafka,
            &standing,
            self.basis.as_ref(),
            compacted.topics(),
        )?;
        let lost = before.unwrap_or(lost);
        let (resumption, leaving) =
            self.verified.resumption(self.basis.as_ref(), self.config.workers, self.leaves);
        let described = self.described.computed_again(leaving.is_some());
        let (control, failure) = (Control::default(), First::<HistoryError>::default());
        control.committed.store(resumption.after(), Ordering::Release);
        let sight = Sight::new(&kafka.brokers, failure.teller());
        let (to_fold, results) = bounded(AHEAD as usize + 1);
        let basis = self.basis.as_ref();
        let former = basis.and_then(|basis| basis.former.as_ref());
        let from = common.as_ref().map(|common| After { common, former });
        let follower = described.follower(from).map_err(LoadError::from)?;
        let after = basis.map_or(0, Basis::epoch);
        let mut gather = Gather::new(follower, after, control.clone(), to_fold, failure.teller());
        let recorded = standing
            .epochs
            .iter()
            .map(|epoch| (epoch.epoch, epoch.offsets.as_slice(), epoch.watermark));
        let mut replayed = Replayed::each(recorded, standing.erasures.iter().copied());
        if let (Some(leaving), Some(replayed)) = (&leaving, replayed.last_mut()) {
            gather = leaving.gathering(gather, &last);
            replayed.save = Some(leaving.save);
        }
        let mut blocks = standing.seen.blocks;
        standing.epochs.iter().for_each(|recorded| blocks.add(recorded));
        let watermark = self.basis.and_then(|basis| basis.manifest.watermark);
        let fold = Fold {
            last: last.epoch,
            expected,
            checker: Checker::new(standing.epochs, self.postgres, epochs, lost, answers)
                .after(watermark),
            control: control.clone(),
            sight: sight.clone(),
            failure: failure.clone(),
        };
        let folding = fold.start(results)?;
        let again = described.clone();
        let history = HistoryPass {
            kafka,
            described,
            closes: false,
            control,
            sight,
            failure,
            read: Arc::new(|_| ()),
            after: resumption.after(),
            begin: Arc::new(move |worker, peers| resumption.begin(&again, worker, peers)),
        };
        let decided = ReadPlan {
            stretch,
            epochs: replayed,
            receive: Box::new(move |delivery| gather.receive(delivery)),
        };
        // The thread that folds is not waited for after a failure: nothing says that its epochs
        // have an end then.
        history.run(&cluster, Some(decided)).map_err(|error| match error {
            HistoryError::Load(error) => VerifyError::from(error),
            other => VerifyError::from(other),
        })?;
        let folded = folding
            .join()
            .map_err(|_| VerifyError::Thread("it ended before its time".to_string()))?;
        let (expected, checker) = folded.map_err(HistoryError::from)??;
        leaving.iter().for_each(|leaving| match keeps {
            true => leaving.hand(last.epoch, &expected, &blocks),
            false => leaving.hand_none(last.epoch),
        });
        Ok(Recomputed { expected, checker, leaving })
    }
}
