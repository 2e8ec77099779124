//! LinUCB: the arm whose upper confidence bound is greatest, mean + alpha width.

use super::{Kind, Parameters, Policy, Promise, the_greatest};

/// LinUCB.
pub(super) static KIND: Kind = Kind {
    name: "linucb",
    help: "the greatest upper confidence bound of the expected reward, `bandit.alpha` standard \
        errors above it",
    source: "Li, Chu, Langford and Schapire 2010, algorithm 1",
    policy: |parameters: &Parameters| Box::new(LinUcb { alpha: parameters.alpha }),
};

struct LinUcb {
    alpha: f64,
}

impl Policy for LinUcb {
    fn promise(&self, promises: &mut [Promise]) {
        promises.iter_mut().for_each(|promise| {
            promise.score = promise.estimate.mean + self.alpha * promise.estimate.width
        });
        the_greatest(promises);
    }
}
