//! What the configuration says of the campaign.

use super::policies;
use crate::config::fault::Faults;
use crate::config::types::{BanditSection, Config, DecideOn, HighValueRule};
use crate::units::format_duration;
use dataflows::customer::Features;
use dataflows::customer::context::INTERCEPT;
use dataflows::event::text::reward_q16;
use dataflows::settings::{
    BanditSettings, Cold, CustomerSettings, Emit, HighValue, InputSettings, Serving, Settings,
    Term, TimeSettings, Transform,
};

/// What is wrong with what is to be computed: (key, problem).
pub fn faults(config: &Config) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    if !config.customers.high_value.is_exact(config.input.decimals) {
        faults.push((
            "customers.high_value",
            format!(
                "expected no more than the {} decimals of input.decimals",
                config.input.decimals
            ),
        ));
    }
    let least_keep = config.settings().time.least_keep();
    if config.history.keep.is_some_and(|keep| keep < least_keep) {
        let sum = "epoch.lateness + bandit.attribution_window + 3 days";
        faults.push((
            "history.keep",
            format!("expected at least {}, which is {sum}", format_duration(least_keep)),
        ));
    }
    faults.extend(config.fields.faults());
    faults.extend(config.bandit.fault_of_retired());
    faults.extend(policies::faults(config));
    faults.extend(feature_faults(config));
    faults
}

/// What the core finds wrong with the lists of values, and with the context made of them.
fn feature_faults(config: &Config) -> Vec<(&'static str, String)> {
    let settings = config.settings();
    let faults = |context: Vec<Term>| {
        let customer = CustomerSettings { context, ..settings.customer.clone() };
        Features::new(&settings.input, &customer).err().unwrap_or_default()
    };
    let of_lists =
        faults(vec![Term { feature: INTERCEPT.to_string(), transform: Transform::Identity }]);
    let of_terms = faults(config.context.terms.clone())
        .into_iter()
        .filter(|problem| !of_lists.contains(problem));
    let of_terms: Vec<_> = of_terms.map(|problem| ("context.terms", problem)).collect();
    of_lists.iter().map(|problem| ("customers", problem.clone())).chain(of_terms).collect()
}

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
                    policy: self.bandit.policy.clone(),
                    parameters: self.bandit.parameters.clone(),
                    unit: self.bandit.unit,
                    floor: self.bandit.floor,
                    cold: Cold {
                        interactions: self.bandit.cold.interactions,
                        factor: self.bandit.cold.factor,
                    },
                    policies: policies::named(self).0,
                    seed: self.bandit.seed,
                    decide_on_transaction: self.bandit.decide_on == DecideOn::Transaction,
                    retired: self.bandit.retired(),
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
    pub fn features(&self) -> Result<Features, Faults> {
        let settings = self.settings();
        Features::new(&settings.input, &settings.customer)
            .map_err(|problems| Faults::of("context.terms", problems))
    }
}

impl BanditSection {
    /// Numbers of the retired arms, in ascending order.
    fn retired(&self) -> Vec<u16> {
        let is_retired = |arm: &str| self.retired.iter().any(|name| is_same(name, arm));
        let arms = (0..).zip(&self.arms);
        arms.filter(|(_, arm)| is_retired(arm)).map(|(number, _)| number).collect()
    }

    /// What is wrong with them.
    fn fault_of_retired(&self) -> Option<(&'static str, String)> {
        let is_arm = |name: &&String| self.arms.iter().any(|arm| is_same(name, arm));
        let problem = match self.retired.iter().find(|name| !is_arm(name)) {
            Some(name) => format!("expected names that are in bandit.arms, which {name:?} is not"),
            None if self.retired().len() == self.arms.len() => {
                "expected at least one arm of bandit.arms that is not retired".to_string()
            }
            None => return None,
        };
        Some(("bandit.retired", problem))
    }
}

/// Case does not tell names of arms apart.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
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
        match self {
            HighValueRule::Percentile(_) => true,
            HighValueRule::Amount { ten_thousandths } => {
                ten_thousandths.is_multiple_of(step(decimals))
            }
        }
    }
}

/// Ten-thousandths in a minor unit of a currency with 0 to 4 decimals.
fn step(decimals: u32) -> u64 {
    10u64.pow(4u32.saturating_sub(decimals))
}
