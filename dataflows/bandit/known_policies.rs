//! What each kind of policy makes of the same estimates, against numbers that were worked out apart
//! from this program, and against how often arms are then chosen.

use super::acting::Acting;
use super::choice::drawn;
use super::draws::{Draws, Purpose};
use super::model::Model;
use super::normal::{at_most, density};
use super::parameters::Parameters;
use super::policy::{Chosen, KINDS, Occasion, Promise};
use super::random::SplitMix64;
use super::ridge::Estimate;

const MEANS: [f64; 4] = [1.0, 0.8, 0.5, -0.2];
const WIDTHS: [f64; 4] = [0.2, 0.5, 0.9, 0.3];

/// Promises of eligible arms that nothing has been said of.
fn promises(means: &[f64], widths: &[f64]) -> Vec<Promise> {
    let promise = |(arm, (&mean, &width))| Promise {
        arm,
        eligible: true,
        estimate: Estimate { mean, width, n: 1 },
        score: 0.0,
        propensity: 0.0,
    };
    (0..).zip(means.iter().zip(widths)).map(promise).collect()
}

fn acting(kind: &str, told: &[(&str, f64)]) -> Acting {
    let parameters = Parameters::told(told.iter().copied());
    Chosen::of(kind).expect("a kind").acting(&parameters)
}

/// The propensities that a kind gives, where n and the unit are 1.
fn propensities(kind: &str, told: &[(&str, f64)], means: &[f64], widths: &[f64]) -> Vec<f64> {
    let mut promises = promises(means, widths);
    let occasion = Occasion { n: 1, unit: 1.0, factor: 1.0 };
    acting(kind, told).policy.promise(&occasion, &mut promises);
    promises.iter().map(|promise| promise.propensity).collect()
}

