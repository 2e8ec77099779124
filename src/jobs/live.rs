//! A live source: what arrives on every worker, cut into epochs for all of them at once.
//!
//! One pacer, on the first worker, says when an epoch is cut; the sources tell it what arrived. So
//! epochs are the same for all workers, an epoch is cut only when there is something in it, and how
//! many epochs are on their way is decided in one place.
//!
//! ```text
//! pacer ─ commands, broadcast ─▶ source on each worker ─▶ feed
//!   ▲                                  │
//!   └────────── what arrived ◀─────────┘
//! ```

use super::peers::Peers;
use super::schedule::Schedule;
use crate::source::{Bounds, Intake, bounds_of};
use dataflows::event::{CustomerId, Millis};
use dataflows::source::TopicId;
use dataflows::source::{Feed, Mark, Recorded, Save};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use timely::container::CapacityContainerBuilder as Builder;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::vec::Broadcast;
use timely::dataflow::operators::{Capability, ConnectLoop, Feedback};
use timely::dataflow::{Scope, StreamVec};
use timely::scheduling::SyncActivator;

/// An epoch that was committed before and is replayed as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// Where its partitions stood at its end.
    pub bounds: Vec<(TopicId, u32, u64)>,
    /// Its watermark.
    pub watermark: Option<Millis>,
    /// The customers that it erased, each up to an instant: its records may no longer say so.
    pub erased: Vec<(CustomerId, Millis)>,
    /// What is saved with it: something only where a verification leaves a checkpoint.
    pub save: Option<Save>,
}

impl Replayed {
    /// Committed epochs, each by its number, offsets and watermark, with what it has erased of all
    /// that they have.
    pub fn each<'a>(
        epochs: impl Iterator<Item = (u64, &'a [(TopicId, u32, u64)], Option<Millis>)>,
        erasures: impl IntoIterator<Item = (u64, CustomerId, Millis)>,
    ) -> Vec<Replayed> {
        let mut erased: BTreeMap<u64, Vec<(CustomerId, Millis)>> = BTreeMap::new();
        for (epoch, customer, until) in erasures {
            erased.entry(epoch).or_default().push((customer, until));
        }
        let replayed = |(epoch, bounds, watermark): (u64, &[_], _)| Replayed {
            bounds: bounds.to_vec(),
            watermark,
            erased: erased.remove(&epoch).unwrap_or_default(),
            save: None,
        };
        epochs.map(replayed).collect()
    }
}

/// How epochs are cut.
#[derive(Clone, Debug)]
pub struct Pace {
    /// An epoch with records is cut after so long.
    pub interval: Duration,
    /// And as soon as it has so many.
    pub max_events: u64,
    /// Epochs that are cut and not committed.
    pub ahead: u64,
    /// The first epoch: 1, or the one after the checkpoint that the job goes on from.
    pub first: u64,
    /// Whether there are epochs that were committed before, which every worker must know: nothing
    /// may be read before their ends are.
    pub repeats: bool,
    /// Those epochs, from the first on; only the first worker has them. All of them are repeated,
    /// even by a job that is told to drain.
    pub replayed: Vec<Replayed>,
    /// The customers that are erased from the first record on, each up to an instant; only the
    /// first worker has them.
    pub erased: Vec<(CustomerId, Millis)>,
    /// When checkpoints are due; without it none are taken.
    pub saves: Option<Arc<Schedule>>,
}

/// What the pacer and the rest of the process share.
#[derive(Clone, Debug, Default)]
pub struct Control {
    /// The newest epoch that is committed.
    pub committed: Arc<AtomicU64>,
    /// The newest epoch that is on its way to the sink, or past it.
    pub gathered: Arc<AtomicU64>,
    /// The newest epoch that is cut.
    pub cut: Arc<AtomicU64>,
    /// The last epoch that was committed before this start.
    pub repeated: Arc<AtomicU64>,
    /// Stop reading, finish the epoch, end.
    pub drain: Arc<AtomicBool>,
    /// Signs of life that the pacer has given, as heard in this process.
    pub beat: Arc<AtomicU64>,
    /// There is a pacer that gives them.
    pub is_listening: Arc<AtomicBool>,
    /// Epochs are repeated that were committed before; every process knows it.
    pub repeats: Arc<AtomicBool>,
    /// The first epoch is a change of settings, in which everything is computed anew: no worker
    /// gives a sign of life before it is done.
    pub changes: Arc<AtomicBool>,
    /// The number of that epoch; 0: there is none.
    pub changing: Arc<AtomicU64>,
    /// Something failed in this process: the others must not take its end for a drain.
    pub failed: Arc<AtomicBool>,
    /// Which workers answer the pacer's signs of life; known where the pacer is.
    pub peers: Peers,
    /// Another process ends the job because something failed in it.
    pub failed_elsewhere: Arc<AtomicBool>,
    /// A checkpoint is wanted at once.
    pub wants_checkpoint: Arc<AtomicBool>,
}

