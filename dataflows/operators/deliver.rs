//! Delivers a stream to one place: every item to worker 0, and the news that an epoch is complete.

use timely::ExchangeData;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Operator;

/// What is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery<D> {
    /// An item of an epoch. Items of later epochs may come before an earlier one is complete.
    Item(u64, D),
    /// Every epoch before this one is complete.
    CompleteBefore(u64),
    /// Nothing more will come.
    End,
}

/// Brings every item to worker 0, where `receive` is called; on the other workers it is never
/// called.
pub fn deliver<D: ExchangeData>(
    stream: StreamVec<'_, u64, D>,
    mut receive: impl FnMut(Delivery<D>) + 'static,
) {
    let here = stream.scope().index() == 0;
    let mut complete_before = 0;
    let mut ended = false;
    stream.sink(Exchange::new(|_: &D| 0), "Deliver", move |(input, frontier)| {
        if !here {
            input.for_each(|_, _| {});
            return;
        }
        input.for_each(|capability, items| {
            if let Some(&epoch) = capability.least() {
                items.drain(..).for_each(|item| receive(Delivery::Item(epoch, item)));
            }
        });
        match frontier.frontier().iter().next() {
            Some(&before) if before > complete_before => {
                complete_before = before;
                receive(Delivery::CompleteBefore(before));
            }
            None if !ended => {
                ended = true;
                receive(Delivery::End);
            }
            _ => {}
        }
    });
}
