//! Policies: how what is expected of the arms becomes the probability of each to be chosen.
//!
//! A policy is a pure function of what is expected of the arms. It is one file below, with a `KIND`
//! that says its name, what it does and what it may be told; nothing else names it, for the build
//! puts together [`KINDS`] of whatever is there. From that the configuration, its comments, the
//! recorded settings and what is told of them are made. Which arm is drawn by the probabilities,
//! and by which random number, is no matter of a policy: [`choose`](super::choice::choose).

use super::acting::Acting;
use super::model::Model;
use super::parameters::{Parameters, PolicyParameter};
use super::ridge::Estimate;
use super::schedule::ParameterSchedule;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

include!(concat!(env!("OUT_DIR"), "/policies.rs"));

/// A kind of policy.
pub struct PolicyKind {
    /// Its name in the configuration, and in the column `policy` of decisions.
    pub name: &'static str,
    /// What it does, in a line.
    pub help: &'static str,
    /// Paper and section.
    pub source: &'static str,
    /// What it may be told. Kinds that take the same parameter declare it alike.
    pub parameters: &'static [PolicyParameter],
    /// What it measures standard errors and differences in, where nobody says otherwise; `None` of
    /// a kind to which that is nothing.
    pub unit: Option<RewardUnit>,
    /// Whether it may be told arms to choose from.
    pub takes_arms: bool,
    /// The policy of this kind with these parameters.
    policy: fn(&Parameters) -> Box<dyn Policy>,
}

impl PolicyKind {
    /// What says how much it explores: alpha, or its like; `None` of one that explores by nothing.
    pub fn width(&self) -> Option<&'static PolicyParameter> {
        self.parameters.iter().find(|parameter| parameter.scheduled)
    }
}

/// What a policy says of an arm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Promise {
    /// Number of the arm.
    pub arm: u16,
    /// Whether it may be chosen.
    pub eligible: bool,
    /// What is expected of it.
    pub estimate: Estimate,
    /// What the policy compares arms by.
    pub score: f64,
    /// The probability that it is chosen: those of the eligible arms sum to 1, others have 0.
    pub propensity: f64,
}

/// What a policy measures standard errors and differences of rewards in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RewardUnit {
    /// Units of reward.
    #[serde(rename = "reward")]
    Reward,
    /// The standard deviation of all rewards in the model.
    #[serde(rename = "sd")]
    Deviation,
}

impl RewardUnit {
    const ALL: [RewardUnit; 2] = [RewardUnit::Reward, RewardUnit::Deviation];

    /// The one of this name, if there is one.
    pub fn of(name: &str) -> Option<Self> {
        RewardUnit::ALL.into_iter().find(|unit| unit.name() == name)
    }

    /// Its name, in the configuration and in what is recorded.
    pub fn name(self) -> &'static str {
        match self {
            RewardUnit::Reward => "reward",
            RewardUnit::Deviation => "sd",
        }
    }

    /// One of it, in units of reward.
    pub fn in_reward(self, model: &Model) -> f64 {
        match self {
            RewardUnit::Reward => 1.0,
            RewardUnit::Deviation => model.deviation(),
        }
    }
}

/// What holds of a decision beside what is expected of each arm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Occasion {
    /// Observations behind the model, of all arms.
    pub n: i64,
    /// The unit of the policy, in units of reward.
    pub unit: f64,
    /// How much more than by itself the policy is to explore; 1 for no more.
    pub factor: f64,
}

/// How arms are chosen.
pub trait Policy: Send + Sync {
    /// Sets score and propensity of each arm. The promises come in the order of their numbers, with
    /// what is expected of them, with score and propensity 0, and at least one of them is eligible.
    fn promise(&self, occasion: &Occasion, promises: &mut [Promise]);
}

/// A kind is given by its name, and chosen once.
#[derive(Clone, Copy)]
pub struct Chosen(&'static PolicyKind);

impl Chosen {
    /// The kind of this name, if there is one.
    pub fn of(name: &str) -> Option<Self> {
        KINDS.iter().find(|kind| kind.name == name).map(|kind| Chosen(kind))
    }

    /// The name of the kind.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// What may be told of it.
    pub fn kind(self) -> &'static PolicyKind {
        self.0
    }

    /// What decides by it with these parameters, as the kind is by itself.
    pub fn acting(self, parameters: &Parameters) -> Acting {
        Acting {
            policy: (self.0.policy)(parameters),
            unit: self.0.unit,
            width: self.0.width().map(|parameter| parameters.of(parameter)),
            floor: 0.0,
        }
    }
}

