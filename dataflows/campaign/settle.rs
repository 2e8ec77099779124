//! Settling: what all records of an epoch together leave standing of each customer's events.
//!
//! Nearly every record is an insert of a new id of a customer with nothing to be careful about: it is appended, one look-up and one push. Customers
//! with anything else (an id seen before, a retraction, a delayed reward, an erasure) have all their records of the epoch resolved by
//! [`resolve`](super::resolve), in order of their places.

use crate::campaign::known::Known;
use crate::campaign::resolve::Resolution;
use crate::campaign::shard::{Shard, Slot};
use crate::campaign::thresholds::day_of;
use crate::customer::Transaction;
use crate::customer::history::Interaction;
use crate::event::{Aside, Attachment, Contact, CustomerId, Kind, Millis, Place, Purchase, Record, Rejected, Topic};
use hashbrown::HashMap;

/// The rare news of one epoch, sorted by what they are.
#[derive(Debug, Default)]
struct Asides {
    /// Batches of profile versions.
    profiles: Vec<Vec<Aside>>,
    /// In which order they count.
    order: Vec<ProfileAt>,
    /// Retractions and rewards as they would be rejected, by slot, topic and place.
    doubtful: HashMap<(Slot, Topic, Place), Rejected>,
    /// Events and requests older than is kept.
    past: Vec<Past>,
    /// What goes with interactions, by slot and place in their topic: the interaction's id, and what it carries.
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
    /// Settles the records of an epoch. Batches and asides may come in any order: their places decide.
    ///
    /// After it every touched history holds its settled events, in-order news appended and unsorted; what was rejected is in `rejected`.
    pub fn settle<'a>(&mut self, batches: impl Iterator<Item = &'a [Record]> + Clone, asides: Vec<Vec<Aside>>, rejected: &mut Vec<Rejected>) {
        self.begin();
        self.make_room_for(batches.clone().map(<[Record]>::len).sum());
        let mut careful = Careful::default();
        let mut asides = self.sort_asides(asides);
        let mut slots = Vec::new();
        for batch in batches.clone() {
            // Looking up the whole batch first lets the memory accesses of different customers overlap.
            slots.clear();
            slots.extend(batch.iter().map(|record| self.slot(record.customer)));
            for (record, &slot) in batch.iter().zip(&slots) {
                self.append(record, slot, &mut careful);
            }
        }
        if !careful.slots.is_empty() {
            self.settle_carefully(batches, &careful, &mut asides, rejected);
        }
        self.judge_past(asides.past, rejected);
        self.attach(asides.attachments, &careful);
        self.settle_profiles(&asides.profiles, &asides.order);
        self.settle_appended();
    }

    /// Appends the record where that is all there is to do, else leaves it to the resolution.
    #[inline]
    fn append(&mut self, record: &Record, slot: Slot, careful: &mut Careful) {
        self.counts.records += 1;
        self.touch(slot);
        let history = &mut self.histories[slot as usize];
        if history.extras.is_some() && history.erased().is_some() {
            return careful.add(slot);
        }
        match record.kind() {
            Kind::Transaction => {
                if self.known.insert(Known::key(TRANSACTIONS, slot, record.id)) && history.transactions.iter().any(|t| t.id == record.id) {
                    return careful.add(slot);
                }
                push(&mut history.transactions, transaction(record));
            }
            Kind::Interaction => {
                if self.known.insert(Known::key(INTERACTIONS, slot, record.id)) && history.interactions.iter().any(|i| i.id == record.id) {
                    return careful.add(slot);
                }
                push(&mut history.interactions, interaction(record));
            }
            Kind::Reward | Kind::RetractTransaction | Kind::RetractInteraction | Kind::RetractReward | Kind::Erase => careful.add(slot),
        }
    }

    fn sort_asides(&mut self, mut batches: Vec<Vec<Aside>>) -> Asides {
        let mut sorted = Asides::default();
        for aside in batches.iter_mut().flat_map(|batch| batch.extract_if(.., |aside| !matches!(aside, Aside::Profile { .. }))) {
            if let Aside::Past { customer, timestamp, rejected } = aside {
                sorted.past.push(Past { customer, timestamp, rejected: *rejected });
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
                Aside::Profile { .. } | Aside::Past { .. } => {}
            }
        }
        sorted.order = self.order_of_profiles(&batches);
        sorted.profiles = batches;
        sorted
    }

    /// Where the profile versions are, by slot and place. They are many at a time where customers are first read, so they stay where they are.
    fn order_of_profiles(&mut self, batches: &[Vec<Aside>]) -> Vec<ProfileAt> {
        let mut order = Vec::with_capacity(batches.iter().map(Vec::len).sum());
        for (batch, asides) in (0..).zip(batches) {
            for (index, aside) in (0..).zip(asides) {
                if let Aside::Profile { customer, place, .. } = aside {
                    order.push(ProfileAt { slot: self.slot(*customer), batch, index, place: *place });
                }
            }
        }
        order.sort_by_key(|at| (at.slot, at.place));
        order
    }

    /// What is older than is kept is rejected, unless its customer was erased: nothing of an erased customer may be kept anywhere.
    fn judge_past(&mut self, past: Vec<Past>, rejected: &mut Vec<Rejected>) {
        for Past { customer, timestamp, rejected: record } in past {
            self.counts.records += 1;
            let erased = self.slot_of(customer).and_then(|slot| self.histories[slot as usize].erased());
            if erased.is_some_and(|until| timestamp <= until) {
                self.counts.erased += 1;
            } else {
                self.counts.past_history += 1;
                rejected.push(record);
            }
        }
    }

    /// Keeps what goes with interactions that were appended; the resolution has kept that of the others.
    fn attach(&mut self, attachments: HashMap<(Slot, Place), (u64, Attachment)>, careful: &Careful) {
        for ((slot, _), (id, attachment)) in attachments.into_iter().filter(|((slot, _), _)| !careful.contains(*slot)) {
            let attachments = &mut self.histories[slot as usize].extras_mut().attachments;
            if let Err(at) = attachments.binary_search_by_key(&id, |(id, _)| *id) {
                attachments.insert(at, (id, attachment));
            }
        }
    }

    /// Profile versions, by slot and place: of two of one instant the later one holds. Erasures of the epoch have been applied.
    fn settle_profiles(&mut self, batches: &[Vec<Aside>], order: &[ProfileAt]) {
        for &ProfileAt { slot, batch, index, .. } in order {
            let Aside::Profile { profile, .. } = batches[batch as usize][index as usize] else { continue };
            self.counts.records += 1;
            self.touch(slot);
            if self.histories[slot as usize].erased().is_some_and(|until| profile.from <= until) {
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

    fn settle_carefully<'a>(
        &mut self,
        batches: impl Iterator<Item = &'a [Record]>,
        careful: &Careful,
        asides: &mut Asides,
        rejected: &mut Vec<Rejected>,
    ) {
        let mut records: Vec<(Slot, &Record)> = Vec::new();
        for record in batches.flatten() {
            let slot = self.slot(record.customer);
            if careful.contains(slot) {
                records.push((slot, record));
            }
        }
        records.sort_by_key(|(slot, record)| (*slot, record.place()));
        for news in records.chunk_by(|(a, _), (b, _)| a == b) {
            let slot = news[0].0;
            let news = news.iter().map(|(_, record)| *record);
            Resolution::of(self, slot).settle(news, &mut asides.doubtful, &mut asides.attachments, rejected);
        }
    }

    /// Counts what was appended, and enters appended purchases into the ledger.
    fn settle_appended(&mut self) {
        let late_before = self.thresholds.late_before();
        if self.settings.bandit.decide_on_transaction {
            self.request_for_appended();
        }
        for &slot in &self.touched {
            let history = &self.histories[slot as usize];
            let (transactions, interactions) = history.appended();
            self.counts.transactions += transactions.len() as i64;
            self.counts.interactions += interactions.len() as i64;
            // Before the first closing nothing is late, and the events need not be read again.
            if late_before > Millis::MIN {
                let late = transactions.iter().map(|t| t.timestamp).chain(interactions.iter().map(|i| i.timestamp)).filter(|&at| at < late_before);
                self.counts.late += late.count() as u64;
            }
            if let Some(ledger) = &mut self.ledger {
                transactions.iter().for_each(|t| ledger.note(slot, day_of(t.timestamp), 1, t.amount() as i64));
            }
        }
    }

    /// Keeps the filter of known ids large enough for the epoch's records: one that is too small has every history searched for every record.
    fn make_room_for(&mut self, records: usize) {
        if !self.known.is_short_of(records) {
            return;
        }
        self.known = match self.settings.time.keep {
            None => self.known.grown_for(records),
            // Most of the ids that it has may have been folded. With room for as many again as are there, it is not made anew all the time.
            Some(_) => Known::with_room_for(2 * self.ids() + records),
        };
        self.fill_known();
    }

    /// Ids of purchases and interactions that are kept.
    fn ids(&self) -> usize {
        self.histories.iter().map(|history| history.transactions.len() + history.interactions.len()).sum()
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
}

impl Careful {
    #[cold]
    fn add(&mut self, slot: Slot) {
        self.slots.insert(slot);
    }

    fn contains(&self, slot: Slot) -> bool {
        self.slots.contains(&slot)
    }
}

/// The purchase that a record states.
#[inline]
pub(super) fn transaction(record: &Record) -> Transaction {
    Transaction::new(record.id, record.timestamp, Purchase(record.value))
}

/// The interaction that a record states.
#[inline]
pub(super) fn interaction(record: &Record) -> Interaction {
    Interaction { id: record.id, timestamp: record.timestamp, contact: Contact(record.value), propensity: f64::from_bits(record.extra) }
}

/// Appends to a list that lives long: growing by a quarter wastes an eighth on average, where doubling would waste a third.
#[inline]
pub(super) fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 4).max(2));
    }
    list.push(item);
}
