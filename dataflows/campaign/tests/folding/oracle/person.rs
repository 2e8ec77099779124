//! What the oracle holds of a customer: plain lists, in which a folded event is only marked.

use super::*;

/// A context and a reward that entered a model.
pub(super) type Contribution = (Vec<i16>, i64);

#[derive(Clone, Debug)]
pub(super) struct Bought {
    pub(super) id: String,
    pub(super) at: i64,
    pub(super) purchase: Purchase,
    pub(super) folded: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Contacted {
    pub(super) id: String,
    pub(super) at: i64,
    pub(super) arm: usize,
    pub(super) reward: Option<i64>,
    pub(super) decision: Option<String>,
    /// As of the last epoch, or when it was folded.
    pub(super) learned: Option<Contribution>,
    pub(super) folded: bool,
    /// A later interaction has taken its id, and with that its row.
    pub(super) replaced: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rewarded {
    pub(super) id: String,
    pub(super) contact: String,
    pub(super) at: i64,
    pub(super) value: i64,
    pub(super) folded: bool,
    /// Where it joins nothing: why, as of the last epoch or when it was folded.
    pub(super) unmatched: Option<Why>,
}

/// Why a reward joins nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Why {
    NoInteraction,
    Before,
    After,
}

impl Rewarded {
    /// Whether both are the same and say the same.
    pub(super) fn says(&self, other: &Rewarded) -> bool {
        !self.folded
            && (&self.id, &self.contact, self.at, self.value)
                == (&other.id, &other.contact, other.at, other.value)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) id: String,
    pub(super) at: i64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Person {
    pub(super) purchases: Vec<Bought>,
    pub(super) contacts: Vec<Contacted>,
    pub(super) rewards: Vec<Rewarded>,
    pub(super) profiles: Vec<Profile>,
    /// The latest instant of a profile version that was superseded long ago.
    pub(super) profiled: Option<i64>,
    pub(super) asked: Vec<Asked>,
    pub(super) erased: Option<i64>,
}

impl Person {
    pub(super) fn live(&self) -> impl Iterator<Item = &Contacted> {
        self.contacts.iter().filter(|contact| !contact.folded)
    }

    pub(super) fn profile_at(&self, at: i64) -> Option<&Profile> {
        self.profiles.iter().filter(|version| version.from <= at).max_by_key(|version| version.from)
    }

    pub(super) fn fold(&mut self, horizon: i64) {
        self.purchases
            .iter_mut()
            .filter(|bought| bought.at < horizon)
            .for_each(|bought| bought.folded = true);
        let going: BTreeSet<String> = self
            .live()
            .filter(|contact| contact.at < horizon)
            .map(|contact| contact.id.clone())
            .collect();
        self.contacts
            .iter_mut()
            .filter(|contact| contact.at < horizon)
            .for_each(|contact| contact.folded = true);
        let staying: BTreeSet<String> = self.live().map(|contact| contact.id.clone()).collect();
        for reward in self.rewards.iter_mut().filter(|reward| !staying.contains(&reward.contact)) {
            reward.folded |= reward.at < horizon || going.contains(&reward.contact);
        }
        let newest = self.profile_at(horizon - 1).map(|version| version.from);
        let (kept, gone): (Vec<Profile>, Vec<Profile>) = self
            .profiles
            .iter()
            .partition(|version| version.from >= horizon || Some(version.from) == newest);
        self.profiles = kept;
        self.profiled = gone
            .iter()
            .flat_map(|version| [version.from, version.signup])
            .chain(self.profiled)
            .max();
        let carried_out: BTreeSet<String> =
            self.live().filter_map(|contact| contact.decision.clone()).collect();
        self.asked.retain(|asked| asked.at >= horizon || carried_out.contains(&asked.id));
    }
}
