//! What is left of a customer's events that are older than is kept: their sums, and how many there
//! were.
//!
//! Folding to an instant and then to a later one leaves the same as folding to the later one at
//! once, and it changes nothing that is computed for an instant after it: when a customer is folded
//! is therefore free.

use super::Transaction;
use super::history::{Extras, History, Interaction, Reward};
use super::summary::{Layout, Summary};
use super::unmatched::Unmatched;
use crate::event::Millis;
use hashbrown::{HashMap, HashSet};

/// The sums of folded events: every walk through the history starts from them.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded {
    /// Purchases.
    pub summary: Summary,
    /// Their counts, by [`Layout`].
    pub counts: Box<[u32]>,
    /// Interactions. All had entered the model, where they stay.
    pub contributions: u64,
    /// Delayed rewards.
    pub rewards: u64,
    /// Of these, those that had joined nothing when they were folded.
    pub unmatched: Unmatched,
    /// The earliest of these interactions; `Millis::MAX` for none.
    pub first_contact: Millis,
    /// The latest of them; `Millis::MIN` for none.
    pub last_contact: Millis,
    /// The earliest of these rewards; `Millis::MAX` for none.
    pub first_reward: Millis,
    /// The latest instant that a profile version among them bore; `Millis::MIN` for none.
    pub profiled: Millis,
}

impl Folded {
    /// Nothing, with so many counts.
    fn new(stride: usize) -> Self {
        Folded {
            summary: Summary::default(),
            counts: vec![0; stride].into(),
            contributions: 0,
            rewards: 0,
            unmatched: Unmatched::default(),
            first_contact: Millis::MAX,
            last_contact: Millis::MIN,
            first_reward: Millis::MAX,
            profiled: Millis::MIN,
        }
    }

    /// Whether there are purchases in it.
    pub fn has_purchases(&self) -> bool {
        self.summary.purchases > 0
    }

    /// Whether an event in it is dated up to then.
    pub fn reaches_back_to(&self, until: Millis) -> bool {
        self.has_purchases() && self.summary.first <= until
            || self.first_contact <= until
            || self.first_reward <= until
    }

    /// The first and the last instant of its purchases and interactions.
    pub fn range(&self) -> Option<(Millis, Millis)> {
        let purchases = self.has_purchases().then_some((self.summary.first, self.summary.last));
        let contacts = (self.contributions > 0).then_some((self.first_contact, self.last_contact));
        purchases
            .into_iter()
            .chain(contacts)
            .reduce(|(first, last), (start, end)| (first.min(start), last.max(end)))
    }

    /// The latest instant that anything in it bore.
    pub fn latest(&self) -> Option<Millis> {
        self.range().map(|(_, last)| last).max(Some(self.profiled).filter(|&at| at > Millis::MIN))
    }
}

impl History {
    /// Whether anything is dated before the instant that folding might take away. Nothing may have
    /// been appended.
    pub fn reaches_behind(&self, before: Millis) -> bool {
        self.transactions.first().is_some_and(|t| t.timestamp() < before)
            || self.interactions.first().is_some_and(|i| i.timestamp < before)
            || self.profiles.get(1).is_some_and(|p| p.from < before)
            || self.extras.as_ref().is_some_and(|extras| {
                extras.rewards.iter().any(|r| r.timestamp < before)
                    || extras.decisions.iter().any(|d| d.timestamp < before)
            })
    }

    /// Folds everything dated before an instant: purchases into their sums, interactions into their
    /// number, with their rewards and attachments; of profile versions the newest stays, and of
    /// decisions those that an interaction still there has carried out.
    ///
    /// Nothing may have been appended, and every interaction dated before must have been emitted.
    /// Rewards join within `window`.
    pub fn fold(&mut self, before: Millis, window: Millis, layout: &Layout) {
        debug_assert_eq!(
            (self.settled_transactions as usize, self.settled_interactions as usize),
            (self.transactions.len(), self.interactions.len())
        );
        let purchases = self.transactions.partition_point(|t| t.timestamp() < before);
        let contacts = self.interactions.partition_point(|i| i.timestamp < before);
        debug_assert!(
            contacts <= self.done_interactions as usize,
            "an interaction older than is kept has not been emitted"
        );
        let profiles = self.profiles.partition_point(|p| p.from < before).saturating_sub(1);
        if let Some(extras) = &mut self.extras {
            let (gone, kept) = self.interactions.split_at(contacts);
            fold_extras(extras, gone, kept, (before, window), layout);
        }
        fold_purchases(&mut self.extras, &self.transactions[..purchases], layout);
        fold_contacts(&mut self.extras, &self.interactions[..contacts], layout);
        let profiled = self.profiles[..profiles]
            .iter()
            .flat_map(|p| [p.from, p.signup])
            .max()
            .filter(|&at| at > Millis::MIN);
        if let Some(profiled) = profiled {
            let folded = sums(&mut self.extras, layout);
            folded.profiled = folded.profiled.max(profiled);
        }
        remove_first(&mut self.transactions, purchases);
        remove_first(&mut self.interactions, contacts);
        remove_first(&mut self.profiles, profiles);
        self.extras.take_if(|extras| **extras == Extras::default());
        self.shift_done(purchases as u32, contacts as u32);
    }

