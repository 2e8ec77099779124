//! Decimal numbers on their digits as written: nothing here goes through floating point.

/// Every integer below it is a float of its own: a float beyond may stand for another integer than
/// was meant.
const EXACT_FLOATS: u64 = 1 << 53;

/// A decimal number taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal<'a> {
    negative: bool,
    integer: &'a str,
    fraction: &'a str,
    exponent: i64,
}

/// The size of a decimal number, cut after its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Truncated {
    /// What stands before the point.
    pub(super) whole: u64,
    /// The first digit after it.
    pub(super) tenths: u8,
    /// Whether any digit after that one is not zero.
    pub(super) more: bool,
}

impl Truncated {
    /// Digits that `whole` may have.
    const DIGITS: i64 = 18;

    /// Whether nothing was cut off.
    pub(super) fn is_exact(self) -> bool {
        self.tenths == 0 && !self.more
    }
}

impl<'a> Decimal<'a> {
    /// Beyond it an exponent makes no difference: no record is so long that its digits could make
    /// up for it.
    const MAX_EXPONENT: i64 = 1 << 40;

    /// A number with an optional sign, point and exponent; `None` for anything else.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Self::read_exponent(exponent)?),
            None => (text, 0),
        };
        let negative = mantissa.starts_with('-');
        let unsigned = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
        let (integer, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let only_digits = integer.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
        let some_digit = !integer.is_empty() || !fraction.is_empty();
        (only_digits && some_digit).then_some(Decimal { negative, integer, fraction, exponent })
    }

    fn read_exponent(text: &str) -> Option<i64> {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let magnitude = digits.bytes().fold(0, |value: i64, byte| {
            (value * 10 + i64::from(byte - b'0')).min(Self::MAX_EXPONENT)
        });
        Some(if text.starts_with('-') { -magnitude } else { magnitude })
    }

    fn digits(&self) -> impl Iterator<Item = u8> + Clone + use<'a> {
        self.integer.bytes().chain(self.fraction.bytes()).map(|byte| byte - b'0')
    }

    /// Whether it is 0, of either sign.
    pub(super) fn is_zero(&self) -> bool {
        self.digits().all(|digit| digit == 0)
    }

    /// Whether it is below 0.
    pub(super) fn is_negative(&self) -> bool {
        self.negative && !self.is_zero()
    }

    /// Its size times ten to this power, cut after the point; `None` where more than 18 digits
    /// stand before it.
    pub(super) fn cut(&self, power: i64) -> Option<Truncated> {
        let zeros = self.digits().take_while(|digit| *digit == 0).count();
        if zeros == self.integer.len() + self.fraction.len() {
            return Some(Truncated { whole: 0, tenths: 0, more: false });
        }
        // How many of the digits after the leading zeros stand before the point.
        let before = self.integer.len() as i64 - zeros as i64 + self.exponent + power;
        if before > Truncated::DIGITS {
            return None;
        }
        if before < 0 {
            return Some(Truncated { whole: 0, tenths: 0, more: true });
        }
        let mut rest = self.digits().skip(zeros);
        let whole =
            (0..before).fold(0, |whole, _| whole * 10 + u64::from(rest.next().unwrap_or(0)));
        let tenths = rest.next().unwrap_or(0);
        Some(Truncated { whole, tenths, more: rest.any(|digit| digit != 0) })
    }

    /// The integer that it is, where it is one, is not negative, and a float could not have been
    /// another one.
    pub(super) fn integral(&self) -> Option<u64> {
        let cut = self.cut(0).filter(|_| !self.is_negative())?;
        (cut.is_exact() && cut.whole < EXACT_FLOATS).then_some(cut.whole)
    }

    /// The digits as one integer, and the power of ten that it is to be multiplied with; `None`
    /// beyond 18 digits.
    fn mantissa(&self) -> Option<(u128, i64)> {
        let size = self.digits().skip_while(|digit| *digit == 0);
        if size.clone().count() > Truncated::DIGITS as usize {
            return None;
        }
        Some((
            size.fold(0, |value, digit| value * 10 + u128::from(digit)),
            self.exponent - self.fraction.len() as i64,
        ))
    }
}

