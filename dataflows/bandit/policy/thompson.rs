//! Thompson sampling: each arm with the probability that it is the best, by a normal distribution
//! around what is expected of it.
//!
//! The probability is an integral over what the best arm may give: the density of one arm there
//! times the probability that all others give less. A sum over equal steps is off by less than
//! 1e-9, for what is summed is smooth and falls off on both sides.

use super::{
    Occasion, ParameterSchedule, Parameters, Policy, PolicyKind, PolicyParameter, Promise,
    RewardUnit, score_by_mean,
};
use crate::bandit::normal::{at_most, density};

/// Thompson sampling.
pub(super) static KIND: PolicyKind = PolicyKind {
    name: "thompson",
    help: "Thompson sampling: each arm with the probability that its expected reward is the \
        greatest, `bandit.scale` standard errors being one standard deviation",
    source: "Agrawal and Goyal 2013, algorithm 1",
    parameters: &[SCALE],
    unit: Some(RewardUnit::Deviation),
    takes_arms: false,
    policy: |parameters: &Parameters| Box::new(Thompson { scale: parameters.of(&SCALE) }),
};

const SCALE: PolicyParameter = PolicyParameter {
    key: "bandit.scale",
    help: "Width of what Thompson sampling draws from. Larger: more exploration; 0 is greedy.",
    default: 1.0,
    least: 0.0,
    greatest: 1e6,
    scheduled: true,
};

/// So many standard deviations from its mean an arm has no probability left.
const REACH: f64 = 9.0;
/// No standard deviation counts as less than this part of the greatest.
const NARROWEST: f64 = 1.0 / 200.0;
/// The step, in the least standard deviation.
const STEP: f64 = 0.4;
/// With more arms than so many the steps are shorter.
const ARMS_A_STEP: f64 = 8.0;

struct Thompson {
    scale: ParameterSchedule,
}

impl Policy for Thompson {
    fn promise(&self, occasion: &Occasion, promises: &mut [Promise]) {
        let scale = self.scale.at(occasion.n) * occasion.factor * occasion.unit;
        let eligible = || promises.iter().filter(|promise| promise.eligible);
        let widest = eligible().map(|promise| scale * promise.estimate.width).fold(0.0, f64::max);
        if widest > 0.0 {
            integrate(&Spread { scale, least: widest * NARROWEST }, promises);
            score_by_mean(promises);
        } else if let Some(best) = score_by_mean(promises) {
            promises[best].propensity = 1.0;
        }
    }
}

/// How wide the distributions of arms are.
struct Spread {
    scale: f64,
    least: f64,
}

impl Spread {
    fn of(&self, promise: &Promise) -> f64 {
        (self.scale * promise.estimate.width).max(self.least)
    }
}

/// Sets the propensities. The score of an arm serves meanwhile as its share of a step.
fn integrate(spread: &Spread, promises: &mut [Promise]) {
    let (mut low, mut high) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for promise in promises.iter().filter(|promise| promise.eligible) {
        let reach = REACH * spread.of(promise);
        low = low.max(promise.estimate.mean - reach);
        high = high.max(promise.estimate.mean + reach);
    }
    let is_live = |promise: &Promise| {
        promise.eligible && promise.estimate.mean + REACH * spread.of(promise) > low
    };
    let live = || promises.iter().filter(|promise| is_live(promise));
    let crowd = (live().count() as f64 / ARMS_A_STEP).max(1.0);
    let narrowest = live().map(|promise| spread.of(promise)).fold(f64::INFINITY, f64::min);
    let step = STEP * narrowest / libm::sqrt(crowd);
    let steps = ((high - low) / step) as u64;
    for at in 0..=steps {
        let best = low + at as f64 * step;
        // That no arm gives more: no factor of it is 0, for none is farther than its reach below.
        let mut none_more = 1.0;
        for promise in promises.iter_mut().filter(|promise| is_live(promise)) {
            let width = spread.of(promise);
            let z = (best - promise.estimate.mean) / width;
            promise.score = 0.0;
            if z < REACH {
                let less = at_most(z);
                promise.score = density(z) / (width * less);
                none_more *= less;
            }
        }
        for promise in promises.iter_mut().filter(|promise| is_live(promise)) {
            promise.propensity += promise.score * none_more;
        }
    }
    let sum: f64 = promises.iter().map(|promise| promise.propensity).sum();
    promises.iter_mut().for_each(|promise| promise.propensity /= sum);
}