    /// The first so many purchases and interactions are gone. Where fewer purchases had been worked
    /// through, none is now: the row starts from what is folded.
    fn shift_done(&mut self, purchases: u32, contacts: u32) {
        self.settled_transactions -= purchases;
        self.settled_interactions -= contacts;
        self.done_transactions = self.done_transactions.saturating_sub(purchases);
        self.done_interactions -= contacts;
    }
}

/// The sums, made if there are none.
fn sums<'a>(extras: &'a mut Option<Box<Extras>>, layout: &Layout) -> &'a mut Folded {
    extras
        .get_or_insert_default()
        .folded
        .get_or_insert_with(|| Box::new(Folded::new(layout.stride())))
}

fn fold_purchases(extras: &mut Option<Box<Extras>>, gone: &[Transaction], layout: &Layout) {
    if !gone.is_empty() {
        let Folded { summary, counts, .. } = sums(extras, layout);
        gone.iter().for_each(|transaction| layout.add(summary, counts, transaction));
    }
}

fn fold_contacts(extras: &mut Option<Box<Extras>>, gone: &[Interaction], layout: &Layout) {
    if let [first, ..] = gone {
        let folded = sums(extras, layout);
        folded.contributions += gone.len() as u64;
        folded.first_contact = folded.first_contact.min(first.timestamp);
        folded.last_contact = gone
            .iter()
            .fold(folded.last_contact, |last, interaction| last.max(interaction.timestamp));
    }
}

/// A reward goes with its interaction. One whose interaction is not there goes when no interaction
/// can come any more that it would belong to.
fn fold_extras(
    extras: &mut Extras,
    gone: &[Interaction],
    kept: &[Interaction],
    (before, window): (Millis, Millis),
    layout: &Layout,
) {
    let gone: HashMap<u64, Millis> =
        gone.iter().map(|interaction| (interaction.id, interaction.timestamp)).collect();
    let kept: HashSet<u64> = kept.iter().map(|interaction| interaction.id).collect();
    let rewards = std::mem::take(&mut extras.rewards);
    let stays = |reward: &Reward| {
        kept.contains(&reward.interaction)
            || reward.timestamp >= before && !gone.contains_key(&reward.interaction)
    };
    let (staying, leaving): (Vec<Reward>, Vec<Reward>) = rewards.into_iter().partition(stays);
    extras.rewards = staying;
    if let Some(first) = leaving.iter().map(|reward| reward.timestamp).min() {
        let folded = extras.folded.get_or_insert_with(|| Box::new(Folded::new(layout.stride())));
        folded.rewards += leaving.len() as u64;
        folded.first_reward = folded.first_reward.min(first);
        leaving.iter().for_each(|reward| {
            folded.unmatched.take_in(
                reward.timestamp,
                gone.get(&reward.interaction).copied(),
                window,
            )
        });
    }
    extras.attachments.retain(|(id, _)| kept.contains(id));
    give_back(&mut extras.attachments);
    let carried_out: HashSet<u64> =
        extras.attachments.iter().filter_map(|(_, attachment)| attachment.decision).collect();
    extras
        .decisions
        .retain(|decided| decided.timestamp >= before || carried_out.contains(&decided.key));
    give_back(&mut extras.decisions);
}

fn remove_first<T>(list: &mut Vec<T>, number: usize) {
    if number > 0 {
        list.drain(..number);
        give_back(list);
    }
}

/// Gives memory back of which more than half is not needed. A list that is folded day by day, while
/// as much comes in, need not be copied each day.
fn give_back<T>(list: &mut Vec<T>) {
    if list.capacity() >= 2 * list.len() {
        list.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests;
