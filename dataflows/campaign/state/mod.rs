//! What is held of one worker's customers: their histories, and whatever must keep up with them.
//!
//! The contract. Nothing of a customer changes but through the handle that [`Customers::touch`]
//! gives; all is private to this room, so that no other way can be written. Touched for the first
//! time in an epoch, before anything of it changes, a customer
//!
//! - is noted as one to be visited in the epoch,
//! - is written as it was, where the snapshot that is being taken does not have it yet, and counts
//!   as changed for the next one,
//! - is folded up to the epoch's horizon.
//!
//! The handle, [`Touched`], has a method for each change that there is. Each keeps what it must: of
//! what may have been emitted the picture [`before`](before::Before) the epoch, of purchases their
//! totals by day, of ids that they are known.

mod before;
mod changes;
mod folding;
mod known;
mod ledger;
mod loading;
mod order;
mod running;
mod touched;
mod visited;

pub(crate) use before::Before;
pub(crate) use known::{Met, id_key};
pub use ledger::TotalChange;
pub(crate) use order::Unseen;
pub(crate) use running::{RowMut, RunningRow};
pub(crate) use touched::{Amendment, Touched};

use crate::campaign::output::Day;
use crate::customer::features::Features;
use crate::customer::history::History;
use crate::event::text::customer_hash;
use crate::event::{CustomerId, Horizon, Millis, Record};
use crate::settings::{HighValue, Settings};
use crate::state::blocks::Blocks;
use crate::state::parts::Parts;
use crate::state::sparse::Sparse;
use crate::state::turns::Budget;
use changes::ChangedCustomers;
use folding::FoldedTo;
use known::BloomFilter;
use ledger::TotalsLedger;
use running::RunningRows;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// Number of a customer on its worker.
pub(crate) type Slot = u32;

/// How a customer was last shown to the views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) flags: u8,
    pub(crate) amount: u64,
}

/// One worker's customers.
pub(crate) struct Customers {
    features: Arc<Features>,
    slots: Parts<CustomerId, Slot, BuildHasherDefault<CustomerHasher>>,
    histories: Blocks<History>,
    rows: RunningRows,
    known: BloomFilter,
    /// Where daily thresholds are computed.
    ledger: Option<TotalsLedger>,
    /// How each customer was last shown to the views, where a sink wants rows of features.
    shown: Sparse<Option<Shown>>,
    folded: FoldedTo,
    /// What changed since the last snapshot, where snapshots are taken.
    changes: Option<ChangedCustomers>,
    /// Who is to be visited in the epoch.
    touched: Blocks<Slot>,
    /// Number of the epoch, to tell who is touched.
    epoch_mark: u32,
    /// What customers looked like before the epoch, where something that was settled changes.
    before: Parts<Slot, Before>,
    /// Units of work that touching took.
    work: usize,
}

impl Customers {
    /// Those of worker `worker` of `peers`, none yet. With thresholds that are `given` no totals by
    /// day are kept.
    pub(crate) fn new(
        settings: &Settings,
        features: Arc<Features>,
        given: bool,
        (worker, peers): (usize, usize),
    ) -> Self {
        let daily = matches!(settings.customer.high_value, HighValue::Percentile(_));
        Customers {
            rows: RunningRows::new(features.layout()),
            features,
            slots: Parts::default(),
            histories: Blocks::new(),
            known: BloomFilter::new(),
            ledger: (daily && !given).then(|| TotalsLedger::new(worker, peers)),
            shown: Sparse::of(None),
            folded: FoldedTo::new(settings.time.attribution_window),
            changes: settings.emit.snapshots.then(ChangedCustomers::new),
            touched: Blocks::new(),
            epoch_mark: 0,
            before: Parts::default(),
            work: 0,
        }
    }

    /// The features that are computed of them.
    pub(crate) fn features(&self) -> &Features {
        &self.features
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.histories.len()
    }

    /// A customer's history.
    #[inline]
    pub(crate) fn history(&self, slot: Slot) -> &History {
        &self.histories[slot as usize]
    }

    /// The customer's slot, if it was ever seen.
    pub(crate) fn slot_of(&self, customer: CustomerId) -> Option<Slot> {
        self.slots.get(&customer).copied()
    }

    /// Up to when a customer is erased, if it was ever seen.
    pub(crate) fn erased(&self, customer: CustomerId) -> Option<Millis> {
        self.slot_of(customer).and_then(|slot| self.history(slot).erased())
    }

