//! The oracle against answers worked out on paper.

mod settling;

use crate::oracle::written::{day_number, minor_units};
use crate::oracle::{Config, DAY, DeadLetter, Files, HighValue, Transform, outcome};

/// The defaults, for small numbers that are milliseconds.
fn config() -> Config {
    Config { numbers_are_milliseconds: true, ..Config::default() }
}

/// 2024-01-01T00:00:00Z: 54 years of which 13 are leap years.
const NEW_YEAR: i64 = (54 * 365 + 13) * DAY;

/// An input directory of JSON lines; a line stands on its own, and its customer is 7 unless it says
/// otherwise.
fn files(named: &[(&str, &[&str])]) -> Files {
    let line = |line: &&str| {
        let customer = if line.contains("customer_id") { "" } else { r#""customer_id":7,"# };
        format!("{{{customer}{}}}\n", line.replace('\'', "\""))
    };
    named
        .iter()
        .map(|(name, lines)| {
            (format!("{name}.jsonl"), lines.iter().map(line).collect::<String>().into_bytes())
        })
        .collect()
}

#[track_caller]
fn assert_close(left: f64, right: f64) {
    assert!((left - right).abs() <= 1e-12 * right.abs().max(1.0), "{left} is not {right}");
}

/// Three purchases of customer 7 and one of customer 8, seen from 2025-01-11 12:00 (the instant of
/// the interaction).
fn on_paper() -> Files {
    files(&[
        (
            "transactions",
            &[
                // A Saturday in November.
                "'transaction_id':1,'timestamp':'2024-11-02 12:00:00','amount':10,\
                'category':'ELECTRONICS','device':'Mobile','payment_method':'credit card',\
                'discount_used':true",
                // A Monday in December.
                "'transaction_id':2,'timestamp':'2024-12-02T13:00:00+01:00','amount':'30.00',\
                'category':'Electronics','device':'Desktop','payment_method':'Debit Card'",
                // A Wednesday in January; a category that is not listed, no device.
                "'transaction_id':3,'timestamp':'2025-01-01T12:00:00Z','amount':2e1,\
                'category':'Toys','payment_method':'E-Wallet','discount_used':false",
                "'customer_id':8,'transaction_id':1,'timestamp':'2024-12-31','amount':100",
            ],
        ),
        (
            "customers",
            &["'signup_date':'2024-10-03','email_open_rate':0.25,'complaint_count':3,\
                'is_premium_member':true,'avg_discount_used':0.4"],
        ),
        (
            "interactions",
            &["'customer_id':9,'interaction_id':'x','timestamp':'2025-01-11 12:00:00','action':0"],
        ),
    ])
}

#[test]
fn the_customer_worked_out_on_paper_has_the_features_of_the_paper() {
    let outcome = outcome(&on_paper(), &config());
    // ln 3 for three different devices (mobile, desktop, other) and payments; for categories 2
    // electronics and 1 other: -(2/3) ln (2/3) - (1/3) ln (1/3) = ln 3 - (2/3) ln 2
    // = 1.0986122886681098 - 0.4620981203732969.
    let (three, two_and_one) = (1.0986122886681098, 0.6365141682948129);
    let paper: [(&str, f64); 35] = [
        ("recency", 10.0), // 1 to 11 January, noon to noon
        ("frequency", 3.0),
        ("total_transactions", 3.0),
        ("monetary", 60.0), // 10 + 30 + 20
        ("avg_transaction_value", 20.0),
        ("monetary_std", 10.0), // sqrt(((-10)^2 + 10^2 + 0^2) / 2)
        ("monetary_min", 10.0),
        ("monetary_max", 30.0),
        ("days_since_signup", 100.5), // 3 October to 11 January: 28 + 30 + 31 + 11 days, and a half
        ("customer_lifetime_days", 60.0), // 2 November to 1 January: 28 + 31 + 1
        ("avg_days_between_purchases", 30.0),
        ("weekend_shopper_pct", 1.0 / 3.0),
        ("holiday_shopper_pct", 2.0 / 3.0),
        ("electronics_pct", 2.0 / 3.0),
        ("fashion_pct", 0.0),
        ("groceries_pct", 0.0),
        ("travel_pct", 0.0),
        ("category_diversity", two_and_one),
        ("device_diversity", three),
        ("payment_diversity", three),
        ("mobile_pct", 1.0 / 3.0),
        ("desktop_pct", 1.0 / 3.0),
        ("tablet_pct", 0.0),
        ("credit_card_pct", 1.0 / 3.0),
        ("debit_card_pct", 1.0 / 3.0),
        ("ewallet_pct", 1.0 / 3.0),
        ("discount_usage_rate", 1.0 / 3.0),
        ("email_open_rate", 0.25),
        ("complaint_count", 3.0),
        ("is_premium_member", 1.0),
        ("avg_discount_pct", 0.4),
        // 0.4 (1 - e^-0.3), e^-0.3 = 0.7408182206817179
        ("discount_sensitivity", 0.10367271172731285),
        ("is_high_value", 0.0), // of 60.00 and 100.00 the rank ceil(0.9 x 2) = 2 is 100.00
        ("is_at_risk", 0.0),
        ("is_frequent_buyer", 0.0),
    ];
    for (name, value) in paper {
        assert_close(outcome.feature(7, name), value);
    }
    assert_close(outcome.feature(7, "is_recent_active"), 1.0);
    assert_close(outcome.feature(7, "clv_score"), 60.0 * 3.0 / 11.0);
    assert_close(outcome.feature(8, "is_high_value"), 1.0);
    let order: Vec<&str> =
        paper.iter().map(|(name, _)| *name).chain(["is_recent_active", "clv_score"]).collect();
    assert_eq!(crate::oracle::features::names(&config()), order);
    assert_eq!(
        outcome.features.keys().copied().collect::<Vec<_>>(),
        [7, 8],
        "an interaction alone makes no row"
    );
    assert!(outcome.features.values().all(|row| row.len() == order.len()));
}

#[test]
fn as_of_an_earlier_instant_later_purchases_do_not_exist_but_every_row_does() {
    let at = |t: i64| outcome(&on_paper(), &Config { as_of: Some(t), ..config() });
    // 2024-11-02 12:00 is 306 days after New Year's (2024 is a leap year: 305 days lie before
    // November), and half a day.
    let saturday = NEW_YEAR + 306 * DAY + DAY / 2;
    let outcome = at(saturday);
    assert_close(outcome.feature(7, "frequency"), 1.0);
    assert_close(outcome.feature(7, "monetary_std"), 0.0);
    assert_close(outcome.feature(8, "frequency"), 0.0);
    let before = at(saturday - 1);
    assert_close(before.feature(7, "frequency"), 0.0);
    // 3 October 00:00 to 2 November 12:00, less a millisecond: days since signup stand in for the
    // last purchase.
    assert_close(before.feature(7, "recency"), 30.5 - 1.0 / DAY as f64);
    assert_close(before.feature(7, "is_recent_active"), 0.0);
    assert_eq!(before.thresholds, outcome.thresholds, "the instant changes the rows only");
}

/// A feature of customer 7 after these purchases (of 1.00 each), as of `t`.
fn after_purchases(timestamps: &[i64], t: i64, name: &str) -> f64 {
    let lines: Vec<String> = timestamps
        .iter()
        .enumerate()
        .map(|(k, t)| format!("'transaction_id':{k},'timestamp':{t},'amount':1"))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    outcome(&files(&[("transactions", &lines)]), &Config { as_of: Some(t), ..config() })
        .feature(7, name)
}

#[test]
fn weekends_and_holidays_begin_and_end_at_midnight_utc() {
    // 2024-01-06 was a Saturday: New Year's was a Monday.
    let saturday = NEW_YEAR + 5 * DAY;
    for (t, weekend) in [
        (saturday - 1, 0.0),
        (saturday, 1.0),
        (saturday + DAY, 1.0),
        (saturday + 2 * DAY - 1, 1.0),
        (saturday + 2 * DAY, 0.0),
    ] {
        assert_eq!(after_purchases(&[t], t, "weekend_shopper_pct"), weekend, "{t}");
    }
    // 2023 had 61 days from 1 November on.
    let november = NEW_YEAR - 61 * DAY;
    for (t, holiday) in [(november - 1, 0.0), (november, 1.0), (NEW_YEAR - 1, 1.0), (NEW_YEAR, 0.0)]
    {
        assert_eq!(after_purchases(&[t], t, "holiday_shopper_pct"), holiday, "{t}");
    }
}

#[test]
fn limits_hold_from_their_bound_on() {
    let after = |days: i64, name: &str| {
        [-1, 0, 1].map(|beside| after_purchases(&[NEW_YEAR], NEW_YEAR + days * DAY + beside, name))
    };
    assert_eq!(after(180, "is_at_risk"), [0.0, 1.0, 1.0]);
    assert_eq!(after(30, "is_recent_active"), [1.0, 1.0, 0.0]);
    assert_eq!(after_purchases(&[NEW_YEAR; 9], NEW_YEAR, "is_frequent_buyer"), 0.0);
    assert_eq!(after_purchases(&[NEW_YEAR; 10], NEW_YEAR, "is_frequent_buyer"), 1.0);
}

#[test]
fn thresholds_are_nearest_rank_and_one_day_behind() {
    // Ten customers: nine of 1.00 and one of 5.00, all at the first instant of 1 January; customer
    // 0 spends 9.00 more just before 2 January.
    let mut lines: Vec<String> = (0..10)
        .map(|k| {
            format!(
                "'customer_id':{k},'transaction_id':1,'timestamp':'2024-01-01','amount':{}",
                if k == 3 { 5 } else { 1 }
            )
        })
        .collect();
    lines.push(format!(
        "'customer_id':0,'transaction_id':2,'timestamp':{},'amount':9",
        NEW_YEAR + DAY - 1
    ));
    lines.push(format!(
        "'customer_id':1,'transaction_id':2,'timestamp':{},'amount':9",
        NEW_YEAR + DAY
    ));
    lines.push("'customer_id':1,'transaction_id':3,'timestamp':'2024-01-05','amount':0".to_owned());
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let files = files(&[("transactions", &lines)]);
    let first = NEW_YEAR / DAY;
    let daily = |high_value| outcome(&files, &Config { high_value, ..config() }).thresholds;

    // Of day 3 January counts what came before 2 January 00:00: totals 1 x 8, 5, 10; rank 9 is
    // 5.00. From 4 January on 10 twice: rank 9 is 10.00.
    let ninety = daily(HighValue::Percentile(90));
    assert_eq!(
        ninety.into_iter().collect::<Vec<_>>(),
        [(first + 2, 500), (first + 3, 1_000), (first + 4, 1_000)]
    );
    // Rank ceil(0.81 x 10) = 9 as well, rank ceil(0.8 x 10) = 8 is 1.00 at first, then still 1.00
    // (seven ones, a five, two tens: rank 8 is 5.00).
    assert_eq!(daily(HighValue::Percentile(81))[&(first + 2)], 500);
    assert_eq!(daily(HighValue::Percentile(80))[&(first + 2)], 100);
    assert_eq!(daily(HighValue::Percentile(80))[&(first + 3)], 500);
    assert!(daily(HighValue::Fixed(300)).is_empty());
    let fixed = outcome(&files, &Config { high_value: HighValue::Fixed(500), ..config() });
    assert_close(fixed.feature(3, "is_high_value"), 1.0);
    assert_close(fixed.feature(4, "is_high_value"), 0.0);
}

#[test]
fn amounts_are_rounded_on_their_digits_half_to_even() {
    let table: [(&str, Option<i64>); 27] = [
        ("10", Some(1_000)),
        ("10.0", Some(1_000)),
        ("10.00", Some(1_000)),
        ("1e1", Some(1_000)),
        ("1000E-2", Some(1_000)),
        ("0.1e+2", Some(1_000)),
        ("0", Some(0)),
        ("0.30000000000000004", Some(30)),
        ("0.005", Some(0)),
        ("0.015", Some(2)),
        ("0.025", Some(2)),
        ("0.0250000000000000000000000001", Some(3)),
        ("0.0249999999999999999999999999", Some(2)),
        ("0.995", Some(100)),
        ("1.005", Some(100)),
        ("0.0049", Some(0)),
        ("9e-400", Some(0)),
        ("6e-3", Some(1)),
        ("10000000000", Some(1_000_000_000_000)),
        ("0e999999999999", Some(0)),
        ("1e400", None),
        ("1e99999999999999999999999999999999999999999999", None),
        ("-0.01", None),
        ("NaN", None),
        ("", None),
        ("ten", None),
        ("1.2.3", None),
    ];
    for (written, minor) in table {
        assert_eq!(minor_units(written, 2), minor, "{written}");
    }
    assert_eq!(minor_units("2.5", 0), Some(2));
    assert_eq!(minor_units("3.5", 0), Some(4));
    assert_eq!(minor_units("0.00005", 4), Some(0));
}

#[test]
fn an_instant_is_the_same_in_every_form() {
    let forms = [
        "1704067200000",
        "'2024-01-01'",
        "'2024-01-01 00:00:00'",
        "'2024-01-01T00:00:00Z'",
        "'2024-01-01t00:00:00.000999z'",
        "'2024-01-01T00:00:00.0Z'",
        "'2023-12-31T18:30:00-05:30'",
        "'2024-01-01T14:00:00.000+14:00'",
    ];
    for form in forms {
        let line = format!("'transaction_id':1,'amount':1,'timestamp':{form}");
        let outcome = outcome(
            &files(&[("transactions", &[&line])]),
            &Config { as_of: Some(NEW_YEAR), ..config() },
        );
        assert!(outcome.dead_letters.is_empty(), "{form}: {:?}", outcome.dead_letters);
        assert_eq!(
            (outcome.feature(7, "frequency"), outcome.feature(7, "recency")),
            (1.0, 0.0),
            "{form}"
        );
    }
    assert_eq!(NEW_YEAR, 1_704_067_200_000);
    assert_eq!(day_number("1970-01-01"), Some(0));
    assert_eq!(day_number("2100-01-01"), Some(47_482));
    assert_eq!(day_number("2024-02-29").zip(day_number("2024-03-01")).map(|(a, b)| b - a), Some(1));
    assert_eq!(day_number("2023-02-29"), None);
}

#[test]
fn the_sums_worked_out_on_paper_are_the_sums() {
    use Transform::{Cap, Identity, Log, Scale};
    let term = |name: &str, transform| (name.to_owned(), transform);
    let context = vec![
        term("intercept", Identity),
        term("frequency", Scale(8.0)),
        term("recency", Cap(10.0)),
        term("monetary", Log(1.0)),
    ];
    // A purchase of 1.00 at 1 January, 5 days before the first interaction; the second comes at the
    // instant of another one, of 2999.00.
    let files = files(&[
        (
            "transactions",
            &[
                "'transaction_id':1,'timestamp':'2024-01-01','amount':1",
                "'transaction_id':2,'timestamp':'2024-01-21','amount':2999",
            ],
        ),
        (
            "interactions",
            &[
                "'interaction_id':1,'timestamp':'2024-01-06','action':1,'reward':1.5",
                "'interaction_id':2,'timestamp':'2024-01-21','campaign_name':'SMS','reward':-2",
                "'interaction_id':3,'timestamp':'2023-12-31','action':3,'reward':1",
            ],
        ),
    ]);
    let outcome = outcome(&files, &Config { context, ..config() });
    // First: 1, 1/8, 5/10, ln 2 = 0.693147 x 4096 = 2839.13. Second: 1, 2/8, 0, ln 3001 = 8.0067,
    // clipped to 8 - 2^-12.
    let (x, y): ([i128; 4], [i128; 4]) = ([4096, 512, 2048, 2839], [4096, 1024, 0, 32_767]);
    let (r, s) = (98_304, -131_072);
    let arm = &outcome.arms[1];
    assert_eq!(arm.n, 2);
    let upper: Vec<i128> =
        (0..4).flat_map(|i| (i..4).map(move |j| x[i] * x[j] + y[i] * y[j])).collect();
    assert_eq!(arm.a, upper);
    assert_eq!(arm.b, (0..4).map(|i| r * x[i] + s * y[i]).collect::<Vec<_>>());
    // Before the first purchase there is the intercept only.
    assert_eq!((outcome.arms[3].n, &outcome.arms[3].b), (1, &vec![4096 * 65_536, 0, 0, 0]));
    assert_eq!((outcome.arms[0].n, outcome.arms[0].a.iter().sum::<i128>()), (0, 0));
}
