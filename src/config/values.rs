//! Values of keys: what each kind of key allows, said in one sentence where it is not met.
//!
//! Every function here is a `deserialize_with`; its error is what was expected, and nothing else,
//! for the loader names key, value and origin.

mod learning;
mod measures;
mod policies;

pub use learning::{context_terms, decide_on, high_value, months};
pub use measures::{
    duration, factor, millis, optional_duration, optional_millis, positive, real, size, whole,
};

pub use policies::{number_or_schedule, parameters, policy_tables, reward_unit, unit_called};

use super::secret::{Secret, SecretUrl};
use super::types::{LogFormat, OpenPath, StartFrom};
use crate::config::location::Location;
use crate::identifiers::SchemaName;
use crate::units::parse_instant;
use dataflows::event::instant::{TimeUnit, is_date_format};
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use toml::Value;

/// Reads a value and says what is allowed where `read` finds nothing.
fn value<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    read: impl FnOnce(&Value) -> Option<T>,
    allowed: impl Into<String>,
) -> Result<T, D::Error> {
    read(&Value::deserialize(deserializer)?).ok_or_else(|| D::Error::custom(allowed.into()))
}

/// true or false.
pub fn truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    value(deserializer, Value::as_bool, "true or false")
}

/// A name that is safe in tables, files and consumer groups.
pub fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    value(
        deserializer,
        |v| v.as_str().filter(|s| is_name(s)).map(str::to_string),
        "1 to 200 letters, digits, points, hyphens or underscores",
    )
}

/// As [`name`], or empty.
pub fn optional_name<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let read = |v: &Value| v.as_str().filter(|s| s.is_empty() || is_name(s)).map(non_empty);
    value(deserializer, read, "empty, or 1 to 200 letters, digits, points, hyphens or underscores")
}

fn is_name(text: &str) -> bool {
    (1..=200).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        && text != "."
        && text != ".."
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_string())
}

/// A path; empty for none.
pub fn optional_path<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<PathBuf>, D::Error> {
    value(
        deserializer,
        |v| v.as_str().map(|s| non_empty(s).map(PathBuf::from)),
        "a path, or empty for none",
    )
}

/// A folder or an object store.
pub fn location<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Location, D::Error> {
    value(
        deserializer,
        |v| v.as_str().and_then(Location::parse),
        "a folder, or an object store as in \"s3://bucket/prefix\"",
    )
}

/// A secret; empty for none.
pub fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    value(deserializer, |v| v.as_str().map(|s| Secret::new(s.to_string())), "a text")
}

/// A text that is looked at together with others.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    value(deserializer, |v| v.as_str().map(str::to_string), "a text, or empty for none")
}

/// An address of PostgreSQL, which is read together with what stands beside it; empty for none.
pub fn postgres_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretUrl, D::Error> {
    value(
        deserializer,
        |v| v.as_str().map(|s| SecretUrl::new(s.to_string())),
        "an address such as \"postgres://user@host:5432/database\"",
    )
}

/// A schema of PostgreSQL.
pub fn schema<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SchemaName, D::Error> {
    value(deserializer, |v| v.as_str().and_then(SchemaName::new), SchemaName::ALLOWED)
}

/// Brokers as librdkafka wants them; empty for none.
pub fn brokers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let read = |v: &Value| {
        v.as_str().filter(|s| s.is_empty() || s.split(',').all(is_broker)).map(str::to_string)
    };
    value(deserializer, read, "\"host:port\", several with commas between them")
}

fn is_broker(text: &str) -> bool {
    // A protocol may stand before the host: SSL://host:port.
    let host_and_port = text.trim().rsplit_once("://").map_or(text.trim(), |(_, rest)| rest);
    host_and_port.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains('@') && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

/// A broker's topic.
pub fn topic<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    value(
        deserializer,
        |v| v.as_str().filter(|s| is_name(s)).map(str::to_string),
        "a topic: 1 to 200 letters, digits, points, hyphens or underscores",
    )
}

/// The name of a dataflow.
pub fn dataflow<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let names: Vec<&str> = dataflows::names().collect();
    let known = |v: &Value| v.as_str().filter(|name| names.contains(name)).map(str::to_string);
    value(deserializer, known, format!("a dataflow: {}", names.join(" or ")))
}

/// Where to start.
pub fn start<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StartFrom, D::Error> {
    let read = |v: &Value| match v.as_str()? {
        "earliest" => Some(StartFrom::Earliest),
        "latest" => Some(StartFrom::Latest),
        instant => parse_instant(instant).filter(|millis| *millis >= 0).map(StartFrom::At),
    };
    value(
        deserializer,
        read,
        "\"earliest\", \"latest\" or a timestamp such as \"2024-03-01T00:00:00Z\"",
    )
}

