//! An operator that looks at all that arrived for an epoch once nothing more can arrive, epoch
//! after epoch.

use crate::operators::stash::Stash;
use timely::ExchangeData;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::ParallelizationContract;
use timely::dataflow::operators::Operator;

/// Calls `logic` with each epoch that had any input on this worker, in order and each once, with
/// all its items; what it returns is sent at that epoch.
pub fn by_epoch<'scope, D, R, P, L, I>(
    stream: StreamVec<'scope, u64, D>,
    pact: P,
    name: &str,
    mut logic: L,
) -> StreamVec<'scope, u64, R>
where
    D: ExchangeData,
    R: Clone + 'static,
    P: ParallelizationContract<u64, Vec<D>>,
    L: FnMut(u64, Vec<D>) -> I + 'static,
    I: IntoIterator<Item = R>,
{
    stream.unary_frontier::<CapacityContainerBuilder<Vec<R>>, _, _, _>(pact, name, move |_, _| {
        let mut stash: Stash<Vec<D>> = Stash::new();
        move |(input, frontier), output| {
            input.for_each_stamp(|capability, batches| {
                if let Some(capability) = capability.retain_least(0) {
                    let items = stash.at(*capability.time(), || vec![capability]);
                    batches.for_each(|batch| items.append(batch));
                }
            });
            while let Some((epoch, capabilities, items)) =
                stash.take_closed(|epoch| !frontier.less_equal(epoch))
            {
                output.session(&capabilities[0]).give_iterator(logic(epoch, items).into_iter());
            }
        }
    })
}
