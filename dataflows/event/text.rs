//! What the text of a value means: hashes of ids, the calendar, amounts of money and quantized
//! numbers.
//!
//! Everything here is frozen: the hashes, the calendar and the rounding decide what is stored and
//! compared, so they may not change between versions. Golden values in the tests hold them fast.

use super::decimal::{Cut, Decimal};
use super::{CustomerId, DAY, Millis, Purchase};
use crate::mixing::mixed;

/// The first instant after the range of timestamps: 2100-01-01T00:00:00Z.
pub const TIMESTAMP_END: Millis = 47_482 * DAY;

/// The greatest reward, in absolute value.
pub const MAX_REWARD: f64 = 1e7;

/// Bytes that [`IdHash`] takes at a time.
pub(super) const HASH_BLOCK: usize = 16;

/// Odd random numbers. Each of the first two contains the byte 0xff, which no UTF-8 text contains:
/// a block of text can therefore never equal one of them and turn a product into zero.
const HASH_KEYS: [u64; 4] =
    [0x9ae1_6a3b_ff90_404f, 0xc3a5_ff85_c97c_b127, 0xb492_b66f_be98_f273, 0x2d35_8dcc_aa6c_78a5];

/// The frozen hash of an id's decoded text, block by block.
///
/// The text is padded with zeros to the next multiple of 16 bytes that is greater than its length.
/// Each block is read as two little-endian words (a, b) and taken in by `h = fold(a ^ k0, b ^ h)`,
/// where h starts as k1 and fold multiplies to 128 bits and xors the halves. The hash is `fold(h ^
/// k2, length ^ k3)`.
pub(super) struct IdHash(u64);

impl IdHash {
    /// Nothing taken in yet.
    #[inline(always)]
    pub(super) fn new() -> Self {
        IdHash(HASH_KEYS[1])
    }

    /// Takes in the next block.
    #[inline(always)]
    pub(super) fn block(&mut self, low: u64, high: u64) {
        self.0 = fold(low ^ HASH_KEYS[0], high ^ self.0);
    }

    /// The hash of all blocks, `length` being that of the text in bytes.
    #[inline(always)]
    pub(super) fn finish(self, length: usize) -> u64 {
        fold(self.0 ^ HASH_KEYS[2], length as u64 ^ HASH_KEYS[3])
    }
}