/// The exact product of decimal numbers, as a text; `None` where its digits are too many to be an
/// amount.
pub(super) fn product(factors: &[Decimal]) -> Option<String> {
    let mut negative = false;
    let (mut product, mut exponent) = (1_u128, 0_i64);
    for factor in factors {
        let (mantissa, power) = factor.mantissa()?;
        negative ^= factor.negative;
        product = product.checked_mul(mantissa)?;
        exponent = exponent.saturating_add(power);
    }
    let sign = if negative && product != 0 { "-" } else { "" };
    if !(-30..=0).contains(&exponent) {
        return Some(format!("{sign}{product}e{exponent}"));
    }
    let places = exponent.unsigned_abs() as usize;
    let digits = format!("{product:0>width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let point = if places > 0 { "." } else { "" };
    Some(format!("{sign}{whole}{point}{fraction}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, power: i64) -> Option<(u64, u8, bool)> {
        Decimal::read(text)
            .and_then(|decimal| decimal.cut(power))
            .map(|cut| (cut.whole, cut.tenths, cut.more))
    }

    #[test]
    fn numbers_are_cut_on_their_digits() {
        for (text, power, expected) in [
            ("1709251200.123", 3, (1_709_251_200_123, 0, false)),
            ("1709251200.1239", 3, (1_709_251_200_123, 9, false)),
            ("1.7092512e9", 3, (1_709_251_200_000, 0, false)),
            ("1709251200123456", -3, (1_709_251_200_123, 4, true)),
            ("-0.00", 2, (0, 0, false)),
            ("0.004", 2, (0, 4, false)),
            ("4e-9", 2, (0, 0, true)),
        ] {
            assert_eq!(cut(text, power), Some(expected), "{text}");
        }
        assert_eq!(
            (cut("1e18", 0), cut("999999999999999999", 0)),
            (None, Some((999_999_999_999_999_999, 0, false)))
        );
    }

    #[test]
    fn integral_numbers_are_integers_as_far_as_floats_tell_them_apart() {
        let integral = |text: &str| Decimal::read(text).and_then(|decimal| decimal.integral());
        for (text, expected) in [
            ("17850.0", 17_850),
            ("1.785e4", 17_850),
            ("17850.", 17_850),
            ("-0.0", 0),
            ("9007199254740991.0", (1 << 53) - 1),
        ] {
            assert_eq!(integral(text), Some(expected), "{text}");
        }
        for text in ["17850.5", "-1.0", "9007199254740992.0", "1e300", "1e-3"] {
            assert_eq!(integral(text), None, "{text}");
        }
    }

    #[test]
    fn products_are_exact() {
        let of = |factors: &[&str]| {
            product(
                &factors
                    .iter()
                    .map(|text| Decimal::read(text).expect("a number"))
                    .collect::<Vec<_>>(),
            )
        };
        for (factors, expected) in [
            (&["6", "2.55"][..], "15.30"),
            (&["-1", "4.65"], "-4.65"),
            (&["0", "-4.65"], "0.00"),
            (&["12.0", "0.1", "0.1"], "0.120"),
            (&["3", "7"], "21"),
            (&["2e3", "1.5"], "3.0e3"),
        ] {
            let text = of(factors).expect("it is not too long");
            let same = |text: &str| {
                Decimal::read(text).map(|decimal| (decimal.is_negative(), decimal.cut(4)))
            };
            assert_eq!(same(&text), same(expected), "{factors:?} gave {text}");
        }
        assert_eq!(
            (of(&["9999999999999999999", "1"]), of(&["6", "2.55"]).as_deref()),
            (None, Some("15.30"))
        );
    }
}
