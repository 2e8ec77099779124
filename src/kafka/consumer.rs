//! A thread that reads given partitions from given offsets, and hands over blocks of records
//! through a bounded channel.
//!
//! A full channel stops the reading, never the care for the connection: what the brokers send
//! meanwhile waits in the client's own, bounded queue. A broker that is away is waited for; what
//! cannot mend itself is handed over as [`Arrival::Failed`], and ends the thread.

mod handed;
mod position;

pub use position::Position;

use super::error::KafkaError;
use super::reader::Reader;
use super::settings::{KafkaSettings, Role};
use super::status::{CallbackContext, PartitionStatus, Shared};
use crate::first::caught;
use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, bounded, unbounded};
use dataflows::source::{Messages, TopicId};
use handed::Handed;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A partition to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The topic.
    pub topic: TopicId,
    /// The partition.
    pub partition: u32,
    /// Where to begin.
    pub from: Position,
}

/// What a consumer hands over. Of one partition it comes in the partition's order.
#[derive(Debug)]
pub enum Arrival {
    /// Records of one partition; at least one.
    Records(Messages),
    /// A partition is read to its end as it is now. `next` may be past the last record:
    /// transactions' marks and compacted records take offsets too.
    CaughtUp {
        /// The topic.
        topic: TopicId,
        /// The partition.
        partition: u32,
        /// The offset with which it will go on.
        next: u64,
    },
    /// It cannot go on; nothing comes after this.
    Failed(KafkaError),
}

/// How long a full channel is waited for before the connection is cared for again.
const PATIENCE: Duration = Duration::from_millis(10);

/// What the handle asks of the thread.
pub(super) enum ConsumerCommand {
    Add(Vec<Assigned>),
    Hold(TopicId, u32),
    Release(TopicId, u32),
    ShowProgress(Vec<(TopicId, u32, u64)>),
}

