//! Files through the dataflow.

use super::collected::Collected;
use super::{ReplayError, STREAMED};
use crate::cluster::Cluster;
use crate::files::InputFile;
use crate::files::error::FileError;
use crate::files::reader::{Distribution, ReaderSeat, open_all};
use crate::files::source::source;
use crate::first::First;
use crate::hosting::ResultsOf;
use crate::hosting::replaying::Replays;
use crate::telemetry::progress::{ProgressMeter, Unit};
use dataflows::operators::deliver::{Delivery, deliver};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use timely::worker::Worker;

/// Everything that comes of the files, in this process.
pub(super) fn through_dataflow<D: Replays>(
    cluster: &Cluster,
    inputs: &[InputFile],
    described: &D,
    streamed: bool,
) -> Result<ResultsOf<D>, ReplayError> {
    // What is wrong with a file is known before any worker waits for another.
    open_all(inputs, ReaderSeat { index: 0, of: 1 }, Distribution::Whole, &described.reading())?;
    let collected = Collected::of(described);
    let (shared, inputs, described) = (collected.clone(), inputs.to_vec(), described.clone());
    let first = cluster.is_first();
    cluster.run(move |worker| work(worker, &inputs, &described, streamed, first, &shared))?;
    Ok(collected.take())
}

fn work<D: Replays>(
    worker: &mut Worker,
    inputs: &[InputFile],
    described: &D,
    streamed: bool,
    first: bool,
    collected: &Collected<D>,
) -> Result<(), ReplayError> {
    // A stream's behavior needs one order of all records: one worker reads, the others share the
    // rest of the work.
    let (distribution, seat) = match streamed {
        true => (Distribution::Whole, ReaderSeat { index: worker.index(), of: 1 }),
        false => (Distribution::Split, ReaderSeat { index: worker.index(), of: worker.peers() }),
    };
    let readers = if seat.index < seat.of {
        open_all(inputs, seat, distribution, &described.reading())?
    } else {
        Vec::new()
    };
    let total = readers.iter().map(|reader| reader.progress().1).sum();
    let progress = if first && worker.index() == 0 {
        ProgressMeter::start("replay", Unit::Bytes, total)
    } else {
        ProgressMeter::silent()
    };
    let complete = Arc::new(AtomicU64::new(0));
    let collected = collected.clone();
    let failure = First::<FileError>::default();
    worker.dataflow::<u64, _, _>(|scope| {
        let done = Arc::clone(&complete);
        let feed = source(
            scope,
            readers,
            streamed.then_some(STREAMED),
            move || done.load(Ordering::Relaxed),
            progress,
            failure.teller(),
        );
        deliver(
            described.build(feed, described.anew(scope.index(), scope.peers())),
            move |delivery| match delivery {
                Delivery::Item(_, output) => collected.add(output),
                Delivery::CompleteBefore(epoch) => complete.store(epoch, Ordering::Relaxed),
                Delivery::End => complete.store(u64::MAX / 2, Ordering::Relaxed),
            },
        );
    });
    while worker.step_or_park(None) {
        failure.take().map_or(Ok(()), Err)?;
    }
    Ok(())
}
