//! The slower, relational views: arm statistics a day and segments, as differential collections
//! with vector-valued diffs.
//!
//! Workers hand in changes already summed over their epoch, so a view costs a handful of updates an
//! epoch however fast events come.

use crate::bandit::tallies::ArmDayChange;
use crate::campaign::emission::SegmentChange;
use crate::campaign::output::{ArmDay, Day, Output, Segment};
use crate::campaign::snapshot::Common;
use crate::operators::by_epoch::by_epoch;
use differential_dataflow::VecCollection;
use differential_dataflow::collection::AsCollection;
use differential_dataflow::operators::CountTotal;
use std::collections::BTreeMap;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::vec::{Filter, Map, ToStream};

/// Interactions, responses and the sum of rewards.
type ArmDayDiff = (i64, i64, i128);
/// Customers, and their purchases.
type SegmentDiff = (i64, i64);

/// A change of an arm's day, as a differential update.
pub type ArmDayUpdate = ((Day, u16), u64, ArmDayDiff);
/// A change of a segment, as a differential update.
pub type SegmentUpdate = (u8, u64, SegmentDiff);

/// The update that a worker's change of an epoch is.
pub fn arm_day_update(epoch: u64, key: (Day, u16), change: ArmDayChange) -> ArmDayUpdate {
    (key, epoch, (change.interactions, change.responses, change.reward))
}

/// The update that a worker's change of an epoch is.
pub fn segment_update(epoch: u64, flags: u8, change: SegmentChange) -> SegmentUpdate {
    (flags, epoch, (change.customers, change.amount))
}

/// All views, as they now stand.
pub fn views<'scope>(
    of_arm_days: StreamVec<'scope, u64, ArmDayUpdate>,
    of_segments: StreamVec<'scope, u64, SegmentUpdate>,
    before: &Common,
) -> StreamVec<'scope, u64, Output> {
    arm_days(of_arm_days, before).concat(segments(of_segments, before))
}

/// Contacts and rewards of each day and arm, as they now stand; all zero where nothing is left.
fn arm_days<'scope>(
    updates: StreamVec<'scope, u64, ArmDayUpdate>,
    before: &Common,
) -> StreamVec<'scope, u64, Output> {
    let row = |row: &ArmDay| ((row.day, row.arm), 0, (row.interactions, row.responses, row.reward));
    let gone = |row: &ArmDay| {
        ((row.day, row.arm), before.changed, (-row.interactions, -row.responses, -row.reward))
    };
    // Where settings change, contacts and rewards are counted anew.
    let gone = before.arm_days.iter().filter(|_| before.is_changing()).map(gone);
    let counted: VecCollection<'scope, u64, ((Day, u16), ArmDayDiff), isize> =
        since(updates, before.arm_days.iter().map(row).chain(gone)).as_collection().count_total();
    newest(counted, |(day, arm), (interactions, responses, reward)| {
        Output::ArmDay(ArmDay { day, arm, interactions, responses, reward })
    })
}

/// Customers of each segment, as they now stand; zero where none is left.
fn segments<'scope>(
    updates: StreamVec<'scope, u64, SegmentUpdate>,
    before: &Common,
) -> StreamVec<'scope, u64, Output> {
    let row = |row: &Segment| (row.flags, 0, (row.customers, row.amount));
    let counted: VecCollection<'scope, u64, (u8, SegmentDiff), isize> =
        since(updates, before.segments.iter().map(row)).as_collection().count_total();
    newest(counted, |flags, (customers, amount)| {
        Output::Segment(Segment { flags, customers, amount })
    })
}

/// What changes after what stood in the snapshot, which is at time 0: before every epoch.
fn since<'scope, D: Clone + 'static>(
    updates: StreamVec<'scope, u64, D>,
    before: impl Iterator<Item = D>,
) -> StreamVec<'scope, u64, D> {
    let scope = updates.scope();
    let before: Vec<D> = if scope.index() == 0 { before.collect() } else { Vec::new() };
    before.to_stream(scope).concat(updates)
}

/// Of the old and the new row of a key in an epoch the new one; a key that vanished is shown with
/// the zero of its diff. What stood before the first epoch has been shown.
fn newest<'scope, K, R>(
    counted: VecCollection<'scope, u64, (K, R), isize>,
    show: impl Fn(K, R) -> Output + 'static,
) -> StreamVec<'scope, u64, Output>
where
    K: timely::ExchangeData + Ord + std::hash::Hash,
    R: timely::ExchangeData + Default,
{
    let rows = counted
        .inner
        .filter(|(_, epoch, _)| *epoch > 0)
        .map(|((key, row), _, sign)| (key, row, sign));
    by_epoch(rows, Pipeline, "NewestRows", move |_, rows| {
        let mut newest: BTreeMap<K, R> = BTreeMap::new();
        for (key, row, sign) in rows {
            let entry = newest.entry(key).or_default();
            if sign > 0 {
                *entry = row;
            }
        }
        newest.into_iter().map(|(key, row)| show(key, row)).collect::<Vec<_>>()
    })
}