/// The form of the log.
pub fn log_format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LogFormat, D::Error> {
    let read = |v: &Value| match v.as_str()? {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    };
    value(deserializer, read, "\"text\" or \"json\"")
}

/// What is logged.
pub fn log_level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let read = |v: &Value| v.as_str().filter(|s| super::level::is_level(s)).map(str::to_string);
    value(
        deserializer,
        read,
        "off, error, warn, info, debug or trace, or by module as in \"info,sluice=debug\"",
    )
}

/// What numbers that are instants count, by its name or its symbol; empty for milliseconds that are
/// not in January 1970.
pub fn time_unit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TimeUnit>, D::Error> {
    let symbol = |unit| match unit {
        TimeUnit::Seconds => "s",
        TimeUnit::Milliseconds => "ms",
        TimeUnit::Microseconds => "us",
        TimeUnit::Nanoseconds => "ns",
    };
    let is_called = |unit: TimeUnit, name: &str| {
        unit.name() == name || unit.name().strip_suffix('s') == Some(name) || symbol(unit) == name
    };
    let read = |v: &Value| match v.as_str()? {
        "" => Some(None),
        name => TimeUnit::ALL.into_iter().find(|unit| is_called(*unit, name)).map(Some),
    };
    value(
        deserializer,
        read,
        "empty, \"seconds\", \"milliseconds\", \"microseconds\" or \"nanoseconds\"",
    )
}

/// One form of dates, or a list of them.
pub fn date_formats<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let form = |v: &Value| v.as_str().filter(|text| is_date_format(text)).map(str::to_string);
    let read = |v: &Value| match v {
        Value::String(text) if text.is_empty() => Some(Vec::new()),
        Value::Array(list) => list.iter().map(form).collect(),
        one => form(one).map(|form| vec![form]),
    };
    value(
        deserializer,
        read,
        "a form of strptime that tells year, month and day, such as \"%m/%d/%Y %H:%M\", or a list \
         of such forms",
    )
}

/// Values that a list of categories, devices or payment methods may name.
pub const MAX_LISTED: usize = dataflows::event::Purchase::MAX_LISTED;

/// Arms that may be configured.
pub const MAX_ARMS: usize = dataflows::event::Contact::MAX_ARMS;

/// An address to listen at.
pub fn listen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    value(
        deserializer,
        |v| v.as_str()?.parse().ok(),
        "an IP address and a port such as \"127.0.0.1:8080\"",
    )
}

/// Paths that are open to probes, with or without the slash before them.
pub fn open_paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<OpenPath>, D::Error> {
    let named = |v: &Value| {
        let name = v.as_str()?.trim_start_matches('/');
        OpenPath::ALL.into_iter().find(|open| open.path().trim_start_matches('/') == name)
    };
    value(
        deserializer,
        |v| v.as_array()?.iter().map(named).collect(),
        "a list of \"readyz\" and \"metrics\", or an empty one",
    )
}

/// A list of 1 to MAX different names; case does not tell them apart.
pub fn names<'de, D: Deserializer<'de>, const MAX: usize>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    value(
        deserializer,
        |v| distinct(v).filter(|list| (1..=MAX).contains(&list.len())),
        format!("a list of 1 to {MAX} names that differ in more than case"),
    )
}

/// As [`names`], or none.
pub fn names_or_none<'de, D: Deserializer<'de>, const MAX: usize>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    value(
        deserializer,
        |v| distinct(v).filter(|list| list.len() <= MAX),
        format!("a list of at most {MAX} names that differ in more than case"),
    )
}

fn distinct(value: &Value) -> Option<Vec<String>> {
    let mut seen = BTreeMap::new();
    let list = value.as_array()?;
    for (i, item) in list.iter().enumerate() {
        let name = item.as_str()?.trim();
        if name.is_empty() || seen.insert(name.to_lowercase(), i).is_some() {
            return None;
        }
    }
    list.iter().map(|item| Some(item.as_str()?.trim().to_string())).collect()
}

/// A table of texts; numbers and truths are taken as they are written.
pub fn texts<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let plain = |v: &Value| match v {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    };
    let read =
        |v: &Value| v.as_table()?.iter().map(|(name, v)| Some((name.clone(), plain(v)?))).collect();
    value(deserializer, read, "a table of names and texts")
}
