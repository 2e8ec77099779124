//! Lines that must be rejected.

use super::spelling::{Dice, Token};

/// How a field is spoiled.
#[derive(Clone, Copy)]
enum Fault {
    /// Left out.
    Missing,
    /// Written as a string.
    Text(&'static str),
    /// Written as it stands.
    Bare(&'static str),
    /// Likewise, but in CSV it would be another valid value.
    OnlyJson(&'static str),
}

use Fault::{Bare, Missing, OnlyJson, Text};

/// Faults of fields that several files have.
const CUSTOMER: &[Fault] = &[
    Missing,
    Bare("null"),
    Bare("-1"),
    Bare("9223372036854775808"),
    Bare("1.5"),
    Bare("true"),
    OnlyJson("[1]"),
    OnlyJson("{}"),
    Text("abc"),
];
const ID: &[Fault] = &[
    Missing,
    Bare("null"),
    OnlyJson("true"),
    OnlyJson("1.5"),
    OnlyJson("[\"a\"]"),
    OnlyJson("{\"a\":1}"),
];
const INSTANT: &[Fault] = &[
    Bare("-1"),
    Bare("4102444800000"),
    Bare("99999999999999999999999"),
    Text("1969-12-31"),
    Text("1969-12-31T23:59:59.999Z"),
    Text("1970-01-01T00:30:00+01:00"),
    Text("2099-12-31T23:30:00-00:30"),
    Text("2100-01-01 00:00:00"),
    Text("2023-02-29"),
    Text("2024-13-01"),
    Text("2024-01-01T25:00:00Z"),
    Text("yesterday"),
    Bare("true"),
];
const NO_INSTANT: &[Fault] = &[Missing, Bare("null")];
const OP: &[Fault] = &[Text("delete"), Text("upsert")];
const REWARD: &[Fault] =
    &[Bare("10000000.5"), Bare("-1e8"), Bare("1e400"), Text("abc"), Text("NaN"), Bare("true")];
const SHARE: &[Fault] = &[Bare("1.5"), Bare("-0.1"), Text("often")];

/// The faults by file and field.
const FAULTS: &[(&str, &str, &[Fault])] = &[
    ("transactions", "transaction_id", ID),
    ("transactions", "customer_id", CUSTOMER),
    ("transactions", "timestamp", INSTANT),
    ("transactions", "timestamp", NO_INSTANT),
    (
        "transactions",
        "amount",
        &[
            Missing,
            Bare("null"),
            Bare("-5"),
            Text("-0.01"),
            Text("NaN"),
            Bare("10000000000.01"),
            Bare("1e400"),
            Bare("1e99999999999"),
            Text("abc"),
        ],
    ),
    ("transactions", "amount", &[Bare("true"), OnlyJson("[10.00]")]),
    ("transactions", "discount_used", &[Text("maybe"), OnlyJson("[]")]),
    ("transactions", "op", OP),
    ("interactions", "interaction_id", ID),
    ("interactions", "customer_id", CUSTOMER),
    ("interactions", "timestamp", INSTANT),
    ("interactions", "timestamp", NO_INSTANT),
    (
        "interactions",
        "action",
        &[
            Missing,
            Bare("4"),
            Bare("-1"),
            Bare("256"),
            Bare("4294967296"),
            Bare("18446744073709551616"),
        ],
    ),
    ("interactions", "campaign_name", &[Text("Pigeon")]),
    ("interactions", "reward", REWARD),
    (
        "interactions",
        "propensity",
        &[Bare("0"), Bare("1.5"), Bare("-0.25"), Text("likely"), Bare("1e400")],
    ),
    ("interactions", "op", OP),
    ("rewards", "interaction_id", ID),
    ("rewards", "reward_id", &[OnlyJson("true"), OnlyJson("{\"a\":1}")]),
    ("rewards", "customer_id", CUSTOMER),
    ("rewards", "timestamp", INSTANT),
    ("rewards", "timestamp", NO_INSTANT),
    ("rewards", "reward", &[Missing, Bare("null")]),
    ("rewards", "reward", REWARD),
    ("rewards", "op", OP),
    ("customers", "customer_id", CUSTOMER),
    ("customers", "timestamp", INSTANT),
    ("customers", "email_open_rate", SHARE),
    ("customers", "avg_discount_used", SHARE),
    ("customers", "complaint_count", &[Bare("-1"), Text("many")]),
    ("customers", "is_premium_member", &[Text("maybe"), OnlyJson("[]")]),
    ("customers", "op", OP),
];

/// Spoils one field of a good record; says whether the result is bad in JSON only.
pub(super) fn spoil(
    file: &str,
    mut fields: Vec<(String, Token)>,
    dice: &mut Dice,
) -> (Vec<(String, Token)>, bool) {
    let possible: Vec<_> = FAULTS.iter().filter(|(of, _, _)| *of == file).collect();
    let (_, field, faults) = dice.pick(&possible);
    // One of action and campaign_name would do, so both go.
    let arm = |name: &str| name == "action" || name == "campaign_name";
    fields.retain(|(name, _)| name != field && !(arm(field) && arm(name)));
    let fault = dice.pick(faults);
    let token = match fault {
        Missing => None,
        Text(text) => Some(Token::Text(text.to_owned())),
        Bare(token) | OnlyJson(token) => Some(Token::Bare(token.to_owned())),
    };
    fields.extend(token.map(|token| ((*field).to_owned(), token)));
    (fields, matches!(fault, OnlyJson(_)))
}

/// A line that is no record at all.
pub(super) fn garbage(example: &[u8], dice: &mut Dice) -> Vec<u8> {
    let fixed: &[&[u8]] = &[
        b"[]",
        b"[{\"customer_id\":7}]",
        b"\"text\"",
        b"42",
        b"true",
        b"NaN",
        b"{\"customer_id\":7,\"amount\":NaN}",
        b"{\"customer_id\":7,\"transaction_id\":\"\xff\xfe\",\"timestamp\":0,\"amount\":1}",
        b"{\"customer_id\":07}",
        b"{\"customer_id\":7,}",
        b"{'customer_id':7}",
        b"{}",
        b"{} {}",
        b"\x00",
    ];
    match dice.below(5) {
        0 => random_bytes(dice),
        // Cut off anywhere; its closing brace at the least is gone.
        1 => {
            let end = example.iter().rposition(|byte| *byte == b'}').unwrap_or(1);
            let cut = 1 + dice.below(end.max(1) as u64) as usize;
            let cut = example[..cut.min(example.len())].trim_ascii_end();
            if cut.is_empty() || cut.ends_with(b"}") { b"{".to_vec() } else { cut.to_vec() }
        }
        2 => b"[".repeat(1 + dice.below(60_000) as usize),
        3 => [b"{\"customer_id\":".repeat(2_000), b"}".repeat(1_999)].concat(),
        _ => dice.pick(fixed).to_vec(),
    }
}

/// Any bytes but line ends; the first one makes sure that it is no JSON object.
fn random_bytes(dice: &mut Dice) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..1 + dice.below(300))
        .map(|_| dice.below(256) as u8)
        .filter(|byte| !b"\r\n".contains(byte))
        .collect();
    bytes.insert(0, dice.pick(b"#{\xef\x80"));
    if bytes[0] == b'{' {
        bytes.insert(1, 0);
    }
    bytes
}

/// A record that is well formed and longer than the default limit of 2^20 bytes.
pub(super) fn too_long() -> Vec<u8> {
    let filling = "x".repeat(1 << 20);
    format!("{{\"customer_id\":7,\"note\":\"{filling}\"}}").into_bytes()
}
