//! The source of a replay: blocks of files into the dataflow, each worker its share.

use super::error::FileError;
use super::reader::FileReader;
use crate::first::Tell;
use crate::telemetry::progress::ProgressMeter;
use dataflows::source::{Feed, Lines, Mark};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::source as timely_source;
use timely::dataflow::{Scope, StreamVec};

/// The epoch of a replay that takes everything at once, and the first of one in epochs.
const FIRST_EPOCH: u64 = 1;

/// Where files are cut into epochs: how many blocks an epoch takes, and how many epochs may be on
/// their way.
#[derive(Clone, Copy, Debug)]
pub struct Cadence {
    /// Blocks an epoch.
    pub blocks: u64,
    /// Epochs that have begun and not ended.
    pub ahead: u64,
}

/// Feeds what the readers read. Without `epochs` all of it is one epoch, which ends the input; with
/// them the files advance side by side, in proportion to their lengths, those that come first
/// before all others, and `complete_before` says which epochs are done.
///
/// When a file cannot be read, `failure` is told why. The input then never ends, so that nothing
/// can take what was read for the whole.
pub fn source<'scope>(
    scope: Scope<'scope, u64>,
    readers: Vec<FileReader>,
    epochs: Option<Cadence>,
    complete_before: impl Fn() -> u64 + 'static,
    mut progress: ProgressMeter,
    failure: Tell<FileError>,
) -> StreamVec<'scope, u64, Feed> {
    timely_source::<_, CapacityContainerBuilder<Vec<Feed>>, _, _>(
        scope,
        "Files",
        move |capability, info| {
            let again = scope.activator_for(info.address.clone());
            let mut files = Files::new(readers);
            let mut capability = Some(capability);
            if let Some(capability) = &mut capability {
                capability.downgrade(&FIRST_EPOCH);
            }
            let mut blocks = 0;
            let mut failed = false;
            move |output| {
                let Some(held) = capability.as_mut().filter(|_| !failed) else { return };
                if epochs.is_some_and(|epochs| *held.time() > complete_before() + epochs.ahead) {
                    again.activate_after(std::time::Duration::from_millis(1));
                    return;
                }
                again.activate();
                match files.next(epochs.is_some()) {
                    Ok(Some(block)) => {
                        output.session(&*held).give(Feed::Block(block.into()));
                        blocks += 1;
                        progress.set(files.done());
                        if epochs.is_some_and(|epochs| blocks % epochs.blocks == 0) {
                            files
                                .marks(false)
                                .for_each(|mark| output.session(&*held).give(Feed::Mark(mark)));
                            let next = *held.time() + 1;
                            held.downgrade(&next);
                        }
                    }
                    Ok(None) => end(&mut capability, |held| {
                        files
                            .marks(true)
                            .for_each(|mark| output.session(held).give(Feed::Mark(mark)))
                    }),
                    Err(error) => {
                        failure.tell(error);
                        failed = true;
                    }
                }
            }
        },
    )
}

fn end(capability: &mut Option<Capability<u64>>, last_words: impl FnOnce(&Capability<u64>)) {
    if let Some(held) = capability.take() {
        last_words(&held);
    }
}

/// The files of one worker, and how far each has been read.
struct Files {
    readers: Vec<FileReader>,
    ended: Vec<bool>,
}

impl Files {
    fn new(readers: Vec<FileReader>) -> Self {
        Files { ended: vec![false; readers.len()], readers }
    }

    /// The next block: of one file after the other, or (`abreast`) of the file that is behind the
    /// others.
    fn next(&mut self, abreast: bool) -> Result<Option<Lines>, FileError> {
        while let Some(at) = self.pick(abreast) {
            match self.readers[at].next()? {
                Some(block) => return Ok(Some(block)),
                None => self.ended[at] = true,
            }
        }
        Ok(None)
    }

    fn pick(&self, abreast: bool) -> Option<usize> {
        let open = (0..self.readers.len()).filter(|&at| !self.ended[at]);
        if !abreast {
            return open.min();
        }
        open.min_by_key(|&at| {
            let reader = &self.readers[at];
            let (done, total) = reader.progress();
            (!reader.topic().comes_first(), u128::from(done) * (1 << 32) / u128::from(total.max(1)))
        })
    }

    fn done(&self) -> u64 {
        self.readers.iter().map(|reader| reader.progress().0).sum()
    }

    fn marks(&self, last: bool) -> impl Iterator<Item = Mark> + '_ {
        self.readers.iter().zip(&self.ended).map(move |(reader, &ended)| Mark {
            topic: reader.topic(),
            partition: reader.partition(),
            next: reader.position(),
            idle: ended,
            recorded: None,
            last,
            save: None,
        })
    }
}
