//! Greedy: the arm of the greatest expected reward. It never explores.

use super::{Occasion, Policy, PolicyKind, Promise, score_by_mean};

/// Greedy.
pub(super) static KIND: PolicyKind = PolicyKind {
    name: "greedy",
    help: "the greatest expected reward; it learns of no arm but the one that it holds for the \
        best",
    source: "Sutton and Barto 2018, section 2.2",
    parameters: &[],
    unit: None,
    takes_arms: false,
    policy: |_| Box::new(Greedy),
};

struct Greedy;

impl Policy for Greedy {
    fn promise(&self, _: &Occasion, promises: &mut [Promise]) {
        if let Some(best) = score_by_mean(promises) {
            promises[best].propensity = 1.0;
        }
    }
}