    /// The customer's slot, given on first sight.
    #[inline]
    pub(crate) fn slot(&mut self, customer: CustomerId) -> Slot {
        let (histories, changes) = (&mut self.histories, &mut self.changes);
        *self.slots.or_insert_with(customer, || {
            let (history, slot) = (History::new(customer), histories.len() as Slot);
            changes.iter_mut().for_each(|changes| changes.add(&history, slot));
            histories.push(history);
            slot
        })
    }

    /// Begins an epoch with this horizon: nobody is touched.
    pub(crate) fn begin(&mut self, horizon: Horizon) {
        self.epoch_mark = self.epoch_mark.wrapping_add(1).max(1);
        self.folded.horizon = horizon;
    }

    /// Up to when events are folded in this epoch.
    pub(crate) fn horizon(&self) -> Horizon {
        self.folded.horizon
    }

    /// Who is to be visited in the epoch, in the order in which they were touched.
    pub(crate) fn touched(&self) -> &Blocks<Slot> {
        &self.touched
    }

    /// Ends the epoch, after all who were touched have been visited.
    pub(crate) fn end(&mut self) {
        debug_assert!(self.before.is_empty(), "whoever looked otherwise before has been visited");
        self.touched.clear();
    }

    /// What touching customers took since this was last asked for, in units of work: some are
    /// folded with it, and some written.
    #[inline]
    pub(crate) fn take_work(&mut self) -> usize {
        std::mem::take(&mut self.work)
    }

    /// A handle through which the customer can be changed; whoever is touched is visited in this
    /// epoch.
    #[inline]
    pub(crate) fn touch(&mut self, slot: Slot) -> Touched<'_> {
        let history = &mut self.histories[slot as usize];
        if history.touched != self.epoch_mark {
            history.touched = self.epoch_mark;
            self.touched.push(slot);
            self.note_change(slot);
            if self.folded.horizon.is_set() {
                self.fold_one(slot);
            }
        }
        Touched { customers: self, slot }
    }

    /// Meets the id of a purchase or an interaction; it is known from now on.
    #[inline]
    pub(crate) fn meet(&mut self, record: &Record, slot: Slot) -> Met {
        let Some(key) = id_key(record, slot) else { return Met::NoEvent };
        match self.known.insert(key) {
            false => Met::New,
            true if known::has(self.history(slot), record) => Met::Settled,
            true => Met::Perhaps(key),
        }
    }

    /// Goes on to make the filter of known ids large enough for so many records more: one that is
    /// too small has every history searched for every record. Says whether that is done.
    pub(crate) fn make_room(&mut self, records: usize, budget: &mut Budget) -> bool {
        self.known.make_room(&self.histories, records, self.folded.horizon.is_set(), budget)
    }

    /// Makes `row` the sums of the customer's first purchases, none of them later than `at`; says
    /// how many purchases it covers.
    pub(crate) fn row_until(&self, slot: Slot, at: Millis, row: &mut RunningRow) -> usize {
        self.rows.copy_until(self.history(slot), at, row)
    }

    /// Whether something of the customer looks different from before the epoch.
    pub(crate) fn looked_otherwise(&self, slot: Slot) -> bool {
        self.before.contains(&slot)
    }

    /// How the customer was last shown to the views.
    pub(crate) fn shown(&self, slot: Slot) -> Option<Shown> {
        self.shown.get(slot as usize)
    }

    /// Whether thresholds are computed from totals by day.
    pub(crate) fn has_totals(&self) -> bool {
        self.ledger.is_some()
    }

    /// Goes on to apply all purchases of days up to `through` to the totals, and says how these
    /// changed, in order of days; and whether that is done.
    pub(crate) fn close(
        &mut self,
        through: Day,
        changes: &mut Vec<TotalChange>,
        budget: &mut Budget,
    ) -> bool {
        self.ledger.as_mut().is_none_or(|ledger| ledger.close(through, changes, budget))
    }

    /// The process ends: giving back some lists for each of a million customers would only make it
    /// wait. Where snapshots are taken, the last one still needs them.
    pub(crate) fn let_go(&mut self) {
        if self.changes.is_none() {
            std::mem::forget(std::mem::take(&mut self.histories));
        }
    }
}

/// Hashes customers by their frozen hash.
#[derive(Clone, Copy, Debug, Default)]
struct CustomerHasher(u64);

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
