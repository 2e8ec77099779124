//! Files as a source and a sink: the input directory of `replay`, the directory that it writes, and
//! the changes of each epoch of a job.

pub mod changes;
pub mod epochs;
pub mod error;
mod header;
mod open;
pub mod output;
pub mod reader;
mod rows;
pub mod section;
pub mod source;
mod split;
pub mod unread;

use dataflows::source::TopicId;
use error::FileError;
use std::path::{Path, PathBuf};

/// How the records of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// One JSON object a line.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, one or more members.
    Gzip,
    /// Zstandard, one or more frames.
    Zstd,
}

/// Endings of the names of files, and what they mean.
const ENDINGS: [(&str, Syntax, Compression); 6] = [
    ("jsonl", Syntax::Json, Compression::None),
    ("csv", Syntax::Csv, Compression::None),
    ("jsonl.gz", Syntax::Json, Compression::Gzip),
    ("csv.gz", Syntax::Csv, Compression::Gzip),
    ("jsonl.zst", Syntax::Json, Compression::Zstd),
    ("csv.zst", Syntax::Csv, Compression::Zstd),
];

/// A file of the input directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
    /// What it holds.
    pub topic: TopicId,
    /// Where it is.
    pub path: PathBuf,
    /// How its records are written.
    pub syntax: Syntax,
    /// How it is compressed.
    pub compression: Compression,
    /// Bytes as it lies on the disk.
    pub length: u64,
}

impl InputFile {
    /// Its name without the directory, as dead letters name it.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// What files are called that are read of these topics.
pub fn names(topics: &[TopicId]) -> String {
    let mut stems: Vec<&str> = topics.iter().map(|topic| topic.file_stem()).collect();
    let last = stems.pop().unwrap_or_default();
    let before = stems.join(", ");
    let or = if before.is_empty() { "" } else { " or " };
    format!(
        "files are read that are called {before}{or}{last}, with .jsonl or .csv, and .gz or .zst \
         after it"
    )
}

/// Whether a file of this name is read of one of these topics.
pub fn is_read(name: &str, topics: &[TopicId]) -> bool {
    let ending = |topic: &TopicId| name.strip_prefix(topic.file_stem())?.strip_prefix('.');
    let known = |ending: &str| ENDINGS.iter().any(|(known, ..)| *known == ending);
    topics.iter().filter_map(ending).any(known)
}

/// Finds the files of an input directory, one a topic, in the order of the topics, the first of
/// which must be there.
///
/// # Errors
/// The directory cannot be read, a topic has several files, or the first has none.
pub fn find_inputs(directory: &Path, topics: &[TopicId]) -> Result<Vec<InputFile>, FileError> {
    std::fs::read_dir(directory)
        .map_err(|source| FileError::Directory { path: directory.to_path_buf(), source })?;
    let mut inputs = Vec::new();
    for &topic in topics {
        let mut found = candidates(directory, topic)?;
        if found.len() > 1 {
            return Err(FileError::Ambiguous {
                topic: topic.file_stem(),
                names: found.iter().map(InputFile::name).collect(),
            });
        }
        inputs.append(&mut found);
    }
    match topics.first() {
        Some(first) if inputs.first().is_none_or(|input| input.topic != *first) => {
            Err(FileError::Missing {
                topic: first.file_stem(),
                directory: directory.to_path_buf(),
                alike: unread::unread(directory, &inputs, topics, &[]).alike,
            })
        }
        _ => Ok(inputs),
    }
}

/// The files that a topic has in the directory.
fn candidates(directory: &Path, topic: TopicId) -> Result<Vec<InputFile>, FileError> {
    let mut found = Vec::new();
    for (ending, syntax, compression) in ENDINGS {
        let path = directory.join(format!("{}.{ending}", topic.file_stem()));
        match std::fs::metadata(&path) {
            Ok(metadata) => {
                found.push(InputFile { topic, path, syntax, compression, length: metadata.len() })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(FileError::Read { path, position: 0, source }),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blame::Blame;
    use dataflows::event::Topic;

    fn find(directory: &Path) -> Result<Vec<InputFile>, FileError> {
        find_inputs(directory, &Topic::ids())
    }

    fn directory(names: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a temporary directory");
        names
            .iter()
            .for_each(|name| std::fs::write(directory.path().join(name), b"x\n").expect("writing"));
        directory
    }

    #[test]
    fn the_files_of_each_topic_are_found() {
        let directory = directory(&[
            "transactions.csv.gz",
            "interactions.jsonl",
            "requests.jsonl.zst",
            "customers.csv",
            "notes.txt",
            "rewards.json",
        ]);
        let inputs = find(directory.path()).expect("they are there");
        let found: Vec<_> =
            inputs.iter().map(|i| (i.topic, i.name(), i.syntax, i.compression, i.length)).collect();
        assert_eq!(
            found,
            [
                (
                    Topic::Transactions.id(),
                    "transactions.csv.gz".to_string(),
                    Syntax::Csv,
                    Compression::Gzip,
                    2
                ),
                (
                    Topic::Customers.id(),
                    "customers.csv".to_string(),
                    Syntax::Csv,
                    Compression::None,
                    2
                ),
                (
                    Topic::Interactions.id(),
                    "interactions.jsonl".to_string(),
                    Syntax::Json,
                    Compression::None,
                    2
                ),
                (
                    Topic::Requests.id(),
                    "requests.jsonl.zst".to_string(),
                    Syntax::Json,
                    Compression::Zstd,
                    2
                ),
            ]
        );
    }

    #[test]
    fn two_files_of_one_topic_are_refused_by_name() {
        let directory = directory(&["transactions.csv", "transactions.jsonl.gz"]);
        let error = find(directory.path()).expect_err("ambiguous");
        assert_eq!(
            error.to_string(),
            "there are several files of transactions: transactions.csv and transactions.jsonl.gz; \
             leave one of them"
        );
    }

    #[test]
    fn transactions_must_be_there() {
        let directory = directory(&["customers.csv"]);
        let error = find(directory.path()).expect_err("missing").to_string();
        assert!(error.contains("no transactions.jsonl or transactions.csv"), "{error}");
        assert!(matches!(find(&directory.path().join("none")), Err(FileError::Directory { .. })));
    }

    #[test]
    fn where_transactions_have_another_name_that_is_said() {
        let directory = directory(&["Transactions.csv", "customers.csv"]);
        let error = find(directory.path()).expect_err("missing");
        assert!(
            error.to_string().contains("not read, though it looks like input: Transactions.csv"),
            "{error}"
        );
        assert_eq!(
            (
                error.blame(),
                FileError::Missing {
                    topic: "transactions",
                    directory: directory.path().into(),
                    alike: Vec::new()
                }
                .blame()
            ),
            (Blame::World, Blame::Usage)
        );
    }

    #[test]
    fn the_names_of_files_are_those_of_the_topics() {
        let topics = Topic::ids();
        assert!(names(&topics[..1]).contains(" called transactions, with .jsonl"));
        assert!(names(&topics).contains(
            " called transactions, customers, interactions, rewards or \
            requests, with"
        ));
        for (name, read) in [
            ("rewards.csv", true),
            ("requests.jsonl.zst", true),
            ("rewards", false),
            ("rewards.json", false),
            ("features.csv", false),
            ("my-rewards.csv", false),
        ] {
            assert_eq!(is_read(name, &topics), read, "{name}");
        }
    }
}