impl Control {
    /// Notes signs of life among what the pacer told, and takes them out; and what this process
    /// should know of the others. Says whether there were any.
    fn hear(&self, told: &mut Vec<Command>) -> bool {
        for command in told.iter() {
            if let Command::Cut { failed, .. } = command {
                self.repeats.store(false, Ordering::Release);
                self.changes.store(false, Ordering::Release);
                self.failed_elsewhere.fetch_or(*failed, Ordering::AcqRel);
            }
        }
        let before = told.len();
        told.retain(|command| !matches!(command, Command::Beat));
        self.beat.fetch_add((before - told.len()) as u64, Ordering::AcqRel);
        self.is_listening.store(true, Ordering::Release);
        told.len() < before
    }
}

/// What the pacer tells every source.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Command {
    /// The epoch ends here; with the last one the job does, because something `failed` in one of
    /// its processes or else because it was asked to.
    Cut { last: bool, open: bool, save: Option<Save>, failed: bool },
    /// The epoch ends where it ended before; if `more`, so does the next.
    CutAt { replayed: Replayed, more: bool },
    /// A sign of life.
    Beat,
}

/// What a source tells the pacer.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct News {
    /// The epoch that the records are in.
    epoch: u64,
    records: u64,
    /// A partition has fallen idle or woken up.
    restless: bool,
    prepared: bool,
    ended: bool,
    /// The process was asked to drain.
    drain: bool,
    /// Something failed in the process.
    failed: bool,
    /// The worker.
    worker: usize,
    /// It answers a sign of life.
    alive: bool,
}

/// How often a source looks for what no wake-up announces: idle partitions, a request to drain.
const LOOK: Duration = Duration::from_millis(20);

/// How long a drain waits for a checkpoint that is on its way.
const LAST_BUT_ONE: Duration = Duration::from_secs(3);

/// How soon the pacer looks whether it may repeat the next epoch.
const AGAIN: Duration = Duration::from_millis(1);

/// How often the pacer gives a sign of life.
const BEAT: Duration = Duration::from_secs(2);

/// Feeds what the intakes bring; `intake` gets a handle with which another thread wakes the source.
pub fn live<'scope, I: Intake + 'static>(
    scope: Scope<'scope, u64>,
    pace: Pace,
    control: Control,
    intake: impl FnOnce(SyncActivator) -> I,
) -> StreamVec<'scope, u64, Feed> {
    let (news_in, news) = scope.feedback::<Vec<News>>(1);
    let commands = pacer(news, pace.clone(), control.clone()).broadcast();
    let (feed, arrived) = read(commands, pace, control, intake);
    arrived.connect_loop(news_in);
    feed
}

/// Says when epochs are cut, on worker 0.
fn pacer<'scope>(
    news: StreamVec<'scope, u64, News>,
    pace: Pace,
    control: Control,
) -> StreamVec<'scope, u64, Command> {
    let scope = news.scope();
    let (here, peers) = (scope.index() == 0, scope.peers());
    let mut builder = OperatorBuilder::new("Pacer".to_owned(), scope);
    let again = scope.activator_for(builder.operator_info().address);
    let mut news = builder.new_input(news, Exchange::new(|_: &News| 0));
    let (commands, stream) = builder.new_output::<Vec<Command>>();
    let mut commands = OutputBuilder::<_, Builder<Vec<Command>>>::from(commands);
    builder.build(move |mut capabilities| {
        let mut held = capabilities.pop().filter(|_| here);
        if let Some(held) = &mut held {
            held.downgrade(&pace.first);
        }
        let mut pacing = Pacing::new(pace, peers);
        move |_| {
            let open = held.as_ref().map_or(0, |held| *held.time());
            let mut hear = |news: News| {
                if news.alive || news.prepared {
                    control.peers.answer(news.worker);
                }
                pacing.hear(open, news);
            };
            news.for_each(|_, news| news.drain(..).for_each(&mut hear));
            while let Some(capability) = &mut held {
                let epoch = *capability.time();
                if pacing.beats() {
                    control.peers.ask(peers, Instant::now());
                    commands.activate().session(&*capability).give(Command::Beat);
                }
                let Some(command) = pacing.decide(epoch, &control) else { break };
                let last = matches!(command, Command::Cut { last: true, .. });
                commands.activate().session(&*capability).give(command);
                control.cut.store(epoch, Ordering::Release);
                capability.downgrade(&(epoch + 1));
                if last {
                    held = None;
                }
            }
            if held.is_some() {
                again.activate_after(pacing.patience());
            }
        }
    });
    stream
}

