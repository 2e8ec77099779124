//! The files of a replay are written as they are read, or not at all.

use super::*;
use crate::campaign::replayed::{ArmFile, Cost};
use crate::campaign::results::EpochResults;
use crate::hexadecimal::hexadecimal;
use dataflows::bandit::ridge::solve;
use dataflows::bandit::totals::Totals;
use dataflows::campaign::output::ArmUpdate;
use dataflows::campaign::output::Counts;
use dataflows::event::Topic;
use dataflows::event::{Place, Reason};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn output() -> (tempfile::TempDir, OutputDirectory) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = OutputDirectory::create(&directory.path().join("a/b")).expect("it can be made");
    (directory, output)
}

fn content(output: &OutputDirectory, name: &str) -> String {
    std::fs::read_to_string(output.path.join(name)).expect("it is written")
}

/// Rows of values in a batch.
fn rows(rows: &[(i64, &[f64])]) -> Vec<LastRows> {
    let mut batch = LastRows::new(rows.first().map_or(1, |(_, values)| values.len()));
    rows.iter().for_each(|(customer, values)| batch.push(*customer, values));
    vec![batch]
}

#[test]
fn features_have_a_header_and_a_digest_of_their_rows() {
    let (_held, output) = output();
    let rows = rows(&[(7, &[1.0, 0.1]), (12, &[-0.0, 1e21])]);
    let digest = output.features(&["n", "share"], &sorted_rows(&rows), 1).expect("writing");
    assert_eq!(content(&output, "features.csv"), "customer_id,n,share\n7,1,0.1\n12,-0.0,1e+21\n");
    assert_eq!(digest, <[u8; 32]>::from(Sha256::digest(b"7,1,0.1\n12,-0.0,1e+21\n")));
    let none = output.features(&["n"], &[], 1).expect("writing");
    assert_eq!(
        hexadecimal(&none),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
}

#[test]
fn many_threads_write_what_one_writes() {
    let values: Vec<f64> = (0..7 * ROWS_OF_A_TEXT + 5).map(|i| i as f64 / 7.0).collect();
    let batches = rows(&(-9..).zip(values.chunks(1)).collect::<Vec<_>>());
    let rows = sorted_rows(&batches);
    let written = |threads: usize| {
        let (_held, output) = output();
        let digest = output.features(&["x"], &rows, threads).expect("writing");
        (digest, content(&output, "features.csv"))
    };
    let (digest, text) = written(1);
    assert_eq!(
        (text.lines().count(), text.lines().nth(10)),
        (rows.len() + 1, Some("0,1.2857142857142858"))
    );
    assert!([2, 3, 16].iter().all(|&threads| written(threads) == (digest, text.clone())));
}

#[test]
fn a_failure_ends_the_threads() {
    let values = vec![0.5; 40 * ROWS_OF_A_TEXT];
    let batches = rows(&(0..).zip(values.chunks(1)).collect::<Vec<_>>());
    let mut left = 3;
    let failed = for_each_text(&sorted_rows(&batches), 1, 2, |_| {
        left -= 1;
        if left == 0 { Err(io::Error::other("full")) } else { Ok(()) }
    });
    assert_eq!((failed.expect_err("it failed").to_string(), left), ("full".to_string(), 0));
}

proptest! {
    #[test]
    fn every_value_reads_back_to_the_same_bits(value in any::<f64>().prop_filter("features are \
        numbers", |v| !v.is_nan())) {
        for value in [value, value.trunc(), value % 1e6] {
            let mut line = Vec::new();
            write_value(&mut line, value);
            let text = std::str::from_utf8(&line[1..]).expect("digits");
            prop_assert_eq!(text.parse::<f64>().expect("a number").to_bits(), value.to_bits());
            prop_assert!(text.len() <= 25, "{text}");
        }
    }
}

#[test]
fn the_model_has_the_names_of_the_contract() {
    let (_held, output) = output();
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
        alpha: 0.5,
        arms: vec![arm],
        digest: "ab".to_string(),
        features_digest: "cd".to_string(),
    };
    output.model(&model).expect("writing");
    let expected = "{\"dimension\":1,\"context\":[\"intercept\"],\"ridge\":1.0,\"alpha\":0.5,\
        \"arms\":[{\"arm\":0,\"name\":\"Email\",\"n\":12,\"A\":[[1.5]],\"b\":[0.25],\
        \"theta\":[0.16666666666666666]}],\"digest\":\"ab\",\"features_digest\":\"cd\"}\n";
    assert_eq!(content(&output, "model.json"), expected);
}

