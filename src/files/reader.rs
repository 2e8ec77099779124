//! Reads files as blocks of whole rows.
//!
//! Plain JSON lines are split over all readers by byte ranges; CSV and compressed files are read by
//! one reader each, for only reading them from the start shows where their rows end. A position is
//! always a byte offset in the content of the whole file, after decompression.

mod beginning;
#[cfg(test)]
mod tests;

use super::error::FileError;
use super::open::{self, Bytes};
use super::rows::{Cut, RowLimits, cut, first_line, line_ends};
use super::split::share;
use super::{Compression, InputFile, Syntax};
use dataflows::source::{Block, Format, Lines, TopicId};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// Bytes of a block: small enough for the second-level cache, large enough that the rest of a step
/// does not count.
pub const BLOCK: usize = 256 * 1024;

/// Bytes beyond the limit of a record after which a line without end is given up.
pub const REMAINDER: usize = 64 * 1024;

/// How the files of a dataflow are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReading {
    /// Bytes of a record at most; a longer one is rejected.
    pub max_record: usize,
    /// The columns that each topic reads, where files have such.
    pub columns: BTreeMap<TopicId, FileColumns>,
}

impl FileReading {
    fn columns(&self, topic: TopicId) -> Cow<'_, FileColumns> {
        self.columns.get(&topic).map_or_else(Cow::default, Cow::Borrowed)
    }
}

/// The columns of files of CSV that are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileColumns {
    /// Their names in the source.
    pub names: Vec<String>,
    /// Whether the configuration can say other ones.
    pub configured: bool,
}

/// Who reads what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Every reader a share of each file where it can be split, as its own partition.
    Split,
    /// Every file is one partition, read in order by one reader.
    Whole,
}

/// One reader among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderSeat {
    /// Which one, counted from 0.
    pub index: usize,
    /// How many there are.
    pub of: usize,
}

/// Reads a file, or a share of it, as blocks of whole rows.
///
/// # Long rows
/// A row comes whole up to `max_record` bytes and at least [`REMAINDER`] more. Of a longer one the
/// block that it ends has only the beginning, without a line end, and the rest up to the next line
/// end is skipped. So the parser need only compare a row's length with `max_record`: whatever was
/// cut is longer. Such a block may grow to `max_record` + [`REMAINDER`] bytes; all others have
/// about [`BLOCK`].
pub struct FileReader {
    topic: TopicId,
    path: PathBuf,
    syntax: Syntax,
    format: Format,
    partition: u32,
    bytes: Bytes,
    limits: RowLimits,
    /// Position of the first byte of `pending`.
    position: u64,
    /// Read, but not yet handed out.
    pending: Vec<u8>,
    ended: bool,
    total: u64,
}

/// Opens what one reader has to read of all files, in the order of the files.
///
/// # Errors
/// A file cannot be opened, is not UTF-8, or the header of a CSV file cannot be understood.
pub fn open_all(
    inputs: &[InputFile],
    seat: ReaderSeat,
    distribution: Distribution,
    reading: &FileReading,
) -> Result<Vec<FileReader>, FileError> {
    let open = |input: &InputFile| FileReader::open(input, seat, distribution, reading).transpose();
    inputs.iter().filter_map(open).collect()
}

impl FileReader {
    /// Opens what one reader has to read of a file; `None` where another reads all of it.
    ///
    /// # Errors
    /// As for [`open_all`].
    pub fn open(
        input: &InputFile,
        seat: ReaderSeat,
        distribution: Distribution,
        reading: &FileReading,
    ) -> Result<Option<FileReader>, FileError> {
        let splits = distribution == Distribution::Split
            && input.syntax == Syntax::Json
            && input.compression == Compression::None;
        if !splits && seat.index != input.topic.number() % seat.of {
            return Ok(None);
        }
        let failed = |source| FileError::Read { path: input.path.clone(), position: 0, source };
        let file = File::open(&input.path).map_err(failed)?;
        let range = if splits {
            share(&file, input.length, seat.index, seat.of).map_err(failed)?
        } else {
            0..input.length
        };
        let bytes = if splits {
            open::range(file, range.clone())
        } else {
            open::whole(input, file).map_err(failed)?
        };
        let mut reader = FileReader {
            topic: input.topic,
            path: input.path.clone(),
            syntax: input.syntax,
            format: Format::Json,
            partition: if splits { seat.index as u32 } else { 0 },
            bytes,
            limits: RowLimits {
                record: reading.max_record,
                look: BLOCK.max(reading.max_record + REMAINDER),
            },
            position: range.start,
            pending: Vec::new(),
            ended: false,
            total: range.end - range.start,
        };
        reader.begin(reading)?;
        Ok(Some(reader))
    }

