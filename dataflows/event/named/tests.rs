//! Records that are taken by name, and those that are not, with the reasons.

use super::{NamedReader, NamedRecord, NamedSettings};
use crate::event::{CustomerId, DAY, Millis, Place, Topic};
use crate::source::{Block, Format, Head, Lines, Messages};
use std::sync::Arc;

/// 2024-02-29.
const AT: Millis = 1_709_164_800_000;

type Said = NamedRecord<(u64, Option<Millis>)>;

fn read(block: impl Into<Block>) -> Vec<Said> {
    let settings = NamedSettings { max_record: 200, ..NamedSettings::default() };
    let mut said = Vec::new();
    NamedReader::new(&settings).read(
        &block.into(),
        |values| {
            let at = (!values.retracts()).then(|| values.instant("timestamp")).transpose()?;
            Ok((values.id("visit_id")?, at))
        },
        |record| said.push(record),
    );
    said
}

/// Lines of a file that begins at byte 0, or of a later part of it.
fn lines(format: Format, base: u64, text: &str) -> Lines {
    let (bytes, length) = ([text.as_bytes(), &[0; Block::PADDING]].concat(), text.len());
    Lines { topic: Topic::Rewards.id(), partition: 2, format, base, bytes, length }
}

/// A message with a key, sent at an instant.
fn message(text: &str, key: &str, sent: Millis, null: bool) -> Messages {
    let head = Head {
        position: 7,
        timestamp: sent,
        start: 0,
        length: text.len() as u32,
        null,
        key: key.len() as u16,
    };
    let bytes = [text, "\n", key].concat().into_bytes();
    Messages::new(Topic::Rewards.id(), 2, bytes, vec![head])
}

fn one(text: &str) -> Said {
    read(message(text, "", AT, false)).remove(0)
}

/// The reason, what is said of it, whose it is, and of when.
fn refused(said: &Said) -> (&'static str, &str, Option<(CustomerId, Millis)>) {
    let NamedRecord::Rejected(rejected) = said else { panic!("{said:?} is taken") };
    let whose = rejected.whose.map(|whose| (whose.customer, whose.dated));
    (rejected.reason.word(), &rejected.detail, whose)
}

