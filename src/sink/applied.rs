//! The settings that a job's epochs are computed with, recorded with the first epoch that they hold
//! for, and read back by whoever computes one of them again.

use dataflows::settings::{Serving, Settings};
use serde::{Deserialize, Serialize};

/// Settings, and the first epoch that they hold for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applied {
    /// The epoch.
    pub since: u64,
    /// The settings: what rows are made of, and nothing of which rows a sink wants.
    pub settings: Settings,
}

impl Applied {
    /// These settings, from an epoch on.
    pub fn of(since: u64, settings: &Settings) -> Applied {
        let Settings { input, customer, bandit, time, emit: _, earlier: _ } = settings.clone();
        let mut settings = Settings { input, customer, bandit, time, ..Settings::default() };
        settings.input.names = false;
        Applied { since, settings }
    }

    /// What serves otherwise in `now`: a sentence for each key.
    pub fn serving_differences(&self, now: &Settings) -> Vec<String> {
        let values = |settings: &Settings| {
            // Each field is named here, so that a new one has to be told.
            let Serving { ridge, policy, alpha, seed, decide_on_transaction } =
                settings.bandit.serving;
            let asks = if decide_on_transaction { "transaction" } else { "request" };
            [
                ("bandit.ridge", ridge.to_string()),
                ("bandit.policy", policy.name().to_string()),
                ("bandit.alpha", alpha.to_string()),
                ("bandit.seed", seed.to_string()),
                ("bandit.decide_on", asks.to_string()),
            ]
        };
        let differing = values(&self.settings)
            .into_iter()
            .zip(values(now))
            .filter(|(before, now)| before != now);
        differing
            .map(|((key, before), (_, now))| format!("{key} was {before} and is {now}"))
            .collect()
    }
}

/// All that was recorded of a job, in ascending order of epochs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppliedSettings(pub Vec<Applied>);

impl AppliedSettings {
    /// What held in an epoch. What held before anything was recorded is taken to be what was
    /// recorded first.
    pub fn at(&self, epoch: u64) -> Option<&Applied> {
        self.0.iter().rev().find(|applied| applied.since <= epoch).or(self.0.first())
    }

    /// What served in the epochs up to this one, each with its last epoch.
    pub fn served(&self, through: u64) -> Vec<(u64, Serving)> {
        let next =
            self.0.iter().skip(1).map(|applied| applied.since.saturating_sub(1)).chain([through]);
        let served = self.0.iter().zip(next).filter(|(applied, _)| applied.since <= through);
        let mut all: Vec<(u64, Serving)> = Vec::new();
        for (applied, last) in served {
            let (last, serving) = (last.min(through), applied.settings.bandit.serving);
            match all.last_mut() {
                Some(before) if before.1 == serving => before.0 = last,
                _ => all.push((last, serving)),
            }
        }
        all
    }

    /// Takes in what holds from an epoch on, in place of all that was recorded for later ones;
    /// says whether that is anything new.
    pub fn apply(&mut self, applied: Applied) -> bool {
        let before = self.0.clone();
        self.0.retain(|recorded| recorded.since < applied.since);
        if self.0.last().is_none_or(|last| last.settings != applied.settings) {
            self.0.push(applied);
        }
        self.0 != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(alpha: f64) -> Settings {
        let mut settings = Settings::default();
        settings.bandit.serving.alpha = alpha;
        settings
    }

    fn history(of: &[(u64, f64)]) -> AppliedSettings {
        AppliedSettings(
            of.iter().map(|&(since, alpha)| Applied::of(since, &settings(alpha))).collect(),
        )
    }

    fn served(history: &AppliedSettings, through: u64) -> Vec<(u64, f64)> {
        history.served(through).into_iter().map(|(last, serving)| (last, serving.alpha)).collect()
    }

    #[test]
    fn each_epoch_has_what_was_recorded_for_it() {
        let history = history(&[(4, 1.0), (9, 2.0), (12, 0.5)]);
        let at = |epoch| history.at(epoch).map(|applied| applied.settings.bandit.serving.alpha);
        assert_eq!([1, 4, 8, 9, 11, 12, 90].map(at), [1.0, 1.0, 1.0, 2.0, 2.0, 0.5, 0.5].map(Some));
        assert_eq!(served(&history, 20), [(8, 1.0), (11, 2.0), (20, 0.5)]);
        assert_eq!(served(&history, 10), [(8, 1.0), (10, 2.0)]);
        assert_eq!(served(&history, 8), [(8, 1.0)]);
        assert_eq!((served(&history, 0), AppliedSettings::default().at(3)), (vec![], None));
    }

    #[test]
    fn what_no_epoch_was_computed_with_is_replaced() {
        let mut history = history(&[(1, 1.0), (9, 2.0)]);
        assert!(history.apply(Applied::of(9, &settings(3.0))));
        assert_eq!(served(&history, 9), [(8, 1.0), (9, 3.0)]);
        assert!(history.apply(Applied::of(9, &settings(1.0))), "as before: nothing is left of it");
        assert_eq!(history.0.len(), 1);
        assert!(!history.apply(Applied::of(12, &settings(1.0))));
    }

    #[test]
    fn what_a_sink_wants_is_no_other_setting_and_all_comes_back_as_it_was() {
        let mut wanting = settings(0.1 + 0.2);
        (wanting.input.names, wanting.emit.features) = (true, true);
        wanting.input.time_unit = Some(dataflows::event::instant::TimeUnit::Seconds);
        wanting.customer.high_value = dataflows::settings::HighValue::Fixed(u64::MAX);
        let mut plain = wanting.clone();
        (plain.input.names, plain.emit.features, plain.earlier) =
            (false, false, vec![(3, wanting.bandit.serving)]);
        assert_eq!(Applied::of(3, &wanting), Applied::of(3, &plain));
        let text = serde_json::to_string(&Applied::of(3, &wanting)).expect("a text");
        assert_eq!(
            serde_json::from_str::<Applied>(&text).expect("what it was"),
            Applied::of(3, &wanting)
        );
    }

    #[test]
    fn differences_name_keys() {
        let mut now = settings(2.0);
        now.bandit.serving.decide_on_transaction = true;
        let told = Applied::of(1, &settings(1.0)).serving_differences(&now).join("; ");
        assert_eq!(
            told,
            "bandit.alpha was 1 and is 2; bandit.decide_on was request and is transaction"
        );
    }
}
