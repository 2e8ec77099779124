//! Layers of the configuration: defaults, file, environment, flags. Later ones win, and every fault
//! of all of them is named at once.
//!
//! `default.toml`, with what policies declare, is the list of keys: a key that is not there is
//! unknown, and the type of its default says how a text from the environment or the command line is
//! read.

mod defaults;
mod keys;
mod lines;
mod loaded;
mod texts;

pub use defaults::DEFAULTS;
pub(super) use keys::default_of;
#[cfg(test)]
pub use keys::keys;
pub use keys::variable;
pub use loaded::Loaded;

use super::Check;
use super::fault::{Fault, ValueSource};
use super::secret::keep;
use super::shown::{hidden, masked};
use super::types::Config;
use crate::config::load::keys::{canonical, closest, flatten, insert, is_open, join};
use crate::config::load::texts::from_text;
use lines::{line_of, spanned};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;
use toml::de::DeTable;
use toml::{Table, Value};

/// What the variables of the environment begin with.
const PREFIX: &str = "SLUICE_";

/// Characters of a value that a message shows.
const SHOWN: usize = 80;

static DEFAULT_TABLE: LazyLock<Table> = LazyLock::new(|| {
    toml::from_str(&DEFAULTS).expect("the built-in defaults are TOML, which a test makes sure of")
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
    origin: ValueSource,
}

/// Values gathered so far, layer upon layer.
#[derive(Clone, Debug)]
pub struct Layers {
    leaves: BTreeMap<String, Leaf>,
    faults: Vec<Fault>,
    warnings: Vec<String>,
}

impl Default for Layers {
    fn default() -> Self {
        let mut leaves = BTreeMap::new();
        flatten("", &DEFAULT_TABLE, &mut |key, value| {
            leaves.insert(key, Leaf { value: value.clone(), origin: ValueSource::Default });
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
                ValueSource::Default,
            )),
        }
        self
    }

    /// Adds the text of a configuration file.
    fn text(&mut self, path: &Path, text: &str) {
        let at = |offset: usize| ValueSource::File {
            path: path.to_path_buf(),
            line: line_of(text, offset),
        };
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
        at: &dyn Fn(usize) -> ValueSource,
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
                Some(key) => self.set(
                    key,
                    from_text(key, &text),
                    ValueSource::Environment { variable: name },
                ),
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
                matches!(leaf.origin, ValueSource::Environment { .. }) && leaf.value == value
            };
            if !self.leaves.get(*key).is_some_and(repeats) {
                self.set(key, value, ValueSource::Flag { flag });
            }
        }
        self
    }

    /// Sets a key; tables that are open take the new entries beside those that are there.
    fn set(&mut self, key: &str, value: Value, origin: ValueSource) {
        debug_assert!(self.leaves.contains_key(key), "{key} is no key");
        let Some(leaf) = self.leaves.get_mut(key) else { return };
        leaf.origin = origin;
        match (&mut leaf.value, value) {
            (Value::Table(there), Value::Table(new)) if is_open(key) => there.extend(new),
            (there, new) => *there = new,
        }
    }

    fn unknown(&mut self, key: &str, origin: ValueSource) {
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
        for (key, leaf) in
            self.leaves.iter_mut().filter(|(_, leaf)| leaf.origin != ValueSource::Default)
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
        loaded.add_faults_of_names(rooms);
        let between = loaded.config.faults_between(rooms);
        loaded.add_faults(between);
        loaded
    }
}

fn whole_file(problem: String, origin: ValueSource) -> Fault {
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

/// A value as messages show it: masked, and not longer than [`SHOWN`].
fn shown(key: &str, value: &Value) -> String {
    let text = masked(key, value).to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
