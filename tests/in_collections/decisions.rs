//! What a request must be answered with: the context of its instant, and what LinUCB makes of it by
//! the sums of K epochs before, solved by inverting the matrix.

use super::histories::Sent;
use super::{Row, Sum, config, row, settled};
use crate::oracle::read::{Contact, Records, read};
use crate::oracle::{Config, DAY, HighValue, learn};
use dataflows::event::Topic;
use nalgebra::{DMatrix, DVector};
use std::collections::{BTreeMap, BTreeSet};

/// A decision, as far as two ways of solving can agree on it.
#[derive(Clone, Debug)]
pub(super) struct Decided {
    /// In multiples of 2^-12.
    pub(super) context: Vec<i128>,
    pub(super) scores: Vec<f64>,
    pub(super) arm: usize,
}

impl PartialEq for Decided {
    fn eq(&self, other: &Self) -> bool {
        let near = |one: f64, two: f64| (one - two).abs() <= 1e-9 * (1.0 + one.abs());
        // Of arms that are equally good but for rounding either may be chosen.
        let is_tie = near(self.scores[self.arm], self.scores[other.arm]);
        self.context == other.context
            && self.scores.iter().zip(&other.scores).all(|(one, two)| near(*one, *two))
            && (self.arm == other.arm || is_tie)
    }
}

/// The ids that are asked for once: whether one that is asked for again is a duplicate depends on
/// what was erased between.
pub(super) fn asked_once(epochs: &[Vec<Sent>]) -> BTreeSet<String> {
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    requests(epochs).for_each(|sent| *asked.entry(id(sent)).or_default() += 1);
    asked.into_iter().filter(|(_, times)| *times == 1).map(|(id, _)| id).collect()
}

/// Arms that are not chosen from an epoch on.
#[derive(Clone, Debug)]
pub(super) struct Retired {
    pub(super) arms: Vec<u16>,
    /// The first epoch is 1.
    pub(super) from: u64,
}

impl Retired {
    pub(super) fn has(&self, arm: usize, epoch: usize) -> bool {
        epoch as u64 >= self.from && self.arms.iter().any(|retired| usize::from(*retired) == arm)
    }
}

/// What those who ask in the last of these epochs are answered, by the totals from which on a
/// customer is of high value on each day that has closed, and the sums that decide.
pub(super) fn decisions(
    epochs: &[Vec<Sent>],
    thresholds: &BTreeMap<i64, i128>,
    arms: &BTreeMap<usize, Sum>,
    retired: &Retired,
) -> BTreeMap<String, Decided> {
    let may_be = |arm: usize| !retired.has(arm, epochs.len());
    let decision = |sent| Some((id(sent), decision(sent, epochs, thresholds, arms, &may_be)?));
    requests(&epochs[epochs.len() - 1..]).filter_map(decision).collect()
}

fn requests(epochs: &[Vec<Sent>]) -> impl Iterator<Item = &Sent> {
    epochs.iter().flatten().filter(|sent| sent.topic == Topic::Requests)
}

fn id(sent: &Sent) -> String {
    let value: serde_json::Value = serde_json::from_str(&sent.text).expect("JSON");
    told_id(value["decision_id"].as_str().expect("an id"), sent.customer)
}

/// An id with its customer: others may have it too.
pub(super) fn told_id(decision: &str, customer: i64) -> String {
    format!("{decision} of {customer}")
}

/// `None` for a customer who was erased up to then.
fn decision(
    sent: &Sent,
    epochs: &[Vec<Sent>],
    thresholds: &BTreeMap<i64, i128>,
    arms: &BTreeMap<usize, Sum>,
    may_be: &dyn Fn(usize) -> bool,
) -> Option<Decided> {
    let value: serde_json::Value = serde_json::from_str(&sent.text).expect("JSON");
    let timestamp = value["timestamp"].as_i64().expect("an instant");
    let own = epochs.iter().flatten().filter(|other| other.customer == sent.customer);
    let rows: Vec<Row> = (0..).zip(own).map(|(at, sent)| row(at, sent)).collect();
    let rows: Vec<(&Row, isize)> = rows.iter().map(|row| (row, 1)).collect();
    let erased = erasures(&rows).into_iter().any(|until| timestamp <= until);
    let day = timestamp.div_euclid(DAY);
    let threshold = thresholds.range(..=day).next_back().map_or(super::NOBODY, |(_, total)| *total);
    let config = Config { high_value: HighValue::Fixed(threshold), ..config() };
    let contact = Contact {
        timestamp,
        arm: 0,
        reward: None,
        propensity: 1.0,
        features: None,
        template: None,
        decision: None,
    };
    let context = learn::context(sent.customer, &contact, &settled(&rows), &config);
    let x: Vec<f64> = context.iter().map(|value| *value as f64 / 4096.0).collect();
    let scores: Vec<f64> = (0..config.arms.len()).map(|arm| score(arms.get(&arm), &x)).collect();
    let open = (0..scores.len()).filter(|arm| may_be(*arm));
    let best = open.reduce(|a, b| if scores[b] > scores[a] { b } else { a })?;
    (!erased).then_some(Decided { context, scores, arm: best })
}

fn erasures(rows: &[(&Row, isize)]) -> Vec<i64> {
    let of = rows.iter().filter(|((_, topic, _), _)| *topic == Topic::Customers as usize);
    let lines: Vec<&str> = of.map(|((_, _, text), _)| text.as_str()).collect();
    let mut records = Records::default();
    read("customers.jsonl", lines.join("\n").as_bytes(), &config(), &mut records);
    records.erasures.into_iter().map(|(_, until)| until).collect()
}

/// theta'x + alpha sqrt(x' A^-1 x), with A = I + sum of x x' and alpha 1.
fn score(sums: Option<&Sum>, x: &[f64]) -> f64 {
    let d = x.len();
    let (mut a, mut b) = (DMatrix::<f64>::identity(d, d), DVector::zeros(d));
    if let Some((_, upper, sum, _)) = sums {
        let mut entries = upper.iter().map(|entry| *entry as f64 / 16_777_216.0);
        for i in 0..d {
            b[i] = sum[i] as f64 / 268_435_456.0;
            for j in i..d {
                let entry = entries.next().expect("an upper triangle");
                a[(i, j)] += entry;
                a[(j, i)] = a[(i, j)];
            }
        }
    }
    let inverse = a.try_inverse().expect("the ridge makes it regular");
    let x = DVector::from_column_slice(x);
    let width = (x.transpose() * &inverse * &x)[0].sqrt();
    (inverse * b).dot(&x) + width
}
