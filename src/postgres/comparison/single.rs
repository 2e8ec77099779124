//! Rows that are written one at a time by statements of the transaction rather than by a COPY, in
//! the same form as those.

use crate::hexadecimal::hexadecimal;
use crate::postgres::encode::CopyBuffer;
use crate::results::EpochResults;
use dataflows::campaign::output::{ArmDay, Day, Erasure, Segment};

/// A row of `thresholds`.
pub fn threshold(buffer: &mut CopyBuffer, day: Day, high_value: u64, epoch: u64) -> &[u8] {
    one_row(buffer, 3, |buffer| {
        buffer.integer(day);
        buffer.bigint(high_value as i64);
        buffer.bigint(epoch as i64);
    })
}

/// A row of `erasures`, which is the `repetition`th of its customer and instant in the epoch.
pub fn erasure<'a>(
    buffer: &'a mut CopyBuffer,
    erasure: &Erasure,
    repetition: i64,
    results: &EpochResults,
) -> &'a [u8] {
    one_row(buffer, 13, |buffer| {
        buffer.bigint(results.epoch as i64);
        buffer.bigint(erasure.customer);
        buffer.timestamp(erasure.until);
        erasure.numbers().into_iter().for_each(|number| buffer.bigint(number as i64));
        buffer.text(hexadecimal(&results.digest_before).as_bytes());
        buffer.text(hexadecimal(&results.digest).as_bytes());
        buffer.bigint(repetition);
    })
}

/// A row of `arm_stats`.
pub fn arm_day<'a>(
    buffer: &'a mut CopyBuffer,
    stats: &ArmDay,
    arms: &[String],
    epoch: u64,
) -> &'a [u8] {
    let name = arms.get(usize::from(stats.arm));
    one_row(buffer, 7, |buffer| {
        buffer.integer(stats.day);
        buffer.smallint(stats.arm as i16);
        buffer.optional(name, |buffer, name| buffer.text(name.as_bytes()));
        buffer.bigint(stats.interactions);
        buffer.bigint(stats.responses);
        buffer.text(decimal_q16(stats.reward).as_bytes());
        buffer.bigint(epoch as i64);
    })
}

/// A row of `segments`, for a currency with so many decimals.
pub fn segment<'a>(
    buffer: &'a mut CopyBuffer,
    segment: &Segment,
    decimals: u32,
    epoch: u64,
) -> &'a [u8] {
    one_row(buffer, 7, |buffer| {
        [8, 4, 2, 1].into_iter().for_each(|flag| buffer.boolean(segment.flags & flag != 0));
        buffer.bigint(segment.customers);
        buffer.text(decimal(i128::from(segment.amount), decimals).as_bytes());
        buffer.bigint(epoch as i64);
    })
}

/// A row of `model_metrics`, but for what the clock says; `pending` interactions wait after the
/// epoch.
pub fn metrics<'a>(
    buffer: &'a mut CopyBuffer,
    results: &EpochResults,
    mean_reward: Option<f64>,
    pending: i64,
) -> &'a [u8] {
    let counts = &results.counts;
    one_row(buffer, 10, |buffer| {
        buffer.bigint(results.epoch as i64);
        buffer.bigint(counts.records as i64);
        buffer.bigint(counts.interactions);
        buffer.bigint(counts.decisions as i64);
        buffer.optional(mean_reward, CopyBuffer::float8);
        buffer.bigint(counts.late as i64);
        buffer.bigint(counts.duplicates as i64);
        buffer.bigint(counts.corrected as i64);
        buffer.bigint(pending);
        buffer.bigint(results.rejected.len() as i64);
    })
}

/// One row of so many columns, in a buffer that is used again.
fn one_row(buffer: &mut CopyBuffer, columns: usize, write: impl FnOnce(&mut CopyBuffer)) -> &[u8] {
    buffer.clear();
    buffer.row(columns);
    write(buffer);
    buffer.each_row().next().unwrap_or_default()
}

/// 2^-16 is this many of its last decimals.
const Q16_DECIMALS: u32 = 16;
const Q16_STEP: i128 = 152_587_890_625;

/// A number in Q16 as an exact decimal, without zeros at its end.
fn decimal_q16(value: i128) -> String {
    let (whole, rest) = (value / 65_536, value % 65_536);
    let sign = if value < 0 { "-" } else { "" };
    trimmed(format!(
        "{sign}{}.{:0width$}",
        whole.unsigned_abs(),
        (rest * Q16_STEP).unsigned_abs(),
        width = Q16_DECIMALS as usize
    ))
}

/// A number of units of 10^-`decimals` as an exact decimal, without zeros at its end.
fn decimal(value: i128, decimals: u32) -> String {
    let unit = 10u128.pow(decimals);
    let sign = if value < 0 { "-" } else { "" };
    let value = value.unsigned_abs();
    trimmed(format!("{sign}{}.{:0width$}", value / unit, value % unit, width = decimals as usize))
}

fn trimmed(decimal: String) -> String {
    decimal.trim_end_matches('0').trim_end_matches('.').to_string()
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
            assert_eq!(decimal_q16(value), text);
        }
        for (value, decimals, text) in [
            (0, 2, "0"),
            (1050, 2, "10.5"),
            (-7, 2, "-0.07"),
            (300, 0, "300"),
            (12_345, 4, "1.2345"),
        ] {
            assert_eq!(decimal(value, decimals), text);
        }
    }
}
