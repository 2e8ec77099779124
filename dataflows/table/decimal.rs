//! Exact decimals, as tables have them: without zeros at their end.

use super::Cell;

/// 2^-16 is this many of its last decimals.
const Q16_DECIMALS: u32 = 16;
const Q16_STEP: i128 = 152_587_890_625;

/// A number in Q16.
pub fn decimal_q16(value: i128) -> Cell {
    let (whole, rest) = (value / 65_536, value % 65_536);
    let sign = if value < 0 { "-" } else { "" };
    trimmed(format!(
        "{sign}{}.{:0width$}",
        whole.unsigned_abs(),
        (rest * Q16_STEP).unsigned_abs(),
        width = Q16_DECIMALS as usize
    ))
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
