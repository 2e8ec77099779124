//! Resolution: one customer's records of an epoch, applied in the order of their places.
//!
//! Ids settle first, then erasures apply. The result depends only on what was settled and on the
//! records, not on how they were batched.

use crate::campaign::output::Erasure;
use crate::campaign::settle::{interaction, transaction};
use crate::campaign::shard::{Shard, Slot};
use crate::campaign::thresholds::day_of;
use crate::customer::Transaction;
use crate::customer::folded::Folded;
use crate::customer::history::{Extras, Interaction, Reward};
use crate::customer::unmatched::Unmatched;
use crate::event::{Attachment, Kind, Millis, Place, Reason, Record, Rejected, Topic};
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

/// Something settled that is known by its id and has an instant.
trait Settled: Copy + PartialEq {
    fn id(&self) -> u64;
    fn timestamp(&self) -> Millis;
}

impl Settled for Transaction {
    fn id(&self) -> u64 {
        self.id
    }
    fn timestamp(&self) -> Millis {
        Transaction::timestamp(self)
    }
}

impl Settled for Interaction {
    fn id(&self) -> u64 {
        self.id
    }
    fn timestamp(&self) -> Millis {
        self.timestamp
    }
}

impl Settled for Reward {
    fn id(&self) -> u64 {
        self.id
    }
    fn timestamp(&self) -> Millis {
        self.timestamp
    }
}

/// Events of one topic by id, with those settled before the epoch in front.
struct Roll<T> {
    items: Vec<Option<T>>,
    at: HashMap<u64, usize>,
    settled: Vec<T>,
    /// The earliest instant at which something settled changes.
    changed: Option<Millis>,
}

/// What an insert turned out to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Put {
    New,
    Duplicate,
    Replaced,
}

impl<T: Settled> Roll<T> {
    fn of(settled: &[T]) -> Self {
        Roll {
            items: settled.iter().copied().map(Some).collect(),
            at: settled.iter().enumerate().map(|(i, item)| (item.id(), i)).collect(),
            settled: settled.to_vec(),
            changed: None,
        }
    }

    fn get(&self, id: u64) -> Option<&T> {
        self.at.get(&id).and_then(|&i| self.items[i].as_ref())
    }

    /// Inserts `new`; `same` says whether the one that is there has the same content.
    fn put(&mut self, new: T, same: impl FnOnce(&T) -> bool) -> Put {
        match self.at.entry(new.id()) {
            Entry::Vacant(vacant) => {
                vacant.insert(self.items.len());
                self.items.push(Some(new));
                Put::New
            }
            Entry::Occupied(occupied) => {
                let at = *occupied.get();
                let Some(old) = self.items[at].replace(new) else { return Put::New };
                if same(&old) {
                    return Put::Duplicate;
                }
                self.change(at, old.timestamp().min(new.timestamp()));
                Put::Replaced
            }
        }
    }

    /// Takes the event of this id back, if it is there.
    fn take(&mut self, id: u64) -> Option<T> {
        let at = self.at.remove(&id)?;
        let taken = self.items[at].take()?;
        self.change(at, taken.timestamp());
        Some(taken)
    }

    /// Drops everything dated up to `until`; says how many.
    fn erase(&mut self, until: Millis) -> u64 {
        let doomed: Vec<u64> = self
            .items
            .iter()
            .flatten()
            .filter(|item| item.timestamp() <= until)
            .map(Settled::id)
            .collect();
        doomed.iter().filter(|&&id| self.take(id).is_some()).count() as u64
    }

    fn change(&mut self, at: usize, since: Millis) {
        if at < self.settled.len() {
            self.changed = Some(self.changed.map_or(since, |changed| changed.min(since)));
        }
    }

