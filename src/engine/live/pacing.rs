//! Says when epochs are cut, on the first worker.

use super::control::{Control, SourceCommand, SourceReport};
use super::{LOOK, Pace, Replayed};
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use timely::container::CapacityContainerBuilder as Builder;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// How long a drain waits for a checkpoint that is on its way.
const LAST_BUT_ONE: Duration = Duration::from_secs(3);

/// How soon the pacer looks whether it may repeat the next epoch.
const AGAIN: Duration = Duration::from_millis(1);

/// How often the pacer gives a sign of life.
const BEAT: Duration = Duration::from_secs(2);

/// Says when epochs are cut, on worker 0.
pub(super) fn pacer<'scope>(
    news: StreamVec<'scope, u64, SourceReport>,
    pace: Pace,
    control: Control,
) -> StreamVec<'scope, u64, SourceCommand> {
    let scope = news.scope();
    let (here, peers) = (scope.index() == 0, scope.peers());
    let mut builder = OperatorBuilder::new("Pacer".to_owned(), scope);
    let again = scope.activator_for(builder.operator_info().address);
    let mut news = builder.new_input(news, Exchange::new(|_: &SourceReport| 0));
    let (commands, stream) = builder.new_output::<Vec<SourceCommand>>();
    let mut commands = OutputBuilder::<_, Builder<Vec<SourceCommand>>>::from(commands);
    builder.build(move |mut capabilities| {
        let mut held = capabilities.pop().filter(|_| here);
        if let Some(held) = &mut held {
            held.downgrade(&pace.first);
        }
        let mut pacing = Pacing::new(pace, peers);
        move |_| {
            let open = held.as_ref().map_or(0, |held| *held.time());
            let mut hear = |news: SourceReport| {
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
                    commands.activate().session(&*capability).give(SourceCommand::Beat);
                }
                let Some(command) = pacing.decide(epoch, &control) else { break };
                let last = matches!(command, SourceCommand::Cut { last: true, .. });
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
    fn hear(&mut self, open: u64, mut news: SourceReport) {
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
    fn decide(&mut self, epoch: u64, control: &Control) -> Option<SourceCommand> {
        let last = self.replayed.is_empty() && (self.is_draining() || self.ended == self.peers);
        if !last && epoch > control.committed.load(Ordering::Acquire) + self.pace.ahead {
            return None;
        }
        if let Some(replayed) = self.replayed.pop_front() {
            self.opened = true;
            return Some(SourceCommand::CutAt { replayed, more: !self.replayed.is_empty() });
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
        Some(SourceCommand::Cut { last, open: self.opened, save, failed: self.failed })
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
