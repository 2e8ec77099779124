//! What policies are configured with.

use super::measures::number;
use super::value;
use crate::config::types::PolicyTables;
use dataflows::bandit::parameters::{Parameters, PolicyParameter};
use dataflows::bandit::policy::{RewardUnit, declared};
use dataflows::bandit::schedule::ParameterSchedule;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use std::collections::BTreeMap;
use toml::{Table, Value};

/// The forms that a number has which changes with what has been learned.
const SCHEDULES: &str = "one that changes with n, the observations in the model: {steps = [[0, \
    1.0], [1000, 0.5]]}, or {start = 1.0, half = 10000, power = 0.5, least = 0.1} for max(least, \
    start (1 + n / half)^-power)";

/// What policies are told, each within its limits.
pub fn parameters<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Parameters, D::Error> {
    let mut parameters = Parameters::default();
    for (name, value) in BTreeMap::<String, Value>::deserialize(deserializer)? {
        let parameter = declared().find(|parameter| parameter.name() == name);
        let parameter = parameter.ok_or_else(|| D::Error::custom("a parameter of a policy"))?;
        parameters.set(&name, number_or_schedule(&value, parameter).map_err(D::Error::custom)?);
    }
    Ok(parameters)
}

/// What a policy is told of a parameter, or what was expected.
pub fn number_or_schedule(
    value: &Value,
    parameter: &PolicyParameter,
) -> Result<ParameterSchedule, String> {
    let PolicyParameter { least, greatest, scheduled, .. } = parameter;
    let read = match value {
        Value::Table(_) if *scheduled => value.clone().try_into().ok(),
        other => number(other).map(ParameterSchedule::Always),
    };
    read.filter(|schedule| schedule.is_within(*least, *greatest)).ok_or_else(|| {
        let plain = format!("a number from {least} to {greatest}");
        if *scheduled { format!("{plain}, or {SCHEDULES}") } else { plain }
    })
}

/// What a policy measures in; empty: as its kind does.
pub fn reward_unit<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<RewardUnit>, D::Error> {
    value(deserializer, unit_called, "empty, \"reward\" or \"sd\"")
}

/// The unit that a value names.
pub fn unit_called(value: &Value) -> Option<Option<RewardUnit>> {
    match value.as_str()? {
        "" => Some(None),
        name => RewardUnit::of(name).map(Some),
    }
}

/// Tables by the names of policies, from keys with points: `careful.scale.steps`.
pub fn policy_tables<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PolicyTables, D::Error> {
    let flat = Table::deserialize(deserializer)?;
    let mut tables = PolicyTables::default();
    for (key, value) in flat {
        let (name, rest) = key.split_once('.').unwrap_or((&key, ""));
        let table = tables.0.entry(name.to_string()).or_default();
        match rest.split_once('.') {
            None => drop(table.insert(rest.to_string(), value)),
            Some((parameter, part)) => {
                let there = table.entry(parameter).or_insert_with(|| Table::new().into());
                if let Some(schedule) = there.as_table_mut() {
                    schedule.insert(part.to_string(), value);
                }
            }
        }
    }
    Ok(tables)
}
