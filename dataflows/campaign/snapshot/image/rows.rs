//! The rows of an image: one kind for each block.

use crate::codec::Row;
use crate::customer::folded::Folded;
use crate::customer::history::{Decided, Interaction, Reward};
use crate::customer::unmatched::Unmatched;
use crate::customer::{Summary, Transaction};
use crate::event::{CustomerId, Millis, Profile};
use bytemuck::{Pod, Zeroable};

/// A customer, and how many of the rows in the other blocks are theirs.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(in crate::campaign) struct CustomerRow {
    pub(in crate::campaign) customer: CustomerId,
    pub(super) transactions: u32,
    pub(super) interactions: u32,
    pub(super) profiles: u32,
    pub(super) rewards: u32,
    pub(super) decisions: u32,
    pub(super) attachments: u32,
    /// 1 where events have been folded, else 0.
    pub(super) folded: u32,
    /// How many counts their purchases have.
    pub(super) counts: u32,
    /// Everything dated up to then is erased; `Millis::MIN` where nothing is.
    pub(super) erased: Millis,
    pub(in crate::campaign) kept: Bookkeeping,
}

/// What is kept of a customer beside the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(in crate::campaign) struct Bookkeeping {
    /// The segment that the customer was last shown in, or [`Bookkeeping::NOT_SHOWN`].
    pub(in crate::campaign) shown: i32,
    /// Purchases that count in the totals only from `late_day` on, because their own day had been
    /// applied before they came (fewer than none where some were taken back).
    pub(in crate::campaign) late_purchases: i32,
    /// Their amounts.
    pub(in crate::campaign) late_amount: i64,
    /// The day from which on they count.
    pub(in crate::campaign) late_day: i64,
    /// Up to when events were folded; `Millis::MIN` where they never were.
    pub(in crate::campaign) folded_to: Millis,
}

impl Bookkeeping {
    /// The views do not have the customer.
    pub(in crate::campaign) const NOT_SHOWN: i32 = -1;
}

/// A profile version.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct ProfileRow {
    from: Millis,
    signup: Millis,
    email_open_rate: f64,
    complaint_count: f64,
    avg_discount: f64,
    premium: u64,
}

/// What an interaction carried; its features and template are in the block of words, each padded to
/// whole words.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct AttachmentRow {
    pub(super) interaction: u64,
    pub(super) decision: u64,
    /// Number of features, or [`AttachmentRow::NONE`].
    pub(super) features: u32,
    /// Bytes of the template's id, or [`AttachmentRow::NONE`].
    pub(super) template: u32,
    pub(super) decided: u64,
}

impl AttachmentRow {
    pub(super) const NONE: u32 = u32::MAX;
}

/// What is folded, but for the counts of purchases, which are in a block of their own.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct FoldedRow {
    purchases: u64,
    first: Millis,
    last: Millis,
    amount: u64,
    /// The lower and the upper half of the sum of squares.
    squares: [u64; 2],
    least: u64,
    greatest: u64,
    contributions: u64,
    rewards: u64,
    first_contact: Millis,
    last_contact: Millis,
    first_reward: Millis,
    profiled: Millis,
    /// Rewards that had joined nothing: for want of an interaction, before it, after its window.
    unmatched: [u64; 3],
}

/// A purchase of which nothing is known of names that are not listed: it lies as one of which it
/// is, and has no upper parts.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(transparent)]
pub(super) struct Nameless(pub(super) Transaction);

/// One count of a customer's folded purchases.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(transparent)]
pub(super) struct FoldedCount(pub(super) u64);

/// Eight bytes of something.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(transparent)]
pub(super) struct Word(pub(super) u64);

impl Row for CustomerRow {
    const NAME: &'static str = "snapshot::CustomerRow 2";
}
impl Row for Transaction {
    const NAME: &'static str = "customer::Transaction 2";
}
impl Row for Nameless {
    const NAME: &'static str = "customer::Transaction 1";
}
impl Row for Interaction {
    const NAME: &'static str = "history::Interaction 1";
}
impl Row for ProfileRow {
    const NAME: &'static str = "snapshot::ProfileRow 1";
}
impl Row for Reward {
    const NAME: &'static str = "history::Reward 1";
}
impl Row for Decided {
    const NAME: &'static str = "history::Decided 1";
}
impl Row for AttachmentRow {
    const NAME: &'static str = "snapshot::AttachmentRow 1";
}
impl Row for FoldedRow {
    const NAME: &'static str = "snapshot::FoldedRow 2";
}
impl Row for FoldedCount {
    const NAME: &'static str = "snapshot::Count 1";
}
impl Row for Word {
    const NAME: &'static str = "snapshot::Word 1";
}

impl Nameless {
    /// The purchases, where they lie.
    pub(super) fn named(nameless: &[Nameless]) -> &[Transaction] {
        bytemuck::cast_slice(nameless)
    }
}

impl ProfileRow {
    pub(super) fn of(profile: &Profile) -> Self {
        let Profile { from, signup, email_open_rate, complaint_count, avg_discount, premium } =
            *profile;
        ProfileRow {
            from,
            signup,
            email_open_rate,
            complaint_count,
            avg_discount,
            premium: u64::from(premium),
        }
    }

    pub(super) fn profile(&self) -> Profile {
        let ProfileRow { from, signup, email_open_rate, complaint_count, avg_discount, premium } =
            *self;
        Profile {
            from,
            signup,
            email_open_rate,
            complaint_count,
            avg_discount,
            premium: premium != 0,
        }
    }
}

impl FoldedRow {
    pub(super) fn of(folded: &Folded) -> Self {
        let Folded {
            summary,
            counts: _,
            contributions,
            rewards,
            unmatched,
            first_contact,
            last_contact,
            first_reward,
            profiled,
        } = *folded;
        let Unmatched { no_interaction, before, after } = unmatched;
        let Summary { purchases, first, last, amount, squares, least, greatest } = summary;
        let squares = [squares as u64, (squares >> 64) as u64];
        let purchases = u64::from(purchases);
        FoldedRow {
            purchases,
            first,
            last,
            amount,
            squares,
            least,
            greatest,
            contributions,
            rewards,
            first_contact,
            last_contact,
            first_reward,
            profiled,
            unmatched: [no_interaction, before, after].map(u64::from),
        }
    }

    pub(super) fn unpack(&self, counts: &[FoldedCount]) -> Folded {
        let FoldedRow {
            first,
            last,
            amount,
            least,
            greatest,
            contributions,
            rewards,
            first_contact,
            last_contact,
            first_reward,
            profiled,
            ..
        } = *self;
        let [no_interaction, before, after] = self.unmatched.map(|number| number as u32);
        let unmatched = Unmatched { no_interaction, before, after };
        let squares = u128::from(self.squares[0]) | u128::from(self.squares[1]) << 64;
        let summary = Summary {
            purchases: self.purchases as u32,
            first,
            last,
            amount,
            squares,
            least,
            greatest,
        };
        let counts = counts.iter().map(|count| count.0 as u32).collect();
        Folded {
            summary,
            counts,
            contributions,
            rewards,
            unmatched,
            first_contact,
            last_contact,
            first_reward,
            profiled,
        }
    }
}
