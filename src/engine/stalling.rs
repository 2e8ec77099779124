//! Sees what stands still: puts together what the parts of a running job know of it.

use super::held_back::HeldBack;
use super::live::Control;
use super::watch::{Standstill, Watched};
use crate::kafka::PartitionStatus;
use crate::telemetry::stalls::{Cause, Seen};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// An epoch that waits so long to be committed stands still; likewise a partition whose broker is
/// not connected for so long.
const STALLED: Duration = Duration::from_secs(5);

/// Signs of life come every two seconds; a process that gives none for so long does nothing.
const SILENT: Duration = Duration::from_secs(6);

/// What has to be remembered from one look to the next.
pub(super) struct Stalling {
    commits: Standstill,
    unreachable: Standstill,
    held_back: HeldBack,
}

impl Stalling {
    /// Nothing is seen yet.
    pub(super) fn new() -> Self {
        Stalling {
            commits: Standstill::new(),
            unreachable: Standstill::new(),
            held_back: HeldBack::default(),
        }
    }

    /// Everything that stands still now, where the pacer has been `silent` for so long.
    pub(super) fn look(
        &mut self,
        watched: &Watched,
        partitions: &[PartitionStatus],
        silent: Duration,
    ) -> Vec<Seen> {
        let mut seen: Vec<Seen> =
            watched.sight.gone().map(|gone| Seen::of(Cause::InputGone, gone)).into_iter().collect();
        seen.extend(watched.trouble.seen());
        let connection = watched.sight.trouble().map(|trouble| Seen::of(Cause::Broker, trouble));
        seen.extend(connection.or_else(|| self.unreachable(watched, partitions)));
        seen.extend(peer(watched, silent));
        let waited = self
            .commits
            .waited(watched.control.committed.load(Ordering::Acquire), watched.has_uncommitted());
        if waited >= STALLED && !seen.iter().any(|seen| seen.cause.stops()) {
            seen.extend(
                Instant::now()
                    .checked_sub(waited)
                    .map(|since| unexplained(&watched.control).since(since)),
            );
        }
        seen.extend(watched.status.publishing_trouble());
        seen.extend(self.held_back.look(partitions, Instant::now()));
        let unsaved = watched.saved.get().and_then(|saved| saved.trouble());
        seen.extend(unsaved.map(|why| Seen::of(Cause::Checkpoints, why)));
        seen
    }

    /// Partitions whose broker is not connected, though another one is.
    fn unreachable(&mut self, watched: &Watched, partitions: &[PartitionStatus]) -> Option<Seen> {
        let away: Vec<&PartitionStatus> = partitions
            .iter()
            .filter(|partition| partition.next.is_some() && !partition.reachable)
            .collect();
        let waited = self.unreachable.waited(1, !away.is_empty());
        let first = away.first().filter(|_| waited >= STALLED)?;
        let (topic, partition, brokers) =
            (first.topic.name(), first.partition, watched.sight.brokers());
        let others = if away.len() > 1 {
            format!(", nor those of {} other partitions", away.len() - 1)
        } else {
            String::new()
        };
        let what = format!(
            "of those at {brokers}, the one that has partition {partition} of {topic} is not \
             connected{others}; start it"
        );
        Some(Seen::of(Cause::Broker, what).since(Instant::now().checked_sub(waited)?))
    }
}

/// Another process that is not heard of: by the first one any other, and by the others the first,
/// whose pacer has been `silent` for so long.
fn peer(watched: &Watched, silent: Duration) -> Option<Seen> {
    let (seat, now) = (watched.seat, Instant::now());
    let (process, since) = match seat.process {
        0 => watched.control.peers.silent(seat, SILENT, now)?,
        _ => (0, now.checked_sub(silent).filter(|_| silent >= SILENT)?),
    };
    let what = format!(
        "process {process} of {} is stopped, hangs, or cannot be reached; see to it, or start all \
         of them again",
        seat.processes
    );
    Some(Seen::of(Cause::Peer, what).since(since))
}

/// An epoch waits, and nobody has said why: unless all results are computed anew in it, what is
/// waited for is all that can be told.
fn unexplained(control: &Control) -> Seen {
    let (committed, gathered) =
        (control.committed.load(Ordering::Acquire), control.gathered.load(Ordering::Acquire));
    if committed < control.changing.load(Ordering::Acquire) {
        let doing = if gathered > committed { "written" } else { "computed" };
        return Seen::of(
            Cause::Settings,
            format!("in epoch {} all results are {doing} anew", committed + 1),
        );
    }
    let what = match gathered > committed {
        true => {
            format!("epoch {} is with the sink, which has not said why it waits", committed + 1)
        }
        false => format!("epoch {} is cut, and the workers have not finished it", committed + 1),
    };
    Seen::of(Cause::Unknown, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_of_other_settings_is_no_unknown_cause_and_those_after_it_are() {
        let control = Control::default();
        control.changing.store(7, Ordering::Release);
        let told = |committed, gathered| {
            control.committed.store(committed, Ordering::Release);
            control.gathered.store(gathered, Ordering::Release);
            let seen = unexplained(&control);
            (seen.cause, seen.what)
        };
        assert_eq!(
            told(6, 6),
            (Cause::Settings, "in epoch 7 all results are computed anew".to_string())
        );
        assert_eq!(
            told(6, 7),
            (Cause::Settings, "in epoch 7 all results are written anew".to_string())
        );
        assert_eq!(
            told(7, 8),
            (
                Cause::Unknown,
                "epoch 8 is with the sink, which has not said why it waits".to_string()
            )
        );
        assert_eq!(
            told(7, 7),
            (Cause::Unknown, "epoch 8 is cut, and the workers have not finished it".to_string())
        );
    }
}
