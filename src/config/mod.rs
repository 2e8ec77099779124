//! The configuration: every key in `default.toml`, its types, and the layers that set it.

pub mod fault;
mod fields;
mod level;
pub mod load;
pub mod location;
pub mod secret;
pub mod shown;
mod terms;
#[cfg(test)]
pub(crate) mod tests;
pub mod types;
mod values;

use crate::units::format_duration;
use dataflows::customer::Features;
use dataflows::customer::context::INTERCEPT;
use dataflows::event::Topic;
use dataflows::event::text::reward_q16;
use dataflows::settings::{
    BanditSettings, CustomerSettings, Emit, HighValue, InputSettings, Serving, Settings, Term,
    TimeSettings, Transform,
};
use std::path::Path;
use types::{Config, DecideOn, Fields, HighValueRule};

/// What a room finds wrong with its section: (key, what is wrong).
pub type Check = fn(&Config) -> Vec<(&'static str, String)>;

impl Config {
    /// What the core must be told. What the sinks want is left at nothing: the command knows.
    pub fn settings(&self) -> Settings {
        Settings {
            input: InputSettings {
                categories: self.customers.categories.clone(),
                devices: self.customers.devices.clone(),
                payments: self.customers.payments.clone(),
                arms: self.bandit.arms.clone(),
                decimals: self.input.decimals,
                max_record: self.input.max_record,
                aliases: self.fields.aliases(),
                dimension: self.context.terms.len(),
                names: false,
                future: self.input.future,
                time_unit: self.input.time_unit,
                date_formats: self.input.date_format.clone(),
                own_features: self.bandit.own_features,
            },
            customer: CustomerSettings {
                holiday_months: self.customers.holiday_months,
                high_value: self.customers.high_value.minor_units(self.input.decimals),
                at_risk_days: self.customers.at_risk_days,
                frequent_purchases: self.customers.frequent_purchases,
                recent_days: self.customers.recent_days,
                context: self.context.terms.clone(),
            },
            bandit: BanditSettings {
                serving: Serving {
                    ridge: self.bandit.ridge,
                    policy: self.bandit.policy,
                    alpha: self.bandit.alpha,
                    seed: self.bandit.seed,
                    decide_on_transaction: self.bandit.decide_on == DecideOn::Transaction,
                },
                model_lag: self.bandit.model_lag,
                own_features: self.bandit.own_features,
            },
            time: TimeSettings {
                lateness: self.epoch.lateness,
                attribution_window: self.bandit.attribution_window,
                no_response_reward: reward_q16(self.bandit.no_response_reward).unwrap_or_default(),
                keep: self.history.keep,
            },
            emit: Emit::default(),
            earlier: Vec::new(),
        }
    }

    /// The features that the lists and terms define.
    ///
    /// # Errors
    /// Never for a configuration that was accepted: its faults are these.
    pub fn features(&self) -> Result<Features, fault::Faults> {
        let settings = self.settings();
        Features::new(&settings.input, &settings.customer)
            .map_err(|problems| fault::Faults::of("context.terms", problems))
    }

    /// What must hold between keys, or of files that they name, in the configuration or as one of
    /// the rooms has it: (key, what is wrong).
    fn faults_between(&self, rooms: &[Check]) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        rooms.iter().for_each(|check| faults.extend(check(self)));
        if !self.customers.high_value.is_exact(self.input.decimals) {
            faults.push((
                "customers.high_value",
                format!(
                    "expected no more than the {} decimals of input.decimals",
                    self.input.decimals
                ),
            ));
        }
        let least_keep = self.settings().time.least_keep();
        if self.history.keep.is_some_and(|keep| keep < least_keep) {
            let sum = "epoch.lateness + bandit.attribution_window + 3 days";
            faults.push((
                "history.keep",
                format!("expected at least {}, which is {sum}", format_duration(least_keep)),
            ));
        }
        faults.extend(self.fields.faults());
        faults.extend(self.feature_faults());
        faults
    }

    /// What the core finds wrong with the lists of values, and with the context made of them.
    fn feature_faults(&self) -> Vec<(&'static str, String)> {
        let settings = self.settings();
        let faults = |context: Vec<Term>| {
            let customer = CustomerSettings { context, ..settings.customer.clone() };
            Features::new(&settings.input, &customer).err().unwrap_or_default()
        };
        let of_lists =
            faults(vec![Term { feature: INTERCEPT.to_string(), transform: Transform::Identity }]);
        let of_terms = faults(self.context.terms.clone())
            .into_iter()
            .filter(|problem| !of_lists.contains(problem));
        let of_terms: Vec<_> = of_terms.map(|problem| ("context.terms", problem)).collect();
        of_lists.iter().map(|problem| ("customers", problem.clone())).chain(of_terms).collect()
    }
}

/// A secret that is alone in its file; blank space around it does not count.
pub fn secret_file(path: &Path) -> Result<secret::Secret, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    match text.trim() {
        "" => Err("expected a secret in this file, which is empty".to_string()),
        secret => {
            secret::keep(secret);
            Ok(secret::Secret::new(secret.to_string()))
        }
    }
}

impl HighValueRule {
    /// The rule in minor units of a currency with so many decimals.
    fn minor_units(self, decimals: u32) -> HighValue {
        match self {
            HighValueRule::Percentile(percentile) => HighValue::Percentile(percentile),
            HighValueRule::Amount { ten_thousandths } => {
                HighValue::Fixed(ten_thousandths / step(decimals))
            }
        }
    }

    fn is_exact(self, decimals: u32) -> bool {
        !matches!(self, HighValueRule::Amount { ten_thousandths } if ten_thousandths % step(decimals) != 0)
    }
}

/// Ten-thousandths in a minor unit of a currency with 0 to 4 decimals.
fn step(decimals: u32) -> u64 {
    10u64.pow(4u32.saturating_sub(decimals))
}

impl Fields {
    /// The names of one topic's fields.
    fn of(&self, topic: Topic) -> &std::collections::BTreeMap<String, String> {
        match topic {
            Topic::Transactions => &self.transactions,
            Topic::Customers => &self.customers,
            Topic::Interactions => &self.interactions,
            Topic::Rewards => &self.rewards,
            Topic::Requests => &self.requests,
        }
    }

    fn aliases(&self) -> Vec<(Topic, String, String)> {
        let of = |topic| {
            self.of(topic).iter().map(move |(here, there)| (topic, here.clone(), there.clone()))
        };
        Topic::ALL.into_iter().flat_map(of).collect()
    }

    fn faults(&self) -> Vec<(&'static str, String)> {
        let of = |topic| {
            self.of(topic).iter().filter_map(move |(here, there)| {
                fields::fault(topic, here, there).map(|problem| (fields::key(topic), problem))
            })
        };
        Topic::ALL.into_iter().flat_map(of).collect()
    }
}
