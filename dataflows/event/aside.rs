//! What is rare or has no fixed size, on its way to the worker of its customer.

use super::record::Place;
use super::rejected::Rejected;
use super::{CustomerId, Millis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One version of a customer's profile.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Valid from then on; `Millis::MIN`: since ever.
    pub from: Millis,
    /// Midnight of the signup date; `Millis::MIN`: unknown.
    pub signup: Millis,
    /// Share of mails opened, 0 to 1.
    pub email_open_rate: f64,
    /// Complaints so far.
    pub complaint_count: f64,
    /// Share of purchases with a discount, as the profile has it, 0 to 1.
    pub avg_discount: f64,
    /// Premium membership.
    pub premium: bool,
}

/// What is rare or has no fixed size, on its way to the customer's worker. Profiles may be as many
/// as customers, so nothing else makes it larger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Aside {
    /// A profile version.
    Profile {
        /// Whose.
        customer: CustomerId,
        /// Of two with the same `from` the later place holds.
        place: Place,
        /// The version.
        profile: Profile,
    },
    /// What a record looked like that may have to be rejected once it meets its customer: a
    /// retraction, whose id may be unknown, or a reward dated before the
    /// [`Horizon`](super::Horizon) for rewards, whose interaction may have been folded.
    Doubtful {
        /// Whose.
        customer: CustomerId,
        /// The raw record, as it would be rejected.
        rejected: Box<Rejected>,
    },
    /// A new event or request dated before the [`Horizon`](super::Horizon): it is rejected, unless
    /// its customer was erased.
    Past {
        /// Whose.
        customer: CustomerId,
        /// When it happened.
        timestamp: Millis,
        /// The raw record, as it is rejected.
        rejected: Box<Rejected>,
    },
    /// A rejected record that names its customer: it is blanked if that one was erased.
    Rejected {
        /// Whose.
        customer: CustomerId,
        /// The record.
        rejected: Box<Rejected>,
    },
    /// What goes with an interaction beside its fixed part.
    Attachment {
        /// Whose.
        customer: CustomerId,
        /// The interaction's id.
        id: u64,
        /// The interaction's place.
        place: Place,
        /// What it carries.
        attachment: Box<Attachment>,
    },
    /// A request for a decision.
    Request {
        /// Whose.
        customer: CustomerId,
        /// Where it stands.
        place: Place,
        /// What is asked.
        request: Box<Request>,
    },
}

impl Aside {
    /// Whose it is.
    pub fn customer(&self) -> CustomerId {
        match self {
            Aside::Profile { customer, .. }
            | Aside::Doubtful { customer, .. }
            | Aside::Past { customer, .. }
            | Aside::Rejected { customer, .. }
            | Aside::Attachment { customer, .. }
            | Aside::Request { customer, .. } => *customer,
        }
    }

    /// Where the record stands that it comes of.
    pub fn place(&self) -> Place {
        match self {
            Aside::Profile { place, .. }
            | Aside::Attachment { place, .. }
            | Aside::Request { place, .. } => *place,
            Aside::Doubtful { rejected, .. }
            | Aside::Past { rejected, .. }
            | Aside::Rejected { rejected, .. } => rejected.place,
        }
    }
}

/// What an interaction carried beside its fixed part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Attachment {
    /// A context of its own in Q12, used instead of the join where so configured.
    pub features: Option<Vec<i16>>,
    /// The template that was sent.
    pub template: Option<String>,
    /// The decision that it carried out; propensity and policy are then that decision's.
    pub decision: Option<u64>,
}

/// A request for a decision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Its id as text.
    pub decision: String,
    /// Its instant.
    pub timestamp: Millis,
    /// Arms that must not be chosen, in ascending order.
    pub exclude: Vec<u16>,
    /// A context of its own in Q12, used instead of the join where so configured.
    pub features: Option<Vec<i16>>,
    /// The decision, where it was made when it was asked for: it is taken as made.
    pub decided: Option<Answer>,
}

/// A decision that was made when it was asked for, by the model and the context of that moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The arm.
    pub arm: u16,
    /// Probability with which it was chosen, in (0, 1].
    pub propensity: f64,
    /// theta'x of the arm.
    pub expected_reward: f64,
    /// sqrt(x' A^-1 x) of the arm.
    pub uncertainty: f64,
    /// Score of every arm that there was, in their order.
    pub scores: Vec<f64>,
    /// The numbers that came with it, by their names: among them what the policy was told.
    pub parameters: BTreeMap<String, f64>,
    /// The model that decided: the epoch that it was learned in; 0 before there was one.
    pub model_version: u64,
    /// Name of the policy.
    pub policy: String,
    /// The context in Q12.
    pub context: Vec<i16>,
    /// Probability of every arm, in their order; none where it does not say.
    #[serde(default)]
    pub propensities: Vec<f64>,
    /// Why each arm could not be chosen, empty for one that could; none where it does not say.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// How much more than by itself the policy explored.
    #[serde(default)]
    pub factor: Option<f64>,
    /// What it measured in, in units of reward.
    #[serde(default)]
    pub unit: Option<f64>,
    /// How much it explored: alpha, or what it has in its place.
    #[serde(default)]
    pub alpha: Option<f64>,
}
