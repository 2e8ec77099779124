//! Features and contexts against a second implementation, written from the specification over a
//! plain list of purchases, and against values worked out by hand.

mod by_hand;
mod contexts;
mod specified;

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
    then: impl FnOnce(&CustomerState<'_>) -> T,
) -> T {
    let layout = features.layout();
    let (mut summary, mut counts) = (Summary::default(), vec![0; layout.stride()]);
    for b in bought {
        let purchase = Purchase::new(b.amount, b.category, b.device, b.payment, b.discount);
        layout.add(&mut summary, &mut counts, &Transaction::new(0, b.at, purchase));
    }
    then(&CustomerState { summary: &summary, counts: &counts, profile })
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

/// The deviation of purchases that have only their sums.
fn deviation(purchases: u32, amount: u128, squares: u128) -> f64 {
    let features = defaults();
    let amount = u64::try_from(amount).expect("a total within its limit");
    let summary = Summary { purchases, amount, squares, ..Summary::default() };
    let state = CustomerState {
        summary: &summary,
        counts: &vec![0; features.layout().stride()],
        profile: None,
    };
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

fn close(ours: f64, theirs: f64) -> bool {
    (ours - theirs).abs() <= 1e-9 * theirs.abs().max(1.0)
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
