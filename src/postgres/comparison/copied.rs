//! Rows as a server copies them out.

use std::io::{self, BufRead};

/// The rows of a binary COPY, one at a time.
pub struct CopyRows<R> {
    reader: R,
    row: Vec<u8>,
    begun: bool,
}

/// Bytes of the header before the length of its extension: signature and flags.
const SIGNATURE: usize = 15;

impl<R: BufRead> CopyRows<R> {
    /// Of a stream from its beginning.
    pub fn new(reader: R) -> Self {
        CopyRows { reader, row: Vec::new(), begun: false }
    }

    /// The values of the next row, each behind its length.
    ///
    /// # Errors
    /// The stream breaks off.
    pub fn next(&mut self) -> io::Result<Option<&[u8]>> {
        if !std::mem::replace(&mut self.begun, true) {
            self.reader.read_exact(&mut [0; SIGNATURE])?;
            let extension = self.length()?;
            self.row.resize(usize::try_from(extension).unwrap_or(0), 0);
            self.reader.read_exact(&mut self.row)?;
        }
        let mut columns = [0; 2];
        self.reader.read_exact(&mut columns)?;
        self.row.clear();
        let columns = i16::from_be_bytes(columns);
        if columns < 0 {
            return self.end();
        }
        for _ in 0..columns {
            let length = self.length()?;
            self.row.extend_from_slice(&length.to_be_bytes());
            let start = self.row.len();
            self.row.resize(start + usize::try_from(length).unwrap_or(0), 0);
            self.reader.read_exact(&mut self.row[start..])?;
        }
        Ok(Some(&self.row))
    }

    fn length(&mut self) -> io::Result<i32> {
        let mut length = [0; 4];
        self.reader.read_exact(&mut length)?;
        Ok(i32::from_be_bytes(length))
    }

    /// What comes after the last row is read too, for the connection serves the next statement only
    /// then.
    fn end(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            let left = self.reader.fill_buf()?.len();
            if left == 0 {
                return Ok(None);
            }
            self.reader.consume(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(extension: &[u8], rows: &[&[u8]]) -> Vec<u8> {
        let mut bytes = b"PGCOPY\n\xff\r\n\0\0\0\0\0".to_vec();
        bytes.extend((extension.len() as i32).to_be_bytes());
        bytes.extend(extension);
        rows.iter().for_each(|row| bytes.extend_from_slice(row));
        bytes.extend((-1i16).to_be_bytes());
        bytes
    }

    #[test]
    fn rows_are_read_to_the_trailer() {
        let row: &[u8] = &[0, 2, 0, 0, 0, 1, 7, 255, 255, 255, 255];
        let bytes = stream(b"more", &[row, &[0, 0], row]);
        let mut rows = CopyRows::new(&bytes[..]);
        for wanted in [&row[2..], &[], &row[2..]] {
            assert_eq!(rows.next().unwrap(), Some(wanted));
        }
        assert_eq!(rows.next().unwrap(), None);
    }

    #[test]
    fn a_stream_that_breaks_off_is_an_error() {
        let bytes = stream(b"", &[&[0, 1, 0, 0, 0, 9, 1]]);
        let mut rows = CopyRows::new(&bytes[..]);
        assert!(rows.next().is_err());
    }
}
