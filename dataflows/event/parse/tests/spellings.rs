//! The fast path against the slow one, in every spelling.

use super::*;

#[test]
fn usual_spellings_take_the_fast_path() {
    let id = r#""customer_id": 42, "timestamp": "2024-02-29T12:00:00Z""#;
    let transaction = format!(
        "{{\"transaction_id\": \"T-0000001\", {id}, \"amount\": 12.5, \"category\": \"Fashion\", \
        \"device\": \"Mobile\", "
    ) + r#""payment_method": "Credit Card", "discount_used": false}"#;
    let interaction = format!(
        "{{\"interaction_id\": \"0b9e4a9c-5d7d-4c0e-9d6b-2f7c6a1f0e55\", {id}, \"action\": 1, \
        \"reward\": -0.4, \"propensity\": 0.25}}"
    );
    let profile =
        "{\"customer_id\": 42, \"signup_date\": \"2023-01-01\", \"country\": \"IN\", \"age\": 30, \
        \"email_open_rate\": 0.25, \"is_premium_member\": true, "
            .to_string()
            + "\"complaint_count\": 0, \"preferred_device\": \"Mobile\", \
                \"preferred_payment\": \"Card\", \"favorite_category\": \"Books\", "
            + "\"avg_discount_used\": 0.1, \"last_login_days\": 3, \
                \"timestamp\": \"2024-01-01T00:00:00Z\"}";
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
        .map(|(_, options)| {
            let usual = options[if options[0] == "0" { 1 } else { 0 }].to_string();
            prop_oneof![6 => Just(Some(usual)), 2 => spelling(options)]
        })
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
    let mutation = (any::<prop::sample::Index>(), any::<u8>());
    let mutations = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(mutation, 1..3)];
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
    #![proptest_config(ProptestConfig {
        cases: 3000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_fast_path_says_what_the_complete_path_says(
        (topic, records) in records(),
        line_end in prop::sample::select(vec!["\n", "\r\n"]),
    ) {
        let lines = lines_of(topic, &records.join(line_end.as_bytes()));
        let messages: Vec<(&[u8], bool)> =
            records.iter().map(|record| (&record[..], false)).collect();
        let mut unpadded = lines.clone();
        unpadded.bytes.truncate(unpadded.length);
        for block in [Block::from(lines), unpadded.into(), messages_of(topic, &messages).into()] {
            let (fast, complete) =
                (parsed(parser(settings()), &block), parsed(complete_parser(), &block));
            prop_assert_eq!(format!("{:?}", fast), format!("{:?}", complete));
        }
    }
}
