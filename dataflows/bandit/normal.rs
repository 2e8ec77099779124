//! The standard normal distribution: density, distribution function and its inverse.
//!
//! They are part of what a decision is repeated by, so all of them go through `libm` and through
//! coefficients that stand here.

#![expect(clippy::excessive_precision, reason = "coefficients stand as they are published")]

use std::f64::consts::FRAC_1_SQRT_2;

/// 1 / sqrt(2 pi).
const DENSITY_AT_ZERO: f64 = 0.398_942_280_401_432_7;

/// The density at z.
pub fn density(z: f64) -> f64 {
    DENSITY_AT_ZERO * libm::exp(-0.5 * z * z)
}

/// The probability of at most z.
pub fn at_most(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

/// Numerator and denominator of a rational function, the constant terms first.
type Rational = ([f64; 8], [f64; 8]);

/// For probabilities within 0.425 of a half.
const CENTRAL: Rational = (
    [
        3.387_132_872_796_366_608,
        133.141_667_891_784_377_45,
        1_971.590_950_306_551_442_7,
        13_731.693_765_509_461_125,
        45_921.953_931_549_871_457,
        67_265.770_927_008_700_853,
        33_430.575_583_588_128_105,
        2_509.080_928_730_122_672_7,
    ],
    [
        1.0,
        42.313_330_701_600_911_252,
        687.187_007_492_057_908_3,
        5_394.196_021_424_751_107_7,
        21_213.794_301_586_595_867,
        39_307.895_800_092_710_61,
        28_729.085_735_721_942_674,
        5_226.495_278_852_854_561,
    ],
);

/// Farther out, down to about 1e-11.
const OUTER: Rational = (
    [
        1.423_437_110_749_683_577_34,
        4.630_337_846_156_545_295_9,
        5.769_497_221_460_691_405_5,
        3.647_848_324_763_204_605_04,
        1.270_458_252_452_368_382_58,
        0.241_780_725_177_450_611_77,
        0.022_723_844_989_269_184_583_3,
        7.745_450_142_783_414_076_4e-4,
    ],
    [
        1.0,
        2.053_191_626_637_758_821_87,
        1.676_384_830_183_803_849_4,
        0.689_767_334_985_100_004_55,
        0.148_103_976_427_480_074_59,
        0.015_198_666_563_616_457_196_6,
        5.475_938_084_995_344_946e-4,
        1.050_750_071_644_416_843_24e-9,
    ],
);

/// Beyond.
const EXTREME: Rational = (
    [
        6.657_904_643_501_103_777_2,
        5.463_784_911_164_114_369_9,
        1.784_826_539_917_291_335_8,
        0.296_560_571_828_504_891_23,
        0.026_532_189_526_576_123_093,
        0.001_242_660_947_388_078_438_6,
        2.711_555_568_743_487_578_15e-5,
        2.010_334_399_292_288_132_65e-7,
    ],
    [
        1.0,
        0.599_832_206_555_887_937_69,
        0.136_929_880_922_735_805_31,
        0.014_875_361_290_850_614_852_5,
        7.868_691_311_456_132_591e-4,
        1.846_318_317_510_054_681_8e-5,
        1.421_511_758_316_445_888_7e-7,
        2.044_263_103_389_939_785_64e-15,
    ],
);

/// What is exceeded with the rest of a probability between 0 and 1 (Wichura 1988, algorithm AS
/// 241, PPND16).
pub fn inverse(probability: f64) -> f64 {
    let from_half = probability - 0.5;
    if from_half.abs() <= 0.425 {
        return from_half * ratio(&CENTRAL, 0.180_625 - from_half * from_half);
    }
    let tail = if from_half < 0.0 { probability } else { 1.0 - probability };
    let depth = libm::sqrt(-libm::log(tail));
    let z = if depth <= 5.0 { ratio(&OUTER, depth - 1.6) } else { ratio(&EXTREME, depth - 5.0) };
    z.copysign(from_half)
}

fn ratio((above, below): &Rational, x: f64) -> f64 {
    let polynomial = |terms: &[f64; 8]| terms.iter().rev().fold(0.0, |sum, term| sum * x + term);
    polynomial(above) / polynomial(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_is_that_of_the_distribution_function() {
        for step in -370..=82 {
            let z = f64::from(step) / 10.0;
            let probability = at_most(z);
            let back = inverse(probability);
            // Near 1 a probability has fewer digits of its distance from there.
            let digits = if z > 0.0 { 1e-16 / density(z) } else { 0.0 };
            assert!((back - z).abs() <= 1e-14 * (1.0 + z.abs()) + digits, "{back} is not {z}");
        }
        assert_eq!(inverse(0.5), 0.0);
    }

    /// From the paper.
    #[test]
    fn the_inverse_has_the_values_that_are_published_with_it() {
        for (probability, wanted) in [
            (0.25, -0.674_489_750_196_081_7),
            (0.001, -3.090_232_306_167_813_5),
            (1e-20, -9.262_340_089_798_408),
        ] {
            assert!((inverse(probability) - wanted).abs() < 1e-14, "{}", inverse(probability));
        }
    }
}
