//! The fields of one record as they were written, whatever the format: what JSON and CSV are read
//! into and what the rules read from.

use super::composed::{Composed, MAX_COMPOSED, MAX_PARTS};
use super::field::{FIELDS, Field, name_in_source};
use super::{Reason, Rejected, Topic};
use std::borrow::Cow;

/// What counts of a CSV cell: not the space around it, nor quotes after such space, which some
/// programs write behind `, ` and which quote nothing by RFC 4180.
pub fn cell_text(cell: &str) -> &str {
    let text = cell.trim_ascii();
    let quoted = || text.strip_prefix('"')?.strip_suffix('"').filter(|inner| !inner.contains('"'));
    match cell.starts_with([' ', '\t']) {
        true => quoted().map_or(text, str::trim_ascii),
        false => text,
    }
}

/// What the columns that a topic reads are called in the source, under these aliases (topic, name
/// here, name there).
pub fn source_names(topic: Topic, aliases: &[(Topic, String, String)]) -> Vec<String> {
    FieldNames::new(topic, aliases).0.into_iter().map(|(name, _)| name).collect()
}

/// Places for values in [`Fields`]: one for each field, and behind them the parts of fields that
/// are made of several columns.
const SLOTS: usize = FIELDS + MAX_COMPOSED * MAX_PARTS;

/// A set of slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slots(u64);

const _: () = assert!(SLOTS <= u64::BITS as usize);

impl Slots {
    /// Whether there is none.
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn insert(&mut self, slot: usize) {
        self.0 |= 1 << slot;
    }

    fn each(self) -> impl Iterator<Item = usize> {
        (0..SLOTS).filter(move |slot| self.0 >> slot & 1 == 1)
    }
}

/// What the fields of a topic are called in the source: the slots that each name fills, and what is
/// made of several.
///
/// A field with an alias is read under its alias only, so that a field of the source that happens
/// to bear its name is not mistaken for it. Two fields may have one name in the source.
#[derive(Clone, Debug)]
pub(super) struct FieldNames(Vec<(String, Slots)>, Vec<Composed>);

impl FieldNames {
    /// The names for a topic under these aliases (topic, name here, name there).
    pub(super) fn new(topic: Topic, aliases: &[(Topic, String, String)]) -> Self {
        let mut names = FieldNames(Vec::new(), Vec::new());
        for field in Field::of(topic) {
            let there = name_in_source(topic, *field, aliases);
            match Composed::new(*field, there, FIELDS + names.1.len() * MAX_PARTS) {
                Some(composed) => {
                    composed.parts().iter().for_each(|(part, slot)| names.fill(part, *slot));
                    names.1.push(composed);
                }
                None => names.fill(there, *field as usize),
            }
        }
        names
    }

    fn fill(&mut self, name: &str, slot: usize) {
        let at = self.0.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.0.push((name.to_string(), Slots::default()));
            self.0.len() - 1
        });
        self.0[at].1.insert(slot);
    }

    /// The slots that a value of this name fills; none if the topic does not read it.
    pub(super) fn find(&self, name: &str) -> Slots {
        self.0.iter().find(|(known, _)| known == name).map_or(Slots::default(), |(_, slots)| *slots)
    }

    /// Makes the fields that are made of several columns, once all columns are set.
    pub(super) fn compose(&self, fields: &mut Fields) {
        for composed in &self.1 {
            let value = composed.value(fields);
            fields.made.push((composed.field(), value));
        }
    }
}

/// Why a record was refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    pub(super) reason: Reason,
    pub(super) detail: String,
}

impl Problem {
    /// Characters of a value that are quoted in a detail.
    const QUOTED: usize = 80;

    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Problem { reason, detail: detail.into() }
    }

    /// The same, where the record was to erase somebody.
    pub(super) fn of_erasure(self) -> Self {
        Problem { detail: format!("{}{}", Rejected::ERASURE_NOT_DONE, self.detail), ..self }
    }

    /// A problem with the value of a field.
    pub(super) fn of(reason: Reason, field: Field, value: &Value, wrong: &str) -> Self {
        Problem::with(reason, field.name(), value, wrong)
    }

    /// A problem with the value of this name.
    pub(super) fn with(reason: Reason, name: &str, value: &Value, wrong: &str) -> Self {
        let text = value.as_written();
        let quoted: String = text.chars().take(Self::QUOTED).collect();
        let more = if quoted.len() < text.len() { "..." } else { "" };
        Problem::new(reason, format!("{name}: {quoted}{more} {wrong}"))
    }
}

