//! Settling: what all records of an epoch together leave standing of each customer's events.
//!
//! Nearly every record is an insert of a new id of a customer with nothing to be careful about: it
//! is appended, one look-up and one push. Customers with anything else (an id seen before, a
//! retraction, a delayed reward, an erasure) have all their records of the epoch resolved by
//! [`resolve`], in order of their places.
//!
//! An epoch may have any number of records, so that it is settled in turns: [`STAGES`] after each
//! other, each some at a time.

mod appending;
mod asides;
mod careful;
mod closing;
mod erasing;
mod resolve;
mod roll;

use crate::campaign::output::{Counts, Erasure};
use crate::campaign::settling::TotalChanges;
use crate::campaign::state::{Customers, Slot};
use crate::campaign::thresholds::Thresholds;
use crate::codec::Rows;
use crate::customer::Transaction;
use crate::customer::history::{History, Interaction};
use crate::epoch::Closed;
use crate::event::{Aside, Contact, Millis, Place, Purchase, Record, Rejected, Request};
use crate::settings::{Settings, TimeSettings};
use crate::state::ordered::Ordered;
use crate::state::turns::Budget;
use asides::{Asides, LeftAsides};
use careful::Careful;
use std::sync::Arc;

/// A request for a decision: whose, where it stands, and what is asked.
pub(crate) type PlacedRequest = (Slot, Place, Request);

/// What settling an epoch leaves for those who learn from it.
pub(crate) struct Settled {
    /// What decisions are asked for.
    pub(crate) requests: Ordered<(Slot, Place), PlacedRequest>,
    /// Customers that were erased, as far as that has not been said.
    erasures: Vec<Erasure>,
    /// What was counted.
    pub(crate) counts: Counts,
}

/// What there is to be said of an epoch after a turn.
#[derive(Default)]
pub(crate) struct Said {
    /// How totals changed.
    pub(crate) totals: Option<TotalChanges>,
    /// What was rejected.
    pub(crate) rejected: Vec<Rejected>,
    /// Customers that were erased.
    pub(crate) erasures: Vec<Erasure>,
}

/// What arrived for an epoch.
#[derive(Default)]
pub(crate) struct News {
    /// Records, in batches of any order: their places decide.
    pub(crate) records: Vec<Rows<Record>>,
    /// What is rare or has no fixed size, likewise.
    pub(crate) asides: Vec<Vec<Aside>>,
    /// How the epoch was closed.
    pub(crate) closed: Option<Closed>,
}

/// What holds as an epoch begins.
struct Moment {
    time: TimeSettings,
    watermark: Option<Millis>,
    /// Events dated before this instant are late.
    late_before: Millis,
    /// Every customer is to be told anew, as nothing that was emitted holds any more.
    anew: bool,
    /// Each purchase asks for a decision.
    asks: bool,
    end: Closed,
}

/// An epoch that is being settled.
pub(crate) struct Settling {
    moment: Moment,
    settled: Settled,
    rejected: Vec<Rejected>,
    stage: usize,
    /// How many customers, batches or whatever the stage goes through are done.
    done: usize,
    batches: Vec<Rows<Record>>,
    asides: Asides,
    left_asides: LeftAsides,
    /// The slot of each record; of those before `placed` the records are settled.
    slots: Vec<Slot>,
    placed: usize,
    careful: Careful,
    /// Records that are resolved in order.
    left: Ordered<(Slot, Place), (Slot, Record)>,
    latest: Option<Millis>,
}

/// Goes on with a stage; says whether that is done.
type Stage = fn(&mut Settling, &mut Customers, &mut Budget) -> bool;

/// The stages of settling an epoch.
const STAGES: &[Stage] = &[
    Settling::touch_all,
    Settling::make_room,
    Settling::sort_asides,
    Settling::order_profiles,
    Settling::look_over,
    Settling::find_repeated,
    Settling::settle_profiles,
    Settling::append_all,
    Settling::settle_carefully,
    Settling::leave_asides,
    Settling::judge_past,
    Settling::blank_erased,
    Settling::attach,
    Settling::forget_taken,
    Settling::count_resolved,
    Settling::ask_for_purchases,
    Settling::find_latest,
];

