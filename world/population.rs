//! Who lives in the simulated world: segments, and customers whose profiles show them, though never
//! plainly.

use super::random::{Purpose, Stream, Weights};
use dataflows::event::{CustomerId, DAY, Millis};

/// Days without a purchase after which a customer counts as at risk; customers of that segment
/// stopped at least so long before the end.
pub const AT_RISK_DAYS: u16 = 180;

/// Purchase categories. Those after the first four are not in the default configuration and count
/// as `other` there.
pub const CATEGORIES: [&str; 7] =
    ["Electronics", "Fashion", "Groceries", "Travel", "Home", "Beauty", "Books"];

/// Devices.
pub const DEVICES: [&str; 3] = ["Mobile", "Desktop", "Tablet"];

/// Payment methods; the last one is not in the default configuration.
pub const PAYMENTS: [&str; 4] = ["Credit Card", "Debit Card", "E-wallet", "Cash on Delivery"];

/// Cities.
pub const CITIES: [&str; 10] = [
    "Mumbai",
    "Delhi",
    "Bengaluru",
    "Hyderabad",
    "Chennai",
    "Kolkata",
    "Pune",
    "Ahmedabad",
    "Jaipur",
    "Lucknow",
];

/// Relative sizes of the cities, in millions of people.
static CITY_SIZES: Weights<{ CITIES.len() }> =
    Weights::new([12.4, 11.0, 8.4, 6.8, 4.6, 4.5, 3.1, 5.6, 3.0, 2.8]);

/// What kind of customer somebody is. No event says so: a learner has to see it in the features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Segment {
    /// Spends more, a purchase and in all.
    HighValue,
    /// Has stopped buying at least [`AT_RISK_DAYS`] before the end.
    AtRisk,
    /// Buys often.
    Frequent,
    /// Everybody else.
    Regular,
}

impl Segment {
    /// All of them, in the order of their numbers.
    pub const ALL: [Segment; 4] =
        [Segment::HighValue, Segment::AtRisk, Segment::Frequent, Segment::Regular];

    /// Its name.
    #[cfg(test)]
    pub fn name(self) -> &'static str {
        match self {
            Segment::HighValue => "high-value",
            Segment::AtRisk => "at-risk",
            Segment::Frequent => "frequent",
            Segment::Regular => "regular",
        }
    }

    /// Its share of the population, before chance.
    #[cfg(test)]
    pub fn share(self) -> f64 {
        self.character().share
    }

    pub(crate) fn character(self) -> &'static Character {
        &CHARACTERS[self as usize]
    }
}

/// What the customers of a segment have in common.
pub(crate) struct Character {
    /// Share of the population.
    share: f64,
    /// Purchases a day, relative to the other segments.
    pub(crate) purchase_rate: f64,
    /// How far the logarithm of an amount lies above that of other segments; only differences
    /// count.
    pub(crate) spending: f64,
    /// Probability of a premium membership.
    premium: f64,
    /// Mean email open rate; it follows the segment's conversion by email.
    open_rate: f64,
    /// Mean depth of the discounts taken.
    discount: f64,
    /// Mean number of complaints.
    complaints: f64,
    /// Mean age in years.
    age: f64,
    /// Days from signup to the world's start, least and most.
    tenure_days: (u16, u16),
    /// Days since the last login, least and most.
    login_days: (u16, u16),
    /// Weights of the favorite category.
    categories: Weights<{ CATEGORIES.len() }>,
    /// Weights of the preferred device.
    devices: Weights<{ DEVICES.len() }>,
    /// Weights of the preferred payment method.
    payments: Weights<{ PAYMENTS.len() }>,
}

/// The segments' characters. With 10 purchases a customer on average they come to about 16
/// (high-value), 4 (at-risk, before they stopped), 15 (frequent) and 5 (regular) a head.
static CHARACTERS: [Character; 4] = [
    Character {
        share: 0.10,
        purchase_rate: 1.6,
        spending: 0.75,
        premium: 0.70,
        open_rate: 0.22,
        discount: 0.05,
        complaints: 0.3,
        age: 46.0,
        tenure_days: (540, 1460),
        login_days: (0, 10),
        categories: Weights::new([0.34, 0.16, 0.08, 0.32, 0.05, 0.03, 0.02]),
        devices: Weights::new([0.40, 0.48, 0.12]),
        payments: Weights::new([0.78, 0.10, 0.11, 0.01]),
    },
    Character {
        share: 0.15,
        purchase_rate: 0.8,
        spending: 0.0,
        premium: 0.10,
        open_rate: 0.56,
        discount: 0.30,
        complaints: 2.2,
        age: 42.0,
        tenure_days: (180, 1200),
        login_days: (60, 400),
        categories: Weights::new([0.24, 0.30, 0.18, 0.10, 0.08, 0.06, 0.04]),
        devices: Weights::new([0.38, 0.44, 0.18]),
        payments: Weights::new([0.30, 0.42, 0.20, 0.08]),
    },
    Character {
        share: 0.40,
        purchase_rate: 1.5,
        spending: -0.15,
        premium: 0.35,
        open_rate: 0.40,
        discount: 0.15,
        complaints: 0.5,
        age: 34.0,
        tenure_days: (90, 1460),
        login_days: (0, 14),
        categories: Weights::new([0.16, 0.26, 0.42, 0.05, 0.05, 0.04, 0.02]),
        devices: Weights::new([0.74, 0.16, 0.10]),
        payments: Weights::new([0.28, 0.22, 0.46, 0.04]),
    },
    Character {
        share: 0.35,
        purchase_rate: 0.5,
        spending: -0.15,
        premium: 0.06,
        open_rate: 0.32,
        discount: 0.21,
        complaints: 0.9,
        age: 39.0,
        tenure_days: (1, 1000),
        login_days: (3, 60),
        categories: Weights::new([0.22, 0.28, 0.26, 0.08, 0.08, 0.05, 0.03]),
        devices: Weights::new([0.58, 0.28, 0.14]),
        payments: Weights::new([0.36, 0.36, 0.20, 0.08]),
    },
];

/// The segments' shares of the population.
static SHARES: Weights<4> = Weights::new([
    CHARACTERS[0].share,
    CHARACTERS[1].share,
    CHARACTERS[2].share,
    CHARACTERS[3].share,
]);

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
    pub segment: Segment,
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
    /// Index into [`DEVICES`].
    pub device: u8,
    /// Index into [`PAYMENTS`].
    pub payment: u8,
    /// Index into [`CATEGORIES`].
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
        let mut stream = Stream::new(seed, Purpose::Customer, id as u64, 0);
        let segment = Segment::ALL[stream.choose(&SHARES)];
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
            stops_on: if segment == Segment::AtRisk { stop(&mut stream, days) } else { u16::MAX },
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

    fn mean(customers: &[Customer], segment: Segment, of: impl Fn(&Customer) -> f64) -> f64 {
        let values: Vec<f64> =
            customers.iter().filter(|customer| customer.segment == segment).map(of).collect();
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn segments_have_their_shares() {
        let customers = population();
        assert!(
            (Segment::ALL.iter().map(|segment| segment.share()).sum::<f64>() - 1.0).abs() < 1e-12
        );
        for segment in Segment::ALL {
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
            assert_eq!(customer.segment == Segment::AtRisk, customer.stops_on != u16::MAX);
            assert!(customer.segment != Segment::AtRisk || customer.stops_on <= 730 - AT_RISK_DAYS);
        }
    }

    #[test]
    fn profiles_show_the_segment() {
        use Segment::*;
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
