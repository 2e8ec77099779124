//! What a replay asks of a dataflow beside what every job of it does: which flags it knows, how its
//! files are read, and which files it writes of what comes out.

use super::{Hosted, ResultsOf};
use crate::files::error::FileError;
use crate::files::output::{OutputDirectory, OutputError};
use crate::files::reader::FileReading;
use dataflows::source::Block;
use dataflows::time::Millis;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A dataflow that files, or a stretch of its topics, can be put through as fast as possible.
pub trait Replays: Hosted {
    /// Names of the files that it writes, beside those of every replay.
    fn files() -> Vec<String>;

    /// As a replay with these flags has it; those that it does not know are left among them.
    ///
    /// # Errors
    /// A file that a flag names cannot be read.
    fn replayed(self, flags: &mut ReplayFlags) -> Result<ReplayAs<Self>, FileError>;

    /// How its files are read.
    fn reading(&self) -> FileReading;

    /// Who tells taken records from rejected ones.
    fn taken(&self) -> RowsTaken;

    /// Takes in what a worker sends of the epoch in which the input ends, behind recorded ones:
    /// nothing, where that has none but what the end itself brings.
    fn add_at_end(_results: &mut ResultsOf<Self>, _output: Self::Output) {}

    /// Writes its files, with so many threads; says what came of the replay.
    ///
    /// # Errors
    /// A file cannot be written.
    fn write(
        &self,
        results: &ResultsOf<Self>,
        output: &OutputDirectory,
        threads: usize,
    ) -> Result<ReplayTold, OutputError>;
}

/// Says where the records of a block stand that are not rejected.
pub type RowsTaken = Box<dyn FnMut(&Block) -> Vec<u64>>;

/// A dataflow as it is replayed.
#[derive(Clone, Debug)]
pub struct ReplayAs<D> {
    /// It.
    pub dataflow: D,
    /// Files are cut into epochs, as a stream is.
    pub streamed: bool,
    /// What all processes must have been started with, each with the name of its flag.
    pub agreed: Vec<(&'static str, String)>,
}

/// Flags that only some dataflows know, as they were given. Whoever knows one takes it out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayFlags {
    /// Instants and durations, by the names of their flags.
    pub times: BTreeMap<&'static str, Millis>,
    /// Files, likewise.
    pub files: BTreeMap<&'static str, PathBuf>,
}

impl ReplayFlags {
    /// A flag that is left.
    pub fn left(&self) -> Option<&'static str> {
        self.times.keys().chain(self.files.keys()).next().copied()
    }
}

/// What a dataflow says of its replay.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplayTold {
    /// What was counted.
    pub counted: NamedFigures,
    /// What else came out, behind what every replay says of its records: the digest too.
    pub outcome: NamedFigures,
    /// Lines for a person.
    pub lines: Vec<String>,
}

/// Figures by their names, in the order in which they are shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamedFigures(pub Vec<(&'static str, Value)>);

impl Serialize for NamedFigures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
