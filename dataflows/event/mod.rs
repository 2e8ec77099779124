//! What flows in: raw blocks from a source, the records parsed from them, and what was rejected.
//!
//! A source (file or Kafka) hands over [`Block`]s of raw bytes. [`parse`] turns each into
//! fixed-size [`Record`]s (the hot path: purchases, interactions, rewards, retractions, erasures),
//! [`Aside`]s (what is rare or has no fixed size), [`Names`] (ids as text, for the sinks) and
//! [`Rejected`] records. Nothing from outside is an `Err`: bad input is data.

use crate::source::TopicId;
use serde::{Deserialize, Serialize};
use unlisted::Code;

mod answer;
mod composed;
mod contact;
mod csv;
mod cursor;
mod decimal;
mod fast;
mod fields;
pub mod input;
pub mod instant;
mod json;
mod key;
mod listed;
pub mod parse;
pub mod quotes;
mod rules;
pub mod text;
mod topic;
pub mod unlisted;
mod whose;

pub use crate::source::CustomerId;
pub use crate::time::{DAY, Millis};
pub use contact::Contact;
pub use fields::{IGNORABLE, alias_fault, cell_text, field_names, source_names};
pub use topic::Topic;
pub use whose::named_in;

/// Where a record stands in its topic: its partition and its position in it, in one comparable
/// word. Records of different topics may stand at the same place.
///
/// Of two records of one id the one with the greater place is the later one. A partition is a Kafka
/// partition, or the number of a reader's share of a file; a position is a Kafka offset or a byte
/// offset.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[repr(transparent)]
pub struct Place(pub u64);

impl Place {
    /// Partitions of one topic.
    pub const PARTITIONS: u32 = 1 << 12;
    /// Positions in one partition.
    pub const POSITIONS: u64 = 1 << 48;

    /// A place from its parts; both must be within [`Self::PARTITIONS`] and [`Self::POSITIONS`].
    pub fn new(partition: u32, position: u64) -> Self {
        debug_assert!(partition < Self::PARTITIONS && position < Self::POSITIONS);
        Place((u64::from(partition) << 48) | position)
    }

    /// The partition.
    pub fn partition(self) -> u32 {
        (self.0 >> 48) as u32
    }

    /// The offset within the partition.
    pub fn position(self) -> u64 {
        self.0 & (Self::POSITIONS - 1)
    }
}

/// What a [`Record`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A purchase: `id`, `timestamp`, `value` = [`Purchase`], `extra` = the [upper
    /// parts](Purchase::coded) of its codes.
    Transaction = 0,
    /// A contact: `id`, `timestamp`, `value` = [`Contact`], `extra` = bits of the propensity (f64;
    /// 1.0 where absent).
    Interaction = 1,
    /// A delayed reward: `id` = reward id, `extra` = interaction id, `value` = reward in Q16 (i64).
    Reward = 2,
    /// Takes back the purchase `id`.
    RetractTransaction = 3,
    /// Takes back the interaction `id`.
    RetractInteraction = 4,
    /// Takes back the reward `id`.
    RetractReward = 5,
    /// Erases the customer: everything dated up to `timestamp` (`Millis::MAX`: for ever).
    Erase = 6,
}

impl Kind {
    /// The kind of this number.
    pub fn from_number(number: u8) -> Option<Kind> {
        use Kind::*;
        [
            Transaction,
            Interaction,
            Reward,
            RetractTransaction,
            RetractInteraction,
            RetractReward,
            Erase,
        ]
        .into_iter()
        .find(|k| *k as u8 == number)
    }
}

/// One event of a customer, as plain old data: what crosses from the parser to the customer's
/// worker.
///
/// An id is the frozen 64-bit hash of the id's text ([`id_hash`](text::id_hash)).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    bytemuck::Pod,
    bytemuck::Zeroable,
    Serialize,
    Deserialize,
)]
#[repr(C)]
pub struct Record {
    /// Whose event.
    pub customer: CustomerId,
    /// Frozen hash of its id within (topic, customer).
    pub id: u64,
    /// Event time; 0 for retractions.
    pub timestamp: Millis,
    /// [`Kind`] and [`Place`] in one word: see [`Record::origin`].
    pub origin: u64,
    /// By kind.
    pub value: u64,
    /// By kind.
    pub extra: u64,
}

