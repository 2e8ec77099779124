//! The operator that closes epochs: from the standings of all partitions, how far time has come.

use super::{Closed, PartitionStanding, Partitions};
use crate::operators::by_epoch::by_epoch;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Exchange;

/// The end of each epoch, on worker 0.
pub fn close_epochs<'scope>(
    standings: StreamVec<'scope, u64, PartitionStanding>,
    mut partitions: Partitions,
) -> StreamVec<'scope, u64, Closed> {
    by_epoch(
        standings,
        Exchange::new(|_| 0),
        "Watermark",
        move |_, marks| [partitions.close(marks)],
    )
}
