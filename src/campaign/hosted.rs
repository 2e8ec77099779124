//! The campaign as the engine runs it.

use super::answers::Answers;
use super::changing;
use crate::campaign::figures::CampaignFigures;
use crate::campaign::fingerprint;
use crate::campaign::following::CampaignFollower;
use crate::campaign::rows::CampaignWording;
use crate::checkpoint::{CheckpointError, Checkpoints, Manifest};
use crate::config::fault::Faults;
use crate::config::types::Config;
use crate::fingerprint::Fingerprint;
use crate::hosting::{After, Hosted, LookedAtAgain};
use crate::postgres::comparison::Findings;
use crate::sink::rows::Wording;
use crate::source::TopicNames;
use crate::status::figures::Figures;
use dataflows::campaign::graph::Campaign;
use dataflows::campaign::snapshot::Common;
use dataflows::campaign::snapshot::change::changes_results;
use dataflows::campaign::snapshot::changed::Changeover;
use dataflows::customer::Features;
use dataflows::settings::{Emit, Serving, Settings};
use dataflows::snapshot::SnapshotError;
use dataflows::time::Millis;
use std::borrow::Cow;
use std::sync::Arc;

impl Hosted for Campaign {
    type Follower = CampaignFollower;

    fn of(config: &Config, saves: bool) -> Result<Self, Faults> {
        let (mut settings, features) = (config.settings(), config.features()?);
        // Texts of ids are only for whoever keeps rows.
        settings.input.names = !config.postgres.url.is_empty() || config.files.dir.is_some();
        settings.emit = Emit {
            interactions: true,
            features: true,
            final_features: None,
            profiled: false,
            snapshots: saves,
        };
        Ok(Campaign {
            settings: Arc::new(settings),
            features: Arc::new(features),
            thresholds: None,
        })
    }

    fn wording(&self, topics: TopicNames) -> Arc<dyn Wording> {
        Arc::new(CampaignWording::of(self, topics))
    }

    fn lateness(settings: &Settings) -> Millis {
        settings.time.lateness
    }

    fn computed_again(mut self, saves: bool) -> Self {
        let settings = Arc::make_mut(&mut self.settings);
        (settings.emit.profiled, settings.emit.snapshots) = (true, saves);
        self
    }

    fn looked_at_again(
        &self,
        common: Option<&Common>,
        keep: u64,
        findings: Findings,
    ) -> Box<dyn LookedAtAgain> {
        let (settings, dimension) =
            (Arc::clone(&self.settings), self.features.context().dimension());
        Box::new(Answers::new(settings, dimension, keep, common, findings))
    }

    fn fingerprint(settings: &Settings) -> Fingerprint {
        fingerprint::of(settings)
    }

    fn serving(settings: &Settings) -> Vec<(&'static str, String)> {
        fingerprint::serving(settings)
    }

    fn having_served(mut self, earlier: Vec<(u64, Settings)>) -> Self {
        let mut all: Vec<(u64, Serving)> = Vec::new();
        for (last, Settings { bandit, .. }) in earlier {
            match all.last_mut() {
                Some(before) if before.1 == bandit.serving => before.0 = last,
                _ => all.push((last, bandit.serving)),
            }
        }
        Arc::make_mut(&mut self.settings).earlier = all;
        self
    }

    fn under(&self, settings: &Settings) -> Result<Self, String> {
        let now = &self.settings;
        let mut settings = settings.clone();
        (settings.emit, settings.input.names) = (now.emit, now.input.names);
        settings.bandit.serving.clone_from(&now.bandit.serving);
        settings.earlier.clone_from(&now.earlier);
        let features = Features::new(&settings.input, &settings.customer)
            .map_err(|faults| faults.join("; "))?;
        Ok(Campaign {
            settings: Arc::new(settings),
            features: Arc::new(features),
            thresholds: self.thresholds.clone(),
        })
    }

    fn refusals(former: &Settings, wanted: &Settings) -> Vec<String> {
        changing::refusals(former, wanted)
    }

    fn obstacles(
        checkpoints: &Checkpoints,
        manifest: &Manifest,
        former: &Settings,
        wanted: &Settings,
    ) -> Result<Vec<String>, CheckpointError> {
        changing::obstacles(checkpoints, manifest, former, wanted)
    }

    fn is_made_anew(former: &Settings, wanted: &Settings) -> bool {
        changes_results(former, wanted)
    }

