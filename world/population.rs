//! Who lives in the simulated world: customers whose profiles show their segment, though never
//! plainly.

use super::choices::CITIES;
use super::random::{Stream, StreamPurpose, Weights};
use super::segments::{AT_RISK_DAYS, HiddenSegment, SHARES};
use dataflows::event::{CustomerId, DAY, Millis};

/// Relative sizes of the cities, in millions of people.
static CITY_SIZES: Weights<{ CITIES.len() }> =
    Weights::new([12.4, 11.0, 8.4, 6.8, 4.6, 4.5, 3.1, 5.6, 3.0, 2.8]);

/// Standard deviations of what is drawn around a segment's mean.
const AGE_DEVIATION: f64 = 10.0;
const OPEN_RATE_DEVIATION: f64 = 0.10;
const DISCOUNT_DEVIATION: f64 = 0.06;
/// Of the logarithm of a customer's purchase rate.
const RATE_DEVIATION: f64 = 0.4;
/// Of the logarithm of a customer's usual amount.
pub(crate) const SPENDING_DEVIATION: f64 = 0.3;

/// A customer: the profile that everybody sees, and what only the world knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Customer {
    /// 1 to the number of customers.
    pub id: CustomerId,
    /// Known to the world only.
    pub segment: HiddenSegment,
    /// Midnight of the signup date, before the world's start.
    pub signup: Millis,
    /// Index into [`CITIES`].
    pub city: u8,
    /// Years, 18 to 80.
    pub age: u8,
    /// Thousandths of the mails that are opened.
    pub email_open_permille: u16,
    /// Premium membership.
    pub premium: bool,
    /// Complaints so far.
    pub complaints: u8,
    /// Index into [`DEVICES`](super::DEVICES).
    pub device: u8,
    /// Index into [`PAYMENTS`](super::PAYMENTS).
    pub payment: u8,
    /// Index into [`CATEGORIES`](super::CATEGORIES).
    pub category: u8,
    /// Mean discount, in thousandths of the price.
    pub discount_permille: u16,
    /// Days since the last login, as of the world's end.
    pub last_login_days: u16,
    /// Purchases a day relative to other customers, while buying. Known to the world only.
    pub(crate) purchase_rate: f32,
    /// How far the logarithm of this customer's amounts lies above the segment's. Known to the
    /// world only.
    pub(crate) spending: f32,
    /// First day of the world without purchases; `u16::MAX`: none. Known to the world only.
    pub(crate) stops_on: u16,
}

impl Customer {
    /// The customer of this number in a world of this seed, start (a midnight) and length; it
    /// depends on nothing else.
    pub(crate) fn draw(seed: u64, id: CustomerId, start: Millis, days: u16) -> Customer {
        let mut stream = Stream::new(seed, StreamPurpose::Customer, id as u64, 0);
        let segment = HiddenSegment::ALL[stream.choose(&SHARES)];
        let character = segment.character();
        Customer {
            id,
            segment,
            signup: start - Millis::from(stream.between(character.tenure_days)) * DAY,
            city: stream.choose(&CITY_SIZES) as u8,
            age: (character.age + AGE_DEVIATION * stream.normal()).clamp(18.0, 80.0) as u8,
            email_open_permille: permille(
                character.open_rate + OPEN_RATE_DEVIATION * stream.normal(),
            ),
            premium: stream.chance(character.premium),
            complaints: stream.poisson(character.complaints).min(20) as u8,
            device: stream.choose(&character.devices) as u8,
            payment: stream.choose(&character.payments) as u8,
            category: stream.choose(&character.categories) as u8,
            discount_permille: permille(character.discount + DISCOUNT_DEVIATION * stream.normal()),
            last_login_days: stream.between(character.login_days),
            // exp(s z - s^2 / 2) has the mean 1.
            purchase_rate: (character.purchase_rate
                * libm::exp(RATE_DEVIATION * (stream.normal() - RATE_DEVIATION / 2.0)))
                as f32,
            spending: (SPENDING_DEVIATION * stream.normal()) as f32,
            stops_on: if segment == HiddenSegment::AtRisk {
                stop(&mut stream, days)
            } else {
                u16::MAX
            },
        }
    }

