//! Rows of features are written as they are read.

use super::super::tests::{content, output};
use super::*;
use crate::hexadecimal::hexadecimal;
use proptest::prelude::*;

/// Rows of values in a batch.
fn rows(rows: &[(i64, &[f64])]) -> Vec<LastRows> {
    let mut batch = LastRows::new(rows.first().map_or(1, |(_, values)| values.len()));
    rows.iter().for_each(|(customer, values)| batch.push(*customer, values));
    vec![batch]
}

#[test]
fn features_have_a_header_and_a_digest_of_their_rows() {
    let (held, output) = output();
    let rows = rows(&[(7, &[1.0, 0.1]), (12, &[-0.0, 1e21])]);
    let digest = write(&output, &["n", "share"], &sorted_rows(&rows), 1).expect("writing");
    assert_eq!(content(&held, "features.csv"), "customer_id,n,share\n7,1,0.1\n12,-0.0,1e+21\n");
    assert_eq!(digest, <[u8; 32]>::from(Sha256::digest(b"7,1,0.1\n12,-0.0,1e+21\n")));
    let none = write(&output, &["n"], &[], 1).expect("writing");
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
        let (held, output) = output();
        let digest = write(&output, &["x"], &rows, threads).expect("writing");
        (digest, content(&held, "features.csv"))
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
fn rows_of_all_workers_are_sorted() {
    let batches = [rows(&[(9, &[9.0, 0.0]), (1, &[1.0, 1.5])]), rows(&[(5, &[0.0, 5.5])])].concat();
    let found: Vec<(i64, Vec<f64>)> =
        sorted_rows(&batches).iter().map(|row| (row.customer, row.values(2).collect())).collect();
    assert_eq!(found, [(1, vec![1.0, 1.5]), (5, vec![0.0, 5.5]), (9, vec![9.0, 0.0])]);
}
