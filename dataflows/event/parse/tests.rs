//! What the parser takes and what it refuses, and that the fast path and the complete path say the
//! same.

mod csv;
mod fields;
mod hostile;
mod refused;
mod spellings;

use super::super::text::{customer_hash, id_hash};
use super::super::unlisted::{Code, List, name_hash};
use super::super::{Answer, Attachment, Contact, DAY, Purchase, Request};
use super::*;
use crate::event::Record;
use crate::event::parse::parsed::Parsed;
use crate::event::{Profile, Rejected};
use crate::source::{Head, Messages};
use proptest::prelude::*;

const NOON: Millis = 1_709_208_000_000; // 2024-02-29T12:00:00Z

pub(super) fn settings() -> InputSettings {
    InputSettings {
        dimension: 3,
        names: true,
        max_record: 4096,
        own_features: true,
        ..InputSettings::default()
    }
}

pub(super) fn parser(settings: InputSettings) -> Parser {
    Parser::new(Arc::new(settings), 3, customer_hash)
}

/// A parser that knows an alias, without effect, in every topic and hence never takes the fast
/// path.
fn complete_parser() -> Parser {
    let aliases = Topic::ALL
        .map(|topic| (topic, "no field".to_string(), "of any topic".to_string()))
        .to_vec();
    parser(InputSettings { aliases, ..settings() })
}

fn padded(text: &[u8]) -> Vec<u8> {
    [text, &[0; Block::PADDING]].concat()
}

pub(super) fn lines_of(topic: Topic, text: &[u8]) -> Lines {
    Lines {
        topic: topic.id(),
        partition: 5,
        format: Format::Json,
        base: 0,
        bytes: padded(text),
        length: text.len(),
    }
}

pub(super) fn csv_of(topic: Topic, header: &str, text: &str) -> Lines {
    let header = header.split(',').map(str::to_string).collect();
    Lines {
        format: Format::Csv { columns: Arc::new(header), line: 2 },
        ..lines_of(topic, text.as_bytes())
    }
}

/// Messages, stamped with noon, and whether each is null.
pub(super) fn messages_of(topic: Topic, messages: &[(&[u8], bool)]) -> Messages {
    let (mut bytes, mut heads) = (Vec::new(), Vec::new());
    for (position, (message, null)) in (100..).zip(messages) {
        let (start, length) = (bytes.len() as u32, message.len() as u32);
        heads.push(Head { position, timestamp: NOON, start, length, null: *null, key: 0 });
        bytes.extend_from_slice(message);
    }
    Messages::new(topic.id(), 5, bytes, heads)
}

pub(super) fn parsed(mut parser: Parser, block: &(impl Clone + Into<Block>)) -> Parsed {
    let mut out = Parsed::default();
    parser.parse(&block.clone().into(), &mut out);
    assert_eq!(out.lines, out.valid + out.rejected.len() as u64);
    out
}

fn one_line(topic: Topic, line: &str) -> Parsed {
    let out = parsed(parser(settings()), &lines_of(topic, line.as_bytes()));
    assert_eq!(out.lines, 1, "{line}");
    out
}

/// A line that begins with a valid id, customer and timestamp of its topic and ends as given.
fn line_with(topic: Topic, rest: &str) -> String {
    let id = match topic {
        Topic::Transactions => "transaction_id",
        Topic::Customers => "name",
        Topic::Interactions | Topic::Rewards => "interaction_id",
        Topic::Requests => "decision_id",
    };
    format!(r#"{{"{id}": "x1", "customer_id": 42, "timestamp": "2024-02-29T12:00:00Z"{rest}}}"#)
}

/// A good record of a topic, field by field.
pub(super) fn usual(topic: Topic) -> Vec<(&'static str, &'static str)> {
    let own: &[_] = match topic {
        Topic::Transactions => &[("transaction_id", "\"x1\""), ("amount", "1")],
        Topic::Customers => &[],
        Topic::Interactions => &[("interaction_id", "\"x1\""), ("action", "1")],
        Topic::Rewards => &[("interaction_id", "\"x1\""), ("reward", "1")],
        Topic::Requests => &[("decision_id", "\"x1\"")],
    };
    [&[("customer_id", "42"), ("timestamp", "\"2024-02-29\"")], own].concat()
}

fn expected(kind: Kind, id: &str, value: u64, extra: u64) -> Record {
    Record {
        customer: 42,
        id: id_hash(id.as_bytes()),
        timestamp: NOON,
        origin: Record::origin(kind, Place::new(5, 0)),
        value,
        extra,
    }
}

/// A purchase with these codes.
fn bought(id: &str, amount: u64, codes: [Code; 3], discount: bool) -> Record {
    let (value, extra) = Purchase::coded(amount, codes, discount);
    expected(Kind::Transaction, id, value.0, extra)
}

/// A decision that was made when it was asked for, with one field otherwise than it may be.
fn answer(field: &str, value: &str) -> String {
    let fields = [
        ("action", "1"),
        ("propensity", "0.25"),
        ("expected_reward", "0.1"),
        ("uncertainty", "0.2"),
        ("scores", "[0.5, 0.3]"),
        ("alpha", "1.5"),
        ("model_version", "7"),
        ("policy", "\"linucb\""),
        ("context", "[4096, -1, 0]"),
        ("propensities", "[0.75, 0.25]"),
        ("reasons", "[null, \"excluded\"]"),
        ("factor", "2"),
        ("unit", "null"),
        ("price", "{\"of\": [\"others\"]}"),
    ];
    let written = fields
        .map(|(name, usual)| format!("\"{name}\": {}", if name == field { value } else { usual }));
    format!(", \"decided\": {{{}}}", written.join(", "))
}