    /// What is left, unsorted: settled ones in front in their order, then new ones as they came.
    fn left(&self) -> impl Iterator<Item = T> + '_ {
        self.items.iter().flatten().copied()
    }

    /// What appeared that was not settled so before.
    fn appeared(&self) -> impl Iterator<Item = &T> + '_ {
        self.items
            .iter()
            .enumerate()
            .filter(|(i, item)| item.as_ref() != self.settled.get(*i))
            .filter_map(|(_, item)| item.as_ref())
    }

    /// What was settled before and is not so any more.
    fn vanished(&self) -> impl Iterator<Item = &T> + '_ {
        self.settled
            .iter()
            .zip(&self.items)
            .filter(|(settled, item)| item.as_ref() != Some(settled))
            .map(|(settled, _)| settled)
    }
}

/// One customer's records of an epoch being resolved.
pub(super) struct Resolution<'a> {
    shard: &'a mut Shard,
    slot: Slot,
    transactions: Roll<Transaction>,
    interactions: Roll<Interaction>,
    rewards: Roll<Reward>,
    extras: Extras,
    /// Interactions whose delayed rewards changed.
    rewarded: Vec<u64>,
    /// Retractions of ids that were not known.
    unknown: Vec<(Topic, Place)>,
    /// Rewards whose interaction may have been folded.
    refused: Vec<Place>,
    /// An erasure is among the records.
    erasing: bool,
    /// It took away what was folded.
    unfolded: bool,
}

impl<'a> Resolution<'a> {
    /// Starts from what was settled before the epoch.
    pub(super) fn of(shard: &'a mut Shard, slot: Slot) -> Self {
        let history = &shard.histories[slot as usize];
        let settled = history.settled_view();
        let extras = history.extras.as_deref().cloned().unwrap_or_default();
        Resolution {
            transactions: Roll::of(settled.transactions),
            interactions: Roll::of(settled.interactions),
            rewards: Roll::of(&extras.rewards),
            extras,
            rewarded: Vec::new(),
            unknown: Vec::new(),
            refused: Vec::new(),
            erasing: false,
            unfolded: false,
            shard,
            slot,
        }
    }

