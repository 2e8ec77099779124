//! What policies may be told: numbers, each declared in the file of a policy that takes it, and
//! arms.

use super::policy::{Chosen, declared};
use super::schedule::ParameterSchedule;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// What arms are called where parameters are recorded.
const ARMS: &str = "order";

/// A number that a policy may be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PolicyParameter {
    /// Its key in the configuration: `bandit.` and its name.
    pub key: &'static str,
    /// What it does, in lines as the comment above the key has them.
    pub help: &'static str,
    /// What it is where nobody says otherwise.
    pub default: f64,
    /// The least that it may be.
    pub least: f64,
    /// The greatest that it may be.
    pub greatest: f64,
    /// Whether it may change with the observations in the model. The first of a kind that may says
    /// how much it explores.
    pub scheduled: bool,
}

impl PolicyParameter {
    /// Its name, as records have it.
    pub fn name(&self) -> &'static str {
        self.key.rsplit('.').next().unwrap_or(self.key)
    }
}

/// The value of each parameter that is declared.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    numbers: BTreeMap<&'static str, ParameterSchedule>,
    arms: Vec<u16>,
}

impl Parameters {
    /// The defaults but for these, by their names; other names are for others.
    pub fn told<'a>(values: impl IntoIterator<Item = (&'a str, f64)>) -> Self {
        let mut parameters = Parameters::default();
        values.into_iter().for_each(|(name, value)| parameters.set(name, value));
        parameters
    }

    /// Sets the one of this name, if there is one.
    pub fn set(&mut self, name: &str, value: impl Into<ParameterSchedule>) {
        if let Some(own) = self.numbers.get_mut(name) {
            *own = value.into();
        }
    }

    /// The value of one that is declared.
    pub fn of(&self, parameter: &PolicyParameter) -> ParameterSchedule {
        let told = self.numbers.get(parameter.name());
        told.cloned().unwrap_or(ParameterSchedule::Always(parameter.default))
    }

    /// Arms to choose from, the preferred first; none: all.
    pub fn arms(&self) -> &[u16] {
        &self.arms
    }

    /// Sets them.
    pub fn set_arms(&mut self, arms: Vec<u16>) {
        self.arms = arms;
    }

    /// Those that are not as by default, and what the default kind takes.
    fn worth_telling(&self) -> impl Iterator<Item = (&'static str, &ParameterSchedule)> {
        let always = Chosen::default().kind().parameters;
        let is_told = move |parameter: &&PolicyParameter| {
            always.contains(parameter) || self.of(parameter) != parameter.default.into()
        };
        let told = declared().filter(is_told);
        told.filter_map(|told| Some((told.name(), self.numbers.get(told.name())?)))
    }
}

impl Default for Parameters {
    fn default() -> Self {
        let number = |of: &'static PolicyParameter| (of.name(), of.default.into());
        Parameters { numbers: declared().map(number).collect(), arms: Vec::new() }
    }
}

/// What is as by default is left out, but for what the default kind takes: a kind that is added
/// changes no record of those who do not use it.
impl Serialize for Parameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        self.worth_telling().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        if !self.arms.is_empty() {
            map.serialize_entry(ARMS, &self.arms)?;
        }
        map.end()
    }
}

/// Those that are not there have their defaults, and names that nobody has declared are passed
/// over.
impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Named;
        impl<'de> Visitor<'de> for Named {
            type Value = Parameters;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("parameters of policies, by their names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parameters, A::Error> {
                let mut parameters = Parameters::default();
                while let Some(name) = map.next_key::<String>()? {
                    match parameters.numbers.get_mut(name.as_str()) {
                        Some(value) => *value = map.next_value()?,
                        None if name == ARMS => parameters.arms = map.next_value()?,
                        None => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(parameters)
            }
        }
        deserializer.deserialize_map(Named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_come_back_as_they_were() {
        let told = Parameters::told([("alpha", 0.1 + 0.2), ("nobody", 7.0)]);
        let written = serde_json::to_string(&told).expect("JSON");
        assert_eq!(serde_json::from_str::<Parameters>(&written).expect("the same"), told);
        let with_others = "{\"nobody\": [\"x\"], \"alpha\": 0.5}";
        let read: Parameters = serde_json::from_str(with_others).expect("parameters");
        assert_eq!(read, Parameters::told([("alpha", 0.5)]));
        assert_eq!(serde_json::from_str::<Parameters>("{}").expect("none"), Parameters::default());
        assert!(serde_json::from_str::<Parameters>("{\"alpha\": \"wide\"}").is_err());
    }

    #[test]
    fn what_is_as_by_default_is_left_out_but_for_that_of_the_default_kind() {
        let mut parameters = Parameters::default();
        let text = |parameters: &Parameters| serde_json::to_string(parameters).expect("JSON");
        assert_eq!(text(&parameters), "{\"alpha\":1.0}");
        parameters.set("epsilon", 0.25);
        parameters.set_arms(vec![3, 1]);
        assert_eq!(text(&parameters), "{\"epsilon\":0.25,\"alpha\":1.0,\"order\":[3,1]}");
        let read: Parameters = serde_json::from_str(&text(&parameters)).expect("parameters");
        assert_eq!(read, parameters);
    }
}
