//! The demo's story: what happens in it, who answers what, and how it stands; nothing of the
//! machinery that decides.
//!
//! ```text
//! script ─ profiles, purchases, requests, answers ─▶ batches ─▶ whatever decides
//!   ▲                                                                  │
//!   └──────────────────────────── decisions ◀──────────────────────────┘
//! ```

pub mod batches;
mod future;
pub mod outcomes;
pub mod play;
pub mod script;

use crate::response::Shares;
use dataflows::event::Millis;
use outcomes::Window;
use std::time::Duration;

/// What is asked of the demo.
#[derive(Clone, Copy, Debug)]
pub struct DemoSettings {
    /// Seed of the world.
    pub seed: u64,
    /// Events a second, once the history is there.
    pub rate: u64,
    /// It ends by itself after so long.
    pub duration: Option<Duration>,
}

/// What can be had in the world, in closed form: mean rewards of a decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Names of the arms.
    pub arms: Vec<String>,
    /// The best single arm.
    pub best_fixed_arm: usize,
    /// With that arm for everybody.
    pub best_fixed: f64,
    /// With the best arm for each customer.
    pub best_possible: f64,
}

impl Comparison {
    /// Of arms with these names, in a population of these segments.
    pub fn of(arms: &[String], shares: &Shares) -> Comparison {
        let (best_fixed_arm, best_fixed) = shares.best_fixed();
        let best_possible = shares.best_policy();
        Comparison { arms: arms.to_vec(), best_fixed_arm, best_fixed, best_possible }
    }
}

/// How the demo stands.
#[derive(Clone, Debug, PartialEq)]
pub struct DemoStatus {
    /// Since the start.
    pub elapsed: Duration,
    /// Whether the history is still being read.
    pub history: bool,
    /// Events of which the results are there.
    pub events: u64,
    /// Over the last second.
    pub events_per_second: f64,
    /// Decisions that were answered.
    pub decisions: u64,
    /// What came of the last ones.
    pub last: Option<Window>,
    /// Simulated time.
    pub simulated: Millis,
    /// The newest epoch.
    pub epoch: u64,
}

/// What came of the demo.
#[derive(Clone, Debug, PartialEq)]
pub struct DemoSummary {
    /// Since the start.
    pub elapsed: Duration,
    /// Events of which the results are there.
    pub events: u64,
    /// Decisions that were answered.
    pub decisions: u64,
    /// What came of the first ones.
    pub first: Option<Window>,
    /// And of the last ones.
    pub last: Option<Window>,
    /// What could be had.
    pub comparison: Comparison,
    /// What the best arm for each customer would have brought more, in all and in expectation.
    pub regret: f64,
    /// Digest of the statistics of all arms, as in `model.json`.
    pub digest: [u8; 32],
}
