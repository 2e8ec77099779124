//! The sums and counts of one customer's purchases: all that the features need to know of them.

use super::Transaction;
use super::calendar::Calendar;
use crate::event::Millis;
use crate::settings::{CustomerSettings, InputSettings};
use std::ops::Range;

/// What is summed over a customer's purchases; their counts lie apart, in a slice by [`Layout`],
/// because those of all customers share one arena.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many purchases.
    pub purchases: u32,
    /// The earliest; 0 without any.
    pub first: Millis,
    /// The latest; 0 without any.
    pub last: Millis,
    /// Sum of the amounts in minor units; stays at the greatest u64 when it would pass it.
    pub amount: u64,
    /// Sum of the squared amounts: exact, as 2^32 squares of 40-bit amounts need 112 bits.
    pub squares: u128,
    /// The least amount; 0 without any purchase.
    pub least: u64,
    /// The greatest amount; 0 without any purchase.
    pub greatest: u64,
}

/// Where each count of a customer lies in its slice.
#[derive(Clone, Debug)]
pub struct Layout {
    calendar: Calendar,
    categories: Section,
    devices: Section,
    payments: Section,
}

impl Layout {
    /// Purchases on a Saturday or Sunday.
    pub const WEEKEND: usize = 0;
    /// Purchases in a holiday month.
    pub const HOLIDAY: usize = 1;
    /// Purchases with a discount.
    pub const DISCOUNT: usize = 2;

    /// The layout for these lists and holiday months.
    pub fn new(input: &InputSettings, customer: &CustomerSettings) -> Self {
        let categories = Section::new(Self::DISCOUNT + 1, input.categories.len());
        let devices = Section::new(categories.end(), input.devices.len());
        let payments = Section::new(devices.end(), input.payments.len());
        Layout { calendar: Calendar::new(customer.holiday_months), categories, devices, payments }
    }

    /// How many counts a customer has.
    #[inline]
    pub fn stride(&self) -> usize {
        self.payments.end()
    }

    /// The counts by category, `other` last.
    #[inline]
    pub fn categories(&self) -> Range<usize> {
        self.categories.range()
    }

    /// The counts by device, `other` last.
    #[inline]
    pub fn devices(&self) -> Range<usize> {
        self.devices.range()
    }

    /// The counts by payment method, `other` last.
    #[inline]
    pub fn payments(&self) -> Range<usize> {
        self.payments.range()
    }

    /// Adds one purchase to a customer's sums and to its counts, a slice of length
    /// [`stride`](Self::stride).
    ///
    /// Purchases come in order of time. The purchase past the 2^32 - 1st of one customer is left
    /// out, so that nothing can wrap.
    #[inline]
    pub fn add(&self, summary: &mut Summary, counts: &mut [u32], transaction: &Transaction) {
        debug_assert_eq!(counts.len(), self.stride());
        debug_assert!(summary.purchases == 0 || summary.last <= transaction.timestamp());
        if summary.purchases == u32::MAX {
            return;
        }
        let purchase = transaction.purchase();
        let amount = purchase.amount();
        if summary.purchases == 0 {
            summary.first = transaction.timestamp();
            summary.least = amount;
        }
        summary.last = transaction.timestamp();
        summary.purchases += 1;
        summary.amount = summary.amount.saturating_add(amount);
        summary.squares += u128::from(amount) * u128::from(amount);
        summary.least = summary.least.min(amount);
        summary.greatest = summary.greatest.max(amount);

        let day = self.calendar.day(transaction.timestamp());
        counts[Self::WEEKEND] += u32::from(day.is_weekend());
        counts[Self::HOLIDAY] += u32::from(day.is_holiday());
        counts[Self::DISCOUNT] += u32::from(purchase.discount());
        counts[self.categories.index(purchase.category())] += 1;
        counts[self.devices.index(purchase.device())] += 1;
        counts[self.payments.index(purchase.payment())] += 1;
    }
}