#[test]
fn an_arm_has_the_whole_matrix_and_the_ridge_in_it() {
    let totals = Totals { n: 3, a: vec![1 << 24, 2 << 24, 3 << 24], b: vec![1 << 28, -(1 << 27)] };
    let model = solve(1, &totals, 0.5);
    let arm = ArmFile::new(&ArmUpdate { arm: 1, totals, model: model.clone() }, "SMS");
    assert_eq!((arm.arm, arm.n, arm.name.as_str()), (1, 3, "SMS"));
    assert_eq!(arm.a, [[1.0 + model.ridge, 2.0], [2.0, 3.0 + model.ridge]]);
    assert_eq!((arm.b, arm.theta), (vec![1.0, -0.5], model.theta));
}

#[test]
fn a_summary_counts_reasons_and_names_the_range_of_events() {
    let model = ModelFile {
        dimension: 0,
        context: Vec::new(),
        ridge: 1.0,
        alpha: 1.0,
        arms: Vec::new(),
        digest: "ab".to_string(),
        features_digest: "cd".to_string(),
    };
    let rejected = Rejected {
        topic: Topic::Rewards.id(),
        place: Place::new(0, 0),
        reason: Reason::BadReward,
        detail: String::new(),
        raw: Vec::new(),
        whose: None,
    };
    let counts = Counts { records: 100, first: 0, last: 1_709_251_200_000, ..Counts::none() };
    let cost = Cost { wall_seconds: 0.5, cpu_seconds: 0.4, peak_memory_bytes: 1, workers: 2 };
    let results =
        EpochResults { counts, rejected: vec![rejected.clone(), rejected], ..EpochResults::new(1) };
    let summary = Summary::new(&results, 7, &model, cost);
    assert_eq!(summary.dead_letters, BTreeMap::from([("bad_reward", 2)]));
    assert_eq!(
        (summary.first_event.as_deref(), summary.last_event.as_deref()),
        (Some("1970-01-01T00:00:00Z"), Some("2024-03-01T00:00:00Z"))
    );
    assert_eq!((summary.events_per_second, summary.customers), (200.0, 7));
    let nothing =
        Summary::new(&EpochResults::new(1), 0, &model, Cost { wall_seconds: 0.0, ..cost });
    assert_eq!(
        (nothing.first_event, nothing.last_event, nothing.events_per_second),
        (None, None, 0.0)
    );
}

#[test]
fn rows_of_all_workers_are_sorted() {
    let batches = [rows(&[(9, &[9.0, 0.0]), (1, &[1.0, 1.5])]), rows(&[(5, &[0.0, 5.5])])].concat();
    let found: Vec<(i64, Vec<f64>)> =
        sorted_rows(&batches).iter().map(|row| (row.customer, row.values(2).collect())).collect();
    assert_eq!(found, [(1, vec![1.0, 1.5]), (5, vec![0.0, 5.5]), (9, vec![9.0, 0.0])]);
}

#[test]
fn thresholds_are_written_in_the_form_that_is_read() {
    let (_held, output) = output();
    output.thresholds(&[(2, 7), (1, 5)]).expect("writing");
    assert_eq!(
        thresholds::read(&output.path.join("thresholds.csv")).expect("reading"),
        [(1, 5), (2, 7)]
    );
}

#[test]
fn dead_letters_are_sorted_and_keep_their_bytes() {
    let (_held, output) = output();
    let rejected = |topic, position, raw: &[u8]| Rejected {
        topic,
        place: Place::new(1, position),
        reason: Reason::BadAmount,
        detail: "the amount is negative".to_string(),
        raw: raw.to_vec(),
        whose: None,
    };
    let letters = [
        rejected(Topic::Interactions.id(), 5, b"{\"a\":1}"),
        rejected(Topic::Transactions.id(), 9, b"\xff"),
        rejected(Topic::Transactions.id(), 3, "é".as_bytes()),
    ];
    output
        .dead_letters(&letters, |rejected| format!("{}.jsonl", rejected.topic.file_stem()))
        .expect("writing");
    let lines: Vec<Value> = content(&output, "dead_letters.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let line = |source: &str, position: u64, key: &str, raw: &str| {
        json!({
            "source": source,
            "position": position,
            "reason": "bad_amount",
            "detail": "the amount is negative",
            key: raw,
        })
    };
    assert_eq!(
        lines,
        [
            line("transactions.jsonl", 3, "raw", "é"),
            line("transactions.jsonl", 9, "raw_base64", "/w=="),
            line("interactions.jsonl", 5, "raw", "{\"a\":1}"),
        ]
    );
}

#[test]
fn a_failed_file_leaves_the_old_one_and_nothing_else() {
    let (_held, output) = output();
    output.thresholds(&[(1, 5)]).expect("writing");
    let failed = output.file("thresholds.csv", |out| {
        out.write_all(b"half")?;
        Err::<(), _>(io::Error::other("disk full"))
    });
    assert!(failed.expect_err("it failed").to_string().ends_with("thresholds.csv: disk full"));
    assert_eq!(content(&output, "thresholds.csv"), "day,high_value\n1970-01-02,5\n");
    assert_eq!(std::fs::read_dir(&output.path).expect("reading").count(), 1);
}
