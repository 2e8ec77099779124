//! The part of the configuration that a checkpoint depends on.
//!
//! What is in it changes the meaning of what is stored (lists that are stored as indexes,
//! decimals), of what has been summed (everything that a context or a reward is made of), or of the
//! recorded epochs that a restart runs again (what is read, and when it counts). A job that went on
//! under another value would have a state that no replay of its topics gives.
//!
//! What is not in it only steers what is made from now on, and may change between two starts: ridge
//! and width of the confidence term (models are solved from the sums), what asks for a decision,
//! what the sinks want, and everything of workers, intervals and addresses.

use dataflows::event::Millis;
use dataflows::settings::{
    BanditSettings, CustomerSettings, HighValue, InputSettings, Settings, Term, TimeSettings,
    Transform,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The keys that a checkpoint depends on, each with its value as a text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(BTreeMap<String, String>);

impl Fingerprint {
    /// That of these settings. Each field is named here, so that a new one has to be decided on.
    pub fn of(settings: &Settings) -> Self {
        let Settings { input, customer, bandit, time, emit: _, earlier: _ } = settings;
        let mut values = input_values(input);
        values.extend(customer_values(customer));
        values.extend(bandit_values(bandit));
        values.extend(time_values(time));
        Fingerprint(values.into_iter().map(|(key, value)| (key.to_string(), value)).collect())
    }

    /// Every key with its value.
    pub fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// What differs between this one, of a checkpoint, and `configured`: a sentence for each key.
    pub fn differences(&self, configured: &Fingerprint) -> Vec<String> {
        self.differing(configured).into_iter().map(|(_, said)| said).collect()
    }

    /// The same, each with its key.
    pub fn differing<'a>(&'a self, configured: &'a Fingerprint) -> Vec<(&'a str, String)> {
        let keys: std::collections::BTreeSet<&String> =
            self.0.keys().chain(configured.0.keys()).collect();
        let differing = keys.into_iter().filter(|key| self.0.get(*key) != configured.0.get(*key));
        differing
            .map(|key| (key.as_str(), difference(key, self.0.get(key), configured.0.get(key))))
            .collect()
    }
}

fn difference(key: &str, there: Option<&String>, here: Option<&String>) -> String {
    let list = |value: Option<&String>| serde_json::from_str::<Vec<String>>(value?).ok();
    if let (Some(there), Some(here)) = (list(there), list(here)) {
        return format!("{key} {}", list_difference(&there, &here));
    }
    let shown = |value: Option<&String>| value.map_or("unknown", String::as_str).to_string();
    format!("{key} was {} and is {}", shown(there), shown(here))
}

/// What is gone from a list and what has come, or that only its order is another.
fn list_difference(there: &[String], here: &[String]) -> String {
    let missing = |from: &[String], of: &[String]| {
        of.iter()
            .filter(|item| !from.contains(item))
            .map(|item| format!("{item:?}"))
            .collect::<Vec<_>>()
    };
    let (gone, come) = (missing(here, there), missing(there, here));
    let told = [("had", gone), ("has now", come)];
    let told: Vec<String> = told
        .into_iter()
        .filter(|(_, items)| !items.is_empty())
        .map(|(verb, items)| format!("{verb} {}", items.join(", ")))
        .collect();
    match told.is_empty() {
        true => "has another order".to_string(),
        false => told.join(" and "),
    }
}