    /// Probability that a purchase of this customer uses a discount: the deeper the usual discount,
    /// the more often.
    pub(crate) fn discount_probability(&self) -> f64 {
        (0.05 + 2.0 * f64::from(self.discount_permille) / 1000.0).min(0.95)
    }
}

/// The day on which a customer at risk stops: at least [`AT_RISK_DAYS`] before the end, and not in
/// the first third of what is before that.
fn stop(stream: &mut Stream, days: u16) -> u16 {
    let last = days.saturating_sub(AT_RISK_DAYS);
    stream.between((last / 3, last))
}

/// A share in thousandths, at least 0 and at most 1000.
fn permille(share: f64) -> u16 {
    (share.clamp(0.0, 1.0) * 1000.0).round() as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUSTOMERS: usize = 20_000;
    const START: Millis = 1_672_531_200_000;

    fn population() -> Vec<Customer> {
        (1..=CUSTOMERS as CustomerId).map(|id| Customer::draw(3, id, START, 730)).collect()
    }

    fn mean(customers: &[Customer], segment: HiddenSegment, of: impl Fn(&Customer) -> f64) -> f64 {
        let values: Vec<f64> =
            customers.iter().filter(|customer| customer.segment == segment).map(of).collect();
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn segments_have_their_shares() {
        let customers = population();
        assert!(
            (HiddenSegment::ALL.iter().map(|segment| segment.share()).sum::<f64>() - 1.0).abs()
                < 1e-12
        );
        for segment in HiddenSegment::ALL {
            let share = customers.iter().filter(|customer| customer.segment == segment).count()
                as f64
                / CUSTOMERS as f64;
            let error = (segment.share() * (1.0 - segment.share()) / CUSTOMERS as f64).sqrt();
            assert!(
                (share - segment.share()).abs() < 4.0 * error,
                "{}: {share}, not {}",
                segment.name(),
                segment.share()
            );
        }
    }

    #[test]
    fn profiles_are_plausible() {
        for customer in population() {
            assert!(customer.signup < START && customer.signup % DAY == 0);
            assert!((18..=80).contains(&customer.age));
            assert!(customer.email_open_permille <= 1000 && customer.discount_permille <= 1000);
            assert!((0.0..=1.0).contains(&customer.discount_probability()));
            assert!(customer.purchase_rate > 0.0);
            assert_eq!(customer.segment == HiddenSegment::AtRisk, customer.stops_on != u16::MAX);
            assert!(
                customer.segment != HiddenSegment::AtRisk
                    || customer.stops_on <= 730 - AT_RISK_DAYS
            );
        }
    }

    #[test]
    fn profiles_show_the_segment() {
        use HiddenSegment::*;
        let customers = population();
        let premium =
            |segment| mean(&customers, segment, |customer| f64::from(u8::from(customer.premium)));
        let discount =
            |segment| mean(&customers, segment, |customer| f64::from(customer.discount_permille));
        let opened =
            |segment| mean(&customers, segment, |customer| f64::from(customer.email_open_permille));
        let complaints =
            |segment| mean(&customers, segment, |customer| f64::from(customer.complaints));
        assert!(premium(HighValue) > 0.65 && premium(Regular) < 0.10);
        assert!(
            discount(HighValue) < discount(Frequent)
                && discount(Frequent) < discount(Regular)
                && discount(Regular) < discount(AtRisk)
        );
        assert!(
            opened(HighValue) < opened(Regular)
                && opened(Regular) < opened(Frequent)
                && opened(Frequent) < opened(AtRisk)
        );
        assert!(complaints(AtRisk) > 2.0 * complaints(Regular));
    }

    #[test]
    fn a_short_world_has_customers_too() {
        for days in [1, 179, 180, 181] {
            let stops: Vec<u16> = (1..200)
                .map(|id| Customer::draw(1, id, START, days))
                .map(|customer| customer.stops_on)
                .collect();
            assert!(
                stops
                    .iter()
                    .all(|&stop| stop == u16::MAX || stop <= days.saturating_sub(AT_RISK_DAYS))
            );
        }
    }
}
