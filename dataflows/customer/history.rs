//! A customer as a history: the settled events, sorted by time and packed. Everything else about a
//! customer is a pure function of it.

mod events;

pub use events::{Decided, Interaction, Reward};

use crate::customer::Transaction;
use crate::customer::folded::Folded;
use crate::customer::unmatched::{Unmatched, against_window};
use crate::event::{Attachment, CustomerId, Millis, Profile};
use std::num::NonZeroU32;

/// What only some customers have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extras {
    /// Delayed rewards, sorted by (interaction, id).
    pub rewards: Vec<Reward>,
    /// What interactions carried beside their fixed part, sorted by the interaction's id.
    pub attachments: Vec<(u64, Attachment)>,
    /// Decisions made, sorted by key.
    pub decisions: Vec<Decided>,
    /// Everything dated up to then is erased.
    pub erased: Option<Millis>,
    /// What is left of events that are older than is kept. It comes before all others.
    pub folded: Option<Box<Folded>>,
    /// The rewards that join nothing, as they were last counted, folded ones with them.
    pub unmatched: Unmatched,
    /// Rewards or interactions have changed since.
    pub recount: bool,
}

/// The settled events of one customer, each list sorted by (timestamp, id), and how far they have
/// been worked through. Purchases of one instant may stand otherwise, where one came after the
/// others had been worked through: nothing depends on their order.
///
/// Between two epochs `settled_* = len`. While an epoch settles, in-order news are appended behind
/// it; they are sorted in when the customer is visited. Of the settled interactions the first
/// `done_interactions` have been emitted, and with them the first `done_transactions` purchases
/// have been worked through: the row of running sums, if one is kept, covers what is folded and
/// just these. What lies behind waits for a daily threshold.
///
/// What appending looks at comes first, and fills a cache line.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct History {
    /// Purchases.
    pub transactions: Vec<Transaction>,
    /// Interactions.
    pub interactions: Vec<Interaction>,
    /// What only some have.
    pub extras: Option<Box<Extras>>,
    /// The epoch in which it was last touched, as far as 32 bits tell.
    pub touched: u32,
    /// The period between two snapshots in which it last changed.
    pub changed: u32,
    /// Whose.
    pub customer: CustomerId,
    /// Profile versions, sorted by `from`, one each instant.
    pub profiles: Vec<Profile>,
    /// Purchases that were settled before this epoch.
    pub settled_transactions: u32,
    /// Interactions that were settled before this epoch.
    pub settled_interactions: u32,
    /// Purchases that have been worked through.
    pub done_transactions: u32,
    /// Interactions that have been emitted.
    pub done_interactions: u32,
    /// Of those, how many wait for their reward.
    pub unrewarded: u32,
    /// How many interactions had not entered the model when that was last counted.
    pub pending: u32,
    /// Number of the row of running sums, where one is kept.
    pub row: Option<NonZeroU32>,
}

/// Slices of a history: what contexts are computed from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Purchases, sorted.
    pub transactions: &'a [Transaction],
    /// Interactions, sorted.
    pub interactions: &'a [Interaction],
    /// Profile versions, sorted.
    pub profiles: &'a [Profile],
    /// Extras.
    pub extras: Option<&'a Extras>,
}

impl History {
    /// A customer of whom nothing is known.
    pub fn new(customer: CustomerId) -> Self {
        History {
            customer,
            transactions: Vec::new(),
            interactions: Vec::new(),
            profiles: Vec::new(),
            extras: None,
            settled_transactions: 0,
            settled_interactions: 0,
            done_transactions: 0,
            done_interactions: 0,
            unrewarded: 0,
            pending: 0,
            touched: 0,
            row: None,
            changed: 0,
        }
    }

    /// The extras, made if there are none.
    pub fn extras_mut(&mut self) -> &mut Extras {
        self.extras.get_or_insert_with(Default::default)
    }

    /// Until when the customer is erased.
    pub fn erased(&self) -> Option<Millis> {
        self.extras.as_ref().and_then(|e| e.erased)
    }

