//! A cursor over JSON as programs print it: plain strings, short numbers, timestamps in their usual
//! form, read a word at a time.
//!
//! Every method gives `None` for what it does not know, which says nothing about validity: the
//! caller then takes the complete path. What a method does give is what the complete path would
//! have given. The cursor may look at up to [`Block::PADDING`](crate::source::Block::PADDING) bytes
//! after the record; without that padding it gives up a little earlier.

mod numbers;
mod words;

use super::listed::{NameList, OpenList};
use super::text::{self, HASH_BLOCK, IdHash, block_words, days_from_civil};
use super::unlisted::Code;
use super::{DAY, Millis};
use std::ops::Range;
use words::{string_end, template_digits};

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
    pub(super) fn listed(&mut self, list: &NameList) -> Option<usize> {
        match self.spelled(list)? {
            Some(index) => Some(index),
            None => self.string().map(|text| list.code(text.trim_ascii())),
        }
    }

    /// A string as the code of its value for a list.
    #[inline(always)]
    pub(super) fn open(&mut self, list: &OpenList) -> Option<Code> {
        match self.spelled(&list.listed)? {
            Some(index) => Some(Code::listed(index)),
            None => self.string().map(|text| list.code(text.trim_ascii())),
        }
    }

    /// Steps over a string that is in a list as it usually is.
    #[inline(always)]
    fn spelled(&mut self, list: &NameList) -> Option<Option<usize>> {
        let &[quote, ref bytes @ ..] = self.chunk::<17>()?;
        let bytes: &[u8; 16] = bytes;
        let spelling = list.spelling(bytes[0]);
        if quote == b'"' && spelling.matches(u128::from_le_bytes(*bytes)) {
            self.at += 1 + spelling.length;
            return Some(Some(spelling.code));
        }
        Some(None)
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

#[cfg(test)]
mod tests;
