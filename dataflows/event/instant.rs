//! Instants as programs print them: dates and times of day, numbers of some unit since 1970, and
//! dates of a form that is configured.
//!
//! The forms are listed in `README.md` beside this file. What is finer than a millisecond is cut
//! off.

use super::decimal::Decimal;
use super::text::{TIMESTAMP_END, days_from_civil, is_integer};
use super::{DAY, Millis};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

/// Milliseconds in a minute.
const MINUTE: Millis = 60_000;

/// Up to here a number of milliseconds lies in January 1970: nearly always it is one of seconds.
const JANUARY: Millis = 31 * DAY;

/// What is wrong with a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampError {
    /// Not in one of the forms, or no such date or time of day.
    Unreadable,
    /// Before 1970 or from 2100 on.
    OutOfRange,
    /// A number that would lie in January 1970, where nobody has said that numbers are
    /// milliseconds.
    NotMilliseconds,
}

/// What numbers that are instants count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimeUnit {
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
    /// Microseconds since 1970.
    Microseconds,
    /// Nanoseconds since 1970.
    Nanoseconds,
}

impl TimeUnit {
    /// Every unit.
    pub const ALL: [TimeUnit; 4] =
        [TimeUnit::Seconds, TimeUnit::Milliseconds, TimeUnit::Microseconds, TimeUnit::Nanoseconds];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            TimeUnit::Seconds => "seconds",
            TimeUnit::Milliseconds => "milliseconds",
            TimeUnit::Microseconds => "microseconds",
            TimeUnit::Nanoseconds => "nanoseconds",
        }
    }

    /// The power of ten that makes milliseconds of it.
    fn power(self) -> i64 {
        match self {
            TimeUnit::Seconds => 3,
            TimeUnit::Milliseconds => 0,
            TimeUnit::Microseconds => -3,
            TimeUnit::Nanoseconds => -6,
        }
    }
}

/// How instants are read: what the configuration says of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Instants {
    /// What numbers count; `None`: milliseconds, but for those that would lie in January 1970.
    pub(super) unit: Option<TimeUnit>,
    /// Forms of dates beside those that everybody knows.
    pub(super) formats: Vec<String>,
}

impl Instants {
    /// The instant of a text or number, whatever white space is around it: one of the known forms,
    /// or else one of the configured ones, or else a number.
    pub(super) fn read(&self, text: &str) -> Result<Millis, TimestampError> {
        let text = text.trim_ascii();
        match timestamp(text) {
            Err(TimestampError::Unreadable) => {}
            known => return known,
        }
        let configured = self.formats.iter().find_map(|format| by_format(text, format));
        configured.unwrap_or_else(|| number(text, self.unit))
    }

    /// Which integers are the instants that they are, milliseconds since 1970: what the fast path
    /// may take as it stands.
    pub(super) fn plain_numbers(&self) -> std::ops::Range<u64> {
        let least = match self.unit {
            None => JANUARY as u64,
            Some(TimeUnit::Milliseconds) => 0,
            Some(_) => return 0..0,
        };
        // Digits alone may be a date of a configured form.
        if self.formats.is_empty() { least..TIMESTAMP_END as u64 } else { 0..0 }
    }

    /// The unit in which a number that is no instant would be one of this century.
    pub(super) fn likely_unit(&self, text: &str) -> Option<TimeUnit> {
        const CENTURY: Millis = 10_957 * DAY;
        TimeUnit::ALL.into_iter().filter(|unit| Some(*unit) != self.unit).find(|unit| {
            number(text.trim_ascii(), Some(*unit)).is_ok_and(|instant| instant >= CENTURY)
        })
    }
}

/// The instant that a text names in one of the forms that need no configuration: a date, or a date
/// and a time of day with or without a zone.
pub fn timestamp(text: &str) -> Result<Millis, TimestampError> {
    read_timestamp(text.as_bytes()).ok_or(TimestampError::Unreadable).and_then(in_range)
}

/// The instant that an integer (milliseconds since 1970, as decimal text) names.
pub fn timestamp_integer(text: &str) -> Result<Millis, TimestampError> {
    if !is_integer(text) {
        return Err(TimestampError::Unreadable);
    }
    text.parse().map_err(|_| TimestampError::OutOfRange).and_then(in_range)
}

/// The instant that a number of this unit names.
fn number(text: &str, unit: Option<TimeUnit>) -> Result<Millis, TimestampError> {
    let decimal =
        Decimal::read(text).filter(|_| !text.starts_with('+')).ok_or(TimestampError::Unreadable)?;
    if decimal.is_negative() {
        return Err(TimestampError::OutOfRange);
    }
    let cut = decimal.cut(unit.map_or(0, TimeUnit::power)).ok_or(TimestampError::OutOfRange)?;
    let instant =
        Millis::try_from(cut.whole).map_err(|_| TimestampError::OutOfRange).and_then(in_range)?;
    if unit.is_none() && instant < JANUARY {
        Err(TimestampError::NotMilliseconds)
    } else {
        Ok(instant)
    }
}

