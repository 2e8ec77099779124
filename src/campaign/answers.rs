//! Decisions that came as made: scored again by the context that they bring and the model that they
//! name.

use crate::campaign::results::EpochResults;
use crate::hosting::LookedAtAgain;
use crate::postgres::comparison::Findings;
use crate::sink::gathered::Gathered;
use dataflows::bandit::choice::{Asked, score};
use dataflows::bandit::model::Model;
use dataflows::bandit::parameters::Parameters;
use dataflows::bandit::policy::{Chosen, Promise};
use dataflows::bandit::ridge::{ArmModel, real_context, solve};
use dataflows::campaign::output::Decision;
use dataflows::campaign::snapshot::Common;
use dataflows::settings::Settings;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The versions of all arms that are kept, and what was found of those who name them.
pub struct Answers {
    settings: Arc<Settings>,
    dimension: usize,
    /// Of each arm that was ever learned of its models, the oldest first, each with its version.
    arms: BTreeMap<u32, VecDeque<(u64, ArmModel)>>,
    /// So many versions are kept.
    keep: u64,
    /// The oldest version that is known of all arms.
    oldest: u64,
    findings: Findings,
}

impl Answers {
    /// Begins with what a snapshot knows of models, with what was found before it.
    pub fn new(
        settings: Arc<Settings>,
        dimension: usize,
        keep: u64,
        common: Option<&Common>,
        findings: Findings,
    ) -> Self {
        let lag = settings.bandit.model_lag;
        let oldest = common.map_or(0, |common| (common.epoch + 1).saturating_sub(lag));
        let mut arms: BTreeMap<u32, VecDeque<_>> = BTreeMap::new();
        for version in common.iter().flat_map(|common| &common.arms) {
            let ridge = settings.serving(version.epoch + lag).ridge;
            let model = solve(version.arm, &version.totals, ridge);
            arms.entry(version.arm).or_default().push_back((version.epoch, model));
        }
        Answers { settings, dimension, arms, keep, oldest, findings }
    }

    /// Takes in the next epoch: its models, and the decisions that came as made.
    fn check(&mut self, results: &EpochResults) {
        for update in &results.arms {
            let versions = self.arms.entry(update.arm).or_default();
            versions.push_back((results.epoch, update.model.clone()));
        }
        self.oldest = self.oldest.max(results.epoch.saturating_sub(self.keep));
        for versions in self.arms.values_mut() {
            // What an arm was at the oldest version it may have become long before.
            while versions.get(1).is_some_and(|(version, _)| *version <= self.oldest) {
                versions.pop_front();
            }
        }
        for decision in &results.decisions {
            if let Some(parameters) = &decision.answered {
                self.score(decision, parameters, results.epoch);
            }
        }
    }

    fn score(&mut self, decision: &Decision, parameters: &Parameters, epoch: u64) {
        self.findings.rows += 1;
        let policy = self.settings.serving(epoch).policy_of(&decision.policy);
        let known = policy.filter(|_| (self.oldest..epoch).contains(&decision.model_version));
        let Some(mut policy) = known else {
            self.findings.untold += 1;
            return;
        };
        if Chosen::of(&decision.policy).is_some() {
            policy.parameters.clone_from(parameters);
        }
        let model = self.model(decision.model_version);
        let x = real_context(&decision.context);
        let mut promises: Vec<Promise> = Vec::new();
        let asked = Asked { x: &x, exclude: &[], factor: 1.0 };
        score(&policy.acting(), &model, asked, &mut promises);
        let arm = usize::from(decision.arm.unwrap_or_default());
        let Some(of_arm) = promises.get(arm) else { return };
        let scores: Vec<f64> = promises.iter().map(|promise| promise.score).collect();
        let columns = [
            ("expected_reward", vec![of_arm.estimate.mean], vec![decision.expected_reward]),
            ("uncertainty", vec![of_arm.estimate.width], vec![decision.uncertainty]),
            // Arms that were added since have none.
            ("scores", scores[..decision.scores.len()].to_vec(), decision.scores.clone()),
        ];
        let key = || format!("decision {} of customer {}", decision.decision, decision.customer);
        for (column, expected, found) in columns {
            if expected.iter().map(|value| value.to_bits()).ne(found.iter().map(|v| v.to_bits())) {
                self.findings.differs(&key(), column, shown(&expected), shown(&found));
            }
        }
    }

