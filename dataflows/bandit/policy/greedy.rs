//! Greedy: the arm of the greatest expected reward. It never explores.

use super::{Occasion, Policy, PolicyKind, Promise, the_greatest};

/// Greedy.
pub(super) static KIND: PolicyKind = PolicyKind {
    name: "greedy",
    help: "the greatest expected reward; it learns of no arm but the one that it holds for the \
        best",
    source: "Sutton and Barto 2018, section 2.2",
    parameters: &[],
    unit: None,
    policy: |_| Box::new(Greedy),
};

struct Greedy;

impl Policy for Greedy {
    fn promise(&self, _: &Occasion, promises: &mut [Promise]) {
        promises.iter_mut().for_each(|promise| promise.score = promise.estimate.mean);
        the_greatest(promises);
    }
}
