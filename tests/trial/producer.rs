//! Sends a trial's records, plainly and in transactions, and knows which of them can be read.

use super::population::Record;
use crate::services::Stage;
use crate::services::client::{self, Place};
use crate::services::topics::PARTITIONS;
use std::collections::BTreeMap;

/// A client that is told which record it is that lies somewhere.
type Client = client::Client<Record>;

/// Where a record lies.
type Landed = client::Landed<Record>;

/// A transaction that has begun.
struct Open {
    /// How it will end.
    commits: bool,
    landed: Vec<Landed>,
}

/// Sends records and counts them.
pub(crate) struct Producer {
    /// Topics that are written to, by the names of their files.
    files: &'static [&'static str],
    plain: Client,
    /// Of transactions that end at once, and of those that stay open; made when first needed.
    transactional: [Option<Client>; 2],
    open: Option<Open>,
    /// The records that were sent plainly or are committed, where they lie.
    readable: BTreeMap<Place, BTreeMap<i64, Record>>,
    sent: i64,
    /// From where on partitions of a compacted topic may lack records.
    forgetful: Option<BTreeMap<Place, i64>>,
}

impl Producer {
    /// Into a stage's topics of these names, which must be there and empty.
    pub(crate) fn new(stage: &Stage, files: &'static [&'static str]) -> Producer {
        Producer {
            files,
            plain: Client::new(&stage.brokers, None),
            transactional: [None, None],
            open: None,
            readable: BTreeMap::new(),
            sent: 0,
            forgetful: None,
        }
    }

    /// Hands records over; the broker may be away.
    pub(crate) fn send(&mut self, stage: &Stage, records: &[Record]) {
        hand_over(&self.plain, stage, records);
        self.sent += records.len() as i64;
    }

    /// Sends records in a transaction that is committed.
    pub(crate) fn commit(&mut self, stage: &Stage, records: &[Record]) {
        let landed = self.transact(stage, records, true);
        self.take(landed);
    }

    /// Sends records in a transaction that is aborted: nobody may ever see them.
    pub(crate) fn abort(&mut self, stage: &Stage, records: &[Record]) {
        self.transact(stage, records, false);
    }

    fn transact(&mut self, stage: &Stage, records: &[Record], commits: bool) -> Vec<Landed> {
        // What was sent before comes before.
        self.flush();
        let client = self.transactional[0]
            .get_or_insert_with(|| Client::new(&stage.brokers, Some(&stage.topic("brief"))));
        client.begin();
        hand_over(client, stage, records);
        client.end(commits);
        client.landed()
    }

    /// Sends records in a transaction that stays open until [`end_open`](Producer::end_open): until
    /// then nobody sees them, nor what lies behind them.
    ///
    /// # Panics
    /// If another one is open.
    pub(crate) fn open(&mut self, stage: &Stage, records: &[Record], commits: bool) {
        assert!(self.open.is_none(), "another transaction is open");
        self.flush();
        let client = self.transactional[1]
            .get_or_insert_with(|| Client::new(&stage.brokers, Some(&stage.topic("open"))));
        client.begin();
        hand_over(client, stage, records);
        client.flush();
        self.open = Some(Open { commits, landed: client.landed() });
    }

    /// Ends the transaction that is open, as was said when it began; gives whether it is committed,
    /// or `None` if there is none.
    pub(crate) fn end_open(&mut self) -> Option<bool> {
        let Open { commits, landed } = self.open.take()?;
        self.transactional[1].as_ref().expect("whoever has begun it").end(commits);
        if commits {
            self.take(landed);
        }
        Some(commits)
    }

    /// Records of a transaction are committed.
    fn take(&mut self, landed: Vec<Landed>) {
        self.sent += landed.len() as i64;
        self.note(landed);
    }

    fn note(&mut self, landed: Vec<Landed>) {
        for (place, offset, record) in landed {
            self.readable.entry(place).or_default().insert(offset, record);
        }
    }

    /// Waits until the broker has everything that was sent plainly.
    pub(crate) fn flush(&mut self) {
        self.plain.flush();
        let landed = self.plain.landed();
        self.note(landed);
    }

    /// How many records were sent, but for those of transactions that are open or aborted.
    pub(crate) fn sent(&self) -> i64 {
        self.sent
    }

    /// How many of them nobody should have sent. All that was sent must have been flushed.
    pub(crate) fn bad(&self) -> i64 {
        self.all().filter(|record| record.bad).count() as i64
    }

    /// The topic of customers is compacted from now on. Records before these offsets have been
    /// read.
    pub(crate) fn forget(&mut self, stage: &Stage, read: &BTreeMap<Place, i64>) {
        let customers = stage.topic("customers");
        let places = (0..PARTITIONS).map(|partition| (customers.clone(), partition));
        self.forgetful = Some(
            places
                .map(|place| (read.get(&place).copied().unwrap_or(0), place))
                .map(|(from, place)| (place, from))
                .collect(),
        );
    }

    /// From where on partitions may lack records, once the topic of customers is compacted.
    pub(crate) fn forgetful(&self) -> Option<&BTreeMap<Place, i64>> {
        self.forgetful.as_ref()
    }

    /// The records of a partition that were sent plainly or are committed, by their offsets.
    pub(crate) fn readable(
        &self,
        place: &Place,
    ) -> impl DoubleEndedIterator<Item = (i64, &Record)> {
        self.readable.get(place).into_iter().flatten().map(|(offset, record)| (*offset, record))
    }

    /// All of them, those of each partition in their order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Record> {
        self.readable.values().flat_map(BTreeMap::values)
    }

    /// Whether a job that goes on from here has read everything that can be read now. All that was
    /// sent must have been flushed.
    ///
    /// # Panics
    /// If it has passed a record of an open transaction.
    pub(crate) fn is_read(&self, next: &BTreeMap<Place, i64>) -> bool {
        let mut held: BTreeMap<&Place, i64> = BTreeMap::new();
        for (place, offset, _) in self.open.iter().flat_map(|open| &open.landed) {
            held.entry(place).and_modify(|first| *first = (*first).min(*offset)).or_insert(*offset);
        }
        for (place, first) in &held {
            let next = next.get(*place).copied().unwrap_or(0);
            assert!(
                next <= *first,
                "the job has passed {place:?}, {first}, where a transaction is open, and stands at \
                 {next}"
            );
        }
        self.readable.iter().all(|(place, records)| {
            let before = held.get(place).copied().unwrap_or(i64::MAX);
            // Compaction may have removed an order to erase before it was read, and nothing tells
            // of it but what comes behind it.
            let forgets =
                self.forgetful.as_ref().is_some_and(|forgetful| forgetful.contains_key(place));
            let last = records
                .range(..before)
                .rev()
                .find(|(_, record)| !forgets || record.value.is_some());
            last.is_none_or(|(last, _)| next.get(place).copied().unwrap_or(0) > *last)
        })
    }

    /// Where each partition ends that is not empty, as the broker says: marks of transactions and
    /// aborted records have offsets too.
    pub(crate) fn ends(&self, stage: &Stage) -> BTreeMap<Place, i64> {
        let places = self
            .files
            .iter()
            .flat_map(|file| (0..PARTITIONS).map(|partition| (stage.topic(file), partition)));
        let end = |(topic, partition): &Place| self.plain.bounds(topic, *partition).1;
        places
            .map(|place| (end(&place), place))
            .filter(|(end, _)| *end > 0)
            .map(|(end, place)| (place, end))
            .collect()
    }
}

/// Hands records over to a client. A customer's records of one topic lie in one partition.
fn hand_over(client: &Client, stage: &Stage, records: &[Record]) {
    for record in records {
        let (topic, key) = (stage.topic(record.file), record.key());
        let partition = (record.customer % i64::from(PARTITIONS)) as i32;
        client.send(
            (&topic, partition),
            Some(key.as_bytes()),
            record.value.as_deref(),
            record.at,
            record.clone(),
        );
    }
}
