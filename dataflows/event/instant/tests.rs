//! Instants as they are printed, and what is none.

use super::*;

const NOON: Millis = 1_709_208_000_000; // 2024-02-29T12:00:00Z

#[test]
fn timestamps_that_are_none_are_refused() {
    for text in [
        "",
        "2024",
        "2024-2-29",
        "2023-02-29",
        "2024-02-29T",
        "2024-02-29 ",
        "2024-02-29Z",
        "2024-02-29T12:00Z",
        "2024-02-29T24:00:01Z",
        "2024-02-29T24:00:00.001Z",
        "2024-02-29T24:01:00Z",
        "2024-02-29T12:60:00Z",
        "2024-02-29T23:59:61Z",
        "2024-02-29T12:00:00.Z",
        "2024-02-29T12:00:00,Z",
        "2024-02-29T12:00:00;5Z",
        "2024-02-29T12:00:00+24:00",
        "2024-02-29T12:00:00+5:30",
        "2024-02-29T12:00:00+053",
        "2024-02-29T12:00:00*05",
        "2024-02-29T12:00:00  Z",
        "2024-02-29T12:00:00 ",
        "2024-02-29T12:00:00utc",
        "2024-02-29T12:00:00Zx",
        "2024-02-29x12:00:00Z",
        "1709208000000",
        "２０24-02-29",
    ] {
        assert_eq!(timestamp(text), Err(TimestampError::Unreadable), "{text}");
    }
    for text in [
        "1969-12-31",
        "2100-01-01",
        "2099-12-31T23:59:59-00:01",
        "1970-01-01T00:00:00+00:01",
        "9999-12-31",
        "0000-01-01",
        "2099-12-31 24:00:00",
    ] {
        assert_eq!(timestamp(text), Err(TimestampError::OutOfRange), "{text}");
    }
    for text in ["-1", "4102444800000", "99999999999999999999999"] {
        assert_eq!(timestamp_integer(text), Err(TimestampError::OutOfRange), "{text}");
    }
    for text in ["", "-", "1.5", "1e3", "+5", "0x1"] {
        assert_eq!(timestamp_integer(text), Err(TimestampError::Unreadable), "{text}");
    }
    assert_eq!(timestamp_integer("4102444799999"), Ok(TIMESTAMP_END - 1));
}

#[test]
fn finer_digits_are_cut_off_however_many_there_are() {
    for (fraction, millis) in
        [(".5", 500), (".123999999999", 123), (",0001", 0), (".999999999", 999)]
    {
        assert_eq!(
            timestamp(&format!("2024-02-29T12:00:00{fraction}Z")),
            Ok(NOON + millis),
            "{fraction}"
        );
    }
}

#[test]
fn numbers_count_their_unit_and_january_1970_is_doubted() {
    use TimeUnit::{Microseconds, Milliseconds, Nanoseconds, Seconds};
    use TimestampError::{NotMilliseconds, OutOfRange, Unreadable};
    for (text, unit, expected) in [
        ("1709208000", Some(Seconds), Ok(NOON)),
        ("1709208000.123999", Some(Seconds), Ok(NOON + 123)),
        ("1709208000000", None, Ok(NOON)),
        ("1709208000000.0", Some(Milliseconds), Ok(NOON)),
        ("1.709208e12", None, Ok(NOON)),
        ("1709208000000999", Some(Microseconds), Ok(NOON)),
        ("1709208000123999999", Some(Nanoseconds), Ok(NOON + 123)),
        ("0", Some(Milliseconds), Ok(0)),
        ("0", Some(Seconds), Ok(0)),
        ("0", None, Err(NotMilliseconds)),
        ("2678399999", None, Err(NotMilliseconds)),
        ("2678400000", None, Ok(JANUARY)),
        ("1709208000000", Some(Seconds), Err(OutOfRange)),
        ("-1", None, Err(OutOfRange)),
        ("1e300", None, Err(OutOfRange)),
        ("+1709208000000", None, Err(Unreadable)),
        ("NaN", None, Err(Unreadable)),
    ] {
        assert_eq!(number(text, unit), expected, "{text} {unit:?}");
    }
    let of = |unit| Instants { unit, ..Instants::default() };
    assert_eq!(of(None).likely_unit("1709208000"), Some(Seconds));
    assert_eq!(of(None).likely_unit("1709208000000000"), Some(Microseconds));
    assert_eq!(of(Some(Seconds)).likely_unit("1709208000000"), Some(Milliseconds));
    assert_eq!(of(None).likely_unit("soon"), None);
}

#[test]
fn dates_of_a_configured_form_are_read_and_others_are_not() {
    let instants = |formats: &[&str]| Instants {
        formats: formats.iter().map(|format| format.to_string()).collect(),
        unit: None,
    };
    let retail = instants(&["%m/%d/%Y %H:%M"]);
    assert_eq!(retail.read("12/1/2010 8:26"), Ok(1_291_191_960_000));
    assert_eq!(retail.read(" 2024-02-29 12:00:00 "), Ok(NOON), "the known forms come first");
    assert_eq!(retail.read("1709208000000"), Ok(NOON), "and numbers last");
    for text in ["13/1/2010 8:26", "12/1/2010", "12/1/2010 8:26 PM", "12-1-2010 8:26"] {
        assert_eq!(retail.read(text), Err(TimestampError::Unreadable), "{text}");
    }
    assert_eq!(
        instants(&["%d.%m.%Y", "%d.%m.%Y %H:%M:%S %z"]).read("29.02.2024 17:30:00 +0530"),
        Ok(NOON)
    );
    assert_eq!(
        instants(&["%Y%m%d"]).read("20240229"),
        Ok(NOON - DAY / 2),
        "digits alone are a date where that is configured"
    );
    assert_eq!(instants(&["%d.%m.%Y"]).read("1.1.2100"), Err(TimestampError::OutOfRange));
    assert_eq!(instants(&[]).read("12/1/2010 8:26"), Err(TimestampError::Unreadable));
}

#[test]
fn a_date_format_must_tell_the_day() {
    for format in
        ["%m/%d/%Y %H:%M", "%d.%m.%y", "%Y%m%d", "%b %d, %Y %I:%M %p", "%FT%T%z", "%d-%b-%Y"]
    {
        assert!(is_date_format(format), "{format}");
    }
    for format in ["", "yyyy-mm-dd", "%H:%M", "%m/%d", "%Y-%m", "%!", "%"] {
        assert!(!is_date_format(format), "{format}");
    }
}
