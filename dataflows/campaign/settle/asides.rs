//! The rare news of one epoch, sorted by what they are.

use super::PlacedRequest;
use crate::campaign::state::{Customers, Slot};
use crate::event::{Aside, Attachment, CustomerId, Millis, Place, Profile, Rejected, Topic};
use crate::state::blocks::{Blocks, IntoItems};
use crate::state::ordered::Ordered;
use crate::state::parts::{IntoPairs, Parts};
use crate::state::turns::Budget;

/// What goes with interactions, by slot and place in their topic: the interaction's id, and what it
/// carries.
type Attachments = Parts<(Slot, Place), (u64, Attachment)>;

/// What it costs to put an aside where it belongs, in units of work.
const ASIDE: usize = 3;

/// The rare news of one epoch.
pub(super) struct Asides {
    /// As they came; those that are sorted hold profile versions only. These are many at a time
    /// where customers are first read, so that they stay where they are.
    batches: Vec<Vec<Aside>>,
    sorted: usize,
    placed: usize,
    profiles: Ordered<(Slot, Place), ProfileAt>,
    /// Retractions and rewards as they would be rejected, by slot, topic and place.
    doubtful: Parts<(Slot, Topic, Place), Rejected>,
    past: Blocks<Outdated>,
    rejected: Blocks<Rejected>,
    attachments: Attachments,
}

/// An event or a request older than is kept.
#[derive(Debug)]
pub(super) struct Outdated {
    pub(super) customer: CustomerId,
    pub(super) timestamp: Millis,
    pub(super) rejected: Rejected,
}

/// What is left of them once all profile versions and records are settled.
#[derive(Default)]
pub(super) struct LeftAsides {
    /// Events and requests older than is kept.
    pub(super) past: IntoItems<Outdated>,
    /// Rejected records of customers, who may be erased.
    pub(super) rejected: IntoItems<Rejected>,
    /// What goes with interactions.
    pub(super) attachments: Option<IntoPairs<(Slot, Place), (u64, Attachment)>>,
    /// Records that would have been rejected, but were not.
    pub(super) taken: Option<IntoPairs<(Slot, Topic, Place), Rejected>>,
}

/// Where a profile version is, among batches of asides.
#[derive(Clone, Copy, Debug)]
struct ProfileAt {
    slot: Slot,
    batch: u32,
    index: u32,
    place: Place,
}

impl Asides {
    /// Unsorted ones.
    pub(super) fn of(batches: Vec<Vec<Aside>>) -> Self {
        Asides {
            batches,
            sorted: 0,
            placed: 0,
            profiles: Ordered::by(|at: &ProfileAt| (at.slot, at.place)),
            doubtful: Parts::default(),
            past: Blocks::new(),
            rejected: Blocks::new(),
            attachments: Parts::default(),
        }
    }

    /// Goes on to sort out all but profile versions; says whether that is done.
    pub(super) fn sort(
        &mut self,
        customers: &mut Customers,
        requests: &mut Ordered<(Slot, Place), PlacedRequest>,
        budget: &mut Budget,
    ) -> bool {
        while self.sorted < self.batches.len() {
            if !budget.is_left() {
                return false;
            }
            let mut batch = std::mem::take(&mut self.batches[self.sorted]);
            budget.spend(batch.len());
            for aside in batch.extract_if(.., |aside| !matches!(aside, Aside::Profile { .. })) {
                self.sort_one(aside, customers, requests);
                budget.spend(ASIDE + customers.take_work());
            }
            self.batches[self.sorted] = batch;
            self.sorted += 1;
        }
        true
    }

    fn sort_one(
        &mut self,
        aside: Aside,
        customers: &mut Customers,
        requests: &mut Ordered<(Slot, Place), PlacedRequest>,
    ) {
        match aside {
            Aside::Past { customer, timestamp, rejected } => {
                self.past.push(Outdated { customer, timestamp, rejected: *rejected });
            }
            Aside::Rejected { rejected, .. } => self.rejected.push(*rejected),
            Aside::Doubtful { customer, rejected } => {
                let slot = customers.slot(customer);
                let topic = Topic::of(rejected.topic);
                self.doubtful.insert((slot, topic, rejected.place), *rejected);
            }
            Aside::Attachment { customer, id, place, attachment } => {
                let slot = customers.slot(customer);
                self.attachments.insert((slot, place), (id, *attachment));
            }
            Aside::Request { customer, place, request } => {
                let slot = customers.slot(customer);
                customers.touch(slot);
                requests.push((slot, place, *request));
            }
            Aside::Profile { .. } => {}
        }
    }

    /// Goes on to put profile versions in order, by slot and place; says whether that is done.
    pub(super) fn order_profiles(
        &mut self,
        customers: &mut Customers,
        budget: &mut Budget,
    ) -> bool {
        while let Some(batch) = self.batches.get(self.placed) {
            if !budget.is_left() {
                return false;
            }
            budget.spend(2 * batch.len());
            for (index, aside) in (0..).zip(batch) {
                if let Aside::Profile { customer, place, .. } = aside {
                    let (slot, batch) = (customers.slot(*customer), self.placed as u32);
                    self.profiles.push(ProfileAt { slot, batch, index, place: *place });
                }
            }
            self.placed += 1;
        }
        true
    }

    /// The next profile version, by slot and place.
    pub(super) fn next_profile(&mut self) -> Option<(Slot, Profile)> {
        let ProfileAt { slot, batch, index, .. } = self.profiles.next()?;
        match self.batches[batch as usize][index as usize] {
            Aside::Profile { profile, .. } => Some((slot, profile)),
            _ => unreachable!("only profile versions were put in order"),
        }
    }

    /// Profile versions are settled: gives back their memory.
    pub(super) fn forget_profiles(&mut self) {
        self.batches = Vec::new();
    }

    /// Takes what goes with the interaction at a place.
    pub(super) fn take_attachment(&mut self, slot: Slot, place: Place) -> Option<Attachment> {
        self.attachments.remove(&(slot, place)).map(|(_, attachment)| attachment)
    }

    /// Takes a record as it would be rejected.
    pub(super) fn take_doubtful(
        &mut self,
        slot: Slot,
        topic: Topic,
        place: Place,
    ) -> Option<Rejected> {
        self.doubtful.remove(&(slot, topic, place))
    }

    /// What is left of them.
    pub(super) fn leave(&mut self) -> LeftAsides {
        LeftAsides {
            past: std::mem::take(&mut self.past).into_iter(),
            rejected: std::mem::take(&mut self.rejected).into_iter(),
            attachments: Some(std::mem::take(&mut self.attachments).into_iter()),
            taken: Some(std::mem::take(&mut self.doubtful).into_iter()),
        }
    }
}