/// The instant of a text in a form of strptime; `None` where the text is not of that form. Without
/// an offset it is read as UTC, without a time as midnight.
fn by_format(text: &str, format: &str) -> Option<Result<Millis, TimestampError>> {
    let parts = BrokenDownTime::parse(format, text).ok()?;
    let offset = parts.offset().unwrap_or(Offset::UTC);
    let instant = offset.to_timestamp(parts.to_datetime().ok()?).ok()?;
    let millis = Millis::try_from(instant.as_nanosecond().div_euclid(1_000_000)).ok()?;
    Some(in_range(millis))
}

/// Whether dates of this form can be read: it must tell year, month and day.
pub fn is_date_format(format: &str) -> bool {
    // A day that no two fields of a date could be mistaken for each other in, nor the time of day
    // with them.
    let Ok(written) = jiff::civil::datetime(2010, 11, 29, 8, 26, 0, 0)
        .to_zoned(jiff::tz::TimeZone::UTC)
        .map(|day| jiff::fmt::strtime::format(format, &day))
    else {
        return false;
    };
    let day = days_from_civil(2010, 11, 29);
    written.is_ok_and(|written| {
        by_format(&written, format).and_then(Result::ok).map(|instant| instant.div_euclid(DAY))
            == day
    })
}

fn in_range(instant: Millis) -> Result<Millis, TimestampError> {
    if (0..TIMESTAMP_END).contains(&instant) {
        Ok(instant)
    } else {
        Err(TimestampError::OutOfRange)
    }
}

fn read_timestamp(text: &[u8]) -> Option<Millis> {
    let (date, rest) = text.split_first_chunk::<10>()?;
    let midnight = read_date(date)? * DAY;
    let Some((b' ' | b'T' | b't', rest)) = rest.split_first() else {
        return rest.is_empty().then_some(midnight);
    };
    let (clock, rest) = rest.split_first_chunk::<8>()?;
    let [h1, h2, b':', m1, m2, b':', s1, s2] = *clock else {
        return None;
    };
    // A leap second is read as the second after it, which has the same number of seconds since
    // 1970.
    let (hour, minute, second) =
        (two_digits(h1, h2, 24)?, two_digits(m1, m2, 59)?, two_digits(s1, s2, 60)?);
    let (fraction, zone) = read_fraction(rest)?;
    let in_day = (hour * 60 + minute) * MINUTE + second * 1000 + fraction;
    // 24:00:00 is the midnight at which a day ends; there is nothing after it.
    (hour < 24 || in_day == DAY).then_some(())?;
    Some(midnight + in_day - read_zone(zone)? * MINUTE)
}

/// Minutes by which the clocks of a zone are ahead of UTC, perhaps after a space; without a zone it
/// is UTC.
fn read_zone(text: &[u8]) -> Option<i64> {
    let (sign, [h1, h2], [m1, m2]) = match text.strip_prefix(b" ").unwrap_or(text) {
        [] => return text.is_empty().then_some(0),
        b"Z" | b"z" | b"UTC" => return Some(0),
        [sign, h1, h2] => (sign, [h1, h2], [&b'0', &b'0']),
        [sign, h1, h2, m1, m2] | [sign, h1, h2, b':', m1, m2] => (sign, [h1, h2], [m1, m2]),
        _ => return None,
    };
    let minutes = two_digits(*h1, *h2, 23)? * 60 + two_digits(*m1, *m2, 59)?;
    match sign {
        b'+' => Some(minutes),
        b'-' => Some(-minutes),
        _ => None,
    }
}

/// Days since 1970 of `YYYY-MM-DD`.
fn read_date(text: &[u8; 10]) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else {
        return None;
    };
    let year = two_digits(y1, y2, 99)? * 100 + two_digits(y3, y4, 99)?;
    days_from_civil(year as i32, two_digits(m1, m2, 12)? as u32, two_digits(d1, d2, 31)? as u32)
}

fn two_digits(tens: u8, ones: u8, greatest: i64) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    let value = i64::from(tens) * 10 + i64::from(ones);
    (tens <= 9 && ones <= 9 && value <= greatest).then_some(value)
}

/// Milliseconds of a fraction of a second, if there is one, and what follows it.
fn read_fraction(text: &[u8]) -> Option<(Millis, &[u8])> {
    let [b'.' | b',', digits @ ..] = text else {
        return Some((0, text));
    };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = digits.split_at(count);
    let digit = |index: usize| digits.get(index).map_or(0, |byte| i64::from(byte - b'0'));
    (count > 0).then(|| (digit(0) * 100 + digit(1) * 10 + digit(2), rest))
}

#[cfg(test)]
mod tests;
