//! Resolution: one customer's records of an epoch, applied in the order of their places.
//!
//! Ids settle first, then erasures apply. The result depends only on what was settled and on the
//! records, not on how they were batched.

use super::asides::Asides;
use super::roll::{Put, Roll};
use super::{Moment, Settled, interaction, transaction};
use crate::campaign::state::{Amendment, Touched};
use crate::customer::Transaction;
use crate::customer::history::{Extras, Interaction, Reward};
use crate::customer::unmatched::Unmatched;
use crate::event::{Attachment, Kind, Millis, Place, Reason, Record, Rejected, Topic};

/// One customer's records of an epoch being resolved.
pub(super) struct Resolution<'a> {
    pub(super) customer: Touched<'a>,
    pub(super) moment: &'a Moment,
    pub(super) settled: &'a mut Settled,
    pub(super) transactions: Roll<Transaction>,
    pub(super) interactions: Roll<Interaction>,
    pub(super) rewards: Roll<Reward>,
    pub(super) extras: Extras,
    /// Interactions whose delayed rewards changed.
    pub(super) rewarded: Vec<u64>,
    /// Retractions of ids that were not known.
    unknown: Vec<(Topic, Place)>,
    /// Rewards whose interaction may have been folded.
    refused: Vec<Place>,
    /// An erasure is among the records.
    pub(super) erasing: bool,
    /// It took away what was folded.
    pub(super) unfolded: bool,
}

impl<'a> Resolution<'a> {
    /// Starts from what was settled before the epoch.
    pub(super) fn of(customer: Touched<'a>, moment: &'a Moment, settled: &'a mut Settled) -> Self {
        let history = customer.history();
        let before = history.settled_view();
        let extras = history.extras.as_deref().cloned().unwrap_or_default();
        Resolution {
            transactions: Roll::of(before.transactions),
            interactions: Roll::of(before.interactions),
            rewards: Roll::of(&extras.rewards),
            extras,
            rewarded: Vec::new(),
            unknown: Vec::new(),
            refused: Vec::new(),
            erasing: false,
            unfolded: false,
            customer,
            moment,
            settled,
        }
    }