/// A field's text in the record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Written<'a> {
    #[default]
    Absent,
    /// One JSON value.
    Json(&'a str),
    /// One cell of a CSV row.
    Cell(&'a str),
}

/// A value, decoded as far as its format tells.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// A JSON string, decoded.
    Text(Cow<'a, str>),
    /// A JSON number, as written.
    Number(&'a str),
    /// A JSON truth value.
    Bool(bool),
    /// A JSON array or object, as written.
    Compound(&'a str),
    /// A CSV cell, not empty.
    Cell(&'a str),
}

impl<'a> Value<'a> {
    /// Decodes one valid JSON value; null is `None`.
    pub(super) fn from_json(json: &'a str) -> Result<Option<Self>, serde_json::Error> {
        Ok(match json.as_bytes() {
            b"null" => None,
            b"true" => Some(Value::Bool(true)),
            b"false" => Some(Value::Bool(false)),
            [b'"', text @ .., b'"'] if !text.contains(&b'\\') => {
                Some(Value::Text(Cow::Borrowed(&json[1..json.len() - 1])))
            }
            [b'"', ..] => Some(Value::Text(Cow::Owned(serde_json::from_str(json)?))),
            [b'{' | b'[', ..] => Some(Value::Compound(json)),
            _ => Some(Value::Number(json)),
        })
    }

    /// The value as it may be shown to a person.
    pub(super) fn as_written(&self) -> &str {
        match self {
            Value::Text(text) => text,
            Value::Number(text) | Value::Compound(text) | Value::Cell(text) => text,
            Value::Bool(true) => "true",
            Value::Bool(false) => "false",
        }
    }
}

/// The fields of one record.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    written: [Written<'a>; SLOTS],
    /// Those that are made of several columns.
    made: Vec<(Field, Result<Option<Value<'a>>, Problem>)>,
    empty_is_absent: bool,
}

impl<'a> Fields<'a> {
    /// No field yet. In profiles an empty string counts as absent.
    pub(super) fn new(topic: Topic) -> Self {
        Fields {
            written: [Written::Absent; SLOTS],
            made: Vec::new(),
            empty_is_absent: topic == Topic::Customers,
        }
    }

    /// Fills slots with a JSON value, in place of an earlier one.
    pub(super) fn set_json(&mut self, slots: Slots, json: &'a str) {
        slots.each().for_each(|slot| self.written[slot] = Written::Json(json));
    }

    /// Fills slots with a CSV cell, in place of an earlier one; [`cell_text`] tells what counts of
    /// it.
    pub(super) fn set_cell(&mut self, slots: Slots, cell: &'a str) {
        slots.each().for_each(|slot| self.written[slot] = Written::Cell(cell_text(cell)));
    }

    /// The value of a field, `None` if it is absent (or null, or an empty cell).
    pub(super) fn get(&self, field: Field) -> Result<Option<Value<'a>>, Problem> {
        match self.made.iter().find(|(made, _)| *made == field) {
            Some((_, value)) => value.clone(),
            None => self.at(field as usize, field),
        }
    }

    /// The value in a slot, for a field.
    pub(super) fn at(&self, slot: usize, field: Field) -> Result<Option<Value<'a>>, Problem> {
        let value = match self.written[slot] {
            Written::Absent | Written::Cell("") => None,
            Written::Cell(cell) => Some(Value::Cell(cell)),
            Written::Json(json) => Value::from_json(json).map_err(|error| {
                Problem::new(Reason::BadField, format!("{}: {error}", field.name()))
            })?,
        };
        let empty = matches!(&value, Some(Value::Text(text)) if text.is_empty());
        Ok(value.filter(|_| !(empty && self.empty_is_absent)))
    }

    /// The value of a field that must be there.
    pub(super) fn required(&self, field: Field) -> Result<Value<'a>, Problem> {
        self.get(field)?.ok_or_else(|| {
            Problem::new(Reason::MissingField, format!("{} is missing", field.name()))
        })
    }
}
