//! Which customers changed since the last snapshot, and the snapshot that is being taken.
//!
//! Time is divided into periods, one from each snapshot to the next. A customer carries the number
//! of the period in which it last changed, and a list for each virtual shard has those that changed
//! in the running one. When a snapshot begins, the lists are put aside and a new period begins.
//! Then the shards are written one after the other, some customers a turn; a customer that is about
//! to change and is not yet written goes into its shard's image first. So the image shows every
//! customer as of the epoch's end, whenever it is written.

use super::folding::FoldedTo;
use super::ledger::TotalsLedger;
use super::{Customers, Shown, Slot};
use crate::campaign::snapshot::image::{Bookkeeping, Image, Packing};
use crate::customer::history::History;
use crate::event::CustomerId;
use crate::event::text::{VIRTUAL_SHARDS, virtual_shard};
use crate::snapshot::Images;
use crate::source::Save;
use crate::state::sparse::Sparse;
use crate::state::turns::Budget;

/// Units of work that it takes to find a customer, whose history and rows lie anywhere in memory.
const FIND: usize = 8;

/// What changed, by virtual shard.
#[derive(Debug)]
pub(super) struct ChangedCustomers {
    /// Number of the running period, from 1 on.
    period: u32,
    shards: Vec<VirtualShard>,
    taking: Option<Taking>,
}

/// One virtual shard's customers on this worker.
#[derive(Debug, Default)]
struct VirtualShard {
    /// Ascending, as slots are given.
    members: Vec<Slot>,
    /// Members that changed in the running period.
    changed: Vec<Slot>,
    /// Bytes of its last whole image; 0 before there is one.
    whole_bytes: u64,
    /// Bytes of the images of changes since then.
    change_bytes: u64,
    /// A customer was erased since the running period began.
    disowned: bool,
}

/// A snapshot that is being taken.
#[derive(Debug)]
struct Taking {
    epoch: u64,
    /// Virtual shards before this one are written.
    next: usize,
    /// So many of its customers are.
    done: usize,
    /// Which are all before this slot.
    upto: Slot,
    parts: Vec<Part>,
    /// An image with all of its customers, on its way to bytes.
    packing: Option<Packing>,
}

/// One virtual shard's part of a snapshot.
#[derive(Debug, Default)]
struct Part {
    whole: bool,
    /// Without `whole`: who changed in the period that ended; ascending once the part's turn has
    /// come.
    changed: Vec<Slot>,
    /// What is written of it: those who changed again before their turn, and those whose turn has
    /// come.
    image: Image,
}

impl ChangedCustomers {
    /// Nothing has changed.
    pub(super) fn new() -> Self {
        ChangedCustomers {
            period: 1,
            shards: std::iter::repeat_with(VirtualShard::default).take(VIRTUAL_SHARDS).collect(),
            taking: None,
        }
    }

    /// Notes a new customer.
    pub(super) fn add(&mut self, history: &History, slot: Slot) {
        self.shards[virtual_shard(history.customer) as usize].members.push(slot);
    }

    /// Notes what is written of a virtual shard already.
    pub(super) fn written(&mut self, shard: u16, whole: bool, bytes: u64) {
        let shard = &mut self.shards[usize::from(shard)];
        if whole {
            (shard.whole_bytes, shard.change_bytes) = (bytes, 0);
        } else {
            shard.change_bytes += bytes;
        }
    }

    /// What is written of the customer's virtual shard must not be used any more: the next snapshot
    /// writes all of it.
    pub(super) fn disown(&mut self, customer: CustomerId) {
        self.shards[virtual_shard(customer) as usize].disowned = true;
    }

    /// Begins a snapshot and a new period. One that is still being taken is given up, and what it
    /// should have held is in this one.
    fn begin(&mut self, epoch: u64, save: Save) {
        let everything = save == Save::Everything || self.taking.is_some();
        let part = |shard: &mut VirtualShard| Part {
            // A chain of changes as long as the whole image doubles what a restart reads.
            whole: std::mem::take(&mut shard.disowned)
                || everything
                || shard.whole_bytes == 0
                || shard.change_bytes >= shard.whole_bytes,
            changed: std::mem::take(&mut shard.changed),
            image: Image::default(),
        };
        self.taking = Some(Taking {
            epoch,
            next: 0,
            done: 0,
            upto: 0,
            parts: self.shards.iter_mut().map(part).collect(),
            packing: None,
        });
        self.period += 1;
    }

    /// Notes that the customer changes now, for the first time in the epoch. Says whether it must
    /// be written before.
    fn note(&mut self, history: &mut History, slot: Slot) -> bool {
        let was = std::mem::replace(&mut history.changed, self.period);
        if was == self.period {
            return false;
        }
        let shard = virtual_shard(history.customer) as usize;
        self.shards[shard].changed.push(slot);
        self.taking.as_ref().is_some_and(|taking| {
            taking.lacks(shard, slot) && (taking.parts[shard].whole || was == self.period - 1)
        })
    }
}

impl Taking {
    /// Whether the turn of a customer is still to come.
    fn lacks(&self, shard: usize, slot: Slot) -> bool {
        shard > self.next || (shard == self.next && slot >= self.upto)
    }

