//! A cursor over JSON as programs print it: plain strings, short numbers, timestamps in their usual
//! form, read a word at a time.
//!
//! Every method gives `None` for what it does not know, which says nothing about validity: the
//! caller then takes the complete path. What a method does give is what the complete path would
//! have given. The cursor may look at up to [`Block::PADDING`](super::Block::PADDING) bytes after
//! the record; without that padding it gives up a little earlier.

use super::listed::{Listed, Open};
use super::text::{self, HASH_BLOCK, IdHash, block_words, days_from_civil};
use super::unlisted::Code;
use super::{CustomerId, DAY, Millis, Purchase};
use std::ops::Range;

/// One bit for each byte of a word: the lowest, and the highest.
const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Powers of ten that are exact in a word.
const POWERS: [u64; 20] = {
    let mut powers = [1; 20];
    let mut index = 1;
    while index < powers.len() {
        powers[index] = powers[index - 1] * 10;
        index += 1;
    }
    powers
};

/// A place in the bytes of a block.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline(always)]
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Cursor { bytes, at }
    }

    /// The position of the next byte.
    #[inline(always)]
    pub(super) fn position(&self) -> usize {
        self.at
    }

    #[inline(always)]
    fn chunk<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.bytes.get(self.at..)?.first_chunk()
    }

    /// The next eight bytes as a little-endian word.
    #[inline(always)]
    fn word(&self) -> Option<u64> {
        Some(u64::from_le_bytes(*self.chunk()?))
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Steps over these bytes if they come next.
    #[inline(always)]
    pub(super) fn take(&mut self, literal: &[u8]) -> bool {
        // A branch and not an addition of a length or zero: it is predicted, where the addition
        // would have to wait for the comparison.
        if self.bytes.get(self.at..self.at + literal.len()) != Some(literal) {
            return false;
        }
        self.at += literal.len();
        true
    }

    /// Steps over these bytes, which must come next.
    #[inline(always)]
    pub(super) fn expect(&mut self, literal: &[u8]) -> Option<()> {
        self.take(literal).then_some(())
    }

    /// A string or an integer as an id: its hash, and where its text stands.
    #[inline(always)]
    pub(super) fn id(&mut self) -> Option<(u64, Range<usize>)> {
        if self.take(b"\"") {
            return self.string_id();
        }
        let start = self.at;
        self.digits()?;
        let text = start..self.at;
        Some((text::id_hash(&self.bytes[text.clone()]), text))
    }

    /// The rest of a plain string, hashed while its end is looked for.
    #[inline(always)]
    fn string_id(&mut self) -> Option<(u64, Range<usize>)> {
        let start = self.at;
        let mut hash = IdHash::new();
        loop {
            let block = self.chunk::<HASH_BLOCK>()?;
            let (low, high) = block_words(block);
            let end = string_end(low, high);
            if end == HASH_BLOCK {
                hash.block(low, high);
                self.at += HASH_BLOCK;
                continue;
            }
            if block[end] != b'"' {
                return None;
            }
            let mask = (1_u128 << (8 * end)) - 1;
            hash.block(low & mask as u64, high & (mask >> 64) as u64);
            let text = start..self.at + end;
            self.at += end + 1;
            return is_kept_as_it_is(&self.bytes[text.clone()])
                .then(|| (hash.finish(text.len()), text));
        }
    }

    /// A plain string: printable ASCII without escapes.
    #[inline]
    pub(super) fn string(&mut self) -> Option<&'a str> {
        self.expect(b"\"")?;
        let start = self.at;
        loop {
            let block = self.chunk::<HASH_BLOCK>()?;
            let (low, high) = block_words(block);
            let end = string_end(low, high);
            self.at += end;
            if end < HASH_BLOCK {
                let text = std::str::from_utf8(&self.bytes[start..self.at]).ok()?;
                return self.take(b"\"").then_some(text);
            }
        }
    }

    /// A string as the index of its value in a list, or the list's length.
    #[inline(always)]
    pub(super) fn listed(&mut self, list: &Listed) -> Option<usize> {
        match self.spelled(list)? {
            Some(index) => Some(index),
            None => self.string().map(|text| list.code(text.trim_ascii())),
        }
    }

    /// A string as the code of its value for a list.
    #[inline(always)]
    pub(super) fn open(&mut self, list: &Open) -> Option<Code> {
        match self.spelled(&list.listed)? {
            Some(index) => Some(Code::listed(index)),
            None => self.string().map(|text| list.code(text.trim_ascii())),
        }
    }

    /// Steps over a string that is in a list as it usually is.
    #[inline(always)]
    fn spelled(&mut self, list: &Listed) -> Option<Option<usize>> {
        let &[quote, ref bytes @ ..] = self.chunk::<17>()?;
        let bytes: &[u8; 16] = bytes;
        let spelling = list.spelling(bytes[0]);
        if quote == b'"' && spelling.matches(u128::from_le_bytes(*bytes)) {
            self.at += 1 + spelling.length;
            return Some(Some(spelling.code));
        }
        Some(None)
    }

    /// A number of up to 19 digits without a needless zero in front, and how many digits it has.
    #[inline(always)]
    fn digits(&mut self) -> Option<(u64, usize)> {
        let start = self.at;
        let (mut value, mut count) = leading_digits(self.word()?);
        self.at += count;
        let mut last = count;
        while last == 8 {
            let (more, length) = leading_digits(self.word()?);
            if count + length >= POWERS.len() {
                return None;
            }
            value = value * POWERS[length] + more;
            count += length;
            self.at += length;
            last = length;
        }
        let needless_zero = count > 1 && self.bytes[start] == b'0';
        (count > 0 && !needless_zero).then_some((value, count))
    }

    /// A customer's number.
    #[inline(always)]
    pub(super) fn customer(&mut self) -> Option<CustomerId> {
        CustomerId::try_from(self.digits()?.0).ok()
    }

    /// A small integer or a name, as an index in a list.
    #[inline(always)]
    pub(super) fn arm(&mut self, list: &Listed) -> Option<u16> {
        let arm = if self.peek()? == b'"' { self.listed(list)? } else { self.digits()?.0 as usize };
        u16::try_from(arm).ok().filter(|_| arm < list.len())
    }

    /// An amount in minor units: a number, or a string that holds one.
    #[inline(always)]
    pub(super) fn amount(&mut self, decimals: u32) -> Option<u64> {
        let start = self.at;
        if let Some(amount) = self.short_amount(decimals as usize)
            && amount <= Purchase::MAX_AMOUNT
            && self.at_number_end()
        {
            return Some(amount);
        }
        self.at = start;
        let text = if self.peek()? == b'"' { self.string()? } else { self.number_text()? };
        text::minor_units(text, decimals).ok()
    }

    /// An amount that is written with at most the currency's decimals.
    #[inline(always)]
    fn short_amount(&mut self, decimals: usize) -> Option<u64> {
        let (whole, count) = self.digits()?;
        let (mut fraction, mut places) = (0, 0);
        if self.take(b".") {
            (fraction, places) = leading_digits(self.word()?);
            self.at += places;
            if places == 0 {
                return None;
            }
        }
        if count > 13 || places > decimals || decimals > 4 {
            return None;
        }
        Some(whole * POWERS[decimals] + fraction * POWERS[decimals - places])
    }

    /// A number as the nearest f64.
    #[inline(always)]
    pub(super) fn number(&mut self) -> Option<f64> {
        let start = self.at;
        if let Some(number) = self.short_number()
            && self.at_number_end()
        {
            return Some(number);
        }
        self.at = start;
        self.number_text()?.parse().ok()
    }

    /// A number of so few digits that one division of exact numbers gives the nearest f64.
    #[inline(always)]
    fn short_number(&mut self) -> Option<f64> {
        let negative = self.take(b"-");
        let (whole, count) = self.digits()?;
        let (mut digits, mut places) = (whole, 0);
        if self.take(b".") {
            let (fraction, length) = leading_digits(self.word()?);
            if !(1..8).contains(&length) || count + length > 15 {
                return None;
            }
            self.at += length;
            digits = whole * POWERS[length] + fraction;
            places = length;
        } else if count > 15 {
            return None;
        }
        let number = digits as f64 / POWERS[places] as f64;
        Some(if negative { -number } else { number })
    }

    /// Whether no character comes next that would go on with a number.
    #[inline(always)]
    fn at_number_end(&self) -> bool {
        !matches!(self.peek(), Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-') | None)
    }

    /// Any number of the JSON grammar, as written.
    #[inline(never)]
    fn number_text(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.take(b"-");
        let zero = self.take(b"0");
        if !zero {
            self.run_of_digits()?;
        }
        if self.take(b".") {
            self.run_of_digits()?;
        }
        if self.take(b"e") || self.take(b"E") {
            let _sign = self.take(b"+") || self.take(b"-");
            self.run_of_digits()?;
        }
        if !self.at_number_end() {
            return None;
        }
        std::str::from_utf8(&self.bytes[start..self.at]).ok()
    }

    /// Steps over at least one digit.
    fn run_of_digits(&mut self) -> Option<()> {
        let count = self.bytes[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        (count > 0).then_some(())
    }

    /// A timestamp in the forms `"YYYY-MM-DDTHH:MM:SS[.fff]Z"` and `"YYYY-MM-DD HH:MM:SS[.fff]"`,
    /// or an integer of those that are instants as they stand.
    #[inline(always)]
    pub(super) fn timestamp(&mut self, plain: &Range<u64>) -> Option<Millis> {
        if !self.take(b"\"") {
            let instant = self.digits()?.0;
            return plain.contains(&instant).then_some(instant as Millis);
        }
        let text = self.chunk::<24>()?;
        let words = text.as_chunks::<8>().0;
        let utc = text[10] == b'T';
        let separated = if utc { *b"00T00:00" } else { *b"00 00:00" };
        let date = template_digits(words[0], *b"0000-00-")?;
        let middle = template_digits(words[1], separated)?;
        let tail = template_digits(
            [words[2][0], words[2][1], words[2][2], b'0', b'0', b'0', b'0', b'0'],
            *b":0000000",
        )?;
        let two = |word: u64, index: u32| {
            ((word >> (8 * index)) & 15) as u32 * 10 + ((word >> (8 * index + 8)) & 15) as u32
        };
        let (hour, minute, second) = (two(middle, 3), two(middle, 6), two(tail, 1));
        let year = two(date, 0) * 100 + two(date, 2);
        if hour > 23 || minute > 59 || second > 59 || !(1970..2100).contains(&year) {
            return None;
        }
        let days = days_from_civil(year as i32, two(date, 5), two(middle, 0))?;
        self.at += 19;
        let millis = if self.take(b".") { self.three_digits()? } else { 0 };
        self.expect(if utc { b"Z\"" } else { b"\"" })?;
        Some(days * DAY + Millis::from((hour * 60 + minute) * 60 + second) * 1000 + millis)
    }

    #[inline(always)]
    fn three_digits(&mut self) -> Option<Millis> {
        let digits = self.chunk::<3>()?;
        self.at += 3;
        digits.iter().try_fold(0, |value, byte| {
            byte.is_ascii_digit().then(|| value * 10 + Millis::from(byte - b'0'))
        })
    }

    /// A truth value.
    #[inline(always)]
    pub(super) fn truth(&mut self) -> Option<bool> {
        const TRUE: u64 = u32::from_le_bytes(*b"true") as u64;
        const FALSE: u64 = u64::from_le_bytes(*b"false\0\0\0");
        // Without a branch on the value, which nothing could predict.
        let word = self.word()?;
        let (is_true, is_false) = (word & 0xffff_ffff == TRUE, word & 0xff_ffff_ffff == FALSE);
        self.at += 5 - usize::from(is_true);
        (is_true | is_false).then_some(is_true)
    }

    /// Steps over a plain string, a number, a truth value or null.
    pub(super) fn skip(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b't' | b'f' => self.truth().map(drop),
            b'n' => self.expect(b"null"),
            _ => self.number_text().map(drop),
        }
    }
}

