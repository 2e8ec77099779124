//! Gathering what a worker asks: the interactions that its customers' rewards name in vain.

use super::{ROUND, Searching, leisure};
use crate::campaign::state::{Customers, Slot};
use crate::state::parts::Parts;
use crate::state::turns::Budget;
use hashbrown::HashSet;

/// What is asked in an epoch, while it is being gathered.
#[derive(Debug, Default)]
pub(in crate::campaign) struct Gathering {
    /// Whether it is, once that is known.
    pub(super) is_due: Option<bool>,
    /// What was looked at to know.
    weighed: u64,
    /// The next customer who may ask.
    next: Slot,
    pub(super) ids: Parts<u64, u64>,
}

impl Gathering {
    /// Goes on, in an epoch of so many records on this worker, once its customers have been
    /// visited; says whether that is done.
    pub(in crate::campaign) fn go_on(
        &mut self,
        (epoch, last, records): (u64, bool, u64),
        searching: &Searching,
        customers: &Customers,
        budget: &mut Budget,
    ) -> bool {
        let is_due = match self.is_due {
            Some(is_due) => is_due,
            None if last || epoch.is_multiple_of(ROUND) => true,
            None => {
                let Some(is_little) = self.weigh(leisure(records), searching, customers, budget)
                else {
                    return false;
                };
                self.next = 0;
                is_little
            }
        };
        self.is_due = Some(is_due);
        !is_due || self.gather(searching, customers, budget)
    }

    /// Whether what is asked for is found out by looking at so many entries, once that is known.
    pub(super) fn weigh(
        &mut self,
        entries: u64,
        searching: &Searching,
        customers: &Customers,
        budget: &mut Budget,
    ) -> Option<bool> {
        for &slot in searching.asking.range(self.next..) {
            if !budget.is_left() {
                return None;
            }
            let history = customers.history(slot);
            let rewards = history.extras.as_ref().map_or(0, |extras| extras.rewards.len());
            self.weighed += 1 + (history.interactions.len() + rewards) as u64;
            self.next = slot + 1;
            budget.spend(1);
            if self.weighed > entries {
                return Some(false);
            }
        }
        Some(true)
    }

    fn gather(
        &mut self,
        searching: &Searching,
        customers: &Customers,
        budget: &mut Budget,
    ) -> bool {
        for &slot in searching.asking.range(self.next..) {
            if !budget.is_left() {
                return false;
            }
            self.next = slot + 1;
            let history = customers.history(slot);
            budget.spend(1 + history.interactions.len());
            let own: HashSet<u64> =
                history.interactions.iter().map(|interaction| interaction.id).collect();
            let rewards = history.extras.iter().flat_map(|extras| &extras.rewards);
            // By the rule all customers are folded up to the horizon, though the turn of some may
            // be still to come.
            let kept = rewards.filter(|reward| reward.timestamp >= customers.horizon().events);
            kept.filter(|reward| !own.contains(&reward.interaction))
                .for_each(|reward| *self.ids.or_insert_with(reward.interaction, || 0) += 1);
        }
        true
    }
}
