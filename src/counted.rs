//! What was counted, in the one form that summaries, the status and people are told of it. All of it follows from the table of counts, so that nothing is
//! counted and shown nowhere.

use dataflows::campaign::output::{Count, Counts};
use serde::{Serialize, Serializer};

/// The totals of all counts, written by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The counts.
    pub counts: Counts,
    /// Records rejected.
    pub rejected: u64,
}

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counts = Count::ALL.iter().map(|count| (count.name(), self.counts.get(*count)));
        serializer.collect_map(counts.chain([("rejected", self.rejected as i64)]))
    }
}

impl Counted {
    /// A line for people: what is settled, of so many customers, and what became of the other records. What is most asked for is always in it, the rest
    /// where there was any.
    pub fn line(&self, customers: u64) -> String {
        let Counts { records, transactions, interactions, .. } = self.counts;
        let told = |count: Count| {
            let (words, always) = words(count)?;
            let number = self.counts.get(count);
            (always || number != 0).then(|| format!(", {number} {words}"))
        };
        let others: String = Count::ALL.iter().filter_map(|count| told(*count)).collect();
        format!(
            "{records} records: {transactions} purchases and {interactions} interactions of {customers} customers settled{others}, {} rejected",
            self.rejected
        )
    }
}

/// How the line calls a count, and whether it is told also where it is 0; `None` for those that the line begins with.
fn words(count: Count) -> Option<(&'static str, bool)> {
    match count {
        Count::Records | Count::Transactions | Count::Interactions => None,
        Count::Rewards => Some(("delayed rewards", false)),
        Count::Duplicates => Some(("duplicates", true)),
        Count::Replaced => Some(("replaced by a later record of their id", true)),
        Count::Retracted => Some(("retracted", false)),
        Count::Erased => Some(("dropped with their erased customer", false)),
        Count::ErasedFolded => Some(("contributions of erased customers left in the models", false)),
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
        let object = numbers.iter().map(|(count, number)| (count.name().to_string(), serde_json::Value::from(*number)));
        let range = [("first", i64::MAX), ("last", i64::MIN)].map(|(name, at)| (name.to_string(), serde_json::Value::from(at)));
        (serde_json::from_value(object.chain(range).collect()).expect("the names are those of the table"), numbers)
    }

    #[test]
    fn every_count_is_in_the_object_and_in_the_line() {
        let (counts, numbers) = all_different();
        let counted = Counted { counts, rejected: 7 };
        let (object, line) = (serde_json::to_value(counted).expect("plain values"), counted.line(9));
        for (count, number) in numbers {
            assert_eq!(object[count.name()], number, "{object}");
            assert!(line.split([' ', ',']).any(|word| word == number.to_string()), "{} in {line}", count.name());
        }
        assert_eq!(object["rejected"], 7);
    }

    #[test]
    fn the_line_tells_what_there_was() {
        let counts = Counts { records: 3, transactions: 1, replaced: 2, ..Counts::none() };
        let line =
            "3 records: 1 purchases and 0 interactions of 1 customers settled, 0 duplicates, 2 replaced by a later record of their id, 0 rejected";
        assert_eq!(Counted { counts, rejected: 0 }.line(1), line);
    }
}
