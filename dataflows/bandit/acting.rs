//! A policy that decides, with what is said of any policy alike: what it measures in, and the least
//! probability of an arm.

use super::model::Model;
use super::policy::{Occasion, Policy, Promise, RewardUnit};
use super::schedule::ParameterSchedule;
use serde::{Deserialize, Serialize};

/// What decides.
pub struct Acting {
    /// The policy.
    pub policy: Box<dyn Policy>,
    /// What it measures in; `None` where that is nothing to it.
    pub unit: Option<RewardUnit>,
    /// How much it explores: alpha, or what a kind has in its place; `None` of one that explores
    /// by nothing.
    pub width: Option<ParameterSchedule>,
    /// The least probability of an arm that may be chosen.
    pub floor: f64,
}

/// By how much a policy explored with a decision, each `None` where its kind knows nothing of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Exploration {
    /// How much more than by itself.
    pub factor: Option<f64>,
    /// Its unit, in units of reward.
    pub unit: Option<f64>,
    /// Alpha, or its like.
    pub alpha: Option<f64>,
}

impl Acting {
    /// Sets score and propensity of each arm, of which at least one is eligible, by this model, in
    /// a decision that is to explore by such a factor.
    pub fn promise(&self, model: &Model, factor: f64, promises: &mut [Promise]) {
        let unit = self.unit.map_or(1.0, |unit| unit.in_reward(model));
        self.policy.promise(&Occasion { n: model.n(), unit, factor }, promises);
        if self.floor > 0.0 {
            raise(self.floor, promises);
        }
    }

    /// By how much it then explores.
    pub fn exploration(&self, model: &Model, factor: f64) -> Exploration {
        Exploration {
            factor: self.width.as_ref().map(|_| factor),
            unit: self.unit.map(|unit| unit.in_reward(model)),
            alpha: self.width.as_ref().map(|width| width.at(model.n())),
        }
    }
}

/// Raises the propensities of the eligible arms to a floor, where any of them has one.
fn raise(floor: f64, promises: &mut [Promise]) {
    let eligible = || promises.iter().filter(|promise| promise.eligible);
    if eligible().all(|promise| promise.propensity == 0.0) {
        return;
    }
    let arms = eligible().count() as f64;
    let floor = floor.min(1.0 / arms);
    promises
        .iter_mut()
        .filter(|promise| promise.eligible)
        .for_each(|promise| promise.propensity = floor + (1.0 - arms * floor) * promise.propensity);
}
