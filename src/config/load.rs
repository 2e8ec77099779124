//! Layers of the configuration: defaults, file, environment, flags. Later ones win, and every fault
//! of all of them is named at once.
//!
//! `default.toml` is the list of keys: a key that is not there is unknown, and the type of its
//! default says how a text from the environment or the command line is read.

use super::Check;
use super::fault::{Fault, Faults, Origin};
use super::secret::keep;
use super::shown::{hidden, masked};
use super::terms;
use super::types::Config;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

/// Every key with its default and its comment, as `sluice config --defaults` prints them.
pub const DEFAULTS: &str = include_str!("default.toml");

/// What the variables of the environment begin with.
const PREFIX: &str = "SLUICE_";

/// Characters of a value that a message shows.
const SHOWN: usize = 80;

static DEFAULT_TABLE: LazyLock<Table> = LazyLock::new(|| {
    toml::from_str(DEFAULTS).expect("the built-in defaults are TOML, which a test makes sure of")
});

/// A flag that stands for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The key.
    pub key: &'static str,
    /// The flag, with its hyphens.
    pub flag: &'static str,
    /// Its value, as for the environment.
    pub value: String,
}

/// A key's value and where it was set.
#[derive(Clone, Debug, PartialEq)]
struct Leaf {
    value: Value,
    origin: Origin,
}

/// Values gathered so far, layer upon layer.
#[derive(Clone, Debug)]
pub struct Layers {
    leaves: BTreeMap<String, Leaf>,
    faults: Vec<Fault>,
    warnings: Vec<String>,
}

/// A configuration and everything that is wrong with it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration; faulty keys have their defaults.
    pub config: Config,
    /// What is wrong; empty for a valid configuration.
    pub faults: Vec<Fault>,
    /// What is odd but no fault.
    pub warnings: Vec<String>,
    leaves: BTreeMap<String, Leaf>,
}

impl Default for Layers {
    fn default() -> Self {
        let mut leaves = BTreeMap::new();
        flatten("", &DEFAULT_TABLE, &mut |key, value| {
            leaves.insert(key, Leaf { value: value.clone(), origin: Origin::Default });
        });
        Layers { leaves, faults: Vec::new(), warnings: Vec::new() }
    }
}

impl Layers {
    /// Adds a configuration file.
    pub fn file(mut self, path: &Path) -> Self {
        match std::fs::read_to_string(path) {
            Ok(text) => self.text(path, &text),
            Err(error) => self.faults.push(whole_file(
                format!("cannot read {}: {error}", path.display()),
                Origin::Default,
            )),
        }
        self
    }

    /// Adds the text of a configuration file.
    fn text(&mut self, path: &Path, text: &str) {
        let at =
            |offset: usize| Origin::File { path: path.to_path_buf(), line: line_of(text, offset) };
        // The errors' own display would quote the line, secrets and all.
        let (spans, errors) = DeTable::parse_recoverable(text);
        let syntax = errors.iter().map(|e| {
            whole_file(e.message().to_string(), at(e.span().map_or(0, |span| span.start)))
        });
        self.faults.extend(syntax);
        if let (true, Ok(table)) = (errors.is_empty(), toml::from_str::<Table>(text)) {
            self.table("", &table, &DEFAULT_TABLE, spans.get_ref(), &at);
        }
    }

    /// Adds a section of a file, and the sections in it.
    fn table(
        &mut self,
        section: &str,
        table: &Table,
        defaults: &Table,
        spans: &DeTable<'_>,
        at: &dyn Fn(usize) -> Origin,
    ) {
        for (name, value) in table {
            let written = join(section, name);
            let (offset, span) = spanned(spans, name);
            let origin = at(offset);
            let name = canonical(section, name);
            let key = join(section, &name);
            match (defaults.get(&name), value) {
                (None, _) => self.unknown(&written, origin),
                (Some(Value::Table(_)), Value::Table(entries)) if is_open(&key) => {
                    self.set(&key, Value::Table(dotted(entries)), origin)
                }
                (Some(Value::Table(below)), Value::Table(entries)) => match span {
                    Some(spans) => self.table(&key, entries, below, spans, at),
                    None => self.faults.push(Fault {
                        key,
                        value: None,
                        origin,
                        problem: "expected a section of keys".to_string(),
                    }),
                },
                (Some(Value::Table(_)), other) => {
                    let value = Some(shown(&key, other));
                    self.faults.push(Fault {
                        problem: format!("expected a section [{key}]"),
                        key,
                        value,
                        origin,
                    });
                }
                (Some(_), _) => self.set(&key, value.clone(), origin),
            }
        }
    }

