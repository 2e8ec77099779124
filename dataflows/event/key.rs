//! The key of a null record in `customers`: whom it erases, whoever wrote it.
//!
//! A key that is text is never taken for bytes of a number: a customer who was erased by mistake
//! does not come back, while a key that could not be read is told of until somebody has seen to it.

use super::fields::{Problem, Value};
use super::rules::{customer, written_customer};
use super::{CustomerId, Reason};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What Kafka Connect puts a key into, beside its schema.
const PAYLOAD: &str = "payload";

/// What the keys of a schema registry begin with, before the four bytes of the schema's number.
const MAGIC: u8 = 0;

/// The customer that a key names; `name` is what customer_id is called in the source.
pub(super) fn customer_of_key(key: &[u8], name: &str) -> Result<CustomerId, Problem> {
    let text = std::str::from_utf8(key).ok().map(str::trim_ascii);
    if let Some(number) = text.and_then(written_customer) {
        return Ok(number);
    }
    match text {
        Some("") => {
            Err(Problem::new(Reason::MissingField, "customer_id is missing: the key is empty"))
        }
        Some(text) if is_readable(text) => customer(&from_json(text, name)?),
        _ => big_endian(key),
    }
}

/// Whether a text is meant to be read, and not four or eight bytes of a number that happen to be
/// one.
fn is_readable(text: &str) -> bool {
    !text.chars().any(|character| character.is_control() && !character.is_ascii_whitespace())
}

/// The customer's number in a key of JSON: alone, under its name in an object, or in either form as
/// the payload beside a schema.
fn from_json<'a>(text: &'a str, name: &str) -> Result<Value<'a>, Problem> {
    let bad = |error: serde_json::Error| {
        Problem::new(
            Reason::BadField,
            format!("customer_id: the key is neither a number nor JSON: {error}"),
        )
    };
    let missing = || {
        Problem::new(Reason::MissingField, format!("customer_id is missing: the key has no {name}"))
    };
    let mut json = serde_json::from_str::<&RawValue>(text).map_err(bad)?.get();
    // A payload may hold an object, but not another payload.
    for _ in 0..2 {
        if !json.starts_with('{') {
            break;
        }
        let object: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(json).map_err(bad)?;
        match (object.get(name), object.get(PAYLOAD)) {
            (Some(value), _) => {
                return Value::from_json(value.get()).map_err(bad)?.ok_or_else(missing);
            }
            (None, Some(payload)) => json = payload.get(),
            (None, None) => return Err(missing()),
        }
    }
    Value::from_json(json).map_err(bad)?.ok_or_else(missing)
}

/// The number of four or eight bytes, the greatest first, as Kafka Connect's converters of integers
/// write it.
fn big_endian(key: &[u8]) -> Result<CustomerId, Problem> {
    let number = match key {
        [_, _, _, _] => key.first_chunk().map(|bytes| CustomerId::from(i32::from_be_bytes(*bytes))),
        [_, _, _, _, _, _, _, _] => key
            .first_chunk()
            .map(|bytes| i64::from_be_bytes(*bytes))
            .filter(|_| !may_be_framed(key)),
        _ => None,
    };
    number.filter(|number| *number >= 0).ok_or_else(|| {
        let what = match key {
            [MAGIC, _, _, _, _, _, ..] => {
                "seems to be of a schema registry (Avro or Protobuf), whose keys are not read"
            }
            _ => "is neither a number, nor JSON, nor a big-endian integer of 4 or 8 bytes",
        };
        Problem::new(
            Reason::Malformed,
            format!("customer_id: the key of {} bytes {what}", key.len()),
        )
    })
}

/// Whether eight bytes may be of a schema registry: the number of a schema, and in the other three
/// a number, a text of two digits, or a number that may be null, as Avro writes them. Integers
/// below 2^24 never look so, for no schema has the number 0.
fn may_be_framed(key: &[u8]) -> bool {
    let &[MAGIC, s1, s2, s3, s4, a, b, c] = key else { return false };
    // Numbers that are not negative are even in Avro, seven bits a byte, all but the last with the
    // highest bit.
    let is_last = |byte: u8| (1..0x80).contains(&byte);
    let goes_on = |byte: u8| byte >= 0x80;
    let is_number = goes_on(a) && a % 2 == 0 && goes_on(b) && is_last(c);
    let is_text = a == 4 && b.is_ascii_digit() && c.is_ascii_digit();
    let is_optional = (a == 0 || a == 2) && goes_on(b) && b % 2 == 0 && is_last(c);
    [s1, s2, s3, s4] != [0; 4] && (is_number || is_text || is_optional)
}