    fn figures(&self, config: &Config) -> Box<dyn Figures> {
        Box::new(CampaignFigures::new(&self.settings.input.arms, config.input.decimals))
    }

    fn follower(
        &self,
        after: Option<After<'_, Common, Settings>>,
    ) -> Result<CampaignFollower, SnapshotError> {
        let follower = CampaignFollower::new(self.clone());
        let Some(After { common, former }) = after else { return Ok(follower) };
        let change = former.map(|former| Changeover::begin(former, self, common)).transpose()?;
        let (common, changed) = match change {
            None => (Cow::Borrowed(common), None),
            Some(Changeover { common, changed, .. }) => (Cow::Owned(common), Some(changed)),
        };
        common.serves(&self.settings)?;
        Ok(follower.after(&common).changing(changed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosting::serving_differences;
    use dataflows::Dataflow;
    use dataflows::bandit::totals::Totals;
    use dataflows::campaign::snapshot::Version;

    fn settings(alpha: f64) -> Settings {
        let mut settings = Settings::default();
        settings.bandit.serving.parameters.set("alpha", alpha);
        settings
    }

    fn campaign(settings: Settings) -> Campaign {
        let features = Features::new(&settings.input, &settings.customer).expect("features");
        let (settings, features) = (Arc::new(settings), Arc::new(features));
        Campaign { settings, features, thresholds: None }
    }

    #[test]
    fn what_served_the_same_in_epochs_that_follow_one_another_is_told_once() {
        let mut other = settings(1.0);
        other.customer.at_risk_days = 3.0;
        let earlier = vec![(8, settings(1.0)), (9, other), (11, settings(2.0))];
        let served = campaign(settings(0.5)).having_served(earlier);
        let of = |alpha| settings(alpha).bandit.serving;
        assert_eq!(served.settings.earlier, [(9, of(1.0)), (11, of(2.0))]);
    }

    #[test]
    fn what_a_sink_wants_is_no_other_setting_and_all_comes_back_as_it_was() {
        let mut wanting = settings(0.1 + 0.2);
        (wanting.input.names, wanting.emit.features) = (true, true);
        wanting.input.time_unit = Some(dataflows::event::instant::TimeUnit::Seconds);
        wanting.customer.high_value = dataflows::settings::HighValue::Fixed(u64::MAX);
        let mut plain = wanting.clone();
        (plain.input.names, plain.emit.features, plain.earlier) =
            (false, false, vec![(3, wanting.bandit.serving.clone())]);
        let recorded = campaign(wanting).settings();
        assert_eq!(recorded, campaign(plain).settings());
        let value = serde_json::to_value(&recorded).expect("a value");
        let text = serde_json::to_string(&value).expect("a text");
        assert_eq!(serde_json::from_str::<Settings>(&text).expect("what it was"), recorded);
    }

    #[test]
    fn a_policy_that_needs_what_an_older_snapshot_lacks_is_refused() {
        let told = |policy: &str, earlier: Option<&str>, lacks: bool| {
            let mut settings = settings(1.0);
            if let Some(earlier) = earlier {
                settings.bandit.serving.policy = earlier.to_owned();
                settings.earlier = vec![(8, settings.bandit.serving.clone())];
            }
            settings.bandit.serving.policy = policy.to_owned();
            let mut totals = Totals::new(9);
            totals.rewards.take_if(|_| lacks);
            let common = Common {
                epoch: 7,
                arms: vec![Version { epoch: 3, arm: 1, totals }],
                ..Common::default()
            };
            let after = After { common: &common, former: None };
            campaign(settings).follower(Some(after)).err().map(|error| error.to_string())
        };
        let refused = told("thompson", None, true).expect("it is refused");
        assert!(refused.contains("`thompson`") && refused.contains("--rebuild"), "{refused}");
        assert_eq!(told("thompson", None, false), None);
        assert_eq!(told("linucb", None, true), None);
        assert_eq!(told("thompson", Some("linucb"), true), None, "it has decided since");
        assert!(told("linucb", Some("thompson"), true).is_some());
    }

    #[test]
    fn differences_name_keys() {
        let mut now = settings(2.0);
        now.bandit.serving.decide_on_transaction = true;
        let told = serving_differences::<Campaign>(&settings(1.0), &now).join("; ");
        assert_eq!(
            told,
            "bandit.alpha was 1 and is 2; bandit.decide_on was request and is transaction"
        );
    }
}
