//! A decision that was made when it was asked for, as a request brings it in `decided`.

use super::field::Field;
use super::fields::{Problem, Value};
use super::{Answer, Reason};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Numbers that are not what the policy was told.
const OWN: [&str; 7] =
    ["action", "propensity", "expected_reward", "uncertainty", "model_version", "factor", "unit"];

/// Most bytes of a reason why an arm could not be chosen.
const LONGEST_REASON: usize = 64;

/// Most bytes of a policy's name.
const LONGEST_NAME: usize = 64;

/// The object as it is written; what is not named here is for others.
#[derive(Deserialize)]
struct Written<'a> {
    #[serde(borrow)]
    action: &'a RawValue,
    propensity: f64,
    expected_reward: f64,
    uncertainty: f64,
    scores: Vec<f64>,
    // It has to be there, be it null.
    #[serde(deserialize_with = "Option::deserialize")]
    alpha: Option<f64>,
    model_version: u64,
    #[serde(borrow)]
    policy: Cow<'a, str>,
    context: Vec<i16>,
    #[serde(default)]
    propensities: Vec<f64>,
    #[serde(default)]
    reasons: Vec<Option<String>>,
    #[serde(default)]
    factor: Option<f64>,
    #[serde(default)]
    unit: Option<f64>,
}

/// The decision of a field, where it can be one: of an arm that `arm` knows, among as many arms as
/// there are `arms` or have been before some were added, for a context of `dimension` values.
pub(super) fn read(
    value: &Value,
    arms: usize,
    dimension: usize,
    arm: impl FnOnce(&Value) -> Result<u16, Problem>,
) -> Result<Answer, Problem> {
    let problem = |reason, wrong: &str| Problem::of(reason, Field::Decided, value, wrong);
    let (Value::Compound(text) | Value::Cell(text)) = value else {
        return Err(problem(Reason::BadField, "is not a JSON object"));
    };
    let written: Written = serde_json::from_str(text).map_err(|error| {
        let reason = if error.to_string().starts_with("missing") {
            Reason::MissingField
        } else {
            Reason::BadField
        };
        problem(reason, &format!("is no decision: {error}"))
    })?;
    let action = Value::from_json(written.action.get()).ok().flatten();
    let arm = arm(&action.ok_or_else(|| problem(Reason::MissingField, "has no action"))?)?;
    if !(written.propensity > 0.0 && written.propensity <= 1.0) {
        return Err(problem(Reason::BadPropensity, "has a propensity outside (0, 1]"));
    }
    if written.context.len() != dimension {
        let wrong = format!("has a context of {} values, not {dimension}", written.context.len());
        return Err(problem(Reason::BadField, &wrong));
    }
    if written.scores.len() <= usize::from(arm) || written.scores.len() > arms {
        let wrong = format!("has {} scores of {arms} arms", written.scores.len());
        return Err(problem(Reason::BadField, &wrong));
    }
    if written.policy.is_empty() || written.policy.len() > LONGEST_NAME {
        return Err(problem(Reason::BadField, "has no policy's name"));
    }
    let is_there = |of: Option<f64>| of.is_none_or(|number| number >= 0.0);
    let explored = [written.alpha, written.factor, written.unit];
    let impossible = written.model_version > i64::MAX as u64 || written.uncertainty < 0.0;
    if impossible || !explored.into_iter().all(is_there) {
        return Err(problem(Reason::BadField, "has a number that cannot be"));
    }
    let all = written.scores.len();
    let told = [written.propensities.len(), written.reasons.len()];
    if told.iter().any(|told| ![0, all].contains(told)) {
        let wrong = "has not as many propensities or reasons as scores";
        return Err(problem(Reason::BadField, wrong));
    }
    if !written.propensities.iter().all(|propensity| (0.0..=1.0).contains(propensity)) {
        return Err(problem(Reason::BadPropensity, "has a propensity outside [0, 1]"));
    }
    if written.reasons.iter().flatten().any(|reason| reason.len() > LONGEST_REASON) {
        return Err(problem(Reason::BadField, "has a reason of too many bytes"));
    }
    Ok(Answer {
        arm,
        propensity: written.propensity,
        expected_reward: written.expected_reward,
        uncertainty: written.uncertainty,
        scores: written.scores,
        parameters: numbers(text),
        model_version: written.model_version,
        policy: written.policy.into_owned(),
        context: written.context,
        propensities: written.propensities,
        reasons: written.reasons.into_iter().map(Option::unwrap_or_default).collect(),
        factor: written.factor,
        unit: written.unit,
        alpha: written.alpha,
    })
}

/// Every other number of an object, by its name: what its policy was told is among them.
fn numbers(text: &str) -> BTreeMap<String, f64> {
    let fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(text).unwrap_or_default();
    let number = |(name, value): (Cow<'_, str>, &RawValue)| {
        Some((name.into_owned(), serde_json::from_str::<f64>(value.get()).ok()?))
    };
    fields.into_iter().filter(|(name, _)| !OWN.contains(&&**name)).filter_map(number).collect()
}
