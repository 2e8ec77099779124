//! What the script writes, as a live source: all of it enters on one worker, and the others have
//! nothing to read.

use crate::source::{Bounds, Intake};
use crossbeam_channel::{Receiver, TryRecvError};
use dataflows::event::Topic;
use dataflows::source::{Mark, Messages, TopicId};
use std::collections::VecDeque;

/// The blocks of the script on the worker that has their channel.
pub(super) struct WorldIntake {
    /// `None` where nothing will come, or no more.
    blocks: Option<Receiver<Messages>>,
    waiting: VecDeque<Messages>,
    next: Vec<(TopicId, u64)>,
}

/// The topics that the script writes to.
const TOPICS: [TopicId; 4] = [
    Topic::Transactions.id(),
    Topic::Customers.id(),
    Topic::Interactions.id(),
    Topic::Requests.id(),
];

impl WorldIntake {
    /// Reads what comes through the channel, until its sender is gone.
    pub(super) fn new(blocks: Option<Receiver<Messages>>) -> Self {
        let next =
            if blocks.is_some() { TOPICS.map(|topic| (topic, 0)).to_vec() } else { Vec::new() };
        WorldIntake { blocks, waiting: VecDeque::new(), next }
    }

    fn receive(&mut self) {
        loop {
            match self.blocks.as_ref().map(Receiver::try_recv) {
                Some(Ok(block)) => self.waiting.push_back(block),
                Some(Err(TryRecvError::Disconnected)) => self.blocks = None,
                Some(Err(TryRecvError::Empty)) | None => return,
            }
        }
    }

    fn next_of(&self, topic: TopicId) -> u64 {
        self.next.iter().find(|(of, _)| *of == topic).map_or(0, |(_, next)| *next)
    }
}

impl Intake for WorldIntake {
    fn next(&mut self, _until: Option<&Bounds>) -> Option<Messages> {
        self.receive();
        let block = self.waiting.pop_front()?;
        for (_, next) in self.next.iter_mut().filter(|(topic, _)| *topic == block.topic) {
            *next += block.heads.len() as u64;
        }
        Some(block)
    }

    fn has_reached(&self, bounds: &Bounds) -> bool {
        self.next
            .iter()
            .all(|(topic, next)| bounds.get(&(*topic, 0)).is_none_or(|bound| next >= bound))
    }

    fn marks(&self, _until: Option<&Bounds>) -> Vec<Mark> {
        // Nobody is contacted while the history is read: contacts hold time back from the first
        // request on.
        let idle =
            |topic| topic == Topic::Interactions.id() && self.next_of(Topic::Requests.id()) == 0;
        let mark = |&(topic, next): &(TopicId, u64)| Mark {
            topic,
            partition: 0,
            next,
            idle: idle(topic),
            recorded: None,
            last: false,
            save: None,
        };
        self.next.iter().map(mark).collect()
    }

    fn is_prepared(&self) -> bool {
        // The script writes the profiles first.
        true
    }

    fn open(&mut self) {}

    fn is_ended(&self) -> bool {
        self.blocks.is_none() && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::unbounded;
    use world::demo::batches::Batches;

    fn block(topic: TopicId) -> Messages {
        let mut batches = Batches::default();
        batches.add(topic, 0, |out| out.extend_from_slice(b"{}"));
        batches.take().next().expect("one record makes a block")
    }

    #[test]
    fn contacts_are_idle_until_somebody_is_asked_for() {
        let (sender, receiver) = unbounded();
        let mut intake = WorldIntake::new(Some(receiver));
        let idle = |intake: &WorldIntake| -> Vec<TopicId> {
            intake.marks(None).iter().filter(|mark| mark.idle).map(|mark| mark.topic).collect()
        };
        sender.send(block(Topic::Customers.id())).expect("the intake listens");
        assert_eq!(intake.next(None).map(|block| block.topic), Some(Topic::Customers.id()));
        assert_eq!(idle(&intake), [Topic::Interactions.id()]);
        sender.send(block(Topic::Requests.id())).expect("the intake listens");
        assert_eq!(intake.next(None).map(|block| block.topic), Some(Topic::Requests.id()));
        assert!(idle(&intake).is_empty());
    }

    #[test]
    fn it_ends_when_the_sender_is_gone_and_everything_was_handed_out() {
        let (sender, receiver) = unbounded();
        let mut intake = WorldIntake::new(Some(receiver));
        sender.send(block(Topic::Requests.id())).expect("the intake listens");
        assert!(intake.next(None).is_some() && intake.next(None).is_none() && !intake.is_ended());
        sender.send(block(Topic::Requests.id())).expect("the intake listens");
        drop(sender);
        assert!(!intake.is_ended());
        assert!(intake.next(None).is_some() && intake.next(None).is_none() && intake.is_ended());
        assert!(WorldIntake::new(None).is_ended() && WorldIntake::new(None).marks(None).is_empty());
    }
}