/// The frozen 64-bit hash of an id's decoded text; see the source of `IdHash` for its definition.
///
/// An integer id has the hash of its decimal text, so that `7` and `"7"` are the same id.
pub fn id_hash(text: &[u8]) -> u64 {
    let mut hash = IdHash::new();
    let (blocks, rest) = text.as_chunks::<HASH_BLOCK>();
    let mut last = [0; HASH_BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    for block in blocks.iter().chain([&last]) {
        let (low, high) = block_words(block);
        hash.block(low, high);
    }
    hash.finish(text.len())
}

/// The two little-endian words of a block.
#[inline(always)]
pub(super) fn block_words(block: &[u8; HASH_BLOCK]) -> (u64, u64) {
    let both = u128::from_le_bytes(*block);
    (both as u64, (both >> 64) as u64)
}

/// Both halves of the 128-bit product, xored.
#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// The customer that a text of decimal digits numbers: 0 to 2^63 - 1, with neither sign, space nor
/// point.
///
/// Whatever takes a customer's number from outside goes through this, so that nothing can be asked
/// for that no record can carry.
pub fn customer_number(text: &[u8]) -> Option<CustomerId> {
    let step = |number: CustomerId, byte: &u8| {
        let digit = byte.is_ascii_digit().then(|| CustomerId::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    };
    text.iter().try_fold(0, step).filter(|_| !text.is_empty())
}

/// The frozen hash of a customer: one to one and well mixed (the finalizer of SplitMix64).
#[inline]
pub fn customer_hash(customer: CustomerId) -> u64 {
    mixed(customer as u64)
}

/// Virtual shards that customers are divided into. A checkpoint is kept by virtual shard, so that
/// any number of workers can take it up.
pub const VIRTUAL_SHARDS: usize = 256;

/// The virtual shard of a customer, 0 to 255; worker number (shard mod workers) has it. Frozen:
/// checkpoints are kept by it.
#[inline]
pub fn virtual_shard(customer: CustomerId) -> u64 {
    customer_hash(customer) >> 56
}

/// Days of a common year before each month, and of the whole year.
const DAYS_BEFORE_MONTH: [i64; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

/// Days from 1970-01-01 to a date of the Gregorian calendar; `None` if there is no such date.
#[inline(always)]
pub fn days_from_civil(year: i32, month: u32, day: u32) -> Option<i64> {
    if !(1..=12).contains(&month) {
        return None;
    }
    let leap = i64::from(is_leap(year));
    let month = month as usize;
    let (before, after) = (DAYS_BEFORE_MONTH[month - 1], DAYS_BEFORE_MONTH[month]);
    let length = after - before + if month == 2 { leap } else { 0 };
    if !(1..=length).contains(&i64::from(day)) {
        return None;
    }
    Some(days_before_year(year) + before + if month > 2 { leap } else { 0 } + i64::from(day) - 1)
}

/// The date (year, month, day) that is so many days after 1970-01-01.
pub fn civil_from_days(days: i64) -> (i32, u32, u32) {
    // 400 years have 146,097 days; the estimate is at most one year off.
    let mut year = 1970 + (days * 400).div_euclid(146_097) as i32;
    while days_before_year(year) > days {
        year -= 1;
    }
    while days_before_year(year + 1) <= days {
        year += 1;
    }
    let day_of_year = days - days_before_year(year);
    let leap = i64::from(is_leap(year));
    let start_of = |month: usize| DAYS_BEFORE_MONTH[month - 1] + if month > 2 { leap } else { 0 };
    let month = (1..=12).rev().find(|month| start_of(*month) <= day_of_year).unwrap_or(1);
    (year, month as u32, (day_of_year - start_of(month)) as u32 + 1)
}

#[inline(always)]
fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days from 1970-01-01 to the first day of a year.
#[inline(always)]
fn days_before_year(year: i32) -> i64 {
    let past = i64::from(year) - 1;
    past * 365 + past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400) - 719_162
}

/// Whether a text is an optional minus sign and decimal digits.
pub(super) fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// What is wrong with an amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmountError {
    /// Not a decimal number.
    NotANumber,
    /// Below zero, however little.
    Negative,
    /// Over [`Purchase::MAX_AMOUNT`] minor units.
    TooGreat,
}

/// The amount that a decimal number names, in minor units of a currency with so many `decimals`.
///
/// The number may have a sign, an exponent and white space around it. It is rounded on its digits
/// as written, half to even, and never goes through floating point: `2.675` is 268 minor units.
pub fn minor_units(text: &str, decimals: u32) -> Result<u64, AmountError> {
    let decimal = Decimal::read(text.trim_ascii()).ok_or(AmountError::NotANumber)?;
    if decimal.is_negative() {
        return Err(AmountError::Negative);
    }
    let Cut { whole, tenths, more } =
        decimal.cut(i64::from(decimals)).ok_or(AmountError::TooGreat)?;
    let up = tenths > 5 || (tenths == 5 && (whole % 2 == 1 || more));
    let amount = whole + u64::from(up);
    if amount <= Purchase::MAX_AMOUNT { Ok(amount) } else { Err(AmountError::TooGreat) }
}

/// A reward in Q16: the nearest multiple of 2^-16, ties to even; `None` if it is not a number or
/// beyond [`MAX_REWARD`].
#[inline(always)]
pub fn reward_q16(reward: f64) -> Option<i64> {
    (reward.abs() <= MAX_REWARD).then(|| round_to_even(reward * 65_536.0) as i64)
}

/// A feature in Q12: clipped to [-8, 8 - 2^-12], then the nearest multiple of 2^-12, ties to even.
/// What is not a number becomes 0.
#[inline(always)]
pub fn feature_q12(feature: f64) -> i16 {
    round_to_even((feature * 4096.0).clamp(-32_768.0, 32_767.0)) as i16
}

/// The nearest integer, ties to even, of a number below 2^51 in absolute value.
#[inline(always)]
fn round_to_even(value: f64) -> f64 {
    // From 2^52 to 2^53 the representable numbers are the integers, so that the addition itself
    // rounds.
    const SHIFT: f64 = 1.5 * (1_u64 << 52) as f64;
    (value + SHIFT) - SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_is_numbered_by_digits_alone() {
        for (text, number) in
            [("0", 0), ("5", 5), ("007", 7), ("9223372036854775807", CustomerId::MAX)]
        {
            assert_eq!(customer_number(text.as_bytes()), Some(number), "{text}");
        }
        for text in [
            "",
            "-1",
            "+5",
            " 5",
            "5 ",
            "5.0",
            "1e3",
            "9223372036854775808",
            "18446744073709551616",
            "\u{0665}",
            "0x5",
        ] {
            assert_eq!(customer_number(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(customer_number(b"\xff"), None);
    }

    #[test]
    fn the_hashes_are_frozen() {
        let long = "0123456789abcdef0123456789abcdef0123456789";
        let ids = ["", "7", "T-000017", "exactly-16-bytes", "seventeen-bytes-x", "é€😀", long]
            .map(|text| id_hash(text.as_bytes()));
        assert_eq!(
            ids,
            [
                0x31ef_fecc_1f57_f1e8,
                0xa533_a9d8_6c72_2eac,
                0xf4cc_5fcc_c759_d829,
                0xd7c8_d494_89f0_bf77,
                0xfb41_bee0_57ef_c506,
                0x6451_17c7_1041_f119,
                0xf318_1043_8a1e_3c5c
            ]
        );
        let customers = [0, 1, 42, i64::MAX].map(customer_hash);
        assert_eq!(
            customers,
            [
                0x0000_0000_0000_0000,
                0x5692_161d_100b_05e5,
                0xa759_ea27_d472_7622,
                0x5a68_2afe_7965_debd
            ]
        );
    }

    #[test]
    fn ids_that_differ_little_have_different_hashes() {
        let mut seen = std::collections::HashSet::new();
        for number in 0..20_000 {
            for text in [
                format!("{number}"),
                format!("T{number:07}"),
                format!("a-rather-long-prefix-{number}-and-a-suffix"),
                format!("{number}\0"),
            ] {
                assert!(seen.insert(id_hash(text.as_bytes())), "{text}");
            }
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(days_from_civil(1970, 1, 1), Some(0));
        assert_eq!(days_from_civil(2000, 2, 29), Some(11_016));
        assert_eq!(days_from_civil(2100, 1, 1), Some(TIMESTAMP_END / DAY));
        assert_eq!(days_from_civil(1969, 12, 31), Some(-1));
        for (year, month, day) in [
            (2023, 2, 29),
            (2100, 2, 29),
            (2024, 2, 30),
            (2024, 4, 31),
            (2024, 0, 1),
            (2024, 13, 1),
            (2024, 1, 0),
        ] {
            assert_eq!(days_from_civil(year, month, day), None, "{year}-{month}-{day}");
        }
        let mut yesterday = civil_from_days(-800_001);
        for days in -800_000..800_000 {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), Some(days));
            assert!((year, month, day) > yesterday);
            yesterday = (year, month, day);
        }
    }

    #[test]
    fn amounts_are_rounded_on_their_digits_half_to_even() {
        for (text, decimals, expected) in [
            ("0", 2, 0),
            ("12", 2, 1200),
            ("12.3", 2, 1230),
            ("12.34", 2, 1234),
            ("0.30000000000000004", 2, 30),
            ("2.675", 2, 268),
            ("2.665", 2, 266),
            ("2.66500000000000000000000000000000000000000000000001", 2, 267),
            ("0.005", 2, 0),
            ("0.015", 2, 2),
            ("0.0051", 2, 1),
            ("0.00499", 2, 0),
            ("9.995", 2, 1000),
            ("1.5", 0, 2),
            ("2.5", 0, 2),
            ("1.00005", 4, 10_000),
            ("1.00015", 4, 10_002),
            ("1.5e3", 2, 150_000),
            ("15E-1", 2, 150),
            ("1e+2", 2, 10_000),
            ("0e99999999999999999999999", 2, 0),
            ("1e-99999999999999999999999", 2, 0),
            ("-0", 2, 0),
            ("-0.000", 2, 0),
            (" +7.5 ", 2, 750),
            (".5", 2, 50),
            ("5.", 2, 500),
            ("10000000000.00", 2, 1_000_000_000_000),
            ("10000000000.0049", 2, 1_000_000_000_000),
            ("000000000000000000000000000000000001", 2, 100),
        ] {
            assert_eq!(minor_units(text, decimals), Ok(expected), "{text}");
        }
        let small = format!("0.{}1e1000", "0".repeat(999));
        assert_eq!(minor_units(&small, 2), Ok(100));
    }

    #[test]
    fn amounts_beyond_the_limits_are_refused() {
        for text in [
            "10000000000.01",
            "10000000000.0051",
            "1e11",
            "1e99999999999999999999",
            "99999999999999999999999999",
        ] {
            assert_eq!(minor_units(text, 2), Err(AmountError::TooGreat), "{text}");
        }
        for text in ["-1", "-0.001", "-1e-400"] {
            assert_eq!(minor_units(text, 2), Err(AmountError::Negative), "{text}");
        }
        for text in [
            "", " ", ".", "-", "+", "NaN", "Infinity", "-inf", "1e", "1e+", "1e1.5", "1.2.3",
            "1,5", "0x10", "1_000", "--1", "١",
        ] {
            assert_eq!(minor_units(text, 2), Err(AmountError::NotANumber), "{text}");
        }
    }

    #[test]
    fn quantities_are_rounded_to_even() {
        let unit = 1.0 / 65_536.0;
        for (reward, expected) in [
            (0.0, 0),
            (-0.0, 0),
            (1.0, 65_536),
            (0.5 * unit, 0),
            (1.5 * unit, 2),
            (-2.5 * unit, -2),
            (1e7, 655_360_000_000),
            (-1e7, -655_360_000_000),
        ] {
            assert_eq!(reward_q16(reward), Some(expected), "{reward}");
        }
        for reward in [f64::NAN, f64::INFINITY, 1e7_f64.next_up(), -1e7_f64.next_up()] {
            assert_eq!(reward_q16(reward), None, "{reward}");
        }
        let unit = 1.0 / 4096.0;
        for (feature, expected) in [
            (0.0, 0),
            (0.5 * unit, 0),
            (1.5 * unit, 2),
            (7.9999, 32_767),
            (1e300, 32_767),
            (f64::INFINITY, 32_767),
            (-9.0, -32_768),
        ] {
            assert_eq!(feature_q12(feature), expected, "{feature}");
        }
    }
}
