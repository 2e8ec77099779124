//! Settling: what all records of an epoch together leave standing of each customer's events.
//!
//! Nearly every record is an insert of a new id of a customer with nothing to be careful about: it
//! is appended, one look-up and one push. Customers with anything else (an id seen before, a
//! retraction, a delayed reward, an erasure) have all their records of the epoch resolved by
//! [`resolve`](super::resolve), in order of their places.

use crate::campaign::feed::is_on_record;
use crate::campaign::known::Known;
use crate::campaign::resolve::Resolution;
use crate::campaign::shard::{Shard, Slot};
use crate::campaign::thresholds::day_of;
use crate::codec::rows::Rows;
use crate::customer::Transaction;
use crate::customer::history::Interaction;
use crate::event::{
    Aside, Attachment, Contact, CustomerId, Kind, Millis, Place, Purchase, Record, Rejected, Topic,
    Whose,
};
use hashbrown::HashMap;

/// The rare news of one epoch, sorted by what they are.
#[derive(Debug, Default)]
struct Asides {
    /// Batches of profile versions.
    profiles: Vec<Vec<Aside>>,
    /// Retractions and rewards as they would be rejected, by slot, topic and place.
    doubtful: HashMap<(Slot, Topic, Place), Rejected>,
    /// Events and requests older than is kept.
    past: Vec<Past>,
    /// Rejected records of customers, who may be erased.
    rejected: Vec<Rejected>,
    /// What goes with interactions, by slot and place in their topic: the interaction's id, and
    /// what it carries.
    attachments: HashMap<(Slot, Place), (u64, Attachment)>,
}

/// An event or a request older than is kept.
#[derive(Debug)]
struct Past {
    customer: CustomerId,
    timestamp: Millis,
    rejected: Rejected,
}

/// Where a profile version is, among batches of them.
#[derive(Clone, Copy, Debug)]
struct ProfileAt {
    slot: Slot,
    batch: u32,
    index: u32,
    place: Place,
}

impl Shard {
    /// Settles the records of an epoch. Batches and asides may come in any order: their places
    /// decide.
    ///
    /// After it every touched history holds its settled events, in-order news appended and
    /// unsorted; what was rejected is in `rejected`.
    pub fn settle(
        &mut self,
        epoch: u64,
        batches: Vec<Rows<Record>>,
        asides: Vec<Vec<Aside>>,
        rejected: &mut Vec<Rejected>,
    ) {
        self.begin();
        self.decides_on_transaction = self.settings.serving(epoch).decide_on_transaction;
        self.make_room_for(batches.iter().map(|batch| batch.0.len()).sum());
        let mut asides = self.sort_asides(asides);
        let profiles = self.order_of_profiles(&asides.profiles);
        let (slots, mut careful) = self.look_over(&batches);
        self.settle_profiles(std::mem::take(&mut asides.profiles), profiles, &careful);
        let left = self.append_all(batches, &slots, &mut careful);
        self.settle_carefully(left, &mut asides, rejected);
        self.judge_past(asides.past, rejected);
        self.blank_erased(asides.rejected, rejected);
        self.attach(asides.attachments, &careful);
        self.settle_resolved(&careful);
        if self.decides_on_transaction {
            self.request_for_appended();
        }
    }

    /// Finds each record's slot, and the slots of customers with a record that is more than a new
    /// id.
    fn look_over(&mut self, batches: &[Rows<Record>]) -> (Vec<Slot>, Careful) {
        let mut slots = Vec::with_capacity(batches.iter().map(|batch| batch.0.len()).sum());
        let mut careful = Careful::default();
        let mut seen = HashMap::new();
        for Rows(batch) in batches {
            // Looking up the whole batch first lets the memory accesses of different customers
            // overlap.
            let first = slots.len();
            slots.extend(batch.iter().map(|record| self.slot(record.customer)));
            for (record, &slot) in batch.iter().zip(&slots[first..]) {
                match key(record, slot) {
                    None => careful.take(record, slot),
                    Some(key) if self.known.insert(key) => {
                        if self.has(slot, record) {
                            careful.add(slot);
                        } else {
                            seen.insert(key, 0);
                        }
                    }
                    Some(_) => {}
                }
            }
        }
        add_repeated(batches, &slots, &mut seen, &mut careful);
        (slots, careful)
    }

