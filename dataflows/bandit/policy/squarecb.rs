//! SquareCB: the worse an arm than the best, the rarer it is chosen, by the inverse of the gap.

use super::{
    Occasion, ParameterSchedule, Parameters, Policy, PolicyKind, PolicyParameter, Promise,
    RewardUnit, open_arms, score_by_mean,
};

/// Inverse gap weighting.
pub(super) static KIND: PolicyKind = PolicyKind {
    name: "squarecb",
    help: "SquareCB: of K arms each but the best with 1 / (K + g gap), the gap being what is \
        expected less than of the best and g = `bandit.gamma` n^`bandit.power`; the best with the \
        rest",
    source: "Foster and Rakhlin 2020, algorithm 1",
    parameters: &[GAMMA, POWER],
    unit: Some(RewardUnit::Deviation),
    takes_arms: false,
    policy: |parameters: &Parameters| {
        Box::new(SquareCb { gamma: parameters.of(&GAMMA), power: parameters.of(&POWER) })
    },
};

const GAMMA: PolicyParameter = PolicyParameter {
    key: "bandit.gamma",
    help: "How much SquareCB holds a gap against an arm. Larger: less exploration; 0 is uniform.",
    default: 10.0,
    least: 0.0,
    greatest: 1e9,
    scheduled: true,
};

const POWER: PolicyParameter = PolicyParameter {
    key: "bandit.power",
    help: "How fast that grows with n, the observations in the model. 0: not at all.",
    default: 0.5,
    least: 0.0,
    greatest: 2.0,
    scheduled: false,
};

struct SquareCb {
    gamma: ParameterSchedule,
    power: ParameterSchedule,
}

impl Policy for SquareCb {
    fn promise(&self, occasion: &Occasion, promises: &mut [Promise]) {
        let Occasion { n, unit, factor } = *occasion;
        let growth = libm::pow(n.max(1) as f64, self.power.at(n));
        let gamma = self.gamma.at(n) * growth / factor;
        let arms = open_arms(promises);
        let Some(best) = score_by_mean(promises) else { return };
        let most = promises[best].score;
        let mut others = 0.0;
        for (at, promise) in promises.iter_mut().enumerate() {
            if promise.eligible && at != best {
                promise.propensity = 1.0 / (arms + gamma * (most - promise.score) / unit);
                others += promise.propensity;
            }
        }
        promises[best].propensity = 1.0 - others;
    }
}
