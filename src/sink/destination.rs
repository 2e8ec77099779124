//! Where what an epoch owes its topics goes.

use crate::telemetry::stalls::Cause;

/// Where a publication goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The topic of what a dataflow tells others.
    Predictions,
    /// The topic of records that could not be taken.
    DeadLetters,
}

impl Destination {
    /// Both.
    pub const ALL: [Destination; 2] = [Destination::Predictions, Destination::DeadLetters];

    /// What stands still while its topic takes nothing.
    pub fn cause(self) -> Cause {
        match self {
            Destination::Predictions => Cause::PredictionsTopic,
            Destination::DeadLetters => Cause::DeadLettersTopic,
        }
    }
}