impl Settling {
    /// Begins to settle what arrived for an epoch, as things stand after the one before.
    ///
    /// After it every touched history holds its settled events, in-order news appended and
    /// unsorted.
    pub(crate) fn new(
        settings: &Arc<Settings>,
        epoch: u64,
        news: News,
        (thresholds, watermark): (&Thresholds, Option<Millis>),
        anew: bool,
    ) -> Self {
        let moment = Moment {
            time: settings.time.clone(),
            watermark,
            late_before: thresholds.late_before(),
            anew,
            asks: settings.serving(epoch).decide_on_transaction,
            end: news.closed.unwrap_or_default(),
        };
        Settling {
            moment,
            settled: Settled {
                requests: Ordered::by(|(slot, place, _)| (*slot, *place)),
                erasures: Vec::new(),
                counts: Counts::none(),
            },
            rejected: Vec::new(),
            stage: 0,
            done: 0,
            slots: Vec::new(),
            placed: 0,
            batches: news.records,
            asides: Asides::of(news.asides),
            left_asides: LeftAsides::default(),
            careful: Careful::default(),
            left: Ordered::by(|(slot, record)| (*slot, record.place())),
            latest: None,
        }
    }

    /// Goes on; gives what there is to be said, and whether the epoch is settled with that.
    pub(crate) fn go_on(&mut self, customers: &mut Customers, budget: &mut Budget) -> (Said, bool) {
        while let Some(stage) = STAGES.get(self.stage) {
            if !budget.is_left() || !stage(self, customers, budget) {
                return (self.say(), false);
            }
            (self.stage, self.done) = (self.stage + 1, 0);
        }
        let mut said = self.say();
        let (totals, is_closed) = self.close_days(customers, budget);
        said.totals = Some(totals);
        (said, is_closed)
    }

    /// What it leaves, and how the epoch was closed.
    pub(crate) fn finish(self) -> (Settled, Closed) {
        (self.settled, self.moment.end)
    }

    fn say(&mut self) -> Said {
        let rejected = std::mem::take(&mut self.rejected);
        Said { totals: None, rejected, erasures: std::mem::take(&mut self.settled.erasures) }
    }

    fn touch_all(&mut self, customers: &mut Customers, budget: &mut Budget) -> bool {
        if !self.moment.anew {
            return true;
        }
        let share = budget.share(self.done, customers.len(), 1);
        self.done = share.end;
        for slot in share {
            customers.touch(slot as Slot);
        }
        budget.spend(customers.take_work());
        self.done == customers.len()
    }

    fn make_room(&mut self, customers: &mut Customers, budget: &mut Budget) -> bool {
        let records = self.batches.iter().map(|batch| batch.0.len()).sum();
        if self.slots.capacity() == 0 {
            self.slots.reserve_exact(records);
        }
        customers.make_room(records, budget)
    }

    fn sort_asides(&mut self, customers: &mut Customers, budget: &mut Budget) -> bool {
        self.asides.sort(customers, &mut self.settled.requests, budget)
    }

    fn order_profiles(&mut self, customers: &mut Customers, budget: &mut Budget) -> bool {
        self.asides.order_profiles(customers, budget)
    }

    /// Profile versions, by slot and place: of two of one instant the later one holds. They come
    /// before all events, so that where customers are first read their memory is there for these.
    fn settle_profiles(&mut self, customers: &mut Customers, budget: &mut Budget) -> bool {
        while budget.is_left() {
            let Some((slot, profile)) = self.asides.next_profile() else {
                self.asides.forget_profiles();
                return true;
            };
            self.settled.counts.records += 1;
            let mut customer = customers.touch(slot);
            let erased = customer.history().erased().max(self.careful.erased(slot));
            if erased.is_some_and(|until| profile.from <= until) {
                self.settled.counts.erased += 1;
            } else {
                customer.take_profile(profile);
            }
            budget.spend(2 + customers.take_work());
        }
        false
    }
}

impl Settled {
    /// A purchase asks for a decision; its id is made of the purchase's.
    fn ask_for(&mut self, slot: Slot, purchase: &Transaction) {
        let decision = format!("transaction-{:016x}", purchase.id);
        let request = Request { decision, timestamp: purchase.timestamp(), ..Request::default() };
        // Their order decides nothing, but must be the same in every run.
        self.requests.push((slot, Place(purchase.id), request));
    }
}

/// Events of a customer.
fn events(history: &History) -> usize {
    history.transactions.len() + history.interactions.len()
}

/// The purchase that a record states.
#[inline]
fn transaction(record: &Record) -> Transaction {
    Transaction::coded(record.id, record.timestamp, Purchase(record.value), record.extra)
}

/// The interaction that a record states.
#[inline]
fn interaction(record: &Record) -> Interaction {
    Interaction {
        id: record.id,
        timestamp: record.timestamp,
        contact: Contact(record.value),
        propensity: f64::from_bits(record.extra),
    }
}