/// The pacer's thoughts.
struct Pacing {
    pace: Pace,
    replayed: VecDeque<Replayed>,
    peers: usize,
    records: u64,
    restless: bool,
    prepared: usize,
    /// Everything may be read: the sources have been told.
    opened: bool,
    ended: usize,
    drain: bool,
    failed: bool,
    /// When the job was asked to drain.
    asked: Option<Instant>,
    began: Instant,
    beat: Instant,
}

impl Pacing {
    fn new(pace: Pace, peers: usize) -> Self {
        let replayed = pace.replayed.clone().into();
        // A job that goes on has read the customers to their end before.
        let opened = pace.first > 1;
        Pacing {
            pace,
            replayed,
            peers,
            records: 0,
            restless: false,
            prepared: 0,
            opened,
            ended: 0,
            drain: false,
            failed: false,
            asked: None,
            began: Instant::now(),
            beat: Instant::now(),
        }
    }

    /// Takes news in while `open` is the open epoch. Records of an earlier one came between its end
    /// and the source's hearing of it.
    fn hear(&mut self, open: u64, mut news: News) {
        if news.epoch < open {
            news.records = 0;
        }
        if self.records == 0 && news.records > 0 {
            // An epoch lasts from its first record on: after a pause that one need not wait.
            self.began = self
                .began
                .max(Instant::now().checked_sub(self.pace.interval).unwrap_or(self.began));
        }
        self.records += news.records;
        self.restless |= news.restless;
        self.prepared += usize::from(news.prepared);
        self.ended += usize::from(news.ended);
        self.drain |= news.drain;
        self.failed |= news.failed;
    }

    /// Whether the job was asked to drain. A checkpoint that is on its way is waited for a little,
    /// so that the last one can follow it.
    fn is_draining(&mut self) -> bool {
        if !self.drain {
            return false;
        }
        let since = *self.asked.get_or_insert_with(Instant::now);
        since.elapsed() >= LAST_BUT_ONE
            || self.pace.saves.as_ref().is_none_or(|saves| saves.is_free())
    }

    /// Whether it is time for a sign of life.
    fn beats(&mut self) -> bool {
        let due = self.beat.elapsed() >= BEAT;
        if due {
            self.beat = Instant::now();
        }
        due
    }

    /// The next thing to be told, if it is time.
    fn decide(&mut self, epoch: u64, control: &Control) -> Option<Command> {
        let last = self.replayed.is_empty() && (self.is_draining() || self.ended == self.peers);
        if !last && epoch > control.committed.load(Ordering::Acquire) + self.pace.ahead {
            return None;
        }
        if let Some(replayed) = self.replayed.pop_front() {
            self.opened = true;
            return Some(Command::CutAt { replayed, more: !self.replayed.is_empty() });
        }
        let due = self.began.elapsed() >= self.pace.interval;
        let opens = !self.opened && self.prepared == self.peers;
        let urgent = self.pace.saves.as_ref().is_some_and(|saves| saves.is_urgent());
        if !(last
            || opens
            || urgent
            || self.records >= self.pace.max_events
            || (due && (self.records > 0 || self.restless)))
        {
            return None;
        }
        self.opened |= opens;
        self.records = 0;
        self.restless = false;
        self.began = Instant::now();
        let save = self.pace.saves.as_ref().and_then(|saves| saves.due(epoch, last));
        Some(Command::Cut { last, open: self.opened, save, failed: self.failed })
    }

