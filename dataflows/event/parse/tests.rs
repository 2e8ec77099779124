//! What the parser takes and what it refuses, and that the fast path and the complete path say the
//! same.

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

#[test]
fn purchases_are_read_in_any_spelling() {
    let full = bought("x1", 1234, [1, 0, 2].map(Code::listed), true);
    let tail = r#", "category": "Fashion", "device": "Mobile", "payment_method": "E-wallet", "discount_used": true"#;
    let shouted = r#", "category": "FASHION", "device": "mobile", "payment_method": "e-WALLET", "discount_used": true, "x": [{}]"#;
    for amount in ["12.34", "1234e-2", "\" +12.340 \"", "12.335000000000000000001", "12.345"] {
        for tail in [tail, shouted] {
            let out = one_line(
                Topic::Transactions,
                &line_with(Topic::Transactions, &format!(r#", "amount": {amount}{tail}"#)),
            );
            assert_eq!(out.records, [full], "{amount} {:?}", out.rejected);
            assert_eq!(out.high, Some(NOON));
        }
    }
    let bare = bought("x1", 500, [Code::NONE; 3], false);
    for rest in [
        r#", "amount": 5"#,
        r#", "amount": 5.0, "category": null, "device": " ", "discount_used": false"#,
    ] {
        let out = one_line(Topic::Transactions, &line_with(Topic::Transactions, rest));
        assert_eq!((out.records, out.unlisted), (vec![bare], vec![]));
    }
}

#[test]
fn a_name_that_is_not_listed_is_told_and_has_its_own_code() {
    let of = |name: &str| Code::of_name(name_hash(name));
    let read = [bought("x1", 500, [of("games"), of("7"), Code::listed(1)], false)];
    let told = [(List::Categories, name_hash("games")), (List::Devices, name_hash("7"))];
    let usual =
        r#", "amount": 5, "category": " Games ", "device": "7", "payment_method": "Debit Card""#;
    let unusual =
        r#", "payment_method": "DEBIT CARD", "device": 7, "category": "\u0047AMES", "amount": 5.0"#;
    for rest in [usual, unusual] {
        let out = one_line(Topic::Transactions, &line_with(Topic::Transactions, rest));
        assert_eq!((&out.records[..], &out.unlisted[..]), (&read[..], &told[..]), "{rest}");
    }
    // Once by one parser, and of records that are taken.
    let mut parser = parser(settings());
    let lines =
        |lines: &[&str]| Block::from(lines_of(Topic::Transactions, lines.join("\n").as_bytes()));
    let line = |rest: &str| line_with(Topic::Transactions, rest);
    let mut told = Vec::new();
    for block in [
        lines(&[&line(usual), &line(unusual)]),
        lines(&[&line(unusual), &line(r#", "amount": -1, "category": "Toys""#)]),
    ] {
        let mut out = Parsed::default();
        parser.parse(&block, &mut out);
        told.push(out.unlisted.len());
    }
    assert_eq!(told, [2, 0]);
    // Of a list that is too long nothing is known of others.
    let devices = (0..=Code::LONGEST).map(|number| format!("device {number}")).collect();
    let out = parsed(
        Parser::new(Arc::new(InputSettings { devices, ..settings() }), 1, |_| 0),
        &lines(&[&line(usual)]),
    );
    assert_eq!(
        out.records,
        [bought("x1", 500, [of("games"), Code::UNKNOWN, Code::listed(1)], false)]
    );
    assert_eq!(out.unlisted, [(List::Categories, name_hash("games"))]);
}

#[test]
fn a_number_and_its_text_are_the_same_id() {
    for id in ["17", "\"17\"", "\"\\u0031\\u0037\""] {
        for customer in ["42", "\"42\"", "\"0042\""] {
            let line = format!(
                r#"{{"transaction_id":{id},"customer_id":{customer},"timestamp":1709208000000,"amount":1}}"#
            );
            let record = bought("17", 100, [Code::NONE; 3], false);
            assert_eq!(one_line(Topic::Transactions, &line).records, [record], "{line}");
        }
    }
}

#[test]
fn interactions_are_read_with_what_is_attached() {
    let topic = Topic::Interactions;
    let half = 0.5_f64.to_bits();
    let one = 1.0_f64.to_bits();
    for (rest, value, extra) in [
        (r#", "action": 2"#, Contact::new(2, None, false), one),
        (r#", "action": "push", "reward": null"#, Contact::new(2, None, false), one),
        (
            r#", "campaign_name": "Direct Mail", "reward": -0.40, "propensity": 0.5"#,
            Contact::new(3, Some(-26214), false),
            half,
        ),
        (
            r#", "action": 1, "reward": 1e7, "propensity": 5e-1"#,
            Contact::new(1, Some(655_360_000_000), false),
            half,
        ),
        (r#", "action": 0, "decision_id": 9"#, Contact::new(0, None, true), one),
    ] {
        let out = one_line(topic, &line_with(topic, rest));
        assert_eq!(
            out.records,
            [expected(Kind::Interaction, "x1", value.0, extra)],
            "{rest} {:?}",
            out.rejected
        );
        assert_eq!((out.asides.len() == 1, out.high), (value.attached(), Some(NOON)));
    }
    let out = one_line(
        topic,
        &line_with(
            topic,
            r#", "action": 0, "features": [1, -9e9, 0.50012], "template_id": 3, "decision_id": "d""#,
        ),
    );
    let attachment = Attachment {
        features: Some(vec![4096, -32768, 2048]),
        template: Some("3".to_string()),
        decision: Some(id_hash(b"d")),
    };
    let attachment = Box::new(attachment);
    assert_eq!(
        out.asides,
        [Aside::Attachment {
            customer: 42,
            id: id_hash(b"x1"),
            place: Place::new(5, 0),
            attachment
        }]
    );
}

#[test]
fn rewards_are_known_by_their_own_id_or_that_of_their_interaction() {
    let topic = Topic::Rewards;
    for (rest, id) in [
        (r#", "reward": 400"#, "x1"),
        (r#", "reward": 400, "reward_id": "r""#, "r"),
        (r#", "reward": 4e2, "reward_id": null"#, "x1"),
    ] {
        let out = one_line(topic, &line_with(topic, rest));
        assert_eq!(out.records, [expected(Kind::Reward, id, 400 << 16, id_hash(b"x1"))]);
        assert_eq!(out.high, None);
    }
}

#[test]
fn requests_keep_their_id_as_text() {
    let topic = Topic::Requests;
    let out =
        one_line(topic, &line_with(topic, r#", "exclude": ["sms", 3], "features": [0, 1, 2.5]"#));
    let request = Request {
        decision: "x1".to_string(),
        timestamp: NOON,
        exclude: vec![1, 3],
        features: Some(vec![0, 4096, 10240]),
        decided: None,
    };
    let request = Box::new(request);
    assert_eq!(
        out.asides,
        [Aside::Request { customer: 42, place: Place::new(5, 0), request }],
        "{:?}",
        out.rejected
    );
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
        ("unit", "{\"of\": [\"others\"]}"),
    ];
    let written = fields
        .map(|(name, usual)| format!("\"{name}\": {}", if name == field { value } else { usual }));
    format!(", \"decided\": {{{}}}", written.join(", "))
}

#[test]
fn a_decision_that_was_made_comes_with_its_request() {
    let expected = Answer {
        arm: 1,
        propensity: 0.25,
        expected_reward: 0.1,
        uncertainty: 0.2,
        scores: vec![0.5, 0.3],
        alpha: 1.5,
        model_version: 7,
        policy: "linucb".to_string(),
        context: vec![4096, -1, 0],
    };
    for (field, value) in [("", ""), ("action", "\"SMS\""), ("policy", "\"lin\\u0075cb\"")] {
        let out = one_line(Topic::Requests, &line_with(Topic::Requests, &answer(field, value)));
        let [Aside::Request { request, .. }] = &out.asides[..] else {
            panic!("{:?}", out.rejected)
        };
        assert_eq!(request.decided.as_ref(), Some(&expected));
    }
}

#[test]
fn profiles_may_lack_everything() {
    let nothing = Profile {
        from: Millis::MIN,
        signup: Millis::MIN,
        email_open_rate: 0.0,
        complaint_count: 0.0,
        avg_discount: 0.0,
        premium: false,
    };
    let everything = Profile {
        from: NOON,
        signup: NOON - DAY / 2,
        email_open_rate: 0.25,
        complaint_count: 3.0,
        avg_discount: 1.0,
        premium: true,
    };
    let empty = r#"{"customer_id":42,"signup_date":"","age":null,"email_open_rate":null,"complaint_count":"","timestamp":""}"#;
    let full = r#"{"customer_id": 42, "signup_date": "2024-02-29", "city": "Pune", "age": 31, "email_open_rate": 0.25,
        "is_premium_member": true, "complaint_count": 3, "avg_discount_used": 1, "last_login_days": 7, "timestamp": 1709208000000}"#;
    for (line, profile) in [
        (r#"{"customer_id": 42}"#, nothing),
        (empty, nothing),
        (&full.replace('\n', " "), everything),
    ] {
        assert_eq!(
            one_line(Topic::Customers, line).asides,
            [Aside::Profile { customer: 42, place: Place::new(5, 0), profile }],
            "{line}"
        );
    }
}

#[test]
fn a_retraction_needs_no_more_than_customer_and_id() {
    for (topic, kind, id) in [
        (Topic::Transactions, Kind::RetractTransaction, "transaction_id"),
        (Topic::Interactions, Kind::RetractInteraction, "interaction_id"),
        (Topic::Rewards, Kind::RetractReward, "interaction_id"),
        (Topic::Rewards, Kind::RetractReward, "reward_id"),
    ] {
        let line = format!(
            r#"{{"op": "retract", "{id}": "x1", "customer_id": 42, "amount": "none", "reward": [], "timestamp": 7.5}}"#
        );
        let out = one_line(topic, &line);
        assert_eq!(out.records, [Record { timestamp: 0, ..expected(kind, "x1", 0, 0) }]);
        let [Aside::Doubtful { customer: 42, rejected }] = &out.asides[..] else {
            panic!("{:?}", out.asides)
        };
        assert_eq!(
            (rejected.reason, &rejected.raw[..], rejected.place),
            (Reason::UnknownId, line.as_bytes(), Place::new(5, 0))
        );
        assert_eq!(out.high, None);
    }
}

#[test]
fn what_concerns_folded_events_comes_with_its_bytes() {
    let at = |topic: Topic, events: Millis, rewards: Millis, rest: &str| {
        let line = line_with(topic, rest);
        let both = [parser(settings()), complete_parser()].map(|mut parser| {
            parser.set_horizon(Horizon { events, rewards });
            parsed(parser, &lines_of(topic, line.as_bytes()))
        });
        let [quick, complete] = &both;
        assert_eq!(
            (&quick.records, &quick.asides, quick.high),
            (&complete.records, &complete.asides, complete.high),
            "{line}"
        );
        let [quick, _] = both;
        let note = quick.asides.first().map(|aside| match aside {
            Aside::Past { customer: 42, timestamp: NOON, rejected } => {
                ("past", (**rejected).clone())
            }
            Aside::Doubtful { customer: 42, rejected } => ("doubtful", (**rejected).clone()),
            other => panic!("{other:?}"),
        });
        let note = note.map(|(what, rejected)| {
            assert_eq!(
                (rejected.topic, rejected.place, rejected.reason, &rejected.raw[..]),
                (topic.id(), Place::new(5, 0), Reason::PastHistory, line.as_bytes())
            );
            what
        });
        (quick.records.len(), note, quick.high)
    };
    let purchase = r#", "amount": 1"#;
    assert_eq!(at(Topic::Transactions, NOON, NOON, purchase), (1, None, Some(NOON)));
    assert_eq!(
        at(Topic::Transactions, NOON + 1, NOON + 1, purchase),
        (0, Some("past"), Some(NOON))
    );
    for contact in
        [r#", "action": 1"#, r#", "action": 1, "template_id": "t"}"#.trim_end_matches('}')]
    {
        assert_eq!(
            at(Topic::Interactions, NOON + 1, NOON + 1, contact),
            (0, Some("past"), Some(NOON))
        );
    }
    let reward = r#", "reward": 1"#;
    assert_eq!(at(Topic::Rewards, NOON - DAY, NOON, reward), (1, None, None));
    assert_eq!(at(Topic::Rewards, NOON - DAY, NOON + 1, reward), (1, Some("doubtful"), None));
    assert_eq!(at(Topic::Requests, NOON + 1, NOON + 1, ""), (0, Some("past"), None));
    let mut late = parser(settings());
    late.set_horizon(Horizon { events: NOON + 1, rewards: NOON + 1 });
    let profile =
        parsed(late, &lines_of(Topic::Customers, line_with(Topic::Customers, "").as_bytes()));
    assert!(
        matches!(&profile.asides[..], [Aside::Profile { profile: Profile { from: NOON, .. }, .. }]),
        "profiles are always taken"
    );
}

#[test]
fn erasures_come_as_operations_and_as_null_messages() {
    let erased = |timestamp| Record { id: 0, timestamp, ..expected(Kind::Erase, "", 0, 0) };
    let forever = r#"{"customer_id": 42, "op": "erase"}"#;
    assert_eq!(one_line(Topic::Customers, forever).records, [erased(Millis::MAX)]);
    let dated = r#"{"customer_id": "42", "op": "erase", "timestamp": "2024-02-29 12:00:00"}"#;
    assert_eq!(one_line(Topic::Customers, dated).records, [erased(NOON)]);
    let keys: [(&[u8], bool); 6] = [
        (b"42", true),
        (b" \"42\" ", true),
        (b"", true),
        (b"x", true),
        (b"\"4", true),
        (b"\xff", true),
    ];
    let out = parsed(parser(settings()), &messages_of(Topic::Customers, &keys));
    assert_eq!(
        out.records,
        [100, 101].map(|position| Record {
            origin: Record::origin(Kind::Erase, Place::new(5, position)),
            ..erased(NOON)
        })
    );
    let reasons: Vec<_> = out.rejected.iter().map(|rejected| rejected.reason).collect();
    assert_eq!(
        reasons,
        [Reason::MissingField, Reason::BadField, Reason::BadField, Reason::Malformed]
    );
    let out = parsed(
        parser(settings()),
        &messages_of(Topic::Transactions, &[(b"42", true), (b"", false)]),
    );
    assert!(
        out.rejected.iter().all(|rejected| rejected.reason == Reason::Malformed)
            && out.rejected.len() == 2
    );
}

#[test]
fn each_broken_rule_has_its_reason() {
    use Reason::*;
    use Topic::*;
    let amount = r#", "amount": 1"#;
    for (topic, rest, reason) in [
        (Transactions, "", MissingField),
        (Transactions, r#", "amount": null"#, MissingField),
        (Transactions, r#", "amount": -0.01"#, BadAmount),
        (Transactions, r#", "amount": "NaN""#, BadAmount),
        (Transactions, r#", "amount": NaN"#, Malformed),
        (Transactions, r#", "amount": 10000000000.01"#, BadAmount),
        (Transactions, r#", "amount": 1e400"#, BadAmount),
        (Transactions, r#", "amount": true"#, BadAmount),
        (Transactions, r#", "amount": 1, "op": "erase""#, BadOp),
        (Transactions, r#", "amount": 1, "op": "Insert""#, BadOp),
        (Transactions, r#", "amount": 1, "op": 7"#, BadOp),
        (Transactions, r#", "amount": 1, "customer_id": -1"#, BadField),
        (Transactions, r#", "amount": 1, "customer_id": 9223372036854775808"#, BadField),
        (Transactions, r#", "amount": 1, "customer_id": 7.5"#, BadField),
        (Transactions, r#", "amount": 1, "customer_id": -7.0"#, BadField),
        (Transactions, r#", "amount": 1, "customer_id": 9007199254740992.0"#, BadField),
        (Transactions, r#", "amount": 1, "customer_id": " ""#, BadField),
        (Transactions, r#", "amount": 1, "transaction_id": " ""#, BadField),
        (Transactions, r#", "amount": 1, "transaction_id": 9007199254740992.0"#, BadField),
        (Transactions, r#", "amount": 1, "customer_id": null"#, MissingField),
        (Transactions, r#", "amount": 1, "transaction_id": """#, BadField),
        (Transactions, r#", "amount": 1, "transaction_id": 1.5"#, BadField),
        (Transactions, r#", "amount": 1, "transaction_id": ["x"]"#, BadField),
        (Transactions, r#", "amount": 1, "timestamp": "2023-02-29""#, BadField),
        (Transactions, r#", "amount": 1, "timestamp": "12/1/2010 8:26""#, BadField),
        (Transactions, r#", "amount": 1, "timestamp": 1709208000"#, NotMilliseconds),
        (Transactions, r#", "amount": 1, "timestamp": "1709208000.5""#, NotMilliseconds),
        (Transactions, r#", "amount": 1, "timestamp": 0"#, NotMilliseconds),
        (Transactions, r#", "amount": 1, "timestamp": 1709208000000000"#, BadTimestamp),
        (Customers, r#", "signup_date": 1709208000"#, NotMilliseconds),
        (Transactions, r#", "amount": 1, "timestamp": -1"#, BadTimestamp),
        (Transactions, r#", "amount": 1, "timestamp": "2100-01-01""#, BadTimestamp),
        (Transactions, r#", "amount": 1, "discount_used": 2"#, BadField),
        (Transactions, r#", "amount": 1, "discount_used": "on""#, BadField),
        (Transactions, r#", "amount": 1, "discount_used": """#, BadField),
        (Transactions, r#", "amount": -1, "timestamp": -1, "op": "undo""#, BadOp),
        (Transactions, r#", "amount": -1, "timestamp": -1"#, BadTimestamp),
        (Customers, r#", "op": "retract""#, BadOp),
        (Customers, r#", "email_open_rate": 1.01"#, BadField),
        (Customers, r#", "avg_discount_used": -0.01"#, BadField),
        (Customers, r#", "complaint_count": -1"#, BadField),
        (Customers, r#", "complaint_count": 1e999"#, BadField),
        (Customers, r#", "is_premium_member": "maybe""#, BadField),
        (Customers, r#", "is_premium_member": -1"#, BadField),
        (Customers, r#", "signup_date": "soon""#, BadField),
        (Customers, r#", "signup_date": "1950-01-01""#, BadTimestamp),
        (Interactions, "", MissingField),
        (Interactions, r#", "action": 4"#, UnknownArm),
        (Interactions, r#", "action": -1"#, UnknownArm),
        (Interactions, r#", "action": 99999999999999999999999"#, UnknownArm),
        (Interactions, r#", "action": "Fax""#, UnknownArm),
        (Interactions, r#", "campaign_name": "Fax""#, UnknownArm),
        (Interactions, r#", "action": 1.5"#, BadField),
        (Interactions, r#", "action": 4.0"#, UnknownArm),
        (Interactions, r#", "action": "4""#, UnknownArm),
        (Interactions, r#", "action": 1, "reward": 10000000.1"#, BadReward),
        (Interactions, r#", "action": 1, "reward": "5 %""#, BadReward),
        (Interactions, r#", "action": 1, "reward": "inf""#, BadReward),
        (Interactions, r#", "action": 1, "propensity": 0"#, BadPropensity),
        (Interactions, r#", "action": 1, "propensity": 1e-400"#, BadPropensity),
        (Interactions, r#", "action": 1, "propensity": 1.0000001"#, BadPropensity),
        (Interactions, r#", "action": 1, "propensity": "x""#, BadField),
        (Interactions, r#", "action": 1, "features": [1, 2]"#, BadField),
        (Interactions, r#", "action": 1, "features": [1, 2, null]"#, BadField),
        (Interactions, r#", "action": 1, "features": {"a": 1}"#, BadField),
        (Rewards, "", MissingField),
        (Rewards, r#", "reward": -1e8"#, BadReward),
        (Rewards, r#", "reward": 1, "interaction_id": null, "reward_id": 4"#, MissingField),
        (Requests, r#", "op": "retract""#, BadOp),
        (Requests, r#", "exclude": [4]"#, UnknownArm),
        (Requests, r#", "exclude": "SMS""#, BadField),
        (Requests, r#", "exclude": [null]"#, BadField),
        (Requests, r#", "decision_id": null"#, MissingField),
        (Requests, r#", "decided": true"#, BadField),
        (Requests, r#", "decided": []"#, BadField),
        (Requests, &answer("action", "\"Fax\""), UnknownArm),
        (Requests, &answer("action", "4"), UnknownArm),
        (Requests, &answer("action", "null"), MissingField),
        (Requests, &answer("action", "[1]"), BadField),
        (Requests, &answer("propensity", "0"), BadPropensity),
        (Requests, &answer("propensity", "1.5"), BadPropensity),
        (Requests, &answer("propensity", "null"), BadField),
        (Requests, &answer("context", "[1, 2]"), BadField),
        (Requests, &answer("context", "[1, 2, 40000]"), BadField),
        (Requests, &answer("context", "[1, 2, 0.5]"), BadField),
        (Requests, &answer("scores", "[0.5]"), BadField),
        (Requests, &answer("scores", "[1, 2, 3, 4, 5]"), BadField),
        (Requests, &answer("scores", "[1, 1e999]"), BadField),
        (Requests, &answer("model_version", "-1"), BadField),
        (Requests, &answer("model_version", "9223372036854775808"), BadField),
        (Requests, &answer("uncertainty", "-0.1"), BadField),
        (Requests, &answer("policy", "\"\""), BadField),
        (Requests, r#", "decided": {"action": 1}"#, MissingField),
        (Requests, &format!(r#", "x": "{}""#, "y".repeat(5000)), TooLong),
        (Transactions, &format!("{amount}}} {{"), Malformed),
    ] {
        let line = line_with(topic, rest);
        let out = one_line(topic, &line);
        let [rejected] = &out.rejected[..] else { panic!("{line} was taken") };
        assert_eq!(
            (rejected.reason, rejected.topic, &rejected.raw[..]),
            (reason, topic.id(), line.as_bytes()),
            "{line}: {}",
            rejected.detail
        );
        assert_eq!((out.records.len(), out.asides.len(), out.high), (0, 0, None));
    }
}

#[test]
fn of_messages_without_a_head_nothing_is_read() {
    let line = r#"{"transaction_id":1,"customer_id":2,"timestamp":1709164800000,"amount":1}"#;
    let mut block =
        messages_of(Topic::Transactions, &[(line.as_bytes(), false), (b"not a record", false)]);
    let all = parsed(parser(settings()), &block);
    assert_eq!((all.lines, all.valid), (2, 1));
    block.heads.clear();
    let none = parsed(parser(settings()), &block);
    assert_eq!((none.lines, none.records.len(), none.rejected.len(), none.high), (0, 0, 0, None));
}

#[test]
fn only_messages_can_be_too_far_in_the_future() {
    let line = |timestamp: Millis| {
        format!(r#"{{"transaction_id":1,"customer_id":2,"timestamp":{timestamp},"amount":1}}"#)
    };
    let (near, far) = (line(NOON + DAY), line(NOON + DAY + 1));
    let mut block =
        messages_of(Topic::Transactions, &[(near.as_bytes(), false), (far.as_bytes(), false)]);
    let out = parsed(parser(settings()), &block);
    assert_eq!(
        (out.valid, out.high, out.rejected[0].reason),
        (1, Some(NOON + DAY), Reason::BadTimestamp)
    );
    block.heads.iter_mut().for_each(|head| head.timestamp = -1);
    assert_eq!(parsed(parser(settings()), &block).valid, 2);
    assert_eq!(parsed(parser(settings()), &lines_of(Topic::Transactions, far.as_bytes())).valid, 1);
}

#[test]
fn lines_stand_where_they_start() {
    let line = r#"{"transaction_id":"a","customer_id":2,"timestamp":"2024-01-01","amount":1}"#;
    let text = format!("\u{feff}{line}\r\n\n  \t\r\n {line} \n\r\n{line}");
    let lines = lines_of(Topic::Transactions, text.as_bytes());
    let places = |out: Parsed| {
        out.records.iter().map(|record| record.place().position()).collect::<Vec<_>>()
    };
    let length = line.len() as u64;
    let starts = [3, 3 + length + 8, 3 + length + 8 + length + 5];
    assert_eq!(places(parsed(parser(settings()), &lines)), starts);
    let out = parsed(parser(settings()), &Lines { base: 1000, ..lines });
    assert_eq!((out.rejected[0].reason, out.valid), (Reason::Malformed, 2));
    assert_eq!(places(out), [1000 + starts[1], 1000 + starts[2]]);
}

#[test]
fn csv_says_what_json_says() {
    let header = "customer_id,transaction_id,amount,timestamp,category,discount_used,device,note";
    let rows = "42,x1, 12.345 ,2024-02-29 12:00:00,\"fashion\",TRUE,,\"a, \
        \"\"b\"\"\n{c}\"\r\n\n42,x1,1,1709208000000,,0,Mobile,\n1,2,3\n42,,1,2024-02-29,,,,\n\
                42,x,1,2024-02-29,,maybe,,\n";
    let out = parsed(parser(settings()), &csv_of(Topic::Transactions, header, rows));
    let first = bought("x1", 1234, [Code::listed(1), Code::NONE, Code::NONE], true);
    let place = Place::new(5, rows.find("42,x1,1,").unwrap() as u64);
    let second = Record {
        origin: Record::origin(Kind::Transaction, place),
        ..bought("x1", 100, [Code::NONE, Code::listed(0), Code::NONE], false)
    };
    assert_eq!(out.records, [first, second]);
    let reasons: Vec<_> = out
        .rejected
        .iter()
        .map(|rejected| (rejected.reason, String::from_utf8_lossy(&rejected.raw)))
        .collect();
    let expected = [
        (Reason::Malformed, "1,2,3"),
        (Reason::MissingField, "42,,1,2024-02-29,,,,"),
        (Reason::BadField, "42,x,1,2024-02-29,,maybe,,"),
    ];
    assert_eq!(reasons, expected.map(|(reason, raw)| (reason, raw.into())));
}

#[test]
fn space_around_cells_does_not_count() {
    let out = parsed(
        parser(settings()),
        &csv_of(
            Topic::Transactions,
            "transaction_id, customer_id ,timestamp,amount,category",
            " x1 , 42, 2024-02-29 12:00:00 , 5 , Fashion\n",
        ),
    );
    assert_eq!(
        out.records,
        [bought("x1", 500, [Code::listed(1), Code::NONE, Code::NONE], false)],
        "{:?}",
        out.rejected
    );
    let out = parsed(
        parser(settings()),
        &csv_of(
            Topic::Interactions,
            "interaction_id,customer_id,timestamp,action,op",
            "x1, 42, 1709208000000, SMS, insert\n",
        ),
    );
    assert_eq!(
        out.records,
        [expected(Kind::Interaction, "x1", Contact::new(1, None, false).0, 1.0_f64.to_bits())],
        "{:?}",
        out.rejected
    );
}

#[test]
fn a_stray_quote_loses_its_line_and_no_other() {
    let header = "transaction_id,customer_id,timestamp,amount,note";
    let good = |id: &str| format!("{id},42,2024-02-29,1,fine");
    for end in ["\n", "\r\n", "\r"] {
        for stray in ["S,42,2024-02-29,1,\"oops", "S,42,\"2024-02-29,1,x", "\"S,42,2024-02-29,1,x"]
        {
            for closing in [
                "C,42,2024-02-29,1,5\" pipe",
                "C,42,2024-02-29,1,\"fine\"",
                "C,42,2024-02-29,1,\"two, words\"",
            ] {
                let rows = [&good("A"), stray, &good("B"), closing, &good("D"), "1,2"];
                let out = parsed(
                    parser(settings()),
                    &csv_of(Topic::Transactions, header, &rows.join(end)),
                );
                let ids: Vec<u64> = out.records.iter().map(|record| record.id).collect();
                assert_eq!(
                    ids,
                    ["A", "B", "C", "D"].map(|id| id_hash(id.as_bytes())),
                    "{rows:?}: {:?}",
                    out.rejected
                );
                let lost: Vec<(&[u8], bool)> = out
                    .rejected
                    .iter()
                    .map(|rejected| (&rejected.raw[..], rejected.detail.contains("quote")))
                    .collect();
                assert_eq!(lost, [(stray.as_bytes(), true), (&b"1,2"[..], false)]);
                assert!(
                    out.rejected[0].detail.ends_with("(line 3)")
                        && out.rejected[1].detail.ends_with("(line 7)"),
                    "{:?}",
                    out.rejected
                );
            }
        }
    }
    let notes =
        "A,42,2024-02-29,1,\"two\nlines, and, 7, more,\"\nB,42,2024-02-29,1,\"x\n,,,,\n5\"\n";
    let out = parsed(parser(settings()), &csv_of(Topic::Transactions, header, notes));
    assert_eq!(
        (out.records.len(), out.rejected.len()),
        (2, 0),
        "cells may have several lines: {:?}",
        out.rejected
    );
    let profiles = |text: &str| {
        parsed(parser(settings()), &csv_of(Topic::Customers, "customer_id,note", text))
    };
    assert_eq!(profiles("7,\"to buy:\nbread\n2, or 3, eggs\n\"\n").asides.len(), 1);
    assert_eq!(profiles("7,\"oops\n8,fine\n9,\"fine\"\n").asides.len(), 2);
}

#[test]
fn columns_that_nothing_reads_may_be_of_any_encoding() {
    let header = "transaction_id,customer_id,timestamp,amount,note";
    let block = |row: &[u8]| {
        let columns = Arc::new(header.split(',').map(str::to_string).collect());
        Lines { format: Format::Csv { columns, line: 2 }, ..lines_of(Topic::Transactions, row) }
    };
    assert_eq!(parsed(parser(settings()), &block(b"A,42,2024-02-29,1,\xa35 off")).valid, 1);
    assert_eq!(
        parsed(parser(settings()), &block(b"\xa3,42,2024-02-29,1,x")).rejected[0].reason,
        Reason::Malformed
    );
}

#[test]
fn csv_reads_arms_lists_and_numbers_from_cells() {
    let header = "interaction_id,customer_id,timestamp,action,reward,propensity,features";
    let rows = "x1,42,2024-02-29T12:00:00Z,sms,-0.5,0.5,\"[1,2,3]\"\nx1,42,2024-02-29T12:00:00Z,1,nan,,\nx1,42,2024-02-29T12:00:00Z,1,,inf,\n";
    let out = parsed(parser(settings()), &csv_of(Topic::Interactions, header, rows));
    assert_eq!(
        out.records,
        [expected(
            Kind::Interaction,
            "x1",
            Contact::new(1, Some(-32768), true).0,
            0.5_f64.to_bits()
        )]
    );
    let reasons: Vec<_> = out.rejected.iter().map(|rejected| rejected.reason).collect();
    assert_eq!(reasons, [Reason::BadReward, Reason::BadPropensity]);
    let message = messages_of(Topic::Customers, &[(b"42,erase", false), (b"1,\n2,", false)]);
    let block = Messages {
        format: Format::Csv {
            columns: Arc::new(vec!["customer_id".to_string(), "op".to_string()]),
            line: 1,
        },
        ..message
    };
    let out = parsed(parser(settings()), &block);
    assert_eq!((out.records[0].kind(), out.rejected[0].reason), (Kind::Erase, Reason::Malformed));
}

#[test]
fn names_go_to_the_worker_of_their_customer() {
    let line = |id: &str, customer| {
        format!(
            "{{\"interaction_id\":{id},\"customer_id\":{customer},\"timestamp\":1709208000000,\"action\":0}}\n"
        )
    };
    let ids =
        [("\"plain\"", "plain"), ("7", "7"), ("\"esc\\u0061ped\"", "escaped"), ("\"é\"", "é")];
    let text: String = (0..40).map(|customer| line(ids[customer % 4].0, customer)).collect();
    let mut out = Parsed::default();
    for _ in 0..2 {
        out.clear();
        parser(settings()).parse(&lines_of(Topic::Interactions, text.as_bytes()).into(), &mut out);
        let mut seen = 0;
        for (worker, names) in out.names.iter().enumerate() {
            assert_eq!(names.worker, worker as u64);
            let mut start = 0;
            for (customer, id, end) in &names.keys {
                let name = &names.text[start..*end as usize];
                assert_eq!(customer_hash(*customer) % 3, names.worker);
                assert_eq!((name, *id), (ids[*customer as usize % 4].1.as_bytes(), id_hash(name)));
                start = *end as usize;
                seen += 1;
            }
        }
        assert_eq!((seen, out.names.len()), (40, 3));
    }
}

#[test]
fn aliases_rename_fields() {
    let aliases = vec![(Topic::Transactions, "amount".to_string(), "total".to_string())];
    let line =
        r#"{"transaction_id":"x","customer_id":42,"timestamp":"1970-01-01","total":3,"amount":4}"#;
    let out = parsed(
        parser(InputSettings { aliases, ..settings() }),
        &lines_of(Topic::Transactions, line.as_bytes()),
    );
    assert_eq!(Purchase(out.records[0].value).amount(), 300);
    assert!(super::super::field_names(Topic::Transactions).any(|name| name == "amount"));
}

#[test]
fn usual_spellings_take_the_fast_path() {
    let id = r#""customer_id": 42, "timestamp": "2024-02-29T12:00:00Z""#;
    let transaction = format!(
        r#"{{"transaction_id": "T-0000001", {id}, "amount": 12.5, "category": "Fashion", "device": "Mobile", "#
    ) + r#""payment_method": "Credit Card", "discount_used": false}"#;
    let interaction = format!(
        r#"{{"interaction_id": "0b9e4a9c-5d7d-4c0e-9d6b-2f7c6a1f0e55", {id}, "action": 1, "reward": -0.4, "propensity": 0.25}}"#
    );
    let profile =
        r#"{"customer_id": 42, "signup_date": "2023-01-01", "country": "IN", "age": 30, "email_open_rate": 0.25, "is_premium_member": true, "#
            .to_string()
            + r#""complaint_count": 0, "preferred_device": "Mobile", "preferred_payment": "Card", "favorite_category": "Books", "#
            + r#""avg_discount_used": 0.1, "last_login_days": 3, "timestamp": "2024-01-01T00:00:00Z"}"#;
    let reward = format!(r#"{{"interaction_id": "I-1", {id}, "reward": 400, "reward_id": 7}}"#);
    use Topic::*;
    for (topic, line) in [
        (Transactions, transaction),
        (Interactions, interaction),
        (Rewards, reward),
        (Customers, profile),
    ] {
        for line in [line.replace(", \"", ",\"").replace("\": ", "\":"), line] {
            let bytes = padded(line.as_bytes());
            let quick = parser(settings()).quick(topic, &bytes, 0, Place(0), Millis::MAX);
            assert_eq!(quick.map(|(_, end)| end), Some(line.len()), "{line}");
        }
    }
}

/// Random numbers, the same every time.
fn noise(seed: i64) -> impl Iterator<Item = u64> {
    (seed << 32..).map(customer_hash)
}

#[test]
fn no_bytes_make_it_panic() {
    let alphabet: Vec<u8> = br#"{}[]":,.-+0123456789eEtrufalsn\ T"#.iter().copied().chain([b'\n', b'\r', 0, 0xff, 0xc3, 0xa9]).collect();
    for round in 0..10_000 {
        let mut noise = noise(round);
        let mut byte =
            || noise.next().map_or(0, |number| alphabet[number as usize % alphabet.len()]);
        let bytes: Vec<u8> = (0..round % 97).map(|_| byte()).collect();
        let topic = Topic::ALL[round as usize % Topic::ALL.len()];
        parsed(parser(settings()), &lines_of(topic, &bytes));
        parsed(parser(settings()), &messages_of(topic, &[(&bytes, false), (&bytes, true)]));
        let block = Lines {
            format: Format::Csv {
                columns: Arc::new(vec!["customer_id".to_string(), "action".to_string()]),
                line: 1,
            },
            ..lines_of(topic, &bytes)
        };
        parsed(parser(settings()), &block);
    }
}

#[test]
fn hostile_records_are_refused_one_by_one() {
    let deep = "[".repeat(200_000);
    let huge = "9".repeat(100_000);
    let unlimited = || parser(InputSettings { max_record: usize::MAX, ..settings() });
    for value in [
        &deep,
        &huge,
        &format!("-{huge}.{huge}e-{huge}"),
        &format!("\"{huge}\""),
        &format!("{deep}{}", "]".repeat(200_000)),
    ] {
        for field in [
            "transaction_id",
            "customer_id",
            "timestamp",
            "amount",
            "features",
            "action",
            "email_open_rate",
            "op",
            "unknown",
        ] {
            for topic in Topic::ALL {
                parsed(
                    unlimited(),
                    &lines_of(topic, format!(r#"{{"{field}": {value}}}"#).as_bytes()),
                );
            }
        }
    }
    let mut long = vec![b'x'; 10 << 20];
    long.extend(b"\n{\"customer_id\":1}\n");
    let out = parsed(parser(settings()), &lines_of(Topic::Customers, &long));
    assert_eq!(
        (out.valid, out.rejected[0].reason, out.rejected[0].raw.len()),
        (1, Reason::TooLong, Rejected::MAX_RAW)
    );
    let out = parsed(
        parser(settings()),
        &lines_of(Topic::Customers, b"{\"customer_id\":1,\"x\":\"\xff\"}"),
    );
    assert_eq!(out.rejected[0].reason, Reason::Malformed);
}

/// One of some spellings.
fn spelling(options: &'static [&'static str]) -> BoxedStrategy<Option<String>> {
    prop::option::weighted(0.9, prop::sample::select(options))
        .prop_map(|option| option.map(str::to_string))
        .boxed()
}

const IDS: &[&str] = &[
    r#""T-000123""#,
    r#""a""#,
    r#""exactly16 bytes!""#,
    r#"" 7 ""#,
    r#"" ""#,
    r#""7.0""#,
    r#""x.00""#,
    r#""10.50""#,
    "7.0",
    "7e2",
    r#""0b9e4a9c-5d7d-4c0e-9d6b-2f7c6a1f0e55""#,
    "7",
    "12345678",
    "123456789012345678",
    "-5",
    "-0",
    "007",
    r#""é""#,
    r#""q\"uote""#,
    r#""\u0041""#,
    r#""""#,
    "1.5",
    "null",
    "12345678901234567890123",
];
const CUSTOMERS: &[&str] = &[
    "0",
    "42",
    "12345678",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551617",
    "-1",
    r#""42""#,
    r#"" 42.0 ""#,
    "4.0",
    "042",
];
const TIMESTAMPS: &[&str] = &[
    r#""2024-02-29T12:00:00Z""#,
    r#""2024-02-29T12:00:00.123Z""#,
    r#""2024-02-29T12:00:00.123456Z""#,
    r#""2024-02-29 12:00:00""#,
    r#""2024-02-29 12:00:00.5""#,
    r#""2024-02-29 12:00:00.250""#,
    r#""2024-02-29""#,
    r#""2024-02-29T12:00:00+05:30""#,
    "1709208000000",
    "1709208000",
    "1709208000000.5",
    r#""1709208000000""#,
    r#""2024-02-29 12:00:00,5+0530""#,
    "4102444800000",
    r#""2023-02-29T12:00:00Z""#,
    r#""2100-01-01T00:00:00Z""#,
    r#""1969-12-31T23:59:59Z""#,
    r#""2024-02-29t12:00:00z""#,
    r#""2024-02-29T24:00:00Z""#,
    r#""2024-02-29T12:00:60Z""#,
    r#""2024-02-29T12:00:00""#,
    r#""2024:02-29T12:00:00Z""#,
    "1e3",
    r#""""#,
    "null",
];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "12.34",
    "12.345",
    "12.3",
    "0.5",
    "1e2",
    "1.5E-3",
    "-1",
    "-0",
    "-0.0",
    "0.1234567",
    "0.12345678",
    "0.12345678901234567",
    "399.6",
    "12345678",
    "123456789.125",
    "10000000",
    "10000000.000001",
    "10000000000",
    "10000000000.01",
    "99999999999999",
    "01",
    "1.",
    ".5",
    "+1",
    "1e400",
    "0.30000000000000004",
    "2.675",
    r#""12.34""#,
    r#"" +1e1 ""#,
    r#""NaN""#,
    r#""""#,
    "null",
    "true",
    "[]",
    "2.4703282292062327208e-324",
    "9007199254740993",
];
const LISTED: &[&str] = &[
    r#""Electronics""#,
    r#""Fashion""#,
    r#""fashion""#,
    r#""Mobile""#,
    r#""MOBILE""#,
    r#""Credit Card""#,
    r#""E-wallet""#,
    r#""Books""#,
    r#""""#,
    r#""\u0046ashion""#,
    r#""Été""#,
    r#"" Fashion ""#,
    r#""Fashionable and of more than sixteen bytes""#,
    "null",
    "7",
    "{}",
];
const ARMS: &[&str] = &[
    "2.0",
    r#""2""#,
    r#"" SMS""#,
    "0",
    "3",
    "4",
    "256",
    "1.0",
    r#""SMS""#,
    r#""sms""#,
    r#""Fax""#,
    "-0",
    "null",
];
const TRUTHS: &[&str] =
    &["true", "false", "null", "1", "0.0", r#""Yes""#, r#""true""#, r#""""#, "truex"];

/// Keys in their usual order with the spellings of their values.
fn usual_keys(topic: Topic) -> Vec<(&'static str, &'static [&'static str])> {
    match topic {
        Topic::Transactions => vec![
            ("transaction_id", IDS),
            ("customer_id", CUSTOMERS),
            ("timestamp", TIMESTAMPS),
            ("amount", NUMBERS),
            ("category", LISTED),
            ("device", LISTED),
            ("payment_method", LISTED),
            ("discount_used", TRUTHS),
        ],
        Topic::Interactions => vec![
            ("interaction_id", IDS),
            ("customer_id", CUSTOMERS),
            ("timestamp", TIMESTAMPS),
            ("action", ARMS),
            ("reward", NUMBERS),
            ("propensity", NUMBERS),
        ],
        Topic::Rewards => {
            vec![
                ("interaction_id", IDS),
                ("customer_id", CUSTOMERS),
                ("timestamp", TIMESTAMPS),
                ("reward", NUMBERS),
                ("reward_id", IDS),
            ]
        }
        _ => vec![
            ("customer_id", CUSTOMERS),
            ("signup_date", TIMESTAMPS),
            ("city", LISTED),
            ("age", NUMBERS),
            ("age_group", LISTED),
            ("email_open_rate", NUMBERS),
            ("is_premium_member", TRUTHS),
            ("complaint_count", NUMBERS),
            ("preferred_device", LISTED),
            ("avg_discount_used", NUMBERS),
            ("last_login_days", NUMBERS),
            ("timestamp", TIMESTAMPS),
        ],
    }
}

/// A record of which nearly every value has its most usual spelling, or one of the others.
fn record(topic: Topic) -> impl Strategy<Value = Vec<u8>> {
    let keys = usual_keys(topic);
    let values: Vec<_> = keys
        .iter()
        .map(|(_, options)| prop_oneof![6 => Just(Some(options[if options[0] == "0" { 1 } else { 0 }].to_string())), 2 => spelling(options)])
        .collect();
    let names: Vec<&str> = keys.iter().map(|(name, _)| *name).collect();
    let disorder = prop::option::weighted(0.1, (0..names.len(), 0..names.len()));
    let extra = prop::option::weighted(
        0.1,
        (
            0..names.len(),
            prop::sample::select(vec![
                ("x", "{\"a\":[1]}"),
                ("op", "\"retract\""),
                ("amount", "5"),
            ]),
        ),
    );
    let mutations = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..3)];
    let cut = prop::option::weighted(0.05, any::<prop::sample::Index>());
    (values, disorder, extra, any::<bool>(), mutations, cut).prop_map(
        move |(values, disorder, extra, spaced, mutations, cut)| {
            let mut pairs: Vec<(&str, String)> = names
                .iter()
                .zip(values)
                .filter_map(|(name, value)| Some((*name, value?)))
                .collect();
            if let Some((a, b)) = disorder.filter(|(a, b)| *a < pairs.len() && *b < pairs.len()) {
                pairs.swap(a, b);
            }
            if let Some((at, (name, value))) = extra {
                pairs.insert(at.min(pairs.len()), (name, value.to_string()));
            }
            let (comma, colon) = if spaced { (", ", ": ") } else { (",", ":") };
            let pairs: Vec<String> =
                pairs.iter().map(|(name, value)| format!("\"{name}\"{colon}{value}")).collect();
            let mut bytes = format!("{{{}}}", pairs.join(comma)).into_bytes();
            for (at, byte) in mutations {
                let at = at.index(bytes.len());
                bytes[at] = if byte < 128 {
                    b"0129\"\\,: }{.-eZT\n\r\x7f"[byte as usize % 19]
                } else {
                    byte
                };
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            bytes
        },
    )
}

fn records() -> impl Strategy<Value = (Topic, Vec<Vec<u8>>)> {
    prop::sample::select(vec![
        Topic::Transactions,
        Topic::Interactions,
        Topic::Rewards,
        Topic::Customers,
    ])
    .prop_flat_map(|topic| (Just(topic), prop::collection::vec(record(topic), 1..6)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_fast_path_says_what_the_complete_path_says((topic, records) in records(), line_end in prop::sample::select(vec!["\n", "\r\n"])) {
        let lines = lines_of(topic, &records.join(line_end.as_bytes()));
        let messages: Vec<(&[u8], bool)> = records.iter().map(|record| (&record[..], false)).collect();
        let mut unpadded = lines.clone();
        unpadded.bytes.truncate(unpadded.length);
        for block in [Block::from(lines), unpadded.into(), messages_of(topic, &messages).into()] {
            let (fast, complete) = (parsed(parser(settings()), &block), parsed(complete_parser(), &block));
            prop_assert_eq!(format!("{:?}", fast), format!("{:?}", complete));
        }
    }
}

#[test]
fn a_rejected_record_says_whose_it_is_and_of_when() {
    let late = NOON + 400 * DAY;
    let fields = format!(
        r#"{{"customer_id": 7, "transaction_id": "x", "timestamp": {}, "amount": -1}}"#,
        NOON - DAY
    );
    let future =
        format!(r#"{{"customer_id": 7, "transaction_id": "x", "timestamp": {late}, "amount": 1}}"#);
    for (value, key, whose) in [
        (fields.as_str(), "8", Some((7, NOON - DAY))),
        // An instant that is not valid says nothing.
        (future.as_str(), "8", Some((7, NOON))),
        (r#"{"customer_id": 7, "amount": 1"#, "8", Some((7, NOON))),
        (r#"{"customer": 7, "amount": 1"#, "8", Some((8, NOON))),
        (
            r#"{"customer_id": "x", "transaction_id": "x"}"#,
            r#"{"customer_id": 8}"#,
            Some((8, NOON)),
        ),
        ("rubbish", "rubbish", None),
        ("rubbish", "", None),
    ] {
        let mut block = messages_of(Topic::Transactions, &[(value.as_bytes(), false)]);
        let start = value.len();
        block.bytes.splice(start..start, format!("\n{key}").bytes());
        block.heads[0].key = key.len() as u16;
        let out = parsed(parser(settings()), &block);
        let [rejected] = &out.rejected[..] else { panic!("{value} was taken") };
        assert_eq!(
            rejected.whose.map(|whose| (whose.customer, whose.dated)),
            whose,
            "{value} with the key {key}"
        );
    }
    let null = parsed(parser(settings()), &messages_of(Topic::Rewards, &[(b"17", true)]));
    assert_eq!(null.rejected[0].whose, Some(Whose { customer: 17, dated: NOON }));
    let of_file = one_line(Topic::Transactions, r#"{"customer_id": 7, "transaction_id": "x"}"#);
    assert_eq!(
        of_file.rejected[0].whose,
        Some(Whose { customer: 7, dated: Millis::MIN }),
        "nobody has dated it"
    );
}

#[test]
fn what_may_be_rejected_later_says_whose_it_is_too() {
    let line = format!(
        r#"{{"op": "retract", "transaction_id": "x", "customer_id": 42, "timestamp": {NOON}}}"#
    );
    let out = one_line(Topic::Transactions, &line);
    let [Aside::Doubtful { rejected, .. }] = &out.asides[..] else { panic!("{:?}", out.asides) };
    assert_eq!(rejected.whose, Some(Whose { customer: 42, dated: NOON }));
    let mut parser = parser(settings());
    parser.set_horizon(Horizon { events: NOON + 1, rewards: NOON + 1 });
    let purchase = line_with(Topic::Transactions, r#", "amount": 1"#);
    let out = parsed(parser, &lines_of(Topic::Transactions, purchase.as_bytes()));
    let [Aside::Past { rejected, .. }] = &out.asides[..] else { panic!("{:?}", out.asides) };
    assert_eq!(rejected.whose, Some(Whose { customer: 42, dated: NOON }));
}
