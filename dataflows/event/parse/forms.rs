//! Every form that the documentation promises, read from its very tables and put through both
//! parsers.

use super::super::Purchase;
use super::super::instant::{TimeUnit, timestamp};
use super::super::text::id_hash;
use super::tests::{csv_of, lines_of, parsed, settings};
use super::*;
use crate::event::Record;

const DOCUMENT: &str = include_str!("../README.md");

/// The rows of the tables under a heading, each cell as its pieces of code.
fn rows(heading: &str) -> Vec<Vec<Vec<&'static str>>> {
    let section = DOCUMENT
        .split("\n## ")
        .find(|section| section.lines().next() == Some(heading))
        .expect("there is such a section");
    let table = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let pieces = |cell: &'static str| cell.split('`').skip(1).step_by(2).collect();
    table.map(|line| line.trim_matches('|').split('|').map(pieces).collect()).collect()
}

/// A purchase with one field spelled as given.
fn purchase(field: &str, written: &str) -> String {
    let usual = [
        ("transaction_id", "\"x1\""),
        ("customer_id", "42"),
        ("timestamp", "\"2024-02-29T12:00:00Z\""),
        ("amount", "1"),
        ("discount_used", "false"),
    ];
    let fields: Vec<String> = usual
        .iter()
        .map(|(name, value)| format!("\"{name}\":{}", if *name == field { written } else { value }))
        .collect();
    format!("{{{}}}", fields.join(","))
}

/// The same as a row of CSV, with the spelling as a cell.
fn row(field: &str, cell: &str) -> String {
    let usual = [
        ("transaction_id", "x1"),
        ("customer_id", "42"),
        ("timestamp", "2024-02-29"),
        ("amount", "1"),
        ("discount_used", "false"),
    ];
    let cells: Vec<String> = usual
        .iter()
        .map(|(name, value)| format!("\"{}\"", if *name == field { cell } else { value }))
        .collect();
    cells.join(",")
}

/// What one record gives: the record, or the word of the reason.
fn outcome(parser: Parser, block: &(impl Clone + Into<Block>)) -> Result<Record, &'static str> {
    let out = parsed(parser, block);
    assert_eq!(out.lines, 1);
    match (&out.records[..], &out.rejected[..]) {
        ([record], []) => Ok(*record),
        ([], [rejected]) => Err(rejected.reason.word()),
        other => panic!("{other:?}"),
    }
}

/// What a spelling of JSON gives by the fast path and by the complete one; they must agree.
fn from_json(settings: &InputSettings, field: &str, written: &str) -> Result<Record, &'static str> {
    let block = lines_of(Topic::Transactions, purchase(field, written).as_bytes());
    let unknown = Topic::ALL
        .map(|topic| (topic, "no field".to_string(), "of any topic".to_string()))
        .to_vec();
    let [fast, complete] = [settings.aliases.clone(), unknown].map(|aliases| {
        let settings = InputSettings { aliases, ..settings.clone() };
        outcome(super::tests::parser(settings), &block)
    });
    assert_eq!(fast, complete, "{written}");
    fast
}

/// What the same gives as a cell of CSV: the text of a string, or the token.
fn from_csv(settings: &InputSettings, field: &str, written: &str) -> Result<Record, &'static str> {
    let cell = serde_json::from_str::<String>(written).unwrap_or(written.to_string());
    let header = "transaction_id,customer_id,timestamp,amount,discount_used";
    outcome(
        super::tests::parser(settings.clone()),
        &csv_of(Topic::Transactions, header, &row(field, &cell)),
    )
}

/// How a piece of a row is configured.
fn configured(piece: Option<&&str>) -> InputSettings {
    let (name, value) = piece.and_then(|piece| piece.split_once(" = ")).unwrap_or_default();
    let value = value.trim_matches('"').to_string();
    match name {
        "" => settings(),
        "time_unit" => InputSettings {
            time_unit: TimeUnit::ALL.into_iter().find(|unit| unit.name() == value),
            ..settings()
        },
        "date_format" => InputSettings { date_formats: vec![value], ..settings() },
        other => panic!("{other} is no key of this table"),
    }
}

#[test]
fn instants_are_read_as_documented() {
    let rows = rows("Instants");
    assert!(rows.len() > 20);
    for row in rows {
        let [written, with, expected] = &row[..] else { panic!("{row:?}") };
        let settings = configured(with.first());
        let expected = timestamp(expected[0]).map_err(|_| expected[0]);
        for text in written {
            let quoted = format!("\"{text}\"");
            let is_number = serde_json::from_str::<f64>(text).is_ok();
            for spelling in [Some(&quoted[..]), is_number.then_some(text)].into_iter().flatten() {
                let json =
                    from_json(&settings, "timestamp", spelling).map(|record| record.timestamp);
                assert_eq!(json, expected, "{spelling} with {with:?}");
            }
            assert_eq!(
                from_csv(&settings, "timestamp", text).map(|record| record.timestamp),
                expected,
                "{text} in CSV with {with:?}"
            );
        }
    }
}

#[test]
fn ids_are_read_as_documented() {
    for row in rows("Ids") {
        let [written, expected, in_csv] = &row[..] else { panic!("{row:?}") };
        for spelling in written {
            let found = from_json(&settings(), "transaction_id", spelling).map(|record| record.id);
            let hashed =
                if found.is_ok() { Ok(id_hash(expected[0].as_bytes())) } else { Err(expected[0]) };
            assert_eq!(found, hashed, "{spelling}");
            if let Some(expected) = in_csv.first() {
                let found =
                    from_csv(&settings(), "transaction_id", spelling).map(|record| record.id);
                assert_eq!(
                    found,
                    if found.is_ok() { Ok(id_hash(expected.as_bytes())) } else { Err(*expected) },
                    "{spelling} in CSV"
                );
            }
        }
    }
}

/// Checks a table of two columns: what is written, and the value or the reason.
fn check(heading: &str, field: &str, value: impl Fn(&Record) -> String) {
    let rows = rows(heading);
    assert!(rows.len() > 1);
    for row in rows {
        let [written, expected] = &row[..] else { panic!("{row:?}") };
        for spelling in written {
            let said = |found: Result<Record, &'static str>| {
                found.map_or_else(str::to_string, |record| value(&record))
            };
            assert_eq!(said(from_json(&settings(), field, spelling)), expected[0], "{spelling}");
            assert_eq!(
                said(from_csv(&settings(), field, spelling)),
                expected[0],
                "{spelling} in CSV"
            );
        }
    }
}

#[test]
fn customers_are_read_as_documented() {
    check("Customers", "customer_id", |record| record.customer.to_string());
}

#[test]
fn truths_are_read_as_documented() {
    check("Truths", "discount_used", |record| Purchase(record.value).discount().to_string());
}

#[test]
fn amounts_are_read_as_documented() {
    check("Numbers", "amount", |record| Purchase(record.value).amount().to_string());
}

/// The bytes of a key: hexadecimal digits after `0x`, or the text.
fn key(written: &str) -> Vec<u8> {
    match written.strip_prefix("0x") {
        Some(digits) => digits
            .as_bytes()
            .chunks(2)
            .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
            .collect(),
        None => written.as_bytes().to_vec(),
    }
}

#[test]
fn keys_of_null_records_are_read_as_documented() {
    let rows = rows("Keys of null records");
    assert!(rows.len() > 10);
    for row in rows {
        let [written, with, expected] = &row[..] else { panic!("{row:?}") };
        let alias = with.first().and_then(|piece| piece.split_once(" = "));
        let aliases = alias.map(|(here, there)| {
            (Topic::Customers, here.to_string(), there.trim_matches('"').to_string())
        });
        for text in written {
            let settings =
                InputSettings { aliases: aliases.iter().cloned().collect(), ..settings() };
            let out = parsed(
                super::tests::parser(settings),
                &super::tests::messages_of(Topic::Customers, &[(&key(text), true)]),
            );
            let found = match (&out.records[..], &out.rejected[..]) {
                ([record], []) if record.kind() == Kind::Erase => record.customer.to_string(),
                ([], [rejected]) => {
                    assert!(
                        rejected.is_erasure()
                            && out.unread_erasures == 1
                            && rejected.raw == key(text),
                        "{text}: {}",
                        rejected.detail
                    );
                    rejected.reason.word().to_string()
                }
                other => panic!("{other:?}"),
            };
            assert_eq!(found, expected[0], "{text} with {with:?}: {:?}", out.rejected);
        }
    }
}

#[test]
fn an_operation_that_erases_nobody_is_an_unread_erasure() {
    let count = |line: &str| {
        parsed(super::tests::parser(settings()), &lines_of(Topic::Customers, line.as_bytes()))
            .unread_erasures
    };
    assert_eq!(count(r#"{"op":"erase","customer_id":"abc"}"#), 1);
    assert_eq!(count(r#"{"op":" erase ","timestamp":"2024-02-29"}"#), 1);
    assert_eq!(count(r#"{"op":"erase","customer_id":1,"timestamp":"soon"}"#), 1);
    assert_eq!(count(r#"{"op":"erase","customer_id":1}"#), 0);
    assert_eq!(count(r#"{"customer_id":"abc"}"#), 0);
}

/// What is said of each topic in the table of fields: those that reject, and those that are left
/// out.
#[test]
fn fields_cost_a_record_as_documented() {
    for row in DOCUMENT.lines().filter(|line| {
        line.starts_with("| ")
            && Topic::ALL.iter().any(|topic| line.starts_with(&format!("| {} |", topic.name())))
    }) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let topic = Topic::ALL.into_iter().find(|topic| topic.name() == cells[0]).expect("a topic");
        for field in super::super::field_names(topic) {
            let is_said = cells[1..].iter().any(|cell| cell.contains(field));
            assert!(is_said, "{field} of {} is in neither column", topic.name());
            let left_out = cells[2].contains(field);
            assert_eq!(left_out, super::super::IGNORABLE.contains(&(topic, field)));
            let usual = super::tests::usual(topic);
            let spoiled: Vec<String> = usual
                .iter()
                .filter(|(name, _)| name != &field)
                .map(|(name, value)| format!("\"{name}\":{value}"))
                .collect();
            let line = format!("{{{},\"{field}\":{{\"no\":\"value\"}}}}", spoiled.join(","));
            let with = InputSettings { own_features: false, ..settings() };
            let out = parsed(super::tests::parser(with), &lines_of(topic, line.as_bytes()));
            let never_wrong = ["category", "device", "payment_method"].contains(&field)
                || (field == "campaign_name" && line.contains("action"));
            match (left_out, never_wrong) {
                (true, _) => assert_eq!(
                    (out.valid, out.ignored.get(&(topic, field))),
                    (1, Some(&1)),
                    "{line}"
                ),
                (false, true) => assert_eq!(out.valid, 1, "{line}"),
                (false, false) => assert_eq!((out.valid, out.ignored.len()), (0, 0), "{line}"),
            }
        }
    }
    let with = |own_features| {
        let line = b"{\"interaction_id\":1,\"customer_id\":2,\"timestamp\":\"2024-02-29\",\
            \"action\":1,\"features\":[1]}";
        parsed(
            super::tests::parser(InputSettings { own_features, ..settings() }),
            &lines_of(Topic::Interactions, line),
        )
    };
    assert_eq!((with(false).valid, with(true).valid), (1, 0));
}
