//! Erasures that were not done, by where they failed: whoever is responsible for them must hear of each.

use std::collections::BTreeMap;

/// Where an erasure failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErasureFault {
    /// The wish could not be written to the topic of customers.
    NotWritten,
    /// Older checkpoints still hold what was erased.
    Checkpoints,
}

impl ErasureFault {
    /// Every one.
    pub const ALL: [ErasureFault; 2] = [ErasureFault::NotWritten, ErasureFault::Checkpoints];

    /// The word for it in metrics and the status.
    pub fn word(self) -> &'static str {
        match self {
            ErasureFault::NotWritten => "not_written",
            ErasureFault::Checkpoints => "checkpoints",
        }
    }
}

/// How many erasures have failed since the start, by the word for where.
#[derive(Clone, Debug)]
pub(super) struct FailedErasures(BTreeMap<&'static str, u64>);

impl FailedErasures {
    pub(super) fn none() -> Self {
        FailedErasures(ErasureFault::ALL.into_iter().map(|fault| (fault.word(), 0)).collect())
    }

    pub(super) fn add(&mut self, fault: ErasureFault) {
        *self.0.entry(fault.word()).or_default() += 1;
    }

    /// So many by now, as somebody else counts them.
    pub(super) fn raise(&mut self, fault: ErasureFault, total: u64) {
        let number = self.0.entry(fault.word()).or_default();
        *number = total.max(*number);
    }

    pub(super) fn numbers(&self) -> BTreeMap<&'static str, u64> {
        self.0.clone()
    }
}