    /// How long nothing can become due without news.
    fn patience(&self) -> Duration {
        if !self.replayed.is_empty() {
            return AGAIN;
        }
        self.pace
            .interval
            .saturating_sub(self.began.elapsed())
            .clamp(Duration::from_millis(1), LOOK)
    }
}

/// Reads on each worker, and cuts when told.
fn read<'scope, I: Intake + 'static>(
    commands: StreamVec<'scope, u64, Command>,
    pace: Pace,
    control: Control,
    intake: impl FnOnce(SyncActivator) -> I,
) -> (StreamVec<'scope, u64, Feed>, StreamVec<'scope, u64, News>) {
    let scope = commands.scope();
    let (index, leads) = (scope.index(), scope.index() == 0);
    let mut builder = OperatorBuilder::new("Source".to_owned(), scope);
    let address = builder.operator_info().address;
    let again = Rc::new(scope.activator_for(address.clone()));
    let intake = intake(scope.worker().sync_activator_for(address.to_vec()));
    let mut commands = builder.new_input(commands, Pipeline);
    let (feed, feed_stream) = builder.new_output::<Vec<Feed>>();
    let (news, news_stream) = builder.new_output::<Vec<News>>();
    let mut feed = OutputBuilder::<_, Builder<Vec<Feed>>>::from(feed);
    let mut news = OutputBuilder::<_, Builder<Vec<News>>>::from(news);
    builder.build(move |capabilities| {
        let mut held = Some(capabilities);
        held.iter_mut().flatten().for_each(|capability| capability.downgrade(&pace.first));
        let mut reading = Reading::new(intake, &pace, leads);
        move |_| {
            commands.for_each(|_, told| {
                reading.untold.alive |= control.hear(told);
                reading.commands.extend(told.drain(..));
            });
            loop {
                let Some(rights) = &mut held else { return };
                let mut feed = feed.activate();
                let mut session = feed.session(&rights[0]);
                let outcome = reading.step(|item| session.give(item));
                drop(session);
                if let Some(told) = reading.news(
                    control.drain.load(Ordering::Acquire),
                    control.failed.load(Ordering::Acquire),
                ) {
                    news.activate().session(&rights[1]).give(News {
                        epoch: *rights[1].time(),
                        worker: index,
                        ..told
                    });
                }
                match outcome {
                    Step::Read => {}
                    Step::Cut => next_epoch(rights),
                    Step::End => {
                        control.is_listening.store(false, Ordering::Release);
                        held = None;
                    }
                    Step::Wait => {
                        again.activate_after(LOOK);
                        return;
                    }
                    Step::Yield => {
                        again.activate();
                        return;
                    }
                }
            }
        }
    });
    (feed_stream, news_stream)
}

fn next_epoch(rights: &mut [Capability<u64>]) {
    for right in rights {
        let next = *right.time() + 1;
        right.downgrade(&next);
    }
}

/// What a step of reading came to.
enum Step {
    /// A block was handed on.
    Read,
    /// Enough blocks in a row: others should have their turn.
    Yield,
    /// The epoch was cut.
    Cut,
    /// The last epoch was cut.
    End,
    /// Nothing to do for now.
    Wait,
}

/// Blocks handed on before other operators have their turn.
const IN_A_ROW: u32 = 4;

/// The state of one worker's source.
struct Reading<I> {
    intake: I,
    commands: VecDeque<Command>,
    /// Records that an epoch may have from this worker before it is cut. A worker may have all of
    /// them, for partitions differ in size.
    max_events: u64,
    /// The next epoch too ends where it ended before, and nothing may be read before that is known.
    repeating: bool,
    /// Customers that the epoch has to erase, whatever its records say.
    erased: Vec<(CustomerId, Millis)>,
    /// Whether it is this worker that says so.
    leads: bool,
    in_epoch: u64,
    untold: News,
    in_a_row: u32,
    idle: Vec<bool>,
    told_prepared: bool,
    told_ended: bool,
    told_drain: bool,
    told_failed: bool,
}