impl Record {
    /// Kind and place in one word: a place leaves the top four bits free.
    #[inline]
    pub fn origin(kind: Kind, place: Place) -> u64 {
        ((kind as u64) << Self::KIND_SHIFT) | place.0
    }

    /// What it says.
    #[inline]
    pub fn kind(&self) -> Kind {
        Kind::from_number((self.origin >> Self::KIND_SHIFT) as u8).unwrap_or(Kind::Erase)
    }

    /// Where it stands.
    #[inline]
    pub fn place(&self) -> Place {
        Place(self.origin & ((1 << Self::KIND_SHIFT) - 1))
    }

    /// Bits of a place: partition and position.
    const KIND_SHIFT: u32 = (Place::PARTITIONS as u64 * Place::POSITIONS).trailing_zeros();
}

/// The facts of a purchase beside its id and time, packed into one word so that two purchases are
/// equal exactly when their words are.
///
/// amount (minor units) in the top 40 bits, then payment method (7 bits), device (7), category (7),
/// discount (1), from bit 2 up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Purchase(pub u64);

impl Purchase {
    /// The greatest amount, in minor units.
    pub const MAX_AMOUNT: u64 = 1_000_000_000_000;
    /// How many values a configured list may have (one more code stands for `other`).
    pub const MAX_LISTED: usize = 127;

    /// Packs a purchase with these codes: the lower parts, and beside it the upper ones in the bits
    /// from [`Purchase::UPPER_SHIFT`] on, which an instant leaves free.
    #[inline(always)]
    pub fn coded(amount: u64, codes: [Code; 3], discount: bool) -> (Self, u64) {
        let [category, device, payment] = codes;
        let upper = payment.upper() << 14 | device.upper() << 7 | category.upper();
        (
            Self::new(amount, category.index(), device.index(), payment.index(), discount),
            upper << Self::UPPER_SHIFT,
        )
    }

    /// The codes of category, device and payment method, with their upper parts.
    #[inline]
    pub fn codes(self, upper: u64) -> [Code; 3] {
        [(3, 0), (10, 7), (17, 14)]
            .map(|(lower, at)| Code::of_parts(self.0 >> lower, upper >> Self::UPPER_SHIFT >> at))
    }

    /// Bits of an instant from 1970 to 2100.
    pub const UPPER_SHIFT: u32 = 42;

    /// Packs a purchase. A code is the index in the configured list, or beyond its end for `other`.
    #[inline]
    pub fn new(
        amount: u64,
        category: usize,
        device: usize,
        payment: usize,
        discount: bool,
    ) -> Self {
        debug_assert!(
            amount <= Self::MAX_AMOUNT
                && category <= Self::MAX_LISTED
                && device <= Self::MAX_LISTED
                && payment <= Self::MAX_LISTED
        );
        Purchase(
            (amount << 24)
                | ((payment as u64) << 17)
                | ((device as u64) << 10)
                | ((category as u64) << 3)
                | (u64::from(discount) << 2),
        )
    }

    /// Minor units of the currency.
    #[inline]
    pub fn amount(self) -> u64 {
        self.0 >> 24
    }

    /// Code of the category.
    #[inline]
    pub fn category(self) -> usize {
        (self.0 >> 3 & 127) as usize
    }

    /// Code of the device.
    #[inline]
    pub fn device(self) -> usize {
        (self.0 >> 10 & 127) as usize
    }

    /// Code of the payment method.
    #[inline]
    pub fn payment(self) -> usize {
        (self.0 >> 17 & 127) as usize
    }

    /// Whether a discount was used.
    #[inline]
    pub fn discount(self) -> bool {
        self.0 & 4 != 0
    }
}

/// One version of a customer's profile.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Valid from then on; `Millis::MIN`: since ever.
    pub from: Millis,
    /// Midnight of the signup date; `Millis::MIN`: unknown.
    pub signup: Millis,
    /// Share of mails opened, 0 to 1.
    pub email_open_rate: f64,
    /// Complaints so far.
    pub complaint_count: f64,
    /// Share of purchases with a discount, as the profile has it, 0 to 1.
    pub avg_discount: f64,
    /// Premium membership.
    pub premium: bool,
}

