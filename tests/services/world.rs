//! The files of a world, and records of its customers, sent into topics as the program itself would
//! send them.

use super::Stage;
use super::sender::Sender;
use super::topics::PARTITIONS;
use serde::Deserialize;
use std::path::Path;

/// What of a line decides where it goes, when, and how it is dated.
#[derive(Deserialize)]
struct Addressed {
    customer_id: i64,
    timestamp: Option<String>,
}

/// A line of a file.
struct Line<'a> {
    file: &'static str,
    customer: i64,
    /// In milliseconds.
    at: i64,
    text: &'a str,
}

impl Sender {
    /// Sends the files of a folder that `sluice generate` has written, in order of time, and waits
    /// until all can be read. Of `partitions`, a customer has one.
    ///
    /// Profiles, which have no time, come first, and each comes twice: where the topic is compacted
    /// the first of both may be gone before it is read.
    pub(crate) fn send_world(&mut self, stage: &Stage, folder: &Path, partitions: i32) {
        let texts = ["customers", "customers", "transactions", "interactions"].map(|file| {
            (
                file,
                std::fs::read_to_string(folder.join(format!("{file}.jsonl")))
                    .expect("a file of the world"),
            )
        });
        let mut lines: Vec<Line<'_>> = texts
            .iter()
            .flat_map(|(file, text)| text.lines().map(|text| line(file, text)))
            .collect();
        lines.sort_by_key(|line| line.at);
        for Line { file, customer, at, text } in lines {
            let (topic, key) = (stage.topic(file), customer.to_string());
            self.send(
                &topic,
                partition_of(customer, partitions),
                Some(key.as_bytes()),
                Some(text.as_bytes()),
                at,
            );
        }
        self.flush();
    }

    /// Sends a record of a customer, dated now, and waits until it can be read.
    pub(crate) fn put(&mut self, stage: &Stage, file: &str, customer: i64, value: &str) {
        self.add(stage, file, customer, value);
        self.flush();
    }

    /// Sends a record of a customer, dated now.
    pub(crate) fn add(&mut self, stage: &Stage, file: &str, customer: i64, value: &str) {
        let (key, now) = (customer.to_string(), jiff::Timestamp::now().as_millisecond());
        self.send(
            &stage.topic(file),
            partition_of(customer, PARTITIONS),
            Some(key.as_bytes()),
            Some(value.as_bytes()),
            now,
        );
    }
}

/// Of so many partitions, the one that clients choose by themselves for a customer's key.
fn partition_of(customer: i64, partitions: i32) -> i32 {
    (i64::from(crc32fast::hash(customer.to_string().as_bytes())) % i64::from(partitions)) as i32
}

fn line<'a>(file: &'static str, text: &'a str) -> Line<'a> {
    let Addressed { customer_id: customer, timestamp } = serde_json::from_str(text).expect("JSON");
    let at = timestamp
        .map_or(0, |at| at.parse::<jiff::Timestamp>().expect("an instant").as_millisecond());
    Line { file, customer, at, text }
}
