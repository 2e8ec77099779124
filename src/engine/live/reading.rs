//! Reads on each worker, and cuts when told.

use super::control::{Control, SourceCommand, SourceReport};
use super::{LOOK, Pace};
use crate::source::{Bounds, Intake, bounds_of};
use dataflows::event::{CustomerId, Millis};
use dataflows::source::{Feed, Mark, RecordedWatermark};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use timely::container::CapacityContainerBuilder as Builder;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::scheduling::SyncActivator;

/// Reads on each worker, and cuts when told.
pub(super) fn read<'scope, I: Intake + 'static>(
    commands: StreamVec<'scope, u64, SourceCommand>,
    pace: Pace,
    control: Control,
    intake: impl FnOnce(SyncActivator) -> I,
) -> (StreamVec<'scope, u64, Feed>, StreamVec<'scope, u64, SourceReport>) {
    let scope = commands.scope();
    let (index, leads) = (scope.index(), scope.index() == 0);
    let mut builder = OperatorBuilder::new("Source".to_owned(), scope);
    let address = builder.operator_info().address;
    let again = Rc::new(scope.activator_for(address.clone()));
    let intake = intake(scope.worker().sync_activator_for(address.to_vec()));
    let mut commands = builder.new_input(commands, Pipeline);
    let (feed, feed_stream) = builder.new_output::<Vec<Feed>>();
    let (news, news_stream) = builder.new_output::<Vec<SourceReport>>();
    let mut feed = OutputBuilder::<_, Builder<Vec<Feed>>>::from(feed);
    let mut news = OutputBuilder::<_, Builder<Vec<SourceReport>>>::from(news);
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
                    news.activate().session(&rights[1]).give(SourceReport {
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
pub(super) enum Step {
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
pub(super) struct Reading<I> {
    intake: I,
    pub(super) commands: VecDeque<SourceCommand>,
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
    untold: SourceReport,
    in_a_row: u32,
    idle: Vec<bool>,
    told_prepared: bool,
    told_ended: bool,
    told_drain: bool,
    told_failed: bool,
}

impl<I: Intake> Reading<I> {
    pub(super) fn new(mut intake: I, pace: &Pace, leads: bool) -> Self {
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
            untold: SourceReport::default(),
            in_a_row: 0,
            idle: Vec::new(),
            told_prepared: false,
            told_ended: false,
            told_drain: false,
            told_failed: false,
        }
    }

    pub(super) fn step(&mut self, mut give: impl FnMut(Feed)) -> Step {
        if self.in_a_row >= IN_A_ROW {
            self.in_a_row = 0;
            return Step::Yield;
        }
        match self.commands.front() {
            Some(SourceCommand::Cut { last, open, save, .. }) => {
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
            Some(SourceCommand::CutAt { replayed, more }) => {
                let bounds = bounds_of(&replayed.bounds);
                let (watermark, save) = (RecordedWatermark(replayed.watermark), replayed.save);
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
            Some(SourceCommand::Beat) | None => {}
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
    fn news(&mut self, drain: bool, failed: bool) -> Option<SourceReport> {
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
