//! What stands before the first row of a file: a byte order mark, and the header of CSV.

use super::super::error::FileError;
use super::super::rows::{blank_lines, first_csv_row, first_line, line_ends};
use super::super::{Syntax, header};
use super::{BLOCK, FileReader, FileReading};
use dataflows::source::Format;
use std::sync::Arc;

/// Bytes at the start of a file of JSON lines that are looked at, to see what it is.
const LOOK: usize = 64 * 1024;

/// The mark with which some programs begin a file of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

impl FileReader {
    /// Reads what stands before the first row: a byte order mark, and the header of a CSV file.
    pub(super) fn begin(&mut self, reading: &FileReading) -> Result<(), FileError> {
        let is_csv = self.syntax == Syntax::Csv;
        if self.position > 0 {
            return Ok(());
        }
        let mut bytes = vec![0; BLOCK];
        // For JSON the first bytes are enough to see the mark and the first line ends; the blocks
        // read the rest for themselves.
        let wanted = if is_csv { BLOCK } else { LOOK };
        let filled = self.fill(&mut bytes[..wanted], 0)?;
        if let Some((found, ending)) = header::packed(&bytes[..filled]) {
            return Err(FileError::Packed { path: self.path.clone(), found, ending });
        }
        if let Some(found) = header::foreign_encoding(&bytes[..filled]) {
            return Err(FileError::Encoding { path: self.path.clone(), found });
        }
        if !is_csv && header::has_only_carriage_returns(&bytes[..filled]) {
            return Err(FileError::LineEnds { path: self.path.clone() });
        }
        let mut start =
            if bytes[..filled].starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        if is_csv {
            let blank = blank_lines(&bytes[start..filled]);
            let line = 1 + line_ends(&bytes[start..start + blank]);
            start += blank;
            let content = &bytes[start..filled];
            // Of a header that does not end, its first line tells why.
            let end = first_csv_row(content, self.ended)
                .or(self.ended.then_some(content.len()))
                .or_else(|| first_line(content, self.ended));
            let header = end.ok_or_else(|| {
                self.bad_header(line, format!("there is no line end in the first {BLOCK} bytes"))
            })?;
            let columns = header::columns(&content[..header], &reading.columns(self.topic))
                .map_err(|problem| self.bad_header(line, problem))?;
            self.format = Format::Csv {
                columns: Arc::new(columns),
                line: line + line_ends(&content[..header]),
            };
            start += header;
        }
        self.pending = bytes[start..filled].to_vec();
        self.position = start as u64;
        Ok(())
    }

    fn bad_header(&self, line: u64, problem: String) -> FileError {
        FileError::Header { path: self.path.clone(), line, problem }
    }
}
