//! Rows in PostgreSQL's binary COPY format, written into buffers that are used again for every
//! epoch.
//!
//! A stream is a header, rows and a trailer of -1; a row is its number of columns, then each value
//! with its length before it, -1 for NULL; all numbers are big-endian (PostgreSQL documentation,
//! "COPY", binary format).

use dataflows::event::Millis;
use std::borrow::Cow;

const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What a stream ends with.
pub const TRAILER: [u8; 2] = (-1i16).to_be_bytes();

const NULL: [u8; 4] = (-1i32).to_be_bytes();

/// Type numbers of the elements of arrays.
const INT2: u32 = 21;
const FLOAT8: u32 = 701;
const TEXT: u32 = 25;

/// 2000-01-01 in milliseconds since 1970: where PostgreSQL counts its microseconds from.
pub const YEAR_2000: Millis = 946_684_800_000;

/// Rows on their way into one table.
#[derive(Debug)]
pub struct CopyBuffer {
    bytes: Vec<u8>,
    rows: u64,
}

/// No rows.
impl Default for CopyBuffer {
    fn default() -> Self {
        CopyBuffer { bytes: HEADER.to_vec(), rows: 0 }
    }
}

impl CopyBuffer {
    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.truncate(HEADER.len());
        self.rows = 0;
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The rows, each as its values behind their lengths.
    pub fn each_row(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.bytes[HEADER.len()..];
        std::iter::from_fn(move || {
            let (columns, row) = rest.split_first_chunk::<2>()?;
            let mut length = 0;
            for _ in 0..i16::from_be_bytes(*columns) {
                let value = row[length..].first_chunk::<4>()?;
                length += 4 + usize::try_from(i32::from_be_bytes(*value)).unwrap_or(0);
            }
            let (row, after) = row.split_at(length);
            rest = after;
            Some(row)
        })
    }

    /// Begins a row of so many columns; that many values must follow.
    pub fn row(&mut self, columns: usize) {
        self.bytes.extend_from_slice(&(columns as i16).to_be_bytes());
        self.rows += 1;
    }

    /// NULL.
    pub fn null(&mut self) {
        self.bytes.extend_from_slice(&NULL);
    }

    /// A `boolean`.
    pub fn boolean(&mut self, value: bool) {
        self.fixed([u8::from(value)]);
    }

    /// A `smallint`.
    pub fn smallint(&mut self, value: i16) {
        self.fixed(value.to_be_bytes());
    }

    /// An `integer`.
    pub fn integer(&mut self, value: i32) {
        self.fixed(value.to_be_bytes());
    }

    /// A `bigint`.
    pub fn bigint(&mut self, value: i64) {
        self.fixed(value.to_be_bytes());
    }

    /// A `float8`, bit for bit.
    pub fn float8(&mut self, value: f64) {
        self.fixed(value.to_be_bytes());
    }

    /// A `timestamptz`.
    pub fn timestamp(&mut self, value: Millis) {
        self.fixed(microseconds(value).to_be_bytes());
    }

    /// A value or NULL.
    pub fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => write(self, value),
            None => self.null(),
        }
    }

    /// A `bytea`.
    pub fn bytes(&mut self, value: &[u8]) {
        self.length(value.len());
        self.bytes.extend_from_slice(value);
    }

    /// A `text`, made [`storable`].
    pub fn text(&mut self, value: &[u8]) {
        self.bytes(storable(value).as_bytes());
    }

    /// A `bytea` of 128-bit integers, little-endian.
    pub fn wide_integers(&mut self, values: &[i128]) {
        self.length(values.len() * 16);
        values.iter().for_each(|value| self.bytes.extend_from_slice(&value.to_le_bytes()));
    }

    /// A `smallint[]`.
    pub fn smallints(&mut self, values: &[i16]) {
        self.array(INT2, values, |value| value.to_be_bytes());
    }

    /// A `float8[]`.
    pub fn float8s(&mut self, values: &[f64]) {
        self.array(FLOAT8, values, |value| value.to_be_bytes());
    }

    /// A `text[]`, each made [`storable`].
    pub fn texts(&mut self, values: &[impl AsRef<str>]) {
        let values: Vec<_> =
            values.iter().map(|value| storable(value.as_ref().as_bytes())).collect();
        self.array_of(TEXT, values.len(), values.iter().map(|value| 4 + value.len()).sum());
        values.iter().for_each(|value| self.bytes(value.as_bytes()));
    }

    /// The stream from its beginning up to its trailer.
    pub fn stream(&self) -> &[u8] {
        &self.bytes
    }

    fn length(&mut self, length: usize) {
        self.bytes.extend_from_slice(&(length as i32).to_be_bytes());
    }

    fn fixed<const N: usize>(&mut self, value: [u8; N]) {
        self.length(N);
        self.bytes.extend_from_slice(&value);
    }

    /// What comes before so many elements of so many bytes: one dimension from index 1, no NULL in
    /// it; an empty array has no dimension.
    fn array_of(&mut self, element: u32, elements: usize, bytes: usize) {
        let dimensions = usize::from(elements > 0);
        self.length(12 + dimensions * 8 + bytes);
        let words = [dimensions as u32, 0, element, elements as u32, 1];
        for word in &words[..3 + 2 * dimensions] {
            self.bytes.extend_from_slice(&word.to_be_bytes());
        }
    }

    /// An array of elements of one length.
    fn array<T: Copy, const N: usize>(
        &mut self,
        element: u32,
        values: &[T],
        encode: impl Fn(T) -> [u8; N],
    ) {
        self.array_of(element, values.len(), values.len() * (4 + N));
        let start = self.bytes.len();
        self.bytes.resize(start + values.len() * (4 + N), 0);
        for (slot, &value) in self.bytes[start..].chunks_exact_mut(4 + N).zip(values) {
            slot[..4].copy_from_slice(&(N as u32).to_be_bytes());
            slot[4..].copy_from_slice(&encode(value));
        }
    }
}

