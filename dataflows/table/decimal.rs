//! Exact decimals, as tables have them: without zeros at their end.

use super::Cell;

/// A number in Q16.
pub fn decimal_q16(value: i128) -> Cell {
    binary(value, 16)
}

/// A number in Q32.
pub fn decimal_q32(value: i128) -> Cell {
    binary(value, 32)
}

/// A number of units of 2^-`bits`, of which there are as many decimals: 5^bits is such a unit in
/// the last of them.
fn binary(value: i128, bits: u32) -> Cell {
    let (sign, value) = (if value < 0 { "-" } else { "" }, value.unsigned_abs());
    let (whole, rest) = (value >> bits, value & ((1 << bits) - 1));
    let width = bits as usize;
    trimmed(format!("{sign}{whole}.{:0width$}", rest * 5u128.pow(bits)))
}

/// A number of units of 10^-`decimals`.
pub fn decimal(value: i128, decimals: u32) -> Cell {
    let unit = 10u128.pow(decimals);
    let sign = if value < 0 { "-" } else { "" };
    let value = value.unsigned_abs();
    trimmed(format!("{sign}{}.{:0width$}", value / unit, value % unit, width = decimals as usize))
}

fn trimmed(decimal: String) -> Cell {
    Cell::from(decimal.trim_end_matches('0').trim_end_matches('.').to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_and_have_no_zeros_at_their_end() {
        for (value, text) in [
            (0, "0"),
            (65_536, "1"),
            (-32_768, "-0.5"),
            (1, "0.0000152587890625"),
            (65_536 * 100 + 16_384, "100.25"),
        ] {
            assert_eq!(decimal_q16(value), Cell::from(text.to_string()));
        }
        for (value, text) in [
            (1 << 32, "1"),
            (-3 << 30, "-0.75"),
            (1, "0.00000000023283064365386962890625"),
            (i128::MIN, "-39614081257132168796771975168"),
        ] {
            assert_eq!(decimal_q32(value), Cell::from(text.to_string()));
        }
        for (value, decimals, text) in [
            (0, 2, "0"),
            (1050, 2, "10.5"),
            (-7, 2, "-0.07"),
            (300, 0, "300"),
            (12_345, 4, "1.2345"),
        ] {
            assert_eq!(decimal(value, decimals), Cell::from(text.to_string()));
        }
    }
}
