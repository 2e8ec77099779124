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

/// A dataflow as its type says it.
#[derive(Clone, Copy)]
struct Registered {
    name: &'static str,
    topics: fn() -> Vec<TopicId>,
    tells: fn() -> Option<&'static str>,
}

/// Every dataflow.
const ALL: [Registered; 2] = [
    registered::<campaign::graph::Campaign>(), //
    registered::<arrivals::Arrivals>(),
];

const fn registered<D: Dataflow>() -> Registered {
    Registered { name: D::NAME, topics: D::topics, tells: D::tells }
}

/// The names of all dataflows.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.into_iter().map(|dataflow| dataflow.name)
}

/// The topics of every dataflow.
pub fn topics() -> impl Iterator<Item = TopicId> {
    ALL.into_iter().flat_map(|dataflow| (dataflow.topics)())
}

/// The topics of the dataflow of this name; none where there is none.
pub fn topics_of(name: &str) -> Vec<TopicId> {
    of(name).map_or_else(Vec::new, |dataflow| (dataflow.topics)())
}

/// The key of the topic to which the dataflow of this name tells others what it comes to; none
/// where there is none.
pub fn told_to(name: &str) -> Option<&'static str> {
    of(name).and_then(|dataflow| (dataflow.tells)())
}

fn of(name: &str) -> Option<Registered> {
    ALL.into_iter().find(|dataflow| dataflow.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_every_dataflow_the_records_of_one_topic_erase() {
        for name in names() {
            let erases = topics_of(name).into_iter().filter(|topic| topic.erases());
            assert_eq!(erases.count(), 1, "{name}");
        }
    }
}
