//! Who buys what, when and for how much: more on weekends and before the holidays, by customers of
//! very different appetite.

mod amounts;
mod shoppers;

pub use amounts::{AMOUNT_DEVIATION, AMOUNT_MEAN, AMOUNT_RANGE};

use super::choices::{CATEGORIES, DEVICES, PAYMENTS};
use super::population::Customer;
use super::random::{Stream, StreamPurpose, Weights};
use super::timeline::{DailyQuota, Timeline};
use amounts::Amounts;
use dataflows::event::{CustomerId, DAY, Millis};
use jiff::{Timestamp, civil::Weekday, tz::Offset};
use shoppers::Shoppers;

/// Purchases of a Saturday or Sunday per purchase of a working day.
pub const WEEKEND_UPLIFT: f64 = 1.3;
/// Purchases of a day in November per purchase of a day in January to October.
pub const NOVEMBER_PEAK: f64 = 1.5;
/// Of a day in December.
pub const DECEMBER_PEAK: f64 = 1.8;

/// Probabilities that a purchase follows the customer's favorite; otherwise it follows the weights
/// below.
const FAVORITE_CATEGORY: f64 = 0.55;
const PREFERRED_DEVICE: f64 = 0.75;
const PREFERRED_PAYMENT: f64 = 0.70;
static CATEGORY_WEIGHTS: Weights<{ CATEGORIES.len() }> =
    Weights::new([0.20, 0.25, 0.28, 0.09, 0.08, 0.06, 0.04]);
static DEVICE_WEIGHTS: Weights<{ DEVICES.len() }> = Weights::new([0.60, 0.28, 0.12]);
static PAYMENT_WEIGHTS: Weights<{ PAYMENTS.len() }> = Weights::new([0.38, 0.26, 0.28, 0.08]);

/// Weights of the hours of a day: asleep until six, a bump at noon, a peak in the evening.
static HOUR_WEIGHTS: Weights<24> = Weights::new([
    1.2, 0.6, 0.3, 0.2, 0.2, 0.4, 1.0, 2.0, 3.2, 4.4, 5.4, 6.0, 6.6, 6.2, 5.4, 5.0, 5.2, 5.8, 6.8,
    8.0, 8.6, 7.8, 5.2, 2.6,
]);

/// A purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimulatedPurchase {
    /// 1 for the first of the world, and so on.
    pub number: u64,
    /// Whose.
    pub customer: CustomerId,
    /// A whole second.
    pub timestamp: Millis,
    /// Minor units.
    pub amount: u64,
    /// Index into [`CATEGORIES`].
    pub category: u8,
    /// Index into [`DEVICES`].
    pub device: u8,
    /// Index into [`PAYMENTS`].
    pub payment: u8,
    /// Whether a discount was used.
    pub discount_used: bool,
}

/// Everything about purchases that is settled before the first one.
pub(crate) struct Market {
    plan: DailyQuota,
    shoppers: Shoppers,
    amounts: Amounts,
}

impl Market {
    /// A market of exactly `transactions` purchases from `start` (a midnight) on.
    pub(crate) fn new(
        customers: &[Customer],
        transactions: u64,
        start: Millis,
        days: u16,
    ) -> Market {
        let weights: Vec<f64> =
            (0..days).map(|day| day_weight(start + Millis::from(day) * DAY)).collect();
        let plan = DailyQuota::new(start, transactions, &weights);
        let shoppers = Shoppers::new(customers);
        let amounts = Amounts::new(shoppers.shares(customers, &weights));
        Market { plan, shoppers, amounts }
    }
}

/// How many purchases a day has, relative to a working day from January to October.
fn day_weight(midnight: Millis) -> f64 {
    let date = Timestamp::from_millisecond(midnight)
        .map(|instant| Offset::UTC.to_datetime(instant).date());
    let date = date.expect("a world lies between 1980 and 2100");
    let week = if matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) {
        WEEKEND_UPLIFT
    } else {
        1.0
    };
    let season = match date.month() {
        11 => NOVEMBER_PEAK,
        12 => DECEMBER_PEAK,
        _ => 1.0,
    };
    week * season
}

/// Draws the second of the day of a purchase.
fn second_of_day(stream: &mut Stream) -> u32 {
    (stream.choose(&HOUR_WEIGHTS) as u64 * 3600 + stream.below(3600)) as u32
}

/// The purchases of a world, in time order.
pub struct Transactions<'a> {
    timeline: Timeline<'a>,
    market: &'a Market,
    customers: &'a [Customer],
    /// The day that `active` is for.
    day: usize,
    active: usize,
}