    /// The models that a version has: of each arm the newest at it or before.
    fn model(&self, version: u64) -> Model {
        let ridge = self.settings.serving(version + self.settings.bandit.model_lag).ridge;
        let mut model = Model::new(self.settings.input.arms.len(), self.dimension, ridge);
        for versions in self.arms.values() {
            let newest = versions.iter().rev().find(|(of, _)| *of <= version);
            if let Some((of, arm)) = newest {
                model.take(*of, arm.clone());
            }
        }
        model
    }
}

impl LookedAtAgain for Answers {
    fn look(&mut self, epoch: &dyn Gathered) {
        self.check(EpochResults::of(epoch));
    }

    fn into_findings(self: Box<Self>) -> Findings {
        self.findings
    }
}

fn shown(values: &[f64]) -> String {
    let values: Vec<String> = values.iter().map(f64::to_string).collect();
    values.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::bandit::totals::Totals;
    use dataflows::campaign::output::ArmUpdate;

    /// Of four arms two are learned of, one of them twice.
    fn epochs() -> [EpochResults; 3] {
        let of = |epoch: u64, arm: u32, sum: i128| {
            let (a, b) = (vec![1 << 24, 1 << 22, 1 << 24], vec![sum << 28, 0]);
            let totals = Totals { n: 1, a, b, ..Totals::default() };
            let model = solve(arm, &totals, 1.0);
            let arms = vec![ArmUpdate { arm, totals, model }];
            EpochResults { arms, ..EpochResults::new(epoch) }
        };
        [of(1, 2, 8), of(2, 0, 5), of(3, 2, -3)]
    }

    /// The decision that a version makes of this context.
    fn decision(version: u64) -> Decision {
        let mut model = Model::new(4, 2, 1.0);
        for results in epochs().iter().filter(|results| results.epoch <= version) {
            let update = &results.arms[0];
            model.take(results.epoch, update.model.clone());
        }
        let parameters = Parameters::told([("alpha", 0.5)]);
        let acting = Chosen::default().acting(&parameters);
        let (context, mut promises) = (vec![4096, -1024], Vec::new());
        let asked = Asked { x: &real_context(&context), exclude: &[], factor: 1.0 };
        score(&acting, &model, asked, &mut promises);
        let chosen = promises.iter().position(|promise| promise.propensity == 1.0).expect("one");
        Decision {
            arm: Some(promises[chosen].arm),
            propensity: 1.0,
            expected_reward: promises[chosen].estimate.mean,
            uncertainty: promises[chosen].estimate.width,
            scores: promises.iter().map(|promise| promise.score).collect(),
            model_version: version,
            context,
            answered: Some(parameters),
            ..Decision::default()
        }
    }

    /// What is found when these decisions come with the last epoch, of versions that are kept.
    fn found(keep: u64, decisions: Vec<Decision>) -> Findings {
        let settings = Arc::<Settings>::default();
        let mut answers = Answers::new(settings, 2, keep, None, Findings::new("decided"));
        let [first, second, third] = epochs();
        let mut fourth = EpochResults { decisions, ..EpochResults::new(4) };
        fourth.arms.clear();
        [first, second, third, fourth].iter().for_each(|results| answers.check(results));
        answers.findings
    }

    #[test]
    fn what_its_version_gives_is_right_and_anything_else_is_named() {
        let all: Vec<Decision> = (0..4).map(decision).collect();
        assert_eq!(all.iter().map(|made| made.arm).collect::<Vec<_>>(), [0, 2, 2, 0].map(Some));
        let whole = found(100, all.clone());
        assert_eq!((whole.rows, whole.total, whole.untold), (4, 0, 0), "{:?}", whole.named);

        let mut wrong = all.clone();
        wrong[1].expected_reward += 1e-9;
        wrong[2].scores[3] = 7.0;
        wrong[3].model_version = 2;
        let differing: Vec<_> = found(100, wrong)
            .named
            .into_iter()
            .filter_map(|difference| difference.column)
            .collect();
        assert_eq!(differing[..2], ["expected_reward", "scores"].map(String::from));
        assert!(differing.len() > 2, "the version is another one: {differing:?}");

        let kept = found(2, all.clone());
        assert_eq!((kept.rows, kept.total, kept.untold), (4, 0, 2), "{:?}", kept.named);
        let mut later = all[3].clone();
        later.model_version = 4;
        assert_eq!(found(100, vec![later]).untold, 1, "no version of its own epoch can decide");
        let unknown = Decision { policy: "oracle".into(), ..all[3].clone() };
        assert_eq!(found(100, vec![unknown]).untold, 1);
        let mut fewer = all[3].clone();
        fewer.scores.truncate(3);
        assert_eq!(found(100, vec![fewer]).total, 0, "the fourth arm was added since");
    }
}
