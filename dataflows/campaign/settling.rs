//! The driver of settling: all records of an epoch, once it is closed and the epoch before has been
//! learned from.

use crate::campaign::ledger::TotalChange;
use crate::campaign::output::{Closed, Day, Output};
use crate::campaign::shard::Shard;
use crate::campaign::thresholds::closed_by;
use crate::codec::rows::Rows;
use crate::event::text::virtual_shard;
use crate::event::{Aside, Millis, Record};
use crate::operators::stash::Stash;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::rc::Rc;
use timely::container::CapacityContainerBuilder as Builder;
use timely::dataflow::channels::pact::{Exchange, ExchangeCore, Pipeline};
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Stream, StreamVec};
use timely::scheduling::Activator;

/// One worker's customers, shared by the two operators that work on them in turn: settling, then
/// learning, an epoch at a time.
pub struct Shared {
    /// The customers.
    pub shard: Shard,
    /// An epoch has settled and is not yet learned from.
    pub settled: bool,
    /// Wakes the settling.
    pub wake_settling: Option<Activator>,
}

/// What one worker says of its customers' totals at the end of an epoch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TotalChanges {
    /// Every day up to this one closes; `None` while none does.
    pub through: Option<Day>,
    /// At the end of the input: the latest settled event.
    pub end: Option<Millis>,
    /// Changes of days up to `through` - 2.
    pub changes: Vec<TotalChange>,
}

/// What settling gives.
pub struct SettledStreams<'scope> {
    /// For the owner of the thresholds.
    pub totals: StreamVec<'scope, u64, TotalChanges>,
    /// That the epoch has settled on this worker, and how it was closed.
    pub closed: StreamVec<'scope, u64, Closed>,
    /// Retractions of unknown ids.
    pub outputs: StreamVec<'scope, u64, Output>,
}

#[derive(Default)]
struct News {
    records: Vec<Rows<Record>>,
    asides: Vec<Vec<Aside>>,
    closed: Option<Closed>,
}

/// Settles each epoch's records with their customers' histories. `closings` carries each epoch's
/// end to every worker.
pub fn settle<'scope>(
    records: Stream<'scope, u64, Rows<Record>>,
    asides: StreamVec<'scope, u64, Aside>,
    closings: StreamVec<'scope, u64, Closed>,
    shared: Rc<RefCell<Shared>>,
) -> SettledStreams<'scope> {
    let scope = records.scope();
    let mut builder = OperatorBuilder::new("Settle".to_owned(), scope);
    shared.borrow_mut().wake_settling = Some(scope.activator_for(builder.operator_info().address));
    let by_customer = ExchangeCore::<Builder<Rows<Record>>, _>::new(|record: &Record| {
        virtual_shard(record.customer)
    });
    let mut records = builder.new_input(records, by_customer);
    let mut asides =
        builder.new_input(asides, Exchange::new(|aside: &Aside| virtual_shard(aside.customer())));
    let mut closings = builder.new_input(closings, Pipeline);
    let (totals, total_stream) = builder.new_output::<Vec<TotalChanges>>();
    let (closed, closed_stream) = builder.new_output::<Vec<Closed>>();
    let (outputs, output_stream) = builder.new_output::<Vec<Output>>();
    let mut totals = OutputBuilder::<_, Builder<Vec<TotalChanges>>>::from(totals);
    let mut closed = OutputBuilder::<_, Builder<Vec<Closed>>>::from(closed);
    let mut outputs = OutputBuilder::<_, Builder<Vec<Output>>>::from(outputs);
    builder.build(move |_| {
        let mut stash: Stash<News> = Stash::new();
        move |frontiers| {
            // A message of data at an epoch never carries an empty stamp here: every source holds a
            // capability.
            let rights = |capability: &timely::dataflow::operators::InputCapability<u64>| {
                (0..3).filter_map(|port| capability.retain_least(port)).collect::<Vec<_>>()
            };
            records.for_each(|capability, batch| {
                let Some(&epoch) = capability.least() else { return };
                stash.at(epoch, || rights(&capability)).records.push(std::mem::take(batch));
            });
            asides.for_each(|capability, batch| {
                let Some(&epoch) = capability.least() else { return };
                stash.at(epoch, || rights(&capability)).asides.push(std::mem::take(batch));
            });
            closings.for_each(|capability, batch| {
                let Some(&epoch) = capability.least() else { return };
                stash.at(epoch, || rights(&capability)).closed = batch.pop();
            });
            let mut shared = shared.borrow_mut();
            if shared.settled {
                return;
            }
            let Some((epoch, rights, news)) = stash
                .take_closed(|epoch| frontiers.iter().all(|frontier| !frontier.less_equal(epoch)))
            else {
                return;
            };
            let mut rejected = Vec::new();
            shared.shard.settle(epoch, news.records, news.asides, &mut rejected);
            let end = news.closed.unwrap_or_default();
            totals.activate().session(&rights[0]).give(close_days(&mut shared.shard, &end));
            closed.activate().session(&rights[1]).give(end);
            if !rejected.is_empty() {
                outputs.activate().session(&rights[2]).give(Output::Rejected(rejected));
            }
            shared.settled = true;
        }
    });
    SettledStreams { totals: total_stream, closed: closed_stream, outputs: output_stream }
}

/// Which days close with the epoch, and what changed up to then.
fn close_days(shard: &mut Shard, end: &Closed) -> TotalChanges {
    let through = if end.last { Some(Day::MAX) } else { end.watermark.map(closed_by) };
    let mut changes = Vec::new();
    if let (Some(through), Some(ledger)) = (through, &mut shard.ledger) {
        ledger.close(through.saturating_sub(2), &mut changes);
    }
    TotalChanges { through, end: end.last.then(|| shard.latest_event()).flatten(), changes }
}
