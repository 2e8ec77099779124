//! Rows as lines of CSV, behind a header of the names of their columns. What is not there is an
//! empty cell; bytes are in base64, and arrays as JSON has them.

use super::encode::CopyBuffer;
use super::json::write_value;
use super::packed::values;
use super::value::show;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use csv::Writer;
use dataflows::table::{Column, ColumnType};
use std::io::{self, Write};

/// A file of rows of these columns.
pub struct CsvRows<'a, W: Write> {
    columns: &'a [Column],
    lines: Writer<W>,
    cell: Vec<u8>,
}

impl<'a, W: Write> CsvRows<'a, W> {
    /// Begins one with its header.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn begin(columns: &'a [Column], out: W) -> io::Result<Self> {
        let mut lines = Writer::from_writer(out);
        lines.write_record(columns.iter().map(|column| column.name.as_bytes()))?;
        Ok(CsvRows { columns, lines, cell: Vec::new() })
    }

    /// Writes rows, which have a value of each column.
    ///
    /// # Errors
    /// Those of the file.
    pub fn write(&mut self, rows: &CopyBuffer) -> io::Result<()> {
        for row in rows.each_row() {
            for (column, value) in self.columns.iter().zip(values(row)) {
                self.cell.clear();
                value.into_iter().for_each(|bytes| write_cell(&mut self.cell, column.kind, bytes));
                self.lines.write_field(&self.cell)?;
            }
            self.lines.write_record(None::<&[u8]>)?;
        }
        Ok(())
    }

    /// Hands everything on.
    ///
    /// # Errors
    /// Those of the file.
    pub fn finish(mut self) -> io::Result<()> {
        self.lines.flush()
    }
}

fn write_cell(cell: &mut Vec<u8>, kind: ColumnType, bytes: &[u8]) {
    match kind {
        ColumnType::Text | ColumnType::Decimal(_) => cell.extend_from_slice(bytes),
        ColumnType::Bytes => cell.extend_from_slice(BASE64_STANDARD.encode(bytes).as_bytes()),
        ColumnType::Day | ColumnType::Timestamp => {
            cell.extend_from_slice(show(kind, Some(bytes)).as_bytes())
        }
        ColumnType::Float8 => real(cell, bytes),
        ColumnType::Boolean
        | ColumnType::Smallint
        | ColumnType::Integer
        | ColumnType::Bigint
        | ColumnType::Smallints
        | ColumnType::Float8s
        | ColumnType::Texts => write_value(cell, kind, bytes),
    }
}

/// A number in the fewest digits that read back to it, or the word for what is none.
fn real(cell: &mut Vec<u8>, bytes: &[u8]) {
    let value = bytes.try_into().map(f64::from_be_bytes).unwrap_or(f64::NAN);
    let digits = zmij::Buffer::new().format(value).to_string();
    cell.extend_from_slice(digits.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_a_cell_that_reads_back() {
        let kinds = [
            ("customer_id", ColumnType::Bigint),
            ("at", ColumnType::Timestamp),
            ("day", ColumnType::Day),
            ("share", ColumnType::Float8),
            ("note", ColumnType::Text),
            ("raw", ColumnType::Bytes),
            ("context", ColumnType::Smallints),
            ("known", ColumnType::Boolean),
        ];
        let columns = kinds.map(|(name, kind)| Column::of(name, kind, "."));
        let mut out = Vec::new();
        let mut file = CsvRows::begin(&columns, &mut out).expect("writing to memory");
        let mut rows = CopyBuffer::default();
        rows.row(columns.len());
        rows.bigint(-7);
        rows.timestamp(1_709_251_200_000);
        rows.integer(19_783);
        rows.float8(0.1);
        rows.text(b"a, \"b\"\nc");
        rows.bytes(b"\xff");
        rows.smallints(&[7, -1]);
        rows.boolean(true);
        file.write(&rows).expect("writing to memory");
        rows.clear();
        rows.row(columns.len());
        rows.bigint(8);
        (1..columns.len()).for_each(|_| rows.null());
        file.write(&rows).expect("writing to memory");
        file.finish().expect("writing to memory");
        let text = String::from_utf8(out).expect("UTF-8");
        assert_eq!(
            text,
            "customer_id,at,day,share,note,raw,context,known\n\
             -7,2024-03-01T00:00:00Z,2024-03-01,0.1,\"a, \"\"b\"\"\nc\",/w==,\"[7,-1]\",true\n\
             8,,,,,,,\n"
        );
    }
}