    /// What it reads.
    pub fn topic(&self) -> TopicId {
        self.topic
    }

    /// The partition of its blocks: its seat where the file is split, else 0.
    pub fn partition(&self) -> u32 {
        self.partition
    }

    /// Position after the last block.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Bytes read from the disk, of those in all.
    pub fn progress(&self) -> (u64, u64) {
        (self.bytes.read.load(Ordering::Relaxed).min(self.total), self.total)
    }

    /// The next block; `None` at the end.
    ///
    /// # Errors
    /// The file cannot be read on, for example because its compressed content is broken.
    pub fn next(&mut self) -> Result<Option<Lines>, FileError> {
        let mut target = BLOCK.max(self.pending.len());
        let mut bytes = vec![0; target + Block::PADDING];
        let mut filled = self.pending.len();
        bytes[..filled].copy_from_slice(&self.pending);
        loop {
            filled = self.fill(&mut bytes[..target], filled)?;
            match cut(self.syntax, &bytes[..filled], self.ended, self.limits) {
                Cut::At(end) => {
                    self.pending.clear();
                    self.pending.extend_from_slice(&bytes[end..filled]);
                    return Ok(Some(self.block(bytes, end)));
                }
                Cut::Truncate => {
                    let block = self.block(bytes, filled);
                    self.skip_line()?;
                    return Ok(Some(block));
                }
                Cut::More => {
                    target = (2 * target).min(self.limits.look);
                    bytes.resize(target + Block::PADDING, 0);
                }
                Cut::Nothing => return Ok(None),
            }
        }
    }

    /// The first `length` bytes as a block, padded with zeros.
    fn block(&mut self, mut bytes: Vec<u8>, length: usize) -> Lines {
        bytes[length..length + Block::PADDING].fill(0);
        let base = self.position;
        self.position += length as u64;
        let format = self.format.clone();
        if let Format::Csv { line, .. } = &mut self.format {
            *line += line_ends(&bytes[..length]);
        }
        Lines { topic: self.topic, partition: self.partition, format, base, bytes, length }
    }

    /// Reads until the buffer is full or the content ends; says how much of it is filled.
    fn fill(&mut self, buffer: &mut [u8], mut filled: usize) -> Result<usize, FileError> {
        while !self.ended && filled < buffer.len() {
            match self.bytes.content.read(&mut buffer[filled..]) {
                Ok(0) => self.ended = true,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(self.failed(self.position + filled as u64, source)),
            }
        }
        Ok(filled)
    }

    /// Skips up to the next line end; nothing is pending before, and what follows the line end is
    /// afterwards.
    fn skip_line(&mut self) -> Result<(), FileError> {
        self.pending.clear();
        let mut bytes = vec![0; REMAINDER];
        loop {
            let filled = self.fill(&mut bytes, 0)?;
            let end = match &mut self.format {
                Format::Json => bytes[..filled].iter().position(|b| *b == b'\n').map(|at| at + 1),
                // Should an LF follow a CR at the very end, it makes a blank line; the row after it
                // is not skipped with this one.
                Format::Csv { line, .. } => {
                    first_line(&bytes[..filled], true).inspect(|_| *line += 1)
                }
            };
            if let Some(end) = end {
                self.position += end as u64;
                self.pending.extend_from_slice(&bytes[end..filled]);
                return Ok(());
            }
            self.position += filled as u64;
            if self.ended {
                return Ok(());
            }
        }
    }

    fn failed(&self, position: u64, source: io::Error) -> FileError {
        FileError::Read { path: self.path.clone(), position, source }
    }
}
