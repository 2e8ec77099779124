//! The many ways in which one fact can be written.

use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};
use std::collections::BTreeMap;

const DAY: i64 = 86_400_000;

/// Rewards: whole, tiny, ties of 2^-16 in both directions, the greatest allowed.
pub(super) const REWARDS: &[&str] = &[
    "0",
    "1",
    "1.5",
    "-0.4",
    "400",
    "0.1",
    "7.62939453125e-6",
    "2.288818359375E-5",
    "-7.62939453125e-6",
    "-2",
    "249.6",
    "10000000",
    "-1e7",
];

/// A seeded source of choices.
pub(super) struct Dice(Pcg64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Dice(Pcg64::seed_from_u64(seed))
    }

    /// A number below `end`; the bias of the remainder does not matter here.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// The fields of a record as they are meant.
pub(super) type Fact = Vec<(&'static str, Meaning)>;

/// What a field means.
#[derive(Clone, Debug)]
pub(super) enum Meaning {
    /// Left out, or null.
    Absent,
    /// Left out, null, or empty: where that is the same.
    Empty,
    /// A string or an integer.
    Id(String),
    Integer(i64),
    /// Milliseconds since 1970.
    Instant(i64),
    /// Midnight of a date, milliseconds since 1970.
    Date(i64),
    /// An amount in hundredths.
    Minor(i64),
    /// A value of a list, in any case; empty: absent.
    Listed(String),
    /// The number of an arm of the default configuration.
    Arm(usize),
    Flag(bool),
    Number(&'static str),
    Text(String),
}

/// What a field is written as.
#[derive(Clone, Debug)]
pub(super) enum Token {
    /// A string.
    Text(String),
    /// Anything else of JSON: number, null, array.
    Bare(String),
    /// A truth value, which has many words.
    Flag(bool),
}

/// Writes every field of a fact in one of its ways, in any order.
pub(super) fn spell(fact: &Fact, dice: &mut Dice) -> Vec<(String, Token)> {
    let mut fields = Vec::new();
    for (name, meaning) in fact {
        if let Meaning::Arm(arm) = meaning {
            let names = ["Email", "SMS", "Push", "Direct Mail"];
            let which = dice.below(3);
            if which != 0 {
                fields.push(("action".to_owned(), Token::Bare(arm.to_string())));
            }
            if which != 1 {
                fields.push(("campaign_name".to_owned(), Token::Text(names[*arm].to_owned())));
            }
        } else if let Some(token) = token(meaning, dice) {
            fields.push(((*name).to_owned(), token));
        }
    }
    for last in (1..fields.len()).rev() {
        fields.swap(last, dice.below(last as u64 + 1) as usize);
    }
    fields
}

fn token(meaning: &Meaning, dice: &mut Dice) -> Option<Token> {
    let token = match meaning {
        Meaning::Absent | Meaning::Arm(_) => return dice.chance(40).then(null),
        Meaning::Listed(text) if text.is_empty() => return dice.chance(40).then(null),
        Meaning::Empty => match dice.below(3) {
            0 => return None,
            1 => null(),
            _ => Token::Text(String::new()),
        },
        Meaning::Id(id)
            if id.parse::<u64>().is_ok_and(|number| number.to_string() == *id)
                && dice.chance(60) =>
        {
            integer_token(id, dice)
        }
        Meaning::Id(text) => {
            Token::Text(if dice.chance(10) { format!(" {text} ") } else { text.clone() })
        }
        Meaning::Text(text) => Token::Text(text.clone()),
        Meaning::Integer(integer) => integer_token(&integer.to_string(), dice),
        Meaning::Number(number) if dice.chance(10) => Token::Text(format!(" {number}")),
        Meaning::Number(number) => Token::Bare((*number).to_owned()),
        Meaning::Flag(flag) => Token::Flag(*flag),
        Meaning::Listed(text) => match dice.below(4) {
            0 => Token::Text(text.to_uppercase()),
            1 => Token::Text(text.to_lowercase()),
            _ => Token::Text(text.clone()),
        },
        Meaning::Date(midnight) => Token::Text(date(midnight.div_euclid(DAY))),
        Meaning::Instant(instant) => instant_token(*instant, dice),
        Meaning::Minor(minor) => amount_token(*minor, dice),
    };
    Some(token)
}

/// An integer as a number or a text, and where a float could say it, as one.
fn integer_token(integer: &str, dice: &mut Dice) -> Token {
    let fits = integer.len() < 16;
    match dice.below(8) {
        0 if fits => Token::Bare(format!("{integer}.0")),
        1 if fits => Token::Text(format!("{integer}.00")),
        2 => Token::Text(format!("  {integer} ")),
        3 => Token::Text(integer.to_owned()),
        _ => Token::Bare(integer.to_owned()),
    }
}

fn null() -> Token {
    Token::Bare("null".to_owned())
}

/// An instant as milliseconds, as RFC 3339 with any offset and any number of digits, or in the
/// short forms where they can say it.
fn instant_token(instant: i64, dice: &mut Dice) -> Token {
    let (day, in_day) = (instant.div_euclid(DAY), instant.rem_euclid(DAY));
    let finer = dice.pick(&["", "0", "999", "499999"]);
    let hours = |zone: i64| {
        (
            date((instant + zone * 3_600_000).div_euclid(DAY)),
            clock((instant + zone * 3_600_000).rem_euclid(DAY)),
        )
    };
    Token::Text(match dice.below(13) {
        0 | 1 => return Token::Bare(instant.to_string()),
        7 => return Token::Bare(format!("{instant}.{finer}0")),
        8 => format!(" {instant} "),
        9 if in_day == 0 => format!("{} 24:00:00", date(day - 1)),
        9 if in_day % 60_000 == 0 => {
            let before = instant - 60_000;
            let clock = clock(before.rem_euclid(DAY));
            format!("{}T{}60Z", date(before.div_euclid(DAY)), &clock[..6])
        }
        9 | 10 => format!("{} {},{:03}{finer} UTC", date(day), clock(in_day), in_day % 1000),
        11 => {
            let (date, clock) = hours(5);
            format!("{date} {clock}.{:03}+05", in_day % 1000)
        }
        12 => {
            let (date, clock) = hours(-8);
            format!("{date}T{clock},{:03}{finer}-0800", in_day % 1000)
        }
        2 if in_day == 0 => date(day),
        2 | 3 if in_day % 1000 == 0 => format!("{} {}", date(day), clock(in_day)),
        4 => {
            // The clock of another zone, from 14 hours before to 14 after.
            let minutes = (dice.below(113) as i64 - 56) * 15;
            let there = instant + minutes * 60_000;
            let sign = if minutes < 0 { '-' } else { '+' };
            let zone = format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60);
            let in_day = there.rem_euclid(DAY);
            format!(
                "{}T{}.{:03}{finer}{zone}",
                date(there.div_euclid(DAY)),
                clock(in_day),
                in_day % 1000
            )
        }
        5 if in_day % 1000 == 0 => format!("{}T{}Z", date(day), clock(in_day)),
        5 if in_day % 100 == 0 => {
            format!("{}T{}.{}Z", date(day), clock(in_day), in_day % 1000 / 100)
        }
        6 => format!("{}t{}.{:03}{finer}z", date(day), clock(in_day), in_day % 1000),
        _ => format!("{}T{}.{:03}{finer}Z", date(day), clock(in_day), in_day % 1000),
    })
}

/// An amount that is kept as this many hundredths.
fn amount_token(minor: i64, dice: &mut Dice) -> Token {
    let exact = format!("{}.{:02}", minor / 100, minor % 100);
    let below = minor.saturating_sub(1);
    let even = minor % 2 == 0;
    // Rounding down to the greatest amount is rounding something greater than it: not certain to be
    // accepted.
    let greatest = minor >= 1_000_000_000_000;
    match dice.below(12) {
        0 | 1 => Token::Text(exact),
        2 => Token::Bare(format!("{minor}e-2")),
        3 => Token::Bare(format!("{minor}.000E-2")),
        4 if minor % 1000 == 0 => Token::Bare(format!("{}e+1", minor / 1000)),
        4 | 5 if minor % 100 == 0 => Token::Bare((minor / 100).to_string()),
        5 | 6 if minor % 10 == 0 => Token::Bare(format!("{}.{}", minor / 100, minor % 100 / 10)),
        7 if even && !greatest => Token::Bare(format!("{exact}5")),
        8 if even && minor > 0 => {
            Token::Text(format!("{}.{:02}50000000000000000000", below / 100, below % 100))
        }
        9 if minor > 0 => {
            Token::Bare(format!("{}.{:02}5000000000000000000000000001", below / 100, below % 100))
        }
        10 if !greatest => Token::Bare(format!("{exact}4999999999999999999")),
        11 if minor % 100 == 0 => Token::Text((minor / 100).to_string()),
        _ => Token::Bare(exact),
    }
}

/// A JSON object of these fields, at times with fields that nobody knows.
pub(super) fn object(fields: &[(String, Token)], dice: &mut Dice) -> Vec<u8> {
    let mut members: Vec<String> = fields
        .iter()
        .map(|(name, token)| format!("{}:{}", text(name, 1, dice), json(token, dice)))
        .collect();
    if dice.chance(15) {
        let unknown = [
            r#""note":"a \"quoted\", } text""#,
            r#""nested":[{"amount":-1,"customer_id":[3]}]"#,
            r#""huge":1e999"#,
            r#""none":null"#,
        ];
        let place = dice.below(members.len() as u64 + 1) as usize;
        members.insert(place, dice.pick(&unknown).to_owned());
    }
    let (open, comma, close) =
        dice.pick(&[("{", ",", "}"), ("{", ",", "}"), ("{ ", ", ", " }"), (" {\t", " ,", "}  ")]);
    format!("{open}{}{close}", members.join(comma)).into_bytes()
}

fn json(token: &Token, dice: &mut Dice) -> String {
    match token {
        Token::Text(string) => text(string, 8, dice),
        Token::Bare(token) => token.clone(),
        Token::Flag(true) => dice
            .pick(&["true", "true", "1", "1.0", "\"yes\"", "\"T\"", "\" Y \"", "\"TRUE\""])
            .to_owned(),
        Token::Flag(false) => dice
            .pick(&["false", "false", "0", "0.0", "\"No\"", "\"f\"", "\"N\"", "\"0\""])
            .to_owned(),
    }
}

/// A JSON string, its first letter at times escaped.
fn text(string: &str, percent: u64, dice: &mut Dice) -> String {
    let quoted = serde_json::to_string(string).expect("a string is JSON");
    match string.chars().next() {
        Some(first) if first.is_ascii_alphanumeric() && dice.chance(percent) => {
            format!("\"\\u{:04x}{}", u32::from(first), &quoted[2..])
        }
        _ => quoted,
    }
}

/// The cells of a CSV row.
pub(super) fn cells(fields: &[(String, Token)], dice: &mut Dice) -> BTreeMap<String, String> {
    let cell = |token: &Token, dice: &mut Dice| match token {
        Token::Text(text) => text.clone(),
        Token::Bare(token) if token == "null" => String::new(),
        Token::Bare(token) => token.clone(),
        Token::Flag(true) => dice.pick(&["true", "TRUE", " t", "1", "1.0", "Yes", "y"]).to_owned(),
        Token::Flag(false) => {
            dice.pick(&["false", "FALSE", "f ", "0", "0.0", "NO", "n"]).to_owned()
        }
    };
    fields.iter().map(|(name, token)| (name.clone(), cell(token, dice))).collect()
}

/// HH:MM:SS.
fn clock(in_day: i64) -> String {
    let seconds = in_day / 1000;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// YYYY-MM-DD of a number of days since 1970.
fn date(day: i64) -> String {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (mut year, mut left) = (1970, day);
    while left >= 365 + i64::from(leap(year)) {
        left -= 365 + i64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while left >= lengths[month] {
        left -= lengths[month];
        month += 1;
    }
    format!("{year:04}-{:02}-{:02}", month + 1, left + 1)
}
