//! Fixed: always the same arm, or the next of a list where that may not be chosen.

use super::{Occasion, Parameters, Policy, PolicyKind, Promise, score_by_mean};

/// Fixed.
pub(super) static KIND: PolicyKind = PolicyKind {
    name: "fixed",
    help: "the first of `arms` that may be chosen, and none where none of them may; without such a \
        list, of all arms in their order",
    source: "the baseline of one campaign for all",
    parameters: &[],
    unit: None,
    takes_arms: true,
    policy: |parameters: &Parameters| Box::new(Fixed { arms: parameters.arms().to_vec() }),
};

struct Fixed {
    /// Those to choose from, the preferred first; none: all in their order.
    arms: Vec<u16>,
}

impl Policy for Fixed {
    fn promise(&self, _: &Occasion, promises: &mut [Promise]) {
        score_by_mean(promises);
        let may_be = |at: &usize| promises.get(*at).is_some_and(|promise| promise.eligible);
        let chosen = match self.arms.as_slice() {
            [] => (0..promises.len()).find(may_be),
            arms => arms.iter().map(|arm| usize::from(*arm)).find(may_be),
        };
        if let Some(at) = chosen {
            promises[at].propensity = 1.0;
        }
    }
}
