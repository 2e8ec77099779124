//! Records that were rejected, and fields that were left out: how many, and the last of them.

use super::report::{DeadLetter, IgnoredField};
use dataflows::event::{CustomerId, Millis, Rejected, Whose};
use dataflows::source::TopicId;
use std::collections::{BTreeMap, VecDeque};

/// Rejected records that are shown.
const DEAD_LETTERS: usize = 20;

/// What is known of them.
#[derive(Debug)]
pub(super) struct Rejects {
    by_reason: BTreeMap<&'static str, u64>,
    dead_letters: VecDeque<(Option<Whose>, DeadLetter)>,
    ignored: BTreeMap<(TopicId, String), u64>,
}

impl Rejects {
    /// None so far, of records with these fields.
    pub(super) fn none(ignorable: &[(TopicId, &'static str)]) -> Self {
        let fields = ignorable.iter().map(|(topic, field)| ((*topic, field.to_string()), 0));
        Rejects {
            by_reason: BTreeMap::new(),
            dead_letters: VecDeque::new(),
            ignored: fields.collect(),
        }
    }

    /// A record was rejected.
    pub(super) fn reject(&mut self, rejected: &Rejected) {
        *self.by_reason.entry(rejected.reason.word()).or_default() += 1;
        let letter = DeadLetter {
            topic: rejected.topic.name(),
            partition: rejected.place.partition(),
            position: rejected.place.position(),
            reason: rejected.reason.word(),
            detail: rejected.detail.clone(),
        };
        self.dead_letters.push_front((rejected.whose, letter));
        self.dead_letters.truncate(DEAD_LETTERS);
    }

    /// Fields were left out of so many records.
    pub(super) fn ignore(&mut self, fields: &BTreeMap<(TopicId, String), u64>) {
        for (field, records) in fields {
            *self.ignored.entry(field.clone()).or_default() += records;
        }
    }

    /// Takes out what is shown of the dead letters of erased customers.
    pub(super) fn blank(&mut self, erased: &[(CustomerId, Millis)]) {
        let theirs = |whose: &Option<Whose>| whose.is_some_and(|whose| whose.is_erased(erased));
        for (whose, letter) in self.dead_letters.iter_mut().filter(|(whose, _)| theirs(whose)) {
            (*whose, letter.detail) = (None, Rejected::BLANKED.to_string());
        }
    }

    /// Rejected records by the word of their reason.
    pub(super) fn by_reason(&self) -> BTreeMap<&'static str, u64> {
        self.by_reason.clone()
    }

    /// The last rejected records, newest first.
    pub(super) fn dead_letters(&self) -> Vec<DeadLetter> {
        self.dead_letters.iter().map(|(_, letter)| letter.clone()).collect()
    }

    /// Fields that were left out, and those that may be.
    pub(super) fn ignored_fields(&self) -> Vec<IgnoredField> {
        let of = |((topic, field), records): (&(TopicId, String), &u64)| IgnoredField {
            topic: topic.name(),
            field: field.clone(),
            records: *records,
        };
        self.ignored.iter().map(of).collect()
    }
}
