//! Taking up a snapshot under other settings than it was taken under.
//!
//! Histories are the state, and everything else is a function of them: rows, contexts, sums, counts
//! of what stands and, where they are made of something else, thresholds are computed anew in the
//! epoch after the snapshot, which has no records and takes the place of all that was emitted. What
//! comes of it is what an arrival of the same records under the new settings gives, with the same
//! watermark and, where these stay, with the thresholds as they were published. Settings on which
//! none of that depends hold from then on, and what stands stays.
//!
//! Records are not read again: what was taken stays taken, and what was rejected stays rejected.
//! Of a name that was not listed there is its bucket (`codes.rs`).

use super::Common;
use super::codes::{Codes, Hidden};
use super::image::ImageRows;
use crate::campaign::output::Counts;
use crate::codec::Aligned;
use crate::customer::Transaction;
use crate::customer::history::{Extras, History};
use crate::event::unlisted::{List, Unlisted};
use crate::event::{Contact, CustomerId};
use crate::settings::{InputSettings, Settings, TimeSettings};
use crate::snapshot::SnapshotError;
use hashbrown::HashSet;

/// What a snapshot was taken under.
#[derive(Clone, Debug, PartialEq)]
pub struct Former {
    /// The settings.
    pub settings: Settings,
    /// Names that are in none of their lists.
    pub unlisted: Unlisted,
}

/// From the settings of a snapshot to those that it is taken up under.
#[derive(Clone, Debug)]
pub struct ChangeOfSettings {
    /// Of categories, devices and payment methods.
    codes: [Codes; 3],
    /// Names that are in no list after it.
    unlisted: Unlisted,
    /// Terms of the context.
    dimension: usize,
    own_features: bool,
    /// Thresholds are made of something else.
    pub(super) closes_anew: bool,
    /// All that was emitted is made anew.
    pub(super) anew: bool,
    /// Events are kept for longer than they were.
    keeps_longer: bool,
}

/// What keeps a snapshot from being taken up under other settings: what histories do not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Obstacles {
    /// Customers with events that are folded into sums, and would have to be there.
    pub folded: u64,
    /// Purchases of no listed category of which it is not known whether it has come to the list.
    pub categories: Hidden,
    /// Such of no listed device.
    pub devices: Hidden,
    /// Such of no listed payment method.
    pub payments: Hidden,
    /// Interactions that would be learned with features of their own, which are fewer or more than
    /// the context has terms.
    pub features: u64,
}

impl Former {
    /// These settings, with the names that were seen under them and are not listed.
    pub fn of(settings: &Settings, common: &Common) -> Self {
        Former { settings: settings.clone(), unlisted: common.unlisted.clone() }
    }
}

/// Whether anything that was made of events is another under other settings, so that all of it is
/// made anew. What neither a context nor a reward depends on only holds from then on; a model that
/// decides later than before would be one that is not kept any more.
pub fn changes_results(before: &Settings, after: &Settings) -> bool {
    let of_records = |settings: &Settings| {
        let InputSettings { categories, devices, payments, dimension, own_features, .. } =
            &settings.input;
        let lists = [categories, devices, payments].map(Vec::clone);
        let TimeSettings { attribution_window, no_response_reward, lateness: _, keep: _ } =
            settings.time;
        (
            lists,
            *dimension,
            *own_features,
            settings.customer.clone(),
            attribution_window,
            no_response_reward,
        )
    };
    of_records(before) != of_records(after)
        || before.bandit.own_features != after.bandit.own_features
        || before.bandit.model_lag < after.bandit.model_lag
}

impl ChangeOfSettings {
    /// The one to these settings.
    pub fn new(former: &Former, settings: &Settings) -> Self {
        let Settings { input, customer, bandit, .. } = settings;
        let before = &former.settings.input;
        let mut unlisted = former.unlisted.clone();
        let mut codes = |list, before: &[String], after: &[String]| {
            Codes::new(before, after, unlisted.of_mut(list))
        };
        let codes = [
            codes(List::Categories, &before.categories, &input.categories),
            codes(List::Devices, &before.devices, &input.devices),
            codes(List::Payments, &before.payments, &input.payments),
        ];
        ChangeOfSettings {
            codes,
            unlisted,
            dimension: customer.context.len(),
            own_features: bandit.own_features,
            closes_anew: former.settings.customer.high_value != customer.high_value,
            anew: changes_results(&former.settings, settings),
            keeps_longer: former.settings.time.kept() < settings.time.kept(),
        }
    }