/// A running consumer. Dropping it stops the thread, without waiting.
#[derive(Debug)]
pub struct ConsumerHandle {
    shared: Arc<Shared>,
    commands: Sender<ConsumerCommand>,
    stop: Arc<AtomicBool>,
    /// Closed when the thread has ended.
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl ConsumerHandle {
    /// Where every partition stands.
    pub fn status(&self) -> Vec<PartitionStatus> {
        self.shared.partitions().values().copied().collect()
    }

    /// Whether a broker is connected.
    pub fn is_connected(&self) -> bool {
        self.shared.connection.is_up()
    }

    /// Why no broker is connected, as far as is known; `None` while one is.
    pub fn trouble(&self) -> Option<String> {
        (!self.is_connected()).then(|| self.shared.connection.reason())
    }

    /// Reads more partitions, beside those that are read.
    pub fn add(&self, assignment: Vec<Assigned>) {
        self.command(ConsumerCommand::Add(assignment));
    }

    /// Keeps a partition back for a while, so that the others go on without it; what is already on
    /// its way still comes.
    pub fn hold(&self, topic: TopicId, partition: u32) {
        self.command(ConsumerCommand::Hold(topic, partition));
    }

    /// Lets a held partition go on where it stopped.
    pub fn release(&self, topic: TopicId, partition: u32) {
        self.command(ConsumerCommand::Release(topic, partition));
    }

    /// Commits next offsets to the consumer group, for others to see how far the job is; they are
    /// never read back.
    pub fn show_progress(&self, offsets: Vec<(TopicId, u32, u64)>) {
        self.command(ConsumerCommand::ShowProgress(offsets));
    }

    /// Stops reading and waits for the thread; says whether it ended in time.
    pub fn stop(mut self, patience: Duration) -> bool {
        self.stop.store(true, Ordering::Release);
        let ended = self.ended.recv_timeout(patience) == Err(RecvTimeoutError::Disconnected);
        // A client that hangs while it closes must not hang the program: the thread is then left to
        // the end of the process.
        match self.thread.take() {
            Some(thread) if ended => thread.join().is_ok(),
            _ => false,
        }
    }

    /// A thread that has ended takes no commands, and needs none.
    fn command(&self, command: ConsumerCommand) {
        let _ = self.commands.send(command);
    }
}

impl Drop for ConsumerHandle {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// Starts a consumer. `wake` is called after each arrival that was put into `arrivals`.
///
/// # Errors
/// What is wrong with the settings themselves; all that the broker has to say comes as an
/// [`Arrival`].
pub fn spawn(
    settings: &KafkaSettings,
    assignment: Vec<Assigned>,
    arrivals: Sender<Arrival>,
    wake: impl Fn() + Send + 'static,
) -> Result<ConsumerHandle, KafkaError> {
    let shared = Arc::new(Shared::new(&settings.brokers, settings.topics.clone()));
    let context = CallbackContext(Arc::clone(&shared));
    let mut client = settings.client(Role::Consumer)?;
    settings.share_fetched(assignment.len(), &mut client);
    let consumer =
        client.create_with_context(context).map_err(|error| KafkaError::configuration(&error))?;
    let (commands, asked) = unbounded();
    let (ending, ended) = bounded(0);
    let stop = Arc::new(AtomicBool::new(false));
    let mut handle = ConsumerHandle {
        shared: Arc::clone(&shared),
        commands,
        stop: Arc::clone(&stop),
        ended,
        thread: None,
    };
    handle.add(assignment);
    let settings = settings.clone();
    let outlet = Outlet { arrivals, asked, stop, wake };
    let read = move || {
        // Closed at the end of the thread, however it ends.
        let _ending: Sender<()> = ending;
        let outcome = caught("kafka-consumer", || {
            Reader::new(settings, shared, consumer).map(|reader| outlet.run(reader))
        });
        if let Err(error) = outcome.map_err(KafkaError::from).flatten() {
            outlet.fail(error);
        }
    };
    handle.thread = Some(
        thread::Builder::new()
            .name("kafka-consumer".to_string())
            .spawn(read)
            .map_err(KafkaError::Thread)?,
    );
    Ok(handle)
}

/// The thread's side towards the caller.
struct Outlet<W> {
    arrivals: Sender<Arrival>,
    asked: Receiver<ConsumerCommand>,
    stop: Arc<AtomicBool>,
    wake: W,
}

impl<W: Fn()> Outlet<W> {
    /// Reads and hands over until it is stopped, nobody listens any more, or it cannot go on.
    fn run(&self, mut reader: Reader) {
        while !self.stopped() {
            self.serve(&mut reader);
            reader.read();
            for arrival in reader.take_arrivals() {
                let last = matches!(arrival, Arrival::Failed(_));
                if !self.hand_over(arrival, &mut reader) || last {
                    return;
                }
            }
        }
    }

    /// Hands over that it cannot go on, if anybody still listens.
    fn fail(&self, error: KafkaError) {
        drop(self.arrivals.send(Arrival::Failed(error)));
        (self.wake)();
    }

    /// Waits for room in the channel, and cares for the connection meanwhile; says whether there is
    /// anything more to do.
    fn hand_over(&self, mut arrival: Arrival, reader: &mut Reader) -> bool {
        let what = Handed::of(&arrival);
        what.before(reader);
        loop {
            match self.arrivals.send_timeout(arrival, PATIENCE) {
                Ok(()) => break,
                Err(SendTimeoutError::Timeout(back)) => arrival = back,
                Err(SendTimeoutError::Disconnected(_)) => return false,
            }
            if self.stopped() {
                return false;
            }
            self.serve(reader);
        }
        what.after(reader);
        (self.wake)();
        true
    }

    /// Serves the client's own events, and what the handle asks.
    fn serve(&self, reader: &mut Reader) {
        reader.serve();
        for command in self.asked.try_iter() {
            reader.obey(command);
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}
