//! What policies may be told: numbers, each declared in the file of a policy that takes it.

use super::policy::declared;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

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
}

impl PolicyParameter {
    /// Its name, as records have it.
    pub fn name(&self) -> &'static str {
        self.key.rsplit('.').next().unwrap_or(self.key)
    }
}

/// The value of each parameter that is declared.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters(BTreeMap<&'static str, f64>);

impl Parameters {
    /// The defaults but for these, by their names; other names are for others.
    pub fn told<'a>(values: impl IntoIterator<Item = (&'a str, f64)>) -> Self {
        let mut parameters = Parameters::default();
        values.into_iter().for_each(|(name, value)| parameters.set(name, value));
        parameters
    }

    /// Sets the one of this name, if there is one.
    pub fn set(&mut self, name: &str, value: f64) {
        if let Some(own) = self.0.get_mut(name) {
            *own = value;
        }
    }

    /// The value of one that is declared.
    pub fn of(&self, parameter: &PolicyParameter) -> f64 {
        self.0.get(parameter.name()).copied().unwrap_or(parameter.default)
    }
}

impl Default for Parameters {
    fn default() -> Self {
        Parameters(declared().map(|parameter| (parameter.name(), parameter.default)).collect())
    }
}

impl Serialize for Parameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(&self.0)
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
                    match parameters.0.get_mut(name.as_str()) {
                        Some(value) => *value = map.next_value()?,
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
}
