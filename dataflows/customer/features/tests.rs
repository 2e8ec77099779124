//! Features and contexts against a second implementation, written from the specification over a
//! plain list of purchases, and against values worked out by hand.

use super::*;
use crate::customer::Summary;
use crate::customer::Transaction;
use crate::customer::context::q12;
use crate::event::{DAY, Profile};
use crate::settings::{Term, Transform, default_context};
use proptest::prelude::*;
use std::collections::HashMap;

const HOUR: Millis = 3_600_000;

/// A purchase in words, as a source would have it.
#[derive(Clone, Debug)]
struct Bought {
    at: Millis,
    amount: u64,
    category: usize,
    device: usize,
    payment: usize,
    discount: bool,
}

/// Sums purchases (in order of time) and hands their state over.
fn with_state<T>(
    features: &Features,
    bought: &[Bought],
    profile: Option<&Profile>,
    then: impl FnOnce(&State<'_>) -> T,
) -> T {
    let layout = features.layout();
    let (mut summary, mut counts) = (Summary::default(), vec![0; layout.stride()]);
    for b in bought {
        let purchase = Purchase::new(b.amount, b.category, b.device, b.payment, b.discount);
        layout.add(&mut summary, &mut counts, &Transaction::new(0, b.at, purchase));
    }
    then(&State { summary: &summary, counts: &counts, profile })
}

fn row(
    features: &Features,
    bought: &[Bought],
    profile: Option<&Profile>,
    at: Millis,
    threshold: Option<u64>,
) -> HashMap<String, f64> {
    let mut values = Vec::new();
    with_state(features, bought, profile, |state| features.row(state, at, threshold, &mut values));
    assert_eq!(values.len(), features.names().len());
    features.names().iter().cloned().zip(values).collect()
}

fn defaults() -> Features {
    Features::new(&InputSettings::default(), &CustomerSettings::default())
        .expect("the defaults are valid")
}

fn profile() -> Profile {
    Profile {
        from: Millis::MIN,
        signup: 1_672_531_200_000,
        email_open_rate: 0.25,
        complaint_count: 3.0,
        avg_discount: 0.5,
        premium: true,
    }
}

/// The names and definitions of the specification's table, read literally; amounts have two
/// decimals.
fn specified(
    bought: &[Bought],
    profile: Option<&Profile>,
    at: Millis,
    threshold: Option<u64>,
) -> Vec<(&'static str, f64)> {
    let n = bought.len() as f64;
    let amounts: Vec<i128> = bought.iter().map(|b| i128::from(b.amount)).collect();
    let share = |is: &dyn Fn(&Bought) -> bool| {
        if bought.is_empty() { 0.0 } else { bought.iter().filter(|b| is(b)).count() as f64 / n }
    };
    let day = |millis: Millis| millis as f64 / 86_400_000.0;
    let yes = |condition: bool| if condition { 1.0 } else { 0.0 };
    let entropy = |values: usize, of: &dyn Fn(&Bought) -> usize| -> f64 {
        (0..=values)
            .map(|value| share(&|b| of(b) == value))
            .filter(|&p| p > 0.0)
            .map(|p| -p * p.ln())
            .sum()
    };
    let monetary = amounts.iter().sum::<i128>() as f64 / 100.0;
    // The variance without a mean: the squared differences of all pairs over n (n - 1).
    let pairs: i128 = amounts
        .iter()
        .enumerate()
        .flat_map(|(i, x)| amounts[..i].iter().map(move |y| (x - y) * (x - y)))
        .sum();
    let lifetime =
        if bought.is_empty() { 0.0 } else { day(bought[bought.len() - 1].at - bought[0].at) };
    let since_signup =
        profile.filter(|p| p.signup != Millis::MIN).map_or(0.0, |p| day(at - p.signup).max(0.0));
    let recency = bought.last().map_or(since_signup, |b| day(at - b.at));
    let discount = profile.map_or(0.0, |p| p.avg_discount);
    vec![
        ("recency", recency),
        ("frequency", n),
        ("total_transactions", n),
        ("monetary", monetary),
        ("avg_transaction_value", if n > 0.0 { monetary / n } else { 0.0 }),
        (
            "monetary_std",
            if n < 2.0 { 0.0 } else { (pairs as f64 / (n * (n - 1.0))).sqrt() / 100.0 },
        ),
        ("monetary_min", amounts.iter().min().map_or(0.0, |x| *x as f64 / 100.0)),
        ("monetary_max", amounts.iter().max().map_or(0.0, |x| *x as f64 / 100.0)),
        ("days_since_signup", since_signup),
        ("customer_lifetime_days", lifetime),
        ("avg_days_between_purchases", if n < 2.0 { 0.0 } else { lifetime / (n - 1.0) }),
        ("weekend_shopper_pct", share(&|b| ["Sat", "Sun"].contains(&weekday(b.at)))),
        ("holiday_shopper_pct", share(&|b| [11, 12].contains(&month(b.at)))),
        ("electronics_pct", share(&|b| b.category == 0)),
        ("fashion_pct", share(&|b| b.category == 1)),
        ("groceries_pct", share(&|b| b.category == 2)),
        ("travel_pct", share(&|b| b.category == 3)),
        ("category_diversity", entropy(4, &|b| b.category)),
        ("device_diversity", entropy(3, &|b| b.device)),
        ("payment_diversity", entropy(3, &|b| b.payment)),
        ("mobile_pct", share(&|b| b.device == 0)),
        ("desktop_pct", share(&|b| b.device == 1)),
        ("tablet_pct", share(&|b| b.device == 2)),
        ("credit_card_pct", share(&|b| b.payment == 0)),
        ("debit_card_pct", share(&|b| b.payment == 1)),
        ("ewallet_pct", share(&|b| b.payment == 2)),
        ("discount_usage_rate", share(&|b| b.discount)),
        ("email_open_rate", profile.map_or(0.0, |p| p.email_open_rate)),
        ("complaint_count", profile.map_or(0.0, |p| p.complaint_count)),
        ("is_premium_member", profile.map_or(0.0, |p| yes(p.premium))),
        ("avg_discount_pct", discount),
        ("discount_sensitivity", discount * (1.0 - (-n / 10.0).exp())),
        (
            "is_high_value",
            yes(n > 0.0 && threshold.is_some_and(|total| monetary >= total as f64 / 100.0)),
        ),
        ("is_at_risk", yes(n > 0.0 && recency >= 180.0)),
        ("is_frequent_buyer", yes(n >= 10.0)),
        ("is_recent_active", yes(n > 0.0 && recency <= 30.0)),
        ("clv_score", monetary * n / (recency + 1.0)),
    ]
}

fn weekday(at: Millis) -> &'static str {
    // The first of January 1970 was a Thursday.
    ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(at / DAY) as usize % 7]
}

