//! A policy that decides, with what is said of any policy alike: the unit that it measures in.

use super::model::Model;
use super::policy::{Occasion, Policy, RewardUnit};

/// What decides.
pub struct Acting {
    policy: Box<dyn Policy>,
    unit: Option<RewardUnit>,
}

impl Acting {
    /// This policy, which measures in this unit, if in any.
    pub fn new(policy: Box<dyn Policy>, unit: Option<RewardUnit>) -> Self {
        Acting { policy, unit }
    }

    /// The policy.
    pub fn policy(&self) -> &dyn Policy {
        self.policy.as_ref()
    }

    /// What holds of a decision by this model that is to explore by such a factor.
    pub fn occasion(&self, model: &Model, factor: f64) -> Occasion {
        let unit = self.unit.map_or(1.0, |unit| unit.in_reward(model));
        Occasion { n: model.n(), unit, factor }
    }
}
