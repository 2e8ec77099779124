//! The model, the thresholds and the figures of a replay.

use super::model::{ArmFile, ModelFile};
use super::thresholds;
use super::writing::{told, write_model};
use crate::campaign::results::EpochResults;
use crate::files::output::OutputDirectory;
use dataflows::bandit::parameters::Parameters;
use dataflows::bandit::ridge::solve;
use dataflows::bandit::totals::Totals;
use dataflows::campaign::output::{ArmUpdate, Counts};
use serde_json::json;

pub(super) fn output() -> (tempfile::TempDir, OutputDirectory) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = OutputDirectory::create(directory.path()).expect("it is there");
    (directory, output)
}

pub(super) fn content(held: &tempfile::TempDir, name: &str) -> String {
    std::fs::read_to_string(held.path().join(name)).expect("it is written")
}

#[test]
fn the_model_has_the_names_of_the_contract() {
    let (held, output) = output();
    let arm = ArmFile {
        arm: 0,
        name: "Email".to_string(),
        n: 12,
        a: vec![vec![1.5]],
        b: vec![0.25],
        theta: vec![1.0 / 6.0],
    };
    let model = ModelFile {
        dimension: 1,
        context: vec!["intercept".to_string()],
        ridge: 1.0,
        parameters: Parameters::told([("alpha", 0.5)]),
        arms: vec![arm],
        digest: "ab".to_string(),
        features_digest: "cd".to_string(),
    };
    write_model(&output, &model).expect("writing");
    let expected = "{\"dimension\":1,\"context\":[\"intercept\"],\"ridge\":1.0,\"alpha\":0.5,\
        \"arms\":[{\"arm\":0,\"name\":\"Email\",\"n\":12,\"A\":[[1.5]],\"b\":[0.25],\
        \"theta\":[0.16666666666666666]}],\"digest\":\"ab\",\"features_digest\":\"cd\"}\n";
    assert_eq!(content(&held, "model.json"), expected);
}

#[test]
fn an_arm_has_the_whole_matrix_and_the_ridge_in_it() {
    let (a, b) = (vec![1 << 24, 2 << 24, 3 << 24], vec![1 << 28, -(1 << 27)]);
    let totals = Totals { n: 3, a, b, ..Totals::default() };
    let model = solve(1, &totals, 0.5);
    let arm = ArmFile::new(&ArmUpdate { arm: 1, totals, model: model.clone() }, "SMS");
    assert_eq!((arm.arm, arm.n, arm.name.as_str()), (1, 3, "SMS"));
    assert_eq!(arm.a, [[1.0 + model.ridge, 2.0], [2.0, 3.0 + model.ridge]]);
    assert_eq!((arm.b, arm.theta), (vec![1.0, -0.5], model.theta));
}

#[test]
fn the_range_of_events_and_the_digests_are_told() {
    let model = ModelFile {
        dimension: 0,
        context: Vec::new(),
        ridge: 1.0,
        parameters: Parameters::default(),
        arms: Vec::new(),
        digest: "ab".to_string(),
        features_digest: "cd".to_string(),
    };
    let counts = Counts { records: 100, first: 0, last: 1_709_251_200_000, ..Counts::none() };
    let results = EpochResults { counts, ..EpochResults::new(1) };
    let named = told(&results, 7, &model);
    let outcome = serde_json::to_value(&named.outcome).expect("figures");
    assert_eq!(
        outcome,
        json!({
            "first_event": "1970-01-01T00:00:00Z", "last_event": "2024-03-01T00:00:00Z",
            "digest": "ab", "features_digest": "cd",
        })
    );
    assert_eq!(named.counted.0.last(), Some(&("customers", json!(7))));
    assert_eq!(named.lines[1..], ["model digest     ab", "features digest  cd"]);
    let nothing = told(&EpochResults::new(1), 0, &model).outcome;
    assert_eq!(nothing.0[..2], [("first_event", json!(null)), ("last_event", json!(null))]);
}

#[test]
fn thresholds_are_written_in_the_form_that_is_read() {
    let (held, output) = output();
    thresholds::write_file(&output, &[(2, 7), (1, 5)]).expect("writing");
    assert_eq!(
        thresholds::read(&held.path().join("thresholds.csv")).expect("reading"),
        [(1, 5), (2, 7)]
    );
}