impl Default for Chosen {
    fn default() -> Self {
        Chosen(&linucb::KIND)
    }
}

/// Every parameter of every kind, each once.
pub fn declared() -> impl Iterator<Item = &'static PolicyParameter> {
    let all = || KINDS.iter().flat_map(|kind| kind.parameters);
    all().enumerate().filter_map(move |(at, parameter)| {
        all().take(at).all(|before| before.key != parameter.key).then_some(parameter)
    })
}

impl PartialEq for Chosen {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl fmt::Debug for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Chosen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Chosen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Chosen::of(&name)
            .ok_or_else(|| serde::de::Error::custom(format!("no policy is called {name:?}")))
    }
}

/// How many arms are eligible.
fn open_arms(promises: &[Promise]) -> f64 {
    promises.iter().filter(|promise| promise.eligible).count() as f64
}

/// The eligible arm of the greatest score, the first of equal ones.
fn the_greatest(promises: &[Promise]) -> Option<usize> {
    let greater = |best: usize, next: usize| {
        if promises[next].score > promises[best].score { next } else { best }
    };
    (0..promises.len()).filter(|&at| promises[at].eligible).reduce(greater)
}

/// Sets the scores to what is expected of the arms; the eligible one of which that is most.
fn score_by_mean(promises: &mut [Promise]) -> Option<usize> {
    promises.iter_mut().for_each(|promise| promise.score = promise.estimate.mean);
    the_greatest(promises)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_differ_and_are_found_by_their_names() {
        for kind in KINDS {
            assert_eq!(Chosen::of(kind.name).map(Chosen::name), Some(kind.name));
            assert!(!kind.help.is_empty() && !kind.source.is_empty(), "{}", kind.name);
            let written = serde_json::to_string(&Chosen(kind)).expect("JSON");
            assert_eq!(serde_json::from_str::<Chosen>(&written).expect("a kind"), Chosen(kind));
        }
        let names: std::collections::BTreeSet<&str> = KINDS.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), KINDS.len());
        assert!(
            Chosen::of("LinUCB").is_none() && serde_json::from_str::<Chosen>("\"none\"").is_err()
        );
    }

    #[test]
    fn units_are_recorded_by_their_names() {
        for unit in RewardUnit::ALL {
            assert_eq!(RewardUnit::of(unit.name()), Some(unit));
            assert_eq!(serde_json::to_value(unit).expect("JSON"), unit.name());
        }
        assert_eq!(RewardUnit::of(""), None);
    }

    #[test]
    fn kinds_that_take_the_same_parameter_declare_it_alike() {
        for parameter in KINDS.iter().flat_map(|kind| kind.parameters) {
            let PolicyParameter { key, help, default, least, greatest, scheduled: _ } = parameter;
            assert!(key.starts_with("bandit.") && !parameter.name().is_empty(), "{key}");
            assert!(!help.is_empty() && (least..=greatest).contains(&default), "{key}");
            let declared = declared().find(|declared| declared.key == *key);
            assert_eq!(declared, Some(parameter));
        }
    }

    #[test]
    fn every_kind_gives_probabilities_to_those_alone_that_are_eligible() {
        for kind in KINDS {
            for excluded in [None, Some(0), Some(2)] {
                let promise = |arm| Promise {
                    arm,
                    eligible: Some(arm) != excluded,
                    estimate: Estimate { mean: f64::from(7 - arm), width: f64::from(arm), n: 1 },
                    score: 0.0,
                    propensity: 0.0,
                };
                let mut promises: Vec<Promise> = (0..5).map(promise).collect();
                let occasion = Occasion { n: 100, unit: 1.0, factor: 1.0 };
                (kind.policy)(&Parameters::default()).promise(&occasion, &mut promises);
                let sum: f64 = promises.iter().map(|promise| promise.propensity).sum();
                assert!((sum - 1.0).abs() < 1e-12, "{}: {sum}", kind.name);
                assert!(
                    promises.iter().all(|promise| promise.eligible || promise.propensity == 0.0),
                    "{}",
                    kind.name
                );
            }
        }
    }
}
