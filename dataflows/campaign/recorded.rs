//! Erasures that are on record: what becomes of one that no source has read.

use crate::event::{CustomerId, Kind, Millis, Record};

/// The record that an erasure on record comes to.
pub(super) fn erased(customer: CustomerId, until: Millis) -> Record {
    Record {
        customer,
        timestamp: until,
        origin: Record::origin(Kind::Erase, Default::default()),
        extra: ON_RECORD,
        ..Record::default()
    }
}

/// Whether a record is an erasure that no source has read.
pub(super) fn is_on_record(record: &Record) -> bool {
    record.kind() == Kind::Erase && record.extra == ON_RECORD
}

/// Told in `extra` of an erasure, where one that was read has 0.
const ON_RECORD: u64 = 1;
