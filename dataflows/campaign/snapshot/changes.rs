//! Which customers changed since the last snapshot, and the snapshot that is being taken.
//!
//! Time is divided into periods, one from each snapshot to the next. A customer carries the number
//! of the period in which it last changed, and a list for each virtual shard has those that changed
//! in the running one. When a snapshot begins, the lists are put aside and a new period begins.
//! Then the shards are written one after the other, some customers a call; a customer that is about
//! to change and is not yet written goes into its shard's image first. So the image shows every
//! customer as of the epoch's end, whenever it is written.

use super::image::{Image, Kept};
use super::{Images, ShardImage};
use crate::campaign::feed::Save;
use crate::campaign::shard::{Shard, Slot};
use crate::customer::history::History;
use crate::event::CustomerId;
use crate::event::text::{VIRTUAL_SHARDS, virtual_shard};

/// Customers that are written in one turn, before the stream goes on: of ten purchases and as many
/// interactions each, some 300 KB. Tests have few.
const IN_A_TURN: usize = if cfg!(test) { 2 } else { 512 };

/// What changed, by virtual shard.
#[derive(Debug)]
pub(in crate::campaign) struct Changes {
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

impl Changes {
    /// Nothing has changed.
    pub(in crate::campaign) fn new() -> Self {
        Changes {
            period: 1,
            shards: std::iter::repeat_with(VirtualShard::default).take(VIRTUAL_SHARDS).collect(),
            taking: None,
        }
    }

    /// Notes a new customer.
    pub(in crate::campaign) fn add(&mut self, history: &History, slot: Slot) {
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
    pub(in crate::campaign) fn disown(&mut self, customer: CustomerId) {
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
}

impl Shard {
    /// Begins to take a snapshot of the customers as they now are; [`Shard::go_on_with_snapshot`]
    /// does the work. Call it between two epochs.
    pub fn begin_snapshot(&mut self, epoch: u64, save: Save) {
        let Some(changes) = &mut self.changes else { return };
        changes.begin(epoch, save);
        if let Some(ledger) = &mut self.ledger {
            ledger.hold_late();
        }
    }

    /// Writes some more customers of the snapshot that is being taken, if there is room for them;
    /// says whether more is left. Call it between two epochs.
    pub fn go_on_with_snapshot(&mut self, images: &mut dyn Images) -> bool {
        let Some(shard) = self.next_part() else {
            if let Some(taking) = self.changes.as_mut().and_then(|changes| changes.taking.take()) {
                images.complete(taking.epoch);
                self.ledger.iter_mut().for_each(|ledger| ledger.release_late());
            }
            return false;
        };
        if images.has_room() {
            self.write_turn(shard, images);
            images.rest();
        }
        true
    }

    /// The next virtual shard that has something to be written.
    fn next_part(&mut self) -> Option<usize> {
        let changes = self.changes.as_mut()?;
        let taking = changes.taking.as_mut()?;
        let has_something = |shard: &usize| {
            let part = &taking.parts[*shard];
            if part.whole {
                !changes.shards[*shard].members.is_empty()
            } else {
                !part.changed.is_empty()
            }
        };
        taking.next = (taking.next..VIRTUAL_SHARDS).find(has_something).unwrap_or(VIRTUAL_SHARDS);
        Some(taking.next).filter(|&next| next < VIRTUAL_SHARDS)
    }

    fn write_turn(&mut self, shard: usize, images: &mut dyn Images) {
        let Some(changes) = &mut self.changes else { return };
        let Some(taking) = &mut changes.taking else { return };
        let (period, from) = (changes.period, taking.done);
        let part = &mut taking.parts[shard];
        let whole = part.whole;
        let members = std::mem::take(if whole {
            &mut changes.shards[shard].members
        } else {
            &mut part.changed
        });
        let (mut members, mut image) = (members, std::mem::take(&mut part.image));
        if from == 0 && !whole {
            members.sort_unstable();
        }
        let end = members.len().min(from + IN_A_TURN);
        for &slot in &members[from..end] {
            let history = &self.histories[slot as usize];
            // Whoever changed since is in the image, and is new if not; a customer without anything
            // matters only where an earlier image has more.
            if history.changed != period && !(whole && history.is_void()) {
                image.push(history, self.kept(slot));
            }
        }
        let next = members.get(end).copied();
        let Some(changes) = &mut self.changes else { return };
        let Some(taking) = &mut changes.taking else { return };
        match whole {
            true => changes.shards[shard].members = members,
            false => taking.parts[shard].changed = members,
        }
        if let Some(next) = next {
            taking.parts[shard].image = image;
            (taking.done, taking.upto) = (end, next);
            return;
        }
        taking.parts[shard].changed = Vec::new();
        (taking.next, taking.done, taking.upto) = (shard + 1, 0, 0);
        let (epoch, customers) = (taking.epoch, image.customers());
        let image =
            ShardImage { epoch, shard: shard as u16, whole, customers, bytes: image.into_bytes() };
        changes.written(image.shard, whole, image.bytes.len() as u64);
        images.take(image);
    }

    /// Notes that a customer is about to change; if the snapshot that is being taken does not have
    /// it yet, it is written now.
    pub(in crate::campaign) fn note_change(&mut self, slot: Slot) {
        let Some(changes) = &mut self.changes else { return };
        if !changes.note(&mut self.histories[slot as usize], slot) {
            return;
        }
        let history = &self.histories[slot as usize];
        let kept = self.kept(slot);
        let shard = virtual_shard(history.customer) as usize;
        if let Some(taking) = self.changes.as_mut().and_then(|changes| changes.taking.as_mut())
            && !(taking.parts[shard].whole && history.is_void())
        {
            taking.parts[shard].image.push(history, kept);
        }
    }

    fn kept(&self, slot: Slot) -> Kept {
        let shown = self.shown.get(slot as usize).copied().flatten();
        let late = self.ledger.as_ref().and_then(|ledger| ledger.late(slot)).unwrap_or_default();
        Kept {
            shown: shown.map_or(Kept::NOT_SHOWN, |shown| i32::from(shown.flags)),
            late_purchases: late.purchases,
            late_amount: late.amount,
            late_day: i64::from(late.day),
            folded_to: self.folding.folded_to(slot),
        }
    }
}
