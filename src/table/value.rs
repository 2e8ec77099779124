//! Single values, and how people read them.

use super::encode::YEAR_2000;
use super::packed::ARRAY_HEADER;
use crate::units::format_day;
use dataflows::table::ColumnType;
use jiff::Timestamp;

/// A value as a number, if that is what its column holds.
pub fn number(kind: ColumnType, value: &[u8]) -> Option<i64> {
    match kind {
        ColumnType::Smallint => Some(i64::from(i16::from_be_bytes(value.try_into().ok()?))),
        ColumnType::Integer | ColumnType::Day => {
            Some(i64::from(i32::from_be_bytes(value.try_into().ok()?)))
        }
        ColumnType::Bigint | ColumnType::Timestamp => {
            Some(i64::from_be_bytes(value.try_into().ok()?))
        }
        ColumnType::Boolean
        | ColumnType::Float8
        | ColumnType::Decimal(_)
        | ColumnType::Text
        | ColumnType::Bytes
        | ColumnType::Smallints
        | ColumnType::Float8s
        | ColumnType::Texts => None,
    }
}

/// Characters of a text that are shown, and bytes.
const SHOWN: usize = 120;
const SHOWN_BYTES: usize = 16;

/// A value as people read it.
pub fn show(kind: ColumnType, value: Option<&[u8]>) -> String {
    let Some(value) = value else { return "NULL".to_string() };
    let shown = match kind {
        ColumnType::Boolean => value.first().map(|value| (*value != 0).to_string()),
        ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint => {
            number(kind, value).map(|number| number.to_string())
        }
        ColumnType::Day => number(kind, value).map(|day| format_day(day as i32)),
        ColumnType::Timestamp => number(kind, value).map(instant),
        ColumnType::Float8 => {
            value.try_into().ok().map(|bytes| f64::from_be_bytes(bytes).to_string())
        }
        ColumnType::Text | ColumnType::Decimal(_) => Some(text(value)),
        ColumnType::Bytes => None,
        ColumnType::Smallints => array::<2>(value, |bytes| i16::from_be_bytes(bytes).to_string()),
        ColumnType::Float8s => array::<8>(value, |bytes| f64::from_be_bytes(bytes).to_string()),
        ColumnType::Texts => texts(value).map(|texts| format!("{texts:?}")),
    };
    shown.unwrap_or_else(|| bytes(value))
}

fn text(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    match text.char_indices().nth(SHOWN) {
        None => format!("{text:?}"),
        Some((end, _)) => format!(
            "{:?} and {} more bytes (CRC-32 {:08x})",
            &text[..end],
            text.len() - end,
            crc32fast::hash(value)
        ),
    }
}

fn bytes(value: &[u8]) -> String {
    let shown: String = value.iter().take(SHOWN_BYTES).map(|byte| format!("{byte:02x}")).collect();
    match value.len() {
        0..=SHOWN_BYTES => format!("\\x{shown}"),
        length => format!("\\x{shown}… ({length} bytes, CRC-32 {:08x})", crc32fast::hash(value)),
    }
}

fn array<const N: usize>(value: &[u8], show: impl Fn([u8; N]) -> String) -> Option<String> {
    let (1, elements) = value.split_first()? else { return None };
    let shown: Vec<String> =
        elements.as_chunks::<N>().0.iter().map(|element| show(*element)).collect();
    Some(format!("{{{}}}", shown.join(",")))
}

/// The texts of an array of one dimension, without NULL; `None`: it is none of these.
pub fn texts(array: &[u8]) -> Option<Vec<String>> {
    let (mut rest, mut texts) = (array.get(ARRAY_HEADER..).unwrap_or_default(), Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
        let (text, after) = after.split_at_checked(length)?;
        texts.push(String::from_utf8_lossy(text).into_owned());
        rest = after;
    }
    Some(texts)
}

/// An instant, given in microseconds since 2000-01-01.
fn instant(microseconds: i64) -> String {
    match microseconds {
        i64::MAX => "infinity".to_string(),
        i64::MIN => "-infinity".to_string(),
        microseconds => {
            let since_1970 = microseconds.checked_add(YEAR_2000 * 1_000);
            let known =
                since_1970.and_then(|microseconds| Timestamp::from_microsecond(microseconds).ok());
            known.map_or_else(
                || format!("{microseconds} µs after 2000-01-01"),
                |instant| instant.to_string(),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_as_people_read_them() {
        let long = "é".repeat(SHOWN + 10);
        let shown = [
            show(ColumnType::Boolean, Some(&[1])),
            show(ColumnType::Smallint, Some(&[255, 254])),
            show(ColumnType::Day, Some(&19_783i32.to_be_bytes())),
            show(ColumnType::Timestamp, Some(&1i64.to_be_bytes())),
            show(ColumnType::Timestamp, Some(&i64::MAX.to_be_bytes())),
            show(ColumnType::Float8, Some(&0.1f64.to_be_bytes())),
            show(ColumnType::Bytes, Some(b"ab")),
            show(ColumnType::Smallints, Some(&[1, 0, 7, 255, 255])),
            show(ColumnType::Bigint, Some(b"odd")),
            show(ColumnType::Text, None),
            show(
                ColumnType::Texts,
                Some(&[&[0; ARRAY_HEADER][..], b"\0\0\0\0\0\0\0\x01a"].concat()),
            ),
        ];
        assert_eq!(
            shown,
            [
                "true",
                "-2",
                "2024-03-01",
                "2000-01-01T00:00:00.000001Z",
                "infinity",
                "0.1",
                "\\x6162",
                "{7,-1}",
                "\\x6f6464",
                "NULL",
                "[\"\", \"a\"]"
            ]
        );
        let text = show(ColumnType::Text, Some(long.as_bytes()));
        assert!(text.contains("and 20 more bytes") && text.len() < long.len() + 60, "{text}");
        assert_ne!(
            show(ColumnType::Bytes, Some(&[0; 99])),
            show(ColumnType::Bytes, Some(&[[0; 98].as_slice(), &[1]].concat())),
            "the end differs"
        );
    }
}
