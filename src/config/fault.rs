//! What is wrong with a configuration: key, value, where it was set, and what is allowed.

use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueSource {
    /// Nowhere: the built-in default, or nothing at all.
    Default,
    /// In the configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// In the environment.
    Environment {
        /// The variable.
        variable: String,
    },
    /// On the command line.
    Flag {
        /// The flag, with its hyphens.
        flag: &'static str,
    },
}

impl fmt::Display for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueSource::Default => f.write_str("default"),
            ValueSource::File { path, line } => write!(f, "{} line {line}", path.display()),
            ValueSource::Environment { variable } => f.write_str(variable),
            ValueSource::Flag { flag } => f.write_str(flag),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key, such as `epoch.interval`; empty where the fault is the file's.
    pub key: String,
    /// Its value as it may be shown: secrets are masked.
    pub value: Option<String>,
    /// Where it was set.
    pub origin: ValueSource,
    /// What is wrong and what is allowed.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        match (&self.origin, self.key.is_empty()) {
            (ValueSource::Default, true) => {}
            (ValueSource::Default, false) => f.write_str(": ")?,
            (origin, true) => write!(f, "{origin}: ")?,
            (origin, false) => write!(f, " ({origin}): ")?,
        }
        f.write_str(&self.problem)
    }
}

impl Serialize for Fault {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut object = serializer.serialize_struct("Fault", 4)?;
        object.serialize_field("key", &self.key)?;
        object.serialize_field("value", &self.value)?;
        object.serialize_field("origin", &self.origin.to_string())?;
        object.serialize_field("problem", &self.problem)?;
        object.end()
    }
}

/// Every fault of a configuration, one a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// Problems of one key.
    pub fn of(key: &str, problems: Vec<String>) -> Self {
        let fault = |problem| Fault {
            key: key.to_string(),
            value: None,
            origin: ValueSource::Default,
            problem,
        };
        Faults(problems.into_iter().map(fault).collect())
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has a fault:")?,
            count => write!(f, "the configuration has {count} faults:")?,
        }
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}