    /// Applies the records, sorted by place, and leaves the customer settled.
    pub(super) fn settle<'r>(
        mut self,
        records: impl Iterator<Item = &'r Record> + Clone,
        notes: &mut HashMap<(Slot, Topic, Place), Rejected>,
        attachments: &mut HashMap<(Slot, Place), (u64, Attachment)>,
        rejected: &mut Vec<Rejected>,
    ) {
        // Whether a reward can be taken may depend on the interactions and erasures that are left,
        // wherever these stand.
        let is_of_rewards =
            |record: &&Record| matches!(record.kind(), Kind::Reward | Kind::RetractReward);
        let rewards = records.clone().filter(is_of_rewards);
        for record in records.filter(|record| !is_of_rewards(record)).chain(rewards) {
            // Records of other topics may stand at the same place.
            let attachment = match record.kind() {
                Kind::Interaction => attachments
                    .remove(&(self.slot, record.place()))
                    .map(|(_, attachment)| attachment),
                _ => None,
            };
            self.apply(record, attachment);
        }
        self.erase();
        self.judge_unknown(notes, rejected);
        self.judge_refused(notes, rejected);
        self.finish();
    }

    fn apply(&mut self, record: &Record, attachment: Option<Attachment>) {
        let outcome = match record.kind() {
            Kind::Transaction => {
                let new = transaction(record);
                Some(self.transactions.put(new, |old| *old == new))
            }
            Kind::Interaction => Some(self.put_interaction(interaction(record), attachment)),
            Kind::Reward => {
                let new = Reward {
                    id: record.id,
                    interaction: record.extra,
                    timestamp: record.timestamp,
                    value: record.value as i64,
                };
                self.put_reward(new, record.place())
            }
            Kind::RetractTransaction => self.retracted(
                |of| of.transactions.take(record.id).is_some(),
                Topic::Transactions,
                record,
            ),
            Kind::RetractInteraction => self.retracted(
                |of| of.interactions.take(record.id).is_some(),
                Topic::Interactions,
                record,
            ),
            Kind::RetractReward => self.retracted(
                |of| {
                    let taken = of.rewards.take(record.id);
                    of.rewarded.extend(taken.map(|reward| reward.interaction));
                    taken.is_some()
                },
                Topic::Rewards,
                record,
            ),
            Kind::Erase => {
                self.extras.erased = self.extras.erased.max(Some(record.timestamp));
                self.erasing = true;
                None
            }
        };
        match outcome {
            Some(Put::Duplicate) => self.shard.counts.duplicates += 1,
            Some(Put::Replaced) => self.shard.counts.replaced += 1,
            Some(Put::New) | None => {}
        }
    }

    fn put_interaction(&mut self, new: Interaction, attachment: Option<Attachment>) -> Put {
        let at = self.extras.attachments.binary_search_by_key(&new.id, |(id, _)| *id);
        let had = at.ok().map(|at| &self.extras.attachments[at].1);
        let attached_alike = !new.contact.attached() || had == attachment.as_ref();
        let put = self.interactions.put(new, |old| *old == new && attached_alike);
        match (at, attachment) {
            (Ok(at), Some(attachment)) => self.extras.attachments[at].1 = attachment,
            (Err(at), Some(attachment)) => self.extras.attachments.insert(at, (new.id, attachment)),
            (Ok(at), None) => {
                self.extras.attachments.remove(at);
            }
            (Err(_), None) => {}
        }
        put
    }

    /// A reward whose interaction is not there, and may have been folded, is not taken: what has
    /// this id stays as it is.
    fn put_reward(&mut self, new: Reward, place: Place) -> Option<Put> {
        let may_be_folded = new.timestamp < self.shard.folding.horizon.rewards
            && self.interactions.get(new.interaction).is_none();
        let is_erased = self.extras.erased.is_some_and(|until| new.timestamp <= until);
        if may_be_folded && !is_erased && self.rewards.get(new.id) != Some(&new) {
            self.refused.push(place);
            return None;
        }
        self.rewarded.extend(self.rewards.get(new.id).map(|old| old.interaction));
        self.rewarded.push(new.interaction);
        Some(self.rewards.put(new, |old| *old == new))
    }

    fn retracted(
        &mut self,
        take: impl FnOnce(&mut Self) -> bool,
        topic: Topic,
        record: &Record,
    ) -> Option<Put> {
        if take(self) {
            self.shard.counts.retracted += 1;
        } else {
            self.unknown.push((topic, record.place()));
        }
        None
    }

    /// Drops what is dated up to the erasure's instant.
    fn erase(&mut self) {
        let Some(until) = self.extras.erased else { return };
        let learned = self.learned_until(until);
        self.rewarded
            .extend(self.rewards.left().filter(|r| r.timestamp <= until).map(|r| r.interaction));
        let (transactions, interactions, rewards) = (
            self.transactions.erase(until),
            self.interactions.erase(until),
            self.rewards.erase(until),
        );
        let profiles =
            self.shard.histories[self.slot as usize].profiles.partition_point(|p| p.from <= until);
        if profiles > 0 {
            self.shard.remember(self.slot, Millis::MIN);
            self.shard.histories[self.slot as usize].profiles.drain(..profiles);
        }
        let folded = if self.erasing { self.erase_folded(until) } else { None };
        let folded_before = folded.as_ref().map(|_| self.shard.folding.horizon.events);
        let decisions = self.extras.decisions.len();
        self.extras.decisions.retain(|decided| {
            decided.timestamp > until
                && folded_before.is_none_or(|before| decided.timestamp >= before)
        });
        self.shard.counts.erased += transactions + interactions + rewards + profiles as u64;
        if self.erasing {
            let (profiles, decisions) =
                (profiles as u64, (decisions - self.extras.decisions.len()) as u64);
            let customer = self.shard.histories[self.slot as usize].customer;
            let folded = folded.map_or(0, |folded| folded.contributions);
            let erasure = Erasure {
                customer,
                until,
                transactions,
                interactions,
                learned,
                rewards,
                profiles,
                decisions,
                folded,
                folded_before,
            };
            self.shard.erased(erasure);
        }
    }

    /// Takes away what is folded, all of it if anything of it is dated up to `until`: which part of
    /// the sums that is cannot be told.
    fn erase_folded(&mut self, until: Millis) -> Option<Box<Folded>> {
        // Instants of a profile are no event's; without them, less is known.
        self.extras.folded.iter_mut().for_each(|folded| folded.profiled = Millis::MIN);
        let folded = self.extras.folded.take_if(|folded| folded.reaches_back_to(until))?;
        self.unfolded = true;
        let counts = &mut self.shard.counts;
        counts.transactions -= i64::from(folded.summary.purchases);
        counts.interactions -= folded.contributions as i64;
        counts.rewards -= folded.rewards as i64;
        counts.erased_folded += folded.contributions;
        if let Some(ledger) = self.shard.ledger.as_mut().filter(|_| folded.has_purchases()) {
            ledger.note_folded_gone(self.slot, &folded);
        }
        Some(folded)
    }

    /// Interactions dated up to `until` that have entered the model.
    fn learned_until(&self, until: Millis) -> u64 {
        let history = &self.shard.histories[self.slot as usize];
        let time = &self.shard.settings.time;
        let view = history.settled_view();
        let done = &view.interactions[..history.done_interactions as usize];
        let learned = done.iter().take_while(|interaction| interaction.timestamp <= until).filter(
            |interaction| {
                view.reward_of(
                    interaction,
                    time.attribution_window,
                    time.no_response_reward,
                    self.shard.watermark,
                )
                .is_some()
            },
        );
        learned.count() as u64
    }

    /// A retraction of an unknown id is rejected, unless the customer was erased: then the event
    /// may have been here. Where events of its kind were folded, it may have been among them.
    fn judge_unknown(
        &mut self,
        notes: &mut HashMap<(Slot, Topic, Place), Rejected>,
        rejected: &mut Vec<Rejected>,
    ) {
        for (topic, place) in std::mem::take(&mut self.unknown) {
            match notes.remove(&(self.slot, topic, place)) {
                Some(mut note) if self.extras.erased.is_none() => {
                    if self.has_folded(topic) {
                        self.shard.counts.past_history += 1;
                        note.reason = Reason::PastHistory;
                        note.detail
                            .push_str(", but it may be among those that `history.keep` has folded");
                    }
                    rejected.push(note);
                }
                _ => self.shard.counts.erased += 1,
            }
        }
    }

    fn has_folded(&self, topic: Topic) -> bool {
        let folded = self.extras.folded.as_ref();
        folded.is_some_and(|folded| match topic {
            Topic::Transactions => folded.has_purchases(),
            Topic::Interactions => folded.contributions > 0,
            _ => folded.rewards > 0,
        })
    }

    fn judge_refused(
        &mut self,
        notes: &mut HashMap<(Slot, Topic, Place), Rejected>,
        rejected: &mut Vec<Rejected>,
    ) {
        for place in std::mem::take(&mut self.refused) {
            self.shard.counts.past_history += 1;
            rejected.extend(notes.remove(&(self.slot, Topic::Rewards, place)));
        }
    }

    fn finish(mut self) {
        self.keep_extras_sorted();
        let since = self.changed_since();
        match since {
            None => self.append(),
            Some(since) => {
                self.shard.remember(self.slot, since);
                self.replace();
            }
        }
        let mut extras = std::mem::take(&mut self.extras);
        extras.recount = !extras.rewards.is_empty() || extras.unmatched != Unmatched::default();
        let history = &mut self.shard.histories[self.slot as usize];
        history.extras = (extras != Extras::default()).then(|| Box::new(extras));
    }

    fn keep_extras_sorted(&mut self) {
        let before = self.extras.rewards.len() as i64;
        self.extras.rewards = self.rewards.left().collect();
        self.extras.rewards.sort_unstable_by_key(|r| (r.interaction, r.id));
        self.shard.counts.rewards += self.extras.rewards.len() as i64 - before;
        let interactions = &self.interactions;
        self.extras.attachments.retain(|(id, _)| interactions.get(*id).is_some());
    }

    /// Since when something settled is different: changed itself, or through its delayed rewards.
    fn changed_since(&self) -> Option<Millis> {
        if self.unfolded {
            return Some(Millis::MIN);
        }
        let settled = self.interactions.settled.len();
        let rewarded = self
            .rewarded
            .iter()
            .filter_map(|id| self.interactions.at.get(id))
            .filter(|&&at| at < settled);
        let rewarded =
            rewarded.filter_map(|&at| self.interactions.items[at]).map(|i| i.timestamp).min();
        let changed = [self.transactions.changed, self.interactions.changed, rewarded]
            .into_iter()
            .flatten()
            .min()?;
        // What is new counts too once the lists are made anew.
        let purchases = self.transactions.appeared().map(Transaction::timestamp).min();
        let contacts = self.interactions.appeared().map(|i| i.timestamp).min();
        [Some(changed), purchases, contacts].into_iter().flatten().min()
    }

    /// Nothing settled changed: what is new goes behind it, as if appended. Of what came once more
    /// the names stay that came last, which count for nothing as long as they are not listed.
    fn append(&mut self) {
        let history = &mut self.shard.histories[self.slot as usize];
        history.transactions.truncate(self.transactions.settled.len());
        let settled = history.transactions.iter_mut().zip(&self.transactions.items);
        settled.for_each(|(settled, item)| item.iter().for_each(|item| *settled = *item));
        history.transactions.extend(self.transactions.left().skip(self.transactions.settled.len()));
        history.interactions.truncate(self.interactions.settled.len());
        history.interactions.extend(self.interactions.left().skip(self.interactions.settled.len()));
    }

    /// Something settled changed: the lists are made anew, and the customer is worked through from
    /// the start.
    ///
    /// Where no interaction was settled before, none was emitted: those of this epoch then stay
    /// news.
    fn replace(&mut self) {
        let late_before = self.shard.thresholds.late_before();
        self.replace_transactions(late_before);
        let history = &mut self.shard.histories[self.slot as usize];
        history.interactions = self.interactions.left().collect();
        if !self.interactions.settled.is_empty() {
            history.settled_interactions = history.interactions.len() as u32;
            let counts = &mut self.shard.counts;
            counts.interactions +=
                history.interactions.len() as i64 - self.interactions.settled.len() as i64;
            counts.late +=
                self.interactions.appeared().filter(|i| i.timestamp < late_before).count() as u64;
        }
        history.start_over();
    }

    fn replace_transactions(&mut self, late_before: Millis) {
        let history = &mut self.shard.histories[self.slot as usize];
        history.transactions = self.transactions.left().collect();
        history.settled_transactions = history.transactions.len() as u32;
        let counts = &mut self.shard.counts;
        counts.transactions +=
            history.transactions.len() as i64 - self.transactions.settled.len() as i64;
        counts.late +=
            self.transactions.appeared().filter(|t| t.timestamp() < late_before).count() as u64;
        for new in self
            .transactions
            .appeared()
            .filter(|t| self.transactions.settled.iter().all(|s| s.id != t.id))
        {
            self.shard.request_for_purchase(self.slot, new);
        }
        let Some(ledger) = &mut self.shard.ledger else { return };
        for gone in self.transactions.vanished() {
            ledger.note(self.slot, day_of(gone.timestamp()), -1, -(gone.amount() as i64));
        }
        for new in self.transactions.appeared() {
            ledger.note(self.slot, day_of(new.timestamp()), 1, new.amount() as i64);
        }
    }
}