/// A kind, what it is told, and the propensities that it gives.
type Known = (&'static str, &'static [(&'static str, f64)], [f64; 4]);

#[test]
fn propensities_are_the_known_ones() {
    let known: [Known; 7] = [
        ("thompson", &[], [0.46571297102839, 0.28249773476093, 0.25167712454101, 0.00011216966967]),
        ("squarecb", &[], [0.65972222222222, 0.16666666666667, 0.11111111111111, 0.0625]),
        (
            "softmax",
            &[("temperature", 0.5)],
            [0.46972230156881, 0.31486427481157, 0.17280117780690, 0.04261224581271],
        ),
        ("epsilon-greedy", &[], [0.925, 0.025, 0.025, 0.025]),
        ("uniform", &[], [0.25; 4]),
        ("fixed", &[], [1.0, 0.0, 0.0, 0.0]),
        ("linucb", &[], [0.0, 0.0, 1.0, 0.0]),
    ];
    for (kind, told, wanted) in known {
        let found = propensities(kind, told, &MEANS, &WIDTHS);
        let near = found.iter().zip(&wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-9);
        assert!(near, "{kind}: {found:?}");
    }
}

#[test]
fn without_any_width_thompson_sampling_is_greedy() {
    assert_eq!(propensities("thompson", &[], &MEANS, &[0.0; 4]), [1.0, 0.0, 0.0, 0.0]);
    let unscaled = propensities("thompson", &[("scale", 0.0)], &[0.5, 0.9, 0.9], &[1.0; 3]);
    assert_eq!(unscaled, [0.0, 1.0, 0.0]);
}

/// The integral of a smooth function, by Simpson's rule, halved where that is not exact enough.
fn simpson(f: &dyn Fn(f64) -> f64, low: f64, high: f64, wanted: f64) -> f64 {
    let rule =
        |low: f64, high: f64| (high - low) / 6.0 * (f(low) + 4.0 * f(0.5 * (low + high)) + f(high));
    let (mut sum, mut open) = (0.0, vec![(low, high, wanted)]);
    while let Some((low, high, wanted)) = open.pop() {
        let middle = 0.5 * (low + high);
        let (once, twice) = (rule(low, high), rule(low, middle) + rule(middle, high));
        if (twice - once).abs() < 15.0 * wanted || high - low < 1e-9 {
            sum += twice + (twice - once) / 15.0;
        } else {
            open.extend([(low, middle, 0.5 * wanted), (middle, high, 0.5 * wanted)]);
        }
    }
    sum
}

/// The probability that an arm is the best, by adaptive quadrature in pieces of a tenth of its own
/// standard deviation, for others may be much narrower or wider.
fn is_best(arm: usize, means: &[f64], widths: &[f64]) -> f64 {
    let at = |best: f64| {
        let others = (0..means.len()).filter(|other| *other != arm);
        let less = others.map(|other| at_most((best - means[other]) / widths[other]));
        density((best - means[arm]) / widths[arm]) / widths[arm] * less.product::<f64>()
    };
    // Where another arm is narrow the integrand has a step there.
    let mut cuts: Vec<f64> = (0..means.len())
        .flat_map(|of| (-9..=9).map(move |z| (of, f64::from(z))))
        .map(|(of, z)| means[of] + z * widths[of])
        .collect();
    cuts.sort_by(f64::total_cmp);
    let reach = 10.0 * widths[arm];
    let near: Vec<f64> = cuts.into_iter().filter(|cut| (cut - means[arm]).abs() < reach).collect();
    let pieces = near.windows(2).filter(|piece| piece[1] > piece[0]);
    pieces.map(|piece| simpson(&at, piece[0], piece[1], 1e-14)).sum()
}

#[test]
fn thompson_sampling_agrees_with_adaptive_quadrature() {
    let mut random = SplitMix64(11);
    for arms in [2, 3, 4, 7, 12, 50] {
        for ratio in [1.0, 3.0, 30.0, 200.0] {
            let means: Vec<f64> = (0..arms).map(|_| 4.0 * random.unit()).collect();
            let width = |_| libm::pow(ratio, random.unit() - 0.5);
            let mut widths: Vec<f64> = (0..arms).map(width).collect();
            // Both ends of the ratio are there.
            (widths[0], widths[1]) = (libm::pow(ratio, -0.5), libm::pow(ratio, 0.5));
            let found = propensities("thompson", &[], &means, &widths);
            for (arm, found) in found.iter().enumerate() {
                let wanted = is_best(arm, &means, &widths);
                assert!((found - wanted).abs() < 1e-9, "{arms}, {ratio}: {found} is not {wanted}");
            }
        }
    }
}

#[test]
fn arms_are_chosen_as_often_as_each_kind_says() {
    const CHOICES: u32 = 100_000;
    let model = Model::new(5, 1, 1.0);
    for (kind, excluded) in KINDS.iter().flat_map(|kind| [(kind, None), (kind, Some(0))]) {
        for floor in [0.0, 0.02, 0.9] {
            let mut promises = promises(&[0.3, 0.1, -0.2, 0.25, 0.28], &[0.1, 0.4, 0.5, 0.2, 0.1]);
            promises
                .iter_mut()
                .for_each(|promise| promise.eligible = Some(promise.arm) != excluded);
            let acting = Acting { floor, ..acting(kind.name, &[]) };
            acting.promise(&model, 1.5, &mut promises);
            let sum: f64 = promises.iter().map(|promise| promise.propensity).sum();
            assert!((sum - 1.0).abs() < 1e-12, "{}: {sum}", kind.name);
            let mut counts = [0u32; 5];
            for key in 0..u64::from(CHOICES) {
                let draws = Draws::new(1, Purpose::Choice, 42, key);
                counts[drawn(&promises, draws).expect("an arm")] += 1;
            }
            for (promise, count) in promises.iter().zip(counts) {
                let (p, of) = (promise.propensity, f64::from(CHOICES));
                assert!(promise.eligible || p == 0.0, "{}", kind.name);
                assert!(!promise.eligible || p >= floor.min(0.2), "{}: {p}", kind.name);
                let error = (of * p * (1.0 - p)).max(0.0).sqrt();
                let far = (f64::from(count) - of * p).abs();
                assert!(far <= 4.0 * error + 1e-6, "{}: {count} times, not {p}", kind.name);
            }
        }
    }
}

#[test]
fn what_a_policy_measures_in_makes_no_difference_to_rewards_in_another_currency() {
    for kind in KINDS.iter().filter(|kind| kind.unit.is_some()) {
        let of = |scale: f64| {
            let scaled = |values: &[f64]| values.iter().map(|value| value * scale).collect();
            let (means, widths): (Vec<f64>, _) = (scaled(&MEANS), &WIDTHS);
            let mut promises = promises(&means, widths);
            let occasion = Occasion { n: 9, unit: scale, factor: 1.0 };
            acting(kind.name, &[]).policy.promise(&occasion, &mut promises);
            promises.iter().map(|promise| promise.propensity).collect::<Vec<f64>>()
        };
        // A power of two, so that nothing is rounded otherwise.
        assert_eq!(of(1.0), of(64.0), "{}", kind.name);
    }
}

#[test]
fn fixed_takes_the_first_of_its_arms_and_nothing_else() {
    let mut parameters = Parameters::default();
    parameters.set_arms(vec![2, 0]);
    let acting = Chosen::of("fixed").expect("a kind").acting(&parameters);
    let chosen = |excluded: &[u16]| {
        let mut promises = promises(&MEANS, &WIDTHS);
        promises.iter_mut().for_each(|of| of.eligible = !excluded.contains(&of.arm));
        acting.promise(&Model::new(4, 1, 1.0), 1.0, &mut promises);
        drawn(&promises, Draws::new(1, Purpose::Choice, 1, 1))
    };
    assert_eq!([chosen(&[]), chosen(&[2]), chosen(&[0, 2])], [Some(2), Some(0), None]);
}
