//! LinUCB: the arm whose upper confidence bound is greatest, mean + alpha width.

use super::{
    Occasion, ParameterSchedule, Parameters, Policy, PolicyKind, PolicyParameter, Promise,
    RewardUnit, the_greatest,
};

/// LinUCB.
pub(super) static KIND: PolicyKind = PolicyKind {
    name: "linucb",
    help: "the greatest upper confidence bound of the expected reward, `bandit.alpha` standard \
        errors above it",
    source: "Li, Chu, Langford and Schapire 2010, algorithm 1",
    parameters: &[ALPHA],
    unit: Some(RewardUnit::Reward),
    takes_arms: false,
    policy: |parameters: &Parameters| Box::new(LinUcb { alpha: parameters.of(&ALPHA) }),
};

const ALPHA: PolicyParameter = PolicyParameter {
    key: "bandit.alpha",
    help: "Width of the confidence term of LinUCB. Larger: more exploration; 0 is greedy.",
    default: 1.0,
    least: 0.0,
    greatest: 1e6,
    scheduled: true,
};

struct LinUcb {
    alpha: ParameterSchedule,
}

impl Policy for LinUcb {
    fn promise(&self, occasion: &Occasion, promises: &mut [Promise]) {
        let alpha = self.alpha.at(occasion.n) * occasion.factor * occasion.unit;
        promises.iter_mut().for_each(|promise| {
            promise.score = promise.estimate.mean + alpha * promise.estimate.width
        });
        if let Some(best) = the_greatest(promises) {
            promises[best].propensity = 1.0;
        }
    }
}
