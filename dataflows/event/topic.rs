//! The topics of events: one Kafka topic, or file, for each kind of input.

use crate::source::{TopicId, TopicOf};
use serde::{Deserialize, Serialize};

/// The kinds of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Topic {
    /// Purchases.
    Transactions,
    /// Profiles and erasures.
    Customers,
    /// Campaign contacts, with or without their reward.
    Interactions,
    /// Rewards that arrive apart from their interaction.
    Rewards,
    /// Requests for a decision.
    Requests,
}

/// In the order of their numbers.
static DECLARED: [TopicOf; Topic::ALL.len()] = [
    declared(Topic::Transactions, "transactions", "Transactions", "transactions"),
    declared(Topic::Customers, "customers", "Customers", "customers"),
    declared(Topic::Interactions, "customer-interactions", "Interactions", "interactions"),
    declared(Topic::Rewards, "rewards", "Rewards", "rewards"),
    declared(Topic::Requests, "decision-requests", "Requests", "requests"),
];

const fn declared(
    topic: Topic,
    name: &'static str,
    former: &'static str,
    file_stem: &'static str,
) -> TopicOf {
    TopicOf {
        name,
        former: Some(former),
        file_stem,
        number: topic as u8,
        moves_watermark: matches!(topic, Topic::Transactions | Topic::Interactions),
        // A purchase needs the profile of its customer, which may be dated as far back as it likes.
        comes_first: matches!(topic, Topic::Customers),
        erases: matches!(topic, Topic::Customers),
    }
}

impl Topic {
    /// Every topic, in the order of their numbers.
    pub const ALL: [Topic; 5] = [
        Topic::Transactions,
        Topic::Customers,
        Topic::Interactions,
        Topic::Rewards,
        Topic::Requests,
    ];

    /// As sources and sinks know it.
    pub const fn id(self) -> TopicId {
        TopicId::of(&DECLARED[self as usize])
    }

    /// All of them.
    pub fn ids() -> [TopicId; Topic::ALL.len()] {
        Topic::ALL.map(Topic::id)
    }

    /// The one of an id, which must be of one of these.
    pub fn of(id: TopicId) -> Topic {
        debug_assert_eq!(Topic::ALL[id.number()].id(), id);
        Topic::ALL[id.number()]
    }

    /// The default name of the Kafka topic.
    pub fn name(self) -> &'static str {
        DECLARED[self as usize].name
    }
}
