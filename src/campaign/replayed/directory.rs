//! The directory that `replay` writes to.
//!
//! Each is written under another name and renamed when it is complete, so that nobody ever reads
//! half of one.

#[cfg(test)]
mod tests;

use super::{ModelFile, Summary, thresholds};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use dataflows::campaign::output::{Day, LastRow, LastRows};
use dataflows::event::Rejected;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};

/// A result that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Making a directory, writing or renaming failed.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The directory that results are written to.
#[derive(Clone, Debug)]
pub struct OutputDirectory {
    path: PathBuf,
}

/// The rows of all batches in ascending order of customers, as [`OutputDirectory::features`] takes
/// them.
pub fn sorted_rows(batches: &[LastRows]) -> Vec<LastRow<'_>> {
    let mut rows = Vec::with_capacity(batches.iter().map(LastRows::len).sum());
    rows.extend(batches.iter().flat_map(LastRows::iter));
    // Stable, because it finds what is sorted already: nearly always the rows of each worker.
    rows.sort_by_key(|row| row.customer);
    rows
}

impl OutputDirectory {
    /// Makes the directory if it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(path: &Path) -> Result<Self, SinkError> {
        std::fs::create_dir_all(path)
            .map_err(|source| SinkError::Write { path: path.to_path_buf(), source })?;
        Ok(OutputDirectory { path: path.to_path_buf() })
    }

    /// Makes sure that files can be written there, by writing one and removing it.
    ///
    /// # Errors
    /// They cannot.
    pub fn try_out(&self) -> Result<(), SinkError> {
        let path = self.path.join(format!(".sluice-trial-{}", std::process::id()));
        let tried = std::fs::write(&path, b"sluice").and_then(|()| std::fs::remove_file(&path));
        tried.map_err(|source| SinkError::Write { path: self.path.clone(), source })
    }

    /// Writes a page of the manual, and gives its path.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn page(&self, name: &str, page: &[u8]) -> Result<PathBuf, SinkError> {
        self.file(name, |out| out.write_all(page))?;
        Ok(self.path.join(name))
    }

    /// Writes features.csv and returns the SHA-256 over its rows: every line after the header, line
    /// end included.
    ///
    /// `rows`: each customer once, in ascending order, with a value for each of `names`. Every
    /// value is written in the fewest digits that read back to the same f64. So many `threads` find
    /// the digits, which takes longer than anything else here.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn features(
        &self,
        names: &[impl AsRef<str>],
        rows: &[LastRow<'_>],
        threads: usize,
    ) -> Result<[u8; 32], SinkError> {
        self.file("features.csv", |out| {
            write!(out, "customer_id")?;
            names.iter().try_for_each(|name| write!(out, ",{}", name.as_ref()))?;
            writeln!(out)?;
            let mut digest = Sha256::new();
            for_each_text(rows, names.len(), threads, |text| {
                digest.update(text);
                out.write_all(text)
            })?;
            Ok(digest.finalize().into())
        })
    }

    /// Writes model.json.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn model(&self, model: &ModelFile) -> Result<(), SinkError> {
        self.file("model.json", |out| {
            serde_json::to_writer(&mut *out, model)?;
            writeln!(out)
        })
    }

    /// Writes thresholds.csv.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn thresholds(&self, thresholds: &[(Day, u64)]) -> Result<(), SinkError> {
        self.file("thresholds.csv", |out| thresholds::write(out, thresholds))
    }

    /// Writes summary.json.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn summary(&self, summary: &Summary) -> Result<(), SinkError> {
        self.file("summary.json", |out| {
            serde_json::to_writer_pretty(&mut *out, summary)?;
            writeln!(out)
        })
    }

    /// Writes dead_letters.jsonl, in the order of topics and places. `source` names the file of a
    /// topic.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn dead_letters(
        &self,
        rejected: &[Rejected],
        source: impl Fn(&Rejected) -> String,
    ) -> Result<(), SinkError> {
        let mut sorted: Vec<&Rejected> = rejected.iter().collect();
        sorted.sort_by_key(|rejected| (rejected.topic, rejected.place));
        self.file("dead_letters.jsonl", |out| {
            sorted.iter().try_for_each(|rejected| {
                serde_json::to_writer(&mut *out, &dead_letter(rejected, source(rejected)))?;
                writeln!(out)
            })
        })
    }

    /// Writes a file under another name, and renames it when it is complete and on the disk.
    fn file<T>(
        &self,
        name: &str,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<T>,
    ) -> Result<T, SinkError> {
        let path = self.path.join(name);
        let partial = self.path.join(format!(".{name}.partial"));
        let written = || -> io::Result<T> {
            // Texts of many rows are longer and go straight to the file.
            let mut out = BufWriter::with_capacity(1 << 16, File::create(&partial)?);
            let result = write(&mut out)?;
            out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            std::fs::rename(&partial, &path)?;
            Ok(result)
        };
        written().map_err(|source| {
            // What is left of it is of no use; that it is left is no second error.
            let _ = std::fs::remove_file(&partial);
            SinkError::Write { path, source }
        })
    }
}

