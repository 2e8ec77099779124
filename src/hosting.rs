//! What the engine asks of a dataflow that it runs, beside its graph: how a configuration makes it,
//! what other settings mean for what stands, who follows it, and what its rows are.

pub mod replaying;

use crate::checkpoint::{CheckpointError, Checkpoints, Manifest};
use crate::config::fault::Faults;
use crate::config::types::Config;
use crate::fingerprint::Fingerprint;
use crate::postgres::PostgresSettings;
use crate::postgres::comparison::Findings;
use crate::sink::following::Follow;
use crate::sink::gathered::Gathered;
use crate::sink::rows::Wording;
use crate::source::TopicNames;
use crate::status::figures::Figures;
use dataflows::Dataflow;
use dataflows::snapshot::SnapshotError;
use dataflows::time::Millis;
use std::sync::Arc;

/// A dataflow with what the program knows of it. Each lives in a folder of its own; the engine has
/// no word of any.
pub trait Hosted: Dataflow {
    /// Who follows it from epoch to epoch.
    type Follower: Follow<Output = Self::Output> + Send + 'static;

    /// As a configuration has it, for whoever keeps rows epoch by epoch, and `saves` snapshots.
    ///
    /// # Errors
    /// What is wrong with the configuration, which its checks have not found.
    fn of(config: &Config, saves: bool) -> Result<Self, Faults>;

    /// What its rows are worded by, with these names of the topics.
    fn wording(&self, topics: TopicNames) -> Arc<dyn Wording>;

    /// How late an event may come under these settings and still count as in order.
    fn lateness(settings: &Self::Settings) -> Millis;

    /// What the database must be told of it.
    fn postgres_settings(&self, config: &Config) -> PostgresSettings {
        config.postgres_settings(self.wording(config.topic_names()))
    }

    /// The same as verification computes it again; `saves` snapshots.
    fn computed_again(self, saves: bool) -> Self;

    /// Looks again at what of an epoch can be computed by itself, going on after a snapshot whose
    /// part without keys this is; so many versions of models are kept.
    fn looked_at_again(
        &self,
        _common: Option<&Self::Common>,
        _keep: u64,
        findings: Findings,
    ) -> Box<dyn LookedAtAgain> {
        Box::new(findings)
    }

    /// The keys that what stands depends on.
    fn fingerprint(settings: &Self::Settings) -> Fingerprint;

    /// The keys that only steer what is made from now on, each with its value: they may change
    /// between two starts.
    fn serving(settings: &Self::Settings) -> Vec<(&'static str, String)>;

    /// The same, where other settings held in epochs before, each with its last one: what only
    /// steers is taken from them.
    fn having_served(self, earlier: Vec<(u64, Self::Settings)>) -> Self;

    /// The same with other settings, but for what only steers.
    ///
    /// # Errors
    /// Why they are none.
    fn under(&self, settings: &Self::Settings) -> Result<Self, String>;

    /// Why these settings cannot be taken over from what is kept, as far as they tell themselves: a
    /// sentence for each key.
    fn refusals(former: &Self::Settings, wanted: &Self::Settings) -> Vec<String>;

    /// Why what stands in a checkpoint cannot be taken up under other settings.
    ///
    /// # Errors
    /// It cannot be read.
    fn obstacles(
        checkpoints: &Checkpoints,
        manifest: &Manifest,
        former: &Self::Settings,
        wanted: &Self::Settings,
    ) -> Result<Vec<String>, CheckpointError>;

    /// Whether a change of settings makes all results anew.
    fn is_made_anew(former: &Self::Settings, wanted: &Self::Settings) -> bool;

    /// What a job of it shows beside what every job does.
    fn figures(&self, config: &Config) -> Box<dyn Figures>;

    /// Who follows it: from its beginning, or after a snapshot.
    ///
    /// # Errors
    /// The settings that the snapshot was taken under are none.
    fn follower(
        &self,
        after: Option<After<'_, Self::Common, Self::Settings>>,
    ) -> Result<Self::Follower, SnapshotError>;
}

/// What of epochs can be computed again by itself, beside what comes of the topics.
pub trait LookedAtAgain: Send {
    /// Takes in the next epoch.
    fn look(&mut self, epoch: &dyn Gathered);

    /// What was found.
    fn into_findings(self: Box<Self>) -> Findings;
}

/// Nothing can.
impl LookedAtAgain for Findings {
    fn look(&mut self, _: &dyn Gathered) {}

    fn into_findings(self: Box<Self>) -> Findings {
        *self
    }
}

/// A snapshot that is gone on from.
#[derive(Clone, Copy, Debug)]
pub struct After<'a, C, S> {
    /// What belongs to no key of it.
    pub common: &'a C,
    /// The settings that it was taken under, where the next epoch is a change of them.
    pub former: Option<&'a S>,
}

/// All of an epoch of a dataflow.
pub type ResultsOf<D> = <<D as Hosted>::Follower as Follow>::Results;

/// All that the processes of a job have to agree on of the settings of a dataflow.
pub fn agreed_on<D: Hosted>(settings: &D::Settings) -> Vec<(String, String)> {
    let owned = |(key, value): (&str, String)| (key.to_string(), value);
    let fingerprint = D::fingerprint(settings);
    let kept = fingerprint.values().map(|(key, value)| owned((key, value.to_string())));
    kept.chain(D::serving(settings).into_iter().map(owned)).collect()
}

/// What steers otherwise under settings that hold `now`: a sentence for each key.
pub fn serving_differences<D: Hosted>(before: &D::Settings, now: &D::Settings) -> Vec<String> {
    let (before, now) = (D::serving(before), D::serving(now));
    let differing = before.into_iter().zip(now).filter(|(before, now)| before != now);
    differing.map(|((key, before), (_, now))| format!("{key} was {before} and is {now}")).collect()
}
