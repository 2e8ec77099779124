//! Contexts by hand, and settings that make none.

use super::*;

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
