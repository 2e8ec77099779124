//! Who buys: customers by their appetite, as long as they still buy.

use crate::population::Customer;
use crate::random::Stream;

/// Customers in the order in which they stop buying, those who never do first: whoever still buys
/// on a day is then a prefix.
pub(super) struct Shoppers {
    /// Indexes of customers.
    order: Vec<u32>,
    /// The day each of them stops on; falling.
    stops: Vec<u16>,
    /// Sums of their purchase rates.
    rates: Vec<f64>,
    /// Where to begin to search: the range of the sums is cut into as many slots as there are
    /// customers, and this is the first rank whose sum reaches into a slot.
    slots: Vec<u32>,
}

impl Shoppers {
    pub(super) fn new(customers: &[Customer]) -> Shoppers {
        let mut order: Vec<u32> = (0..customers.len() as u32).collect();
        order.sort_by_key(|&index| std::cmp::Reverse(customers[index as usize].stops_on));
        let stops = order.iter().map(|&index| customers[index as usize].stops_on).collect();
        let mut sum = 0.0;
        let add = |&index: &u32| {
            sum += f64::from(customers[index as usize].purchase_rate);
            sum
        };
        let rates: Vec<f64> = order.iter().map(add).collect();
        let mut rank = 0;
        let first = |slot: usize| {
            while rank + 1 < rates.len() && slot_of(rates[rank], &rates) < slot {
                rank += 1;
            }
            rank as u32
        };
        let slots = (0..customers.len()).map(first).collect();
        Shoppers { order, stops, rates, slots }
    }

    /// How many of them buy on a day. When nobody would any more, as may be in a world of a handful
    /// of customers, all go on: the number of purchases is a promise, the segment's habit is not.
    pub(super) fn active(&self, day: usize) -> usize {
        match self.stops.partition_point(|&stop| usize::from(stop) > day) {
            0 => self.order.len(),
            some => some,
        }
    }

    /// Draws one of the first `active`, in proportion to their rates; gives the index of a
    /// customer.
    #[inline]
    pub(super) fn choose(&self, active: usize, stream: &mut Stream) -> usize {
        let point = stream.uniform() * self.rates[active - 1];
        let begin = self.slots[slot_of(point, &self.rates)] as usize;
        let beyond = self.rates[begin..active].iter().take_while(|&&sum| sum <= point).count();
        self.order[(begin + beyond).min(active - 1)] as usize
    }

    /// The expected share of each segment in all purchases, for days of these weights.
    pub(super) fn shares(&self, customers: &[Customer], weights: &[f64]) -> [f64; 4] {
        let mut sums = [0.0; 4];
        let add = |&index: &u32| {
            let customer = &customers[index as usize];
            sums[customer.segment as usize] += f64::from(customer.purchase_rate);
            sums
        };
        let by_segment: Vec<[f64; 4]> = self.order.iter().map(add).collect();
        let mut shares = [0.0; 4];
        for (day, weight) in weights.iter().enumerate() {
            let last = self.active(day) - 1;
            for (share, rate) in shares.iter_mut().zip(by_segment[last]) {
                *share += weight * rate / self.rates[last];
            }
        }
        let whole: f64 = weights.iter().sum();
        shares.map(|share| share / whole)
    }
}

/// The slot of a point in the range of these sums. It never falls where the point rises, so that a
/// search which begins at a slot's first rank misses nothing.
#[inline]
fn slot_of(point: f64, sums: &[f64]) -> usize {
    let slots = sums.len();
    ((point / sums[slots - 1] * slots as f64) as usize).min(slots - 1)
}

#[cfg(test)]
mod tests {
    use super::super::day_weight;
    use super::*;
    use crate::random::StreamPurpose;
    use crate::{World, WorldSettings};
    use dataflows::event::{DAY, Millis};

    #[test]
    fn a_shopper_found_by_slot_is_the_one_found_by_bisection() {
        let customers: Vec<Customer> = (1..=777).map(|id| Customer::draw(9, id, 0, 730)).collect();
        let shoppers = Shoppers::new(&customers);
        for active in [1, 2, 500, 777] {
            let (mut stream, mut again) = (
                Stream::new(4, StreamPurpose::Purchases, 0, 0),
                Stream::new(4, StreamPurpose::Purchases, 0, 0),
            );
            for _ in 0..20_000 {
                let point = again.uniform() * shoppers.rates[active - 1];
                let rank = shoppers.rates[..active].partition_point(|&sum| sum <= point);
                assert_eq!(shoppers.choose(active, &mut stream), shoppers.order[rank] as usize);
            }
        }
    }

    #[test]
    fn shares_of_the_segments_are_those_expected() {
        let world =
            World::new(WorldSettings { interactions: 0, ..WorldSettings::default() }).unwrap();
        let weights: Vec<f64> = (0..world.settings().days)
            .map(|day| day_weight(world.settings().start + Millis::from(day) * DAY))
            .collect();
        let expected = world.market.shoppers.shares(world.customers(), &weights);
        let mut counts = [0.0; 4];
        for purchase in world.transactions() {
            counts[world.customer(purchase.customer).unwrap().segment as usize] += 1.0;
        }
        let total = world.settings().transactions as f64;
        for (count, share) in counts.into_iter().zip(expected) {
            let error = (share * (1.0 - share) / total).sqrt();
            assert!((count / total - share).abs() < 4.0 * error, "{counts:?} against {expected:?}");
        }
    }
}
