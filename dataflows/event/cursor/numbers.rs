//! Numbers of a record: customers, arms, amounts and floats, each read from the digits that are
//! there.

use super::Cursor;
use super::words::{POWERS, leading_digits};
use crate::event::listed::NameList;
use crate::event::text;
use crate::event::{CustomerId, Purchase};

impl<'a> Cursor<'a> {
    /// A number of up to 19 digits without a needless zero in front, and how many digits it has.
    #[inline(always)]
    pub(super) fn digits(&mut self) -> Option<(u64, usize)> {
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
    pub(in crate::event) fn customer(&mut self) -> Option<CustomerId> {
        CustomerId::try_from(self.digits()?.0).ok()
    }

    /// A small integer or a name, as an index in a list.
    #[inline(always)]
    pub(in crate::event) fn arm(&mut self, list: &NameList) -> Option<u16> {
        let arm = if self.peek()? == b'"' { self.listed(list)? } else { self.digits()?.0 as usize };
        u16::try_from(arm).ok().filter(|_| arm < list.len())
    }

    /// An amount in minor units: a number, or a string that holds one.
    #[inline(always)]
    pub(in crate::event) fn amount(&mut self, decimals: u32) -> Option<u64> {
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
    pub(in crate::event) fn number(&mut self) -> Option<f64> {
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
    pub(super) fn number_text(&mut self) -> Option<&'a str> {
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
}
