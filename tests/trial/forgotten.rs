//! What a job has read of a topic of customers that is compacted. The broker removes records that
//! newer ones replace: some before the job reads them, which then never were there for it, and some
//! after that, which must make no difference.

use super::population::Record;
use super::{Producer, committed};
use crate::services::client::Place;
use crate::services::sender::Sender;
use crate::services::topics::PARTITIONS;
use crate::services::{Stage, compaction};
use dataflows::event::Topic;
use dataflows::source::Kept;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// Has all that the job keeps of what it reads noted in a table that is only ever appended to. The
/// tables must be there.
pub(crate) fn note_kept(stage: &Stage) {
    let noted = "CREATE TABLE public.kept AS SELECT * FROM sluice.kept_records;
        CREATE FUNCTION note_kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO \
        public.kept SELECT NEW.*; RETURN NULL; END $$;
        CREATE TRIGGER note AFTER INSERT OR UPDATE ON sluice.kept_records FOR EACH ROW EXECUTE \
        FUNCTION note_kept()";
    stage.database().batch_execute(noted).expect("what is kept can be noted");
}

/// The customers' records that the job has read.
pub(crate) struct Forgotten<'a> {
    /// Where they lie, those of each partition in their order.
    read: Vec<(Place, i64, &'a Record)>,
    /// Valid records that were gone before the job could read them.
    pub(crate) unread: i64,
}

/// A record as it was kept: when it was sent, whether it has no value, and its value, or its key.
type AsKept = (i64, bool, Vec<u8>);

impl<'a> Forgotten<'a> {
    /// What the job's epochs have read up to now; `None` where no topic is compacted.
    ///
    /// # Panics
    /// If something was kept that was not sent, or not kept without a gap, or a record was not read
    /// that no other one replaces.
    pub(crate) fn of(stage: &Stage, producer: &'a Producer) -> Option<Forgotten<'a>> {
        let forgetful = producer.forgetful()?;
        let next = committed(&mut stage.database());
        let mut kept = kept(stage, forgetful, &next);
        let mut found = Forgotten { read: Vec::new(), unread: 0 };
        for (place, from) in forgetful {
            let next = next.get(place).copied().unwrap_or(0);
            let (mut read, mut replaced) = (Vec::new(), BTreeSet::new());
            for (offset, record) in producer.readable(place).rev() {
                let as_kept = kept.remove(&(place.clone(), offset));
                if let Some(as_kept) = &as_kept {
                    let bytes = record.value.clone().unwrap_or_else(|| record.key().into_bytes());
                    assert_eq!(
                        *as_kept,
                        (record.at, record.value.is_none(), bytes),
                        "{place:?}, {offset}: what was kept of a record"
                    );
                }
                if offset < *from || as_kept.is_some() {
                    read.push((place.clone(), offset, record));
                } else if offset < next {
                    // Nobody needs an order to erase for ever.
                    let may_go = record.value.is_none() || replaced.contains(&record.customer);
                    assert!(
                        may_go,
                        "{place:?}, {offset}: no record replaces this one, and the job has not \
                         read it: {record:?}"
                    );
                    found.unread += i64::from(!record.bad);
                }
                replaced.insert(record.customer);
            }
            found.read.extend(read.into_iter().rev());
        }
        assert!(
            kept.is_empty(),
            "records that nobody has sent, or that nobody may see, were read: {kept:?}"
        );
        Some(found)
    }

    /// How many of these records are gone now.
    pub(crate) fn gone(&self, stage: &Stage) -> usize {
        let there = compaction::offsets(&stage.brokers, &stage.topic("customers"), 0..PARTITIONS);
        self.read
            .iter()
            .filter(|((_, partition), offset, _)| !there.contains(&(*partition, *offset)))
            .count()
    }

    /// How many they are.
    pub(crate) fn read(&self) -> usize {
        self.read.len()
    }

    /// A configuration for the same topics, but that the one of the customers has just these
    /// records.
    pub(crate) fn made_anew(&self, stage: &Stage) -> PathBuf {
        let path = stage.path("made-anew.toml");
        let (topic, anew) = (stage.topic("customers"), stage.topic("customers-anew"));
        let config = fs::read_to_string(stage.config()).expect("there is a configuration");
        assert!(config.contains(&format!("\"{topic}\"")), "{config}");
        fs::write(&path, config.replace(&format!("\"{topic}\""), &format!("\"{anew}\"")))
            .expect("a configuration can be written");
        stage.sluice(&["topics", "create", path.to_str().expect("UTF-8")]);
        let mut sender = Sender::plain(stage);
        for ((_, partition), _, record) in &self.read {
            sender.send(
                &anew,
                *partition,
                Some(record.key().as_bytes()),
                record.value.as_deref(),
                record.at,
            );
        }
        sender.finish();
        path
    }
}

/// All that was kept, which must reach from where the topic became forgetful to where the job has
/// read.
fn kept(
    stage: &Stage,
    forgetful: &BTreeMap<Place, i64>,
    next: &BTreeMap<Place, i64>,
) -> BTreeMap<(Place, i64), AsKept> {
    let query = "SELECT partition, first, next, records FROM public.kept WHERE topic = $1 ORDER BY \
        partition, first, next";
    let topic = stage.topic("customers");
    let (mut kept, mut reached) = (BTreeMap::new(), forgetful.clone());
    for row in stage.database().query(query, &[&topic]).expect("what was kept") {
        let (partition, from, until): (i32, i64, i64) = (row.get(0), row.get(1), row.get(2));
        let place = (topic.clone(), partition);
        assert_eq!(
            reached.insert(place.clone(), until),
            Some(from),
            "{place:?}: something was not kept, or twice"
        );
        let records = Kept {
            topic: Topic::Customers.id(),
            partition: partition as u32,
            from: from as u64,
            until: until as u64,
            records: row.get(3),
        };
        let messages = records
            .messages()
            .unwrap_or_else(|| panic!("{place:?}, {from} to {until}: what was kept is not sound"));
        for head in &messages.heads {
            let bytes = messages.bytes[head.start as usize..][..head.length as usize].to_vec();
            kept.insert((place.clone(), head.position as i64), (head.timestamp, head.null, bytes));
        }
    }
    for (place, reached) in &reached {
        let (from, next) = (forgetful[place], next.get(place).copied().unwrap_or(0));
        assert_eq!(*reached, next.max(from), "{place:?}: up to where all was kept, from {from} on");
    }
    kept
}
