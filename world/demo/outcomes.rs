//! What came of the decisions: the first ones and the last ones, so that what was learned shows.

use std::collections::VecDeque;

/// Decisions that are looked at together.
pub const WINDOW: usize = 5_000;

/// What came of a decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// The arm.
    pub arm: usize,
    /// What the customer's answer brought, in units of the currency.
    pub reward: f64,
    /// What the best arm for this customer would have brought in expectation, less what this arm
    /// does.
    pub regret: f64,
}

/// What came of decisions that are looked at together.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// How many there are.
    pub decisions: usize,
    /// Mean reward, in units of the currency.
    pub mean_reward: f64,
    /// Mean regret in expectation: what the best arm for each customer would have brought more.
    pub mean_regret: f64,
    /// Share of each arm.
    pub shares: Vec<f64>,
}

/// Outcomes so far.
#[derive(Debug)]
pub struct Outcomes {
    arms: usize,
    count: u64,
    regret: f64,
    first: Vec<Outcome>,
    last: VecDeque<Outcome>,
}

impl Outcomes {
    /// None yet.
    pub fn new(arms: usize) -> Self {
        Outcomes { arms, count: 0, regret: 0.0, first: Vec::new(), last: VecDeque::new() }
    }

    /// One more.
    pub fn add(&mut self, outcome: Outcome) {
        self.count += 1;
        self.regret += outcome.regret;
        if self.first.len() < WINDOW {
            self.first.push(outcome);
        }
        if self.last.len() == WINDOW {
            self.last.pop_front();
        }
        self.last.push_back(outcome);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sum of their regrets.
    pub fn regret(&self) -> f64 {
        self.regret
    }

    /// The first [`WINDOW`] of them, or as many as there are; `None` while there is none.
    pub fn first(&self) -> Option<Window> {
        self.window(self.first.iter())
    }

    /// The last [`WINDOW`], likewise; with fewer than twice as many, some are among the first, too.
    pub fn last(&self) -> Option<Window> {
        self.window(self.last.iter())
    }

    fn window<'a>(
        &self,
        outcomes: impl ExactSizeIterator<Item = &'a Outcome> + Clone,
    ) -> Option<Window> {
        let decisions = outcomes.len();
        let mean =
            |of: fn(&Outcome) -> f64| outcomes.clone().map(of).sum::<f64>() / decisions as f64;
        let share = |arm| {
            outcomes.clone().filter(|outcome| outcome.arm == arm).count() as f64 / decisions as f64
        };
        (decisions > 0).then(|| Window {
            decisions,
            mean_reward: mean(|outcome| outcome.reward),
            mean_regret: mean(|outcome| outcome.regret),
            shares: (0..self.arms).map(share).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_and_last_are_told_apart() {
        let mut outcomes = Outcomes::new(2);
        assert_eq!((outcomes.first(), outcomes.last()), (None, None));
        for decision in 0..12_000 {
            let late = decision >= 6_000;
            let (reward, regret) = if late { (300.0, 10.0) } else { (100.0, 40.0) };
            outcomes.add(Outcome { arm: usize::from(late), reward, regret });
        }
        let window = |mean_reward, mean_regret, shares: [f64; 2]| Window {
            decisions: WINDOW,
            mean_reward,
            mean_regret,
            shares: shares.to_vec(),
        };
        assert_eq!(outcomes.first(), Some(window(100.0, 40.0, [1.0, 0.0])));
        assert_eq!(outcomes.last(), Some(window(300.0, 10.0, [0.0, 1.0])));
        assert_eq!((outcomes.count(), outcomes.regret()), (12_000, 300_000.0));
    }

    #[test]
    fn few_decisions_are_first_and_last() {
        let mut outcomes = Outcomes::new(1);
        outcomes.add(Outcome { arm: 0, reward: -2.0, regret: 0.0 });
        outcomes.add(Outcome { arm: 0, reward: 398.0, regret: 0.0 });
        let window = outcomes.first().expect("there are some");
        assert_eq!((window.decisions, window.mean_reward), (2, 198.0));
        assert_eq!(outcomes.last(), Some(window));
    }
}
