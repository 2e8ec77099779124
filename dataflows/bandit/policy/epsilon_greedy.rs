//! Epsilon-greedy: mostly the best arm, sometimes any.

use super::{
    Occasion, ParameterSchedule, Parameters, Policy, PolicyKind, PolicyParameter, Promise,
    open_arms, score_by_mean,
};

/// Epsilon-greedy.
pub(super) static KIND: PolicyKind = PolicyKind {
    name: "epsilon-greedy",
    help: "the greatest expected reward, but with the probability `bandit.epsilon` any arm",
    source: "Sutton and Barto 2018, section 2.2",
    parameters: &[EPSILON],
    unit: None,
    takes_arms: false,
    policy: |parameters: &Parameters| Box::new(EpsilonGreedy { epsilon: parameters.of(&EPSILON) }),
};

const EPSILON: PolicyParameter = PolicyParameter {
    key: "bandit.epsilon",
    help: "How often epsilon-greedy takes any arm. 0 is greedy, 1 is uniform.",
    default: 0.1,
    least: 0.0,
    greatest: 1.0,
    scheduled: true,
};

struct EpsilonGreedy {
    epsilon: ParameterSchedule,
}

impl Policy for EpsilonGreedy {
    fn promise(&self, occasion: &Occasion, promises: &mut [Promise]) {
        let epsilon = (self.epsilon.at(occasion.n) * occasion.factor).min(1.0);
        let each = epsilon / open_arms(promises);
        let best = score_by_mean(promises);
        for (at, promise) in promises.iter_mut().enumerate().filter(|(_, of)| of.eligible) {
            promise.propensity = if Some(at) == best { 1.0 - epsilon + each } else { each };
        }
    }
}