    /// Adds the environment. Of what begins with SLUICE_, a variable that is neither a key's nor
    /// one of `flags` is warned of.
    pub fn environment(
        mut self,
        variables: impl IntoIterator<Item = (String, String)>,
        flags: &BTreeSet<String>,
    ) -> Self {
        let keys: BTreeMap<String, String> =
            self.leaves.keys().map(|key| (variable(key), key.clone())).collect();
        for (name, text) in variables.into_iter().filter(|(name, _)| name.starts_with(PREFIX)) {
            match keys.get(&name) {
                Some(key) => {
                    self.set(key, from_text(key, &text), Origin::Environment { variable: name })
                }
                None if flags.contains(&name) => {}
                None => {
                    let hint = closest(&name, keys.keys().chain(flags).map(String::as_str))
                        .map_or(String::new(), |near| format!("; did you mean {near}?"));
                    self.warnings
                        .push(format!("{name} is set, but no key has this variable{hint}"));
                }
            }
        }
        self
    }

    /// Adds flags. The command line also reads the variables of the environment: what it only
    /// repeats from there keeps its origin.
    pub fn flags(mut self, overrides: &[Override]) -> Self {
        for Override { key, flag, value } in overrides {
            let value = from_text(key, value);
            let repeats = |leaf: &Leaf| {
                matches!(leaf.origin, Origin::Environment { .. }) && leaf.value == value
            };
            if !self.leaves.get(*key).is_some_and(repeats) {
                self.set(key, value, Origin::Flag { flag });
            }
        }
        self
    }

    /// Sets a key; tables that are open take the new entries beside those that are there.
    fn set(&mut self, key: &str, value: Value, origin: Origin) {
        debug_assert!(self.leaves.contains_key(key), "{key} is no key");
        let Some(leaf) = self.leaves.get_mut(key) else { return };
        leaf.origin = origin;
        match (&mut leaf.value, value) {
            (Value::Table(there), Value::Table(new)) => there.extend(new),
            (there, new) => *there = new,
        }
    }

    fn unknown(&mut self, key: &str, origin: Origin) {
        let last = |key: &str| key.rsplit('.').next().map(str::to_string);
        // First whatever has this name in another section, then what is spelt alike.
        let same: Vec<&str> = self
            .leaves
            .keys()
            .map(String::as_str)
            .filter(|other| last(other) == last(key))
            .collect();
        let sections =
            self.leaves.keys().filter_map(|key| key.rsplit_once('.')).map(|(section, _)| section);
        let near = closest(key, self.leaves.keys().map(String::as_str).chain(sections));
        let hint = match (same.is_empty(), near) {
            (false, _) => format!("; did you mean {}?", same.join(" or ")),
            (true, Some(near)) => format!("; did you mean {near}?"),
            (true, None) => "; `sluice config --defaults` prints every key".to_string(),
        };
        self.faults.push(Fault {
            key: key.to_string(),
            value: None,
            origin,
            problem: format!("no such key{hint}"),
        });
    }

    /// Keeps out of every output what may not be shown, but for what another key says openly.
    fn keep_secrets(&self) {
        let shown: Vec<String> =
            self.leaves.iter().map(|(key, leaf)| masked(key, &leaf.value).to_string()).collect();
        let secrets = self.leaves.iter().flat_map(|(key, leaf)| hidden(key, &leaf.value));
        secrets
            .filter(|secret| !shown.iter().any(|shown| shown.contains(secret.as_str())))
            .for_each(|secret| keep(&secret));
    }

    /// Tries every value, and then what must hold between them and what the rooms find wrong with
    /// their sections.
    pub fn finish(mut self, rooms: &[Check]) -> Loaded {
        self.keep_secrets();
        let mut merged = DEFAULT_TABLE.clone();
        for (key, leaf) in self.leaves.iter_mut().filter(|(_, leaf)| leaf.origin != Origin::Default)
        {
            let mut alone = DEFAULT_TABLE.clone();
            insert(&mut alone, key, leaf.value.clone());
            match Config::deserialize(alone) {
                Ok(_) => insert(&mut merged, key, leaf.value.clone()),
                Err(error) => {
                    let fault = Fault {
                        key: key.clone(),
                        value: Some(shown(key, &leaf.value)),
                        origin: leaf.origin.clone(),
                        problem: format!("expected {}", error.message()),
                    };
                    self.faults.push(fault);
                }
            }
        }
        let config = Config::deserialize(merged)
            .expect("each value was tried alone, and the types look at one value at a time");
        let mut loaded =
            Loaded { config, faults: self.faults, warnings: self.warnings, leaves: self.leaves };
        loaded.add_faults_of_names();
        let between = loaded.config.faults_between(rooms);
        loaded.add_faults(between);
        loaded
    }
}

