//! The records of a journal: a line each, which begins with its checksum and its length.
//!
//! ```text
//! 0c9f4a31 000000a7 {"epoch":{"epoch":7,"incarnation":2,"offsets":{"transactions":{"0":17}},…}}
//! ```
//!
//! Both numbers are hexadecimal: the length is that of the JSON in bytes, the CRC-32 is over the
//! length and the JSON. No line has a line end or a zero byte in it. So a line that was written by
//! half is told from one that was changed: it lacks its end, or has the zeros of a block that never
//! came to the disk.

#[cfg(test)]
mod tests;

use crate::files::changes::FileMark;
use crate::sink::applied::Applied;
use crate::sink::notices::NoticeText;
use crate::sink::{Genesis, Link};
use crate::source::Offsets;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use dataflows::event::{CustomerId, Millis, Place, Reason, Rejected, Whose};
use dataflows::source::TopicId;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// Version of the records; raised whenever one of them changes its meaning.
pub const FORMAT: u32 = 3;

/// The oldest version that is still read.
pub const OLDEST_FORMAT: u32 = 1;

/// A record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum JournalRecord {
    /// The first one: whose journal it is.
    Journal {
        /// [`FORMAT`] of the program that began it.
        format: u32,
        /// The job.
        job: String,
        /// Whether each epoch's changes are in a file.
        files: bool,
    },
    /// An instance has taken the job over.
    Start {
        /// Its incarnation: one more than that of the instance before.
        incarnation: i64,
    },
    /// Where the job began.
    Starts(Offsets),
    /// The ids of the topics that the epochs from here on are read from, by the topic's name at the
    /// broker.
    Topics(BTreeMap<String, String>),
    /// Offsets that the job goes on behind without having read them, from the epoch after these
    /// records on.
    Losses(Vec<SkippedOffsets>),
    /// Where the chain of the epochs begins.
    History(Genesis),
    /// The settings that hold from an epoch on.
    Applied(Box<Applied>),
    /// What epochs that are no longer here have left.
    Standing(CarriedForward),
    /// An epoch is committed.
    Epoch(Box<Epoch>),
    /// What the epochs up to this one had to publish is published.
    Published(u64),
}

/// Offsets of a partition that no epoch has read, and none will.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkippedOffsets {
    /// The epoch that goes on behind them.
    pub epoch: u64,
    /// The topic's name at the broker.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The first of them.
    pub first: u64,
    /// The offset that is read next.
    pub next: u64,
}

/// What epochs that are no longer here have left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CarriedForward {
    /// The last of them; 0 for none.
    pub epoch: u64,
    /// What adds up over the epochs, after it.
    #[serde(rename = "pending")]
    pub running: i64,
    /// The values that they published, by day.
    #[serde(rename = "thresholds")]
    pub values: BTreeMap<i32, u64>,
    /// The customers that were ever erased, each up to an instant: topics may have forgotten it
    /// when everything is made anew from them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub erased: BTreeMap<CustomerId, Millis>,
}

/// A committed epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epoch {
    /// Which.
    pub epoch: u64,
    /// The instance that committed it.
    pub incarnation: i64,
    /// Its watermark.
    pub watermark: Option<Millis>,
    /// Next offset of every partition, by the topic's name at the broker.
    pub offsets: Offsets,
    /// The ids of the topics that it was read from, likewise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub topics: BTreeMap<String, String>,
    /// Digest of the statistics of all arms after it, SHA-256, in hexadecimal digits.
    pub digest: String,
    /// Valid records that were read for it.
    #[serde(default)]
    pub records: u64,
    /// Its link; none where it was committed before there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<Link>,
    /// What adds up over the epochs, after it.
    #[serde(rename = "pending")]
    pub running: i64,
    /// The values that it published, by day.
    #[serde(rename = "thresholds", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<i32, u64>,
    /// The days of those of before that do not stand any more: it is a change of settings.
    #[serde(rename = "gone_thresholds", default, skip_serializing_if = "Vec::is_empty")]
    pub gone_values: Vec<i32>,
    /// Its file of changes, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileMark>,
    /// Customers that were erased in it, each up to an instant, as long as older files and records
    /// may have something of theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erased: Vec<(CustomerId, Millis)>,
    /// Customers that it has erased, each up to an instant, for whoever repeats it: its records may
    /// no longer say so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erasures: Vec<(CustomerId, Millis)>,
    /// Its notices, as long as they are not known to be published.
    #[serde(rename = "decisions", default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<NoticeText>,
    /// Dead letters of files of earlier epochs that it has blanked, likewise: topic's name at the
    /// broker, and place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blanked: Vec<(String, Place)>,
    /// Its rejected records, likewise.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "write_rejected",
        deserialize_with = "read_rejected"
    )]
    pub rejected: Vec<Rejected>,
}

