//! Features against the specification's table, read literally.

use super::*;

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
    let day = |millis: Millis| millis as f64 / 86_400_000.0;
    let yes = |condition: bool| if condition { 1.0 } else { 0.0 };
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
    let amounts_and_times = [
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
    ];
    let of_profile_and_limits = [
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
    ];
    amounts_and_times.into_iter().chain(shares(bought)).chain(of_profile_and_limits).collect()
}

/// Those of the table that are shares of the purchases, or an entropy of these.
fn shares(bought: &[Bought]) -> [(&'static str, f64); 16] {
    let share = |is: &dyn Fn(&Bought) -> bool| {
        let those = bought.iter().filter(|b| is(b)).count() as f64;
        if bought.is_empty() { 0.0 } else { those / bought.len() as f64 }
    };
    let entropy = |values: usize, of: &dyn Fn(&Bought) -> usize| -> f64 {
        (0..=values)
            .map(|value| share(&|b| of(b) == value))
            .filter(|&p| p > 0.0)
            .map(|p| -p * p.ln())
            .sum()
    };
    [
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
    fn every_feature_is_what_the_specification_says(
        (bought, profile, at, threshold) in customer(),
    ) {
        let features = defaults();
        let mut ours = Vec::new();
        with_state(&features, &bought, profile.as_ref(), |state| {
            features.row(state, at, threshold, &mut ours)
        });
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
        let intercept =
            Term { feature: "intercept".to_string(), transform: Transform::Identity };
        let mut settings =
            CustomerSettings { context: vec![intercept], ..CustomerSettings::default() };
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
    fn rounding_is_to_the_nearest_multiple_with_ties_to_even(
        value in prop_oneof![
            -9.0..9.0f64,
            -1e6..1e6f64,
            (-70_000..70_000i64).prop_map(|half| half as f64 / 8_192.0),
        ],
    ) {
        let nearest = (value * 4_096.0).round_ties_even().clamp(-32_768.0, 32_767.0);
        prop_assert_eq!(f64::from(q12(value)), nearest);
    }
}