impl Loaded {
    /// The configuration, if nothing is wrong with it.
    pub fn accept(self) -> Result<Config, Faults> {
        if self.faults.is_empty() { Ok(self.config) } else { Err(Faults(self.faults)) }
    }

    /// Adds faults as (key, problem), with value and origin of the key, unless the key has a fault
    /// already.
    pub fn add_faults(&mut self, found: Vec<(&'static str, String)>) {
        for (key, problem) in
            found.into_iter().filter(|(key, _)| !self.is_faulty(key)).collect::<Vec<_>>()
        {
            let (value, origin) = match self.leaves.get(key) {
                Some(leaf) => (Some(shown(key, &leaf.value)), leaf.origin.clone()),
                None => (None, Origin::Default),
            };
            self.faults.push(Fault { key: key.to_string(), value, origin, problem });
        }
    }

    /// Terms of the context that cannot be read name features all the same, and both is said at
    /// once.
    fn add_faults_of_names(&mut self) {
        const TERMS: &str = "context.terms";
        let named = self
            .leaves
            .get(TERMS)
            .filter(|_| self.faults.iter().any(|fault| fault.key == TERMS))
            .map(|leaf| terms::named(&leaf.value));
        let Some(named) = named.filter(|named| !named.is_empty()) else { return };
        let mut config = self.config.clone();
        config.context.terms = named;
        let known: Vec<Fault> =
            self.faults.iter().filter(|fault| fault.key == TERMS).cloned().collect();
        self.faults.retain(|fault| fault.key != TERMS);
        self.add_faults(
            config.faults_between(&[]).into_iter().filter(|(key, _)| *key == TERMS).collect(),
        );
        self.faults.extend(known);
    }

    /// Whether a key or section has a fault, or the file as a whole.
    pub fn is_faulty(&self, key: &str) -> bool {
        let within = |fault: &Fault| {
            fault.key == key
                || fault.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'))
        };
        self.faults.iter().any(|fault| fault.key.is_empty() || within(fault))
    }

    /// Every key with its value, each value that is no default with its origin. Secrets are masked.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut section = "";
        let depth = |key: &str| key.rfind('.').map_or("", |end| &key[..end]).to_string();
        let mut keys: Vec<&String> = self.leaves.keys().collect();
        keys.sort_by_key(|key| (depth(key), key.to_string()));
        for key in keys {
            let leaf = &self.leaves[key];
            let (within, name) = key.rsplit_once('.').unwrap_or(("", key));
            if within != section {
                text.push_str(&format!("\n[{within}]\n"));
                section = within;
            }
            let origin = if leaf.origin == Origin::Default {
                String::new()
            } else {
                format!("  # {}", leaf.origin)
            };
            text.push_str(&format!("{name} = {}{origin}\n", masked(key, &leaf.value)));
        }
        text
    }

    /// The same as an object: key to value and origin.
    pub fn to_json(&self) -> serde_json::Value {
        let entry = |(key, leaf): (&String, &Leaf)| {
            let value = serde_json::to_value(masked(key, &leaf.value)).unwrap_or_default();
            (key.clone(), serde_json::json!({ "value": value, "origin": leaf.origin.to_string() }))
        };
        serde_json::Value::Object(self.leaves.iter().map(entry).collect())
    }
}

/// The environment variable of a key.
pub fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('.', "_"))
}

/// Every key, in alphabetical order.
#[cfg(test)]
pub fn keys() -> Vec<String> {
    Layers::default().leaves.into_keys().collect()
}

/// The default of a key.
pub(super) fn default_of(key: &str) -> Option<&'static Value> {
    let mut parts = key.split('.');
    let first = DEFAULT_TABLE.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

/// Whether a key is a table whose names are free.
fn is_open(key: &str) -> bool {
    matches!(default_of(key), Some(Value::Table(entries)) if entries.is_empty())
}