#[test]
fn values_are_read_by_name_in_every_form() {
    let id = |text: &str| crate::event::text::id_hash(text.as_bytes());
    let place = Place::new(2, 7);
    let came = |at| NamedRecord::Event(17, place, (id("v1"), at));
    for (text, said) in [
        (r#"{"customer_id":17,"visit_id":"v1","timestamp":1709164800000}"#, came(Some(AT))),
        (
            r#"{"op":"upsert","customer_id":"17","visit_id":" v1","timestamp":"2024-02-29"}"#,
            came(Some(AT)),
        ),
        (
            r#" {"customer_id":17.0,"visit_id":9,"visit_id":"v1","timestamp":"2024-02-29"}"#,
            came(Some(AT)),
        ),
        (r#"{"customer_\u0069d":17,"visit_id":"v1","op":" retract "}"#, came(None)),
        (
            r#"{"customer_id":17,"op":"erase","timestamp":"2024-02-29"}"#,
            NamedRecord::Erase(17, place, AT),
        ),
        (r#"{"customer_id":17,"op":"erase"}"#, NamedRecord::Erase(17, place, Millis::MAX)),
        (
            r#"{"customer_id":17,"visit_id":536365.0,"timestamp":1709164800000}"#,
            NamedRecord::Event(17, place, (id("536365"), Some(AT))),
        ),
    ] {
        assert_eq!(one(text), said, "{text}");
    }
}

#[test]
fn what_cannot_be_taken_says_why_and_whose_it_is() {
    let long = format!(r#"{{"customer_id":17,"x":"{}"}}"#, "x".repeat(200));
    for (text, reason, detail, whose) in [
        ("nothing", "malformed", "expected", None),
        ("[17]", "malformed", "JSON object", None),
        (r#"{"customer_id":17,"visit_id":"v1","#, "malformed", "EOF", Some((17, AT))),
        (r#"{"customer_id":17} {}"#, "malformed", "trailing", Some((17, AT))),
        (&long, "too_long", "the limit is 200", Some((17, AT))),
        (r#"{"visit_id":"v1"}"#, "missing_field", "customer_id is missing", None),
        (r#"{"customer_id":-1}"#, "bad_field", "customer_id: -1", None),
        (
            r#"{"customer_id":17,"visit_id":null,"timestamp":"2024-02-28"}"#,
            "missing_field",
            "visit_id is missing",
            Some((17, AT - DAY)),
        ),
        (
            r#"{"customer_id":17,"visit_id":[],"timestamp":1}"#,
            "not_milliseconds",
            "time_unit",
            Some((17, AT)),
        ),
        (
            r#"{"customer_id":17,"visit_id":[],"timestamp":"2024-02-29"}"#,
            "bad_field",
            "visit_id: \
            []",
            Some((17, AT)),
        ),
        (
            r#"{"customer_id":17,"visit_id":"v1","timestamp":"2024-03-02"}"#,
            "bad_timestamp",
            "too far past",
            Some((17, AT)),
        ),
        (
            r#"{"customer_id":17,"visit_id":"v1","timestamp":"2024-02-29","op":"delete"}"#,
            "bad_op",
            "op: delete",
            Some((17, AT)),
        ),
        (
            r#"{"customer_id":17,"op":"erase","timestamp":"soon"}"#,
            "bad_field",
            "this erasure is \
            not done",
            Some((17, AT)),
        ),
    ] {
        let said = one(text);
        let (found, says, whom) = refused(&said);
        assert_eq!((found, whom), (reason, whose), "{text}: {says}");
        assert!(says.contains(detail), "{text}: {says}");
    }
    let keyed = read(message("{", "17", -1, false));
    assert_eq!(refused(&keyed[0]).2, Some((17, Millis::MIN)));
    let null = read(message("17", "", AT, true));
    assert_eq!(refused(&null[0]), ("malformed", "the value is null", Some((17, AT))));
}

#[test]
fn a_null_record_erases_whom_its_key_names_where_its_topic_says_so() {
    let erasing = |key, sent| {
        let messages = message(key, "", sent, true);
        read(Messages { topic: Topic::Customers.id(), ..messages }).remove(0)
    };
    let place = Place::new(2, 7);
    assert_eq!(erasing("17", AT), NamedRecord::Erase(17, place, AT));
    assert_eq!(erasing("17", -1), NamedRecord::Erase(17, place, Millis::MAX));
    let unread = erasing("seventeen", AT);
    let NamedRecord::Rejected(rejected) = &unread else { panic!("{unread:?} is taken") };
    assert!(rejected.is_erasure() && rejected.whose.is_none());
}

#[test]
fn files_are_read_line_by_line_and_row_by_row() {
    let line = r#"{"customer_id":1,"visit_id":1,"timestamp":"2024-02-29"}"#;
    let text = format!("\u{feff}{line}\r\n\n{line}\nno\n{line}");
    let said = read(lines(Format::Json, 0, &text));
    let places: Vec<u64> = said
        .iter()
        .map(|said| match said {
            NamedRecord::Event(1, place, _) => place.position(),
            NamedRecord::Rejected(rejected) => rejected.place.position(),
            other => panic!("{other:?}"),
        })
        .collect();
    let length = line.len() as u64;
    assert_eq!(places, [3, length + 6, 2 * length + 7, 2 * length + 10]);
    assert!(matches!(said[2], NamedRecord::Rejected(_)));
    let columns = ["customer_id", "visit_id", "timestamp", "op"].map(str::to_string).to_vec();
    let csv = Format::Csv { columns: Arc::new(columns), line: 2 };
    let rows = "1,\"v\n2\",2024-02-29,\n\n1,v,,retract\n1,v\n";
    let said = read(lines(csv, 100, rows));
    let id = crate::event::text::id_hash;
    assert_eq!(said[0], NamedRecord::Event(1, Place::new(2, 100), (id(b"v\n2"), Some(AT))));
    assert_eq!(said[1], NamedRecord::Event(1, Place::new(2, 121), (id(b"v"), None)));
    assert_eq!(refused(&said[2]), ("malformed", "the row has 2 columns, not 4", None));
}
