//! The cursor against the complete readers: what it takes is the same, and what it leaves it leaves
//! whole.

use crate::event::CustomerId;

use super::*;
use proptest::prelude::*;

/// Numbers that are instants.
const NUMBERS: Range<u64> = 1_000..2_000;

/// What a cursor reads from a value that a brace follows.
fn read<T>(value: &str, read: impl Fn(&mut Cursor) -> Option<T>) -> Option<T> {
    let bytes = [value.as_bytes(), &[b'}'; crate::source::Block::PADDING]].concat();
    let mut cursor = Cursor::new(&bytes, 0);
    read(&mut cursor).filter(|_| cursor.position() == value.len())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn numbers_are_the_nearest(
        text in "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?",
    ) {
        let expected: f64 = text.parse().unwrap();
        let found = read(&text, |cursor| cursor.number()).map(f64::to_bits);
        prop_assert_eq!(found, Some(expected.to_bits()));
    }

    #[test]
    fn amounts_are_exact(
        text in "-?(0|[1-9][0-9]{0,14})(\\.[0-9]{1,9})?([eE][+-]?[0-9])?",
        decimals in 0_u32..5,
    ) {
        let expected = text::minor_units(&text, decimals).ok();
        prop_assert_eq!(read(&text, |cursor| cursor.amount(decimals)), expected);
        prop_assert_eq!(read(&format!("\"{text}\""), |cursor| cursor.amount(decimals)), expected);
    }

    #[test]
    fn plain_ids_are_hashed_and_others_left(text in "[ -~]{0,50}|[0-9]{1,9}\\.?0{0,3}|[ \
        -~]{0,20}[\u{0}-\u{1f}é\u{7f}][ -~]{0,20}") {
        let is_plain = |byte| (b' '..128).contains(&byte) && byte != b'"' && byte != b'\\';
        let plain = text.bytes().all(is_plain);
        let only_zeros = text.ends_with('0') && text.trim_end_matches('0').ends_with('.');
        let plain = plain && !text.is_empty() && text.trim() == text && !only_zeros;
        let expected = plain.then(|| (text::id_hash(text.as_bytes()), 1..text.len() + 1));
        prop_assert_eq!(read(&format!("\"{text}\""), |cursor| cursor.id()), expected);
    }

    #[test]
    fn integers_are_whole(number in any::<u64>(), shift in 0..64) {
        let number: u64 = number >> shift;
        let expected = CustomerId::try_from(number).ok();
        prop_assert_eq!(read(&number.to_string(), |cursor| cursor.customer()), expected);
        let padded = format!("0{number}");
        prop_assert_eq!(read(&padded, |cursor| cursor.customer()), None);
    }
}

#[test]
fn timestamps_of_every_day_are_read() {
    for day in 0..text::TIMESTAMP_END / DAY {
        let (year, month, date) = text::civil_from_days(day);
        let second = day * 7919 % 86_400;
        let clock = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
        let expected = Some(day * DAY + second * 1000);
        for (separator, end) in [("T", "Z"), (" ", "")] {
            let text = format!("\"{year}-{month:02}-{date:02}{separator}{clock}{end}\"");
            assert_eq!(read(&text, |cursor| cursor.timestamp(&NUMBERS)), expected, "{text}");
        }
        let text = format!("\"{year}-{month:02}-{date:02}T{clock}.007Z\"");
        assert_eq!(
            read(&text, |cursor| cursor.timestamp(&NUMBERS)),
            expected.map(|instant| instant + 7),
            "{text}"
        );
    }
}

#[test]
fn only_numbers_that_are_instants_are_taken() {
    for (text, expected) in [
        ("999", None),
        ("1000", Some(1000)),
        ("1999", Some(1999)),
        ("2000", None),
        ("\"1000\"", None),
    ] {
        assert_eq!(read(text, |cursor| cursor.timestamp(&NUMBERS)), expected, "{text}");
    }
}

#[test]
fn what_is_nearly_a_timestamp_is_left() {
    let good = "\"2024-02-29T12:34:56Z\"";
    let known = read(good, |cursor| cursor.timestamp(&NUMBERS));
    for at in 1..good.len() - 1 {
        for byte in 0..=255_u8 {
            let mut bytes = [good.as_bytes(), &[0; 64]].concat();
            bytes[at] = byte;
            let found = Cursor::new(&bytes, 0).timestamp(&NUMBERS);
            let expected = std::str::from_utf8(&bytes[1..good.len() - 1])
                .ok()
                .and_then(|text| super::super::instant::timestamp(text).ok());
            assert!(found.is_none() || found == expected, "{at} {byte}");
            assert!(byte != good.as_bytes()[at] || found == known);
        }
    }
}
