//! The operator of settling: all records of an epoch, once it is closed and the epoch before has
//! been learned from.

use crate::campaign::output::{Day, Output};
use crate::campaign::settle::{News, Said};
use crate::campaign::shard::Shard;
pub use crate::campaign::state::TotalChange;
use crate::codec::Rows;
use crate::epoch::Closed;
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
use timely::dataflow::operators::{Capability, InputCapability};
use timely::dataflow::{Stream, StreamVec};
use timely::scheduling::Activator;

/// What one worker says of its customers' totals at the end of an epoch; it may say so in parts.
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
    /// Records that were rejected, and customers that were erased.
    pub outputs: StreamVec<'scope, u64, Output>,
    /// Wakes it, once an epoch has been learned from.
    pub wake: Activator,
}

/// Where what settling gives is sent.
struct Ports {
    totals: OutputBuilder<u64, Builder<Vec<TotalChanges>>>,
    closed: OutputBuilder<u64, Builder<Vec<Closed>>>,
    outputs: OutputBuilder<u64, Builder<Vec<Output>>>,
}

/// Settles each epoch's records with their customers' histories. `closings` carries each epoch's
/// end to every worker.
pub fn settle<'scope>(
    records: Stream<'scope, u64, Rows<Record>>,
    asides: StreamVec<'scope, u64, Aside>,
    closings: StreamVec<'scope, u64, Closed>,
    shard: Rc<RefCell<Shard>>,
) -> SettledStreams<'scope> {
    let scope = records.scope();
    let mut builder = OperatorBuilder::new("Settle".to_owned(), scope);
    let address = builder.operator_info().address;
    let (wake, again) = (scope.activator_for(address.clone()), scope.activator_for(address));
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
    let mut ports = Ports {
        totals: OutputBuilder::from(totals),
        closed: OutputBuilder::from(closed),
        outputs: OutputBuilder::from(outputs),
    };
    builder.build(move |_| {
        let mut stash: Stash<News> = Stash::new();
        let mut rights: Vec<Capability<u64>> = Vec::new();
        move |frontiers| {
            records.for_each(|capability, batch| {
                let Some(&epoch) = capability.least() else { return };
                stash.at(epoch, || retain(&capability)).records.push(std::mem::take(batch));
            });
            asides.for_each(|capability, batch| {
                let Some(&epoch) = capability.least() else { return };
                stash.at(epoch, || retain(&capability)).asides.push(std::mem::take(batch));
            });
            closings.for_each(|capability, batch| {
                let Some(&epoch) = capability.least() else { return };
                stash.at(epoch, || retain(&capability)).closed = batch.pop();
            });
            let mut shard = shard.borrow_mut();
            if shard.is_between_epochs()
                && let Some((epoch, of_epoch, news)) = stash.take_closed(|epoch| {
                    frontiers.iter().all(|frontier| !frontier.less_equal(epoch))
                })
            {
                shard.begin(epoch, news);
                rights = of_epoch;
            }
            if !shard.is_settling() {
                return;
            }
            let (said, end) = shard.settle();
            ports.say(&rights, said);
            match end {
                None => again.activate(),
                Some(end) => {
                    ports.closed.activate().session(&rights[1]).give(end);
                    rights.clear();
                }
            }
        }
    });
    SettledStreams { totals: total_stream, closed: closed_stream, outputs: output_stream, wake }
}

/// The right to send at the epoch of a message, for each output. A message of data at an epoch
/// never carries an empty stamp here: every source holds a capability.
fn retain(capability: &InputCapability<u64>) -> Vec<Capability<u64>> {
    (0..3).filter_map(|port| capability.retain_least(port)).collect()
}

impl Ports {
    fn say(&mut self, rights: &[Capability<u64>], said: Said) {
        if let Some(totals) = said.totals {
            self.totals.activate().session(&rights[0]).give(totals);
        }
        let rejected = Some(said.rejected).filter(|rejected| !rejected.is_empty());
        let erasures = Some(said.erasures).filter(|erasures| !erasures.is_empty());
        let outputs =
            rejected.map(Output::Rejected).into_iter().chain(erasures.map(Output::Erasures));
        self.outputs.activate().session(&rights[2]).give_iterator(outputs);
    }
}
