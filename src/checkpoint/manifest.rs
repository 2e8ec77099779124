//! The manifest: what a checkpoint consists of, and how each part of it can be recognized.

use super::names;
use crate::fingerprint::Fingerprint;
use crate::hexadecimal::{digest_from_hex, hexadecimal};
use crate::sink::Link;
use crate::source::TopicUuids;
use dataflows::event::Millis;
use dataflows::source::TopicId;
use jiff::Timestamp;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// Version of the manifest and of what the files hold, the core's images and common part; raised
/// whenever one of them changes its meaning.
pub const FORMAT: u32 = 5;

/// The oldest version that is still read.
pub const OLDEST_FORMAT: u32 = 2;

/// What a checkpoint consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`] of the program that wrote it.
    pub format: u32,
    /// The job.
    pub job: String,
    /// The identity of the job's history, by which its folder is named; none in one of before there
    /// were such folders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Link>,
    /// Whether checkpoints without an identity may be left that are of its history: they go when
    /// this one is whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follows_unnamed: bool,
    /// The configuration that its state depends on.
    pub fingerprint: Fingerprint,
    /// The epoch after which the state is this.
    pub epoch: u64,
    /// Digest of the statistics of all arms after the epoch, SHA-256: as recorded with the epoch,
    /// else the two are of different histories.
    #[serde(serialize_with = "write_digest", deserialize_with = "read_digest")]
    pub digest: [u8; 32],
    /// The epoch's link in the chain of the job's epochs, which tells its history from any other;
    /// none in one of before there were links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<Link>,
    /// The ids of the topics that were read, as far as they were known.
    #[serde(default)]
    pub topic_ids: TopicUuids,
    /// The epoch's watermark.
    pub watermark: Option<Millis>,
    /// Next offset of every partition, sorted.
    #[serde(serialize_with = "write_offsets", deserialize_with = "read_offsets")]
    pub offsets: Vec<(TopicId, u32, u64)>,
    /// When it was written.
    pub created: Timestamp,
    /// Customers in it.
    pub customers: u64,
    /// Whether older checkpoints hold what has been erased since, and must go.
    pub erases: bool,
    /// What belongs to no customer.
    pub shared: File,
    /// By virtual shard, the files to read one after the other: a base, then what has changed
    /// since. A shard without customers has none.
    pub shards: BTreeMap<u16, Vec<File>>,
    /// What the tables of results must hold, in the order in which it was written; only in one that
    /// a verification has left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<File>,
}

/// A file of a checkpoint, and what tells it from any other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its name below the job's folder.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Length of what is in it, uncompressed.
    pub raw_bytes: u64,
    /// Checksum of the file as it lies there.
    pub crc32: u32,
    /// Whether it is complete in itself.
    pub kind: FileKind,
    /// The epoch that it was written for.
    pub epoch: u64,
    /// Customers in it.
    pub customers: u64,
}

/// Whether a file is complete in itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// It holds everything.
    Base,
    /// It holds what has changed since the checkpoint before.
    Delta,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileKind::Base => "base",
            FileKind::Delta => "delta",
        })
    }
}

/// What another process has written of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The process.
    pub process: usize,
    /// The checkpoint.
    pub epoch: u64,
    /// Its files, each with its shard; or why there will be none.
    pub files: Result<Vec<(u16, File)>, String>,
}

/// Why the text of a manifest is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is not what was written.
    Damaged(String),
    /// It is of another version of the program.
    Format(u32),
}

impl Manifest {
    /// Every file that it names, each with its shard; first what belongs to none.
    pub fn files(&self) -> impl Iterator<Item = (Option<u16>, &File)> {
        let of_shards = self
            .shards
            .iter()
            .flat_map(|(shard, chain)| chain.iter().map(move |file| (Some(*shard), file)));
        std::iter::once(&self.shared).chain(&self.tables).map(|file| (None, file)).chain(of_shards)
    }

    /// Bytes of all its files.
    pub fn bytes(&self) -> u64 {
        self.files().fold(0, |sum, (_, file)| sum.saturating_add(file.bytes))
    }

    /// Files of the longest chain: what a restart reads for a shard, and a reason to write bases
    /// again.
    pub fn longest_chain(&self) -> usize {
        self.shards.values().map(Vec::len).max().unwrap_or(0)
    }

    /// The text of its file.
    pub fn to_text(&self) -> String {
        seal(self)
    }