/// The month by walking through the years and months since 1970.
fn month(at: Millis) -> u32 {
    let mut left = at / DAY;
    for year in 1970.. {
        let leap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
        for (month, length) in
            [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
                .into_iter()
                .enumerate()
        {
            if left < length {
                return month as u32 + 1;
            }
            left -= length;
        }
    }
    unreachable!("some year holds the day")
}

fn close(ours: f64, theirs: f64) -> bool {
    (ours - theirs).abs() <= 1e-9 * theirs.abs().max(1.0)
}

fn bought() -> impl Strategy<Value = Bought> {
    // From 2021 to 2025 at some millisecond, or at a midnight; amounts small and equal, usual, or
    // up to the limit.
    let at = prop_oneof![
        1_609_459_200_000..1_767_225_600_000i64,
        (18_628..20_454i64).prop_map(|day| day * DAY)
    ];
    let amount = prop_oneof![
        0..3u64,
        10_000..1_000_000u64,
        Purchase::MAX_AMOUNT - 5..=Purchase::MAX_AMOUNT,
        0..=Purchase::MAX_AMOUNT
    ];
    (at, amount, 0..5usize, 0..4usize, 0..4usize, any::<bool>()).prop_map(
        |(at, amount, category, device, payment, discount)| Bought {
            at,
            amount,
            category,
            device,
            payment,
            discount,
        },
    )
}

fn some_profile() -> impl Strategy<Value = Profile> {
    let signup = prop_oneof![Just(Millis::MIN), (10_000..22_000i64).prop_map(|day| day * DAY)];
    (
        signup,
        0.0..=1.0f64,
        prop_oneof![(0..50u32).prop_map(f64::from), 0.0..9.0f64],
        0.0..=1.0f64,
        any::<bool>(),
    )
        .prop_map(|(signup, email_open_rate, complaint_count, avg_discount, premium)| {
            Profile {
                from: Millis::MIN,
                signup,
                email_open_rate,
                complaint_count,
                avg_discount,
                premium,
            }
        })
}

/// A customer: purchases in order of time, profile, an instant not before them, a threshold.
fn customer() -> impl Strategy<Value = (Vec<Bought>, Option<Profile>, Millis, Option<u64>)> {
    let after = prop_oneof![Just(0i64), 0..400 * DAY, Just(30 * DAY), Just(180 * DAY)];
    let threshold = prop::option::of(prop_oneof![0..5_000_000u64, 0..Purchase::MAX_AMOUNT * 10]);
    (prop::collection::vec(bought(), 0..40), prop::option::of(some_profile()), after, threshold)
        .prop_map(|(mut bought, profile, after, threshold)| {
            bought.sort_by_key(|b| b.at);
            let at = bought.last().map_or(1_700_000_000_000, |b| b.at) + after;
            (bought, profile, at, threshold)
        })
}

proptest! {
    #[test]
    fn every_feature_is_what_the_specification_says((bought, profile, at, threshold) in customer()) {
        let features = defaults();
        let mut ours = Vec::new();
        with_state(&features, &bought, profile.as_ref(), |state| features.row(state, at, threshold, &mut ours));
        let theirs = specified(&bought, profile.as_ref(), at, threshold);
        let names: Vec<&str> = theirs.iter().map(|(name, _)| *name).collect();
        prop_assert_eq!(features.names(), names);
        for (ours, (name, theirs)) in ours.into_iter().zip(theirs) {
            prop_assert!(close(ours, theirs), "{name}: {ours} instead of {theirs}");
        }
    }

    /// Each feature of the row, transformed and rounded here by other means, is bit for bit the
    /// term of the context.
    #[test]
    fn a_context_is_its_features_transformed_and_rounded(
        (bought, profile, at, threshold) in customer(),
        kinds in prop::collection::vec((0..4u8, 0.01..3_000.0f64), 40),
    ) {
        let mut settings = CustomerSettings { context: vec![Term { feature: "intercept".to_string(), transform: Transform::Identity }], ..CustomerSettings::default() };
        for (name, (kind, number)) in defaults().names().iter().zip(kinds) {
            let transform = match kind {
                0 => Transform::Identity,
                1 => Transform::Scale(number),
                2 => Transform::Cap(number),
                _ => Transform::Log(number / 100.0),
            };
            settings.context.push(Term { feature: name.clone(), transform });
        }
        let features = Features::new(&InputSettings::default(), &settings).expect("valid settings");
        let context = features.context();
        // Whatever was there before is overwritten.
        let mut ours = vec![12_345i16; context.dimension()];
        with_state(&features, &bought, profile.as_ref(), |state| {
            context.purchases(state, &mut ours);
            context.instant(state, at, threshold, &mut ours);
        });
        let row = row(&features, &bought, profile.as_ref(), at, threshold);
        for (ours, term) in ours.into_iter().zip(&settings.context) {
            let value = if term.feature == "intercept" { 1.0 } else { row[&term.feature] };
            let transformed = match term.transform {
                Transform::Identity => value,
                Transform::Scale(scale) => value / scale,
                Transform::Cap(cap) => value.min(cap) / cap,
                Transform::Log(scale) => libm::log(1.0 + value) / scale,
            };
            let rounded = (transformed * 4_096.0).round_ties_even().clamp(-32_768.0, 32_767.0);
            prop_assert_eq!(f64::from(ours), rounded, "{} under \
                {:?}", term.feature, term.transform);
        }
    }

    #[test]
    fn rounding_is_to_the_nearest_multiple_with_ties_to_even(value in prop_oneof![-9.0..9.0f64, -1e6..1e6f64, (-70_000..70_000i64).prop_map(|half| half as f64 / 8_192.0)]) {
        prop_assert_eq!(f64::from(q12(value)), (value * 4_096.0).round_ties_even().clamp(-32_768.0, 32_767.0));
    }
}

/// 2023-11-30T23:59:59.999Z, a Thursday; 2023-12-01T00:00Z, a Friday; 2023-12-02T00:00Z, a
/// Saturday; 2024-01-01T00:00Z, a Monday.
fn by_hand() -> Vec<Bought> {
    let one = |at, amount, category, device, payment, discount| Bought {
        at,
        amount,
        category,
        device,
        payment,
        discount,
    };
    vec![
        one(1_701_388_799_999, 1_000, 0, 0, 0, true),
        one(1_701_388_800_000, 2_000, 0, 1, 2, false),
        one(1_701_475_200_000, 4_000, 4, 0, 3, false),
        one(1_704_067_200_000, 5_000, 2, 0, 0, false),
    ]
}

#[test]
fn a_small_customer_by_hand() {
    // Signed up on 2023-01-01, a year before the last purchase; seen a day and a half after it.
    let values =
        row(&defaults(), &by_hand(), Some(&profile()), 1_704_067_200_000 + 36 * HOUR, Some(12_000));
    let ln_2 = std::f64::consts::LN_2;
    for (name, expected) in [
        ("recency", 1.5),
        ("frequency", 4.0),
        ("total_transactions", 4.0),
        ("monetary", 120.0),
        ("avg_transaction_value", 30.0),
        // Squared distances from 30: 400, 100, 100, 400, over three.
        ("monetary_std", 18.257_418_583_505_537),
        ("monetary_min", 10.0),
        ("monetary_max", 50.0),
        ("days_since_signup", 366.5),
        ("customer_lifetime_days", 31.0 + 1.0 / 86_400_000.0),
        ("avg_days_between_purchases", 31.0 / 3.0 + 1.0 / 259_200_000.0),
        ("weekend_shopper_pct", 0.25),
        ("holiday_shopper_pct", 0.75),
        ("electronics_pct", 0.5),
        ("fashion_pct", 0.0),
        ("groceries_pct", 0.25),
        ("travel_pct", 0.0),
        // One half and two quarters, in nats.
        ("category_diversity", 1.5 * ln_2),
        ("device_diversity", 2.0 * ln_2 - 0.75 * 3f64.ln()),
        ("payment_diversity", 1.5 * ln_2),
        ("mobile_pct", 0.75),
        ("credit_card_pct", 0.5),
        ("debit_card_pct", 0.0),
        ("ewallet_pct", 0.25),
        ("discount_usage_rate", 0.25),
        ("email_open_rate", 0.25),
        ("complaint_count", 3.0),
        ("is_premium_member", 1.0),
        ("avg_discount_pct", 0.5),
        ("discount_sensitivity", 0.164_839_976_982_180_35),
        ("is_high_value", 1.0),
        ("is_at_risk", 0.0),
        ("is_frequent_buyer", 0.0),
        ("is_recent_active", 1.0),
        ("clv_score", 192.0),
    ] {
        assert!(close(values[name], expected), "{name}: {} instead of {expected}", values[name]);
    }
}

#[test]
fn flags_turn_exactly_at_their_limits() {
    let features = defaults();
    let flag = |name: &str, bought: &[Bought], after: Millis, threshold: Option<u64>| {
        row(&features, bought, None, bought[bought.len() - 1].at + after, threshold)[name]
    };
    let bought = by_hand();
    assert_eq!(
        (
            flag("is_at_risk", &bought, 180 * DAY - 1, None),
            flag("is_at_risk", &bought, 180 * DAY, None)
        ),
        (0.0, 1.0)
    );
    assert_eq!(
        (
            flag("is_recent_active", &bought, 30 * DAY, None),
            flag("is_recent_active", &bought, 30 * DAY + 1, None)
        ),
        (1.0, 0.0)
    );
    let thresholds = [None, Some(12_001), Some(12_000), Some(0)];
    assert_eq!(
        thresholds.map(|threshold| flag("is_high_value", &bought, 0, threshold)),
        [0.0, 0.0, 1.0, 1.0]
    );
    let many = |n| vec![bought[0].clone(); n];
    assert_eq!(
        (
            flag("is_frequent_buyer", &many(9), 0, None),
            flag("is_frequent_buyer", &many(10), 0, None)
        ),
        (0.0, 1.0)
    );
}

#[test]
fn a_fixed_total_takes_the_place_of_the_threshold() {
    let settings =
        CustomerSettings { high_value: HighValue::Fixed(12_000), ..CustomerSettings::default() };
    let features = Features::new(&InputSettings::default(), &settings).expect("valid settings");
    assert!(!features.context().uses_threshold());
    let at = 1_704_067_200_000;
    assert_eq!(row(&features, &by_hand(), None, at, Some(u64::MAX))["is_high_value"], 1.0);
    assert_eq!(row(&features, &by_hand()[..3], None, at, Some(0))["is_high_value"], 0.0);
}

#[test]
fn without_a_purchase_only_signup_and_profile_speak() {
    let features = defaults();
    let at = profile().signup + 10 * DAY + 6 * HOUR;
    let values = row(&features, &[], Some(&profile()), at, Some(0));
    for (name, value) in values {
        let expected = match name.as_str() {
            "recency" | "days_since_signup" => 10.25,
            "email_open_rate" => 0.25,
            "complaint_count" => 3.0,
            "is_premium_member" => 1.0,
            "avg_discount_pct" => 0.5,
            _ => 0.0,
        };
        assert_eq!(value, expected, "{name}");
    }
    let early = row(&features, &[], Some(&profile()), profile().signup - DAY, None);
    assert_eq!((early["recency"], early["days_since_signup"]), (0.0, 0.0), "before the signup");
    let undated = Profile { signup: Millis::MIN, ..profile() };
    assert_eq!(row(&features, &[], Some(&undated), at, None)["recency"], 0.0, "signup unknown");
    assert!(
        row(&features, &[], None, at, Some(0)).values().all(|value| *value == 0.0),
        "nothing known"
    );
}

fn context(
    features: &Features,
    bought: &[Bought],
    profile: Option<&Profile>,
    at: Millis,
    threshold: Option<u64>,
) -> Vec<i16> {
    let mut x = vec![-1; features.context().dimension()];
    with_state(features, bought, profile, |state| {
        features.context().purchases(state, &mut x);
        features.context().instant(state, at, threshold, &mut x);
    });
    x
}

#[test]
fn the_default_context_by_hand() {
    let features = defaults();
    assert_eq!(features.context().dimension(), 32);
    assert!(features.context().uses_threshold());
    let nothing = context(&features, &[], None, 1_704_067_200_000, None);
    assert_eq!(
        (nothing[0], &nothing[1..]),
        (4_096, &[0; 31][..]),
        "of a stranger only the intercept"
    );

    let x = context(
        &features,
        &by_hand(),
        Some(&profile()),
        1_704_067_200_000 + 36 * HOUR,
        Some(12_000),
    );
    let nearest = |value: f64| (value * 4_096.0).round() as i16;
    let at = |name: &str| {
        x[features
            .context()
            .names()
            .iter()
            .position(|n| n == name)
            .expect("a term of the default context")]
    };
    for (name, expected) in [
        ("intercept", 1.0),
        ("recency", 1.5 / 365.0),
        ("frequency", 5f64.ln() / 4.0),
        ("monetary", 121f64.ln() / 12.0),
        ("avg_transaction_value", 31f64.ln() / 10.0),
        ("days_since_signup", 366.5 / 1_460.0),
        ("weekend_shopper_pct", 0.25),
        ("category_diversity", 1.5 * std::f64::consts::LN_2),
        ("complaint_count", 4f64.ln()),
        ("is_high_value", 1.0),
        ("is_at_risk", 0.0),
        ("clv_score", 193f64.ln() / 16.0),
        ("discount_usage_rate", 0.25),
    ] {
        assert_eq!(at(name), nearest(expected), "{name}");
    }
}

#[test]
fn rounding_clips_at_both_ends() {
    assert_eq!([8.0, 1e300, f64::INFINITY, 8.0 - 1.0 / 4_096.0, 7.999_7].map(q12), [32_767; 5]);
    assert_eq!([-8.0, -1e300, f64::NEG_INFINITY, -7.999_99].map(q12), [-32_768; 4]);
    assert_eq!(
        [0.0, -0.0, 1.0, -1.0, 0.5 / 4_096.0, 1.5 / 4_096.0, -0.5 / 4_096.0, -1.5 / 4_096.0]
            .map(q12),
        [0, 0, 4_096, -4_096, 0, 2, 0, -2]
    );
    let settings = CustomerSettings {
        context: vec![Term { feature: "monetary".to_string(), transform: Transform::Identity }],
        ..CustomerSettings::default()
    };
    let features = Features::new(&InputSettings::default(), &settings).expect("valid settings");
    assert_eq!(context(&features, &by_hand(), None, 1_704_067_200_000, None), [32_767]);
    assert!(!features.context().uses_threshold());
}

/// The deviation of purchases that have only their sums.
fn deviation(purchases: u32, amount: u128, squares: u128) -> f64 {
    let features = defaults();
    let amount = u64::try_from(amount).expect("a total within its limit");
    let summary = Summary { purchases, amount, squares, ..Summary::default() };
    let state =
        State { summary: &summary, counts: &vec![0; features.layout().stride()], profile: None };
    let mut values = Vec::new();
    features.row(&state, 0, None, &mut values);
    values[features.names().iter().position(|name| name == "monetary_std").expect("a feature")]
}

const MOST: u128 = Purchase::MAX_AMOUNT as u128;

#[test]
fn a_deviation_does_not_cancel() {
    // Half of the purchases are of the greatest amount, half one minor unit less: the variance is
    // 1/4 n/(n - 1).
    for half in [1, 1 << 10, (1 << 23) - 1] {
        let n = 2 * half;
        let ours = deviation(
            n,
            u128::from(half) * (2 * MOST - 1),
            u128::from(half) * (MOST * MOST + (MOST - 1) * (MOST - 1)),
        );
        let expected = (f64::from(n) / f64::from(n - 1)).sqrt() / 200.0;
        assert!((ours - expected).abs() <= 1e-15, "{n}: {ours} instead of {expected}");
    }
}

#[test]
fn a_deviation_holds_where_its_products_pass_128_bits() {
    // Of 2^32 - 1 purchases ten million are of the greatest amount, the others of nothing: p (1 -
    // p) times its square.
    let (n, p) = (f64::from(u32::MAX), 1e7 / f64::from(u32::MAX));
    let ours = deviation(u32::MAX, 10_000_000 * MOST, 10_000_000 * MOST * MOST);
    let expected = (p * (1.0 - p) * n / (n - 1.0)).sqrt() * 1e10;
    assert!(close(ours / expected, 1.0), "{ours} instead of {expected}");
    // With a total that stays at its limit there is no right answer, but a number.
    let saturated = deviation(u32::MAX, u128::from(u64::MAX), u128::from(u32::MAX) * MOST * MOST);
    assert!(saturated.is_finite() && saturated > 0.0);
}

#[test]
fn shares_are_named_after_their_values() {
    let named = |value| share_name(value);
    assert_eq!(
        ["E-wallet", "Credit Card", " Home &  Garden ", "snake_case", "3D", "Été"].map(named),
        [
            "ewallet_pct",
            "credit_card_pct",
            "home_garden_pct",
            "snake_case_pct",
            "3d_pct",
            "été_pct"
        ]
    );
    let input = InputSettings {
        categories: vec!["Toys".to_string(), "Home Garden".to_string()],
        decimals: 0,
        ..InputSettings::default()
    };
    let settings = CustomerSettings {
        context: vec![Term {
            feature: "home_garden_pct".to_string(),
            transform: Transform::Identity,
        }],
        ..CustomerSettings::default()
    };
    let features = Features::new(&input, &settings).expect("valid settings");
    assert_eq!(
        features.names()[13..17],
        ["toys_pct", "home_garden_pct", "category_diversity", "device_diversity"]
    );
    assert_eq!(
        features.documentation().nth(14),
        Some("Share of the purchases with category Home Garden; 0 to 1.")
    );
    assert_eq!(features.documentation().count(), features.names().len());
    let bought: Vec<Bought> =
        by_hand().into_iter().map(|b| Bought { category: b.category.min(2), ..b }).collect();
    let values = row(&features, &bought, None, 1_704_067_200_000, None);
    assert_eq!(
        (values["toys_pct"], values["home_garden_pct"], values["monetary"]),
        (0.5, 0.0, 12_000.0)
    );
}

#[test]
fn every_fault_of_the_settings_is_named() {
    let list = |values: &[&str]| values.iter().map(|value| value.to_string()).collect::<Vec<_>>();
    let input = InputSettings {
        categories: Vec::new(),
        devices: list(&["Mobile", "mobile", "weekend shopper", "--"]),
        payments: (0..=Purchase::MAX_LISTED).map(|number| format!("card {number}")).collect(),
        decimals: 5,
        ..InputSettings::default()
    };
    let term = |feature: &str, transform| Term { feature: feature.to_string(), transform };
    let settings = CustomerSettings {
        holiday_months: 1,
        high_value: HighValue::Percentile(100),
        at_risk_days: f64::NAN,
        recent_days: -1.0,
        context: vec![
            term("intercept", Transform::Identity),
            term("recency", Transform::Cap(0.0)),
            term("recency", Transform::Log(f64::INFINITY)),
            term("charm", Transform::Scale(-1.0)),
        ],
        ..CustomerSettings::default()
    };
    let faults = Features::new(&input, &settings).expect_err("everything is wrong");
    for said in [
        "`categories` is empty",
        "`payments` has 128 values",
        "`--` in `devices`",
        "5 decimals",
        "months have bits 0x1",
        "percentile 100",
        "at risk from NaN days",
        "recently active up to -1 days",
        "called `mobile_pct`",
        "called `weekend_shopper_pct`",
        "the cap of `recency` in the context is 0",
        "the scale of `recency` in the context is inf",
        "`recency` enters the context twice",
        "names `charm`, which is no feature",
        "the scale of `charm` in the context is -1",
    ] {
        assert_eq!(
            faults.iter().filter(|fault| fault.contains(said)).count(),
            1,
            "{said}: {faults:#?}"
        );
    }
    assert_eq!(faults.len(), 15, "{faults:#?}");
    let empty = Features::new(
        &InputSettings::default(),
        &CustomerSettings { context: Vec::new(), ..CustomerSettings::default() },
    );
    assert!(empty.expect_err("no term")[0].contains("has no term"));
}

#[test]
fn the_default_context_names_only_features() {
    let features = defaults();
    let terms: Vec<String> = default_context().into_iter().map(|term| term.feature).collect();
    assert_eq!(features.context().names(), terms);
    assert_eq!(features.names().len(), 37);
}
