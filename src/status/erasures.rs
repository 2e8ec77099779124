//! Erasures that were not done, by why: whoever is responsible for them must hear of each.

use std::collections::BTreeMap;

/// Why an erasure was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErasureFault {
    /// Its record could not be read.
    Unread,
    /// The wish could not be written to the topic of customers.
    NotWritten,
    /// Older checkpoints still hold what was erased.
    Checkpoints,
}

impl ErasureFault {
    /// Every one.
    pub const ALL: [ErasureFault; 3] =
        [ErasureFault::Unread, ErasureFault::NotWritten, ErasureFault::Checkpoints];

    /// The word for it in metrics and the status.
    pub fn word(self) -> &'static str {
        match self {
            ErasureFault::Unread => "unread",
            ErasureFault::NotWritten => "not_written",
            ErasureFault::Checkpoints => "checkpoints",
        }
    }
}

/// How many erasures were not done, by the word for why. The epochs count those that could not be
/// read, over every start of the job; the others are counted here, since this one.
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

    /// All of them, with those that could not be read.
    pub(super) fn numbers(&self, unread: u64) -> BTreeMap<&'static str, u64> {
        let mut numbers = self.0.clone();
        numbers.insert(ErasureFault::Unread.word(), unread);
        numbers
    }
}
