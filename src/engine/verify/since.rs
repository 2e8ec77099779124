//! Where a verification is to begin.

use std::fmt;
use std::str::FromStr;

/// Where a verification is to begin, other than with the first records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// Behind the newest verification.
    Last,
    /// At the oldest checkpoint of the job.
    Oldest,
    /// Behind the verification up to this epoch, or else at the checkpoint of it.
    Epoch(u64),
}

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Since::Last => f.write_str("last"),
            Since::Oldest => f.write_str("oldest"),
            Since::Epoch(epoch) => epoch.fmt(f),
        }
    }
}

impl FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Since, Self::Err> {
        match text {
            "last" => Ok(Since::Last),
            "oldest" => Ok(Since::Oldest),
            number => number
                .parse()
                .map(Since::Epoch)
                .map_err(|_| "`last`, `oldest`, or the epoch of a verification or checkpoint"),
        }
    }
}
