//! Records whose values are known by their names: what a dataflow needs that says itself what they
//! mean, field by field.
//!
//! Customers, ids and instants are read in every form of `README.md`, and what cannot be read is
//! refused with the same words as anywhere else.

mod reading;
#[cfg(test)]
mod tests;

pub use reading::{NamedReader, NamedRecord};

use super::fields::{Problem, Value, cell_text};
use super::instant::{Instants, TimeUnit};
use super::text::id_hash;
use super::{CustomerId, DAY, Millis, Reason, rules};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// How records are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NamedSettings {
    /// Bytes of one record at most; a longer one is rejected.
    pub max_record: usize,
    /// How far past the broker's timestamp an event may be dated.
    pub future: Millis,
    /// What numbers that are instants count; `None`: milliseconds, but those that would lie in
    /// January 1970 are rejected.
    pub time_unit: Option<TimeUnit>,
    /// Forms of dates (of strptime) that are read beside those that everybody knows.
    pub date_formats: Vec<String>,
}

impl Default for NamedSettings {
    fn default() -> Self {
        NamedSettings {
            max_record: 1 << 20,
            future: DAY,
            time_unit: None,
            date_formats: Vec::new(),
        }
    }
}

/// What a record does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    Upsert,
    Retract,
    Erase,
}

/// A value as it is written.
#[derive(Clone, Copy)]
enum NamedText<'a> {
    Json(&'a str),
    Cell(&'a str),
}

/// The values of one record, by their names.
pub struct NamedValues<'a> {
    /// As they are written, in their order: of a name that comes twice the last value counts.
    values: Vec<(Cow<'a, str>, NamedText<'a>)>,
    /// The greatest timestamp that it may bear.
    latest: Millis,
    instants: &'a Instants,
}

impl<'a> NamedValues<'a> {
    /// Those of a JSON object.
    fn of_json(raw: &'a [u8], latest: Millis, instants: &'a Instants) -> Result<Self, Problem> {
        let malformed =
            |error: serde_json::Error| Problem::new(Reason::Malformed, error.to_string());
        let text = std::str::from_utf8(raw)
            .map_err(|error| Problem::new(Reason::Malformed, error.to_string()))?;
        let mut reader = serde_json::Deserializer::from_str(text);
        let values = Members.deserialize(&mut reader).map_err(malformed)?;
        reader.end().map_err(malformed)?;
        Ok(NamedValues { values, latest, instants })
    }

    /// Those of a row of CSV.
    fn of_row(
        columns: &'a [String],
        row: &'a csv::ByteRecord,
        latest: Millis,
        instants: &'a Instants,
    ) -> Result<Self, Problem> {
        if row.len() != columns.len() {
            let detail = format!("the row has {} columns, not {}", row.len(), columns.len());
            return Err(Problem::new(Reason::Malformed, detail));
        }
        let mut values = Vec::with_capacity(columns.len());
        for (name, cell) in columns.iter().zip(row) {
            let cell = std::str::from_utf8(cell)
                .map_err(|error| Problem::new(Reason::Malformed, error.to_string()))?;
            values.push((Cow::Borrowed(cell_text(name)), NamedText::Cell(cell_text(cell))));
        }
        Ok(NamedValues { values, latest, instants })
    }

    /// The value of this name; `None` where it is not there, null, or an empty cell.
    fn get(&self, name: &str) -> Result<Option<Value<'a>>, Problem> {
        match self.values.iter().rev().find(|(own, _)| own == name) {
            None | Some((_, NamedText::Cell(""))) => Ok(None),
            Some((_, NamedText::Cell(cell))) => Ok(Some(Value::Cell(cell))),
            Some((_, NamedText::Json(json))) => Value::from_json(json)
                .map_err(|error| Problem::new(Reason::BadField, format!("{name}: {error}"))),
        }
    }

    fn required(&self, name: &str) -> Result<Value<'a>, Problem> {
        self.get(name)?
            .ok_or_else(|| Problem::new(Reason::MissingField, format!("{name} is missing")))
    }

    /// Whether what it names is taken back.
    pub fn retracts(&self) -> bool {
        self.does().is_ok_and(|does| does == Does::Retract)
    }

    /// The frozen hash of the id of this name.
    pub fn id(&self, name: &str) -> Result<u64, Problem> {
        rules::id_text(self.required(name)?, name).map(|id| id_hash(id.as_bytes()))
    }

    /// The instant of this name, which is not later than may be.
    pub fn instant(&self, name: &str) -> Result<Millis, Problem> {
        rules::instant_until(self.latest, self.instants, &self.required(name)?, name)
    }

    /// Whose it is.
    fn customer(&self) -> Result<CustomerId, Problem> {
        rules::customer(&self.required(CUSTOMER)?)
    }

    /// Up to when its customer is erased: for ever where it does not say so.
    fn until(&self) -> Result<Millis, Problem> {
        if self.get(TIMESTAMP)?.is_some() { self.instant(TIMESTAMP) } else { Ok(Millis::MAX) }
    }

    fn does(&self) -> Result<Does, Problem> {
        let Some(value) = self.get(OPERATION)? else { return Ok(Does::Upsert) };
        match (&value, value.as_written().trim_ascii()) {
            (Value::Text(_) | Value::Cell(_), "insert" | "upsert") => Ok(Does::Upsert),
            (Value::Text(_) | Value::Cell(_), "retract") => Ok(Does::Retract),
            (Value::Text(_) | Value::Cell(_), "erase") => Ok(Does::Erase),
            _ => {
                let wrong = "is no operation of this topic";
                Err(Problem::with(Reason::BadOp, OPERATION, &value, wrong))
            }
        }
    }
}

/// What every record has.
pub const COMMON_FIELDS: [&str; 3] = [CUSTOMER, TIMESTAMP, OPERATION];

/// What whose, when and what is done are called in every record.
const CUSTOMER: &str = "customer_id";
const TIMESTAMP: &str = "timestamp";
const OPERATION: &str = "op";

/// Reads the members of a JSON object, as they are written.
struct Members;

impl<'de> DeserializeSeed<'de> for Members {
    type Value = Vec<(Cow<'de, str>, NamedText<'de>)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(Cow<'de, str>, NamedText<'de>)>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(MemberName(name)) = map.next_key()? {
            members.push((name, NamedText::Json(map.next_value::<&RawValue>()?.get())));
        }
        Ok(members)
    }
}

/// The name of a member, not copied where it is written as it is.
#[derive(Deserialize)]
struct MemberName<'a>(#[serde(borrow)] Cow<'a, str>);