    /// What belongs to no customer, to be taken up with the change: where everything is made anew,
    /// no sums are left, and no thresholds where they are closed anew.
    pub fn begin(&self, common: &Common) -> Common {
        if !self.anew {
            return common.clone();
        }
        let thresholds = if self.closes_anew { Vec::new() } else { common.thresholds.clone() };
        Common {
            changed: common.epoch + 1,
            arms: Vec::new(),
            thresholds,
            unlisted: self.unlisted.clone(),
            ..common.clone()
        }
    }

    /// Whether all that was emitted is made anew, for which all events must be kept.
    pub fn makes_anew(&self) -> bool {
        self.anew
    }

    /// Whether the published thresholds go, and others take their place.
    pub fn closes_anew(&self) -> bool {
        self.closes_anew
    }

    /// Brings a history to the new codes.
    pub(super) fn translate(&self, history: &mut History) {
        for transaction in &mut history.transactions {
            let [category, device, payment] = transaction.codes();
            let [categories, devices, payments] = &self.codes;
            *transaction = transaction.with_codes([
                categories.translate(category),
                devices.translate(device),
                payments.translate(payment),
            ]);
        }
        self.forget_features(history);
    }

    /// Features that are fewer or more than the context has terms are read as none.
    fn forget_features(&self, history: &mut History) {
        let Some(extras) = &mut history.extras else { return };
        let mut bare = Vec::new();
        extras.attachments.retain_mut(|(interaction, attachment)| {
            if attachment.features.take_if(|features| features.len() != self.dimension).is_none()
                || *attachment != Default::default()
            {
                return true;
            }
            bare.push(*interaction);
            false
        });
        for interaction in
            history.interactions.iter_mut().filter(|interaction| bare.contains(&interaction.id))
        {
            interaction.contact.0 &= !Contact::ATTACHED;
        }
        history.extras.take_if(|extras| **extras == Extras::default());
    }
}

/// Looks through the images of one virtual shard for what is in the way of a change. Later images
/// come first: of a customer only the last one counts.
pub struct Inspection<'a> {
    change: &'a ChangeOfSettings,
    seen: HashSet<CustomerId>,
    found: Obstacles,
}

impl<'a> Inspection<'a> {
    /// Nothing looked at yet.
    pub fn of(change: &'a ChangeOfSettings) -> Self {
        Inspection { change, seen: HashSet::new(), found: Obstacles::default() }
    }

    /// Looks through an image of this virtual shard.
    ///
    /// # Errors
    /// Bytes that are no image.
    pub fn look(&mut self, shard: u16, mut bytes: Aligned) -> Result<(), SnapshotError> {
        let unpacked = ImageRows::of(&mut bytes)?.unpack(|row, history| {
            if self.seen.insert(row.customer) {
                self.found.take_in(self.change, &history);
            }
        });
        unpacked.map_err(|why| SnapshotError::Rows { shard, why })
    }

    /// What is in the way.
    pub fn found(&self) -> Obstacles {
        self.found
    }
}

impl Obstacles {
    /// Whether there are any.
    pub fn are_there(&self) -> bool {
        *self != Obstacles::default()
    }

    /// Adds others.
    pub fn add(&mut self, other: &Obstacles) {
        let Obstacles { folded, categories, devices, payments, features } = other;
        self.folded += folded;
        self.categories.add(categories);
        self.devices.add(devices);
        self.payments.add(payments);
        self.features += features;
    }

    fn take_in(&mut self, change: &ChangeOfSettings, history: &History) {
        self.folded +=
            u64::from((change.anew || change.keeps_longer) && history.folded().is_some());
        let [categories, devices, payments] = &change.codes;
        for [category, device, payment] in history.transactions.iter().map(Transaction::codes) {
            self.categories.take_in(categories, category);
            self.devices.take_in(devices, device);
            self.payments.take_in(payments, payment);
        }
        if change.own_features {
            let attachments = history.extras.iter().flat_map(|extras| &extras.attachments);
            let features = attachments.filter_map(|(_, attachment)| attachment.features.as_ref());
            self.features +=
                features.filter(|features| features.len() != change.dimension).count() as u64;
        }
    }
}

impl Common {
    /// Whether the epoch after this one is a change of settings.
    pub fn is_changing(&self) -> bool {
        self.changed == self.epoch + 1
    }
}

impl Counts {
    /// Takes away what stood, where all of it is counted again.
    pub(in crate::campaign) fn count_anew(&mut self, stood: &Counts) {
        self.learned -= stood.learned;
        self.pending -= stood.pending;
        self.rewards_no_interaction -= stood.rewards_no_interaction;
        self.rewards_before -= stood.rewards_before;
        self.rewards_after -= stood.rewards_after;
    }
}
