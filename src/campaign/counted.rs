//! What was counted, in the one form that summaries, the status and people are told of it. All of
//! it follows from the table of counts, so that nothing is counted and shown nowhere.

use crate::hosting::replaying::NamedFigures;
use crate::sink::gathered::{EpochCounts, by_names};
use dataflows::campaign::output::{Count, Counts};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The totals of all counts, written by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The counts.
    pub counts: Counts,
    /// Of the rewards without an interaction, those that name one of another customer, as far as
    /// that was looked for.
    pub of_other_customers: u64,
    /// Records rejected.
    pub rejected: u64,
}

/// A number of rewards that join nothing, with the word for why.
pub type UnmatchedReason = (&'static str, i64);

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.figures().serialize(serializer)
    }
}

impl EpochCounts for Counts {
    fn json(&self) -> Value {
        by_names(self)
    }

    fn untold(&self) -> Vec<&'static str> {
        let untold = Count::ALL.iter().filter(|count| count.follows_profiles());
        untold.map(|count| count.name()).collect()
    }
}

/// How many rewards join nothing.
pub fn unmatched(counts: &Counts) -> i64 {
    counts.rewards_no_interaction + counts.rewards_before + counts.rewards_after
}

impl Counted {
    /// All of it by its names.
    pub fn figures(&self) -> NamedFigures {
        let counts = Count::ALL.iter();
        let mut figures: Vec<_> =
            counts.map(|count| (count.name(), json!(self.counts.get(*count)))).collect();
        figures.extend([
            ("rewards_unmatched", json!(unmatched(&self.counts))),
            ("rewards_unmatched_by", json!(BTreeMap::from(self.unmatched_by()))),
            ("rejected", json!(self.rejected)),
        ]);
        NamedFigures(figures)
    }

    /// Why rewards join nothing: each reason with their number.
    pub fn unmatched_by(&self) -> [UnmatchedReason; 4] {
        let Counts { rewards_no_interaction, rewards_before, rewards_after, .. } = self.counts;
        // In a stream they were counted somewhat earlier.
        let of_others = (self.of_other_customers as i64).min(rewards_no_interaction);
        let unknown = rewards_no_interaction - of_others;
        [
            ("unknown_id", unknown),
            ("other_customer", of_others),
            ("before", rewards_before),
            ("after", rewards_after),
        ]
    }

    /// A line for people: what is settled, of so many customers, and what became of the other
    /// records. What is most asked for is always in it, the rest where there was any.
    pub fn line(&self, customers: u64) -> String {
        let Counts { records, transactions, interactions, .. } = self.counts;
        let told = |count: Count| {
            let (words, always) = words(count)?;
            let number = self.counts.get(count);
            (always || number != 0).then(|| format!(", {number} {words}"))
        };
        let others: String = Count::ALL.iter().filter_map(|count| told(*count)).collect();
        format!(
            "{records} records: {transactions} purchases and {interactions} interactions of \
             {customers} customers settled{others}, {} rejected{}",
            self.rejected,
            self.unmatched_line()
        )
    }

    /// A line on rewards that join nothing, where there are any.
    fn unmatched_line(&self) -> String {
        if unmatched(&self.counts) == 0 {
            return String::new();
        }
        let [(_, unknown), (_, of_others), (_, before), (_, after)] = self.unmatched_by();
        format!(
            "\n{} of {} delayed rewards are unmatched and count nowhere: {unknown} of an unknown \
             interaction, {of_others} of one of another customer, \
             {before} from before it, {after} from after its window",
            unmatched(&self.counts),
            self.counts.rewards
        )
    }
}

/// How the line calls a count, and whether it is told also where it is 0; `None` for those that are
/// told elsewhere: at its beginning, or with the reasons why rewards join nothing.
fn words(count: Count) -> Option<(&'static str, bool)> {
    match count {
        Count::Records | Count::Transactions | Count::Interactions => None,
        Count::NoInteraction | Count::BeforeInteraction | Count::AfterWindow => None,
        Count::Rewards => Some(("delayed rewards", false)),
        Count::Duplicates => Some(("duplicates", true)),
        Count::Replaced => Some(("replaced by a later record of their id", true)),
        Count::Retracted => Some(("retracted", false)),
        Count::Erased => Some(("dropped with their erased customer", false)),
        Count::UnreadErasures => Some(("erasures that could not be read and are not done", false)),
        Count::ErasedFolded => {
            Some(("contributions of erased customers left in the models", false))
        }
        Count::PastHistory => Some(("about events older than is kept", false)),
        Count::Late => Some(("late", false)),
        Count::Learned => Some(("learned", false)),
        Count::Corrected => Some(("corrected", false)),
        Count::Pending => Some(("waiting", false)),
        Count::Decisions => Some(("decisions", false)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Counts in which every number is another one, and what each is.
    pub(crate) fn all_different() -> (Counts, Vec<(Count, i64)>) {
        let numbers: Vec<(Count, i64)> = Count::ALL.iter().copied().zip(1_001..).collect();
        let object = numbers
            .iter()
            .map(|(count, number)| (count.name().to_string(), serde_json::Value::from(*number)));
        let range = [("first", i64::MAX), ("last", i64::MIN)]
            .map(|(name, at)| (name.to_string(), serde_json::Value::from(at)));
        (
            serde_json::from_value(object.chain(range).collect())
                .expect("the names are those of the table"),
            numbers,
        )
    }

    #[test]
    fn every_count_is_in_the_object_and_in_the_line() {
        let (counts, numbers) = all_different();
        let counted = Counted { counts, of_other_customers: 0, rejected: 7 };
        let (object, line) =
            (serde_json::to_value(counted).expect("plain values"), counted.line(9));
        for (count, number) in numbers {
            assert_eq!(object[count.name()], number, "{object}");
            assert!(
                line.split([' ', ',']).any(|word| word == number.to_string()),
                "{} in {line}",
                count.name()
            );
        }
        assert_eq!(object["rejected"], 7);
    }

    #[test]
    fn the_line_tells_what_there_was() {
        let counts = Counts { records: 3, transactions: 1, replaced: 2, ..Counts::none() };
        let line = "3 records: 1 purchases and 0 interactions of 1 customers settled, 0 \
            duplicates, 2 replaced by a later record of their id, 0 rejected";
        assert_eq!(Counted { counts, of_other_customers: 0, rejected: 0 }.line(1), line);
    }

    #[test]
    fn rewards_that_join_nothing_are_told_by_reason() {
        let counts = Counts {
            rewards: 9,
            rewards_no_interaction: 4,
            rewards_before: 2,
            rewards_after: 1,
            ..Counts::none()
        };
        let counted = Counted { counts, of_other_customers: 3, rejected: 0 };
        assert!(counted.line(0).ends_with(
            "\n7 of 9 delayed rewards are unmatched and count nowhere: 1 of an unknown \
             interaction, 3 of one of another customer, 2 from before it, 1 \
             from after its window"
        ));
        let object = serde_json::to_value(counted).expect("plain values");
        assert_eq!(object["rewards_unmatched"], 7);
        assert_eq!(
            object["rewards_unmatched_by"],
            serde_json::json!({"unknown_id": 1, "other_customer": 3, "before": 2, "after": 1})
        );
        let earlier = Counted { of_other_customers: 9, ..counted };
        assert_eq!(
            earlier.unmatched_by(),
            [("unknown_id", 0), ("other_customer", 4), ("before", 2), ("after", 1)]
        );
    }
}
