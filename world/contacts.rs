//! The log of a campaign that chose its channels by chance, and the customers' answers.

use super::population::Customer;
use super::random::{Stream, StreamPurpose};
use super::response::{self, ARMS};
use super::timeline::{DailyQuota, Timeline};
use dataflows::event::{CustomerId, Millis};

/// Probability with which the logged campaign chose the arm that it did: all arms alike.
pub const LOGGED_PROPENSITY: f64 = 1.0 / ARMS.len() as f64;

/// A contact and its reward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimulatedContact {
    /// 1 for the first of the world, and so on.
    pub number: u64,
    /// Whose.
    pub customer: CustomerId,
    /// A whole second.
    pub timestamp: Millis,
    /// Index into [`ARMS`].
    pub arm: u8,
    /// Minor units: profit less cost.
    pub reward: i64,
}

/// The contacts of a world, in time order: any customer at any time, all alike.
pub struct Interactions<'a> {
    timeline: Timeline<'a>,
    customers: &'a [Customer],
}

impl<'a> Interactions<'a> {
    pub(crate) fn new(plan: &'a DailyQuota, customers: &'a [Customer], seed: u64) -> Self {
        let timeline = Timeline::new(plan, seed, StreamPurpose::Contacts, |stream| {
            stream.below(86_400) as u32
        });
        Interactions { timeline, customers }
    }
}

impl Iterator for Interactions<'_> {
    type Item = SimulatedContact;

    fn next(&mut self) -> Option<SimulatedContact> {
        let (instant, stream) = self.timeline.next()?;
        let customer = &self.customers[stream.below(self.customers.len() as u64) as usize];
        let arm = stream.below(ARMS.len() as u64) as usize;
        let reward = response::reward(customer.segment, arm, stream.uniform());
        Some(SimulatedContact {
            number: instant.number,
            customer: customer.id,
            timestamp: instant.timestamp,
            arm: arm as u8,
            reward,
        })
    }
}

/// What a customer answers to decision number `sequence`, in minor units. Customer and sequence
/// alone make the chance in it, so that two policies which are compared meet the same luck.
pub(crate) fn feedback(customer: &Customer, arm: usize, sequence: u64, seed: u64) -> i64 {
    let draw = Stream::new(seed, StreamPurpose::Feedback, customer.id as u64, sequence).uniform();
    response::reward(customer.segment, arm, draw)
}

#[cfg(test)]
mod tests {
    use super::super::{World, WorldSettings};
    use super::*;

    fn world() -> World {
        World::new(WorldSettings {
            transactions: 0,
            interactions: 200_000,
            ..WorldSettings::default()
        })
        .unwrap()
    }

    #[test]
    fn arms_are_logged_with_their_propensity() {
        let mut counts = [0.0; ARMS.len()];
        let world = world();
        for contact in world.interactions() {
            counts[usize::from(contact.arm)] += 1.0;
        }
        let total = world.settings().interactions as f64;
        let error = (LOGGED_PROPENSITY * (1.0 - LOGGED_PROPENSITY) / total).sqrt();
        assert!(
            counts.iter().all(|count| (count / total - LOGGED_PROPENSITY).abs() < 4.0 * error),
            "{counts:?}"
        );
    }

    #[test]
    fn logged_rewards_agree_with_the_closed_forms_of_their_arms() {
        let world = world();
        for (arm, name) in ARMS.into_iter().enumerate() {
            let rewards: Vec<f64> = world
                .interactions()
                .filter(|contact| usize::from(contact.arm) == arm)
                .map(|contact| contact.reward as f64 / 100.0)
                .collect();
            let count = rewards.len() as f64;
            let mean = rewards.iter().sum::<f64>() / count;
            let error =
                (rewards.iter().map(|reward| (reward - mean) * (reward - mean)).sum::<f64>()
                    / count
                    / count)
                    .sqrt();
            let expected = world.shares().fixed(arm);
            assert!(
                (mean - expected).abs() < 3.5 * error,
                "{name}: {mean} logged, {expected} expected, standard error {error}"
            );
        }
    }

    #[test]
    fn feedback_is_repeatable_and_follows_the_table() {
        let world = world();
        let (customer, answers) = (&world.customers()[0], 100_000);
        for arm in 0..ARMS.len() {
            let sum: f64 = (0..answers)
                .map(|sequence| world.feedback(customer.id, arm, sequence).unwrap())
                .sum();
            let expected = response::expected_reward(customer.segment, arm);
            // A reward is one of two values 400 apart, so its standard deviation is at most 200.
            assert!(
                (sum / answers as f64 - expected).abs() < 4.0 * 200.0 / (answers as f64).sqrt()
            );
        }
        assert_eq!(world.feedback(7, 2, 99), world.feedback(7, 2, 99));
        assert_eq!(world.feedback(0, 2, 99), None);
        assert_eq!(world.feedback(7, ARMS.len(), 99), None);
    }
}
