//! CSV rows into [`Fields`]: columns by the names in the file's first line, an empty cell is
//! absent.
//!
//! Cells may be quoted (RFC 4180) and may then hold commas, line ends and doubled quotes. Lines end
//! in LF, CR LF or CR.

use super::fields::{FieldNames, Fields, Problem, Slots, cell_text};
use super::{Reason, Topic};
use csv::{ByteRecord, Reader, ReaderBuilder};
use std::io::{Chain, Read};
use std::ops::Range;

/// The columns of a file: what each fills.
pub(super) struct Columns<'n> {
    filled: Vec<Slots>,
    names: &'n FieldNames,
}

impl<'n> Columns<'n> {
    /// The columns of these names.
    pub(super) fn new(header: &[String], names: &'n FieldNames) -> Self {
        Columns { filled: header.iter().map(|name| names.find(cell_text(name))).collect(), names }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.filled.len()
    }

    /// The fields of a row that has been read.
    pub(super) fn fields<'a>(
        &self,
        row: &'a ByteRecord,
        topic: Topic,
    ) -> Result<Fields<'a>, Problem> {
        if row.len() != self.filled.len() {
            let spaced = row
                .iter()
                .any(|cell| cell.starts_with(b" ") && cell.trim_ascii_start().starts_with(b"\""));
            let hint = if spaced {
                "; a quote after a space does not quote: write no space after commas"
            } else {
                ""
            };
            return Err(Problem::new(
                Reason::Malformed,
                format!("the row has {} columns, not {}{hint}", row.len(), self.filled.len()),
            ));
        }
        let mut fields = Fields::new(topic);
        // Columns that nothing reads may be of any encoding.
        for (slots, cell) in self.filled.iter().zip(row).filter(|(slots, _)| !slots.is_empty()) {
            let cell = std::str::from_utf8(cell)
                .map_err(|error| Problem::new(Reason::Malformed, error.to_string()))?;
            fields.set_cell(*slots, cell);
        }
        self.names.compose(&mut fields);
        Ok(fields)
    }
}

/// The rows of some bytes, each with the range of bytes that it takes.
pub(super) struct CsvReader<'a> {
    bytes: &'a [u8],
    /// Where in the bytes the reader began.
    from: usize,
    reader: Reader<Chain<&'static [u8], &'a [u8]>>,
}

impl<'a> CsvReader<'a> {
    /// Put in front, and skipped as an empty line: the reader would take a byte order mark at its
    /// start away, which is one only at a file's.
    const LEAD: &'static [u8] = b"\n";

    /// The rows of bytes that hold no header.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        CsvReader { bytes, from: 0, reader: Self::reader(bytes) }
    }

    fn reader(bytes: &'a [u8]) -> Reader<Chain<&'static [u8], &'a [u8]>> {
        ReaderBuilder::new().has_headers(false).flexible(true).from_reader(Self::LEAD.chain(bytes))
    }

    /// Goes on from here, as if a row began here.
    pub(super) fn go_to(&mut self, position: usize) {
        self.from = position.min(self.bytes.len());
        self.reader = Self::reader(&self.bytes[self.from..]);
    }

    /// Reads the next row that is not blank; `None` at the end.
    pub(super) fn next(&mut self, row: &mut ByteRecord) -> Option<Range<usize>> {
        loop {
            let start = self.position();
            // Rows of any length are allowed and the bytes are in memory: there is nothing left
            // that could fail.
            if !self.reader.read_byte_record(row).unwrap_or(false) {
                return None;
            }
            let whole = &self.bytes[start..self.position()];
            let blank_lines = whole.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            let line_end =
                whole.iter().rev().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            if !whole.trim_ascii().is_empty() {
                return Some(start + blank_lines..start + whole.len() - line_end);
            }
        }
    }

    /// How far the bytes have been read.
    fn position(&self) -> usize {
        ((self.reader.position().byte() as usize).saturating_sub(Self::LEAD.len()) + self.from)
            .min(self.bytes.len())
    }
}

/// Where the first of several lines ends, without its line end; `None` for a single line.
pub(super) fn first_line(raw: &[u8]) -> Option<usize> {
    raw.iter().position(|byte| matches!(byte, b'\r' | b'\n'))
}

/// The numbers of the lines of some bytes, asked for in ascending order.
pub(super) struct LineNumbers<'a> {
    bytes: &'a [u8],
    at: usize,
    number: u64,
}

impl<'a> LineNumbers<'a> {
    /// Of bytes of which the first line has this number.
    pub(super) fn new(bytes: &'a [u8], number: u64) -> Self {
        LineNumbers { bytes, at: 0, number }
    }

    /// The number of the line at this position, which is not before one that was asked for.
    pub(super) fn number(&mut self, position: usize) -> u64 {
        let ends = |at: &usize| match self.bytes[*at] {
            b'\n' => true,
            b'\r' => self.bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        };
        self.number += (self.at..position.max(self.at)).filter(ends).count() as u64;
        self.at = position.max(self.at);
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_where_their_bytes_are() {
        let bytes = b"1,a\r\n\r\n2,\"b\r\n\"\"c\"\n   \n\n\xef\xbb\xbf3,d";
        let mut rows = CsvReader::new(bytes);
        let mut row = ByteRecord::new();
        let mut found = Vec::new();
        while let Some(range) = rows.next(&mut row) {
            found.push((
                String::from_utf8_lossy(&bytes[range]).into_owned(),
                String::from_utf8_lossy(&row[1]).into_owned(),
            ));
        }
        let expected = [("1,a", "a"), ("2,\"b\r\n\"\"c\"", "b\r\n\"c"), ("\u{feff}3,d", "d")];
        assert_eq!(found, expected.map(|(raw, cell)| (raw.to_string(), cell.to_string())));
    }
}