/// A text as PostgreSQL can hold it: U+FFFD in the place of NUL characters and of what is not
/// UTF-8.
pub fn storable(text: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(text);
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{FFFD}")) } else { text }
}

/// Microseconds since 2000-01-01; the ends of the range are `infinity` and `-infinity`, as are
/// instants beyond it.
pub fn microseconds(instant: Millis) -> i64 {
    match instant.checked_sub(YEAR_2000).and_then(|since| since.checked_mul(1_000)) {
        Some(microseconds) => microseconds,
        None if instant < 0 => i64::MIN,
        None => i64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of the one value written.
    fn written(write: impl FnOnce(&mut CopyBuffer)) -> Vec<u8> {
        let mut buffer = CopyBuffer::default();
        write(&mut buffer);
        buffer.bytes[HEADER.len()..].to_vec()
    }

    #[test]
    fn values_are_big_endian_behind_their_length() {
        assert_eq!(written(|b| b.row(3)), [0, 3]);
        assert_eq!(written(CopyBuffer::null), [255; 4]);
        assert_eq!(written(|b| b.boolean(true)), [0, 0, 0, 1, 1]);
        assert_eq!(written(|b| b.smallint(-2)), [0, 0, 0, 2, 255, 254]);
        assert_eq!(written(|b| b.integer(258)), [0, 0, 0, 4, 0, 0, 1, 2]);
        assert_eq!(written(|b| b.bigint(1)), [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(written(|b| b.float8(1.0)), [0, 0, 0, 8, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(written(|b| b.text(b"ab")), [0, 0, 0, 2, b'a', b'b']);
        assert_eq!(written(|b| b.wide_integers(&[-2]))[..6], [0, 0, 0, 16, 254, 255]);
    }

    #[test]
    fn rows_come_one_by_one() {
        let mut buffer = CopyBuffer::default();
        assert_eq!(buffer.each_row().count(), 0);
        buffer.row(2);
        buffer.boolean(true);
        buffer.null();
        buffer.row(1);
        buffer.text(b"ab");
        let rows: Vec<&[u8]> = buffer.each_row().collect();
        assert_eq!(rows, [&[0, 0, 0, 1, 1, 255, 255, 255, 255][..], &[0, 0, 0, 2, b'a', b'b']]);
    }

    #[test]
    fn an_array_has_one_dimension_and_an_empty_one_none() {
        assert_eq!(
            written(|b| b.smallints(&[])),
            [0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 21]
        );
        let texts = written(|b| b.texts(&["", "a"]));
        assert_eq!(texts[..16], [0, 0, 0, 29, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25]);
        assert_eq!(texts[16..], [0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, b'a']);
        let two = written(|b| b.smallints(&[7, -1]));
        assert_eq!(two[..16], [0, 0, 0, 32, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 21]);
        assert_eq!(two[16..], [0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 7, 0, 0, 0, 2, 255, 255]);
    }

    #[test]
    fn a_cleared_buffer_is_as_new() {
        let mut buffer = CopyBuffer::default();
        buffer.row(1);
        buffer.bigint(9);
        assert_eq!(buffer.rows(), 1);
        buffer.clear();
        assert!(buffer.is_empty());
        assert_eq!(buffer.bytes, HEADER);
    }

    #[test]
    fn what_the_database_cannot_hold_is_replaced() {
        assert_eq!(storable("a\0ü".as_bytes()), "a\u{FFFD}ü");
        assert_eq!(storable(b"a\xff"), "a\u{FFFD}");
        assert!(matches!(storable(b"plain"), Cow::Borrowed("plain")));
    }
}
