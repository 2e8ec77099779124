//! Sends records as producers of all kinds do: a stretch plainly, a stretch in a transaction that
//! is committed, and a stretch behind one that is open. Between them lie transactions that are
//! aborted. So offsets without a record are everywhere, and a job that reads what it must not comes
//! to another result.

use super::client::{Client, Place};
use super::{Stage, eventually};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Where a record lies: topic, partition, offset.
pub(crate) type At = (String, i32, i64);

/// Records of which an aborted transaction has copies.
pub(crate) const COPIES: usize = 32;

/// Longer records are not copied.
const LONGEST: usize = 4_096;

/// How the records of a stretch are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stretch {
    Plain,
    /// In a transaction; changed copies of the last ones follow in another, which is aborted.
    Committed,
    /// Plainly, behind changed copies of the last ones in a transaction that is open, and aborted
    /// at the end of the stretch.
    Behind,
}

impl Stretch {
    fn next(self) -> Stretch {
        match self {
            Stretch::Plain => Stretch::Committed,
            Stretch::Committed => Stretch::Behind,
            Stretch::Behind => Stretch::Plain,
        }
    }
}

/// A record that was sent.
struct Sent {
    place: Place,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    at: i64,
}

/// Writes records into topics in which nobody else writes; so it knows the offset of each.
pub(crate) struct Sender {
    brokers: String,
    /// By which the broker knows its transactions.
    name: String,
    plain: Client<()>,
    /// Made when first needed.
    transactional: Option<Client<()>>,
    /// Records of a stretch.
    length: usize,
    /// Whether stretches differ.
    alternates: bool,
    stretch: Stretch,
    /// How many of this stretch were sent; `None` before it has begun.
    sent: Option<usize>,
    /// Partitions that the transaction which is open has written to.
    written: BTreeSet<Place>,
    last: VecDeque<Sent>,
    next: BTreeMap<Place, i64>,
    /// Behind the last record of each partition that is not aborted.
    readable: BTreeMap<Place, i64>,
}

impl Sender {
    /// Of a stage whose topics are there, and empty, with so many records in a stretch. A
    /// transaction takes some milliseconds.
    pub(crate) fn new(stage: &Stage, length: usize) -> Sender {
        Sender {
            brokers: stage.brokers.clone(),
            name: stage.topic("sender"),
            plain: Client::new(&stage.brokers, None),
            transactional: None,
            length,
            alternates: true,
            stretch: Stretch::Plain,
            sent: None,
            written: BTreeSet::new(),
            last: VecDeque::new(),
            next: BTreeMap::new(),
            readable: BTreeMap::new(),
        }
    }

    /// The same, but all is sent plainly: a mark of a transaction bears the time of the day, and
    /// would close segments of compacted topics too early for a test that says when.
    pub(crate) fn plain(stage: &Stage) -> Sender {
        Sender { alternates: false, ..Sender::new(stage, usize::MAX) }
    }

    /// Sends a record, dated `at`; says where it lies.
    pub(crate) fn send(
        &mut self,
        topic: &str,
        partition: i32,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        at: i64,
    ) -> At {
        self.begin();
        let place = (topic.to_string(), partition);
        let transactional = self.stretch == Stretch::Committed;
        let offset = self.hand_over(transactional, &place, key, value, at);
        self.readable.insert(place.clone(), offset + 1);
        if value.is_none_or(|value| value.len() <= LONGEST) {
            self.last.truncate(COPIES - 1);
            self.last.push_front(Sent {
                place,
                key: key.map(<[u8]>::to_vec),
                value: value.map(<[u8]>::to_vec),
                at,
            });
        }
        self.sent = self.sent.map(|sent| sent + 1);
        if self.sent == Some(self.length) {
            self.end();
        }
        (topic.to_string(), partition, offset)
    }

    /// Waits until everything that was sent so far can be read. What comes next is sent as the next
    /// stretch.
    pub(crate) fn flush(&mut self) {
        if self.sent.is_some() {
            self.end();
        }
    }