/// Calls `visit` with every key of the table, and its value; open tables are one key.
fn flatten(section: &str, table: &Table, visit: &mut dyn FnMut(String, &Value)) {
    for (name, value) in table {
        match value {
            Value::Table(entries) if !entries.is_empty() => {
                flatten(&join(section, name), entries, visit)
            }
            _ => visit(join(section, name), value),
        }
    }
}

/// Puts a value at a key, for which every section exists.
fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => drop(table.insert(key.to_string(), value)),
        Some((section, rest)) => {
            if let Some(Value::Table(below)) = table.get_mut(section) {
                insert(below, rest, value);
            }
        }
    }
}

fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_string() } else { format!("{section}.{name}") }
}

/// A topic may also be called by its default name at the broker: `customer-interactions` for
/// `interactions`.
fn canonical(section: &str, name: &str) -> String {
    let topics = default_of("kafka.topics").and_then(Value::as_table);
    let called = |(_, default): &(&String, &Value)| {
        default.as_str() == Some(name.replace('_', "-").as_str())
    };
    match topics
        .filter(|_| matches!(section, "kafka.topics" | "fields"))
        .and_then(|topics| topics.iter().find(called))
    {
        Some((topic, _)) => topic.clone(),
        None => name.to_string(),
    }
}

/// Where a name stands in the text, and the section below it.
fn spanned<'a, 'i>(spans: &'a DeTable<'i>, name: &str) -> (usize, Option<&'a DeTable<'i>>) {
    let found =
        spans.iter().find(|(key, _): &(&Spanned<_>, &Spanned<DeValue<'_>>)| key.get_ref() == name);
    match found {
        Some((key, value)) => (key.span().start, value.get_ref().as_table()),
        None => (0, None),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
}

fn whole_file(problem: String, origin: Origin) -> Fault {
    Fault { key: String::new(), value: None, origin, problem }
}

/// Writes tables within a table as names with points: security.protocol = "ssl" needs no quotes
/// then.
fn dotted(entries: &Table) -> Table {
    let mut flat = Table::new();
    flatten("", entries, &mut |name, value| {
        flat.insert(name, value.clone());
    });
    flat
}

/// Reads a text by the type of the key's default. What does not fit stays a text, which the types
/// then refuse by name.
fn from_text(key: &str, text: &str) -> Value {
    let as_text = || Value::String(text.to_string());
    match default_of(key) {
        Some(Value::Integer(_)) => text.trim().parse().map_or_else(|_| as_text(), Value::Integer),
        Some(Value::Float(_)) => text.trim().parse().map_or_else(|_| as_text(), Value::Float),
        Some(Value::Boolean(_)) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Value::Boolean(true),
            "false" | "0" => Value::Boolean(false),
            _ => as_text(),
        },
        Some(Value::Array(items)) => list_from_text(text, items.first()),
        Some(Value::Table(_)) => table_from_text(text),
        _ => as_text(),
    }
}

/// "a, b" or a list of TOML.
fn list_from_text(text: &str, example: Option<&Value>) -> Value {
    if text.trim_start().starts_with('[') {
        return inline(text);
    }
    let item = |item: &str| match example {
        Some(Value::Integer(_)) => {
            item.parse().map_or_else(|_| Value::String(item.to_string()), Value::Integer)
        }
        _ => Value::String(item.to_string()),
    };
    Value::Array(text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(item).collect())
}

/// "a=b, c=d" or an inline table of TOML.
fn table_from_text(text: &str) -> Value {
    if text.trim_start().starts_with('{') {
        return match inline(text) {
            Value::Table(entries) => Value::Table(dotted(&entries)),
            other => other,
        };
    }
    let pairs = text.split(',').map(str::trim).filter(|s| !s.is_empty());
    let entries: Option<Table> = pairs
        .map(|pair| {
            pair.split_once('=')
                .map(|(n, v)| (n.trim().to_string(), Value::String(v.trim().to_string())))
        })
        .collect();
    entries.map_or_else(|| Value::String(text.to_string()), Value::Table)
}

/// A value of TOML; a text where it is none.
fn inline(text: &str) -> Value {
    DeValue::parse(text)
        .ok()
        .and_then(|_| format!("value = {text}").parse::<Table>().ok())
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_string()))
}

/// The name among `names` that is spelt most alike, if any is near.
fn closest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.len() / 4).clamp(1, 4);
    names
        .map(|other| (strsim::damerau_levenshtein(name, other), other))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, other)| other)
}

/// A value as messages show it: masked, and not longer than [`SHOWN`].
fn shown(key: &str, value: &Value) -> String {
    let text = masked(key, value).to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
