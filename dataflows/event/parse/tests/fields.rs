//! What is read of a record of each topic.

use super::*;

#[test]
fn purchases_are_read_in_any_spelling() {
    let full = bought("x1", 1234, [1, 0, 2].map(Code::listed), true);
    let tail = ", \"category\": \"Fashion\", \"device\": \"Mobile\", \
        \"payment_method\": \"E-wallet\", \"discount_used\": true";
    let shouted = ", \"category\": \"FASHION\", \"device\": \"mobile\", \
        \"payment_method\": \"e-WALLET\", \"discount_used\": true, \"x\": [{}]";
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
                "{{\"transaction_id\":{id},\"customer_id\":{customer},\"timestamp\":1709208000000,\
                \"amount\":1}}"
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
            ", \"action\": 0, \"features\": [1, -9e9, 0.50012], \"template_id\": 3, \
            \"decision_id\": \"d\"",
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

#[test]
fn a_decision_that_was_made_comes_with_its_request() {
    let expected = Answer {
        arm: 1,
        propensity: 0.25,
        expected_reward: 0.1,
        uncertainty: 0.2,
        scores: vec![0.5, 0.3],
        parameters: [("alpha".to_string(), 1.5)].into(),
        model_version: 7,
        policy: "linucb".to_string(),
        context: vec![4096, -1, 0],
        propensities: vec![0.75, 0.25],
        reasons: vec![String::new(), "excluded".to_string()],
        factor: Some(2.0),
        unit: None,
        alpha: Some(1.5),
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
    let empty = concat!(
        r#"{"customer_id":42,"signup_date":"","age":null,"email_open_rate":null,"#,
        r#""complaint_count":"","timestamp":""}"#
    );
    let full = concat!(
        r#"{"customer_id": 42, "signup_date": "2024-02-29", "city": "Pune", "age": 31, "#,
        "\"email_open_rate\": 0.25,\n        ",
        r#""is_premium_member": true, "complaint_count": 3, "avg_discount_used": 1, "#,
        r#""last_login_days": 7, "timestamp": 1709208000000}"#
    );
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
fn names_go_to_the_worker_of_their_customer() {
    let line = |id: &str, customer| {
        format!(
            "{{\"interaction_id\":{id},\"customer_id\":{customer},\"timestamp\":1709208000000,\
            \"action\":0}}\n"
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
    assert!(super::super::super::field_names(Topic::Transactions).any(|name| name == "amount"));
}
