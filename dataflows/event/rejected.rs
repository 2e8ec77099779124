//! What is refused: the record as it came, why, and whose it may be.

use super::record::Place;
use super::{CustomerId, Millis};
use crate::source::TopicId;
use serde::{Deserialize, Serialize};

/// Whose a record is that could not be taken, and of when: by that it is told whether it goes with
/// its customer when that one is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whose {
    /// The customer that it names.
    pub customer: CustomerId,
    /// Its own instant where it has a valid one, else when it was sent; `Millis::MIN`: nobody
    /// knows, so that it goes with every erasure.
    pub dated: Millis,
}

impl Whose {
    /// Whether it goes with one of these customers, each erased up to an instant.
    pub fn is_erased(&self, erased: &[(CustomerId, Millis)]) -> bool {
        erased.iter().any(|(customer, until)| *customer == self.customer && self.dated <= *until)
    }
}

/// A record that could not be taken, with everything needed to find and mend it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rejected {
    /// Which topic.
    pub topic: TopicId,
    /// Where in it.
    pub place: Place,
    /// Why: a stable word for counting.
    pub reason: Reason,
    /// Why, for a person.
    pub detail: String,
    /// The bytes, at most [`Rejected::MAX_RAW`].
    pub raw: Vec<u8>,
    /// Whose it is, where that can be told.
    pub whose: Option<Whose>,
}

impl Rejected {
    /// Raw bytes that are kept.
    pub const MAX_RAW: usize = 64 * 1024;
    /// What `detail` begins with where somebody was to be erased and is not.
    pub const ERASURE_NOT_DONE: &str = "this erasure is not done: ";

    /// What `detail` says where the record was blanked.
    pub const BLANKED: &str = "its customer was erased";

    /// Takes out what it says, and whose it is, because that customer was erased.
    pub fn blank(&mut self) {
        (self.detail, self.raw, self.whose) = (Self::BLANKED.to_string(), Vec::new(), None);
    }

    /// Whether that was done.
    pub fn is_blanked(&self) -> bool {
        self.detail == Self::BLANKED
    }

    /// Whether somebody was to be erased by this record and is not.
    pub fn is_erasure(&self) -> bool {
        self.detail.starts_with(Self::ERASURE_NOT_DONE)
    }
}

/// Why a record was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reason {
    /// Not JSON, or not an object; a CSV row with another number of columns.
    Malformed,
    /// Longer than the limit.
    TooLong,
    /// A required field is absent.
    MissingField,
    /// A field is of the wrong type or cannot be read.
    BadField,
    /// The timestamp is before 1970, from 2100 on, or too far in the future.
    BadTimestamp,
    /// The amount is negative, not a number, or too great.
    BadAmount,
    /// The reward is not a number or too great.
    BadReward,
    /// The propensity is outside (0, 1].
    BadPropensity,
    /// The arm is not configured.
    UnknownArm,
    /// `op` is none of those known.
    BadOp,
    /// A retraction of an id that is not known.
    UnknownId,
    /// It concerns events that are older than is kept one by one.
    PastHistory,
    /// The timestamp is a number that would lie in January 1970 if it were one of milliseconds.
    NotMilliseconds,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 13] = [
        Reason::Malformed,
        Reason::TooLong,
        Reason::MissingField,
        Reason::BadField,
        Reason::BadTimestamp,
        Reason::BadAmount,
        Reason::BadReward,
        Reason::BadPropensity,
        Reason::UnknownArm,
        Reason::BadOp,
        Reason::UnknownId,
        Reason::PastHistory,
        Reason::NotMilliseconds,
    ];

    /// The word for it in files, tables and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Reason::Malformed => "malformed",
            Reason::TooLong => "too_long",
            Reason::MissingField => "missing_field",
            Reason::BadField => "bad_field",
            Reason::BadTimestamp => "bad_timestamp",
            Reason::BadAmount => "bad_amount",
            Reason::BadReward => "bad_reward",
            Reason::BadPropensity => "bad_propensity",
            Reason::UnknownArm => "unknown_arm",
            Reason::BadOp => "bad_op",
            Reason::UnknownId => "unknown_id",
            Reason::PastHistory => "past_history",
            Reason::NotMilliseconds => "not_milliseconds",
        }
    }
}
