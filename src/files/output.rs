//! A directory that a command writes files to: the results of a replay, the pages of the manual.
//!
//! Each is written under another name and renamed when it is complete, so that nobody ever reads
//! half of one.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use dataflows::event::Rejected;
use serde::Serialize;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A result that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
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

impl OutputDirectory {
    /// Makes the directory if it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(path: &Path) -> Result<Self, OutputError> {
        std::fs::create_dir_all(path)
            .map_err(|source| OutputError::Write { path: path.to_path_buf(), source })?;
        Ok(OutputDirectory { path: path.to_path_buf() })
    }

    /// Makes sure that files can be written there, by writing one and removing it.
    ///
    /// # Errors
    /// They cannot.
    pub fn try_out(&self) -> Result<(), OutputError> {
        let path = self.path.join(format!(".sluice-trial-{}", std::process::id()));
        let tried = std::fs::write(&path, b"sluice").and_then(|()| std::fs::remove_file(&path));
        tried.map_err(|source| OutputError::Write { path: self.path.clone(), source })
    }

    /// Writes a page of the manual, and gives its path.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn page(&self, name: &str, page: &[u8]) -> Result<PathBuf, OutputError> {
        self.file(name, |out| out.write_all(page))?;
        Ok(self.path.join(name))
    }

    /// Writes a value as JSON, for people to look at.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn object(&self, name: &str, value: &impl Serialize) -> Result<(), OutputError> {
        self.file(name, |out| {
            serde_json::to_writer_pretty(&mut *out, value)?;
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
    ) -> Result<(), OutputError> {
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
    ///
    /// # Errors
    /// It cannot be written.
    pub fn file<T>(
        &self,
        name: &str,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<T>,
    ) -> Result<T, OutputError> {
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
            OutputError::Write { path, source }
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::event::{Place, Reason, Topic};

    fn output() -> (tempfile::TempDir, OutputDirectory) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("a/b");
        (directory, OutputDirectory::create(&path).expect("it can be made"))
    }

    fn content(output: &OutputDirectory, name: &str) -> String {
        std::fs::read_to_string(output.path.join(name)).expect("it is written")
    }

    #[test]
    fn dead_letters_are_sorted_and_keep_their_bytes() {
        let (_held, output) = output();
        let rejected = |topic, position, raw: &[u8]| Rejected {
            topic,
            place: Place::new(1, position),
            reason: Reason::BadAmount,
            detail: "the amount is negative".to_string(),
            raw: raw.to_vec(),
            whose: None,
        };
        let letters = [
            rejected(Topic::Interactions.id(), 5, b"{\"a\":1}"),
            rejected(Topic::Transactions.id(), 9, b"\xff"),
            rejected(Topic::Transactions.id(), 3, "é".as_bytes()),
        ];
        output
            .dead_letters(&letters, |rejected| format!("{}.jsonl", rejected.topic.file_stem()))
            .expect("writing");
        let lines: Vec<Value> = content(&output, "dead_letters.jsonl")
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let line = |source: &str, position: u64, key: &str, raw: &str| {
            json!({
                "source": source, "position": position, "reason": "bad_amount",
                "detail": "the amount is negative", key: raw,
            })
        };
        assert_eq!(
            lines,
            [
                line("transactions.jsonl", 3, "raw", "é"),
                line("transactions.jsonl", 9, "raw_base64", "/w=="),
                line("interactions.jsonl", 5, "raw", "{\"a\":1}"),
            ]
        );
    }

    #[test]
    fn a_failed_file_leaves_the_old_one_and_nothing_else() {
        let (_held, output) = output();
        output.file("days.csv", |out| out.write_all(b"whole")).expect("writing");
        let failed = output.file("days.csv", |out| {
            out.write_all(b"half")?;
            Err::<(), _>(io::Error::other("disk full"))
        });
        assert!(failed.expect_err("it failed").to_string().ends_with("days.csv: disk full"));
        assert_eq!(content(&output, "days.csv"), "whole");
        assert_eq!(std::fs::read_dir(&output.path).expect("reading").count(), 1);
    }
}
