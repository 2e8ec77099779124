//! The features of a customer as of an instant.

use super::read::{Profile, Purchase};
use super::settle::Settled;
use super::written::month_of;
use super::{Config, DAY};

/// Columns that may follow in `features.csv` and whose values are not checked: the specification
/// leaves them to configuration (the map of the segments) and to a fitted model (its parameters).
pub(crate) const OPEN: [&str; 7] =
    ["rfm_r", "rfm_f", "rfm_m", "rfm_segment", "p_alive", "expected_purchases", "clv"];

/// Names of the features, in the specification's order.
pub(crate) fn names(config: &Config) -> Vec<String> {
    // A customer without anything has the same columns as every other.
    table(0, 0, None, &Settled::default(), config).into_iter().map(|(name, _)| name).collect()
}

/// Values of the features of a customer as of `t`, in the order of [`names`]; `threshold` is that
/// of t's day.
pub(crate) fn as_of(
    customer: i64,
    t: i64,
    threshold: Option<i128>,
    settled: &Settled,
    config: &Config,
) -> Vec<f64> {
    table(customer, t, threshold, settled, config).into_iter().map(|(_, value)| value).collect()
}

/// "Over the transactions with timestamp <= t and the profile known; n is their number; 0 where n =
/// 0, unless said."
fn table(
    customer: i64,
    t: i64,
    threshold: Option<i128>,
    settled: &Settled,
    config: &Config,
) -> Vec<(String, f64)> {
    let bought: Vec<&Purchase> =
        settled.purchases_of(customer).filter(|purchase| purchase.timestamp <= t).collect();
    let profile = settled.profile_at(customer, t);
    // "Days from signup_date to t, not below 0; 0 with no profile."
    let days_since_signup =
        profile.and_then(|profile| profile.signup).map_or(0.0, |signup| days(t - signup).max(0.0));
    // "Days from the last purchase to t, fractional; n = 0: days since signup, or 0 with no
    // profile."
    let recency = bought
        .iter()
        .map(|purchase| purchase.timestamp)
        .max()
        .map_or(days_since_signup, |last| days(t - last));
    let total = bought.iter().map(|purchase| i128::from(purchase.amount)).sum();

    let mut table = spending(&bought, recency, days_since_signup, config);
    table.extend(preferences(&bought, config));
    table.extend(attitude(&bought, profile));
    table.extend(standing(&bought, recency, total, threshold, config));
    table
}

/// How much, how often and when.
fn spending(
    bought: &[&Purchase],
    recency: f64,
    days_since_signup: f64,
    config: &Config,
) -> Vec<(String, f64)> {
    let n = bought.len();
    let amounts = || bought.iter().map(|purchase| purchase.amount);
    let monetary = major(amounts().map(i128::from).sum(), config);
    // "Last - first purchase in days"; "that / (n - 1), n < 2: 0".
    let times = || bought.iter().map(|purchase| purchase.timestamp);
    let lifetime = times().min().zip(times().max()).map_or(0.0, |(first, last)| days(last - first));
    let in_holidays = |purchase: &Purchase| {
        config.holiday_months.contains(&month_of(purchase.timestamp.div_euclid(DAY)))
    };
    named(&[
        ("recency", recency),
        ("frequency", n as f64),
        ("total_transactions", n as f64),
        ("monetary", monetary),
        ("avg_transaction_value", if n == 0 { 0.0 } else { monetary / n as f64 }),
        ("monetary_std", deviation(bought) / major_unit(config)),
        ("monetary_min", major(amounts().min().unwrap_or(0).into(), config)),
        ("monetary_max", major(amounts().max().unwrap_or(0).into(), config)),
        ("days_since_signup", days_since_signup),
        ("customer_lifetime_days", lifetime),
        ("avg_days_between_purchases", if n < 2 { 0.0 } else { lifetime / (n - 1) as f64 }),
        ("weekend_shopper_pct", share(bought, |purchase| is_weekend(purchase.timestamp))),
        ("holiday_shopper_pct", share(bought, in_holidays)),
    ])
}

