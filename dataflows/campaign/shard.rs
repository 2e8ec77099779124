//! One worker's customers: their histories, running rows, the ids that are known, and who waits for
//! what.

use crate::campaign::folding::Folding;
use crate::campaign::known::Known;
use crate::campaign::ledger::Ledger;
use crate::campaign::output::{Counts, Day, Erasure, LastRows};
use crate::campaign::owners::Searching;
use crate::campaign::running::RunningRows;
use crate::campaign::snapshot::changes::Changes;
use crate::campaign::thresholds::{End, NONE, Thresholds, day_of};
use crate::campaign::visit::{Scratch, Shown};
use crate::customer::Transaction;
use crate::customer::features::Features;
use crate::customer::folded::Folded;
use crate::customer::histories::Histories;
use crate::customer::history::{Extras, History, Interaction, View};
use crate::event::text::customer_hash;
use crate::event::{CustomerId, Millis, Place, Profile, Request};
use crate::settings::Settings;
use hashbrown::HashMap;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// Number of a customer on its worker.
pub type Slot = u32;

/// One worker's customers.
pub struct Shard {
    pub(super) settings: Arc<Settings>,
    pub(super) features: Arc<Features>,
    pub(super) histories: Histories,
    slots: HashMap<CustomerId, Slot, BuildHasherDefault<CustomerHasher>>,
    pub(super) rows: RunningRows,
    pub(super) known: Known,
    pub(super) ledger: Option<Ledger>,
    pub(super) thresholds: Thresholds,
    /// The watermark when customers were last visited.
    pub(super) watermark: Option<Millis>,
    /// How far customers are folded.
    pub(super) folding: Folding,
    /// Slots with news in the epoch.
    pub(super) touched: Vec<Slot>,
    /// Every customer is to be told anew in the next epoch, as nothing that was emitted holds any
    /// more.
    pub(super) anew: bool,
    /// Number of the epoch, to tell what is touched.
    pub(super) epoch_mark: u32,
    /// What customers looked like before the epoch, where something that was settled changes.
    pub(super) before: HashMap<Slot, Before>,
    /// Who waits for the threshold of a day.
    pub(super) waiting_for_day: BTreeMap<Day, Vec<Slot>>,
    /// Interactions that wait for a reward until their window ends: (end, slot).
    pub(super) waiting_for_reward: BinaryHeap<Reverse<(Millis, Slot)>>,
    /// How each customer was last shown to the views, where a sink wants rows of features.
    pub(super) shown: Vec<Option<Shown>>,
    /// Where the four flags stand in a row of features, the most significant bit of a segment
    /// first.
    flag_columns: [Option<usize>; 4],
    /// What changed since the last snapshot, where snapshots are taken.
    pub(super) changes: Option<Changes>,
    /// Whose interactions are named by rewards of other customers.
    pub(super) searching: Searching,
    /// Whether each purchase of the epoch asks for a decision.
    pub(super) decides_on_transaction: bool,
    /// Requests of the epoch.
    pub(super) requests: Vec<(Slot, Place, Request)>,
    /// Customers that were erased in the epoch.
    pub(super) erasures: Vec<Erasure>,
    /// What was counted in the epoch so far.
    pub(super) counts: Counts,
}

/// Rows of features in a batch of the last ones: small enough to lie in memory that records have
/// left.
const FEATURES_BATCH: usize = 1024;

/// What a customer looked like before the epoch, and since when it looks different.
#[derive(Debug)]
pub(super) struct Before {
    /// Nothing that was emitted for an instant before this one changes.
    pub(super) since: Millis,
    pub(super) transactions: Vec<Transaction>,
    pub(super) interactions: Vec<Interaction>,
    pub(super) profiles: Vec<Profile>,
    pub(super) extras: Option<Box<Extras>>,
}

impl Before {
    /// The settled part of a history to which events have only been appended. What was settled but
    /// not emitted, and what was appended, may be emitted now: it counts as changed.
    pub(super) fn of(history: &History, since: Millis) -> Self {
        let settled = history.settled_view();
        let waiting = settled
            .interactions
            .get(history.done_interactions as usize)
            .map_or(Millis::MAX, |i| i.timestamp);
        Before {
            since: since.min(waiting),
            transactions: settled.transactions.to_vec(),
            interactions: settled.interactions.to_vec(),
            profiles: settled.profiles.to_vec(),
            extras: history.extras.clone(),
        }
    }

