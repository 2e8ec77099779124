//! What serves: the policy that decides, and what else of the learner may change while all that is
//! kept stands.

use crate::bandit::acting::Acting;
use crate::bandit::parameters::Parameters;
use crate::bandit::policy::{Chosen, RewardUnit};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What of the learner may be otherwise from one epoch to the next, for nothing that is kept
/// depends on it: models are solved from the sums, and decisions made from models.
///
/// What is as by default and was not always there is left out of records, so that those of jobs
/// that do not use it are what they were.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Serving {
    /// Ridge added to the diagonal when a model is solved.
    pub ridge: f64,
    /// The policy that decides: a kind, or the name of one of `policies`.
    pub policy: String,
    /// What a kind is told.
    #[serde(flatten)]
    pub parameters: Parameters,
    /// What a kind measures in; `None`: as it does by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<RewardUnit>,
    /// The least probability of an arm that may be chosen, with a kind.
    #[serde(skip_serializing_if = "is_zero")]
    pub floor: f64,
    /// How much more is explored with whom little is known of.
    #[serde(skip_serializing_if = "Cold::is_off")]
    pub cold: Cold,
    /// Policies that have names of their own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<String, NamedPolicy>,
    /// What the draws of decisions begin with.
    pub seed: u64,
    /// Whether each purchase asks for a decision.
    pub decide_on_transaction: bool,
    /// Numbers of the arms that are not chosen any more, in ascending order. Whatever else is told
    /// of an arm is told of them too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<u16>,
}

/// A kind of policy with all that it is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NamedPolicy {
    /// The kind.
    pub kind: Chosen,
    /// What it is told.
    #[serde(flatten)]
    pub parameters: Parameters,
    /// What it measures in; `None`: as the kind does by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<RewardUnit>,
    /// The least probability of an arm that may be chosen.
    #[serde(skip_serializing_if = "is_zero")]
    pub floor: f64,
}

/// Whom little is known of: with them a policy explores more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cold {
    /// Who has fewer settled interactions than so many.
    pub interactions: u32,
    /// How much more; 1: no more.
    pub factor: f64,
}

impl Serving {
    /// The policy of a name, of a kind or of its own.
    pub fn policy_of(&self, name: &str) -> Option<NamedPolicy> {
        let of_kind = |kind| NamedPolicy {
            kind,
            parameters: self.parameters.clone(),
            unit: self.unit,
            floor: self.floor,
        };
        Chosen::of(name).map(of_kind).or_else(|| self.policies.get(name).cloned())
    }

    /// What decides.
    pub fn acting(&self) -> Acting {
        self.policy_of(&self.policy).unwrap_or_default().acting()
    }
}

impl NamedPolicy {
    /// What decides by it.
    pub fn acting(&self) -> Acting {
        let acting = self.kind.acting(&self.parameters);
        // A kind that measures in nothing does so in no other unit either.
        Acting {
            unit: acting.unit.map(|own| self.unit.unwrap_or(own)),
            floor: self.floor,
            ..acting
        }
    }
}

impl Cold {
    /// Whether nobody is explored more with.
    fn is_off(&self) -> bool {
        self.factor == 1.0
    }

    /// How much more is explored with a customer of so many interactions, which are only counted
    /// where that matters.
    pub fn factor_of(&self, interactions: impl FnOnce() -> u64) -> f64 {
        if self.is_off() || interactions() >= u64::from(self.interactions) {
            1.0
        } else {
            self.factor
        }
    }
}

fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

impl Default for Serving {
    fn default() -> Self {
        Serving {
            ridge: 1.0,
            policy: Chosen::default().name().to_string(),
            parameters: Parameters::default(),
            unit: None,
            floor: 0.0,
            cold: Cold::default(),
            policies: BTreeMap::new(),
            seed: 1,
            decide_on_transaction: false,
            retired: Vec::new(),
        }
    }
}

impl Default for NamedPolicy {
    fn default() -> Self {
        NamedPolicy {
            kind: Chosen::default(),
            parameters: Parameters::default(),
            unit: None,
            floor: 0.0,
        }
    }
}

impl Default for Cold {
    fn default() -> Self {
        Cold { interactions: 5, factor: 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_what_uses_nothing_new_are_what_they_were() {
        let text = serde_json::to_string(&Serving::default()).expect("JSON");
        let before = "{\"ridge\":1.0,\"policy\":\"linucb\",\"alpha\":1.0,\"seed\":1,\
            \"decide_on_transaction\":false}";
        assert_eq!(text, before);
        assert_eq!(serde_json::from_str::<Serving>(before).expect("it"), Serving::default());
    }

    #[test]
    fn all_that_serves_comes_back_as_it_was() {
        let kind = Chosen::of("thompson").expect("a kind");
        let mut careful = NamedPolicy { kind, ..NamedPolicy::default() };
        careful.parameters.set("scale", 0.1 + 0.2);
        careful.parameters.set_arms(vec![2, 0]);
        (careful.unit, careful.floor) = (Some(RewardUnit::Deviation), 0.01);
        let serving = Serving {
            policy: "careful".to_string(),
            unit: Some(RewardUnit::Reward),
            floor: 0.5,
            cold: Cold { interactions: 3, factor: 2.0 },
            policies: BTreeMap::from([("careful".to_string(), careful.clone())]),
            ..Serving::default()
        };
        let text = serde_json::to_string(&serving).expect("JSON");
        assert_eq!(serde_json::from_str::<Serving>(&text).expect("it"), serving);
        assert_eq!(serving.policy_of("careful"), Some(careful));
        assert_eq!(serving.policy_of("greedy").expect("a kind").floor, 0.5);
        assert_eq!(serving.policy_of("nobody"), None);
    }

    #[test]
    fn who_is_cold_is_only_asked_where_it_matters() {
        let cold = Cold { interactions: 2, factor: 3.0 };
        assert_eq!([0, 1, 2, 9].map(|count| cold.factor_of(|| count)), [3.0, 3.0, 1.0, 1.0]);
        let off = Cold::default().factor_of(|| unreachable!("nobody needs to know"));
        assert_eq!(off, 1.0);
    }
}
