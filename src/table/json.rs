//! A row as a line of JSON: what happened to it, and its columns by their names.

use super::packed::{ARRAY_HEADER, values};
use super::value::{number, show, texts};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use dataflows::table::{ColumnType, Table};
use std::io::Write;

/// What happened to a row.
pub const INSERT: &str = "insert";
/// Likewise.
pub const UPDATE: &str = "update";
/// Likewise.
pub const DELETE: &str = "delete";

/// Writes the line of a row, without what only a new row has where it `leaves` that; `nulls` are
/// columns that no row has any more.
pub fn line(
    out: &mut Vec<u8>,
    table: &Table,
    change: &str,
    row: &[u8],
    leaves: bool,
    nulls: &[String],
) {
    begin(out, table, change);
    for (column, value) in table.columns.iter().zip(values(row)) {
        if !(leaves && column.once) {
            field(out, &column.name, column.kind, value);
        }
    }
    for name in nulls {
        field(out, name, ColumnType::Text, None);
    }
    out.extend_from_slice(b"}\n");
}

/// Writes the line of a row that went, of which the values of its key are given.
pub fn gone(out: &mut Vec<u8>, table: &Table, key: &[u8]) {
    begin(out, table, DELETE);
    for (place, value) in table.key_places().into_iter().zip(values(key)) {
        field(out, &table.columns[place].name, table.columns[place].kind, value);
    }
    out.extend_from_slice(b"}\n");
}

fn begin(out: &mut Vec<u8>, table: &Table, change: &str) {
    out.extend_from_slice(b"{\"table\":\"");
    out.extend_from_slice(table.name.as_bytes());
    out.extend_from_slice(b"\",\"change\":\"");
    out.extend_from_slice(change.as_bytes());
    out.push(b'"');
}

fn field(out: &mut Vec<u8>, name: &str, kind: ColumnType, value: Option<&[u8]>) {
    out.push(b',');
    text(out, name);
    out.push(b':');
    match value {
        Some(bytes) => write_value(out, kind, bytes),
        None => out.extend_from_slice(b"null"),
    }
}

/// Writes a value that is there.
pub(super) fn write_value(out: &mut Vec<u8>, kind: ColumnType, bytes: &[u8]) {
    match kind {
        ColumnType::Boolean => out.extend_from_slice(show(kind, Some(bytes)).as_bytes()),
        ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint => {
            whole(out, number(kind, bytes).unwrap_or_default())
        }
        ColumnType::Day | ColumnType::Timestamp => text(out, &show(kind, Some(bytes))),
        ColumnType::Float8 => {
            real(out, bytes.try_into().map(f64::from_be_bytes).unwrap_or(f64::NAN))
        }
        ColumnType::Text | ColumnType::Decimal(_) => text(out, &String::from_utf8_lossy(bytes)),
        ColumnType::Bytes => text(out, &BASE64_STANDARD.encode(bytes)),
        ColumnType::Smallints => array::<2>(out, bytes, |out, element| {
            whole(out, i64::from(i16::from_be_bytes(element)))
        }),
        ColumnType::Float8s => {
            array::<8>(out, bytes, |out, element| real(out, f64::from_be_bytes(element)))
        }
        ColumnType::Texts => {
            let _ = serde_json::to_writer(out.by_ref(), &texts(bytes).unwrap_or_default());
        }
    }
}

/// The elements of an array as it is encoded: each behind its length, after the header.
fn array<const N: usize>(out: &mut Vec<u8>, bytes: &[u8], write: impl Fn(&mut Vec<u8>, [u8; N])) {
    out.push(b'[');
    let elements = bytes.get(ARRAY_HEADER..).unwrap_or_default().chunks_exact(4 + N);
    for (place, element) in elements.filter_map(|element| element.last_chunk::<N>()).enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write(out, *element);
    }
    out.push(b']');
}

fn whole(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A number in the fewest digits that read back to it; as a text where JSON has no number for it.
fn real(out: &mut Vec<u8>, value: f64) {
    match value.is_finite() {
        true => out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes()),
        false => text(out, &value.to_string()),
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    // Writing to memory does not fail, and a text always is JSON.
    let _ = serde_json::to_writer(out.by_ref(), text);
}
