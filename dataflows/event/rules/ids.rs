//! Numbers of customers, and ids as texts: the same id however a program prints it.

use crate::event::decimal::Decimal;
use crate::event::field::Field;
use crate::event::fields::{Fields, Problem, Value};
use crate::event::text::{self, customer_number};
use crate::event::{CustomerId, Reason};
use std::borrow::Cow;

pub(in crate::event) fn customer(value: &Value) -> Result<CustomerId, Problem> {
    let text = match value {
        Value::Number(_) | Value::Cell(_) | Value::Text(_) => value.as_written().trim_ascii(),
        Value::Bool(_) | Value::Compound(_) => "",
    };
    written_customer(text).ok_or_else(|| {
        Problem::of(
            Reason::BadField,
            Field::CustomerId,
            value,
            "is not an integer from 0 to 2^63 - 1",
        )
    })
}

/// A customer's number: decimal digits, or an integral float.
pub(in crate::event) fn written_customer(text: &str) -> Option<CustomerId> {
    customer_number(text.as_bytes()).or_else(|| integral(text).map(|number| number as CustomerId))
}

/// The integer that a float written with a point or an exponent is; `None` for what is none, is
/// negative, or has so many digits that a float may have lost some.
pub(super) fn integral(text: &str) -> Option<u64> {
    let is_float = text.contains(['.', 'e', 'E']) && !text.starts_with('+');
    Decimal::read(text).filter(|_| is_float)?.integral()
}

/// The customer whom the fields name, whatever else they say.
pub(in crate::event) fn customer_of(fields: &Fields) -> Option<CustomerId> {
    customer(&fields.required(Field::CustomerId).ok()?).ok()
}

pub(super) fn id<'a>(fields: &Fields<'a>, field: Field) -> Result<Cow<'a, str>, Problem> {
    id_text(fields.required(field)?, field.name())
}

pub(super) fn optional_id<'a>(
    fields: &Fields<'a>,
    field: Field,
) -> Result<Option<Cow<'a, str>>, Problem> {
    fields.get(field)?.map(|value| id_text(value, field.name())).transpose()
}

/// The text of an id: a string that is not blank, without the space around it, or an integer. An
/// integral float is its integer, as a number and, where it is printed as such (`536365.0`), as a
/// string too.
pub(in crate::event) fn id_text<'a>(value: Value<'a>, name: &str) -> Result<Cow<'a, str>, Problem> {
    match value {
        Value::Text(Cow::Borrowed(text)) | Value::Cell(text) if !text.trim_ascii().is_empty() => {
            Ok(Cow::Borrowed(printed_id(text)))
        }
        Value::Text(Cow::Owned(text)) if !text.trim_ascii().is_empty() => {
            Ok(Cow::Owned(printed_id(&text).to_string()))
        }
        Value::Number("-0") => Ok(Cow::Borrowed("0")),
        Value::Number(text) if text::is_integer(text) => Ok(Cow::Borrowed(text)),
        Value::Number(text) if integral_id(text).is_some() => {
            Ok(Cow::Owned(integral_id(text).unwrap_or_default()))
        }
        other => {
            Err(Problem::with(Reason::BadField, name, &other, "is neither a text nor an integer"))
        }
    }
}

/// The integer of either sign that a float is, as a text.
fn integral_id(text: &str) -> Option<String> {
    let number = integral(text.strip_prefix('-').unwrap_or(text))?;
    let sign = if text.starts_with('-') && number > 0 { "-" } else { "" };
    Some(format!("{sign}{number}"))
}

/// An id as it is kept: without the space around it, and without the point and zeros of an integral
/// float.
fn printed_id(text: &str) -> &str {
    let text = text.trim_ascii();
    let Some(whole) = text.trim_end_matches('0').strip_suffix('.') else {
        return text;
    };
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    let is_float = is_plain
        && text.len() > whole.len() + 1
        && integral(text.strip_prefix('-').unwrap_or(text)).is_some();
    match (is_float, whole) {
        (false, _) => text,
        (true, "-0") => "0",
        (true, whole) => whole,
    }
}
