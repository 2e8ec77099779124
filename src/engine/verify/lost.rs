//! Records that the job has read and that compaction has since removed: how many, from which epoch
//! on, and whose they may have been.

use crate::kafka::compacted::TopicSet;
use crate::postgres::comparison::Doubt;
use crate::sink::gathered::Gathered;
use crate::source::{Positions, TopicNames};
use dataflows::event::CustomerId;
use dataflows::source::TopicId;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of them, epoch after epoch.
#[derive(Clone, Debug, Default)]
pub struct Lost {
    /// The topics that are compacted: another one that lacks records is not what it was.
    compacted: TopicSet,
    /// Whether they may be anybody's: there are records that were not read here, or could not be,
    /// so it is not known whose.
    anybody: bool,
    /// The first epoch that lacks some.
    from: Option<u64>,
    /// How many of each topic.
    records: BTreeMap<TopicId, u64>,
    /// Who has a newer record.
    customers: BTreeSet<CustomerId>,
}

/// Records that are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// How many, by the name of their topic at the broker.
    pub records: BTreeMap<String, u64>,
    /// The first epoch that has read some of them.
    pub from: u64,
}

impl Lost {
    /// None yet, of topics of which these are compacted; with `goes_on`, one of these has records
    /// behind those that are read.
    pub fn new(compacted: TopicSet, goes_on: bool) -> Self {
        Lost { compacted, anybody: goes_on, ..Lost::default() }
    }

    /// Takes in the next epoch: what came of it now, beside how many records it is recorded to have
    /// read, where that is known.
    pub fn take(&mut self, results: &dyn Gathered, recorded: Option<&Positions>) {
        let essentials = results.essentials();
        let found = |at: (TopicId, u32)| {
            essentials
                .closed
                .read
                .iter()
                .find(|(topic, partition, _)| (*topic, *partition) == at)
                .map_or(0, |read| read.2)
        };
        for &(topic, partition, read) in
            recorded.into_iter().flatten().filter(|(topic, ..)| self.compacted.contains(*topic))
        {
            let gone = read.saturating_sub(found((topic, partition)));
            if gone > 0 {
                *self.records.entry(topic).or_default() += gone;
                self.from.get_or_insert(essentials.epoch);
            }
        }
        if self.from.is_none() {
            return;
        }
        match results.profiled() {
            Some(customers) => self.customers.extend(customers),
            None => self.anybody = true,
        }
        self.customers.extend(results.erased().iter().map(|(customer, _)| *customer));
        // Whose a record is that cannot be read, nobody knows.
        self.anybody |=
            essentials.rejected.iter().any(|rejected| self.compacted.contains(rejected.topic));
    }

    /// Whether an epoch up to the last that was taken in lacks records.
    pub fn is_any(&self) -> bool {
        self.from.is_some()
    }

    /// What they are, by the names of the topics; `None`: there are none.
    pub fn removed(&self, names: &TopicNames) -> Option<Removed> {
        let records = self
            .records
            .iter()
            .map(|(topic, records)| (names[*topic].to_string(), *records))
            .collect();
        Some(Removed { records, from: self.from? })
    }

    /// What cannot be told without them.
    pub fn doubt(&self, names: &TopicNames) -> Option<Doubt> {
        let topics = self.records.keys().map(|topic| names[*topic].to_string()).collect();
        Some(Doubt {
            from: self.from?,
            customers: (!self.anybody).then(|| self.customers.clone()),
            topics,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::results::EpochResults;
    use crate::keyed::results::KeyedResults;
    use dataflows::arrivals::{Arrivals, ArrivalsOf};
    use dataflows::epoch::Closed;
    use dataflows::event::Topic;
    use dataflows::keyed::Keyed;

    fn epoch(epoch: u64, read: u64, profiled: &[CustomerId]) -> EpochResults {
        let closed = Closed {
            read: vec![(Topic::Customers.id(), 0, read), (Topic::Transactions.id(), 0, read)],
            ..Closed::default()
        };
        EpochResults { closed, profiled: profiled.to_vec(), ..EpochResults::new(epoch) }
    }

    #[test]
    fn records_are_gone_where_fewer_are_found_in_a_compacted_topic() {
        let names = TopicNames::own(Topic::ids());
        let recorded = vec![(Topic::Customers.id(), 0, 5), (Topic::Transactions.id(), 0, 9)];
        let mut lost = Lost::new([Topic::Customers.id()].into_iter().collect(), false);
        lost.take(&epoch(1, 5, &[1]), Some(&recorded));
        lost.take(&epoch(2, 3, &[2]), None);
        assert!(!lost.is_any() && lost.doubt(&names).is_none() && lost.removed(&names).is_none());
        lost.take(&epoch(3, 3, &[3]), Some(&recorded));
        lost.take(&epoch(4, 5, &[4]), Some(&recorded));
        assert_eq!(
            lost.removed(&names),
            Some(Removed { records: BTreeMap::from([("customers".to_string(), 2)]), from: 3 })
        );
        let doubt = Doubt {
            from: 3,
            customers: Some(BTreeSet::from([3, 4])),
            topics: vec!["customers".to_string()],
        };
        assert_eq!(lost.doubt(&names), Some(doubt.clone()));
        let goes_on = Lost { anybody: true, ..lost };
        assert_eq!(goes_on.doubt(&names), Some(Doubt { customers: None, ..doubt }));
    }

    #[test]
    fn records_of_whom_no_epoch_tells_may_be_anybodys() {
        let topic = Arrivals::topics()[0];
        let mut lost = Lost::new([topic].into_iter().collect(), false);
        lost.take(&KeyedResults::<ArrivalsOf>::new(1), Some(&vec![(topic, 0, 2)]));
        let doubt = lost.doubt(&TopicNames::own(Arrivals::topics())).expect("records are gone");
        assert_eq!((doubt.from, doubt.customers), (1, None));
    }
}
