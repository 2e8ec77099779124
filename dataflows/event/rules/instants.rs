//! When a record happened, and whether it can have.

use super::{Origin, Rules};
use crate::event::field::Field;
use crate::event::fields::{Fields, Problem, Value};
use crate::event::instant::{Instants, TimeUnit, TimestampError};
use crate::event::{Millis, Reason};

impl Rules {
    /// When a record happened that need not be valid: where it does not say so, when it was sent.
    pub(in crate::event) fn dated(&self, fields: &Fields, origin: &Origin) -> Millis {
        let own = fields.get(Field::Timestamp).ok().flatten();
        own.and_then(|value| self.event_time(&value, origin).ok()).unwrap_or(origin.sent)
    }

    /// A timestamp that is not too far in the future.
    pub(super) fn event_time(&self, value: &Value, origin: &Origin) -> Result<Millis, Problem> {
        instant_until(origin.latest, &self.instants, value, Field::Timestamp.name())
    }

    pub(super) fn instant(&self, value: &Value, field: Field) -> Result<Millis, Problem> {
        instant(&self.instants, value, field.name())
    }
}

/// The instant that a value of this name is.
fn instant(instants: &Instants, value: &Value, name: &str) -> Result<Millis, Problem> {
    let read = match value {
        Value::Number(text) | Value::Cell(text) => instants.read(text),
        Value::Text(text) => instants.read(text),
        Value::Bool(_) | Value::Compound(_) => Err(TimestampError::Unreadable),
    };
    read.map_err(|error| match error {
        TimestampError::Unreadable => {
            Problem::with(Reason::BadField, name, value, "is not a timestamp")
        }
        TimestampError::OutOfRange => {
            let unit = instants.likely_unit(value.as_written());
            let hint = unit.map_or(String::new(), |unit| {
                format!("; are these {}? Then set input.time_unit", unit.name())
            });
            let wrong = format!("is not from 1970 to 2099{hint}");
            Problem::with(Reason::BadTimestamp, name, value, &wrong)
        }
        TimestampError::NotMilliseconds => {
            let unit = instants.likely_unit(value.as_written()).unwrap_or(TimeUnit::Seconds);
            let wrong = format!(
                "would lie in January 1970 if these are milliseconds; set \
                 input.time_unit: probably they are {}",
                unit.name()
            );
            Problem::with(Reason::NotMilliseconds, name, value, &wrong)
        }
    })
}

/// The instant that a value of this name is, which may not be later than that.
pub(in crate::event) fn instant_until(
    latest: Millis,
    instants: &Instants,
    value: &Value,
    name: &str,
) -> Result<Millis, Problem> {
    let timestamp = instant(instants, value, name)?;
    if timestamp > latest {
        let wrong = "is too far past the broker's timestamp";
        return Err(Problem::with(Reason::BadTimestamp, name, value, wrong));
    }
    Ok(timestamp)
}
