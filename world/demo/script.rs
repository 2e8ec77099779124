//! What happens in the demo: first the history of the simulated world, then its time goes on, with
//! requests for decisions and the customers' answers to them.
//!
//! Simulated time is counted in requests, not in seconds of this machine: a seed gives the same
//! requests and purchases at the same simulated instants, however fast they are played. How a
//! customer answers depends on customer, request and arm alone. So a run can differ from another
//! only in what the model knew when it decided, that is in how the epochs were cut.

use super::batches::Batches;
use super::future::Future;
use super::outcomes::Outcome;
use crate::lines::{customer_line, line};
use crate::purchases::SimulatedPurchase;
use crate::response::{Shares, best_arm, expected_reward};
use crate::{SimulatedEvent, World, WorldError, WorldSettings};
use dataflows::campaign::output::Decision;
use dataflows::event::{CustomerId, DAY, Millis, Topic};
use dataflows::source::TopicId;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::collections::VecDeque;
use std::io::Write;

/// Requests of a simulated day. With their answers, and with the purchases of a world of 100,000 in
/// 730 days, a day has about 1,000 events: at the default rate one passes in a second.
const REQUESTS_A_DAY: i64 = 431;

/// A letter before the number of a request makes the id of its decision.
const DECISION: char = 'D';

/// The world, and how far it has been played.
pub struct Script {
    world: World,
    random: Pcg64Mcg,
    profiles: usize,
    past: VecDeque<SimulatedPurchase>,
    future: Future,
    requests: u64,
}

impl Script {
    /// A world of this seed at the beginning of its history.
    ///
    /// # Errors
    /// Never for these settings.
    pub fn new(seed: u64) -> Result<Self, WorldError> {
        Script::of(WorldSettings { interactions: 0, seed, ..WorldSettings::default() })
    }

    fn of(settings: WorldSettings) -> Result<Self, WorldError> {
        let world = World::new(settings)?;
        let past = world.transactions().collect();
        let future = Future::after(&world);
        Ok(Script {
            random: Pcg64Mcg::seed_from_u64(world.settings().seed),
            world,
            profiles: 0,
            past,
            future,
            requests: 0,
        })
    }

    /// How many customers and purchases the history has.
    pub fn history(&self) -> (u64, u64) {
        (self.world.customers().len() as u64, self.world.settings().transactions)
    }

    /// The segments' shares, for the closed forms.
    pub fn shares(&self) -> Shares {
        self.world.shares()
    }

    /// Writes the next record of the history: profiles, then purchases. `false` when there is none
    /// left.
    pub fn recall(&mut self, out: &mut Batches) -> bool {
        if let Some(customer) = self.world.customers().get(self.profiles) {
            self.profiles += 1;
            out.add(Topic::Customers.id(), self.world.end(), |bytes| {
                customer_line(customer, bytes);
            });
            return true;
        }
        let Some(purchase) = self.past.pop_front() else { return false };
        write_purchase(purchase, out);
        true
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// The instant of the next request.
    pub fn now(&self) -> Millis {
        self.world.end() + self.requests as i64 * DAY / REQUESTS_A_DAY
    }

    /// Writes the next request and the purchases before it; how many records that were. `None` when
    /// the calendar has no more days.
    pub fn ask(&mut self, out: &mut Batches) -> Option<u64> {
        let now = self.now();
        let mut records = 1;
        while let Some(purchase) = self.future.before(now)? {
            write_purchase(purchase, out);
            records += 1;
        }
        self.requests += 1;
        let customer = 1
            + ((u128::from(self.random.next_u64()) * self.world.customers().len() as u128) >> 64)
                as CustomerId;
        let request = self.requests;
        write_record(Topic::Requests.id(), now, out, |bytes| {
            write!(
                bytes,
                "{{\"decision_id\": \"{DECISION}{request:07}\", \"customer_id\": {customer}, \
                 \"timestamp\": {now}}}"
            )
        });
        Some(records)
    }

    /// What the customer answers to a decision: written as an interaction with its reward, at the
    /// instant of the request. `None` for a decision that is not one of the script's, or chose
    /// nothing.
    pub fn answer(&self, decision: &Decision, out: &mut Batches) -> Option<Outcome> {
        let (number, arm) = (number(decision)?, usize::from(decision.arm?));
        let (customer, timestamp) = (decision.customer, decision.timestamp);
        let reward = self.world.feedback(customer, arm, number)?;
        let segment = self.world.customer(customer)?.segment;
        write_record(Topic::Interactions.id(), timestamp, out, |bytes| {
            write!(
                bytes,
                "{{\"interaction_id\": \"I{number:07}\", \"customer_id\": {customer}, \
                 \"timestamp\": {timestamp}, \"action\": {arm}, \
                 \"reward\": {reward}, \"propensity\": {}, \"decision_id\": \"{}\"}}",
                decision.propensity, decision.decision
            )
        });
        Some(Outcome { arm, reward, regret: best_arm(segment).1 - expected_reward(segment, arm) })
    }
}

/// The number of the request that a decision answers.
pub fn number(decision: &Decision) -> Option<u64> {
    decision.decision.strip_prefix(DECISION)?.parse().ok()
}

fn write_purchase(purchase: SimulatedPurchase, out: &mut Batches) {
    out.add(Topic::Transactions.id(), purchase.timestamp, |bytes| {
        line(&SimulatedEvent::Transaction(purchase), bytes);
    });
}

fn write_record(
    topic: TopicId,
    timestamp: Millis,
    out: &mut Batches,
    write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>,
) {
    out.add(topic, timestamp, |bytes| write(bytes).expect("writing to memory does not fail"));
}

#[cfg(test)]
mod tests;
