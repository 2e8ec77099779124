//! What was found in blocks, gathered in memory that is used again.

use crate::event::fields::Problem;
use crate::event::rules::Origin;
use crate::event::unlisted::List;
use crate::event::{Aside, Millis, Names, Record, Rejected, Topic, Whose};
use std::collections::BTreeMap;

/// What was found in blocks.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// Events of fixed size, in the order of the block.
    pub records: Vec<Record>,
    /// What is rare or has no fixed size, in the order of the block.
    pub asides: Vec<Aside>,
    /// What was refused.
    pub rejected: Vec<Rejected>,
    /// Ids of interactions as text, one batch for each worker; empty unless the settings want
    /// names.
    pub names: Vec<Names>,
    /// The greatest valid timestamp of new events, in topics that move the watermark.
    pub high: Option<Millis>,
    /// Records that were taken.
    pub valid: u64,
    /// Records in all; blank lines do not count.
    pub lines: u64,
    /// Fields of valid records that could not be read and were left out, since nothing depends on
    /// them: how many, by topic and name.
    pub ignored: BTreeMap<(Topic, &'static str), u64>,
    /// Rejected records that were to erase somebody.
    pub unread_erasures: u64,
    /// Hashes of names that are not in their lists, where this parser has not told of them before.
    pub unlisted: Vec<(List, u64)>,
}

impl Parsed {
    /// Forgets what was found but keeps the memory.
    pub fn clear(&mut self) {
        self.records.clear();
        self.asides.clear();
        self.rejected.clear();
        for names in &mut self.names {
            names.keys.clear();
            names.text.clear();
        }
        self.high = None;
        self.valid = 0;
        self.lines = 0;
        self.ignored.clear();
        self.unread_erasures = 0;
        self.unlisted.clear();
    }

    #[inline(always)]
    pub(super) fn push_record(&mut self, record: Record, moves_watermark: bool) {
        if moves_watermark {
            self.high = self.high.max(Some(record.timestamp));
        }
        self.records.push(record);
    }

    pub(super) fn reject(&mut self, origin: &Origin, problem: Problem, whose: Option<Whose>) {
        let rejected = origin.rejected(problem.reason, problem.detail, whose);
        self.unread_erasures += u64::from(rejected.is_erasure());
        self.rejected.push(rejected);
    }
}
