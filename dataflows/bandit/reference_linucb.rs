//! LinUCB against an independent implementation (numpy and MABWiser) on generated data, with its
//! figures beside this file.

use super::choice::{Question, choose};
use super::draws::{Draws as Stream, Purpose};
use super::model::Model;
use super::parameters::Parameters;
use super::policy::Chosen;
use super::random::SplitMix64;
use super::ridge::{ArmModel, solve_real};
use super::triangle_length;
use serde_json::Value;

const TOLERANCE: f64 = 1e-9;

/// The reference's data: sums of each arm, and contexts to be scored.
struct Data {
    a: Vec<Vec<f64>>,
    b: Vec<Vec<f64>>,
    n: Vec<i64>,
    queries: Vec<Vec<f64>>,
}

/// Draws of the reference: uniform in 0..1, or in -1..1.
struct Draws(SplitMix64);

impl Draws {
    fn symmetric(&mut self) -> f64 {
        2.0 * self.0.unit() - 1.0
    }

    fn context(&mut self, dimension: usize) -> Vec<f64> {
        std::iter::once(1.0).chain((1..dimension).map(|_| self.symmetric())).collect()
    }
}

/// Generates the data as the reference describes it.
fn generate(case: &Value) -> Data {
    let integer = |key: &str| case[key].as_u64().unwrap_or_else(|| panic!("`{key}` is an integer"));
    let (events, dimension, arms) = (integer("n"), integer("d") as usize, integer("K") as usize);
    let mut draws = Draws(SplitMix64(integer("seed")));
    let theta: Vec<Vec<f64>> =
        (0..arms).map(|_| (0..dimension).map(|_| draws.symmetric()).collect()).collect();
    let mut data = Data {
        a: vec![vec![0.0; triangle_length(dimension)]; arms],
        b: vec![vec![0.0; dimension]; arms],
        n: vec![0; arms],
        queries: Vec::new(),
    };
    for _ in 0..events {
        let x = draws.context(dimension);
        let arm = (draws.0.unit() * arms as f64) as usize;
        let mean = theta[arm].iter().zip(&x).fold(0.0, |sum, (theta, x)| sum + theta * x);
        let reward = mean + 0.5 * draws.symmetric();
        data.n[arm] += 1;
        let cells = (0..dimension).flat_map(|i| (i..dimension).map(move |j| (i, j)));
        data.a[arm].iter_mut().zip(cells).for_each(|(cell, (i, j))| *cell += x[i] * x[j]);
        data.b[arm].iter_mut().zip(&x).for_each(|(cell, x)| *cell += reward * x);
    }
    data.queries = (0..20).map(|_| draws.context(dimension)).collect();
    data
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(|number| number.as_f64().expect("a number"))
        .collect()
}

fn assert_close(got: &[f64], wanted: &[f64], what: &str) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    for (i, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        assert!((got - wanted).abs() < TOLERANCE, "{what}, number {i}: {got} is not {wanted}");
    }
}

fn compare(case: &Value) {
    let data = generate(case);
    assert_eq!(
        data.n,
        numbers(&case["arm_counts"]).iter().map(|&n| n as i64).collect::<Vec<_>>(),
        "arm counts"
    );
    let arms: Vec<ArmModel> = (0..)
        .zip(data.a.iter().zip(&data.b))
        .map(|(arm, (a, b))| ArmModel { arm, ..solve_real(a, b, 1.0) })
        .collect();
    for (arm, beta) in arms.iter().zip(case["beta"].as_array().expect("a list")) {
        assert_close(&arm.theta, &numbers(beta), "theta");
    }
    let mut model = Model::new(arms.len(), data.b[0].len(), 1.0);
    arms.into_iter().for_each(|arm| model.take(0, arm));
    let mut promises = Vec::new();
    for (i, x) in data.queries.iter().enumerate() {
        assert_close(x, &numbers(&case["query"][i]), "query");
        for (alpha, key) in [(1.0, "linucb_alpha1.0"), (0.25, "linucb_alpha0.25")] {
            let parameters = Parameters::told([("alpha", alpha)]);
            let acting = Chosen::of("linucb").expect("a kind").acting(&parameters);
            let asked = Question { x, exclude: &[], factor: 1.0 };
            let stream = Stream::new(1, Purpose::Choice, 1, 1);
            let choice = choose(&acting, &model, asked, stream, &mut promises);
            let scores: Vec<f64> = promises.iter().map(|promise| promise.score).collect();
            assert_close(&scores, &numbers(&case[key]["scores"][i]), key);
            assert_eq!(
                choice.map(|at| at as u64),
                case[key]["choice"][i].as_u64(),
                "{key}, query {i}"
            );
            let variances: Vec<f64> = promises
                .iter()
                .map(|promise| promise.estimate.width * promise.estimate.width)
                .collect();
            assert_close(&variances, &numbers(&case["var_x_Ainv_x"][i]), "x' A^-1 x");
        }
    }
    let unseen = solve_real(&vec![0.0; data.a[0].len()], &vec![0.0; data.b[0].len()], 4.0);
    let wanted = case["unseen_arm_lambda4"]["correct_score"].as_f64().expect("a number");
    assert_close(&[unseen.estimate(&data.queries[0]).width], &[wanted], "score of an unseen arm");
}

#[test]
fn linucb_agrees_with_the_reference() {
    let reference: Value =
        serde_json::from_str(include_str!("reference_linucb.json")).expect("the reference is JSON");
    compare(&reference["small"]);
    compare(&reference["campaign_d30"]);
}
