//! How long rows are kept, and by which setting.

/// How long a row is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// For ever.
    All,
    /// Until the rows that the oldest epochs wrote are all old enough.
    Epochs {
        /// The epoch that wrote a row last.
        epoch: &'static str,
        /// By what it is told how old they are.
        dated: Dated,
        /// So many epochs' go at once.
        together: u64,
        /// Only once it is published.
        published: bool,
        /// The setting that says how old.
        setting: &'static str,
        /// The word by which it is recorded how far they are gone.
        gone: &'static str,
    },
    /// As long as they are of the newest versions, or the newest of their group at one of these or
    /// at one that somebody has pinned.
    Versions {
        /// Which version.
        version: &'static str,
        /// Of what.
        group: &'static str,
        /// Whether it is pinned.
        pinned: &'static str,
        /// The setting that says how many.
        setting: &'static str,
    },
    /// So many days after they came, and until they are published.
    Days {
        /// When they came.
        since: &'static str,
        /// The epochs with which something of them is to be published.
        epochs: &'static [&'static str],
        /// The setting that says how many.
        setting: &'static str,
    },
}

/// By what it is told how old the rows of an epoch are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dated {
    /// An instant of events, before the watermark.
    Event(&'static str),
    /// When it was committed, by the clock of the place that keeps it.
    Commit(&'static str),
}

impl Keep {
    /// The columns that it names.
    pub fn columns(&self) -> Vec<&'static str> {
        match *self {
            Keep::All => Vec::new(),
            Keep::Epochs { epoch, dated: Dated::Event(at) | Dated::Commit(at), .. } => {
                vec![epoch, at]
            }
            Keep::Versions { version, group, pinned, .. } => vec![version, group, pinned],
            Keep::Days { since, epochs, .. } => {
                [since].into_iter().chain(epochs.iter().copied()).collect()
            }
        }
    }

    /// The setting that says how long; `None`: for ever.
    pub fn setting(&self) -> Option<&'static str> {
        match *self {
            Keep::All => None,
            Keep::Epochs { setting, .. }
            | Keep::Versions { setting, .. }
            | Keep::Days { setting, .. } => Some(setting),
        }
    }
}
