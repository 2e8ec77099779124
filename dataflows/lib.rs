//! The core of Sluice: events in, features, models and decisions out. Pure and deterministic: no
//! file, socket, clock, thread or randomness.

pub mod arrivals;
pub mod bandit;
pub mod campaign;
pub mod codec;
pub mod customer;
mod dataflow;
pub mod epoch;
pub mod event;
pub mod keyed;
pub mod mixing;
pub mod operators;
pub mod settings;
pub mod snapshot;
pub mod source;
pub mod state;
pub mod table;
pub mod time;

pub use dataflow::{Announced, Begins, Dataflow, Restoring, Soundness};

use source::TopicId;

/// A dataflow: its name, and its topics.
type Registered = (&'static str, fn() -> Vec<TopicId>);

/// Every dataflow.
const ALL: [Registered; 2] = [
    registered::<campaign::graph::Campaign>(), //
    registered::<arrivals::Arrivals>(),
];

const fn registered<D: Dataflow>() -> Registered {
    (D::NAME, D::topics)
}

/// The names of all dataflows.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.into_iter().map(|(name, _)| name)
}

/// The topics of every dataflow.
pub fn topics() -> impl Iterator<Item = TopicId> {
    ALL.into_iter().flat_map(|(_, topics)| topics())
}

/// The topics of the dataflow of this name; none where there is none.
pub fn topics_of(name: &str) -> Vec<TopicId> {
    ALL.into_iter().find(|(own, _)| *own == name).map_or_else(Vec::new, |(_, topics)| topics())
}
