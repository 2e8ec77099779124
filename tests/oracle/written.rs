//! Dates, instants and amounts as they are written, read digit by digit.

use super::DAY;

/// An integer, digits after its point cut off; one that is too long is out of range, but an integer
/// still.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let integer: i128 = whole
        .parse()
        .ok()
        .filter(|_| !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(integer.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
}

/// An instant in one of its written forms, in milliseconds since 1970.
pub(crate) fn written_instant(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let midnight = day_number(date)? * DAY;
    if rest.is_empty() {
        return Some(midnight);
    }
    let (clock, zone) = rest.split_at_checked(9)?;
    let in_day = time_of_day(&clock[1..])?;
    let (fraction, offset) = fraction_and_offset(zone)?;
    let is_past_the_day = in_day + fraction > super::DAY && clock[1..].starts_with("24");
    let is_separated = matches!(clock.as_bytes()[0], b' ' | b'T' | b't');
    (is_separated && !is_past_the_day).then_some(midnight + in_day + fraction - offset)
}

/// HH:MM:SS in milliseconds.
fn time_of_day(text: &str) -> Option<i64> {
    let parts: Vec<&str> = text.split(':').collect();
    let [hour, minute, second] = parts[..] else { return None };
    let (hour, minute, second) =
        (two_digits(hour, 24)?, two_digits(minute, 59)?, two_digits(second, 60)?);
    Some(((hour * 60 + minute) * 60 + second) * 1000)
}

/// What follows the seconds, in milliseconds; "finer digits are cut off", and without a zone it is
/// UTC.
fn fraction_and_offset(text: &str) -> Option<(i64, i64)> {
    let (fraction, zone) = match text.strip_prefix(['.', ',']) {
        None => (0, text),
        Some(rest) => {
            let end = Some(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()))
                .filter(|end| *end > 0)?;
            let padded = format!("{}00", &rest[..end]);
            (padded[..3].parse().ok()?, &rest[end..])
        }
    };
    if ["", "Z", "z", "UTC", " Z", " z", " UTC"].contains(&zone) {
        return Some((fraction, 0));
    }
    let zone = zone.strip_prefix(' ').unwrap_or(zone);
    let sign = if zone.starts_with('+') {
        1
    } else if zone.starts_with('-') {
        -1
    } else {
        return None;
    };
    let (hour, minute) = match zone.len() {
        3 => (&zone[1..], "00"),
        5 => zone[1..].split_at(2),
        _ => zone[1..].split_once(':')?,
    };
    Some((fraction, sign * (two_digits(hour, 23)? * 60 + two_digits(minute, 59)?) * 60_000))
}

fn two_digits(text: &str, most: i64) -> Option<i64> {
    let all_digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|value| all_digits && *value <= most)
}

/// Days from 1970-01-01 to a date YYYY-MM-DD, counted year by year and month by month.
pub(crate) fn day_number(date: &str) -> Option<i64> {
    let parts: Vec<&str> = date.split('-').collect();
    let [year, month, day] = parts[..] else { return None };
    if year.len() != 4 || !year.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, month, day) =
        (year.parse::<i64>().ok()?, two_digits(month, 12)?, two_digits(day, 31)?);
    if month == 0 || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    let years: i64 = if year >= 1970 {
        (1970..year).map(days_in_year).sum()
    } else {
        -(year..1970).map(days_in_year).sum::<i64>()
    };
    Some(years + (1..month).map(|m| days_in_month(year, m)).sum::<i64>() + day - 1)
}

fn days_in_year(year: i64) -> i64 {
    (1..=12).map(|month| days_in_month(year, month)).sum()
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Month (1 to 12) in which a day lies, found by walking there from 1970.
pub(crate) fn month_of(day: i64) -> u32 {
    let (mut year, mut month, mut left) = (1970, 1, day);
    while left >= days_in_month(year, month) {
        left -= days_in_month(year, month);
        (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    }
    month as u32
}

/// "A number with more digits is rounded on its digits as written, half to even." None: no number,
/// negative, or over 10^18.
pub(crate) fn minor_units(written: &str, decimals: i64) -> Option<i64> {
    let (mantissa, exponent) = written.split_once(['e', 'E']).unwrap_or((written, "0"));
    let (negative, mantissa) =
        mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    if whole.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = all.trim_start_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    if negative {
        return None;
    }
    // Where the point of the minor units stands among the significant digits.
    let point = (whole.len() + significant.len()) as i128 - all.len() as i128
        + exponent_of(exponent)?
        + i128::from(decimals);
    if point > 18 {
        return None;
    }
    let digit = |place: i128| {
        if place < 0 {
            0
        } else {
            significant.as_bytes().get(place as usize).map_or(0, |byte| i64::from(byte - b'0'))
        }
    };
    let kept = (0..point).fold(0_i64, |sum, place| sum * 10 + digit(place));
    let rest_is_zero =
        significant.bytes().skip((point + 1).max(0) as usize).all(|byte| byte == b'0');
    let up = match digit(point) {
        6.. => true,
        5 => !rest_is_zero || kept % 2 == 1,
        _ => false,
    };
    Some(kept + i64::from(up))
}

/// An exponent; one that is too long to be read is as good as a very great one.
fn exponent_of(text: &str) -> Option<i128> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse::<i128>().unwrap_or(i128::from(i64::MAX)).min(i128::from(i64::MAX));
    Some(if text.starts_with('-') { -size } else { size })
}
