//! What the oracle takes of records: ids, erasures, profiles, rewards and dead letters.

use super::*;

/// Amount left, duplicates, dead letters, erased.
type Left = (f64, usize, usize, usize);

/// What a list of lines leaves of the amounts of customer 7, and how often it was a duplicate, a
/// dead letter, erased.
fn settled(transactions: &[&str], customers: &[&str]) -> Left {
    let outcome = outcome(
        &files(&[("transactions", transactions), ("customers", customers)]),
        &Config { as_of: Some(NEW_YEAR), ..config() },
    );
    let total =
        if outcome.features.contains_key(&7) { outcome.feature(7, "monetary") } else { 0.0 };
    (total, outcome.duplicates, outcome.dead_letters.len(), outcome.erased)
}

#[test]
fn ids_settle_by_their_place_in_the_file() {
    const A10: &str = "'transaction_id':'17','timestamp':1000,'amount':10,'category':'Toys'";
    const A10_AGAIN: &str = "'op':'insert','category':'GAMES','amount':'10.004',\
        'timestamp':'1970-01-01T00:00:01.0009Z','transaction_id':17,'note':null";
    const A20: &str = "'transaction_id':'17','timestamp':1000,'amount':20";
    const BACK: &str = "'transaction_id':17,'op':'retract'";
    const OTHER: &str = "'transaction_id':18,'timestamp':1000,'amount':5,'discount_used':null";
    let table: [(&[&str], Left); 9] = [
        (&[A10], (10.0, 0, 0, 0)),
        (&[A10, A10_AGAIN], (10.0, 1, 0, 0)),
        (&[A10, A20], (20.0, 0, 0, 0)),
        (&[A10, A20, A10_AGAIN, A10], (10.0, 1, 0, 0)),
        (&[A10, BACK], (0.0, 0, 0, 0)),
        (&[BACK, A10], (10.0, 0, 1, 0)),
        (&[A10, BACK, BACK], (0.0, 0, 1, 0)),
        (&[A10, BACK, A10_AGAIN], (10.0, 0, 0, 0)),
        (&[OTHER, A10, BACK], (5.0, 0, 0, 0)),
    ];
    for (lines, expected) in table {
        assert_eq!(settled(lines, &[]), expected, "{lines:?}");
    }
    // The id belongs to its customer.
    let of_another = "'customer_id':8,'transaction_id':17,'op':'retract'";
    assert_eq!(settled(&[A10, of_another], &[]), (10.0, 0, 1, 0));
}

#[test]
fn erasures_apply_after_ids_have_settled() {
    const AT_5: &str = "'transaction_id':1,'timestamp':5,'amount':10";
    const AT_9: &str = "'transaction_id':1,'timestamp':9,'amount':20";
    const UNKNOWN: &str = "'transaction_id':2,'op':'retract'";
    const UNDATED: &str = "'email_open_rate':0.5";
    const UNTIL_5: &str = "'op':'erase','timestamp':5";
    const UNTIL_4: &str = "'op':'erase','timestamp':4";
    const FOR_EVER: &str = "'op':'erase'";
    let table: [(&[&str], &[&str], Left); 7] = [
        (&[AT_5], &[UNTIL_5], (0.0, 0, 0, 1)),
        (&[AT_5], &[UNTIL_4], (10.0, 0, 0, 0)),
        (&[AT_5, AT_9], &[UNTIL_5], (20.0, 0, 0, 0)),
        (&[AT_9, AT_5], &[UNTIL_5], (0.0, 0, 0, 1)),
        (&[AT_5, UNKNOWN], &[UNTIL_4], (10.0, 0, 0, 1)),
        (&[AT_9], &[UNTIL_4, FOR_EVER], (0.0, 0, 0, 1)),
        (&[AT_9], &[UNTIL_4, UNDATED], (20.0, 0, 0, 1)),
    ];
    for (transactions, customers, expected) in table {
        assert_eq!(settled(transactions, customers), expected, "{transactions:?} {customers:?}");
    }
}

#[test]
fn a_profile_holds_from_its_timestamp_on_and_of_two_the_later_record() {
    let lines = [
        "'timestamp':2000,'complaint_count':3",
        "'complaint_count':1",
        "'timestamp':2000,'complaint_count':4",
        "'complaint_count':2",
        "'timestamp':1000,'complaint_count':9",
    ];
    let complaints = |skip: usize, t: i64| {
        let outcome = outcome(
            &files(&[("customers", &lines[skip..])]),
            &Config { as_of: Some(t), ..config() },
        );
        outcome.feature(7, "complaint_count")
    };
    assert_eq!([999, 1000, 1999, 2000, 3000].map(|t| complaints(0, t)), [2.0, 9.0, 9.0, 4.0, 4.0]);
    assert_eq!(complaints(4, 999), 0.0, "before the first there is none");
}

