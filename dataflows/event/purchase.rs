//! The facts of a purchase in one word.

use super::unlisted::Code;

/// The facts of a purchase beside its id and time, packed into one word so that two purchases are
/// equal exactly when their words are.
///
/// amount (minor units) in the top 40 bits, then payment method (7 bits), device (7), category (7),
/// discount (1), from bit 2 up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Purchase(pub u64);

impl Purchase {
    /// The greatest amount, in minor units.
    pub const MAX_AMOUNT: u64 = 1_000_000_000_000;
    /// How many values a configured list may have (one more code stands for `other`).
    pub const MAX_LISTED: usize = 127;

    /// Packs a purchase with these codes: the lower parts, and beside it the upper ones in the bits
    /// from [`Purchase::UPPER_SHIFT`] on, which an instant leaves free.
    #[inline(always)]
    pub fn coded(amount: u64, codes: [Code; 3], discount: bool) -> (Self, u64) {
        let [category, device, payment] = codes;
        let upper = payment.upper() << 14 | device.upper() << 7 | category.upper();
        (
            Self::new(amount, category.index(), device.index(), payment.index(), discount),
            upper << Self::UPPER_SHIFT,
        )
    }

    /// The codes of category, device and payment method, with their upper parts.
    #[inline]
    pub fn codes(self, upper: u64) -> [Code; 3] {
        [(3, 0), (10, 7), (17, 14)]
            .map(|(lower, at)| Code::of_parts(self.0 >> lower, upper >> Self::UPPER_SHIFT >> at))
    }

    /// Bits of an instant from 1970 to 2100.
    pub const UPPER_SHIFT: u32 = 42;

    /// Packs a purchase. A code is the index in the configured list, or beyond its end for `other`.
    #[inline]
    pub fn new(
        amount: u64,
        category: usize,
        device: usize,
        payment: usize,
        discount: bool,
    ) -> Self {
        debug_assert!(
            amount <= Self::MAX_AMOUNT
                && category <= Self::MAX_LISTED
                && device <= Self::MAX_LISTED
                && payment <= Self::MAX_LISTED
        );
        Purchase(
            (amount << 24)
                | ((payment as u64) << 17)
                | ((device as u64) << 10)
                | ((category as u64) << 3)
                | (u64::from(discount) << 2),
        )
    }

    /// Minor units of the currency.
    #[inline]
    pub fn amount(self) -> u64 {
        self.0 >> 24
    }

    /// Code of the category.
    #[inline]
    pub fn category(self) -> usize {
        (self.0 >> 3 & 127) as usize
    }

    /// Code of the device.
    #[inline]
    pub fn device(self) -> usize {
        (self.0 >> 10 & 127) as usize
    }

    /// Code of the payment method.
    #[inline]
    pub fn payment(self) -> usize {
        (self.0 >> 17 & 127) as usize
    }

    /// Whether a discount was used.
    #[inline]
    pub fn discount(self) -> bool {
        self.0 & 4 != 0
    }
}