    /// Whether an id was settled before the epoch.
    fn has(&self, slot: Slot, record: &Record) -> bool {
        let history = &self.histories[slot as usize];
        match record.kind() {
            Kind::Transaction => {
                history.transactions.iter().any(|transaction| transaction.id == record.id)
            }
            _ => history.interactions.iter().any(|interaction| interaction.id == record.id),
        }
    }

    /// Appends every record where that is all there is to do, and gives back the memory of each
    /// batch for those to come; returns the others.
    fn append_all(
        &mut self,
        batches: Vec<Rows<Record>>,
        slots: &[Slot],
        careful: &mut Careful,
    ) -> Vec<(Slot, Record)> {
        let late_before = self.thresholds.late_before();
        let mut left = Vec::new();
        let mut slots = slots.iter();
        for Rows(batch) in batches {
            self.counts.records += batch.len() as u64;
            for (record, &slot) in batch.iter().zip(slots.by_ref()) {
                self.touch(slot);
                let history = &mut self.histories[slot as usize];
                if history.extras.is_some() && history.erased().is_some() {
                    careful.add(slot);
                }
                if careful.contains(slot) {
                    self.counts.records -= u64::from(is_on_record(record));
                    left.push((slot, *record));
                    continue;
                }
                if record.kind() == Kind::Transaction {
                    let new = transaction(record);
                    push(&mut history.transactions, new);
                    self.counts.transactions += 1;
                    self.ledger.iter_mut().for_each(|ledger| {
                        ledger.note(slot, day_of(new.timestamp()), 1, new.amount() as i64)
                    });
                } else {
                    push(&mut history.interactions, interaction(record));
                    self.counts.interactions += 1;
                }
                self.counts.late += u64::from(record.timestamp < late_before);
            }
        }
        left
    }

    fn sort_asides(&mut self, mut batches: Vec<Vec<Aside>>) -> Asides {
        let mut sorted = Asides::default();
        for aside in batches
            .iter_mut()
            .flat_map(|batch| batch.extract_if(.., |aside| !matches!(aside, Aside::Profile { .. })))
        {
            if let Aside::Past { customer, timestamp, rejected } = aside {
                sorted.past.push(Past { customer, timestamp, rejected: *rejected });
                continue;
            }
            if let Aside::Rejected { rejected, .. } = aside {
                sorted.rejected.push(*rejected);
                continue;
            }
            let slot = self.slot(aside.customer());
            match aside {
                Aside::Doubtful { rejected, .. } => {
                    sorted.doubtful.insert((slot, rejected.topic, rejected.place), *rejected);
                }
                Aside::Attachment { id, place, attachment, .. } => {
                    sorted.attachments.insert((slot, place), (id, *attachment));
                }
                Aside::Request { place, request, .. } => {
                    self.touch(slot);
                    self.requests.push((slot, place, *request));
                }
                Aside::Profile { .. } | Aside::Past { .. } | Aside::Rejected { .. } => {}
            }
        }
        sorted.profiles = batches;
        sorted
    }

    /// Profile versions, by slot and place: of two of one instant the later one holds. They come
    /// before all events, so that where customers are first read their memory is there for these.
    fn settle_profiles(
        &mut self,
        batches: Vec<Vec<Aside>>,
        order: Vec<ProfileAt>,
        careful: &Careful,
    ) {
        for ProfileAt { slot, batch, index, .. } in order {
            let Aside::Profile { profile, .. } = batches[batch as usize][index as usize] else {
                continue;
            };
            self.counts.records += 1;
            self.touch(slot);
            if self.histories[slot as usize]
                .erased()
                .max(careful.erased(slot))
                .is_some_and(|until| profile.from <= until)
            {
                self.counts.erased += 1;
                continue;
            }
            let profiles = &self.histories[slot as usize].profiles;
            match profiles.binary_search_by_key(&profile.from, |p| p.from) {
                Ok(at) if profiles[at] == profile => {}
                Ok(at) => {
                    self.remember(slot, profile.from);
                    self.histories[slot as usize].profiles[at] = profile;
                }
                Err(at) => {
                    self.remember(slot, profile.from);
                    let profiles = &mut self.histories[slot as usize].profiles;
                    if profiles.is_empty() {
                        // Few customers ever have a second version.
                        profiles.reserve_exact(1);
                    }
                    push(profiles, profile);
                    profiles[at..].rotate_right(1);
                }
            }
        }
    }