#[test]
fn rewards_join_within_their_window_and_replace_the_interactions_own() {
    const WINDOW: i64 = 7 * DAY;
    let config = Config {
        no_response_reward: -0.5,
        context: vec![("intercept".to_owned(), Transform::Identity)],
        ..config()
    };
    // In multiples of 2^-28: an intercept of 2^12 times the reward in 2^-16.
    let learned = |own: &str, rewards: &[&str]| {
        let interaction = format!("'interaction_id':'i','timestamp':1000,'action':2{own}");
        let outcome =
            outcome(&files(&[("interactions", &[&interaction]), ("rewards", rewards)]), &config);
        assert_eq!((outcome.arms[2].n, outcome.arms[2].a[0]), (1, 1 << 24));
        outcome.arms[2].b[0] as f64 / (1_u64 << 28) as f64
    };
    let at = |t: i64, more: &str| format!("'interaction_id':'i','timestamp':{t},{more}");
    assert_eq!(learned("", &[]), -0.5);
    assert_eq!(learned(",'reward':2.5", &[]), 2.5);
    for (t, joined) in
        [(999, false), (1000, true), (1000 + WINDOW - 1, true), (1000 + WINDOW, false)]
    {
        assert_eq!(
            learned(",'reward':2.5", &[&at(t, "'reward':4")]),
            if joined { 4.0 } else { 2.5 },
            "{t}"
        );
    }
    let (a, b) = (at(1000, "'reward':4,'reward_id':'a'"), at(2000, "'reward':-1,'reward_id':'b'"));
    assert_eq!(learned("", &[&a, &b]), 3.0);
    assert_eq!(learned("", &[&a, &b, "'reward_id':'a','op':'retract'"]), -1.0);
    assert_eq!(
        learned("", &[&at(1000, "'reward':4"), "'interaction_id':'i','op':'retract'"]),
        -0.5
    );
    // 2^-17 twice: each is a tie and rounds to 0.
    let tie = [
        at(1000, "'reward':7.62939453125e-6,'reward_id':'a'"),
        at(1000, "'reward':7.62939453125e-6,'reward_id':'b'"),
    ];
    assert_eq!(learned("", &[&tie[0], &tie[1]]), 0.0);
}

#[test]
fn a_dead_letter_has_the_byte_its_line_starts_at_and_a_reason() {
    let dead = |file: &str, text: &str| {
        let letters =
            outcome(&Files::from([(file.to_owned(), text.as_bytes().to_vec())]), &config())
                .dead_letters;
        letters
            .into_iter()
            .map(|DeadLetter { position, reason, .. }| (position, reason))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        dead("rewards.jsonl", "\r\n\n{]\r\nx\n{}"),
        [(3, "malformed"), (7, "malformed"), (9, "missing_field")]
    );
    // Each line with its length, so that the positions are sums on paper: 62, + 21 = 83, + 10 = 93,
    // + 16 = 109, + 10, + 16, + 17.
    let table = [
        ("transaction_id,customer_id,timestamp,amount,discount_used,op\r\n", 62),
        ("1,7,1000,\"10\",TRUE,\r\n", 21),
        ("1,7,1000\r\n", 10),
        ("2,7,1000,-1,0,\n\n", 16),
        ("3,7,x,1,,\n", 10),
        ("4,7,1000,1,odd,\n", 16),
        ("5,7,1000,1,,undo\n", 17),
        ("9,7,,,,retract", 14),
    ];
    assert!(table.iter().all(|(line, length)| line.len() == *length));
    assert_eq!(
        dead("transactions.csv", &table.map(|(line, _)| line).concat()),
        [
            (83, "malformed"),
            (93, "bad_amount"),
            (109, "bad_field"),
            (119, "bad_field"),
            (135, "bad_op"),
            (152, "unknown_id")
        ]
    );
    let contact = |more: &str| {
        dead(
            "interactions.jsonl",
            &format!("{{\"customer_id\":7,\"interaction_id\":1,\"timestamp\":0,{more}}}"),
        )
    };
    assert_eq!(contact("\"action\":4"), [(0, "unknown_arm")]);
    assert_eq!(contact("\"campaign_name\":\"Pigeon\""), [(0, "unknown_arm")]);
    assert_eq!(contact("\"action\":1,\"propensity\":0"), [(0, "bad_propensity")]);
    assert_eq!(contact("\"action\":1,\"reward\":10000000.5"), [(0, "bad_reward")]);
    assert_eq!(contact("\"action\":1,\"reward\":-1e7,\"propensity\":1"), []);
    assert_eq!(
        dead(
            "customers.jsonl",
            &format!("{{\"customer_id\":7,\"x\":\"{}\"}}", " ".repeat(1 << 20))
        ),
        [(0, "too_long")]
    );
}
