//! Files of a replay that were hardly meant so: of which nothing is taken, whose first rows are all
//! refused for one reason, or that lie beside the others and are not read. The results are written
//! all the same; whoever asked for them is told.

use super::ReplayError;
use crate::files::error::FileError;
use crate::files::reader::{Distribution, ReaderSeat, open_all};
use crate::files::unread::unread;
use crate::files::{InputFile, names};
use crate::hosting::replaying::Replays;
use dataflows::event::Rejected;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Rows at the beginning of a file that are looked at; all of them where there are fewer.
const FIRST_ROWS: usize = 1_000;

/// Something about the files that was hardly meant so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceFault {
    /// There are rows, and all of them are rejected.
    #[error(
        "{file} gives nothing: all of its {rows} rows are rejected, {}; the first: {first}",
        counted(reasons)
    )]
    NoRow {
        /// The file.
        file: String,
        /// Its rows.
        rows: usize,
        /// How many of them for which reason.
        reasons: BTreeMap<&'static str, usize>,
        /// Why the first of them, for a person.
        first: String,
    },
    /// The first rows are rejected for one reason.
    #[error("the first {rows} rows of {file} are all rejected as {reason}; the first: {first}")]
    FirstRows {
        /// The file.
        file: String,
        /// How many rows those are.
        rows: usize,
        /// The reason.
        reason: &'static str,
        /// Why the first of them, for a person.
        first: String,
    },
    /// Files look like input and are not read.
    #[error("not read, though it looks like input: {}; {read}", names.join(", "))]
    NotRead {
        /// Their names.
        names: Vec<String>,
        /// What files are called that are read.
        read: String,
    },
}

/// All of that, said in one line.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}; the results are written all the same, and --allow-rejects takes the files as they are",
    .0.iter().map(SourceFault::to_string).collect::<Vec<_>>().join("; and ")
)]
pub struct SourceFaults(pub Vec<SourceFault>);

/// Looks at the files of a directory after their replay, in which these records were rejected.
/// Whoever read them, the answer is the same.
///
/// # Errors
/// A file cannot be read any more.
pub fn faults<D: Replays>(
    directory: &Path,
    inputs: &[InputFile],
    dataflow: &D,
    rejected: &[Rejected],
) -> Result<Vec<SourceFault>, ReplayError> {
    let mut faults = Vec::new();
    for input in inputs {
        faults.extend(fault(input, dataflow, rejected)?);
    }
    let topics = D::topics();
    let unread = unread(directory, inputs, &topics, &D::files());
    if !unread.others.is_empty() {
        tracing::warn!("Not read: {}; {}.", unread.others.join(", "), names(&topics));
    }
    if !unread.alike.is_empty() {
        faults.push(SourceFault::NotRead { names: unread.alike, read: names(&topics) });
    }
    Ok(faults)
}

/// What is wrong with one file. Of one without rejected records nothing is read again, and of any
/// other only what stands before its first good row.
fn fault<D: Replays>(
    input: &InputFile,
    dataflow: &D,
    rejected: &[Rejected],
) -> Result<Option<SourceFault>, FileError> {
    // In whichever share of the file a row was, its position is that in the file.
    let mut rows: Vec<&Rejected> =
        rejected.iter().filter(|rejected| rejected.topic == input.topic).collect();
    let Some(first) = rows
        .iter()
        .min_by_key(|rejected| rejected.place.position())
        .map(|first| first.detail.replace(['\r', '\n'], " "))
    else {
        return Ok(None);
    };
    let file = input.name();
    let Some(good) = first_good(input, dataflow, &rows)? else {
        let mut reasons: BTreeMap<&'static str, usize> = BTreeMap::new();
        rows.iter().for_each(|rejected| *reasons.entry(rejected.reason.word()).or_default() += 1);
        return Ok(Some(SourceFault::NoRow { file, rows: rows.len(), reasons, first }));
    };
    rows.retain(|rejected| rejected.place.position() < good);
    if rows.len() < FIRST_ROWS {
        return Ok(None);
    }
    rows.sort_unstable_by_key(|rejected| rejected.place.position());
    let reasons: BTreeSet<&'static str> =
        rows[..FIRST_ROWS].iter().map(|rejected| rejected.reason.word()).collect();
    Ok(match reasons.len() {
        1 => reasons.first().map(|reason| SourceFault::FirstRows {
            file,
            rows: FIRST_ROWS,
            reason,
            first,
        }),
        _ => None,
    })
}

/// Where the first row stands that was not rejected; `None`: there is none.
fn first_good<D: Replays>(
    input: &InputFile,
    dataflow: &D,
    rejected: &[&Rejected],
) -> Result<Option<u64>, FileError> {
    let rejected: BTreeSet<u64> =
        rejected.iter().map(|rejected| rejected.place.position()).collect();
    let mut taken = dataflow.taken();
    let inputs = std::slice::from_ref(input);
    let seat = ReaderSeat { index: 0, of: 1 };
    for mut reader in open_all(inputs, seat, Distribution::Whole, &dataflow.reading())? {
        while let Some(block) = reader.next()? {
            let taken = taken(&block.into()).into_iter();
            let good = taken.filter(|position| !rejected.contains(position)).min();
            if good.is_some() {
                return Ok(good);
            }
        }
    }
    Ok(None)
}

fn counted(reasons: &BTreeMap<&'static str, usize>) -> String {
    match reasons.len() {
        1 => reasons.keys().map(|reason| format!("as {reason}")).collect(),
        _ => reasons
            .iter()
            .map(|(reason, rows)| format!("{rows} as {reason}"))
            .collect::<Vec<_>>()
            .join(", "),
    }
}
