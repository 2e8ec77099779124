//! What is counted of an epoch: one table, from which follow the structure, its sum, and whatever
//! shows counts to people and programs.
//!
//! A number belongs here when it says what became of records. Whoever shows counts goes through
//! [`Count::ALL`] or matches on [`Count`] without a wildcard, so that none can be left out by
//! mistake.

use crate::customer::unmatched::Unmatched;
use crate::event::Millis;
use serde::{Deserialize, Serialize};

/// Makes [`Counts`] and [`Count`] from the table: the documentation of a row is also what people
/// are told of it. A row of `u64` only rises; one of `i64` is a change, and its sum over epochs is
/// what stands.
macro_rules! counts {
    ($($(#[doc = $help:literal])+ $count:ident = $field:ident: $kind:ident,)+) => {
        /// What was counted in an epoch; sums over epochs and workers are totals.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Counts {
            $($(#[doc = $help])+ #[serde(default)] pub $field: $kind,)+
            /// The earliest event time settled; `Millis::MAX` for none.
            pub first: Millis,
            /// The latest event time settled; `Millis::MIN` for none.
            pub last: Millis,
        }

        /// One of the numbers of [`Counts`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Count {
            $($(#[doc = $help])+ $count,)+
        }

        impl Count {
            /// Every count, in the order in which they are shown.
            pub const ALL: &[Count] = &[$(Count::$count,)+];

            /// Its name in files and tables.
            pub fn name(self) -> &'static str {
                match self {
                    $(Count::$count => stringify!($field),)+
                }
            }

            /// What it says, in a sentence.
            pub fn help(self) -> &'static str {
                match self {
                    $(Count::$count => concat!($($help),+).trim_start(),)+
                }
            }

            /// Whether it only rises; otherwise it says how many stand.
            pub fn only_rises(self) -> bool {
                match self {
                    $(Count::$count => $kind::MIN == 0,)+
                }
            }
        }

        impl Counts {
            /// One of the numbers.
            pub fn get(&self, count: Count) -> i64 {
                match count {
                    $(Count::$count => self.$field as i64,)+
                }
            }

            /// Adds another count.
            pub fn add(&mut self, other: &Counts) {
                $(self.$field += other.$field;)+
                self.first = self.first.min(other.first);
                self.last = self.last.max(other.last);
            }
        }
    };
}

counts! {
    /// Records that were read and valid.
    Records = records: u64,
    /// Purchases that are settled.
    Transactions = transactions: i64,
    /// Interactions that are settled.
    Interactions = interactions: i64,
    /// Delayed rewards that are settled.
    Rewards = rewards: i64,
    /// Delayed rewards that name an interaction which their customer does not have.
    NoInteraction = rewards_no_interaction: i64,
    /// Delayed rewards dated before their interaction.
    BeforeInteraction = rewards_before: i64,
    /// Delayed rewards dated at the end of their interaction's window or later.
    AfterWindow = rewards_after: i64,
    /// Records that repeated what was there.
    Duplicates = duplicates: u64,
    /// Records that replaced an earlier one of their id.
    Replaced = replaced: u64,
    /// Events taken back.
    Retracted = retracted: u64,
    /// Records and events dropped because their customer was erased.
    Erased = erased: u64,
    /// Erasures that could not be read: their customers are still there.
    UnreadErasures = unread_erasures: u64,
    /// Contributions of erased customers that stay in the models because their interactions had
    /// been folded.
    ErasedFolded = erased_folded: u64,
    /// Records rejected because they concern events older than is kept.
    PastHistory = past_history: u64,
    /// Events dated before the instant of a closed threshold.
    Late = late: u64,
    /// Interactions that have entered the model.
    Learned = learned: i64,
    /// Contexts or rewards that were corrected after they had entered the model.
    Corrected = corrected: u64,
    /// Interactions that wait for a threshold or a reward.
    Pending = pending: i64,
    /// Decisions made.
    Decisions = decisions: u64,
}

impl Count {
    /// Whether it counts profiles too, of which a compacted topic keeps the last one of each
    /// customer, or follows from them.
    pub fn follows_profiles(self) -> bool {
        use Count::*;
        match self {
            Records | Duplicates | Replaced | Corrected | Erased | UnreadErasures => true,
            Transactions | Interactions | Rewards | NoInteraction | BeforeInteraction
            | AfterWindow | Retracted | ErasedFolded | PastHistory | Late | Learned | Pending
            | Decisions => false,
        }
    }
}

impl Counts {
    /// No event seen.
    pub fn none() -> Self {
        Counts { first: Millis::MAX, last: Millis::MIN, ..Counts::default() }
    }

    /// A customer's unmatched rewards are other ones now.
    pub(super) fn unmatched_change(&mut self, was: &Unmatched, now: &Unmatched) {
        let change = |was: u32, now: u32| i64::from(now) - i64::from(was);
        self.rewards_no_interaction += change(was.no_interaction, now.no_interaction);
        self.rewards_before += change(was.before, now.before);
        self.rewards_after += change(was.after, now.after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_table_names_what_is_written() {
        let written = serde_json::to_value(Counts { late: 3, pending: -2, ..Counts::none() })
            .expect("plain values");
        let names: BTreeSet<&str> =
            written.as_object().expect("an object").keys().map(String::as_str).collect();
        let named: BTreeSet<&str> =
            Count::ALL.iter().map(|count| count.name()).chain(["first", "last"]).collect();
        assert_eq!(names, named);
        assert_eq!((written["late"].as_i64(), written["pending"].as_i64()), (Some(3), Some(-2)));
        for count in Count::ALL {
            assert!(
                count.help().ends_with('.') && !count.help().starts_with(' '),
                "{}",
                count.help()
            );
        }
    }

    #[test]
    fn sums_are_totals_and_ranges_join() {
        let mut sum = Counts { late: 3, pending: 5, first: 10, last: 20, ..Counts::none() };
        sum.add(&Counts { late: 4, pending: -2, first: 5, last: 12, ..Counts::none() });
        sum.add(&Counts::none());
        assert_eq!(
            (sum.get(Count::Late), sum.get(Count::Pending), sum.first, sum.last),
            (7, 3, 5, 20)
        );
        assert!(Count::Late.only_rises() && !Count::Pending.only_rises());
    }
}
