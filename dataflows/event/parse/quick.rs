//! The fast path: what it reads of a record, and what has to be left to the complete one.

use super::Parser;
use super::parsed::Parsed;
use crate::event::cursor::Cursor;
use crate::event::{Aside, CustomerId, Kind, Millis, Place, Profile, Record, Topic, fast};
use std::ops::Range;

/// What the fast path makes of a record.
pub(super) enum Quick {
    Transaction(Record),
    /// With the range of bytes where the text of its id stands.
    Interaction(Record, Range<usize>),
    Reward(Record),
    Profile(CustomerId, Profile),
}

impl Parser {
    /// The record that starts here by the fast path, and where its closing brace ends.
    #[inline(always)]
    pub(super) fn quick(
        &self,
        topic: Topic,
        bytes: &[u8],
        start: usize,
        place: Place,
        latest: Millis,
    ) -> Option<(Quick, usize)> {
        if !self.unaliased[topic as usize] {
            return None;
        }
        let mut cursor = Cursor::new(bytes, start);
        let event = match topic {
            Topic::Transactions => {
                Quick::Transaction(fast::transaction(&self.rules, &mut cursor, place, latest)?)
            }
            Topic::Interactions => {
                let (record, name) = fast::interaction(&self.rules, &mut cursor, place, latest)?;
                Quick::Interaction(record, name)
            }
            Topic::Customers => {
                let (customer, profile) = fast::profile(&mut cursor, latest)?;
                Quick::Profile(customer, profile)
            }
            Topic::Rewards => Quick::Reward(fast::reward(&self.rules, &mut cursor, place, latest)?),
            Topic::Requests => return None,
        };
        let end = cursor.position();
        // What may concern folded events is looked at with its raw bytes at hand.
        (end - start <= self.rules.settings.max_record && !self.is_before_horizon(&event))
            .then_some((event, end))
    }

    #[inline(always)]
    fn is_before_horizon(&self, event: &Quick) -> bool {
        match event {
            Quick::Transaction(record) | Quick::Interaction(record, _) => {
                record.timestamp < self.horizon.events
            }
            Quick::Reward(record) => record.timestamp < self.horizon.rewards,
            Quick::Profile(..) => false,
        }
    }

    /// Whether it is a new event dated so long ago that those of then are folded.
    pub(super) fn is_past(&self, record: &Record) -> bool {
        matches!(record.kind(), Kind::Transaction | Kind::Interaction)
            && record.timestamp < self.horizon.events
    }

    /// Takes what the fast path made of a record.
    #[inline(always)]
    pub(super) fn take_quick(&self, event: Quick, bytes: &[u8], place: Place, out: &mut Parsed) {
        out.lines += 1;
        out.valid += 1;
        match event {
            Quick::Transaction(record) => {
                self.rules.note_names(&record, &mut out.unlisted);
                out.push_record(record, true);
            }
            Quick::Interaction(record, name) => {
                out.push_record(record, true);
                self.push_name(&record, &bytes[name], out);
            }
            Quick::Reward(record) => out.push_record(record, false),
            Quick::Profile(customer, profile) => {
                out.asides.push(Aside::Profile { customer, place, profile })
            }
        }
    }

    #[inline(always)]
    pub(super) fn push_name(&self, record: &Record, text: &[u8], out: &mut Parsed) {
        if !self.rules.settings.names {
            return;
        }
        let worker = (self.route)(record.customer) % self.peers as u64;
        let names = &mut out.names[worker as usize];
        names.text.extend_from_slice(text);
        names.keys.push((record.customer, record.id, names.text.len() as u32));
    }
}
