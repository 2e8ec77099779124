//! Softmax: each arm by the exponential of what is expected of it.

use super::{
    Occasion, ParameterSchedule, Parameters, Policy, PolicyKind, PolicyParameter, Promise,
    RewardUnit, score_by_mean,
};

/// Softmax.
pub(super) static KIND: PolicyKind = PolicyKind {
    name: "softmax",
    help: "each arm in proportion to exp(expected reward / `bandit.temperature`)",
    source: "Sutton and Barto 2018, section 2.8",
    parameters: &[TEMPERATURE],
    unit: Some(RewardUnit::Deviation),
    takes_arms: false,
    policy: |parameters: &Parameters| {
        Box::new(Softmax { temperature: parameters.of(&TEMPERATURE) })
    },
};

const TEMPERATURE: PolicyParameter = PolicyParameter {
    key: "bandit.temperature",
    help: "Temperature of softmax. Larger: more exploration.",
    default: 0.1,
    least: 1e-6,
    greatest: 1e6,
    scheduled: true,
};

struct Softmax {
    temperature: ParameterSchedule,
}

impl Policy for Softmax {
    fn promise(&self, occasion: &Occasion, promises: &mut [Promise]) {
        let temperature = self.temperature.at(occasion.n) * occasion.factor * occasion.unit;
        let Some(best) = score_by_mean(promises) else { return };
        let most = promises[best].score;
        let mut sum = 0.0;
        for promise in promises.iter_mut().filter(|promise| promise.eligible) {
            promise.propensity = libm::exp((promise.score - most) / temperature);
            sum += promise.propensity;
        }
        promises.iter_mut().for_each(|promise| promise.propensity /= sum);
    }
}
