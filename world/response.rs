//! How customers answer a campaign: conversion by segment and channel, rewards, and what policies
//! earn in expectation, in closed form.

use super::segments::HiddenSegment;

/// Channels, in the order of the arms.
pub const ARMS: [&str; 4] = ["Email", "SMS", "Push", "Direct Mail"];

/// Profit of a conversion, in minor units.
pub const PROFIT: i64 = 40_000;

/// Cost of one send by arm, in minor units.
pub const COSTS: [i64; ARMS.len()] = [40, 200, 10, 15_000];

/// Probability of a conversion by segment (in the order of [`HiddenSegment::ALL`]) and arm.
pub const CONVERSION: [[f64; ARMS.len()]; 4] = [
    [0.25, 0.85, 0.60, 0.95],
    [0.80, 0.70, 0.40, 0.30],
    [0.50, 0.90, 0.75, 0.40],
    [0.40, 0.80, 0.50, 0.20],
];

/// The reward of sending by `arm` to a customer of `segment`, in minor units, where `draw` is
/// uniform in 0..1: the profit if they convert, less the cost either way.
///
/// # Panics
/// When `arm` is not below 4.
#[inline]
pub fn reward(segment: HiddenSegment, arm: usize, draw: f64) -> i64 {
    let converted = draw < CONVERSION[segment as usize][arm];
    i64::from(converted) * PROFIT - COSTS[arm]
}

/// The expected reward of sending by `arm` to a customer of `segment`, in units of the currency.
///
/// # Panics
/// When `arm` is not below 4.
pub fn expected_reward(segment: HiddenSegment, arm: usize) -> f64 {
    (CONVERSION[segment as usize][arm] * PROFIT as f64 - COSTS[arm] as f64) / 100.0
}

/// The best arm for a segment and its expected reward, in units of the currency.
pub fn best_arm(segment: HiddenSegment) -> (usize, f64) {
    greatest(|arm| expected_reward(segment, arm))
}

/// A population by segment: what the expected rewards of policies depend on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares(
    /// Share of the customers by segment, in the order of [`HiddenSegment::ALL`]; they add up to 1.
    pub [f64; 4],
);

impl Shares {
    /// The shares that the world is drawn from.
    #[cfg(test)]
    pub fn nominal() -> Shares {
        Shares(HiddenSegment::ALL.map(HiddenSegment::share))
    }

    /// Expected reward a contact of always sending by `arm`.
    ///
    /// # Panics
    /// When `arm` is not below 4.
    pub fn fixed(&self, arm: usize) -> f64 {
        self.mean(|segment| expected_reward(segment, arm))
    }

    /// Expected reward a contact of choosing arms by chance, all alike.
    #[cfg(test)]
    pub fn uniform(&self) -> f64 {
        (0..ARMS.len()).map(|arm| self.fixed(arm)).sum::<f64>() / ARMS.len() as f64
    }

    /// The best fixed arm and its expected reward a contact.
    pub fn best_fixed(&self) -> (usize, f64) {
        greatest(|arm| self.fixed(arm))
    }

    /// Expected reward a contact of the best possible policy: for each segment its best arm. Nobody
    /// who does not see the segment can earn more, so regret is counted against it.
    pub fn best_policy(&self) -> f64 {
        self.mean(|segment| best_arm(segment).1)
    }

    fn mean(&self, of: impl Fn(HiddenSegment) -> f64) -> f64 {
        HiddenSegment::ALL.into_iter().zip(self.0).map(|(segment, share)| share * of(segment)).sum()
    }
}

/// The arm of the greatest value (the lowest of equals) and that value.
fn greatest(value: impl Fn(usize) -> f64) -> (usize, f64) {
    (1..ARMS.len())
        .map(|arm| (arm, value(arm)))
        .fold((0, value(0)), |best, next| if next.1 > best.1 { next } else { best })
}

#[cfg(test)]
mod tests {
    use super::super::random::{Stream, StreamPurpose, Weights};
    use super::*;

    #[test]
    fn rewards_are_profit_less_cost() {
        assert_eq!(reward(HiddenSegment::HighValue, 0, 0.2499), 39_960);
        assert_eq!(reward(HiddenSegment::HighValue, 0, 0.25), -40);
        assert_eq!(reward(HiddenSegment::AtRisk, 3, 0.0), 25_000);
        assert_eq!(reward(HiddenSegment::Regular, 3, 0.5), -15_000);
    }

    #[test]
    fn closed_forms_of_the_specified_population() {
        let shares = Shares::nominal();
        // By hand: 0.10 x 338 + 0.15 x 278 + 0.40 x 358 + 0.35 x 318 = 330.
        assert_eq!(shares.best_fixed().0, 1);
        assert!((shares.best_fixed().1 - 330.0).abs() < 1e-9);
        // Only those at risk are better served otherwise, by email: 0.15 x (319.6 - 278) more.
        assert!((shares.best_policy() - 336.24).abs() < 1e-9);
        assert_eq!(HiddenSegment::ALL.map(|segment| best_arm(segment).0), [1, 0, 1, 1]);
    }

    #[test]
    fn closed_forms_agree_with_simulation_within_three_standard_errors() {
        const CONTACTS: u32 = 40_0000;
        let shares = Shares::nominal();
        let segments = Weights::new(shares.0);
        let mut stream = Stream::new(11, StreamPurpose::Feedback, 0, 0);
        let mut check =
            |name: &str, expected: f64, arm: &dyn Fn(HiddenSegment, &mut Stream) -> usize| {
                let (mut sum, mut squares) = (0.0, 0.0);
                for _ in 0..CONTACTS {
                    let segment = HiddenSegment::ALL[stream.choose(&segments)];
                    let arm = arm(segment, &mut stream);
                    let reward = reward(segment, arm, stream.uniform()) as f64 / 100.0;
                    sum += reward;
                    squares += reward * reward;
                }
                let mean = sum / f64::from(CONTACTS);
                let error =
                    ((squares / f64::from(CONTACTS) - mean * mean) / f64::from(CONTACTS)).sqrt();
                assert!(
                    (mean - expected).abs() < 3.0 * error,
                    "{name}: {mean} simulated, {expected} in closed form, standard error {error}"
                );
            };
        for (arm, name) in ARMS.into_iter().enumerate() {
            check(name, shares.fixed(arm), &move |_, _| arm);
        }
        check("uniform", shares.uniform(), &|_, stream| stream.below(4) as usize);
        check("best fixed", shares.best_fixed().1, &|_, _| shares.best_fixed().0);
        check("best possible", shares.best_policy(), &|segment, _| best_arm(segment).0);
    }
}
