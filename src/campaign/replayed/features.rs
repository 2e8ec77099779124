//! The form of features.csv: a row a customer, its values in as few digits as read back to them.

#[cfg(test)]
mod tests;

use crate::files::output::{OutputDirectory, OutputError};
use dataflows::campaign::output::{LastRow, LastRows};
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, sync_channel};

/// The rows of all batches in ascending order of customers, as [`write()`] takes them.
pub fn sorted_rows(batches: &[LastRows]) -> Vec<LastRow<'_>> {
    let mut rows = Vec::with_capacity(batches.iter().map(LastRows::len).sum());
    rows.extend(batches.iter().flat_map(LastRows::iter));
    // Stable, because it finds what is sorted already: nearly always the rows of each worker.
    rows.sort_by_key(|row| row.customer);
    rows
}

/// Writes features.csv and returns the SHA-256 over its rows: every line after the header, line end
/// included.
///
/// `rows`: each customer once, in ascending order, with a value for each of `names`. Every value is
/// written in the fewest digits that read back to the same f64. So many `threads` find the digits,
/// which takes longer than anything else here.
///
/// # Errors
/// The file cannot be written.
pub fn write(
    output: &OutputDirectory,
    names: &[impl AsRef<str>],
    rows: &[LastRow<'_>],
    threads: usize,
) -> Result<[u8; 32], OutputError> {
    output.file("features.csv", |out| {
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