    /// The next virtual shard that has something to be written.
    fn next_part(&mut self, shards: &[VirtualShard]) -> Option<usize> {
        let has_something = |shard: &usize| match &self.parts[*shard] {
            Part { whole: true, .. } => !shards[*shard].members.is_empty(),
            Part { changed, .. } => !changed.is_empty(),
        };
        self.next = (self.next..VIRTUAL_SHARDS).find(has_something).unwrap_or(VIRTUAL_SHARDS);
        Some(self.next).filter(|&next| next < VIRTUAL_SHARDS)
    }

    /// Begins the next virtual shard, and gives the image of this one.
    fn finish_part(&mut self) -> (bool, Image) {
        let part = std::mem::take(&mut self.parts[self.next]);
        (self.next, self.done, self.upto) = (self.next + 1, 0, 0);
        (part.whole, part.image)
    }
}

impl Customers {
    /// Begins to take a snapshot of the customers as they now are; [`Customers::save_some`] does
    /// the work. Called between two epochs.
    pub(crate) fn begin_snapshot(&mut self, epoch: u64, save: Save) {
        let Some(changes) = &mut self.changes else { return };
        changes.begin(epoch, save);
        if let Some(ledger) = &mut self.ledger {
            ledger.hold_late();
        }
    }

    /// Writes some more customers of the snapshot that is being taken, if there is room for them;
    /// says whether more is left. Called between two epochs.
    pub(crate) fn save_some(&mut self, images: &mut dyn Images, budget: &mut Budget) -> bool {
        let Some(changes) = &mut self.changes else { return false };
        let Some(taking) = &mut changes.taking else { return false };
        if taking.packing.is_none() && taking.next_part(&changes.shards).is_none() {
            images.complete(taking.epoch);
            changes.taking = None;
            self.ledger.iter_mut().for_each(TotalsLedger::release_late);
            return false;
        }
        if images.has_room() {
            self.write_turn(images, budget);
            images.rest();
        }
        true
    }

    fn write_turn(&mut self, images: &mut dyn Images, budget: &mut Budget) {
        while budget.is_left() {
            let Some(ChangedCustomers { taking: Some(taking), .. }) = &mut self.changes else {
                return;
            };
            let Some(packing) = &mut taking.packing else {
                if !self.write_customers(budget) {
                    return;
                }
                continue;
            };
            if let Some(image) = packing.pack(budget) {
                taking.packing = None;
                if let Some(changes) = &mut self.changes {
                    changes.written(image.shard, image.whole, image.bytes.len() as u64);
                }
                images.take(image);
                return;
            }
        }
    }

    /// Writes some customers of the next virtual shard; says whether that is now on its way to
    /// bytes.
    fn write_customers(&mut self, budget: &mut Budget) -> bool {
        let Some(changes) = &mut self.changes else { return false };
        let Some(taking) = &mut changes.taking else { return false };
        let Some(shard) = taking.next_part(&changes.shards) else { return false };
        let part = &mut taking.parts[shard];
        let mut image = std::mem::take(&mut part.image);
        let (whole, from) = (part.whole, taking.done);
        if from == 0 && !whole {
            part.changed.sort_unstable();
            budget.spend(part.changed.len());
        }
        let members = if whole { &changes.shards[shard].members } else { &part.changed };
        let (mut at, period) = (from, changes.period);
        while let Some(&slot) = members.get(at).filter(|_| budget.is_left()) {
            at += 1;
            let history = &self.histories[slot as usize];
            budget.spend(FIND);
            // Whoever changed since is in the image, and is new if not; a customer without anything
            // matters only where an earlier image has more.
            if history.changed != period && !(whole && history.is_void()) {
                let kept = kept(slot, &self.shown, self.ledger.as_ref(), &self.folded);
                budget.spend(image.push(history, kept));
            }
        }
        let next = members.get(at).copied();
        taking.parts[shard].image = image;
        if let Some(next) = next {
            (taking.done, taking.upto) = (at, next);
            return false;
        }
        let (whole, image) = taking.finish_part();
        taking.packing = Some(Packing::of(taking.epoch, shard as u16, whole, image));
        true
    }

    /// Notes that a customer is about to change; if the snapshot that is being taken does not have
    /// it yet, it is written now.
    #[inline]
    pub(super) fn note_change(&mut self, slot: Slot) {
        let Some(changes) = &mut self.changes else { return };
        if changes.note(&mut self.histories[slot as usize], slot) {
            self.write_before(slot);
        }
    }

    fn write_before(&mut self, slot: Slot) {
        let Some(ChangedCustomers { taking: Some(taking), .. }) = &mut self.changes else { return };
        let history = &self.histories[slot as usize];
        let part = &mut taking.parts[virtual_shard(history.customer) as usize];
        if !(part.whole && history.is_void()) {
            let kept = kept(slot, &self.shown, self.ledger.as_ref(), &self.folded);
            self.work += 2 + part.image.push(history, kept);
        }
    }
}

/// What an image has of a customer beside the history.
fn kept(
    slot: Slot,
    shown: &Sparse<Option<Shown>>,
    ledger: Option<&TotalsLedger>,
    folded: &FoldedTo,
) -> Bookkeeping {
    let shown = shown.get(slot as usize);
    let late = ledger.and_then(|ledger| ledger.late(slot)).unwrap_or_default();
    Bookkeeping {
        shown: shown.map_or(Bookkeeping::NOT_SHOWN, |shown| i32::from(shown.flags)),
        late_purchases: late.purchases,
        late_amount: late.amount,
        late_day: i64::from(late.day),
        folded_to: folded.to(slot),
    }
}