    pub(super) fn view(&self) -> View<'_> {
        View {
            transactions: &self.transactions,
            interactions: &self.interactions,
            profiles: &self.profiles,
            extras: self.extras.as_deref(),
        }
    }
}

impl Shard {
    /// The customers of worker `worker` of `peers`, none yet. With `given` thresholds none are
    /// computed.
    pub fn new(
        settings: Arc<Settings>,
        features: Arc<Features>,
        given: Option<&[(Day, u64)]>,
        worker: usize,
        peers: usize,
    ) -> Self {
        let daily =
            matches!(settings.customer.high_value, crate::settings::HighValue::Percentile(_));
        let column = |name: &str| features.names().iter().position(|n| n == name);
        Shard {
            flag_columns: ["is_high_value", "is_at_risk", "is_frequent_buyer", "is_recent_active"]
                .map(column),
            rows: RunningRows::new(features.layout()),
            features,
            histories: Histories::new(),
            slots: HashMap::default(),
            known: Known::new(),
            ledger: (daily && given.is_none()).then(|| Ledger::new(worker, peers)),
            thresholds: given.map(Thresholds::given).unwrap_or_default(),
            watermark: None,
            folding: Folding::new(),
            touched: Vec::new(),
            anew: false,
            epoch_mark: 0,
            before: HashMap::new(),
            waiting_for_day: BTreeMap::new(),
            waiting_for_reward: BinaryHeap::new(),
            shown: Vec::new(),
            changes: settings.emit.snapshots.then(Changes::new),
            searching: Searching::default(),
            decides_on_transaction: false,
            requests: Vec::new(),
            erasures: Vec::new(),
            counts: Counts::none(),
            settings,
        }
    }

    /// The closed thresholds.
    pub(super) fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// The customer's slot, if it was ever seen.
    pub(super) fn slot_of(&self, customer: CustomerId) -> Option<Slot> {
        self.slots.get(&customer).copied()
    }

    /// The customer's slot, given on first sight.
    #[inline]
    pub(super) fn slot(&mut self, customer: CustomerId) -> Slot {
        let (histories, changes) = (&mut self.histories, &mut self.changes);
        *self.slots.entry(customer).or_insert_with(|| {
            let (history, slot) = (History::new(customer), histories.len() as Slot);
            changes.iter_mut().for_each(|changes| changes.add(&history, slot));
            histories.push(history);
            slot
        })
    }

    /// Makes room for so many customers more: a table that grows step by step takes twice its
    /// memory.
    pub(super) fn expect_customers(&mut self, number: usize) {
        self.slots.reserve(number);
    }

    /// Notes that the customer is to be visited in this epoch. Call it before anything of the
    /// customer changes.
    #[inline]
    pub(super) fn touch(&mut self, slot: Slot) {
        let history = &mut self.histories[slot as usize];
        if history.touched != self.epoch_mark {
            history.touched = self.epoch_mark;
            self.touched.push(slot);
            self.note_change(slot);
            if self.folding.horizon.is_set() {
                self.fold(slot);
            }
        }
    }

    /// Keeps what the customer looked like before the epoch, because something settled changes from
    /// `since` on. Call it before the change.
    ///
    /// Where no interaction has been settled there is nothing that a change could correct, and
    /// nothing is kept.
    pub(super) fn remember(&mut self, slot: Slot, since: Millis) {
        let history = &self.histories[slot as usize];
        if history.settled_interactions == 0 {
            return;
        }
        let before = self.before.entry(slot).or_insert_with(|| Before::of(history, since));
        before.since = before.since.min(since);
    }

    /// Notes that a customer was erased: no image that was made before may be part of a snapshot
    /// from now on.
    pub(super) fn erased(&mut self, erasure: Erasure) {
        self.changes.iter_mut().for_each(|changes| changes.disown(erasure.customer));
        self.erasures.push(erasure);
    }

    /// Takes out the customers that were erased in the epoch.
    pub(super) fn take_erasures(&mut self) -> Vec<Erasure> {
        std::mem::take(&mut self.erasures)
    }

    /// The segment that a row of features belongs to.
    pub(super) fn segment_of(&self, row: &[f64]) -> u8 {
        self.flag_columns.iter().fold(0, |flags, column| {
            flags << 1 | u8::from(column.is_some_and(|column| row[column] > 0.0))
        })
    }