    /// Where the profile versions are, by slot and place. They are many at a time where customers
    /// are first read, so they stay where they are.
    fn order_of_profiles(&mut self, batches: &[Vec<Aside>]) -> Vec<ProfileAt> {
        let profiles = batches.iter().map(Vec::len).sum();
        let mut order = Vec::with_capacity(profiles);
        self.expect_customers(profiles);
        for (batch, asides) in (0..).zip(batches) {
            for (index, aside) in (0..).zip(asides) {
                if let Aside::Profile { customer, place, .. } = aside {
                    order.push(ProfileAt {
                        slot: self.slot(*customer),
                        batch,
                        index,
                        place: *place,
                    });
                }
            }
        }
        order.sort_by_key(|at| (at.slot, at.place));
        order
    }

    /// What is older than is kept is rejected, unless its customer was erased: nothing of an erased
    /// customer may be kept anywhere.
    fn judge_past(&mut self, past: Vec<Past>, rejected: &mut Vec<Rejected>) {
        for Past { customer, timestamp, rejected: record } in past {
            self.counts.records += 1;
            let erased =
                self.slot_of(customer).and_then(|slot| self.histories[slot as usize].erased());
            if erased.is_some_and(|until| timestamp <= until) {
                self.counts.erased += 1;
            } else {
                self.counts.past_history += 1;
                rejected.push(record);
            }
        }
    }

    /// What was rejected stays so, but of an erased customer nothing is left of it than where it
    /// stood and why it was not taken.
    fn blank_erased(&mut self, of_customers: Vec<Rejected>, rejected: &mut Vec<Rejected>) {
        for mut record in of_customers {
            let until = |whose: &Whose| {
                self.slot_of(whose.customer).and_then(|slot| self.histories[slot as usize].erased())
            };
            if record
                .whose
                .is_some_and(|whose| until(&whose).is_some_and(|until| whose.dated <= until))
            {
                record.blank();
            }
            rejected.push(record);
        }
    }

    /// Keeps what goes with interactions that were appended; the resolution has kept that of the
    /// others.
    fn attach(
        &mut self,
        attachments: HashMap<(Slot, Place), (u64, Attachment)>,
        careful: &Careful,
    ) {
        for ((slot, _), (id, attachment)) in
            attachments.into_iter().filter(|((slot, _), _)| !careful.contains(*slot))
        {
            let attachments = &mut self.histories[slot as usize].extras_mut().attachments;
            if let Err(at) = attachments.binary_search_by_key(&id, |(id, _)| *id) {
                attachments.insert(at, (id, attachment));
            }
        }
    }

    /// Resolves the records of customers with anything but new ids.
    fn settle_carefully(
        &mut self,
        mut records: Vec<(Slot, Record)>,
        asides: &mut Asides,
        rejected: &mut Vec<Rejected>,
    ) {
        records.sort_by_key(|(slot, record)| (*slot, record.place()));
        for news in records.chunk_by(|(a, _), (b, _)| a == b) {
            let slot = news[0].0;
            let news = news.iter().map(|(_, record)| record);
            Resolution::of(self, slot).settle(
                news,
                &mut asides.doubtful,
                &mut asides.attachments,
                rejected,
            );
        }
    }

    /// Counts what the resolution left appended, and enters its purchases into the ledger.
    fn settle_resolved(&mut self, careful: &Careful) {
        let late_before = self.thresholds.late_before();
        for &slot in self.touched.iter().filter(|slot| careful.contains(**slot)) {
            let history = &self.histories[slot as usize];
            let (transactions, interactions) = history.appended();
            self.counts.transactions += transactions.len() as i64;
            self.counts.interactions += interactions.len() as i64;
            let late = transactions
                .iter()
                .map(Transaction::timestamp)
                .chain(interactions.iter().map(|i| i.timestamp))
                .filter(|&at| at < late_before);
            self.counts.late += late.count() as u64;
            if let Some(ledger) = &mut self.ledger {
                transactions
                    .iter()
                    .for_each(|t| ledger.note(slot, day_of(t.timestamp()), 1, t.amount() as i64));
            }
        }
    }

