//! What is done to a job, drawn from a seed before anything is done.

use crate::trial::layout::Layout;
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use std::fmt;

/// The layouts that the job is started with, processes x workers.
pub(crate) const LAYOUTS: [Layout; 5] =
    [Layout::of(1, 1), Layout::of(1, 2), Layout::of(2, 1), Layout::of(2, 2), Layout::of(1, 3)];

/// Each kind is drawn so often at least, if there are enough actions.
const LEAST: usize = 5;

/// A kind of action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Produce,
    Late,
    Duplicate,
    Replace,
    Retract,
    Renew,
    Erase,
    Bad,
    Abort,
    Open,
    End,
    KillOne,
    KillAll,
    KillBroker,
    KillDatabase,
    Pause,
    Rescale,
    Drain,
    /// Only once.
    Compact,
}

/// Every kind that comes again and again, and its weight beyond the first few.
const KINDS: [(Kind, u64); 18] = [
    (Kind::Produce, 30),
    (Kind::Late, 8),
    (Kind::Duplicate, 6),
    (Kind::Replace, 8),
    (Kind::Retract, 8),
    (Kind::Renew, 8),
    (Kind::Erase, 3),
    (Kind::Bad, 4),
    (Kind::Abort, 5),
    (Kind::Open, 6),
    (Kind::End, 3),
    (Kind::KillOne, 10),
    (Kind::KillAll, 8),
    (Kind::KillBroker, 1),
    (Kind::KillDatabase, 3),
    (Kind::Pause, 5),
    (Kind::Rescale, 4),
    (Kind::Drain, 4),
];

/// What is waited for after an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// The next one follows at once.
    GoOn,
    /// An epoch is committed.
    Commit,
    /// All that was sent is committed.
    CatchUp,
}

/// An action with everything that was drawn for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Action {
    /// What is done.
    pub(crate) kind: Kind,
    /// Records that are sent with it.
    pub(crate) records: usize,
    /// They are sent in a transaction, which is committed; but not while the broker is away.
    pub(crate) in_transaction: bool,
    /// A transaction that stays open is committed later, and not aborted.
    pub(crate) commits: bool,
    /// Which process is meant; the remainder by their number counts.
    pub(crate) process: usize,
    /// A kill waits until the job is in the middle of a commit.
    pub(crate) in_commit: bool,
    /// What the job is started with afterwards.
    pub(crate) layout: Layout,
    /// What is waited for.
    pub(crate) then: Then,
}

/// The same sequence for the same seed. Somewhere in its first half the topic of customers becomes
/// a compacted one.
pub(crate) fn draw(seed: u64, length: usize) -> Vec<Action> {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let mut below = move |end: u64| random.next_u64() % end;
    let others = length.saturating_sub(1);
    let least = LEAST.min(others / KINDS.len());
    let mut kinds: Vec<Kind> =
        KINDS.iter().flat_map(|(kind, _)| std::iter::repeat_n(*kind, least)).collect();
    let all: u64 = KINDS.iter().map(|(_, weight)| weight).sum();
    while kinds.len() < others {
        let mut at = below(all);
        let drawn = KINDS.iter().find(|(_, weight)| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        });
        kinds.extend(drawn.map(|(kind, _)| *kind));
    }
    for last in (1..kinds.len()).rev() {
        kinds.swap(last, below(last as u64 + 1) as usize);
    }
    if length > 0 {
        kinds.insert(below(length as u64 / 2 + 1).min(others as u64) as usize, Kind::Compact);
    }
    kinds
        .into_iter()
        .map(|kind| Action {
            kind,
            records: match kind {
                Kind::Produce => 20 + below(180) as usize,
                Kind::Late
                | Kind::Duplicate
                | Kind::Replace
                | Kind::Retract
                | Kind::Renew
                | Kind::Bad => 1 + below(20) as usize,
                Kind::Erase => 1,
                Kind::End => 0,
                _ => 10 + below(60) as usize,
            },
            in_transaction: below(3) == 0
                && !matches!(kind, Kind::KillBroker | Kind::Abort | Kind::Open | Kind::End),
            commits: below(3) > 0,
            process: below(2) as usize,
            in_commit: below(2) == 0,
            layout: LAYOUTS[below(LAYOUTS.len() as u64) as usize],
            then: match below(10) {
                0..4 => Then::GoOn,
                4..8 => Then::Commit,
                // It would have to end at once.
                _ if kind == Kind::Open => Then::Commit,
                _ => Then::CatchUp,
            },
        })
        .collect()
}

/// How a transaction ends.
pub(crate) fn ended(commits: bool) -> &'static str {
    if commits { "committed" } else { "aborted" }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Action { kind, records, in_transaction, commits, process, in_commit, layout, then } =
            self;
        let at = if *in_commit { " in the middle of a commit" } else { "" };
        match kind {
            Kind::Produce => write!(formatter, "send {records} records")?,
            Kind::Late => write!(formatter, "send {records} late events")?,
            Kind::Duplicate => write!(formatter, "repeat {records} events")?,
            Kind::Replace => write!(formatter, "replace {records} events")?,
            Kind::Retract => write!(formatter, "take back {records} events")?,
            Kind::Renew => write!(formatter, "renew {records} profiles")?,
            Kind::Erase => write!(formatter, "erase a customer")?,
            Kind::Bad => write!(formatter, "send {records} bad records")?,
            Kind::Abort => {
                write!(formatter, "send {records} records and more in a transaction, and abort it")?
            }
            Kind::Open => write!(
                formatter,
                "send {records} records and more in a transaction that stays open, to be {}",
                ended(*commits)
            )?,
            Kind::End => write!(formatter, "end the open transaction")?,
            Kind::KillOne => {
                write!(formatter, "send {records} records and kill process {process}{at}")?
            }
            Kind::KillAll => {
                write!(formatter, "send {records} records and kill all processes{at}")?
            }
            Kind::KillBroker => {
                write!(formatter, "kill the broker, send {records} records, start the broker")?
            }
            Kind::KillDatabase => {
                write!(formatter, "kill the database, send {records} records, start the database")?
            }
            Kind::Pause => {
                write!(formatter, "stop process {process}, send {records} records, let it go on")?
            }
            Kind::Rescale => {
                write!(formatter, "send {records} records, kill all{at} and start as {layout}")?
            }
            Kind::Drain => {
                write!(formatter, "send {records} records, drain and start as {layout}")?
            }
            Kind::Compact => write!(
                formatter,
                "send {records} records, drain, have the topic of customers compacted from now on, \
                 and start as {layout}"
            )?,
        }
        if *in_transaction {
            write!(formatter, ", in a transaction")?;
        }
        match then {
            Then::GoOn => Ok(()),
            Then::Commit => write!(formatter, "; wait for a commit"),
            Then::CatchUp => write!(formatter, "; wait for all"),
        }
    }
}
