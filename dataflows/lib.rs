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

/// The topics of every dataflow.
pub fn topics() -> impl Iterator<Item = source::TopicId> {
    campaign::graph::Campaign::topics()
        .into_iter()
        .chain(<arrivals::Arrivals as Dataflow>::topics())
}
