//! What texts mean: golden values, which hold fast what is frozen.

use super::*;

#[test]
fn a_customer_is_numbered_by_digits_alone() {
    for (text, number) in [("0", 0), ("5", 5), ("007", 7), ("9223372036854775807", CustomerId::MAX)]
    {
        assert_eq!(customer_number(text.as_bytes()), Some(number), "{text}");
    }
    for text in [
        "",
        "-1",
        "+5",
        " 5",
        "5 ",
        "5.0",
        "1e3",
        "9223372036854775808",
        "18446744073709551616",
        "\u{0665}",
        "0x5",
    ] {
        assert_eq!(customer_number(text.as_bytes()), None, "{text:?}");
    }
    assert_eq!(customer_number(b"\xff"), None);
}

#[test]
fn the_hashes_are_frozen() {
    let long = "0123456789abcdef0123456789abcdef0123456789";
    let ids = ["", "7", "T-000017", "exactly-16-bytes", "seventeen-bytes-x", "é€😀", long]
        .map(|text| id_hash(text.as_bytes()));
    assert_eq!(
        ids,
        [
            0x31ef_fecc_1f57_f1e8,
            0xa533_a9d8_6c72_2eac,
            0xf4cc_5fcc_c759_d829,
            0xd7c8_d494_89f0_bf77,
            0xfb41_bee0_57ef_c506,
            0x6451_17c7_1041_f119,
            0xf318_1043_8a1e_3c5c
        ]
    );
    let customers = [0, 1, 42, i64::MAX].map(customer_hash);
    assert_eq!(
        customers,
        [
            0x0000_0000_0000_0000,
            0x5692_161d_100b_05e5,
            0xa759_ea27_d472_7622,
            0x5a68_2afe_7965_debd
        ]
    );
}

#[test]
fn ids_that_differ_little_have_different_hashes() {
    let mut seen = std::collections::HashSet::new();
    for number in 0..20_000 {
        for text in [
            format!("{number}"),
            format!("T{number:07}"),
            format!("a-rather-long-prefix-{number}-and-a-suffix"),
            format!("{number}\0"),
        ] {
            assert!(seen.insert(id_hash(text.as_bytes())), "{text}");
        }
    }
}

#[test]
fn dates_are_those_of_the_calendar() {
    assert_eq!(days_from_civil(1970, 1, 1), Some(0));
    assert_eq!(days_from_civil(2000, 2, 29), Some(11_016));
    assert_eq!(days_from_civil(2100, 1, 1), Some(TIMESTAMP_END / DAY));
    assert_eq!(days_from_civil(1969, 12, 31), Some(-1));
    for (year, month, day) in [
        (2023, 2, 29),
        (2100, 2, 29),
        (2024, 2, 30),
        (2024, 4, 31),
        (2024, 0, 1),
        (2024, 13, 1),
        (2024, 1, 0),
    ] {
        assert_eq!(days_from_civil(year, month, day), None, "{year}-{month}-{day}");
    }
    let mut yesterday = civil_from_days(-800_001);
    for days in -800_000..800_000 {
        let (year, month, day) = civil_from_days(days);
        assert_eq!(days_from_civil(year, month, day), Some(days));
        assert!((year, month, day) > yesterday);
        yesterday = (year, month, day);
    }
}

#[test]
fn amounts_are_rounded_on_their_digits_half_to_even() {
    for (text, decimals, expected) in [
        ("0", 2, 0),
        ("12", 2, 1200),
        ("12.3", 2, 1230),
        ("12.34", 2, 1234),
        ("0.30000000000000004", 2, 30),
        ("2.675", 2, 268),
        ("2.665", 2, 266),
        ("2.66500000000000000000000000000000000000000000000001", 2, 267),
        ("0.005", 2, 0),
        ("0.015", 2, 2),
        ("0.0051", 2, 1),
        ("0.00499", 2, 0),
        ("9.995", 2, 1000),
        ("1.5", 0, 2),
        ("2.5", 0, 2),
        ("1.00005", 4, 10_000),
        ("1.00015", 4, 10_002),
        ("1.5e3", 2, 150_000),
        ("15E-1", 2, 150),
        ("1e+2", 2, 10_000),
        ("0e99999999999999999999999", 2, 0),
        ("1e-99999999999999999999999", 2, 0),
        ("-0", 2, 0),
        ("-0.000", 2, 0),
        (" +7.5 ", 2, 750),
        (".5", 2, 50),
        ("5.", 2, 500),
        ("10000000000.00", 2, 1_000_000_000_000),
        ("10000000000.0049", 2, 1_000_000_000_000),
        ("000000000000000000000000000000000001", 2, 100),
    ] {
        assert_eq!(minor_units(text, decimals), Ok(expected), "{text}");
    }
    let small = format!("0.{}1e1000", "0".repeat(999));
    assert_eq!(minor_units(&small, 2), Ok(100));
}

#[test]
fn amounts_beyond_the_limits_are_refused() {
    for text in [
        "10000000000.01",
        "10000000000.0051",
        "1e11",
        "1e99999999999999999999",
        "99999999999999999999999999",
    ] {
        assert_eq!(minor_units(text, 2), Err(AmountError::TooGreat), "{text}");
    }
    for text in ["-1", "-0.001", "-1e-400"] {
        assert_eq!(minor_units(text, 2), Err(AmountError::Negative), "{text}");
    }
    for text in [
        "", " ", ".", "-", "+", "NaN", "Infinity", "-inf", "1e", "1e+", "1e1.5", "1.2.3", "1,5",
        "0x10", "1_000", "--1", "١",
    ] {
        assert_eq!(minor_units(text, 2), Err(AmountError::NotANumber), "{text}");
    }
}

#[test]
fn quantities_are_rounded_to_even() {
    let unit = 1.0 / 65_536.0;
    for (reward, expected) in [
        (0.0, 0),
        (-0.0, 0),
        (1.0, 65_536),
        (0.5 * unit, 0),
        (1.5 * unit, 2),
        (-2.5 * unit, -2),
        (1e7, 655_360_000_000),
        (-1e7, -655_360_000_000),
    ] {
        assert_eq!(reward_q16(reward), Some(expected), "{reward}");
    }
    for reward in [f64::NAN, f64::INFINITY, 1e7_f64.next_up(), -1e7_f64.next_up()] {
        assert_eq!(reward_q16(reward), None, "{reward}");
    }
    let unit = 1.0 / 4096.0;
    for (feature, expected) in [
        (0.0, 0),
        (0.5 * unit, 0),
        (1.5 * unit, 2),
        (7.9999, 32_767),
        (1e300, 32_767),
        (f64::INFINITY, 32_767),
        (-9.0, -32_768),
    ] {
        assert_eq!(feature_q12(feature), expected, "{feature}");
    }
}
