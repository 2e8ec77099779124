//! A number that may change with how much has been learned.
//!
//! It is a function of the observations behind the model that decides, so that whoever decides
//! again by that model has the same number.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A number for each n, the observations in the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParameterSchedule {
    /// Always the same.
    Always(f64),
    /// From each n on another one.
    Steps(Steps),
    /// Falling, from the beginning on.
    Falling(Falling),
}

/// Numbers, each from an n on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    /// The n and the number, in ascending order, the first from 0 on.
    pub steps: Vec<(i64, f64)>,
}

/// max(least, start (1 + n / half)^-power).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Falling {
    /// What it begins with.
    pub start: f64,
    /// The n with which 1 + n / half is 2; above 0.
    pub half: f64,
    /// How fast it falls.
    pub power: f64,
    /// What it never falls below.
    pub least: f64,
}

impl ParameterSchedule {
    /// The number at so many observations.
    pub fn at(&self, n: i64) -> f64 {
        match self {
            ParameterSchedule::Always(number) => *number,
            ParameterSchedule::Steps(Steps { steps }) => {
                let reached = steps.partition_point(|(from, _)| *from <= n);
                steps.get(reached.saturating_sub(1)).map_or(0.0, |(_, number)| *number)
            }
            ParameterSchedule::Falling(Falling { start, half, power, least }) => {
                (start * libm::pow(1.0 + n as f64 / half, -power)).max(*least)
            }
        }
    }

    /// Whether it is sound, and each number from `least` to `greatest`.
    pub fn is_within(&self, least: f64, greatest: f64) -> bool {
        let fits = |number: f64| (least..=greatest).contains(&number);
        match self {
            ParameterSchedule::Always(number) => fits(*number),
            ParameterSchedule::Steps(Steps { steps }) => {
                steps.first().is_some_and(|(from, _)| *from == 0)
                    && steps.is_sorted_by(|(one, _), (other, _)| one < other)
                    && steps.iter().all(|(_, number)| fits(*number))
            }
            ParameterSchedule::Falling(Falling { start, half, power, least: end }) => {
                let is_above = |number: f64, least: f64| number.is_finite() && number >= least;
                fits(*start) && fits(*end) && is_above(*half, 1.0) && is_above(*power, 0.0)
            }
        }
    }
}

/// As a configuration has it.
impl fmt::Display for ParameterSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParameterSchedule::Always(number) => number.fmt(f),
            ParameterSchedule::Steps(Steps { steps }) => {
                let pairs: Vec<String> =
                    steps.iter().map(|(from, number)| format!("[{from}, {number}]")).collect();
                write!(f, "{{steps = [{}]}}", pairs.join(", "))
            }
            ParameterSchedule::Falling(Falling { start, half, power, least }) => {
                write!(f, "{{start = {start}, half = {half}, power = {power}, least = {least}}}")
            }
        }
    }
}

impl From<f64> for ParameterSchedule {
    fn from(number: f64) -> Self {
        ParameterSchedule::Always(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ParameterSchedule {
        serde_json::from_str(text).expect("a schedule")
    }

    #[test]
    fn each_n_has_the_number_of_the_last_step_reached() {
        let steps = read("{\"steps\": [[0, 1], [1000, 0.5], [5000, 0.125]]}");
        let at = [0, 999, 1000, 4999, 5000, i64::MAX].map(|n| steps.at(n));
        assert_eq!(at, [1.0, 1.0, 0.5, 0.5, 0.125, 0.125]);
        assert_eq!(read("0.25").at(77), 0.25);
    }

    #[test]
    fn a_falling_one_is_halved_at_half_and_ends_at_its_least() {
        let falling = read("{\"start\": 2, \"half\": 10000, \"power\": 1, \"least\": 0.1}");
        let at = [0, 10_000, 30_000, i64::MAX].map(|n| falling.at(n));
        assert_eq!(at, [2.0, 1.0, 0.5, 0.1]);
    }

    #[test]
    fn schedules_come_back_as_they_were_and_others_are_refused() {
        for text in [
            "0.1",
            "{\"steps\":[[0,1.0],[7,0.5]]}",
            "{\"start\":1.0,\"half\":10.0,\"power\":0.5,\"least\":0.1}",
        ] {
            let schedule = read(text);
            assert_eq!(serde_json::to_string(&schedule).expect("JSON"), text);
            assert!(schedule.is_within(0.0, 1.0) && !schedule.is_within(2.0, 3.0), "{text}");
        }
        for text in [
            "{\"steps\": []}",
            "{\"steps\": [[1, 0.5]]}",
            "{\"steps\": [[0, 0.5], [9, 0.4], [9, 0.3]]}",
            "{\"start\": 1, \"half\": 0, \"power\": 1, \"least\": 0}",
            "{\"start\": 1, \"half\": 9, \"power\": -1, \"least\": 0}",
        ] {
            assert!(!read(text).is_within(0.0, 1.0), "{text}");
        }
        for text in ["{}", "{\"steps\": [[0, 1]], \"least\": 0}", "{\"start\": 1}", "\"wide\""] {
            assert!(serde_json::from_str::<ParameterSchedule>(text).is_err(), "{text}");
        }
    }
}