/// A key and its value.
type Value = (&'static str, String);

fn input_values(input: &InputSettings) -> Vec<Value> {
    let InputSettings {
        categories,
        devices,
        payments,
        arms,
        decimals,
        max_record,
        aliases,
        dimension: _,
        names: _,
        future,
        time_unit,
        date_formats,
        own_features: _,
    } = input;
    let aliases = aliases
        .iter()
        .map(|(topic, here, there)| format!("{}.{here} = {there}", topic.name()))
        .collect::<Vec<_>>();
    let mut values = vec![
        ("customers.categories", list(categories)),
        ("customers.devices", list(devices)),
        ("customers.payments", list(payments)),
        ("bandit.arms", list(arms)),
        ("input.decimals", decimals.to_string()),
        ("input.max_record", format!("{max_record} bytes")),
        ("input.future", millis(*future)),
        ("fields", list(&aliases)),
    ];
    // Only where they are set: checkpoints of before there were such keys read as they do without.
    values.extend(time_unit.map(|unit| ("input.time_unit", unit.name().to_string())));
    values.extend((!date_formats.is_empty()).then(|| ("input.date_format", list(date_formats))));
    values
}

fn customer_values(customer: &CustomerSettings) -> Vec<Value> {
    let CustomerSettings {
        holiday_months,
        high_value,
        at_risk_days,
        frequent_purchases,
        recent_days,
        context,
    } = customer;
    let months: Vec<String> = (1..=12)
        .filter(|month| holiday_months >> month & 1 == 1)
        .map(|month: u16| month.to_string())
        .collect();
    let high_value = match high_value {
        HighValue::Fixed(total) => format!("{total} minor units"),
        HighValue::Percentile(percentile) => format!("percentile {percentile}"),
    };
    vec![
        ("customers.holiday_months", list(&months)),
        ("customers.high_value", high_value),
        ("customers.at_risk_days", at_risk_days.to_string()),
        ("customers.recent_days", recent_days.to_string()),
        ("customers.frequent_purchases", frequent_purchases.to_string()),
        ("context.terms", list(&context.iter().map(term).collect::<Vec<_>>())),
    ]
}

fn bandit_values(bandit: &BanditSettings) -> Vec<Value> {
    let BanditSettings { serving: _, model_lag, own_features } = bandit;
    // Models that have been learned and do not decide yet are part of the state.
    vec![
        ("bandit.model_lag", model_lag.to_string()),
        ("bandit.own_features", own_features.to_string()),
    ]
}

fn time_values(time: &TimeSettings) -> Vec<Value> {
    let TimeSettings { lateness, attribution_window, no_response_reward, keep } = time;
    vec![
        ("epoch.lateness", millis(*lateness)),
        ("bandit.attribution_window", millis(*attribution_window)),
        ("bandit.no_response_reward", format!("{no_response_reward} / 65536")),
        ("history.keep", keep.map_or("for ever".to_string(), millis)),
    ]
}

/// A list as JSON, which keeps items with commas apart.
fn list(items: &[String]) -> String {
    serde_json::Value::from(items).to_string()
}

fn millis(duration: Millis) -> String {
    crate::units::format_duration(duration)
}

/// A term as the configuration has it.
fn term(term: &Term) -> String {
    let Term { feature, transform } = term;
    match transform {
        Transform::Identity => feature.clone(),
        Transform::Scale(scale) => format!("{feature}: scale {scale}"),
        Transform::Cap(cap) => format!("{feature}: cap {cap}"),
        Transform::Log(scale) => format!("{feature}: log {scale}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What differs once the settings are changed so.
    fn changed(change: impl FnOnce(&mut Settings)) -> Vec<String> {
        let mut settings = Settings::default();
        change(&mut settings);
        Fingerprint::of(&Settings::default()).differences(&Fingerprint::of(&settings))
    }

    #[test]
    fn a_changed_list_is_told_by_what_is_gone_and_what_has_come() {
        let told = changed(|settings| settings.customer.context[11].feature = "age".to_string());
        assert_eq!(told, [r#"context.terms had "travel_pct" and has now "age""#]);
        assert_eq!(
            changed(|settings| settings.input.arms.swap(0, 1)),
            ["bandit.arms has another order"]
        );
        assert_eq!(
            changed(|settings| settings.input.devices.push("Watch, Ring".to_string())),
            [r#"customers.devices has now "Watch, Ring""#]
        );
        assert_eq!(
            changed(|settings| settings.customer.holiday_months = 1 << 11),
            [r#"customers.holiday_months had "12""#]
        );
    }

    #[test]
    fn a_changed_value_is_told_with_both() {
        let told = changed(|settings| {
            settings.input.decimals = 3;
            settings.time.lateness = 3_600_000;
            settings.time.keep = Some(400 * dataflows::event::DAY);
            settings.customer.high_value = HighValue::Fixed(5);
            settings.customer.context[1].transform = Transform::Cap(100.0);
        });
        assert_eq!(
            told,
            [
                r#"context.terms had "recency: cap 365" and has now "recency: cap 100""#,
                "customers.high_value was percentile 90 and is 5 minor units",
                "epoch.lateness was 1d and is 1h",
                "history.keep was for ever and is 400d",
                "input.decimals was 2 and is 3",
            ]
        );
    }

    #[test]
    fn what_only_steers_what_is_made_from_now_on_may_change() {
        let told = changed(|settings| {
            settings.bandit.serving.ridge = 2.0;
            settings.bandit.serving.alpha = 0.5;
            settings.bandit.serving.decide_on_transaction = true;
            settings.emit.interactions = true;
            settings.input.names = true;
        });
        assert_eq!(told, Vec::<String>::new());
    }

    #[test]
    fn a_key_that_one_side_does_not_know_is_a_difference() {
        let here = Fingerprint::of(&Settings::default());
        let mut there = here.clone();
        there.0.remove("fields");
        there.0.insert("old.key".to_string(), "5".to_string());
        assert_eq!(
            there.differences(&here),
            ["fields was unknown and is []", "old.key was 5 and is unknown"]
        );
    }
}
