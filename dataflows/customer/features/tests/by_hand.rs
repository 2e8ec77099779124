//! Features of small customers by hand.

use super::*;

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
