//! What the configuration says of policies: the kind that decides, or one of the tables that give a
//! kind a name of its own.

use super::section::is_same;
use crate::config::types::Config;
use crate::config::values::{number_or_schedule, unit_called};
use dataflows::bandit::policy::{Chosen, KINDS, PolicyKind};
use dataflows::settings::NamedPolicy;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// Keys of a table that any kind takes.
const OF_ANY: [&str; 3] = ["kind", "unit", "floor"];
/// The key of the arms of a kind that takes any.
const ARMS: &str = "arms";
/// Most letters of a name.
const LONGEST_NAME: usize = 64;

/// What is wrong with the policies: (key, problem).
pub fn faults(config: &Config) -> Vec<(&'static str, String)> {
    let (named, problems) = named(config);
    let mut faults: Vec<_> = problems.into_iter().map(|problem| ("policies", problem)).collect();
    let is_there = Chosen::of(&config.bandit.policy).is_some()
        || config.policies.0.contains_key(&config.bandit.policy);
    if !is_there {
        let names = KINDS.iter().map(|kind| kind.name);
        let all: Vec<String> =
            names.chain(named.keys().map(String::as_str)).map(|name| format!("{name:?}")).collect();
        let problem = format!("expected a policy: {}, or one of [policies]", all.join(", "));
        faults.push(("bandit.policy", problem));
    }
    faults
}

/// The policies that have names of their own, and what is wrong with others.
pub fn named(config: &Config) -> (BTreeMap<String, NamedPolicy>, Vec<String>) {
    let (mut policies, mut problems) = (BTreeMap::new(), Vec::new());
    for (name, table) in &config.policies.0 {
        let mut reading = Reading { name, table, arms: &config.bandit.arms, problems: Vec::new() };
        let policy = reading.policy();
        match (policy, reading.problems.is_empty()) {
            (Some(policy), true) => drop(policies.insert(name.clone(), policy)),
            (_, _) => problems.append(&mut reading.problems),
        }
    }
    (policies, problems)
}

/// A table that is being read.
struct Reading<'a> {
    name: &'a str,
    table: &'a Table,
    arms: &'a [String],
    problems: Vec<String>,
}

impl Reading<'_> {
    /// The policy of the table, as far as it can be read.
    fn policy(&mut self) -> Option<NamedPolicy> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if self.name.len() > LONGEST_NAME || !self.name.chars().all(is_plain) {
            self.wrong("", "expected a name of at most 64 letters, digits, hyphens or underscores");
        } else if Chosen::of(self.name).is_some() {
            self.wrong("", "expected a name that is not the name of a kind");
        }
        let Some(kind) = self.table.get("kind").and_then(Value::as_str).and_then(Chosen::of) else {
            let kinds: Vec<String> = KINDS.iter().map(|kind| format!("{:?}", kind.name)).collect();
            self.wrong("kind", &format!("expected a kind of policy: {}", kinds.join(" or ")));
            return None;
        };
        let mut policy = NamedPolicy { kind, ..NamedPolicy::default() };
        for (key, written) in self.table {
            // A variable of the environment has no types.
            let value = typed(written);
            let parameter = kind.kind().parameters.iter().find(|of| of.name() == key);
            match (key.as_str(), parameter) {
                ("kind", _) => {}
                ("unit", _) => match unit_called(written) {
                    Some(unit) => policy.unit = unit,
                    None => self.wrong(key, "expected empty, \"reward\" or \"sd\""),
                },
                ("floor", _) => {
                    match value.as_float().filter(|floor| (0.0..=1.0).contains(floor)) {
                        Some(floor) => policy.floor = floor,
                        None => self.wrong(key, "expected a number from 0 to 1"),
                    }
                }
                (ARMS, _) if kind.kind().takes_arms => match self.numbers(&value) {
                    Some(arms) => policy.parameters.set_arms(arms),
                    None => self.wrong(key, "expected a list of different names of bandit.arms"),
                },
                (_, Some(parameter)) => match number_or_schedule(&value, parameter) {
                    Ok(schedule) => policy.parameters.set(key, schedule),
                    Err(allowed) => self.wrong(key, &format!("expected {allowed}")),
                },
                (_, None) => self.wrong(key, &format!("no such key of it: {}", taken(kind.kind()))),
            }
        }
        Some(policy)
    }

    /// Numbers of arms that are named.
    fn numbers(&self, value: &Value) -> Option<Vec<u16>> {
        let one = [value.clone()];
        let names = value.as_array().map_or(one.as_slice(), Vec::as_slice);
        let number = |name: &Value| {
            let name = name.as_str()?;
            self.arms.iter().position(|arm| is_same(name, arm)).map(|number| number as u16)
        };
        let numbers: Vec<u16> = names.iter().map(number).collect::<Option<_>>()?;
        let differ = (1..numbers.len()).all(|at| !numbers[..at].contains(&numbers[at]));
        (differ && !numbers.is_empty()).then_some(numbers)
    }

    fn wrong(&mut self, key: &str, problem: &str) {
        let point = if key.is_empty() { "" } else { "." };
        self.problems.push(format!("{}{point}{key}: {problem}", self.name));
    }
}

/// What a kind is told in a table.
fn taken(kind: &PolicyKind) -> String {
    let own = kind.parameters.iter().map(|parameter| parameter.name());
    let arms = kind.takes_arms.then_some(ARMS);
    let all: Vec<&str> = OF_ANY.into_iter().chain(own).chain(arms).collect();
    format!("{} takes {}", kind.name, all.join(", "))
}

/// A text that is a number as that, and each number as a float.
fn typed(value: &Value) -> Value {
    match value {
        Value::String(text) => text.trim().parse().map_or_else(|_| value.clone(), Value::Float),
        Value::Integer(number) => Value::Float(*number as f64),
        other => other.clone(),
    }
}