    /// Waits until everything that was sent so far can be read, and leaves a transaction open
    /// behind it: until the next [`flush`](Sender::flush) nobody sees what follows.
    pub(crate) fn leave_open(&mut self) {
        self.flush();
        self.stretch = Stretch::Behind;
        self.begin();
    }

    /// Whether a job that goes on from here has read everything that was sent before the last
    /// [`flush`](Sender::flush) or [`leave_open`](Sender::leave_open), after which nothing was. It
    /// may have passed what is behind the last record, or not.
    pub(crate) fn is_read(&self, next: &BTreeMap<Place, i64>) -> bool {
        self.readable.iter().all(|(place, end)| next.get(place).is_some_and(|next| next >= end))
    }

    /// Waits until the broker has everything, where it was said to lie.
    pub(crate) fn finish(mut self) {
        self.flush();
        for ((topic, partition), next) in &self.next {
            assert_eq!(
                self.plain.bounds(topic, *partition),
                (0, *next),
                "{topic}, partition {partition}"
            );
        }
    }

    /// Begins the stretch, if it has not begun.
    fn begin(&mut self) {
        if self.sent.is_some() {
            return;
        }
        self.sent = Some(0);
        match self.stretch {
            Stretch::Plain => {}
            Stretch::Committed => self.transactional().begin(),
            Stretch::Behind => {
                self.transactional().begin();
                self.send_copies();
                self.transactional().flush();
            }
        }
    }

    /// Ends the stretch: all of it can be read then.
    fn end(&mut self) {
        match self.stretch {
            Stretch::Plain => self.plain.flush(),
            Stretch::Committed => {
                self.end_transaction(true);
                self.transactional().begin();
                self.send_copies();
                self.end_transaction(false);
            }
            Stretch::Behind => {
                self.plain.flush();
                self.end_transaction(false);
            }
        }
        // The broker has refused nothing.
        self.plain.landed();
        if self.alternates {
            self.stretch = self.stretch.next();
        }
        self.sent = None;
    }

    fn end_transaction(&mut self, commits: bool) {
        let client = self.transactional();
        client.end(commits);
        client.landed();
        // A mark lies in each partition that it has written to. The broker writes it a moment after
        // it has answered.
        for (topic, partition) in std::mem::take(&mut self.written) {
            let next = self.next.entry((topic.clone(), partition)).or_default();
            *next += 1;
            eventually("the mark of a transaction is there", || {
                self.plain.bounds(&topic, partition).1 >= *next
            });
        }
    }

    /// Sends copies of the last records, each with another content.
    fn send_copies(&mut self) {
        for Sent { place, key, value, at } in std::mem::take(&mut self.last).into_iter().rev() {
            self.hand_over(
                true,
                &place,
                key.as_deref(),
                value.as_deref().map(changed).as_deref(),
                at,
            );
            self.last.push_front(Sent { place, key, value, at });
        }
    }

    /// Hands a record to one of the clients; gives its offset.
    fn hand_over(
        &mut self,
        transactional: bool,
        place: &Place,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        at: i64,
    ) -> i64 {
        let client = if transactional { self.transactional() } else { &self.plain };
        client.send((&place.0, place.1), key, value, at, ());
        if transactional {
            self.written.insert(place.clone());
        }
        let next = self.next.entry(place.clone()).or_default();
        *next += 1;
        *next - 1
    }

    fn transactional(&mut self) -> &Client<()> {
        self.transactional.get_or_insert_with(|| Client::new(&self.brokers, Some(&self.name)))
    }
}

/// What a record would say if it could be read: another amount, reward or profile, or a request of
/// another decision.
fn changed(value: &[u8]) -> Vec<u8> {
    let Ok(mut fields) = serde_json::from_slice::<Map<String, Value>>(value) else {
        return value.to_vec();
    };
    fields.extend(
        [("amount", json!(4_321)), ("reward", json!(321)), ("email_open_rate", json!(0.123))]
            .map(|(name, value)| (name.to_string(), value)),
    );
    fields.entry("decision_id").and_modify(|id| *id = json!("unseen"));
    Value::Object(fields).to_string().into_bytes()
}
