//! Eight bytes at a time: where a string ends, what digits come to, and what fits a template.

/// One bit for each byte of a word: the lowest, and the highest.
const LOW_BITS: u64 = 0x0101_0101_0101_0101;

const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Powers of ten that are exact in a word.
pub(super) const POWERS: [u64; 20] = {
    let mut powers = [1; 20];
    let mut index = 1;
    while index < powers.len() {
        powers[index] = powers[index - 1] * 10;
        index += 1;
    }
    powers
};

/// Where, among 16 bytes, a string ends or stops to be plain; 16 if nowhere.
#[inline(always)]
pub(super) fn string_end(low: u64, high: u64) -> usize {
    let (stop_low, stop_high) = (stops(low), stops(high));
    if stop_low != 0 {
        return stop_low.trailing_zeros() as usize / 8;
    }
    8 + stop_high.trailing_zeros() as usize / 8
}

/// Marks the first byte that is a quote, a backslash, a control character or not ASCII (and perhaps
/// bytes after it).
#[inline(always)]
fn stops(word: u64) -> u64 {
    let below = |word: u64, bound: u8| word.wrapping_sub(LOW_BITS * u64::from(bound)) & !word;
    let equal = |byte: u8| below(word ^ (LOW_BITS * u64::from(byte)), 1);
    (equal(b'"') | equal(b'\\') | below(word, b' ') | word) & HIGH_BITS
}

/// The value of the decimal digits at the start of eight bytes, and how many there are.
#[inline(always)]
pub(super) fn leading_digits(word: u64) -> (u64, usize) {
    let nibbles = word ^ (LOW_BITS * u64::from(b'0'));
    // 10 + 0x76 is 0x80: whatever is no digit gets its high bit, from the first such byte on.
    let others = (nibbles | nibbles.wrapping_add(LOW_BITS * 0x76)) & HIGH_BITS;
    let count = others.trailing_zeros() as usize / 8;
    if count == 0 {
        return (0, 0);
    }
    // The last digit to the top byte, zeros in front; then pairs, fours and all eight are joined.
    let digits = nibbles << (64 - 8 * count);
    let pairs = (digits.wrapping_mul(10 * (1 << 8) + 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 * (1 << 16) + 1) >> 16) & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul(10_000 * (1 << 32) + 1) >> 32, count)
}

/// The digits of eight bytes that have digits where the template has zeros, and the template's
/// other characters where it has those.
#[inline(always)]
pub(super) fn template_digits(bytes: [u8; 8], template: [u8; 8]) -> Option<u64> {
    let template = u64::from_le_bytes(template);
    let digits = u64::from_le_bytes(bytes) ^ template;
    // All bits of a byte where the template has another character than a zero, which must then be
    // matched exactly.
    let marks = template ^ (LOW_BITS * u64::from(b'0'));
    let marks = ((marks.wrapping_add(LOW_BITS * 0x7f) & HIGH_BITS) >> 7).wrapping_mul(0xff);
    let not_decimal = (digits | digits.wrapping_add(LOW_BITS * 0x76)) & HIGH_BITS;
    (not_decimal == 0 && digits & marks == 0).then_some(digits)
}
