//! An operator that works through each epoch in turns, once nothing more can arrive for it.

use crate::operators::stash::Stash;
use timely::ExchangeData;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::ParallelizationContract;
use timely::dataflow::operators::generic::Operator;

/// What is done with each epoch, in order and one after the other.
pub trait Work<D, R> {
    /// Begins with an epoch that had any input on this worker, with all its items.
    fn begin(&mut self, epoch: u64, items: Vec<D>);
    /// Takes a turn; gives what is to be sent at the epoch once it is done.
    fn go_on(&mut self) -> Option<Vec<R>>;
}

/// Does the work, some of it at each activation: others have theirs in between.
pub fn in_turns<'scope, D, R, P>(
    stream: StreamVec<'scope, u64, D>,
    pact: P,
    name: &str,
    mut work: impl Work<D, R> + 'static,
) -> StreamVec<'scope, u64, R>
where
    D: ExchangeData,
    R: Clone + 'static,
    P: ParallelizationContract<u64, Vec<D>>,
{
    let scope = stream.scope();
    stream.unary_frontier::<CapacityContainerBuilder<Vec<R>>, _, _, _>(pact, name, |_, info| {
        let again = scope.activator_for(info.address);
        let mut stash: Stash<Vec<D>> = Stash::new();
        let mut right = None;
        move |(input, frontier), output| {
            input.for_each_stamp(|capability, batches| {
                if let Some(capability) = capability.retain_least(0) {
                    let items = stash.at(*capability.time(), || vec![capability]);
                    batches.for_each(|batch| items.append(batch));
                }
            });
            if right.is_none()
                && let Some((epoch, mut rights, items)) =
                    stash.take_closed(|epoch| !frontier.less_equal(epoch))
            {
                work.begin(epoch, items);
                right = rights.pop();
            }
            let Some(held) = &right else { return };
            if let Some(results) = work.go_on() {
                output.session(held).give_iterator(results.into_iter());
                right = None;
            }
            if right.is_some() || stash.first().is_some() {
                again.activate();
            }
        }
    })
}
