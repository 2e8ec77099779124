//! Durations, sizes, instants and days as people write them.

use dataflows::event::instant::{timestamp, timestamp_integer};
use dataflows::event::{DAY, Millis};
use jiff::Span;
use jiff::civil::{Date, date};

/// Units of a duration, in milliseconds.
const DURATIONS: [(&str, i64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", DAY)];

/// The day that days are counted from.
const EPOCH: Date = date(1970, 1, 1);

/// Units of a size, in bytes.
const SIZES: [(&str, i64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Reads a duration such as "500ms", "1s", "10m", "24h" or "400d", in milliseconds.
pub fn parse_duration(text: &str) -> Option<Millis> {
    measure(text, &DURATIONS)
}

/// Reads a size such as "64KiB", in bytes; a number alone is bytes.
pub fn parse_size(text: &str) -> Option<i64> {
    text.trim().parse().ok().or_else(|| measure(text, &SIZES))
}

/// Writes a duration in the largest unit that divides it.
pub fn format_duration(duration: Millis) -> String {
    if duration == 0 {
        return "0s".to_string();
    }
    let (unit, size) =
        DURATIONS.iter().rev().find(|(_, size)| duration % size == 0).unwrap_or(&DURATIONS[0]);
    format!("{}{unit}", duration / size)
}

/// Writes a size in the largest unit that divides it.
pub fn format_size(bytes: i64) -> String {
    let (unit, size) =
        SIZES.iter().rev().find(|(_, size)| bytes != 0 && bytes % size == 0).unwrap_or(&SIZES[0]);
    format!("{}{unit}", bytes / size)
}

/// A whole number and one of the units, with or without a space between them.
fn measure(text: &str, units: &[(&str, i64)]) -> Option<i64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, size) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<i64>().ok()?.checked_mul(*size)
}

/// Reads an instant in any form that events have: RFC 3339, a date with or without a time (UTC), or
/// milliseconds since 1970.
pub fn parse_instant(text: &str) -> Option<Millis> {
    let text = text.trim();
    timestamp_integer(text).or_else(|_| timestamp(text)).ok()
}

/// Writes a day as a date.
pub fn format_day(day: i32) -> String {
    match EPOCH.checked_add(Span::new().days(day)) {
        Ok(date) => date.to_string(),
        // Beyond the calendar, which no event's time reaches; the number says as much.
        Err(_) => day.to_string(),
    }
}

/// Reads a day from a date.
pub fn parse_day(text: &str) -> Option<i32> {
    let date: Date = text.parse().ok()?;
    Some(EPOCH.until(date).ok()?.get_days())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_back() {
        for (text, millis) in [
            ("500ms", 500),
            ("1s", 1_000),
            ("90s", 90_000),
            ("10m", 600_000),
            ("36h", 129_600_000),
            ("400d", 400 * DAY),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Some(millis), "{text}");
            assert_eq!(format_duration(millis), text);
        }
        assert_eq!(parse_duration(" 24 h "), Some(DAY));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "5", "s", "-1s", "1.5h", "1w", "1s2", "9223372036854775807d"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_binary_units() {
        for (text, bytes) in
            [("1000", 1000), ("64KiB", 65_536), ("1MiB", 1 << 20), ("2 GiB", 2 << 30)]
        {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        assert_eq!(format_size(1 << 20), "1MiB");
        assert_eq!(format_size(1_000), "1000B");
        assert_eq!(parse_size("1MB"), None);
    }

    #[test]
    fn instants_are_read_in_every_form_that_events_have() {
        for text in [
            "2024-03-01T00:00:00Z",
            "2024-03-01T05:30:00+05:30",
            "2024-03-01",
            "2024-03-01 00:00:00",
            "1709251200000",
        ] {
            assert_eq!(parse_instant(text), Some(1_709_251_200_000), "{text}");
        }
        assert_eq!(parse_instant("yesterday"), None);
    }
}
