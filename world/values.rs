//! Values of fields as text, and their lines as JSON or CSV.

use dataflows::event::Millis;
use jiff::{Timestamp, tz::Offset};

/// The value of a field.
#[derive(Clone, Copy)]
pub(super) enum FieldValue {
    /// Text without quotes, backslashes, commas and control characters.
    Text(&'static str),
    /// A letter and a number of at least seven digits.
    Id(u8, u64),
    /// A whole number.
    Whole(u64),
    /// Hundredths, written with two decimals.
    Money(i64),
    /// Thousandths, written with three decimals.
    Permille(u16),
    /// true or false.
    Flag(bool),
    /// An instant on a whole second.
    Time(Millis),
    /// The date of an instant.
    Date(Millis),
}

/// Appends one JSON object, in the spacing of Python's `json` module.
#[inline]
pub(super) fn json<const N: usize>(names: &[&str; N], values: [FieldValue; N], out: &mut Vec<u8>) {
    for (index, (name, value)) in names.iter().zip(values).enumerate() {
        out.extend_from_slice(if index == 0 { b"{\"" } else { b", \"" });
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\": ");
        value.write(b"\"", out);
    }
    out.push(b'}');
}

/// Appends one row of comma-separated values.
#[inline]
pub(super) fn csv<const N: usize>(values: [FieldValue; N], out: &mut Vec<u8>) {
    for (index, value) in values.into_iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"" } else { b"," });
        value.write(b"", out);
    }
}

impl FieldValue {
    /// Appends the value; texts and times between quotes.
    #[inline]
    fn write(self, quote: &[u8], out: &mut Vec<u8>) {
        let mut quoted = |content: &dyn Fn(&mut Vec<u8>)| {
            out.extend_from_slice(quote);
            content(out);
            out.extend_from_slice(quote);
        };
        match self {
            FieldValue::Text(text) => quoted(&|out| out.extend_from_slice(text.as_bytes())),
            FieldValue::Id(letter, number) => quoted(&|out| {
                out.push(letter);
                digits(out, number, 7);
            }),
            FieldValue::Time(instant) => quoted(&|out| time(out, instant)),
            FieldValue::Date(instant) => quoted(&|out| date(out, instant)),
            FieldValue::Whole(number) => digits(out, number, 1),
            FieldValue::Money(hundredths) => {
                out.extend_from_slice(if hundredths < 0 { b"-" } else { b"" });
                fraction(out, hundredths.unsigned_abs(), 100, 2);
            }
            FieldValue::Permille(thousandths) => fraction(out, u64::from(thousandths), 1000, 3),
            FieldValue::Flag(flag) => out.extend_from_slice(if flag { b"true" } else { b"false" }),
        }
    }
}

/// Appends `parts` of `whole` (a power of ten) as a number with so many decimals.
#[inline]
fn fraction(out: &mut Vec<u8>, parts: u64, whole: u64, decimals: usize) {
    digits(out, parts / whole, 1);
    out.push(b'.');
    digits(out, parts % whole, decimals);
}

/// Appends a number in decimal, with zeros in front up to `width` digits.
#[inline]
fn digits(out: &mut Vec<u8>, mut number: u64, width: usize) {
    // 20 digits are enough for 2^64 - 1.
    let mut text = [b'0'; 20];
    let mut start = text.len();
    while number > 0 {
        start -= 1;
        text[start] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&text[start.min(text.len() - width)..]);
}

/// Appends `YYYY-MM-DDTHH:MM:SSZ`.
#[inline]
fn time(out: &mut Vec<u8>, instant: Millis) {
    date(out, instant);
    let seconds = instant.div_euclid(1000).rem_euclid(86_400) as u64;
    out.push(b'T');
    digits(out, seconds / 3600, 2);
    out.push(b':');
    digits(out, seconds / 60 % 60, 2);
    out.push(b':');
    digits(out, seconds % 60, 2);
    out.push(b'Z');
}

/// Appends `YYYY-MM-DD`.
#[inline]
fn date(out: &mut Vec<u8>, instant: Millis) {
    let instant = Timestamp::from_millisecond(instant)
        .expect("a world and its customers' signups lie between 1970 and 2100");
    let date = Offset::UTC.to_datetime(instant).date();
    digits(out, date.year() as u64, 4);
    out.push(b'-');
    digits(out, date.month() as u64, 2);
    out.push(b'-');
    digits(out, date.day() as u64, 2);
}