/// What is rare or has no fixed size, on its way to the customer's worker. Profiles may be as many
/// as customers, so nothing else makes it larger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Aside {
    /// A profile version.
    Profile {
        /// Whose.
        customer: CustomerId,
        /// Of two with the same `from` the later place holds.
        place: Place,
        /// The version.
        profile: Profile,
    },
    /// What a record looked like that may have to be rejected once it meets its customer: a
    /// retraction, whose id may be unknown, or a reward dated before the [`Horizon`] for rewards,
    /// whose interaction may have been folded.
    Doubtful {
        /// Whose.
        customer: CustomerId,
        /// The raw record, as it would be rejected.
        rejected: Box<Rejected>,
    },
    /// A new event or request dated before the [`Horizon`]: it is rejected, unless its customer was
    /// erased.
    Past {
        /// Whose.
        customer: CustomerId,
        /// When it happened.
        timestamp: Millis,
        /// The raw record, as it is rejected.
        rejected: Box<Rejected>,
    },
    /// A rejected record that names its customer: it is blanked if that one was erased.
    Rejected {
        /// Whose.
        customer: CustomerId,
        /// The record.
        rejected: Box<Rejected>,
    },
    /// What goes with an interaction beside its fixed part.
    Attachment {
        /// Whose.
        customer: CustomerId,
        /// The interaction's id.
        id: u64,
        /// The interaction's place.
        place: Place,
        /// What it carries.
        attachment: Box<Attachment>,
    },
    /// A request for a decision.
    Request {
        /// Whose.
        customer: CustomerId,
        /// Where it stands.
        place: Place,
        /// What is asked.
        request: Box<Request>,
    },
}

impl Aside {
    /// Whose it is.
    pub fn customer(&self) -> CustomerId {
        match self {
            Aside::Profile { customer, .. }
            | Aside::Doubtful { customer, .. }
            | Aside::Past { customer, .. }
            | Aside::Rejected { customer, .. }
            | Aside::Attachment { customer, .. }
            | Aside::Request { customer, .. } => *customer,
        }
    }

    /// Where the record stands that it comes of.
    pub fn place(&self) -> Place {
        match self {
            Aside::Profile { place, .. }
            | Aside::Attachment { place, .. }
            | Aside::Request { place, .. } => *place,
            Aside::Doubtful { rejected, .. }
            | Aside::Past { rejected, .. }
            | Aside::Rejected { rejected, .. } => rejected.place,
        }
    }
}

/// What an interaction carried beside its fixed part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Attachment {
    /// A context of its own in Q12, used instead of the join where so configured.
    pub features: Option<Vec<i16>>,
    /// The template that was sent.
    pub template: Option<String>,
    /// The decision that it carried out; propensity and policy are then that decision's.
    pub decision: Option<u64>,
}

/// A request for a decision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Its id as text.
    pub decision: String,
    /// Its instant.
    pub timestamp: Millis,
    /// Arms that must not be chosen, in ascending order.
    pub exclude: Vec<u16>,
    /// A context of its own in Q12, used instead of the join where so configured.
    pub features: Option<Vec<i16>>,
    /// The decision, where it was made when it was asked for: it is taken as made.
    pub decided: Option<Answer>,
}

/// A decision that was made when it was asked for, by the model and the context of that moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The arm.
    pub arm: u16,
    /// Probability with which it was chosen, in (0, 1].
    pub propensity: f64,
    /// theta'x of the arm.
    pub expected_reward: f64,
    /// sqrt(x' A^-1 x) of the arm.
    pub uncertainty: f64,
    /// Score of every arm that there was, in their order.
    pub scores: Vec<f64>,
    /// Width of the confidence term that the policy was told.
    pub alpha: f64,
    /// The model that decided: the epoch that it was learned in; 0 before there was one.
    pub model_version: u64,
    /// Name of the policy.
    pub policy: String,
    /// The context in Q12.
    pub context: Vec<i16>,
}

/// Ids as text, for the sinks that show them: a batch for one worker.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Names {
    /// The worker that owns these customers.
    pub worker: u64,
    /// Customer, id hash and end of its text in `text` (the start is the end of the one before).
    pub keys: Vec<(CustomerId, u64, u32)>,
    /// All texts in a row.
    pub text: Vec<u8>,
}

/// Up to when events are folded into sums in an epoch, and no longer kept one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// What is dated before this instant is folded.
    pub events: Millis,
    /// A reward dated before this instant may belong to an interaction that is folded.
    pub rewards: Millis,
}

impl Horizon {
    /// Nothing is folded.
    pub const NONE: Horizon = Horizon { events: Millis::MIN, rewards: Millis::MIN };

    /// Whether anything is folded at all.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.events > Millis::MIN
    }
}

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
