//! What all the records together leave standing: ids settle first, then erasures apply.

use super::DeadLetter;
use super::read::{Contact, Keyed, Profile, Purchase, Records, Reward};
use std::collections::BTreeMap;

/// The settled events by (customer, id); everything else is a pure function of them.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    pub(crate) transactions: BTreeMap<(i64, String), Purchase>,
    pub(crate) interactions: BTreeMap<(i64, String), Contact>,
    pub(crate) rewards: BTreeMap<(i64, String), Reward>,
    /// Customer and version, in the order of the file.
    pub(crate) profiles: Vec<(i64, Profile)>,
    pub(crate) duplicates: usize,
    pub(crate) replaced: usize,
    pub(crate) retracted: usize,
    pub(crate) erased: usize,
    /// Retractions of unknown ids.
    pub(crate) unknown: Vec<DeadLetter>,
}

impl Settled {
    /// The latest timestamp among transactions and interactions.
    pub(crate) fn latest(&self) -> Option<i64> {
        let purchases = self.transactions.values().map(|purchase| purchase.timestamp);
        purchases.chain(self.interactions.values().map(|contact| contact.timestamp)).max()
    }

    /// All purchases of a customer.
    pub(crate) fn purchases_of(&self, customer: i64) -> impl Iterator<Item = &Purchase> {
        self.transactions
            .range((customer, String::new())..)
            .take_while(move |((owner, _), _)| *owner == customer)
            .map(|(_, purchase)| purchase)
    }

    /// "The version with the greatest timestamp <= t holds at t; of two with the same one (or none)
    /// the later record; before the first, no profile."
    pub(crate) fn profile_at(&self, customer: i64, t: i64) -> Option<&Profile> {
        let mut holds: Option<&Profile> = None;
        for (owner, version) in &self.profiles {
            let valid = *owner == customer && version.from.is_none_or(|from| from <= t);
            // None is less than any timestamp: since ever.
            if valid && holds.is_none_or(|earlier| earlier.from <= version.from) {
                holds = Some(version);
            }
        }
        holds
    }
}

/// Settles what was read.
pub(crate) fn settle(records: &Records) -> Settled {
    let mut settled = Settled { profiles: records.profiles.clone(), ..Settled::default() };
    settled.transactions =
        settle_ids("transactions", &records.transactions, &records.erasures, &mut settled);
    settled.interactions =
        settle_ids("interactions", &records.interactions, &records.erasures, &mut settled);
    settled.rewards = settle_ids("rewards", &records.rewards, &records.erasures, &mut settled);
    erase(&records.erasures, &mut settled);
    settled
}

/// "An event is known by (topic, customer_id, its id)"; earlier and later is the position in the
/// file.
fn settle_ids<C: Clone + PartialEq>(
    file: &str,
    records: &[Keyed<C>],
    erasures: &[(i64, i64)],
    settled: &mut Settled,
) -> BTreeMap<(i64, String), C> {
    let mut standing = BTreeMap::new();
    for record in records {
        let key = (record.customer, record.id.clone());
        match &record.content {
            // "The same id again with the same content, as kept, is a duplicate and changes
            // nothing."
            Some(content) if standing.get(&key) == Some(content) => settled.duplicates += 1,
            // "With other content it replaces the earlier one; after a retraction it is a new
            // event."
            Some(content) => {
                settled.replaced += usize::from(standing.insert(key, content.clone()).is_some())
            }
            // "Takes back the event of that id."
            None if standing.remove(&key).is_some() => settled.retracted += 1,
            // "A retraction of an id that is not known is a dead letter; of an erased customer it
            // is counted as erased."
            None if erasures.iter().any(|(customer, _)| *customer == record.customer) => {
                settled.erased += 1
            }
            None => settled.unknown.push(DeadLetter {
                file: file.to_owned(),
                position: record.position,
                reason: "unknown_id",
            }),
        }
    }
    standing
}

/// "Whatever of that customer is dated up to the erasure (an undated profile too) is dropped,
/// wherever and whenever it turns up; what is dated later counts as a new customer's."
fn erase(erasures: &[(i64, i64)], settled: &mut Settled) {
    let lives = |customer: i64, dated: Option<i64>| {
        !erasures.iter().any(|(erased, until)| {
            *erased == customer && dated.is_none_or(|timestamp| timestamp <= *until)
        })
    };
    let before = settled.transactions.len()
        + settled.interactions.len()
        + settled.rewards.len()
        + settled.profiles.len();
    settled
        .transactions
        .retain(|(customer, _), purchase| lives(*customer, Some(purchase.timestamp)));
    settled.interactions.retain(|(customer, _), contact| lives(*customer, Some(contact.timestamp)));
    settled.rewards.retain(|(customer, _), reward| lives(*customer, Some(reward.timestamp)));
    settled.profiles.retain(|(customer, version)| lives(*customer, version.from));
    let after = settled.transactions.len()
        + settled.interactions.len()
        + settled.rewards.len()
        + settled.profiles.len();
    settled.erased += before - after;
}
