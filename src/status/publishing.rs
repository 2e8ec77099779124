//! What committed epochs have still to publish, as the publisher's thread tells it.

use super::{Status, report};
use crate::sink::destination::Destination;
use crate::telemetry::stalls::Seen;
use std::time::Instant;

/// What is known of it.
#[derive(Debug)]
pub(super) struct Owing {
    published: u64,
    epochs: u64,
    records: u64,
    oldest: Option<Instant>,
    trouble: Vec<Seen>,
    /// None where the dataflow has nothing to publish.
    unpublishable_predictions: Option<u64>,
    unpublishable_dead_letters: u64,
}

impl Default for Owing {
    fn default() -> Self {
        Owing {
            published: 0,
            epochs: 0,
            records: 0,
            oldest: None,
            trouble: Vec::new(),
            unpublishable_predictions: Some(0),
            unpublishable_dead_letters: 0,
        }
    }
}

impl Owing {
    /// As it stands now.
    pub(super) fn at(&self, now: Instant) -> report::PublishingBacklog {
        report::PublishingBacklog {
            published: self.published,
            epochs: self.epochs,
            records: self.records,
            oldest_seconds: self
                .oldest
                .map_or(0.0, |oldest| now.saturating_duration_since(oldest).as_secs_f64()),
            trouble: self.trouble.first().map(|seen| seen.what.clone()),
            unpublishable_predictions: self.unpublishable_predictions,
            unpublishable_dead_letters: self.unpublishable_dead_letters,
        }
    }
}

impl Status {
    /// Everything up to the epoch `published` is; so many epochs with so many records are not, the
    /// oldest of which was committed then.
    pub fn publishing(&self, published: u64, epochs: u64, records: u64, oldest: Option<Instant>) {
        let owing = &mut self.known().owing;
        (owing.published, owing.epochs, owing.records, owing.oldest) =
            (published, epochs, records, oldest);
    }

    /// The dataflow has nothing to publish but dead letters.
    pub fn without_predictions(&self) {
        self.known().owing.unpublishable_predictions = None;
    }

    /// This keeps what is committed from being published; without any, nothing does any more.
    pub fn cannot_publish(&self, trouble: Vec<Seen>) {
        self.known().owing.trouble = trouble;
    }

    /// What keeps it.
    pub fn publishing_trouble(&self) -> Vec<Seen> {
        self.known().owing.trouble.clone()
    }

    /// A record was passed over, because its topic never takes it.
    pub fn unpublishable(&self, destination: Destination) {
        let owing = &mut self.known().owing;
        match destination {
            Destination::Predictions => {
                *owing.unpublishable_predictions.get_or_insert(0) += 1;
            }
            Destination::DeadLetters => owing.unpublishable_dead_letters += 1,
        }
    }
}