impl<'a> Transactions<'a> {
    pub(crate) fn new(market: &'a Market, customers: &'a [Customer], seed: u64) -> Self {
        let timeline = Timeline::new(&market.plan, seed, StreamPurpose::Purchases, second_of_day);
        Transactions { timeline, market, customers, day: 0, active: market.shoppers.active(0) }
    }
}

impl Iterator for Transactions<'_> {
    type Item = SimulatedPurchase;

    fn next(&mut self) -> Option<SimulatedPurchase> {
        let (instant, stream) = self.timeline.next()?;
        if instant.day != self.day {
            (self.day, self.active) = (instant.day, self.market.shoppers.active(instant.day));
        }
        let customer = &self.customers[self.market.shoppers.choose(self.active, stream)];
        Some(SimulatedPurchase {
            number: instant.number,
            customer: customer.id,
            timestamp: instant.timestamp,
            amount: self.market.amounts.draw(customer, stream),
            category: habit(customer.category, FAVORITE_CATEGORY, &CATEGORY_WEIGHTS, stream),
            device: habit(customer.device, PREFERRED_DEVICE, &DEVICE_WEIGHTS, stream),
            payment: habit(customer.payment, PREFERRED_PAYMENT, &PAYMENT_WEIGHTS, stream),
            discount_used: stream.chance(customer.discount_probability()),
        })
    }
}

/// The favorite with this probability, else anything by weight.
#[inline]
fn habit<const N: usize>(
    favorite: u8,
    probability: f64,
    weights: &Weights<N>,
    stream: &mut Stream,
) -> u8 {
    if stream.chance(probability) { favorite } else { stream.choose(weights) as u8 }
}

#[cfg(test)]
mod tests {
    use super::super::segments::AT_RISK_DAYS;
    use super::super::{World, WorldSettings};
    use super::*;
    use std::collections::BTreeSet;

    fn world() -> World {
        World::new(WorldSettings { interactions: 0, ..WorldSettings::default() }).unwrap()
    }

    /// Purchases per day where `of` holds for the date.
    fn daily(world: &World, of: impl Fn(i8, Weekday) -> bool) -> f64 {
        let days = (0..world.settings().days).filter(|&day| {
            let midnight = world.settings().start + Millis::from(day) * DAY;
            let date =
                Offset::UTC.to_datetime(Timestamp::from_millisecond(midnight).unwrap()).date();
            of(date.month(), date.weekday())
        });
        let days: BTreeSet<Millis> =
            days.map(|day| world.settings().start / DAY + Millis::from(day)).collect();
        world.transactions().filter(|purchase| days.contains(&(purchase.timestamp / DAY))).count()
            as f64
            / days.len() as f64
    }

    #[test]
    fn weekends_have_their_uplift_and_the_year_its_peaks() {
        let world = world();
        let weekend = |day| matches!(day, Weekday::Saturday | Weekday::Sunday);
        let uplift = daily(&world, |_, day| weekend(day)) / daily(&world, |_, day| !weekend(day));
        assert!((uplift - WEEKEND_UPLIFT).abs() < 0.02, "weekend uplift {uplift}");
        let ordinary = daily(&world, |month, _| month < 11);
        let (november, december) = (
            daily(&world, |month, _| month == 11) / ordinary,
            daily(&world, |month, _| month == 12) / ordinary,
        );
        assert!((november - NOVEMBER_PEAK).abs() < 0.05, "November peak {november}");
        assert!((december - DECEMBER_PEAK).abs() < 0.05, "December peak {december}");
    }

    #[test]
    fn segments_show_in_recency_frequency_and_monetary() {
        let world = world();
        let (mut customers, mut purchases, mut amounts, mut latest) =
            ([0.0; 4], [0.0; 4], [0.0; 4], [0; 4]);
        for customer in world.customers() {
            customers[customer.segment as usize] += 1.0;
        }
        for purchase in world.transactions() {
            let segment = world.customer(purchase.customer).unwrap().segment as usize;
            purchases[segment] += 1.0;
            amounts[segment] += purchase.amount as f64 / 100.0;
            latest[segment] = purchase.timestamp.max(latest[segment]);
        }
        let [high_value, at_risk, frequent, regular] = [0, 1, 2, 3];
        let frequency = |segment: usize| purchases[segment] / customers[segment];
        let value = |segment: usize| amounts[segment] / purchases[segment];
        assert!(latest[at_risk] <= world.end() - Millis::from(AT_RISK_DAYS) * DAY);
        assert!(latest[regular] > world.end() - DAY);
        assert!(
            frequency(frequent) > 12.0 && frequency(frequent) > 2.5 * frequency(regular),
            "{purchases:?} {customers:?}"
        );
        assert!(value(high_value) > 1.7 * value(frequent), "{amounts:?} {purchases:?}");
        assert!(frequency(at_risk) > 2.0 && frequency(at_risk) < frequency(frequent) / 2.0);
    }
}
