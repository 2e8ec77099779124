//! A job on trial: what is sent to it, and whether it came to what it must, whatever befell it.

pub(crate) mod arrivals;
pub(crate) mod forgotten;
pub(crate) mod layout;
pub(crate) mod population;
pub(crate) mod producer;
pub(crate) mod subject;
pub(crate) mod verdict;

pub(crate) use crate::services::committed;
pub(crate) use forgotten::Forgotten;
pub(crate) use producer::Producer;
pub(crate) use subject::{Crowd, Subject, Traffic};

/// Contacts that are not learned: they wait for a threshold or a reward.
pub(crate) const WAITING: &str = "SELECT count(*) FROM sluice.interactions WHERE NOT learned";
