//! Shares of a plain file: byte ranges that begin and end at line starts, found without reading
//! what lies between.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Bytes that are read at a time in search of a line end.
const STEP: usize = 4096;

/// Share `index` of `of` of a file of `length` bytes: every line belongs to the share in which it
/// starts.
///
/// # Errors
/// The file cannot be read.
pub fn share(file: &File, length: u64, index: usize, of: usize) -> io::Result<Range<u64>> {
    debug_assert!(index < of);
    let edge = |i: usize| (u128::from(length) * i as u128 / of as u128) as u64;
    Ok(line_start(file, edge(index), length)?..line_start(file, edge(index + 1), length)?)
}

/// The first line start at or after `at`; `length` where there is none.
fn line_start(file: &File, at: u64, length: u64) -> io::Result<u64> {
    if at == 0 || at >= length {
        return Ok(at.min(length));
    }
    // A line starts at `at` itself if the byte before it ends one.
    let mut position = at - 1;
    let mut bytes = [0; STEP];
    while position < length {
        let read = read_at(file, &mut bytes, position)?;
        if let Some(end) = bytes[..read].iter().position(|b| *b == b'\n') {
            return Ok((position + end as u64 + 1).min(length));
        }
        if read == 0 {
            break;
        }
        position += read as u64;
    }
    Ok(length)
}

fn read_at(file: &File, bytes: &mut [u8], position: u64) -> io::Result<usize> {
    loop {
        match file.read_at(bytes, position) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Reads a range of a file, without moving the file's own position.
pub struct RangeReader {
    file: File,
    left: Range<u64>,
}

impl RangeReader {
    /// Reads `range` of `file`.
    pub fn new(file: File, range: Range<u64>) -> Self {
        RangeReader { file, left: range }
    }
}

impl Read for RangeReader {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let wanted =
            usize::try_from(self.left.end - self.left.start).unwrap_or(usize::MAX).min(bytes.len());
        let read = read_at(&self.file, &mut bytes[..wanted], self.left.start)?;
        if read == 0 && wanted > 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file has become shorter since it was opened",
            ));
        }
        self.left.start += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(content).expect("writing");
        file
    }

    proptest! {
        #[test]
        fn shares_are_whole_lines_and_together_the_whole_file(
            lines in prop::collection::vec("[a-c]{0,9}", 0..40),
            ended: bool,
            of in 1usize..12,
        ) {
            let mut content = lines.join("\n").into_bytes();
            if ended { content.push(b'\n'); }
            let file = file(&content);
            let mut next = 0;
            for index in 0..of {
                let range = share(&file, content.len() as u64, index, of).expect("reading");
                prop_assert_eq!(range.start, next);
                let (start, whole) = (range.start as usize, content.len());
                prop_assert!(start == 0 || start == whole || content[start - 1] == b'\n');
                next = range.end;
            }
            prop_assert_eq!(next, content.len() as u64);
        }
    }

    #[test]
    fn a_line_longer_than_many_shares_belongs_to_the_one_it_starts_in() {
        let mut content = b"short\n".to_vec();
        content.extend(vec![b'x'; 3 * STEP]);
        content.extend(b"\nlast\n");
        let file = file(&content);
        let length = content.len() as u64;
        let shares: Vec<_> = (0..8).map(|i| share(&file, length, i, 8).expect("reading")).collect();
        assert_eq!(shares[0], 0..length - 5);
        assert!(shares[1..7].iter().all(|range| *range == (length - 5..length - 5)));
        assert_eq!(shares[7], length - 5..length);
    }

    #[test]
    fn a_file_that_shrank_is_an_error_and_not_an_end() {
        let mut reader = RangeReader::new(file(b"abc"), 0..10);
        let error = reader.read_to_end(&mut Vec::new()).expect_err("seven bytes are missing");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
