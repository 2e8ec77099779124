//! The settings that a job's epochs are computed with, recorded with the first epoch that they hold
//! for, and read back by whoever computes one of them again.

use crate::blame::Blame;
use crate::sink::SinkFault;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Settings, and the first epoch that they hold for. A sink records them as they are, and only
/// their dataflow knows what is in them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applied<S = Value> {
    /// The epoch.
    pub since: u64,
    /// The settings: what rows are made of, and nothing of which rows a sink wants.
    pub settings: S,
}

/// All that was recorded of a job, in ascending order of epochs.
#[derive(Clone, Debug, PartialEq)]
pub struct AppliedSettings<S = Value>(pub Vec<Applied<S>>);

/// Recorded settings that are none of the dataflow that the job runs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "recorded epoch {epoch} cannot be read: its settings cannot be read: {why}; restore all of the \
     job's progress from one copy, or make everything anew from the topics with --rebuild"
)]
pub struct UnknownSettings {
    /// The first epoch that they hold for.
    pub epoch: u64,
    /// What is wrong.
    pub why: String,
}

impl SinkFault for UnknownSettings {
    fn sink(&self) -> &'static str {
        "Applied"
    }

    fn blame(&self) -> Blame {
        Blame::Lasting
    }

    fn is_fenced(&self) -> bool {
        false
    }

    fn is_transient(&self) -> bool {
        false
    }
}

impl<S> Default for AppliedSettings<S> {
    fn default() -> Self {
        AppliedSettings(Vec::new())
    }
}

impl AppliedSettings {
    /// As the dataflow knows them.
    ///
    /// # Errors
    /// [`UnknownSettings`]
    pub fn read<S: DeserializeOwned>(&self) -> Result<AppliedSettings<S>, UnknownSettings> {
        let read = |Applied { since, settings }: &Applied| {
            let settings = S::deserialize(settings)
                .map_err(|error| UnknownSettings { epoch: *since, why: error.to_string() })?;
            Ok(Applied { since: *since, settings })
        };
        Ok(AppliedSettings(self.0.iter().map(read).collect::<Result<_, _>>()?))
    }
}

impl<S: Clone + PartialEq> AppliedSettings<S> {
    /// What held in an epoch. What held before anything was recorded is taken to be what was
    /// recorded first.
    pub fn at(&self, epoch: u64) -> Option<&Applied<S>> {
        self.0.iter().rev().find(|applied| applied.since <= epoch).or(self.0.first())
    }

    /// What held in the epochs up to this one, each with its last epoch.
    pub fn through(&self, through: u64) -> Vec<(u64, S)> {
        let next =
            self.0.iter().skip(1).map(|applied| applied.since.saturating_sub(1)).chain([through]);
        let held = self.0.iter().zip(next).filter(|(applied, _)| applied.since <= through);
        held.map(|(applied, last)| (last.min(through), applied.settings.clone())).collect()
    }

    /// Takes in what holds from an epoch on, in place of all that was recorded for later ones;
    /// says whether that is anything new.
    pub fn apply(&mut self, applied: Applied<S>) -> bool {
        let before = self.0.clone();
        self.0.retain(|recorded| recorded.since < applied.since);
        if self.0.last().is_none_or(|last| last.settings != applied.settings) {
            self.0.push(applied);
        }
        self.0 != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(of: &[(u64, f64)]) -> AppliedSettings<f64> {
        AppliedSettings(of.iter().map(|&(since, settings)| Applied { since, settings }).collect())
    }

    #[test]
    fn each_epoch_has_what_was_recorded_for_it() {
        let history = history(&[(4, 1.0), (9, 2.0), (12, 0.5)]);
        let at = |epoch| history.at(epoch).map(|applied| applied.settings);
        assert_eq!([1, 4, 8, 9, 11, 12, 90].map(at), [1.0, 1.0, 1.0, 2.0, 2.0, 0.5, 0.5].map(Some));
        assert_eq!(history.through(20), [(8, 1.0), (11, 2.0), (20, 0.5)]);
        assert_eq!(history.through(10), [(8, 1.0), (10, 2.0)]);
        assert_eq!(history.through(8), [(8, 1.0)]);
        assert_eq!((history.through(0), AppliedSettings::<f64>::default().at(3)), (vec![], None));
    }

    #[test]
    fn what_no_epoch_was_computed_with_is_replaced() {
        let mut history = history(&[(1, 1.0), (9, 2.0)]);
        assert!(history.apply(Applied { since: 9, settings: 3.0 }));
        assert_eq!(history.through(9), [(8, 1.0), (9, 3.0)]);
        let again = history.apply(Applied { since: 9, settings: 1.0 });
        assert!(again, "as before: nothing is left of it");
        assert_eq!(history.0.len(), 1);
        assert!(!history.apply(Applied { since: 12, settings: 1.0 }));
    }

    #[test]
    fn what_is_recorded_is_read_as_it_was_or_said_not_to_be() {
        let recorded = Applied { since: 3, settings: serde_json::json!(0.1 + 0.2) };
        let text = serde_json::to_string(&recorded).expect("a text");
        let again: Applied = serde_json::from_str(&text).expect("what it was");
        let read = AppliedSettings(vec![again]).read::<f64>();
        assert_eq!(read, Ok(history(&[(3, 0.1 + 0.2)])));
        let other = AppliedSettings(vec![Applied { since: 3, settings: Value::from("x") }]);
        let unreadable = other.read::<f64>().expect_err("no number");
        assert_eq!(unreadable.epoch, 3);
    }
}
