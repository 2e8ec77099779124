//! Logarithms and exponentials of counts, from tables.
//!
//! Most customers have few purchases, so that the same few arguments come again and again. A table
//! is filled with what the direct call gives and beyond its end the call is made: the bits are the
//! same on either path, and the same on every processor because both go through `libm`.

/// Entries of a table. Three tables of 32 KB, of which only the start is hot.
const ENTRIES: u32 = 4_096;

/// Tables by count, with the functions that read them.
#[derive(Clone, Debug)]
pub(super) struct CountTables {
    n_ln_n: Vec<f64>,
    ln_1p: Vec<f64>,
    saturation: Vec<f64>,
}

impl CountTables {
    /// Fills the tables.
    pub(super) fn new() -> Self {
        let fill = |function: fn(f64) -> f64| {
            (0..ENTRIES).map(|count| function(f64::from(count))).collect()
        };
        CountTables { n_ln_n: fill(n_ln_n), ln_1p: fill(ln_1p), saturation: fill(saturation) }
    }

    /// n ln n, and 0 for 0.
    #[inline]
    pub(super) fn n_ln_n(&self, count: u32) -> f64 {
        match self.n_ln_n.get(count as usize) {
            Some(&known) => known,
            None => n_ln_n(f64::from(count)),
        }
    }

    /// 1 - exp(-n/10).
    #[inline]
    pub(super) fn saturation(&self, count: u32) -> f64 {
        match self.saturation.get(count as usize) {
            Some(&known) => known,
            None => saturation(f64::from(count)),
        }
    }

    /// ln(1 + v) of any number; small integers come from the table.
    #[inline]
    pub(super) fn ln_1p(&self, value: f64) -> f64 {
        // The cast saturates, and truncates a fraction: then the comparison fails.
        let count = value as u32;
        match self.ln_1p.get(count as usize) {
            Some(&known) if f64::from(count) == value => known,
            _ => ln_1p(value),
        }
    }
}

fn n_ln_n(n: f64) -> f64 {
    if n == 0.0 { 0.0 } else { n * libm::log(n) }
}

/// Of numbers from 0 up: there 1 + v costs no more than the last bit of the result's magnitude, and
/// saves `log1p` its second division.
fn ln_1p(value: f64) -> f64 {
    libm::log(1.0 + value)
}

fn saturation(n: f64) -> f64 {
    1.0 - libm::exp(-n / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_and_what_lies_beyond_its_end_equal_the_direct_call() {
        let tables = CountTables::new();
        for count in (0..ENTRIES + 10).chain([1_000_000, u32::MAX - 1, u32::MAX]) {
            let n = f64::from(count);
            assert_eq!(tables.n_ln_n(count).to_bits(), n_ln_n(n).to_bits(), "{count} ln {count}");
            assert_eq!(tables.ln_1p(n).to_bits(), ln_1p(n).to_bits(), "ln(1 + {count})");
            assert_eq!(
                tables.saturation(count).to_bits(),
                saturation(n).to_bits(),
                "1 - exp(-{count}/10)"
            );
        }
        for value in [0.5, 1.0 - f64::EPSILON, 1.0 + f64::EPSILON, 4_095.999, 1e19, f64::MAX] {
            assert_eq!(tables.ln_1p(value).to_bits(), ln_1p(value).to_bits(), "ln(1 + {value})");
        }
    }

    #[test]
    fn known_values() {
        let tables = CountTables::new();
        assert_eq!((tables.n_ln_n(0), tables.n_ln_n(1)), (0.0, 0.0));
        assert!((tables.n_ln_n(2) - 2.0 * std::f64::consts::LN_2).abs() < 1e-15);
        assert_eq!(tables.ln_1p(0.0), 0.0);
        assert!((tables.ln_1p(1.0) - std::f64::consts::LN_2).abs() < 1e-15);
        assert_eq!(tables.saturation(0), 0.0);
        assert!((tables.saturation(10) - 0.632_120_558_828_557_7).abs() < 1e-15);
        assert_eq!(tables.saturation(u32::MAX), 1.0);
    }
}