/// A rejected record, with its bytes as text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RejectedText {
    topic: TopicId,
    place: Place,
    reason: Reason,
    detail: String,
    raw: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    whose: Option<Whose>,
}

fn write_rejected<S: Serializer>(rejected: &[Rejected], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(rejected.iter().map(|rejected| {
        let Rejected { topic, place, reason, detail, raw, whose } = rejected.clone();
        RejectedText { topic, place, reason, detail, raw: BASE64_STANDARD.encode(raw), whose }
    }))
}

fn read_rejected<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Rejected>, D::Error> {
    let read = |RejectedText { topic, place, reason, detail, raw, whose }| {
        let raw = BASE64_STANDARD.decode(raw).map_err(D::Error::custom)?;
        Ok(Rejected { topic, place, reason, detail, raw, whose })
    };
    Vec::deserialize(deserializer)?.into_iter().map(read).collect()
}

/// Digits of the checksum and of the length, each with a space behind it.
const HEAD: usize = 18;

/// Where the length begins, and with it what the checksum is over.
const CHECKED: usize = 9;

impl JournalRecord {
    /// The record's line.
    pub fn to_line(&self) -> Vec<u8> {
        let json =
            serde_json::to_string(self).expect("texts, numbers and lists of them always are JSON");
        let checked = format!("{:08x} {json}\n", json.len());
        let crc32 = crc32fast::hash(checked.trim_end_matches('\n').as_bytes());
        format!("{crc32:08x} {checked}").into_bytes()
    }
}

/// What the file of a journal holds.
#[derive(Clone, Debug, PartialEq)]
pub struct WholeLines<'a> {
    /// The JSON of each record, and where its line begins.
    pub records: Vec<(usize, &'a str)>,
    /// Where the last whole line ends; what comes after it was written by half.
    pub end: usize,
}

/// Splits what the file of a journal holds into records.
///
/// # Errors
/// Where a line begins that is not what was written.
pub fn split(bytes: &[u8]) -> Result<WholeLines<'_>, usize> {
    let mut lines = WholeLines { records: Vec::new(), end: 0 };
    while lines.end < bytes.len() {
        let rest = &bytes[lines.end..];
        match whole_line(rest) {
            Some(json) => {
                lines.records.push((lines.end, json));
                lines.end += HEAD + json.len() + 1;
            }
            None if is_torn(rest) => break,
            None => return Err(lines.end),
        }
    }
    Ok(lines)
}

/// The JSON of the line that the bytes begin with.
fn whole_line(bytes: &[u8]) -> Option<&str> {
    let number = |digits: &[u8]| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    let head = bytes.first_chunk::<HEAD>()?;
    let (crc32, length) = (number(&head[..CHECKED - 1])?, number(&head[CHECKED..HEAD - 1])?);
    let end = HEAD.checked_add(length as usize)?;
    let checked = bytes.get(CHECKED..end)?;
    let is_whole = head[CHECKED - 1] == b' '
        && bytes.get(end) == Some(&b'\n')
        && crc32fast::hash(checked) == crc32;
    std::str::from_utf8(&bytes[HEAD..end]).ok().filter(|_| is_whole)
}

/// Whether the bytes are a line that was written by half, and nothing follows it.
fn is_torn(bytes: &[u8]) -> bool {
    let ends =
        bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(place, _)| place + 1);
    let by_half = bytes.last() != Some(&b'\n') || bytes.contains(&0);
    by_half && !ends.into_iter().any(|end| whole_line(&bytes[end..]).is_some())
}