/// Rows whose text is made at a time: some 200 KB, which the second-level cache holds.
const ROWS_OF_A_TEXT: usize = 1024;

/// Texts that a thread may be ahead of whoever takes them.
const TEXTS_AHEAD: usize = 2;

/// Calls `take` with the lines of all rows, many at a time and in their order. With two threads or
/// more they are made in that many, else here.
fn for_each_text(
    rows: &[LastRow<'_>],
    width: usize,
    threads: usize,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let texts = rows.chunks(ROWS_OF_A_TEXT);
    if threads < 2 {
        return texts.into_iter().try_for_each(|rows| take(&lines(rows, width)));
    }
    std::thread::scope(|scope| {
        let made_in = |thread| {
            let (sender, receiver) = sync_channel(TEXTS_AHEAD);
            let mut own = texts.clone().skip(thread).step_by(threads);
            // Nobody receives any more once writing has failed: then there is nothing left to do.
            scope.spawn(move || own.try_for_each(|rows| sender.send(lines(rows, width))).is_ok());
            receiver
        };
        let receivers: Vec<Receiver<Vec<u8>>> = (0..threads).map(made_in).collect();
        let in_order = receivers.iter().cycle().take(texts.len());
        in_order
            .map(|receiver| receiver.recv().map_err(io::Error::other))
            .try_for_each(|text| take(&text?))
    })
}

/// The lines of some rows, each with so many values.
fn lines(rows: &[LastRow<'_>], width: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(rows.len() * width * TYPICAL_VALUE_BYTES);
    for row in rows {
        text.extend_from_slice(itoa::Buffer::new().format(row.customer).as_bytes());
        row.values(width).for_each(|value| write_value(&mut text, value));
        text.push(b'\n');
    }
    text
}

/// Bytes of a value and its comma, on average: whole numbers have few digits, shares many.
const TYPICAL_VALUE_BYTES: usize = 10;

/// Greatest whole number up to which every one is an f64.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// Writes a comma and a value. Most values are whole numbers, for which the digits of an integer
/// are the same and sooner found, and of those most have one digit: flags, small counts, shares of
/// none or all.
fn write_value(line: &mut Vec<u8>, value: f64) {
    let whole = value as i64;
    let is_whole = value.abs() < WHOLE && (whole as f64).to_bits() == value.to_bits();
    if is_whole && (0..10).contains(&whole) {
        return line.extend_from_slice(&[b',', b'0' + whole as u8]);
    }
    line.push(b',');
    if is_whole {
        line.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
    } else {
        line.extend_from_slice(zmij::Buffer::new().format(value).as_bytes());
    }
}

fn dead_letter(rejected: &Rejected, source: String) -> Value {
    let raw = &rejected.raw[..rejected.raw.len().min(Rejected::MAX_RAW)];
    let (key, raw) = match std::str::from_utf8(raw) {
        Ok(text) => ("raw", text.to_string()),
        Err(_) => ("raw_base64", BASE64_STANDARD.encode(raw)),
    };
    json!({
        "source": source,
        "position": rejected.place.position(),
        "reason": rejected.reason.word(),
        "detail": rejected.detail,
        key: raw,
    })
}