    /// Applies the records, sorted by place, and leaves the customer settled.
    pub(super) fn settle(
        mut self,
        records: &[Record],
        asides: &mut Asides,
        rejected: &mut Vec<Rejected>,
    ) {
        // Whether a reward can be taken may depend on the interactions and erasures that are left,
        // wherever these stand.
        let is_of_rewards =
            |record: &&Record| matches!(record.kind(), Kind::Reward | Kind::RetractReward);
        let rewards = records.iter().filter(is_of_rewards);
        for record in records.iter().filter(|record| !is_of_rewards(record)).chain(rewards) {
            // Records of other topics may stand at the same place.
            let attachment = match record.kind() {
                Kind::Interaction => asides.take_attachment(self.customer.slot(), record.place()),
                _ => None,
            };
            self.apply(record, attachment);
        }
        self.erase();
        self.judge_unknown(asides, rejected);
        self.judge_refused(asides, rejected);
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
            Kind::RetractTransaction => {
                let taken = self.transactions.take(record.id).is_some();
                self.retracted(taken, Topic::Transactions, record)
            }
            Kind::RetractInteraction => {
                let taken = self.interactions.take(record.id).is_some();
                self.retracted(taken, Topic::Interactions, record)
            }
            Kind::RetractReward => {
                let taken = self.rewards.take(record.id);
                self.rewarded.extend(taken.map(|reward| reward.interaction));
                self.retracted(taken.is_some(), Topic::Rewards, record)
            }
            Kind::Erase => {
                self.extras.erased = self.extras.erased.max(Some(record.timestamp));
                self.erasing = true;
                None
            }
        };
        match outcome {
            Some(Put::Duplicate) => self.settled.counts.duplicates += 1,
            Some(Put::Replaced) => self.settled.counts.replaced += 1,
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
        let may_be_folded = new.timestamp < self.customer.horizon().rewards
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

    fn retracted(&mut self, taken: bool, topic: Topic, record: &Record) -> Option<Put> {
        if taken {
            self.settled.counts.retracted += 1;
        } else {
            self.unknown.push((topic, record.place()));
        }
        None
    }

    /// A retraction of an unknown id is rejected, unless the customer was erased: then the event
    /// may have been here. Where events of its kind were folded, it may have been among them.
    fn judge_unknown(&mut self, asides: &mut Asides, rejected: &mut Vec<Rejected>) {
        for (topic, place) in std::mem::take(&mut self.unknown) {
            match asides.take_doubtful(self.customer.slot(), topic, place) {
                Some(mut note) if self.extras.erased.is_none() => {
                    if self.has_folded(topic) {
                        self.settled.counts.past_history += 1;
                        note.reason = Reason::PastHistory;
                        note.detail
                            .push_str(", but it may be among those that `history.keep` has folded");
                    }
                    rejected.push(note);
                }
                _ => self.settled.counts.erased += 1,
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

    fn judge_refused(&mut self, asides: &mut Asides, rejected: &mut Vec<Rejected>) {
        for place in std::mem::take(&mut self.refused) {
            self.settled.counts.past_history += 1;
            rejected.extend(asides.take_doubtful(self.customer.slot(), Topic::Rewards, place));
        }
    }

    fn finish(mut self) {
        self.keep_extras_sorted();
        match self.changed_since() {
            None => self.customer.append(self.transactions.left(), self.interactions.left()),
            Some(since) => self.replace(since),
        }
        let mut extras = self.extras;
        extras.recount = !extras.rewards.is_empty() || extras.unmatched != Unmatched::default();
        self.customer.take_extras(extras);
    }

    fn keep_extras_sorted(&mut self) {
        let before = self.extras.rewards.len() as i64;
        self.extras.rewards = self.rewards.left().collect();
        self.extras.rewards.sort_unstable_by_key(|r| (r.interaction, r.id));
        self.settled.counts.rewards += self.extras.rewards.len() as i64 - before;
        let interactions = &self.interactions;
        self.extras.attachments.retain(|(id, _)| interactions.get(*id).is_some());
    }

    /// Since when something settled is different: changed itself, or through its delayed rewards.
    fn changed_since(&self) -> Option<Millis> {
        if self.unfolded {
            return Some(Millis::MIN);
        }
        let rewarded =
            self.rewarded.iter().filter_map(|id| self.interactions.settled_at(*id)).min();
        let changed = [self.transactions.changed, self.interactions.changed, rewarded]
            .into_iter()
            .flatten()
            .min()?;
        // What is new counts too once the lists are made anew.
        let purchases = self.transactions.appeared().map(Transaction::timestamp).min();
        let contacts = self.interactions.appeared().map(|i| i.timestamp).min();
        [Some(changed), purchases, contacts].into_iter().flatten().min()
    }

    /// Something settled changed: the lists are made anew, and what that counts is counted.
    fn replace(&mut self, since: Millis) {
        let (transactions, interactions) = (&self.transactions, &self.interactions);
        let late_before = self.moment.late_before;
        let counts = &mut self.settled.counts;
        counts.transactions +=
            transactions.left().count() as i64 - transactions.settled.len() as i64;
        counts.late +=
            transactions.appeared().filter(|t| t.timestamp() < late_before).count() as u64;
        if !interactions.settled.is_empty() {
            counts.interactions +=
                interactions.left().count() as i64 - interactions.settled.len() as i64;
            counts.late +=
                interactions.appeared().filter(|i| i.timestamp < late_before).count() as u64;
        }
        if self.moment.asks {
            let is_new =
                |t: &&Transaction| transactions.settled.iter().all(|settled| settled.id != t.id);
            let slot = self.customer.slot();
            let new = transactions.appeared().filter(is_new);
            new.for_each(|new| self.settled.ask_for(slot, new));
        }
        self.customer.replace(Amendment {
            since,
            transactions: transactions.left().collect(),
            interactions: interactions.left().collect(),
            gone: transactions.vanished(),
            new: transactions.appeared(),
        });
    }
}