/// The counts of one list: its values, then `other`.
#[derive(Clone, Copy, Debug)]
struct Section {
    start: usize,
    other: usize,
}

impl Section {
    fn new(start: usize, listed: usize) -> Self {
        Section { start, other: start + listed }
    }

    fn end(self) -> usize {
        self.other + 1
    }

    fn range(self) -> Range<usize> {
        self.start..self.end()
    }

    /// Where a value with this code counts; a code past the list counts as `other`.
    #[inline]
    fn index(self, code: usize) -> usize {
        (self.start + code).min(self.other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{DAY, Purchase};

    /// 2023-11-25, a Saturday in a holiday month.
    const SATURDAY: Millis = 1_700_870_400_000;

    fn layout() -> Layout {
        Layout::new(&InputSettings::default(), &CustomerSettings::default())
    }

    fn summed(purchases: &[(Millis, Purchase)]) -> (Summary, Vec<u32>) {
        let layout = layout();
        let (mut summary, mut counts) = (Summary::default(), vec![0; layout.stride()]);
        for &(timestamp, purchase) in purchases {
            layout.add(&mut summary, &mut counts, &Transaction::new(1, timestamp, purchase));
        }
        (summary, counts)
    }

    #[test]
    fn the_lists_follow_each_other_without_a_gap() {
        let layout = layout();
        assert_eq!(
            (layout.categories(), layout.devices(), layout.payments()),
            (3..8, 8..12, 12..16)
        );
        assert_eq!(layout.stride(), 16);
    }

    #[test]
    fn every_fact_of_a_purchase_is_counted() {
        let (summary, counts) = summed(&[
            (SATURDAY, Purchase::new(500, 0, 2, 1, true)),
            (SATURDAY + 2 * DAY, Purchase::new(200, 4, 3, 3, false)),
            (SATURDAY + 6 * DAY, Purchase::new(900, 0, 0, 1, true)),
        ]);
        let expected = Summary {
            purchases: 3,
            first: SATURDAY,
            last: SATURDAY + 6 * DAY,
            amount: 1_600,
            squares: 250_000 + 40_000 + 810_000,
            least: 200,
            greatest: 900,
        };
        assert_eq!(summary, expected);
        assert_eq!(
            counts,
            [
                1, 3, 2, /* categories */ 2, 0, 0, 0, 1, /* devices */ 1, 0, 1, 1,
                /* payments */ 0, 2, 0, 1
            ]
        );
    }

    #[test]
    fn a_code_past_its_list_counts_as_other() {
        let (_, counts) = summed(&[(SATURDAY, Purchase::new(1, 127, 126, 100, false))]);
        assert_eq!((counts[7], counts[11], counts[15]), (1, 1, 1));
        assert_eq!(counts[3..].iter().sum::<u32>(), 3);
    }

    #[test]
    fn the_total_stays_at_its_limit_and_the_squares_remain_exact() {
        let layout = layout();
        let mut counts = vec![0; layout.stride()];
        let amount = Purchase::MAX_AMOUNT;
        let full = u128::from(u32::MAX - 1) * u128::from(amount) * u128::from(amount);
        let mut summary = Summary {
            purchases: u32::MAX - 1,
            amount: u64::MAX - 1,
            squares: full,
            last: SATURDAY,
            ..Summary::default()
        };
        let transaction = Transaction::new(1, SATURDAY, Purchase::new(amount, 0, 0, 0, false));
        layout.add(&mut summary, &mut counts, &transaction);
        assert_eq!((summary.purchases, summary.amount), (u32::MAX, u64::MAX));
        assert_eq!(summary.squares, u128::from(u32::MAX) * u128::from(amount) * u128::from(amount));
        let before = (summary, counts.clone());
        layout.add(&mut summary, &mut counts, &transaction);
        assert_eq!((summary, counts), before, "the count of purchases is full");
    }
}
