//! JSON objects into [`Fields`]: the complete path, taken by whatever [`fast`](super::fast) does
//! not know.
//!
//! Unknown fields are skipped whatever they hold, nested as deeply as they like (serde_json does
//! not recurse there). Of a field that stands in an object twice the last one counts, as in most
//! readers of JSON.

use super::fields::{FieldNames, Fields, Problem, Slots};
use super::{Reason, Topic};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The fields of a record that is one JSON object, perhaps with white space around it.
pub(super) fn fields<'a>(
    text: &'a str,
    topic: Topic,
    names: &FieldNames,
) -> Result<Fields<'a>, Problem> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let fields = Object { topic, names }
        .deserialize(&mut reader)
        .and_then(|fields| reader.end().map(|()| fields));
    let mut fields = fields.map_err(|error| Problem::new(Reason::Malformed, error.to_string()))?;
    names.compose(&mut fields);
    Ok(fields)
}

/// The elements of a JSON array, as written; `None` if it is none.
pub(super) fn elements(text: &str) -> Option<Vec<&str>> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    Some(elements.into_iter().map(RawValue::get).collect())
}

/// Reads an object into [`Fields`].
struct Object<'n> {
    topic: Topic,
    names: &'n FieldNames,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = Fields<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Fields<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields::new(self.topic);
        while let Some(slots) = map.next_key_seed(Key(self.names))? {
            if slots.is_empty() {
                map.next_value::<IgnoredAny>()?;
            } else {
                fields.set_json(slots, map.next_value::<&RawValue>()?.get());
            }
        }
        Ok(fields)
    }
}

/// Reads a key and finds what a value of that name fills.
struct Key<'n>(&'n FieldNames);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Slots;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Slots;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.find(name))
    }
}

#[cfg(test)]
mod tests {
    use super::super::field::Field;
    use super::super::fields::Value;
    use super::*;

    fn read(text: &str) -> Result<Fields<'_>, Problem> {
        fields(text, Topic::Transactions, &FieldNames::new(Topic::Transactions, &[]))
    }

    #[test]
    fn of_two_fields_of_one_name_the_last_counts() {
        let text = concat!(
            r#" {"amount": 1, "amou\u006et": 2.50, "device": "a", "device": null, "#,
            r#""op": "\u0069nsert"} "#
        );
        let fields = read(text).unwrap();
        assert_eq!(fields.get(Field::Amount), Ok(Some(Value::Number("2.50"))));
        assert_eq!(fields.get(Field::Device), Ok(None));
        assert_eq!(fields.get(Field::Op), Ok(Some(Value::Text("insert".into()))));
        assert_eq!(fields.required(Field::Timestamp).unwrap_err().reason, Reason::MissingField);
    }

    #[test]
    fn unknown_fields_are_skipped_however_deep() {
        let deep =
            format!(r#"{{"x": {}{}, "amount": 3}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(read(&deep).unwrap().get(Field::Amount), Ok(Some(Value::Number("3"))));
    }

    #[test]
    fn what_is_not_one_object_is_malformed() {
        let nested = "[".repeat(100_000);
        for text in [
            "",
            "[]",
            "7",
            "null",
            "{",
            "{}{}",
            "{} x",
            r#"{"a"}"#,
            r#"{"a":01}"#,
            r#"{"a":"}"#,
            "{\"a\":\"\n\"}",
            &nested,
        ] {
            assert_eq!(read(text).unwrap_err().reason, Reason::Malformed, "{text:.20}");
        }
        assert_eq!(
            read(r#"{"device": "\ud800"}"#).unwrap().get(Field::Device).unwrap_err().reason,
            Reason::BadField
        );
    }

    #[test]
    fn an_alias_takes_the_place_of_the_name() {
        let aliases = [(Topic::Transactions, "amount".to_string(), "total".to_string())];
        let names = FieldNames::new(Topic::Transactions, &aliases);
        let fields = fields(r#"{"amount": 1, "total": 2}"#, Topic::Transactions, &names).unwrap();
        assert_eq!(fields.get(Field::Amount), Ok(Some(Value::Number("2"))));
    }

    #[test]
    fn a_field_may_be_made_of_several_and_share_them() {
        let alias =
            |here: &str, there: &str| (Topic::Transactions, here.to_string(), there.to_string());
        let aliases = [
            alias("transaction_id", "Invoice + Stock Code"),
            alias("amount", "Quantity * Price"),
            alias("category", "Stock Code"),
        ];
        let names = FieldNames::new(Topic::Transactions, &aliases);
        let made = |text: &str, field| {
            fields(text, Topic::Transactions, &names)
                .unwrap()
                .get(field)
                .map(|value| value.map(|value| value.as_written().to_string()))
        };
        let whole = concat!(
            r#"{"Invoice": 536365.0, "Stock Code": " 8+5\\123A ", "Quantity": "6", "#,
            r#""Price": 2.55, "amount": 1}"#
        );
        assert_eq!(made(whole, Field::TransactionId), Ok(Some(r"536365+8\+5\\123A".to_string())));
        assert_eq!(made(whole, Field::Amount), Ok(Some("15.30".to_string())));
        assert_eq!(made(whole, Field::Category), Ok(Some(r" 8+5\123A ".to_string())));
        assert_eq!(made("{}", Field::TransactionId), Ok(None));
        for (text, field, reason) in [
            (r#"{"Invoice": 1}"#, Field::TransactionId, Reason::MissingField),
            (r#"{"Invoice": 1, "Stock Code": true}"#, Field::TransactionId, Reason::BadField),
            (r#"{"Quantity": "six", "Price": 1}"#, Field::Amount, Reason::BadAmount),
            (r#"{"Quantity": [6], "Price": 1}"#, Field::Amount, Reason::BadAmount),
            (r#"{"Quantity": 9999999999999999999, "Price": 1}"#, Field::Amount, Reason::BadAmount),
        ] {
            assert_eq!(made(text, field).unwrap_err().reason, reason, "{text}");
        }
    }
}