impl<I: Intake> Reading<I> {
    fn new(mut intake: I, pace: &Pace, leads: bool) -> Self {
        if pace.first > 1 {
            intake.open();
        }
        let max_events = pace.max_events;
        Reading {
            intake,
            commands: VecDeque::new(),
            max_events,
            repeating: pace.repeats,
            erased: pace.erased.clone(),
            leads,
            in_epoch: 0,
            untold: News::default(),
            in_a_row: 0,
            idle: Vec::new(),
            told_prepared: false,
            told_ended: false,
            told_drain: false,
            told_failed: false,
        }
    }

    fn step(&mut self, mut give: impl FnMut(Feed)) -> Step {
        if self.in_a_row >= IN_A_ROW {
            self.in_a_row = 0;
            return Step::Yield;
        }
        match self.commands.front() {
            Some(Command::Cut { last, open, save, .. }) => {
                let (last, open, save) = (*last, *open, *save);
                self.commands.pop_front();
                let ended = last && self.intake.is_ended();
                let marks = self.intake.marks(None).into_iter().map(|mark| Mark {
                    last: ended,
                    save,
                    ..mark
                });
                return self.cut(marks.collect(), last, open, &mut give);
            }
            Some(Command::CutAt { replayed, more }) => {
                let bounds = bounds_of(&replayed.bounds);
                let (watermark, save) = (Recorded(replayed.watermark), replayed.save);
                if self.intake.has_reached(&bounds) {
                    let erased = replayed.erased.iter().filter(|_| self.leads);
                    self.erased.extend(erased);
                    self.repeating = *more;
                    self.commands.pop_front();
                    let marks = self.intake.marks(Some(&bounds));
                    let recorded = |mark| Mark { recorded: Some(watermark), save, ..mark };
                    return self.cut(
                        marks.into_iter().map(recorded).collect(),
                        false,
                        true,
                        &mut give,
                    );
                }
                self.intake.open();
                return self.take(Some(&bounds), &mut give);
            }
            Some(Command::Beat) | None => {}
        }
        if self.repeating || self.in_epoch >= self.max_events {
            Step::Wait
        } else {
            self.take(None, &mut give)
        }
    }

    fn take(&mut self, until: Option<&Bounds>, give: &mut impl FnMut(Feed)) -> Step {
        let Some(messages) = self.intake.next(until) else {
            self.in_a_row = 0;
            return Step::Wait;
        };
        let records = messages.heads.len() as u64;
        self.in_epoch += records;
        self.untold.records += records;
        self.in_a_row += 1;
        give(Feed::Block(messages.into()));
        Step::Read
    }

    fn cut(
        &mut self,
        marks: Vec<Mark>,
        last: bool,
        open: bool,
        give: &mut impl FnMut(Feed),
    ) -> Step {
        self.idle = marks.iter().map(|mark| mark.idle).collect();
        self.erased.drain(..).for_each(|(customer, until)| give(Feed::Erased(customer, until)));
        let kept = self.intake.keep(&marks);
        if !kept.is_empty() {
            give(Feed::Kept(kept));
        }
        marks.into_iter().for_each(|mark| give(Feed::Mark(mark)));
        if open {
            self.intake.open();
        }
        self.in_epoch = 0;
        self.untold.records = 0;
        if last { Step::End } else { Step::Cut }
    }

    /// What the pacer should know and was not told.
    fn news(&mut self, drain: bool, failed: bool) -> Option<News> {
        let mut news = std::mem::take(&mut self.untold);
        if self.commands.is_empty() {
            let idle: Vec<bool> = self.intake.marks(None).iter().map(|mark| mark.idle).collect();
            // A partition that is new is news too; but the first look is none.
            news.restless = !self.idle.is_empty() && self.idle != idle;
            if news.restless {
                self.idle = idle;
            }
        }
        news.prepared = first_time(&mut self.told_prepared, self.intake.is_prepared());
        news.ended = first_time(&mut self.told_ended, self.intake.is_ended());
        news.failed = first_time(&mut self.told_failed, failed);
        news.drain = first_time(&mut self.told_drain, drain);
        (news.records > 0
            || news.restless
            || news.prepared
            || news.ended
            || news.drain
            || news.failed
            || news.alive)
            .then_some(news)
    }
}

/// Whether something holds that was not told before; then it is.
fn first_time(told: &mut bool, holds: bool) -> bool {
    let first = holds && !*told;
    *told |= holds;
    first
}

#[cfg(test)]
mod tests;
