//! What the text of a value means: hashes of ids, the calendar, amounts of money and quantized
//! numbers.
//!
//! Everything here is frozen: the hashes, the calendar and the rounding decide what is stored and
//! compared, so they may not change between versions. Golden values in the tests hold them fast.

use super::decimal::{Decimal, Truncated};
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
    let Truncated { whole, tenths, more } =
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
mod tests;
