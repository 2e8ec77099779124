//! What can go wrong with the files that are read.

use crate::blame::Blame;
use std::io;
use std::path::PathBuf;

/// A file that cannot be found or read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The input directory cannot be listed.
    #[error("cannot read the input directory {path}: {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A topic has several files.
    #[error("there are several files of {topic}: {}; leave one of them", names.join(" and "))]
    Ambiguous {
        /// The stem of their names.
        topic: &'static str,
        /// Their names.
        names: Vec<String>,
    },
    /// The topic that must have a file has none.
    #[error(
        "no {topic}.jsonl or {topic}.csv (or either with .gz or .zst) in {directory}{}",
        not_read(alike)
    )]
    Missing {
        /// The stem of its name.
        topic: &'static str,
        /// The input directory.
        directory: PathBuf,
        /// Files in it that look like input.
        alike: Vec<String>,
    },
    /// The first line of a CSV file does not name its columns.
    #[error("{path} line {line}: the first line must name the columns: {problem}")]
    Header {
        /// The file.
        path: PathBuf,
        /// Where the header stands, counted from 1.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// A file is not UTF-8, nor anything that could be mended line by line.
    #[error("{path} is {found}: save it as UTF-8")]
    Encoding {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// A file is compressed, and its name does not say so.
    #[error("{path} is compressed ({found}): let its name end in .{ending}")]
    Packed {
        /// The file.
        path: PathBuf,
        /// By what.
        found: &'static str,
        /// How the name should end.
        ending: &'static str,
    },
    /// The lines of a file of JSON lines end in a carriage return alone.
    #[error(
        "the line ends of {path} are carriage returns alone: end its lines in a line feed, as `tr \
         '\\r' '\\n'` does it"
    )]
    LineEnds {
        /// The file.
        path: PathBuf,
    },
    /// A line of a file is not in its form.
    #[error("{path} line {line}: {problem}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong and what is expected.
        problem: String,
    },
    /// Reading failed.
    #[error("cannot read {path} from byte {position} on: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Where, in bytes of the content (after decompression).
        position: u64,
        /// Why.
        source: io::Error,
    },
}

impl FileError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            // The command is right where the files are there: it is they that have other names.
            FileError::Missing { alike, .. } if !alike.is_empty() => Blame::World,
            FileError::Directory { .. }
            | FileError::Ambiguous { .. }
            | FileError::Missing { .. }
            | FileError::Line { .. } => Blame::Usage,
            FileError::Read { .. }
            | FileError::Header { .. }
            | FileError::Encoding { .. }
            | FileError::Packed { .. }
            | FileError::LineEnds { .. } => Blame::World,
        }
    }
}

/// What is said of files that look like input.
fn not_read(alike: &[String]) -> String {
    if alike.is_empty() {
        String::new()
    } else {
        format!("; not read, though it looks like input: {}", alike.join(", "))
    }
}