    /// All of it.
    pub fn view(&self) -> View<'_> {
        View {
            transactions: &self.transactions,
            interactions: &self.interactions,
            profiles: &self.profiles,
            extras: self.extras.as_deref(),
        }
    }

    /// What was settled before this epoch, provided that since then events were only appended.
    pub fn settled_view(&self) -> View<'_> {
        View {
            transactions: &self.transactions[..self.settled_transactions as usize],
            interactions: &self.interactions[..self.settled_interactions as usize],
            ..self.view()
        }
    }

    /// How many interactions are dated up to an instant, those that are folded among them.
    pub fn interactions_until(&self, until: Millis) -> u64 {
        let folded = self.folded().map_or(0, |folded| folded.contributions);
        folded + self.interactions.partition_point(|of| of.timestamp <= until) as u64
    }

    /// What was appended since the epoch began.
    pub fn appended(&self) -> (&[Transaction], &[Interaction]) {
        (
            &self.transactions[self.settled_transactions as usize..],
            &self.interactions[self.settled_interactions as usize..],
        )
    }

    /// Sorts it, and none of it counts as worked through.
    pub fn start_over(&mut self) {
        self.transactions.sort_unstable_by_key(|t| (t.timestamp(), t.id));
        self.interactions.sort_unstable_by_key(|i| (i.timestamp, i.id));
        self.done_transactions = 0;
        self.done_interactions = 0;
        self.unrewarded = 0;
    }

    /// What is left of events that are older than is kept.
    pub fn folded(&self) -> Option<&Folded> {
        self.view().folded()
    }

    /// Whether nothing at all is known of the customer.
    pub fn is_blank(&self) -> bool {
        self.transactions.is_empty()
            && self.profiles.is_empty()
            && !self.folded().is_some_and(Folded::has_purchases)
    }

    /// Whether there is nothing at all to be kept.
    pub fn is_void(&self) -> bool {
        self.is_blank() && self.interactions.is_empty() && self.extras.is_none()
    }

    /// The latest instant of a purchase, an interaction, the signup or a profile version; `None`
    /// for a blank history.
    pub fn latest(&self) -> Option<Millis> {
        let profiled = self
            .profiles
            .iter()
            .flat_map(|p| [p.from, p.signup])
            .max()
            .filter(|&t| t > Millis::MIN);
        let last = [
            self.transactions.last().map(Transaction::timestamp),
            self.interactions.last().map(|i| i.timestamp),
            profiled,
        ];
        last.into_iter().chain([self.folded().and_then(Folded::latest)]).flatten().max()
    }

    /// The last purchase.
    pub fn last_purchase(&self) -> Option<Millis> {
        let folded = || {
            self.folded().filter(|folded| folded.has_purchases()).map(|folded| folded.summary.last)
        };
        self.transactions.last().map(Transaction::timestamp).or_else(folded)
    }

    /// Interactions that have not entered the model.
    pub fn unlearned(&self) -> u32 {
        self.unrewarded + self.interactions.len() as u32 - self.done_interactions
    }
}

impl<'a> View<'a> {
    /// What is left of events that are older than is kept.
    pub fn folded(&self) -> Option<&'a Folded> {
        self.extras?.folded.as_deref()
    }

    /// The profile that holds at an instant: the version with the greatest `from` not after it.
    pub fn profile_at(&self, at: Millis) -> Option<&'a Profile> {
        match self.profiles {
            [] => None,
            [only] => (only.from <= at).then_some(only),
            many => many[..many.partition_point(|p| p.from <= at)].last(),
        }
    }

    /// What an interaction counts, in Q16: its delayed rewards within the window if there are any,
    /// else its own, else the no-response reward once the watermark has reached the window's end;
    /// `None` while none of these is known.
    pub fn reward_of(
        &self,
        interaction: &Interaction,
        window: Millis,
        no_response: i64,
        watermark: Option<Millis>,
    ) -> Option<i64> {
        let end = interaction.timestamp.saturating_add(window);
        self.delayed_reward(interaction, window)
            .or_else(|| interaction.contact.reward())
            .or_else(|| watermark.is_some_and(|w| w >= end).then_some(no_response))
    }

    fn delayed_reward(&self, interaction: &Interaction, window: Millis) -> Option<i64> {
        let joined = self.rewards_of(interaction).filter(|reward| {
            against_window(reward.timestamp, interaction.timestamp, window).is_eq()
        });
        joined.map(|reward| reward.value).reduce(i64::wrapping_add)
    }

    /// The rewards that name an interaction, joined or not.
    #[inline]
    pub(super) fn rewards_of(
        &self,
        interaction: &Interaction,
    ) -> impl Iterator<Item = &'a Reward> + use<'a> {
        let rewards = self.extras.map_or(&[][..], |extras| extras.rewards.as_slice());
        let (id, first) =
            (interaction.id, rewards.partition_point(|reward| reward.interaction < interaction.id));
        rewards[first..].iter().take_while(move |reward| reward.interaction == id)
    }

    /// What the interaction carried beside its fixed part.
    pub fn attachment_of(&self, interaction: &Interaction) -> Option<&'a Attachment> {
        if !interaction.contact.attached() {
            return None;
        }
        let attachments = &self.extras?.attachments;
        attachments
            .binary_search_by_key(&interaction.id, |(id, _)| *id)
            .ok()
            .map(|i| &attachments[i].1)
    }

    /// The decision that the interaction carried out, where it is known.
    pub fn decision_of(&self, key: u64) -> Option<&'a Decided> {
        let decisions = &self.extras?.decisions;
        decisions.binary_search_by_key(&key, |d| d.key).ok().map(|i| &decisions[i])
    }
}