/// "Share per category" (device, payment); "Shannon entropy in nats of the counts of the listed
/// values and of `other`".
fn preferences(bought: &[&Purchase], config: &Config) -> Vec<(String, f64)> {
    type Code = fn(&Purchase) -> usize;
    let shares = |code: Code, list: &[String]| -> Vec<(String, f64)> {
        let of = |(index, name): (usize, &String)| {
            (share_name(name), share(bought, |purchase| code(purchase) == index))
        };
        list.iter().enumerate().map(of).collect()
    };
    let diversity = |code: Code, list: &[String]| -> f64 {
        let counts: Vec<usize> = (0..=list.len())
            .map(|value| bought.iter().filter(|purchase| code(purchase) == value).count())
            .collect();
        entropy(&counts)
    };
    let (category, device, payment): (Code, Code, Code) =
        (|p| p.category, |p| p.device, |p| p.payment);
    let mut table = shares(category, &config.categories);
    table.extend(named(&[
        ("category_diversity", diversity(category, &config.categories)),
        ("device_diversity", diversity(device, &config.devices)),
        ("payment_diversity", diversity(payment, &config.payments)),
    ]));
    table.extend(shares(device, &config.devices));
    table.extend(shares(payment, &config.payments));
    table
}

/// What the customer makes of discounts and mails; "from the profile; none: 0".
fn attitude(bought: &[&Purchase], profile: Option<&Profile>) -> Vec<(String, f64)> {
    let discount = profile.map_or(0.0, |profile| profile.avg_discount_used);
    named(&[
        ("discount_usage_rate", share(bought, |purchase| purchase.discount)),
        ("email_open_rate", profile.map_or(0.0, |profile| profile.email_open_rate)),
        ("complaint_count", profile.map_or(0.0, |profile| profile.complaint_count)),
        ("is_premium_member", flag(profile.is_some_and(|profile| profile.premium))),
        ("avg_discount_pct", discount),
        // "avg_discount_pct x (1 - exp(-n/10))."
        ("discount_sensitivity", discount * (1.0 - libm::exp(-(bought.len() as f64) / 10.0))),
    ])
}

/// How good a customer that is; `total` in minor units.
fn standing(
    bought: &[&Purchase],
    recency: f64,
    total: i128,
    threshold: Option<i128>,
    config: &Config,
) -> Vec<(String, f64)> {
    let n = bought.len();
    named(&[
        // "monetary >= threshold; 0 while there is none" (and 0 where n = 0).
        ("is_high_value", flag(n > 0 && threshold.is_some_and(|threshold| total >= threshold))),
        // "n > 0 and recency >= 180; n >= 10; n > 0 and recency <= 30 (limits configurable)."
        ("is_at_risk", flag(n > 0 && recency >= config.at_risk_days)),
        ("is_frequent_buyer", flag(n >= config.frequent_purchases)),
        ("is_recent_active", flag(n > 0 && recency <= config.recent_days)),
        // "monetary x frequency / (recency + 1)."
        ("clv_score", major(total, config) * n as f64 / (recency + 1.0)),
    ])
}

fn named(rows: &[(&str, f64)]) -> Vec<(String, f64)> {
    rows.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

fn share(bought: &[&Purchase], holds: impl Fn(&Purchase) -> bool) -> f64 {
    if bought.is_empty() {
        0.0
    } else {
        bought.iter().filter(|purchase| holds(purchase)).count() as f64 / bought.len() as f64
    }
}

/// Amounts are kept in minor units and shown in the currency's own.
fn major(minor: i128, config: &Config) -> f64 {
    minor as f64 / major_unit(config)
}

fn major_unit(config: &Config) -> f64 {
    10_f64.powi(config.decimals as i32)
}

fn days(milliseconds: i64) -> f64 {
    milliseconds as f64 / DAY as f64
}

fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

/// Sample standard deviation in minor units, "n < 2: 0": from n sum x^2 - (sum x)^2 in exact
/// integers.
fn deviation(bought: &[&Purchase]) -> f64 {
    let n = bought.len() as i128;
    if n < 2 {
        return 0.0;
    }
    let sum: i128 = bought.iter().map(|purchase| i128::from(purchase.amount)).sum();
    let squares: i128 = bought
        .iter()
        .map(|purchase| i128::from(purchase.amount) * i128::from(purchase.amount))
        .sum();
    ((n * squares - sum * sum) as f64 / (n * (n - 1)) as f64).sqrt()
}

/// "Saturday or Sunday (UTC)": 1970-01-01 was a Thursday, so 1970-01-03 a Saturday.
fn is_weekend(timestamp: i64) -> bool {
    (timestamp.div_euclid(DAY) + 5) % 7 < 2
}

/// - sum p ln p, with 0 ln 0 = 0.
fn entropy(counts: &[usize]) -> f64 {
    let n: usize = counts.iter().sum();
    let shares = counts.iter().filter(|count| **count > 0).map(|count| *count as f64 / n as f64);
    shares.map(|share| -share * libm::log(share)).sum()
}

/// electronics_pct, credit_card_pct, ewallet_pct.
fn share_name(listed: &str) -> String {
    format!("{}_pct", listed.to_lowercase().replace('-', "").replace(' ', "_"))
}
