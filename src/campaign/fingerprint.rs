//! The keys of the configuration that what stands of a campaign depends on.
//!
//! What is in it changes the meaning of what is stored (lists that are stored as indexes,
//! decimals), of what has been summed (everything that a context or a reward is made of), or of the
//! recorded epochs that a restart runs again (what is read, and when it counts).
//!
//! What is not in it only steers what is made from now on, and may change between two starts: ridge
//! and width of the confidence term (models are solved from the sums), what asks for a decision,
//! what the sinks want, and everything of workers, intervals and addresses.

use crate::fingerprint::{Fingerprint, KeyValue, list, millis, reading_values};
use dataflows::bandit::policy::{RewardUnit, declared};
use dataflows::settings::{
    BanditSettings, Cold, CustomerSettings, HighValue, InputSettings, Serving, Settings, Term,
    TimeSettings, Transform,
};

/// The keys that what stands depends on. Each field is named here, so that a new one has to be
/// decided on.
pub fn of(settings: &Settings) -> Fingerprint {
    let Settings { input, customer, bandit, time, emit: _, earlier: _ } = settings;
    let values =
        [input_values(input), customer_values(customer), bandit_values(bandit), time_values(time)];
    values.into_iter().flatten().collect()
}

/// The keys that only steer what is made from now on. Each field is named here, so that a new one
/// has to be told.
pub fn serving(settings: &Settings) -> Vec<KeyValue> {
    let Serving {
        ridge,
        policy,
        parameters,
        unit,
        floor,
        cold: Cold { interactions, factor },
        policies,
        seed,
        decide_on_transaction,
        retired,
    } = &settings.bandit.serving;
    let asks = if *decide_on_transaction { "transaction" } else { "request" };
    let told = declared().map(|parameter| (parameter.key, parameters.of(parameter).to_string()));
    let unit = unit.map_or("", RewardUnit::name);
    let before = [("bandit.ridge", ridge.to_string()), ("bandit.policy", policy.clone())];
    let arms = &settings.input.arms;
    let retired: Vec<String> =
        retired.iter().filter_map(|arm| arms.get(usize::from(*arm)).cloned()).collect();
    let named = policies.iter().map(|(name, policy)| {
        let told = serde_json::to_string(policy).unwrap_or_default();
        format!("{name} {told}")
    });
    let after = [
        ("bandit.unit", unit.to_string()),
        ("bandit.floor", floor.to_string()),
        ("bandit.cold.interactions", interactions.to_string()),
        ("bandit.cold.factor", factor.to_string()),
        ("policies", list(&named.collect::<Vec<_>>())),
        ("bandit.seed", seed.to_string()),
        ("bandit.decide_on", asks.to_string()),
        ("bandit.retired", list(&retired)),
    ];
    before.into_iter().chain(told).chain(after).collect()
}

fn input_values(input: &InputSettings) -> Vec<KeyValue> {
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
        ("fields", list(&aliases)),
    ];
    values.extend(reading_values(*max_record, *future, *time_unit, date_formats));
    values
}

fn customer_values(customer: &CustomerSettings) -> Vec<KeyValue> {
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

fn bandit_values(bandit: &BanditSettings) -> Vec<KeyValue> {
    let BanditSettings { serving: _, model_lag, own_features } = bandit;
    // Models that have been learned and do not decide yet are part of the state.
    vec![
        ("bandit.model_lag", model_lag.to_string()),
        ("bandit.own_features", own_features.to_string()),
    ]
}

fn time_values(time: &TimeSettings) -> Vec<KeyValue> {
    let TimeSettings { lateness, attribution_window, no_response_reward, keep } = time;
    vec![
        ("epoch.lateness", millis(*lateness)),
        ("bandit.attribution_window", millis(*attribution_window)),
        ("bandit.no_response_reward", format!("{no_response_reward} / 65536")),
        ("history.keep", keep.map_or("for ever".to_string(), millis)),
    ]
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
        of(&Settings::default()).differences(&of(&settings))
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
            settings.bandit.serving.parameters.set("alpha", 0.5);
            settings.bandit.serving.decide_on_transaction = true;
            settings.emit.interactions = true;
            settings.input.names = true;
        });
        assert_eq!(told, Vec::<String>::new());
    }
}
