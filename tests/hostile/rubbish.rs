//! Records that nobody should send: random bytes, cut and nested JSON, wrong types, huge numbers,
//! and what is longer than a record may be.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::Rng;

/// Bytes that a record may have by default.
pub(crate) const MAX_RECORD: usize = 1 << 20;

/// A field of a good record as JSON, and what it must not be; `null` stands for a field that is
/// left out too.
type Field = (&'static str, &'static str, &'static [&'static str]);

const CUSTOMER: Field = (
    "customer_id",
    "7",
    &["null", "true", "[7]", "{}", "\"abc\"", "-1", "1.5", "9223372036854775808", "1e999999"],
);
const INSTANT: Field = (
    "timestamp",
    "1700000000000",
    &["null", "true", "[]", "{}", "\"yesterday\"", "-1", "4102444800000", "1e300"],
);
const NAME: &[&str] = &["null", "true", "[]", "{\"a\":1}", "1.5", "1e999999"];
const NUMBER: &[&str] =
    &["null", "true", "[1]", "{}", "\"abc\"", "\"NaN\"", "1e400", "1e99999999999"];

/// Where a number may be left out.
const REWARD: &[&str] = &["true", "[1]", "{}", "\"abc\"", "\"NaN\"", "1e400", "1e99999999999"];

/// A good record of each file, field by field.
const GOOD: [(&str, &[Field]); 5] = [
    (
        "transactions",
        &[
            ("transaction_id", "\"a\"", NAME),
            CUSTOMER,
            INSTANT,
            ("amount", "12.5", NUMBER),
            ("op", "null", &["\"explode\"", "7"]),
        ],
    ),
    (
        "customers",
        &[
            CUSTOMER,
            ("email_open_rate", "0.5", &["1.5", "-0.1", "\"often\"", "1e400", "[]"]),
            ("op", "null", &["\"explode\"", "7"]),
        ],
    ),
    (
        "interactions",
        &[
            ("interaction_id", "\"a\"", NAME),
            CUSTOMER,
            INSTANT,
            ("action", "1", &["null", "4", "-1", "1.5", "18446744073709551616", "{}"]),
            ("reward", "1", REWARD),
        ],
    ),
    ("rewards", &[("interaction_id", "\"a\"", NAME), CUSTOMER, INSTANT, ("reward", "1", NUMBER)]),
    ("requests", &[("decision_id", "\"a\"", NAME), CUSTOMER, INSTANT]),
];

/// The files that there can be.
pub(crate) fn files() -> impl Iterator<Item = &'static str> {
    GOOD.iter().map(|(file, _)| *file)
}

/// Some rubbish for a file or its topic: so many random byte strings, and then everything else. No
/// piece has the end of a line in it, or is blank.
pub(crate) fn rubbish(file: &str, random: &mut Pcg64Mcg, strings: usize) -> Vec<Vec<u8>> {
    let mut pieces: Vec<Vec<u8>> = (0..strings).map(|_| random_bytes(random)).collect();
    pieces.extend(shapeless());
    if let Some((_, fields)) = GOOD.iter().find(|(of, _)| *of == file) {
        pieces.extend(cut(&object(fields.iter().map(|(name, value, _)| (*name, *value)))));
        pieces.extend(mistyped(fields));
    }
    pieces.extend(oversized());
    pieces
}

/// The closing brace keeps it from being blank.
fn random_bytes(random: &mut Pcg64Mcg) -> Vec<u8> {
    let mut bytes = vec![0; 1 + random.next_u32() as usize % 60];
    random.fill_bytes(&mut bytes);
    bytes.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = 0);
    bytes.push(b'}');
    bytes
}

/// What is no record, or one in which everything is wrong.
fn shapeless() -> Vec<Vec<u8>> {
    let nested = |open: &str, close: &str, depth: usize| {
        [open.repeat(depth), close.repeat(depth)].concat().into_bytes()
    };
    let mut pieces = vec![
        nested("[", "]", 100),
        nested("[", "]", 100_000),
        nested("{\"customer_id\":", "}", 20_000),
        b"{\"a\":".repeat(50_000),
    ];
    let texts: [&[u8]; 12] = [
        b"null",
        b"[]",
        b"{}",
        b"{} {}",
        b"1e999999",
        b"\"text\"",
        b"\x00",
        b"\xef\xbb\xbf",
        b"{\"customer_id\": -1, \"op\": \"explode\"}",
        b"{\"customer_id\": \"\xff\xfe\"}",
        b"{\"customer_id\": \"\\ud800\"}",
        b"{'customer_id': 7}",
    ];
    pieces.extend(texts.map(<[u8]>::to_vec));
    let nines = "9".repeat(5_000);
    pieces.push(
        format!("{{\"customer_id\": 1.5, \"transaction_id\": \"x\", \"amount\": {nines}}}")
            .into_bytes(),
    );
    pieces.push(format!("{{\"customer_id\": {nines}}}").into_bytes());
    pieces
}

fn object<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let fields: Vec<String> = fields.map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

/// A good record, cut off everywhere.
fn cut(good: &str) -> impl Iterator<Item = Vec<u8>> {
    (1..good.len()).map(|end| good.as_bytes()[..end].to_vec())
}

/// A good record with one field wrong.
fn mistyped(fields: &'static [Field]) -> impl Iterator<Item = Vec<u8>> {
    let spoilt = |at: usize, wrong: &'static str| {
        object(
            fields
                .iter()
                .enumerate()
                .map(|(index, (name, good, _))| (*name, if index == at { wrong } else { *good })),
        )
        .into_bytes()
    };
    fields
        .iter()
        .enumerate()
        .flat_map(move |(at, (_, _, wrong))| wrong.iter().map(move |wrong| spoilt(at, wrong)))
}

/// Around the limit of a record, and far beyond.
fn oversized() -> Vec<Vec<u8>> {
    // Of the allowed length, and no record for lack of every field that is needed.
    let padded = |length: usize| [&b"{\"note\":\""[..], &b"x".repeat(length - 11), b"\"}"].concat();
    vec![
        padded(MAX_RECORD - 1),
        padded(MAX_RECORD),
        padded(MAX_RECORD + 1),
        padded(10 << 20),
        vec![b'x'; 10 << 20],
    ]
}