/// Whether a plain text is an id that is kept as it is: not empty, without space around it, and
/// surely not an integral float.
#[inline(always)]
fn is_kept_as_it_is(text: &[u8]) -> bool {
    match text {
        [] | [b' ', ..] | [.., b' '] => false,
        [.., b'0'] => !ends_in_point_and_zeros(text),
        _ => true,
    }
}

/// Many ids end in a zero, but few of these zeros come after a point.
#[inline(always)]
fn ends_in_point_and_zeros(text: &[u8]) -> bool {
    text.iter().rev().find(|byte| **byte != b'0') == Some(&b'.')
}

/// Where, among 16 bytes, a string ends or stops to be plain; 16 if nowhere.
#[inline(always)]
fn string_end(low: u64, high: u64) -> usize {
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
fn leading_digits(word: u64) -> (u64, usize) {
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
fn template_digits(bytes: [u8; 8], template: [u8; 8]) -> Option<u64> {
    let template = u64::from_le_bytes(template);
    let digits = u64::from_le_bytes(bytes) ^ template;
    // All bits of a byte where the template has another character than a zero, which must then be
    // matched exactly.
    let marks = template ^ (LOW_BITS * u64::from(b'0'));
    let marks = ((marks.wrapping_add(LOW_BITS * 0x7f) & HIGH_BITS) >> 7).wrapping_mul(0xff);
    let not_decimal = (digits | digits.wrapping_add(LOW_BITS * 0x76)) & HIGH_BITS;
    (not_decimal == 0 && digits & marks == 0).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Numbers that are instants.
    const NUMBERS: Range<u64> = 1_000..2_000;

    /// What a cursor reads from a value that a brace follows.
    fn read<T>(value: &str, read: impl Fn(&mut Cursor) -> Option<T>) -> Option<T> {
        let bytes = [value.as_bytes(), &[b'}'; crate::source::Block::PADDING]].concat();
        let mut cursor = Cursor::new(&bytes, 0);
        read(&mut cursor).filter(|_| cursor.position() == value.len())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn numbers_are_the_nearest(text in "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?") {
            let expected: f64 = text.parse().unwrap();
            prop_assert_eq!(read(&text, |cursor| cursor.number()).map(f64::to_bits), Some(expected.to_bits()));
        }

        #[test]
        fn amounts_are_exact(text in "-?(0|[1-9][0-9]{0,14})(\\.[0-9]{1,9})?([eE][+-]?[0-9])?", decimals in 0_u32..5) {
            let expected = text::minor_units(&text, decimals).ok();
            prop_assert_eq!(read(&text, |cursor| cursor.amount(decimals)), expected);
            prop_assert_eq!(read(&format!("\"{text}\""), |cursor| cursor.amount(decimals)), expected);
        }

        #[test]
        fn plain_ids_are_hashed_and_others_left(text in "[ -~]{0,50}|[0-9]{1,9}\\.?0{0,3}|[ \
            -~]{0,20}[\u{0}-\u{1f}é\u{7f}][ -~]{0,20}") {
            let plain = text.bytes().all(|byte| (b' '..128).contains(&byte) && byte != b'"' && byte != b'\\');
            let plain = plain && !text.is_empty() && text.trim() == text && !(text.ends_with('0') && text.trim_end_matches('0').ends_with('.'));
            let expected = plain.then(|| (text::id_hash(text.as_bytes()), 1..text.len() + 1));
            prop_assert_eq!(read(&format!("\"{text}\""), |cursor| cursor.id()), expected);
        }

        #[test]
        fn integers_are_whole(number in any::<u64>(), shift in 0..64) {
            let number: u64 = number >> shift;
            let expected = CustomerId::try_from(number).ok();
            prop_assert_eq!(read(&number.to_string(), |cursor| cursor.customer()), expected);
            let padded = format!("0{number}");
            prop_assert_eq!(read(&padded, |cursor| cursor.customer()), None);
        }
    }

    #[test]
    fn timestamps_of_every_day_are_read() {
        for day in 0..text::TIMESTAMP_END / DAY {
            let (year, month, date) = text::civil_from_days(day);
            let second = day * 7919 % 86_400;
            let clock = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
            let expected = Some(day * DAY + second * 1000);
            for (separator, end) in [("T", "Z"), (" ", "")] {
                let text = format!("\"{year}-{month:02}-{date:02}{separator}{clock}{end}\"");
                assert_eq!(read(&text, |cursor| cursor.timestamp(&NUMBERS)), expected, "{text}");
            }
            let text = format!("\"{year}-{month:02}-{date:02}T{clock}.007Z\"");
            assert_eq!(
                read(&text, |cursor| cursor.timestamp(&NUMBERS)),
                expected.map(|instant| instant + 7),
                "{text}"
            );
        }
    }

    #[test]
    fn only_numbers_that_are_instants_are_taken() {
        for (text, expected) in [
            ("999", None),
            ("1000", Some(1000)),
            ("1999", Some(1999)),
            ("2000", None),
            ("\"1000\"", None),
        ] {
            assert_eq!(read(text, |cursor| cursor.timestamp(&NUMBERS)), expected, "{text}");
        }
    }

    #[test]
    fn what_is_nearly_a_timestamp_is_left() {
        let good = "\"2024-02-29T12:34:56Z\"";
        let known = read(good, |cursor| cursor.timestamp(&NUMBERS));
        for at in 1..good.len() - 1 {
            for byte in 0..=255_u8 {
                let mut bytes = [good.as_bytes(), &[0; 64]].concat();
                bytes[at] = byte;
                let found = Cursor::new(&bytes, 0).timestamp(&NUMBERS);
                let expected = std::str::from_utf8(&bytes[1..good.len() - 1])
                    .ok()
                    .and_then(|text| super::super::instant::timestamp(text).ok());
                assert!(found.is_none() || found == expected, "{at} {byte}");
                assert!(byte != good.as_bytes()[at] || found == known);
            }
        }
    }
}
