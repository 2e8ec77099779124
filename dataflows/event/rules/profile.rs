//! Versions of a profile, and the quantities and truths in them.

use super::contact::lenient;
use super::{Event, Ignored, Origin, Rules, number};
use crate::event::decimal::Decimal;
use crate::event::field::Field;
use crate::event::fields::{Fields, Problem, Value};
use crate::event::{Aside, CustomerId, Millis, Profile, Reason};

impl Rules {
    pub(super) fn profile<'a>(
        &self,
        fields: &Fields<'a>,
        origin: &Origin,
        customer: CustomerId,
        ignored: &mut Ignored,
    ) -> Result<Event<'a>, Problem> {
        let from = fields
            .get(Field::Timestamp)?
            .map_or(Ok(Millis::MIN), |value| self.event_time(&value, origin))?;
        let profile = Profile {
            from,
            signup: fields
                .get(Field::SignupDate)?
                .map_or(Ok(Millis::MIN), |value| self.instant(&value, Field::SignupDate))?,
            email_open_rate: quantity(fields, Field::EmailOpenRate, 1.0)?,
            premium: truth(fields, Field::PremiumMember)?,
            complaint_count: quantity(fields, Field::ComplaintCount, f64::MAX)?,
            avg_discount: quantity(fields, Field::AverageDiscount, 1.0)?,
        };
        for field in [Field::Age, Field::LastLoginDays] {
            let is_number = |value: Value| match number(&value) {
                Some(number) if number.is_finite() => Ok(Some(())),
                _ => Err(Problem::of(Reason::BadField, field, &value, "is not a number")),
            };
            lenient(
                fields.get(field).and_then(|value| value.map_or(Ok(None), is_number)),
                field,
                ignored,
            );
        }
        Ok(Event::Aside(Aside::Profile { customer, place: origin.place, profile }))
    }
}

/// A number from 0 to `greatest`; 0 if absent.
fn quantity(fields: &Fields, field: Field, greatest: f64) -> Result<f64, Problem> {
    let Some(value) = fields.get(field)? else {
        return Ok(0.0);
    };
    let number = number(&value).filter(|number| (0.0..=greatest).contains(number));
    number.ok_or_else(|| {
        Problem::of(
            Reason::BadField,
            field,
            &value,
            &format!("is not a number from 0 to {greatest:e}"),
        )
    })
}

/// Words for a truth, in any case.
const TRUTHS: [(&str, bool); 8] = [
    ("true", true),
    ("false", false),
    ("t", true),
    ("f", false),
    ("yes", true),
    ("no", false),
    ("y", true),
    ("n", false),
];

/// A truth value; false if absent.
pub(super) fn truth(fields: &Fields, field: Field) -> Result<bool, Problem> {
    let value = match fields.get(field)? {
        None => return Ok(false),
        Some(Value::Bool(truth)) => return Ok(truth),
        Some(value) => value,
    };
    let text = value.as_written().trim_ascii();
    let word = TRUTHS
        .into_iter()
        .find(|(word, _)| text.eq_ignore_ascii_case(word))
        .map(|(_, truth)| truth);
    let number = || match Decimal::read(text)?.integral()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    };
    word.or_else(number)
        .ok_or_else(|| Problem::of(Reason::BadField, field, &value, "is neither true nor false"))
}
