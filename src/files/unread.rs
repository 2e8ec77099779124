//! Files of an input directory that nobody reads: what looks like input under another name, and
//! other data beside it.

use super::InputFile;
use dataflows::source::TopicId;
use std::ffi::OsStr;
use std::path::Path;

/// Endings of data that could be input in another form. Whatever has one of these is meant to be
/// read by some program.
const FOREIGN: [&str; 6] = ["ndjson", "parquet", "avro", "orc", "arrow", "feather"];

/// Endings of data that may also be something else than input.
const GENERAL: [&str; 9] = ["jsonl", "csv", "json", "tsv", "txt", "dat", "xml", "xls", "xlsx"];

/// Endings of compressed files and of archives.
const PACKED: [&str; 9] = ["gz", "zst", "bz2", "xz", "zip", "lz4", "snappy", "br", "tar"];

/// What every replay itself writes, should its results lie in the same directory, and the epochs of
/// a job as they are written out for one.
const WRITTEN: [&str; 3] = ["summary.json", "dead_letters.jsonl", "epochs.jsonl"];

/// The names of files that are not read, each in alphabetical order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// What looks like input.
    pub alike: Vec<String>,
    /// Other data.
    pub others: Vec<String>,
}

/// Looks through a directory of which the `inputs` of these topics are read, and to which results
/// of these names may have been `written`. What cannot be listed is not named: it is the reader who
/// says so.
pub fn unread(
    directory: &Path,
    inputs: &[InputFile],
    topics: &[TopicId],
    written: &[String],
) -> Unread {
    let words = words(topics);
    let mut unread = Unread::default();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.path().metadata() else { continue };
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_read = inputs
            .iter()
            .any(|input| input.path.file_name() == Some(OsStr::new(&entry.file_name())));
        if is_read
            || WRITTEN.contains(&name.as_str())
            || written.contains(&name)
            || (metadata.is_file() && metadata.len() == 0)
        {
            continue;
        }
        match Likeness::of(&name, metadata.is_dir(), &words) {
            Likeness::Input => unread.alike.push(name),
            Likeness::Data => unread.others.push(name),
            Likeness::None => {}
        }
    }
    unread.alike.sort_unstable();
    unread.others.sort_unstable();
    unread
}

/// Words by which the files of topics are called, one or many.
fn words(topics: &[TopicId]) -> Vec<&'static str> {
    topics.iter().map(|topic| topic.file_stem().trim_end_matches('s')).collect()
}

/// How much a file looks like input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Likeness {
    Input,
    Data,
    None,
}

impl Likeness {
    /// By its name: endings in any case, and a topic's word in the rest. A folder looks like input
    /// where it is called as a topic is.
    fn of(name: &str, is_folder: bool, words: &[&str]) -> Likeness {
        let name = name.to_lowercase();
        // Marks of editors, of systems and of programs that have not finished.
        if name.starts_with(['.', '_', '~']) {
            return Likeness::None;
        }
        let mut endings = name.split('.').rev().peekable();
        let packed = endings.next_if(|ending| PACKED.contains(ending)).is_some();
        while endings.next_if(|ending| PACKED.contains(ending)).is_some() {}
        let ending = endings.next().unwrap_or_default();
        let stem = name.split('.').next().unwrap_or_default();
        let is_topics = words.iter().any(|word| stem.contains(word));
        if is_folder {
            let is_called_so = words.iter().any(|word| stem.trim_end_matches('s') == *word);
            return if is_called_so { Likeness::Input } else { Likeness::None };
        }
        match () {
            () if FOREIGN.contains(&ending) => Likeness::Input,
            () if GENERAL.contains(&ending) && is_topics => Likeness::Input,
            () if packed && is_topics => Likeness::Input,
            () if GENERAL.contains(&ending) && !matches!(ending, "json" | "txt" | "xml") => {
                Likeness::Data
            }
            () => Likeness::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::find_inputs;
    use dataflows::event::Topic;

    fn likeness(name: &str, is_folder: bool) -> Likeness {
        Likeness::of(name, is_folder, &words(&Topic::ids()))
    }

    #[test]
    fn a_name_says_what_looks_like_input() {
        let alike = [
            "customer-interactions.jsonl",
            "decision-requests.csv",
            "transactions.ndjson",
            "events.ndjson",
            "customers.parquet",
            "part-00000.snappy.parquet",
            "Transactions.csv",
            "TRANSACTIONS.CSV",
            "rewards.JSONL",
            "transactions.jsonl.bz2",
            "transactions.zip",
            "interactions.tar.gz",
            "reward.csv",
            "transactions-2024.csv.gz",
            "transactions.txt",
            "customers.json",
            "requests.xlsx",
        ];
        alike.iter().for_each(|name| assert_eq!(likeness(name, false), Likeness::Input, "{name}"));
        ["orders.csv", "templates.jsonl", "orders.csv.gz", "days.tsv"]
            .iter()
            .for_each(|name| assert_eq!(likeness(name, false), Likeness::Data, "{name}"));
        let others = [
            "README.md",
            "notes.txt",
            "sluice.toml",
            "world.json",
            ".transactions.csv.swp",
            "._transactions.csv",
            "_SUCCESS",
            "transactions.csv.md5",
            "transactions.csv~",
            "transactions",
            "backup.tar.gz",
        ];
        others.iter().for_each(|name| assert_eq!(likeness(name, false), Likeness::None, "{name}"));
        ["transactions", "Interactions", "transactions.csv"]
            .iter()
            .for_each(|name| assert_eq!(likeness(name, true), Likeness::Input, "{name}"));
        ["results", "customers-out", "events.csv"]
            .iter()
            .for_each(|name| assert_eq!(likeness(name, true), Likeness::None, "{name}"));
    }

    #[test]
    fn what_is_read_or_was_written_by_a_replay_or_is_empty_is_not_named() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let named = [
            "transactions.csv",
            "interactions.jsonl.gz",
            "features.csv",
            "dead_letters.jsonl",
            "b.csv",
            "a.csv",
            "Rewards.csv",
            "rewards.ndjson",
        ];
        named
            .iter()
            .for_each(|name| std::fs::write(directory.path().join(name), b"x\n").expect("writing"));
        std::fs::write(directory.path().join("customers.ndjson"), b"").expect("writing");
        std::fs::create_dir(directory.path().join("requests")).expect("a folder");
        let inputs = find_inputs(directory.path(), &Topic::ids()).expect("they are there");
        let written = ["features.csv".to_string()];
        let unread = unread(directory.path(), &inputs, &Topic::ids(), &written);
        assert_eq!(unread.alike, ["Rewards.csv", "requests", "rewards.ndjson"]);
        assert_eq!(unread.others, ["a.csv", "b.csv"]);
    }
}
