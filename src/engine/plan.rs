//! What the first process decides for all before they begin, and how the others hear of it.

use crate::checkpoint::Manifest;
use crate::hosting::Hosted;
use crate::kafka::intake::Seat;
use crate::kafka::{Assigned, Position};
use crate::sink::{Genesis, Link};
use crate::source::{Bounds, Loss, bounds_of};
use dataflows::source::TopicId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::rc::Rc;
use timely::ExchangeData;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::vec::Broadcast;
use timely::worker::Worker;

/// Where the job begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The identity of the job's history.
    identity: Link,
    /// The checkpoint that it goes on from, as the text of its manifest.
    manifest: Option<String>,
    /// The offsets to begin with; a partition that is not among them was added later, and is read
    /// from its first record on.
    starts: Vec<(TopicId, u32, u64)>,
    /// Whether epochs are repeated first.
    repeats: bool,
    /// Up to where partitions are read from what was kept of them, before they are read from their
    /// topics.
    kept: Vec<(TopicId, u32, u64)>,
    /// The settings that held in the epochs that are repeated, each with its last epoch, as texts.
    served: Vec<(u64, String)>,
    /// The settings that the checkpoint was taken under, where the epoch after it is a change to
    /// those of the job.
    former: Option<String>,
    /// Offsets that are given up.
    losses: Vec<Loss>,
}

impl Plan {
    /// To go on from this checkpoint, if there is one, and these offsets; first with epochs that
    /// were committed before, if it `repeats` any.
    pub fn new(
        history: &Genesis,
        manifest: Option<&Manifest>,
        starts: Vec<(TopicId, u32, u64)>,
        repeats: bool,
    ) -> Self {
        Plan {
            identity: history.identity,
            manifest: manifest.map(Manifest::to_text),
            starts,
            repeats,
            kept: Vec::new(),
            served: Vec::new(),
            former: None,
            losses: Vec::new(),
        }
    }

    /// The identity of the job's history.
    pub fn identity(&self) -> Link {
        self.identity
    }

    /// The same, with these partitions read from what was kept of them, each up to an offset.
    pub fn recalling(mut self, kept: Bounds) -> Self {
        self.kept =
            kept.into_iter().map(|((topic, partition), until)| (topic, partition, until)).collect();
        self
    }

    /// The same, where these settings held in the epochs that are repeated, each with its last
    /// epoch.
    pub fn serving<S: Serialize>(self, served: &[(u64, S)]) -> Self {
        let served = served.iter().map(|(last, settings)| (*last, text(settings))).collect();
        Plan { served, ..self }
    }

    /// The same, where the epoch after the checkpoint is a change from these settings to those of
    /// the job.
    pub fn changing<S: Serialize>(self, former: Option<&S>) -> Self {
        Plan { former: former.map(text), ..self }
    }

    /// Whether it begins with a change of settings.
    pub fn changes(&self) -> bool {
        self.former.is_some()
    }

    /// The settings of the checkpoint, where they are not those of the job.
    ///
    /// # Panics
    /// As [`Plan::manifest`].
    pub fn former<S: DeserializeOwned>(&self) -> Option<S> {
        self.former.as_ref().map(|text| agreed(serde_json::from_str(text)))
    }

    /// The dataflow of the job, with what served in the epochs that are repeated.
    ///
    /// # Panics
    /// As [`Plan::manifest`].
    pub fn described<D: Hosted>(&self, job: &D) -> D {
        let served =
            self.served.iter().map(|(last, text)| (*last, agreed(serde_json::from_str(text))));
        job.clone().having_served(served.collect())
    }

    /// The same, with more offsets given up.
    pub fn losing(mut self, losses: &[Loss]) -> Self {
        self.losses.extend_from_slice(losses);
        self
    }

    /// Offsets that are given up: of every epoch so far, and of the next one.
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }

    /// Up to where partitions are read from what was kept of them.
    pub fn kept(&self) -> Bounds {
        bounds_of(&self.kept)
    }

    /// Of these partitions those of a worker, and where each begins.
    pub fn assigned(&self, partitions: &BTreeSet<(TopicId, u32)>, seat: Seat) -> Vec<Assigned> {
        let (starts, kept) = (self.starts(), self.kept());
        let from = |key| {
            kept.get(key)
                .or_else(|| starts.get(key))
                .map_or(Position::OF_ADDED, |&next| Position::Offset(next))
        };
        let mine = partitions.iter().filter(|(_, partition)| seat.has(*partition));
        mine.map(|key| Assigned { topic: key.0, partition: key.1, from: from(key) }).collect()
    }

    /// Whether epochs are repeated first.
    pub fn repeats(&self) -> bool {
        self.repeats
    }

    /// The checkpoint.
    ///
    /// # Panics
    /// If the processes are of different versions of the program, which then must not go on
    /// together.
    pub fn manifest(&self) -> Option<Manifest> {
        self.manifest.as_ref().map(|text| agreed(Manifest::from_text(text.as_bytes())))
    }

    /// The offsets to begin with.
    pub fn starts(&self) -> Bounds {
        bounds_of(&self.starts)
    }
}

/// Settings as all processes read them.
fn text<S: Serialize>(settings: &S) -> String {
    serde_json::to_string(settings).expect("settings always have a form in JSON")
}

/// What the first process has written, as every process of the same version reads it.
#[expect(clippy::panic, reason = "nothing is begun yet, and no worker can go on")]
fn agreed<T, E: Debug>(read: Result<T, E>) -> T {
    read.unwrap_or_else(|why| {
        panic!("the processes of the job are of different versions of the program: {why:?}")
    })
}

/// Gives every worker of every process the plan of the first worker. Each worker must call it, the
/// first one with the plan.
pub fn agree<T: ExchangeData + Clone>(worker: &mut Worker, plan: Option<T>) -> T {
    let heard = Rc::new(RefCell::new(None));
    let mut input = InputHandle::<u64, CapacityContainerBuilder<Vec<T>>>::new();
    worker.dataflow::<u64, _, _>(|scope| {
        let heard = Rc::clone(&heard);
        input.to_stream(scope).broadcast().sink(Pipeline, "Plan", move |(input, _)| {
            input.for_each(|_, plans| *heard.borrow_mut() = plans.pop());
        });
    });
    plan.into_iter().for_each(|plan| input.send(plan));
    input.close();
    loop {
        if let Some(plan) = heard.borrow_mut().take() {
            return plan;
        }
        worker.step_or_park(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::event::Topic;

    #[test]
    fn a_partition_that_was_added_is_wanted_from_its_first_record_on() {
        let key = |partition| (Topic::Customers.id(), partition);
        let plan = Plan::new(
            &Genesis::begin(0),
            None,
            vec![(Topic::Customers.id(), 0, 7), (Topic::Customers.id(), 2, 8)],
            true,
        )
        .recalling(Bounds::from([(key(2), 12)]));
        let assigned = plan.assigned(&(0..5).map(key).collect(), Seat { index: 0, peers: 2 });
        let from: Vec<(u32, Position)> =
            assigned.iter().map(|assigned| (assigned.partition, assigned.from)).collect();
        // Not from the first that is left of it.
        assert_eq!(
            from,
            [(0, Position::Offset(7)), (2, Position::Offset(12)), (4, Position::Offset(0))]
        );
    }
}
