//! Delayed rewards that join no interaction, and why: a function of one customer's settled events,
//! whatever came first.

use crate::customer::history::View;
use crate::event::Millis;
use std::cmp::Ordering;

/// How many of a customer's delayed rewards join nothing, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unmatched {
    /// The customer has no interaction of the id that they name.
    pub no_interaction: u32,
    /// They are dated before their interaction.
    pub before: u32,
    /// They are dated at the end of its window or later.
    pub after: u32,
}

/// Where a reward lies: before the window of its interaction, in it, or after it.
#[inline]
pub(super) fn against_window(reward: Millis, interaction: Millis, window: Millis) -> Ordering {
    match reward {
        _ if reward < interaction => Ordering::Less,
        _ if reward < interaction.saturating_add(window) => Ordering::Equal,
        _ => Ordering::Greater,
    }
}

impl Unmatched {
    /// Takes in a reward, given the instant of the customer's interaction of its id.
    pub(super) fn take_in(&mut self, reward: Millis, interaction: Option<Millis>, window: Millis) {
        match interaction.map(|at| against_window(reward, at, window)) {
            None => self.no_interaction += 1,
            Some(Ordering::Less) => self.before += 1,
            Some(Ordering::Equal) => {}
            Some(Ordering::Greater) => self.after += 1,
        }
    }
}

impl View<'_> {
    /// The customer's rewards that join nothing, those that have been folded with them.
    pub fn unmatched(&self, window: Millis) -> Unmatched {
        let mut unmatched = self.folded().map(|folded| folded.unmatched).unwrap_or_default();
        let rewards = self.extras.map_or(&[][..], |extras| extras.rewards.as_slice());
        if rewards.is_empty() {
            return unmatched;
        }
        let mut named = 0;
        for interaction in self.interactions {
            for reward in self.rewards_of(interaction) {
                unmatched.take_in(reward.timestamp, Some(interaction.timestamp), window);
                named += 1;
            }
        }
        unmatched.no_interaction += rewards.len() as u32 - named;
        unmatched
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customer::history::{History, Interaction, Reward};
    use crate::event::Contact;

    /// Of one interaction, 5, at 100 with a window of 10.
    fn unmatched(rewards: &[(u64, Millis)]) -> Unmatched {
        let mut history = History::new(1);
        history.interactions = vec![Interaction {
            id: 5,
            timestamp: 100,
            contact: Contact::new(0, None, false),
            propensity: 1.0,
        }];
        let reward = |(id, &(interaction, timestamp)): (u64, &(u64, Millis))| Reward {
            id,
            interaction,
            timestamp,
            value: 1,
        };
        history.extras_mut().rewards = (0..).zip(rewards).map(reward).collect();
        history.extras_mut().rewards.sort_unstable_by_key(|reward| (reward.interaction, reward.id));
        history.view().unmatched(10)
    }

    #[test]
    fn a_reward_joins_from_its_interaction_until_the_window_ends() {
        for (rewards, expected) in [
            (&[][..], [0, 0, 0]),
            (&[(5, 100), (5, 109)], [0, 0, 0]),
            (&[(5, 99)], [0, 1, 0]),
            (&[(5, 110)], [0, 0, 1]),
            (&[(4, 105), (6, 99)], [2, 0, 0]),
            (&[(5, 0), (5, 100), (5, 110), (5, 111), (9, 100)], [1, 1, 2]),
        ] {
            let Unmatched { no_interaction, before, after } = unmatched(rewards);
            assert_eq!([no_interaction, before, after], expected, "{rewards:?}");
        }
    }
}
