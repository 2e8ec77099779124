//! Gathers what the workers send of each epoch, and hands complete epochs to the sink, in order.

use crate::results::EpochResults;
use crossbeam_channel::{Sender, TrySendError};
use dataflows::bandit::totals::{Totals, digest};
use dataflows::campaign::graph::Campaign;
use dataflows::campaign::output::Output;
use dataflows::operators::deliver::Delivery;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What kept an epoch from being handed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatherError {
    /// An epoch that was committed before came out differently.
    #[error(
        "epoch {epoch} was committed with the model digest {committed}, but its records now give {now}: the topics, the configuration or the program \
         have changed; start a job of another name to begin anew"
    )]
    Changed {
        /// Which.
        epoch: u64,
        /// As committed.
        committed: String,
        /// As recomputed.
        now: String,
    },
    /// The sink has ended.
    #[error("the sink has ended before epoch {0}")]
    SinkEnded(u64),
}

/// Why nothing more is handed on.
pub type Failure = Arc<Mutex<Option<GatherError>>>;

/// The epochs that are not complete, and what is known of all of them.
pub struct Gather {
    described: Campaign,
    open: BTreeMap<u64, EpochResults>,
    totals: BTreeMap<u32, Totals>,
    next: u64,
    /// Digests of epochs that are committed already: they are compared, not handed on.
    committed_digests: BTreeMap<u64, [u8; 32]>,
    committed: Arc<AtomicU64>,
    sink: Sender<Box<EpochResults>>,
    failure: Failure,
}

impl Gather {
    /// Hands epochs to `sink`, whose channel must hold as many as may be on their way at once; those with a digest in `committed_digests` are only
    /// compared with it, and count as committed.
    pub fn new(
        described: Campaign,
        committed_digests: BTreeMap<u64, [u8; 32]>,
        committed: Arc<AtomicU64>,
        sink: Sender<Box<EpochResults>>,
        failure: Failure,
    ) -> Self {
        Gather { described, open: BTreeMap::new(), totals: BTreeMap::new(), next: 1, committed_digests, committed, sink, failure }
    }

    /// Takes what arrives.
    pub fn receive(&mut self, delivery: Delivery<Output>) {
        match delivery {
            Delivery::Item(epoch, output) => self.open.entry(epoch).or_insert_with(|| EpochResults::new(epoch)).add(output),
            Delivery::CompleteBefore(epoch) => self.complete(epoch),
            Delivery::End => self.complete(self.open.last_key_value().map_or(0, |(epoch, _)| epoch + 1)),
        }
    }

    fn complete(&mut self, before: u64) {
        while self.next < before {
            let epoch = self.next;
            let mut results = self.open.remove(&epoch).unwrap_or_else(|| EpochResults::new(epoch));
            self.next += 1;
            results.digest = self.digest(&results);
            if let Err(error) = self.hand_on(results) {
                if let Ok(mut failure) = self.failure.lock() {
                    failure.get_or_insert(error);
                }
                return;
            }
        }
    }

    /// The digest of all arms after the epoch.
    fn digest(&mut self, results: &EpochResults) -> [u8; 32] {
        self.totals.extend(results.arms.iter().map(|update| (update.arm, update.totals.clone())));
        let context = self.described.features.context();
        let empty = Totals::new(context.dimension());
        let arms = self.described.settings.input.arms.len() as u32;
        let totals: Vec<(u32, &Totals)> = (0..arms).map(|arm| (arm, self.totals.get(&arm).unwrap_or(&empty))).collect();
        digest(context.dimension(), context.names(), &totals)
    }

    fn hand_on(&mut self, results: EpochResults) -> Result<(), GatherError> {
        let epoch = results.epoch;
        if let Some(committed) = self.committed_digests.remove(&epoch) {
            if committed != results.digest {
                let shown = crate::files::sink::hexadecimal;
                return Err(GatherError::Changed { epoch, committed: shown(&committed), now: shown(&results.digest) });
            }
            self.committed.fetch_max(epoch, Ordering::Release);
            return Ok(());
        }
        match self.sink.try_send(Box::new(results)) {
            Ok(()) => Ok(()),
            // The pacer never lets more epochs on their way than the channel holds; should it ever, waiting is right.
            Err(TrySendError::Full(results)) => self.sink.send(results).map_err(|_| GatherError::SinkEnded(epoch)),
            Err(TrySendError::Disconnected(_)) => Err(GatherError::SinkEnded(epoch)),
        }
    }
}