    /// Reads the text of a manifest's file and makes sure that it is consistent.
    pub fn from_text(text: &[u8]) -> Result<Manifest, Unreadable> {
        /// What is known of a manifest of any version.
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let body = unseal(text).map_err(Unreadable::Damaged)?;
        let unreadable =
            |error: serde_json::Error| Unreadable::Damaged(format!("it is no manifest: {error}"));
        let Version { format } = serde_json::from_str(body).map_err(unreadable)?;
        if !(OLDEST_FORMAT..=FORMAT).contains(&format) {
            return Err(Unreadable::Format(format));
        }
        let manifest: Manifest = serde_json::from_str(body).map_err(unreadable)?;
        match manifest.fault() {
            Some(fault) => Err(Unreadable::Damaged(fault)),
            None => Ok(manifest),
        }
    }

    /// What cannot be true of a manifest; none is written or read that has a fault.
    pub fn fault(&self) -> Option<String> {
        if self.shared.name != names::shared(self.epoch) {
            return Some(format!("it names {} for what belongs to no customer", self.shared.name));
        }
        if let Some((_, file)) = (0..)
            .zip(&self.tables)
            .find(|(number, file)| file.name != names::tables(self.epoch, *number))
        {
            return Some(format!("it names {} for what the tables must hold", file.name));
        }
        self.shards.iter().find_map(|(shard, chain)| self.chain_fault(*shard, chain))
    }

    fn chain_fault(&self, shard: u16, chain: &[File]) -> Option<String> {
        if shard >= super::SHARDS {
            return Some(format!("it has a shard {shard}"));
        }
        if let Some(file) =
            chain.iter().find(|file| file.name != names::shard(shard, file.epoch, file.kind))
        {
            return Some(format!("it names {} for shard {shard}", file.name));
        }
        let kinds =
            chain.iter().enumerate().all(|(i, file)| (file.kind == FileKind::Base) == (i == 0));
        let epochs = chain.windows(2).all(|pair| pair[0].epoch < pair[1].epoch)
            && chain.last().is_some_and(|file| file.epoch <= self.epoch);
        (!kinds || !epochs)
            .then(|| format!("the files of shard {shard} are not a base and what came after it"))
    }
}

impl Part {
    /// The text of its file.
    pub fn to_text(&self) -> String {
        seal(self)
    }

    /// Reads the text of its file.
    pub fn from_text(text: &[u8]) -> Result<Part, String> {
        unsealed(text)
    }
}

/// What stands before the checksum, between it and the content, and after that.
const SEAL: [&str; 3] = ["{\"crc32\":\"", "\",\"content\":", "}\n"];

/// JSON of a value beside the checksum of its text.
fn seal(value: &impl Serialize) -> String {
    let content =
        serde_json::to_string(value).expect("texts, numbers and lists of them always are JSON");
    let [before, between, after] = SEAL;
    format!("{before}{:08x}{between}{content}{after}", crc32fast::hash(content.as_bytes()))
}

/// The content of a sealed text: every byte of the text is either fixed or under the checksum.
fn unseal(text: &[u8]) -> Result<&str, String> {
    let [before, between, after] = SEAL;
    let sealed = || {
        let text = std::str::from_utf8(text).ok()?;
        let (checksum, text) = text.strip_prefix(before)?.split_at_checked(8)?;
        Some((checksum, text.strip_prefix(between)?.strip_suffix(after)?))
    };
    let (checksum, content) = sealed().ok_or("it does not begin and end as it should")?;
    match format!("{:08x}", crc32fast::hash(content.as_bytes())) == checksum {
        true => Ok(content),
        false => Err(format!("its checksum is not {checksum}")),
    }
}

fn unsealed<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    serde_json::from_str(unseal(text)?)
        .map_err(|error| format!("its content cannot be read: {error}"))
}

fn write_digest<S: Serializer>(digest: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hexadecimal(digest))
}

fn read_digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    digest_from_hex(&String::deserialize(deserializer)?)
        .ok_or_else(|| D::Error::custom("a digest is 64 hexadecimal digits"))
}

fn write_offsets<S: Serializer>(
    offsets: &[(TopicId, u32, u64)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut named: BTreeMap<&str, BTreeMap<u32, u64>> = BTreeMap::new();
    for (topic, partition, next) in offsets {
        named.entry(topic.name()).or_default().insert(*partition, *next);
    }
    named.serialize(serializer)
}

fn read_offsets<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(TopicId, u32, u64)>, D::Error> {
    let mut offsets = Vec::new();
    for (name, partitions) in BTreeMap::<String, BTreeMap<u32, u64>>::deserialize(deserializer)? {
        let topic = TopicId::named(&name);
        let topic = topic.ok_or_else(|| D::Error::custom(format!("there is no topic {name:?}")))?;
        offsets.extend(partitions.into_iter().map(|(partition, next)| (topic, partition, next)));
    }
    offsets.sort_unstable();
    Ok(offsets)
}
