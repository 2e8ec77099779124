//! Decisions that came as made: scored again by the context that they bring and the model that they
//! name.

use crate::campaign::results::EpochResults;
use crate::hosting::LookedAtAgain;
use crate::postgres::comparison::Findings;
use crate::sink::gathered::Gathered;
use dataflows::bandit::acting::Exploration;
use dataflows::bandit::choice::{Question, score};
use dataflows::bandit::model::Model;
use dataflows::bandit::parameters::Parameters;
use dataflows::bandit::policy::{Chosen, Promise};
use dataflows::bandit::ridge::{ArmModel, real_context, solve};
use dataflows::campaign::output::Decision;
use dataflows::campaign::snapshot::Common;
use dataflows::settings::{NamedPolicy, Settings};
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

    fn score(&mut self, decision: &Decision, told: &BTreeMap<String, f64>, epoch: u64) {
        self.findings.rows += 1;
        let policy = self.policy(decision, told, epoch);
        let known = policy.filter(|_| (self.oldest..epoch).contains(&decision.model_version));
        let Some(policy) = known else {
            self.findings.untold += 1;
            return;
        };
        let model = self.model(decision.model_version);
        let (acting, x) = (policy.acting(), real_context(&decision.context));
        let (mut promises, factor): (Vec<Promise>, _) =
            (Vec::new(), decision.exploration.factor.unwrap_or(1.0));
        let exclude: Vec<u16> = ineligible(decision).collect();
        score(&acting, &model, Question { x: &x, exclude: &exclude, factor }, &mut promises);
        let arm = usize::from(decision.arm.unwrap_or_default());
        let Some(of_arm) = promises.get(arm) else { return };
        let of_all = |value: fn(&Promise) -> f64, told: &[f64]| {
            // Arms that were added since have none.
            promises.iter().take(told.len()).map(value).collect::<Vec<f64>>()
        };
        let Exploration { unit, alpha, .. } = acting.exploration(&model, factor);
        let propensities = of_all(|promise| promise.propensity, &decision.propensities);
        let told = &decision.exploration;
        let mut columns = vec![
            ("expected_reward", vec![of_arm.estimate.mean], vec![decision.expected_reward]),
            ("uncertainty", vec![of_arm.estimate.width], vec![decision.uncertainty]),
            ("scores", of_all(|of| of.score, &decision.scores), decision.scores.clone()),
        ];
        // What a decision does not tell of is not compared, and without reasons nobody knows which
        // arms could be chosen.
        if !decision.reasons.is_empty() && !propensities.is_empty() {
            let probability = vec![of_arm.propensity];
            columns.push(("propensity", probability, vec![decision.propensity]));
            columns.push(("propensities", propensities, decision.propensities.clone()));
        }
        columns.extend(told.unit.zip(unit).map(|(told, unit)| ("unit", vec![unit], vec![told])));
        columns.extend(told.alpha.zip(alpha).map(|(told, of)| ("alpha", vec![of], vec![told])));
        let key = || format!("decision {} of customer {}", decision.decision, decision.customer);
        for (column, expected, found) in columns {
            if expected.iter().map(|value| value.to_bits()).ne(found.iter().map(|v| v.to_bits())) {
                self.findings.differs(&key(), column, shown(&expected), shown(&found));
            }
        }
    }

    /// The policy that a decision names, as it was then told; a kind as the decision itself says.
    fn policy(
        &self,
        decision: &Decision,
        told: &BTreeMap<String, f64>,
        epoch: u64,
    ) -> Option<NamedPolicy> {
        let mut policy = self.settings.serving(epoch).policy_of(&decision.policy)?;
        if let Some(kind) = Chosen::of(&decision.policy) {
            let told = told.iter().map(|(name, value)| (name.as_str(), *value));
            policy.parameters = Parameters::told(told);
            if let Some((alpha, width)) = decision.exploration.alpha.zip(kind.kind().width()) {
                policy.parameters.set(width.name(), alpha);
            }
        }
        Some(policy)
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

/// The arms that could not be chosen, in their order.
fn ineligible(decision: &Decision) -> impl Iterator<Item = u16> {
    (0..).zip(&decision.reasons).filter(|(_, reason)| !reason.is_empty()).map(|(arm, _)| arm)
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
        let acting = Chosen::default().acting(&Parameters::told([("alpha", 0.5)]));
        let (context, mut promises) = (vec![4096, -1024], Vec::new());
        let asked = Question { x: &real_context(&context), exclude: &[], factor: 1.0 };
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
            propensities: promises.iter().map(|promise| promise.propensity).collect(),
            reasons: vec!["".into(); promises.len()],
            exploration: acting.exploration(&model, 1.0),
            answered: Some(BTreeMap::from([("alpha".to_string(), 0.5)])),
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
        wrong[2].propensities[1] = 0.25;
        wrong[2].exploration.unit = Some(3.0);
        wrong[3].model_version = 2;
        let differing: Vec<_> = found(100, wrong)
            .named
            .into_iter()
            .filter_map(|difference| difference.column)
            .collect();
        let first = ["expected_reward", "scores", "propensities", "unit"];
        assert_eq!(differing[..4], first.map(String::from));
        assert!(differing.len() > 4, "the version is another one: {differing:?}");

        let kept = found(2, all.clone());
        assert_eq!((kept.rows, kept.total, kept.untold), (4, 0, 2), "{:?}", kept.named);
        let mut later = all[3].clone();
        later.model_version = 4;
        assert_eq!(found(100, vec![later]).untold, 1, "no version of its own epoch can decide");
        let unknown = Decision { policy: "oracle".into(), ..all[3].clone() };
        assert_eq!(found(100, vec![unknown]).untold, 1);
        let mut fewer = all[3].clone();
        fewer.scores.truncate(3);
        fewer.propensities.truncate(3);
        assert_eq!(found(100, vec![fewer]).total, 0, "the fourth arm was added since");
    }
}
