//! A live source: what arrives on every worker, cut into epochs for all of them at once.
//!
//! One pacer, on the first worker, says when an epoch is cut; the sources tell it what arrived. So
//! epochs are the same for all workers, an epoch is cut only when there is something in it, and how
//! many epochs are on their way is decided in one place.
//!
//! ```text
//! pacer ─ commands, broadcast ─▶ source on each worker ─▶ feed
//!   ▲                                  │
//!   └────────── what arrived ◀─────────┘
//! ```

mod control;
mod pacing;
mod reading;
mod replayed;
#[cfg(test)]
mod tests;

pub use control::Control;
pub use replayed::Replayed;

use super::schedule::Schedule;
use crate::source::Intake;
use dataflows::event::{CustomerId, Millis};
use dataflows::source::Feed;
use pacing::pacer;
use reading::read;
use std::sync::Arc;
use std::time::Duration;
use timely::dataflow::operators::vec::Broadcast;
use timely::dataflow::operators::{ConnectLoop, Feedback};
use timely::dataflow::{Scope, StreamVec};
use timely::scheduling::SyncActivator;

/// How epochs are cut.
#[derive(Clone, Debug)]
pub struct Pace {
    /// An epoch with records is cut after so long.
    pub interval: Duration,
    /// And as soon as it has so many.
    pub max_events: u64,
    /// Epochs that are cut and not committed.
    pub ahead: u64,
    /// The first epoch: 1, or the one after the checkpoint that the job goes on from.
    pub first: u64,
    /// Whether there are epochs that were committed before, which every worker must know: nothing
    /// may be read before their ends are.
    pub repeats: bool,
    /// Those epochs, from the first on; only the first worker has them. All of them are repeated,
    /// even by a job that is told to drain.
    pub replayed: Vec<Replayed>,
    /// The customers that are erased from the first record on, each up to an instant; only the
    /// first worker has them.
    pub erased: Vec<(CustomerId, Millis)>,
    /// When checkpoints are due; without it none are taken.
    pub saves: Option<Arc<Schedule>>,
}

/// How often a source looks for what no wake-up announces: idle partitions, a request to drain.
const LOOK: Duration = Duration::from_millis(20);

/// Feeds what the intakes bring; `intake` gets a handle with which another thread wakes the source.
pub fn live<'scope, I: Intake + 'static>(
    scope: Scope<'scope, u64>,
    pace: Pace,
    control: Control,
    intake: impl FnOnce(SyncActivator) -> I,
) -> StreamVec<'scope, u64, Feed> {
    let (news_in, news) = scope.feedback::<Vec<control::SourceReport>>(1);
    let commands = pacer(news, pace.clone(), control.clone()).broadcast();
    let (feed, arrived) = read(commands, pace, control, intake);
    arrived.connect_loop(news_in);
    feed
}
