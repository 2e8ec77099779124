//! How much a purchase comes to: 100 to 10,000, by segment and customer.

use crate::population::{Customer, SPENDING_DEVIATION};
use crate::random::Stream;
use crate::segments::HiddenSegment;

/// Mean of the log-normal distribution of amounts before clipping, in units of the currency.
pub const AMOUNT_MEAN: f64 = 2_500.0;

/// Its standard deviation.
pub const AMOUNT_DEVIATION: f64 = 3_200.0;

/// What amounts are clipped to: what would lie outside is set to the nearer bound.
pub const AMOUNT_RANGE: (f64, f64) = (100.0, 10_000.0);

/// The distribution of amounts.
///
/// A log-normal variable of mean m and standard deviation s is exp(N(mu, sigma^2)) with sigma^2 =
/// ln(1 + s^2 / m^2) and mu = ln m - sigma^2 / 2; for 2,500 and 3,200 these are mu = 7.339 and
/// sigma = 0.985. Segments and customers differ in the location of their logarithm. The locations
/// are centered, weighted by expected purchases, and their variance is taken out of sigma^2, so
/// that the logarithm of an amount keeps the mean mu and the variance sigma^2 over all purchases.
pub(super) struct Amounts {
    /// Mean of the logarithm by segment.
    locations: [f64; 4],
    /// Standard deviation of the logarithm within a customer.
    within: f64,
}

impl Amounts {
    /// `shares` are the segments' expected shares in all purchases.
    pub(super) fn new(shares: [f64; 4]) -> Amounts {
        let (mu, variance) = log_moments(AMOUNT_MEAN, AMOUNT_DEVIATION);
        let tilts = HiddenSegment::ALL.map(|segment| segment.character().spending);
        let weighted = |of: &dyn Fn(f64) -> f64| {
            shares.iter().zip(tilts).map(|(share, tilt)| share * of(tilt)).sum::<f64>()
        };
        let center = weighted(&|tilt| tilt);
        let between = weighted(&|tilt| (tilt - center) * (tilt - center));
        let within = variance - between - SPENDING_DEVIATION * SPENDING_DEVIATION;
        debug_assert!(
            within > 0.0,
            "the tilts of the segments leave nothing of the variance {variance}"
        );
        Amounts { locations: tilts.map(|tilt| mu + tilt - center), within: within.max(0.0).sqrt() }
    }

    /// An amount in minor units.
    #[inline]
    pub(super) fn draw(&self, customer: &Customer, stream: &mut Stream) -> u64 {
        let location = self.locations[customer.segment as usize] + f64::from(customer.spending);
        let amount = libm::exp(location + self.within * stream.normal());
        (amount.clamp(AMOUNT_RANGE.0, AMOUNT_RANGE.1) * 100.0).round() as u64
    }
}

/// Mean and variance of the logarithm of a log-normal variable with this mean and standard
/// deviation.
fn log_moments(mean: f64, deviation: f64) -> (f64, f64) {
    let ratio = deviation / mean;
    let variance = libm::log(1.0 + ratio * ratio);
    (libm::log(mean) - variance / 2.0, variance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::StreamPurpose;
    use crate::{World, WorldSettings};

    fn world() -> World {
        World::new(WorldSettings { interactions: 0, ..WorldSettings::default() }).unwrap()
    }

    /// Distribution function of the standard normal distribution.
    fn phi(z: f64) -> f64 {
        libm::erfc(-z / std::f64::consts::SQRT_2) / 2.0
    }

    /// Mean and standard deviation of a log-normal variable clipped to a range, from its partial
    /// moments.
    fn clipped_moments(mean: f64, deviation: f64, (low, high): (f64, f64)) -> (f64, f64) {
        let (mu, variance) = log_moments(mean, deviation);
        let sigma = variance.sqrt();
        let (a, b) = ((low.ln() - mu) / sigma, (high.ln() - mu) / sigma);
        let moment = |k: f64| {
            let inside =
                (k * mu + k * k * variance / 2.0).exp() * (phi(b - k * sigma) - phi(a - k * sigma));
            low.powf(k) * phi(a) + inside + high.powf(k) * phi(-b)
        };
        (moment(1.0), (moment(2.0) - moment(1.0) * moment(1.0)).sqrt())
    }

    fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
        let count = values.clone().count() as f64;
        let mean = values.clone().sum::<f64>() / count;
        (mean, (values.map(|value| (value - mean) * (value - mean)).sum::<f64>() / count).sqrt())
    }

    #[test]
    fn log_moments_of_the_specified_amounts() {
        let (mu, variance) = log_moments(AMOUNT_MEAN, AMOUNT_DEVIATION);
        assert!(
            (mu - 7.338_96).abs() < 1e-4 && (variance.sqrt() - 0.984_97).abs() < 1e-4,
            "{mu} {}",
            variance.sqrt()
        );
        // Back again: exp(mu + sigma^2 / 2) is the mean, and the mean times the root of
        // exp(sigma^2) - 1 the deviation.
        assert!(((mu + variance / 2.0).exp() - AMOUNT_MEAN).abs() < 1e-9);
        assert!((AMOUNT_MEAN * (variance.exp() - 1.0).sqrt() - AMOUNT_DEVIATION).abs() < 1e-9);
    }

    /// Clipping to 10,000 cuts the long tail: of mean 2,500 and deviation 3,200 it leaves about
    /// 2,337 and 2,278. Measured amounts may differ from these by 3 %, because they are a mixture
    /// over segments, which agrees with one log-normal distribution in the first two moments of the
    /// logarithm only.
    #[test]
    fn amounts_are_clipped_log_normal() {
        let world = world();
        let amounts: Vec<f64> =
            world.transactions().map(|purchase| purchase.amount as f64 / 100.0).collect();
        assert!(amounts.iter().all(|amount| (AMOUNT_RANGE.0..=AMOUNT_RANGE.1).contains(amount)));
        let (mean, deviation) = moments(amounts.iter().copied());
        let (expected_mean, expected_deviation) =
            clipped_moments(AMOUNT_MEAN, AMOUNT_DEVIATION, AMOUNT_RANGE);
        assert!(
            (expected_mean - 2_337.0).abs() < 5.0 && (expected_deviation - 2_278.0).abs() < 5.0,
            "{expected_mean} {expected_deviation}"
        );
        assert!((mean / expected_mean - 1.0).abs() < 0.03, "mean {mean}, expected {expected_mean}");
        assert!(
            (deviation / expected_deviation - 1.0).abs() < 0.03,
            "deviation {deviation}, expected {expected_deviation}"
        );
    }

    /// Before clipping, the logarithms agree with the specification to 1 % of a standard deviation
    /// and 2 % of it.
    #[test]
    fn mixing_segments_keeps_the_moments_of_the_logarithm() {
        let world = world();
        let mut stream = Stream::new(5, StreamPurpose::Purchases, 0, 0);
        let amounts = &world.market.amounts;
        let logarithms: Vec<f64> = world
            .transactions()
            .map(|purchase| world.customer(purchase.customer).unwrap())
            .map(|customer| {
                amounts.locations[customer.segment as usize]
                    + f64::from(customer.spending)
                    + amounts.within * stream.normal()
            })
            .collect();
        let (mean, deviation) = moments(logarithms.iter().copied());
        let (mu, variance) = log_moments(AMOUNT_MEAN, AMOUNT_DEVIATION);
        assert!((mean - mu).abs() < 0.01, "{mean}, not {mu}");
        assert!(
            (deviation / variance.sqrt() - 1.0).abs() < 0.02,
            "{deviation}, not {}",
            variance.sqrt()
        );
    }
}