    /// Keeps the filter of known ids large enough for the epoch's records: one that is too small
    /// has every history searched for every record.
    fn make_room_for(&mut self, records: usize) {
        if !self.known.is_short_of(records) {
            return;
        }
        self.known = match self.settings.time.keep {
            None => self.known.grown_for(records),
            // Most of the ids that it has may have been folded. With room for as many again as are
            // there, it is not made anew all the time.
            Some(_) => Known::with_room_for(2 * self.ids() + records),
        };
        self.fill_known();
    }

    /// Ids of purchases and interactions that are kept.
    fn ids(&self) -> usize {
        self.histories
            .iter()
            .map(|history| history.transactions.len() + history.interactions.len())
            .sum()
    }

    /// Makes the filter of known ids anew from loaded histories.
    pub(super) fn know_all(&mut self) {
        self.known = self.known.grown_for(self.ids());
        self.fill_known();
    }

    fn fill_known(&mut self) {
        for (slot, history) in self.histories.iter().enumerate() {
            for transaction in &history.transactions {
                self.known.insert(Known::key(TRANSACTIONS, slot as Slot, transaction.id));
            }
            for interaction in &history.interactions {
                self.known.insert(Known::key(INTERACTIONS, slot as Slot, interaction.id));
            }
        }
    }
}

/// Names of the topics in keys of the filter: any two different odd constants.
const TRANSACTIONS: u64 = 0x51ED_270B;
const INTERACTIONS: u64 = 0x2545_F491;

/// Slots whose records are resolved in order.
#[derive(Debug, Default)]
struct Careful {
    slots: hashbrown::HashSet<Slot>,
    /// Up to which instant the epoch erases some of them.
    erased: HashMap<Slot, Millis>,
}

impl Careful {
    #[cold]
    fn add(&mut self, slot: Slot) {
        self.slots.insert(slot);
    }

    /// Adds the slot of a record that is neither a purchase nor an interaction.
    #[cold]
    fn take(&mut self, record: &Record, slot: Slot) {
        self.add(slot);
        if record.kind() == Kind::Erase {
            let until = self.erased.entry(slot).or_insert(record.timestamp);
            *until = record.timestamp.max(*until);
        }
    }

    fn erased(&self, slot: Slot) -> Option<Millis> {
        self.erased.get(&slot).copied()
    }

    fn contains(&self, slot: Slot) -> bool {
        self.slots.contains(&slot)
    }
}

/// The key by which the filter of known ids has a purchase or an interaction; `None` for any other
/// record.
#[inline]
fn key(record: &Record, slot: Slot) -> Option<u64> {
    match record.kind() {
        Kind::Transaction => Some(Known::key(TRANSACTIONS, slot, record.id)),
        Kind::Interaction => Some(Known::key(INTERACTIONS, slot, record.id)),
        Kind::Reward
        | Kind::RetractTransaction
        | Kind::RetractInteraction
        | Kind::RetractReward
        | Kind::Erase => None,
    }
}

/// Adds the slots of ids that more than one record has. The filter takes each of them for a known
/// one, and some others: only `seen` are counted.
fn add_repeated(
    batches: &[Rows<Record>],
    slots: &[Slot],
    seen: &mut HashMap<u64, u32>,
    careful: &mut Careful,
) {
    if seen.is_empty() {
        return;
    }
    for (record, &slot) in batches.iter().flat_map(|batch| &batch.0).zip(slots) {
        if let Some(count) = key(record, slot).and_then(|key| seen.get_mut(&key)) {
            *count += 1;
            if *count > 1 {
                careful.add(slot);
            }
        }
    }
}

/// The purchase that a record states.
#[inline]
pub(super) fn transaction(record: &Record) -> Transaction {
    Transaction::coded(record.id, record.timestamp, Purchase(record.value), record.extra)
}

/// The interaction that a record states.
#[inline]
pub(super) fn interaction(record: &Record) -> Interaction {
    Interaction {
        id: record.id,
        timestamp: record.timestamp,
        contact: Contact(record.value),
        propensity: f64::from_bits(record.extra),
    }
}

/// Appends to a list that lives long: growing by a quarter wastes an eighth on average, where
/// doubling would waste a third.
#[inline]
pub(super) fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 4).max(2));
    }
    list.push(item);
}
