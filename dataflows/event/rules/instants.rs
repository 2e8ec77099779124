//! When a record happened, and whether it can have.

use super::{Origin, Rules};
use crate::event::field::Field;
use crate::event::fields::{Fields, Problem, Value};
use crate::event::instant::{TimeUnit, TimestampError};
use crate::event::{Millis, Reason};

impl Rules {
    /// When a record happened that need not be valid: where it does not say so, when it was sent.
    pub(in crate::event) fn dated(&self, fields: &Fields, origin: &Origin) -> Millis {
        let own = fields.get(Field::Timestamp).ok().flatten();
        own.and_then(|value| self.event_time(&value, origin).ok()).unwrap_or(origin.sent)
    }

    /// A timestamp that is not too far in the future.
    pub(super) fn event_time(&self, value: &Value, origin: &Origin) -> Result<Millis, Problem> {
        let timestamp = self.instant(value, Field::Timestamp)?;
        if timestamp > origin.latest {
            return Err(Problem::of(
                Reason::BadTimestamp,
                Field::Timestamp,
                value,
                "is too far past the broker's timestamp",
            ));
        }
        Ok(timestamp)
    }

    pub(super) fn instant(&self, value: &Value, field: Field) -> Result<Millis, Problem> {
        let instant = match value {
            Value::Number(text) | Value::Cell(text) => self.instants.read(text),
            Value::Text(text) => self.instants.read(text),
            Value::Bool(_) | Value::Compound(_) => Err(TimestampError::Unreadable),
        };
        instant.map_err(|error| match error {
            TimestampError::Unreadable => {
                Problem::of(Reason::BadField, field, value, "is not a timestamp")
            }
            TimestampError::OutOfRange => {
                let unit = self.instants.likely_unit(value.as_written());
                let hint = unit.map_or(String::new(), |unit| {
                    format!("; are these {}? Then set input.time_unit", unit.name())
                });
                Problem::of(
                    Reason::BadTimestamp,
                    field,
                    value,
                    &format!("is not from 1970 to 2099{hint}"),
                )
            }
            TimestampError::NotMilliseconds => {
                let unit =
                    self.instants.likely_unit(value.as_written()).unwrap_or(TimeUnit::Seconds);
                let wrong = format!(
                    "would lie in January 1970 if these are milliseconds; set \
                    input.time_unit: probably they are {}",
                    unit.name()
                );
                Problem::of(Reason::NotMilliseconds, field, value, &wrong)
            }
        })
    }
}
