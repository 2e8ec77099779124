//! What takes something back, what is refused, and what is known of that all the same.

use super::*;

#[test]
fn a_retraction_needs_no_more_than_customer_and_id() {
    for (topic, kind, id) in [
        (Topic::Transactions, Kind::RetractTransaction, "transaction_id"),
        (Topic::Interactions, Kind::RetractInteraction, "interaction_id"),
        (Topic::Rewards, Kind::RetractReward, "interaction_id"),
        (Topic::Rewards, Kind::RetractReward, "reward_id"),
    ] {
        let line = format!(
            "{{\"op\": \"retract\", \"{id}\": \"x1\", \"customer_id\": 42, \"amount\": \"none\", \
            \"reward\": [], \"timestamp\": 7.5}}"
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

/// Of each topic what follows in a record, and the reason to refuse it.
const BROKEN: &[(Topic, &str, Reason)] = {
    use Reason::*;
    use Topic::*;
    &[
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
    ]
};

#[test]
fn each_broken_rule_has_its_reason() {
    use Reason::*;
    use Topic::*;
    let amount = r#", "amount": 1"#;
    let made = [
        (Requests, answer("action", "\"Fax\""), UnknownArm),
        (Requests, answer("action", "4"), UnknownArm),
        (Requests, answer("action", "null"), MissingField),
        (Requests, answer("action", "[1]"), BadField),
        (Requests, answer("propensity", "0"), BadPropensity),
        (Requests, answer("propensity", "1.5"), BadPropensity),
        (Requests, answer("propensity", "null"), BadField),
        (Requests, answer("context", "[1, 2]"), BadField),
        (Requests, answer("context", "[1, 2, 40000]"), BadField),
        (Requests, answer("context", "[1, 2, 0.5]"), BadField),
        (Requests, answer("scores", "[0.5]"), BadField),
        (Requests, answer("scores", "[1, 2, 3, 4, 5]"), BadField),
        (Requests, answer("scores", "[1, 1e999]"), BadField),
        (Requests, answer("model_version", "-1"), BadField),
        (Requests, answer("model_version", "9223372036854775808"), BadField),
        (Requests, answer("uncertainty", "-0.1"), BadField),
        (Requests, answer("policy", "\"\""), BadField),
        (Requests, answer("alpha", "-1"), BadField),
        (Requests, answer("factor", "-1"), BadField),
        (Requests, answer("unit", "\"sd\""), BadField),
        (Requests, answer("propensities", "[0.5]"), BadField),
        (Requests, answer("propensities", "[0.5, 1.5]"), BadPropensity),
        (Requests, answer("reasons", "[null]"), BadField),
        (Requests, answer("reasons", "[null, 7]"), BadField),
        (Requests, r#", "decided": {"action": 1}"#.to_string(), MissingField),
        (Requests, format!(r#", "x": "{}""#, "y".repeat(5000)), TooLong),
        (Transactions, format!("{amount}}} {{"), Malformed),
    ];
    let made = made.iter().map(|(topic, rest, reason)| (*topic, rest.as_str(), *reason));
    for (topic, rest, reason) in BROKEN.iter().copied().chain(made) {
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
