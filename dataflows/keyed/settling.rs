//! The operator of settling: what is said to the customers of a worker, epoch by epoch, once
//! nothing more can come; between epochs, snapshots.

use super::worker::{KeyedWorker, ToCustomer};
use super::{Keyed, KeyedOutput};
use crate::epoch::Closed;
use crate::event::text::virtual_shard;
use crate::operators::stash::Stash;
use std::time::Duration;
use timely::container::CapacityContainerBuilder as Builder;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::{Capability, InputCapability};

/// How long a snapshot rests between two turns: others have theirs, and whoever takes the images
/// keeps up.
const PATIENCE: Duration = Duration::from_millis(1);

/// What came for an epoch.
struct EpochNews<E> {
    said: Vec<ToCustomer<E>>,
    end: Option<Closed>,
}

impl<E> Default for EpochNews<E> {
    fn default() -> Self {
        EpochNews { said: Vec::new(), end: None }
    }
}

/// An epoch that is under way: the right to send at it, and one more.
type OpenEpoch = (u64, Vec<Capability<u64>>, Option<Closed>);

/// Settles each epoch; `closings` carries its end to every worker.
pub(super) fn settle<'scope, K: Keyed>(
    said: StreamVec<'scope, u64, ToCustomer<K::Event>>,
    closings: StreamVec<'scope, u64, Closed>,
    mut worker: KeyedWorker<K>,
) -> StreamVec<'scope, u64, KeyedOutput<K::View>> {
    let scope = said.scope();
    let mut builder = OperatorBuilder::new("SettleKeyed".to_owned(), scope);
    let again = scope.activator_for(builder.operator_info().address);
    let by_customer = Exchange::new(|to: &ToCustomer<K::Event>| virtual_shard(to.customer));
    let mut said = builder.new_input(said, by_customer);
    let mut closings = builder.new_input(closings, Pipeline);
    let (outputs, stream) = builder.new_output::<Vec<KeyedOutput<K::View>>>();
    // Nobody listens to it: the right to send at it keeps the dataflow up until a snapshot is
    // complete.
    builder.new_output::<Vec<()>>();
    let mut outputs = OutputBuilder::<_, Builder<Vec<KeyedOutput<K::View>>>>::from(outputs);
    builder.build(move |_| {
        let mut stash: Stash<EpochNews<K::Event>> = Stash::new();
        let mut open: Option<OpenEpoch> = None;
        let mut saving: Option<Capability<u64>> = None;
        move |frontiers| {
            said.for_each(|capability, batch| {
                let Some(&epoch) = capability.least() else { return };
                stash.at(epoch, || retain(&capability)).said.append(batch);
            });
            closings.for_each(|capability, batch| {
                let Some(&epoch) = capability.least() else { return };
                stash.at(epoch, || retain(&capability)).end = batch.pop();
            });
            let is_whole =
                |epoch: &u64| frontiers.iter().all(|frontier| !frontier.less_equal(epoch));
            if open.is_none()
                && let Some((epoch, rights, news)) = stash.take_closed(is_whole)
            {
                worker.begin(news.said);
                open = Some((epoch, rights, news.end));
            }
            if let Some((epoch, mut rights, end)) = open.take() {
                let (results, is_done) = worker.go_on();
                outputs.activate().session(&rights[0]).give_iterator(results.into_iter());
                if !is_done {
                    open = Some((epoch, rights, end));
                } else if worker.begin_snapshot(epoch, end.as_ref()) {
                    saving = rights.pop();
                }
                again.activate();
            }
            if open.is_none() && saving.is_some() && !worker.go_on_with_snapshot() {
                saving = None;
            }
            if saving.is_some() {
                again.activate_after(PATIENCE);
            }
        }
    });
    stream
}

/// The right to send at the epoch of a message, for each output.
fn retain(capability: &InputCapability<u64>) -> Vec<Capability<u64>> {
    (0..2).filter_map(|port| capability.retain_least(port)).collect()
}
