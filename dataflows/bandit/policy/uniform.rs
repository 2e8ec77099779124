//! Uniform: every arm alike. What it leaves is fit to evaluate any policy by.

use super::{Occasion, Policy, PolicyKind, Promise, open_arms, score_by_mean};

/// Uniform.
pub(super) static KIND: PolicyKind = PolicyKind {
    name: "uniform",
    help: "every arm with the same probability",
    source: "the baseline of any comparison",
    parameters: &[],
    unit: None,
    takes_arms: false,
    policy: |_| Box::new(Uniform),
};

struct Uniform;

impl Policy for Uniform {
    fn promise(&self, _: &Occasion, promises: &mut [Promise]) {
        let each = 1.0 / open_arms(promises);
        score_by_mean(promises);
        promises
            .iter_mut()
            .filter(|promise| promise.eligible)
            .for_each(|promise| promise.propensity = each);
    }
}
