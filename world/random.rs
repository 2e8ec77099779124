//! Streams of random numbers: one for each thing that is drawn, independent of the order in which
//! things are drawn.
//!
//! Everything from the generator up is integer arithmetic, IEEE-exact or computed by the `libm`
//! crate, so that a seed means the same world on every processor.

use dataflows::mixing::step;
use rand::Rng;
use rand_pcg::Pcg64Mcg;

/// What a stream is for: equal numbers in different uses share nothing.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(crate) enum StreamPurpose {
    /// Character and profile of a customer.
    Customer = 1,
    /// Purchases of a day.
    Purchases,
    /// Campaign contacts of a day.
    Contacts,
    /// A customer's answer to a decision of the demo.
    Feedback,
}

/// A stream of random numbers.
pub(crate) struct Stream(Pcg64Mcg);

impl Stream {
    /// The stream of this seed, purpose and thing; a thing is named by two numbers (the second is 0
    /// where one is enough).
    pub(crate) fn new(seed: u64, purpose: StreamPurpose, first: u64, second: u64) -> Self {
        let key = [purpose as u64, first, second]
            .into_iter()
            .fold(step(seed), |key, part| step(key ^ part));
        Stream(Pcg64Mcg::new((u128::from(step(key)) << 64) | u128::from(key)))
    }

    /// A number in 0..1, a multiple of 2^-53.
    #[inline]
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Whether something of this probability happens.
    #[inline]
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// A whole number in 0..bound (0 for bound 0). No value is more likely than another by more
    /// than bound / 2^64.
    #[inline]
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A whole number in low..=high.
    pub(crate) fn between(&mut self, (low, high): (u16, u16)) -> u16 {
        debug_assert!(low <= high);
        low + self.below(u64::from(high - low) + 1) as u16
    }

    /// An index, in proportion to its weight.
    #[inline]
    pub(crate) fn choose<const N: usize>(&mut self, weights: &Weights<N>) -> usize {
        let point = self.uniform() * weights.0[N - 1];
        // Counting is faster than searching: there is no branch to guess wrong.
        weights.0[..N - 1].iter().map(|&sum| usize::from(sum <= point)).sum()
    }

    /// A draw from the standard normal distribution, by Box and Muller's transform.
    #[inline]
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.uniform())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }

    /// A draw from the Poisson distribution, by Knuth's product of uniforms; for small means.
    pub(crate) fn poisson(&mut self, mean: f64) -> u32 {
        let limit = libm::exp(-mean);
        let (mut product, mut count) = (self.uniform(), 0);
        while product > limit {
            product *= self.uniform();
            count += 1;
        }
        count
    }
}

/// The weights of a choice, each added to those before it.
pub(crate) struct Weights<const N: usize>([f64; N]);

impl<const N: usize> Weights<N> {
    /// From weights that are not negative and not all 0; they need not add up to 1.
    pub(crate) const fn new(mut weights: [f64; N]) -> Self {
        let mut index = 1;
        while index < N {
            weights[index] += weights[index - 1];
            index += 1;
        }
        Weights(weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u32 = 200_000;

    /// Mean and variance of the draws.
    fn moments(mut draw: impl FnMut() -> f64) -> (f64, f64) {
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..DRAWS {
            let value = draw();
            sum += value;
            squares += value * value;
        }
        let mean = sum / f64::from(DRAWS);
        (mean, squares / f64::from(DRAWS) - mean * mean)
    }

    #[test]
    fn draws_have_the_moments_of_their_distributions() {
        let mut stream = Stream::new(7, StreamPurpose::Customer, 1, 2);
        for (name, (mean, variance), expected_mean, expected_variance) in [
            ("uniform", moments(|| stream.uniform()), 0.5, 1.0 / 12.0),
            ("normal", moments(|| stream.normal()), 0.0, 1.0),
            ("poisson", moments(|| f64::from(stream.poisson(2.2))), 2.2, 2.2),
            ("below", moments(|| stream.below(4) as f64), 1.5, 1.25),
            ("between", moments(|| f64::from(stream.between((3, 6)))), 4.5, 1.25),
            ("choose", moments(|| stream.choose(&Weights::new([3.0, 0.0, 1.0])) as f64), 0.5, 0.75),
        ] {
            let error = (expected_variance / f64::from(DRAWS)).sqrt();
            assert!(
                (mean - expected_mean).abs() < 4.0 * error,
                "{name}: mean {mean}, not {expected_mean}"
            );
            assert!(
                (variance - expected_variance).abs() < 0.02 * expected_variance,
                "{name}: variance {variance}, not {expected_variance}"
            );
        }
    }

    #[test]
    fn first_draws_of_neighboring_streams_are_uncorrelated() {
        let first = |number, purpose| Stream::new(1, purpose, number, 0).uniform() - 0.5;
        let pairs = |other: &dyn Fn(u64) -> f64| {
            (0..u64::from(DRAWS)).map(|n| first(n, StreamPurpose::Customer) * other(n)).sum::<f64>()
                * 12.0
        };
        let bound = 4.0 * f64::from(DRAWS).sqrt();
        assert!(pairs(&|n| first(n + 1, StreamPurpose::Customer)).abs() < bound);
        assert!(pairs(&|n| first(n, StreamPurpose::Purchases)).abs() < bound);
        assert!(
            pairs(&|n| Stream::new(2, StreamPurpose::Customer, n, 0).uniform() - 0.5).abs() < bound
        );
        assert!(
            pairs(&|n| Stream::new(1, StreamPurpose::Customer, n, 1).uniform() - 0.5).abs() < bound
        );
    }
}