    /// The latest settled purchase or interaction.
    pub(super) fn latest_event(&self) -> Option<Millis> {
        // Appended events are not sorted in yet: all are looked at.
        let transactions = self
            .histories
            .iter()
            .flat_map(|h| h.transactions.iter().map(Transaction::timestamp))
            .max();
        let folded =
            self.histories.iter().filter_map(|h| h.folded()?.range()).map(|(_, last)| last).max();
        folded.max(transactions).max(
            self.histories.iter().flat_map(|h| h.interactions.iter().map(|i| i.timestamp)).max(),
        )
    }

    /// The first and the last instant of a purchase or an interaction, once all customers have been
    /// visited: their lists are sorted then.
    fn range_of_events(&self) -> Option<(Millis, Millis)> {
        let ends = self.histories.iter().flat_map(|history| {
            let (transactions, interactions) = (&history.transactions, &history.interactions);
            let purchases = transactions
                .first()
                .zip(transactions.last())
                .map(|(first, last)| (first.timestamp(), last.timestamp()));
            let contacts = interactions
                .first()
                .zip(interactions.last())
                .map(|(first, last)| (first.timestamp, last.timestamp));
            [purchases, contacts, history.folded().and_then(Folded::range)].into_iter().flatten()
        });
        ends.reduce(|(first, last), (start, end)| (first.min(start), last.max(end)))
    }

    /// What was counted in the epoch; at the end of the input with the range of the settled events.
    pub(super) fn take_counts(&mut self, last: bool) -> Counts {
        let mut counts = std::mem::replace(&mut self.counts, Counts::none());
        if let Some((first, latest)) = last.then(|| self.range_of_events()).flatten() {
            (counts.first, counts.last) = (first, latest);
        }
        counts
    }

    /// The rows of features of every customer with a purchase or a profile, as of the end's
    /// instant, in batches.
    pub(super) fn final_features(&self, end: &End) -> Vec<LastRows> {
        let threshold = self.thresholds.at(day_of(end.as_of));
        let threshold =
            end.beyond.map_or(threshold, |beyond| Some(beyond).filter(|&value| value != NONE));
        let (mut scratch, mut values) =
            (Scratch::new(&self.features), Vec::with_capacity(self.features.names().len()));
        let mut batches = Vec::with_capacity(self.histories.len() / FEATURES_BATCH + 1);
        let mut slots =
            (0..self.histories.len()).filter(|&slot| !self.histories[slot].is_blank()).peekable();
        while slots.peek().is_some() {
            let mut batch = LastRows::new(self.features.names().len());
            for slot in slots.by_ref().take(FEATURES_BATCH) {
                values.clear();
                self.final_row(slot, end.as_of, threshold, &mut scratch, &mut values);
                batch.push(self.histories[slot].customer, &values);
            }
            batches.push(batch);
        }
        batches
    }

    /// A customer's features as of an instant, going on from the running row where that lies before
    /// it. Folded purchases are always in them: as of an instant before the horizon there is
    /// nothing finer.
    fn final_row(
        &self,
        slot: usize,
        as_of: Millis,
        threshold: Option<u64>,
        scratch: &mut Scratch,
        values: &mut Vec<f64>,
    ) {
        let history = &self.histories[slot];
        let covered = self.rows.copy_until(history, as_of, &mut scratch.row);
        let counted =
            history.transactions.partition_point(|transaction| transaction.timestamp() <= as_of);
        scratch.row.as_mut().add(self.features.layout(), &history.transactions[covered..counted]);
        let view = history.view();
        let state = scratch.row.state(view.profile_at(as_of));
        self.features.row(&state, as_of, threshold, values);
    }

    /// The input has ended, and with it the process will: giving back some lists for each of a
    /// million customers would only make it wait. Where snapshots are taken, the last one still
    /// needs them.
    pub(super) fn let_go(&mut self) {
        if self.changes.is_none() {
            std::mem::forget(std::mem::take(&mut self.histories));
        }
    }

    /// Starts an epoch.
    pub(super) fn begin(&mut self) {
        self.epoch_mark = self.epoch_mark.wrapping_add(1).max(1);
        self.counts = Counts::none();
        self.begin_folding();
        if self.anew {
            (0..self.histories.len() as Slot).for_each(|slot| self.touch(slot));
        }
    }
}

/// Hashes customers by their frozen hash.
#[derive(Clone, Copy, Debug, Default)]
pub struct CustomerHasher(u64);

impl Hasher for CustomerHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes
            .iter()
            .fold(self.0, |hash, &byte| customer_hash((hash ^ u64::from(byte)) as CustomerId));
    }

    fn write_i64(&mut self, customer: CustomerId) {
        self.0 = customer_hash(customer);
    }
}
