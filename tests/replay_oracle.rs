//! `sluice replay` against the naive oracle: hostile histories, every layout, every order, both
//! formats; same events, same bits.

use crate::hostile::History;
use crate::oracle::run::{Layout, Output, by_reason, replay};
use crate::oracle::{Config, DAY, Files, Outcome, outcome};
use serde_json::{Value, json};

const SEEDS: [u64; 3] = [11, 12, 13];
const SIZE: usize = 1_500;
const ALONE: Layout = Layout { processes: 1, workers: 1 };
const LAYOUTS: [Layout; 4] = [
    ALONE,
    Layout { processes: 1, workers: 2 },
    Layout { processes: 1, workers: 3 },
    Layout { processes: 2, workers: 2 },
];

#[test]
fn every_layout_gives_what_the_oracle_gives_and_the_same_bits() {
    for seed in SEEDS {
        let files = History::generate(seed, SIZE).jsonl();
        let expected = outcome(&files, &Config::default());
        let digests = LAYOUTS.map(|layout| {
            checked(&files, layout, &[], &expected, &format!("seed {seed}, {layout:?}"))
        });
        assert!(digests.iter().all(|digest| *digest == digests[0]), "seed {seed}: {digests:?}");
        assert!(
            expected.unmatched.values().all(|number| *number > 0),
            "seed {seed}: {:?}",
            expected.unmatched
        );
    }
}

#[test]
fn the_order_of_the_lines_changes_no_bit() {
    for seed in SEEDS {
        let history = History::generate(seed, SIZE);
        let shuffled = history.shuffled(seed + 1_000).jsonl();
        let expected = outcome(&shuffled, &Config::default());
        let digest = checked(
            &shuffled,
            Layout { processes: 1, workers: 2 },
            &[],
            &expected,
            &format!("seed {seed}, shuffled"),
        );
        assert_eq!(digest, replay(&history.jsonl(), ALONE, &[]).digests(), "seed {seed}");
    }
}

#[test]
fn csv_gives_the_same_bits_as_json_lines() {
    for seed in SEEDS {
        let history = History::generate(seed, SIZE);
        let files = history.csv();
        let expected = outcome(&files, &Config::default());
        let digest = checked(
            &files,
            Layout { processes: 1, workers: 3 },
            &[],
            &expected,
            &format!("seed {seed}, CSV"),
        );
        assert_eq!(digest, replay(&history.jsonl(), ALONE, &[]).digests(), "seed {seed}");
    }
}

#[test]
fn an_earlier_instant_changes_the_features_only() {
    let files = History::generate(SEEDS[0], SIZE).jsonl();
    // 2023-06-15T12:00:00Z, in the midst of the history.
    let t = crate::oracle::written::day_number("2023-06-15").expect("a date") * DAY + DAY / 2;
    let expected = outcome(&files, &Config { as_of: Some(t), ..Config::default() });
    let (model, _) =
        checked(&files, ALONE, &["--as-of", "2023-06-15T12:00:00Z"], &expected, "as of 2023-06-15");
    assert_eq!(model, replay(&files, ALONE, &[]).digests().0);
}

/// Replays, compares everything with the oracle, and hands back the digests.
fn checked(
    files: &Files,
    layout: Layout,
    more: &[&str],
    expected: &Outcome,
    of: &str,
) -> (String, String) {
    let output = replay(files, layout, more);
    let config = Config::default();
    same_features(&output, expected, &config, of);
    same_model(&output, expected, &config, of);
    same_thresholds(&output, expected, of);
    same_dead_letters(&output, expected, of);
    for (name, count) in [
        ("transactions", expected.transactions),
        ("interactions", expected.interactions),
        ("rewards", expected.rewards),
        ("rewards_unmatched", expected.unmatched.values().sum()),
        ("replaced", expected.replaced),
        ("retracted", expected.retracted),
        ("duplicates", expected.duplicates),
        ("erased", expected.erased),
        ("late", 0),
    ] {
        assert_eq!(output.count(name), count, "{of}: {name}");
    }
    assert_eq!(*output.count("rewards_unmatched_by"), json!(expected.unmatched), "{of}");
    output.digests()
}

/// Names and order of the columns exactly, customers sorted, values to 1e-9.
fn same_features(output: &Output, expected: &Outcome, config: &Config, of: &str) {
    let mut header = vec!["customer_id".to_owned()];
    header.extend(crate::oracle::features::names(config));
    let known = header.len();
    if output.header.len() > known {
        header.extend(crate::oracle::features::OPEN.map(str::to_owned));
    }
    assert_eq!(output.header, header, "{of}");

    let customers: Vec<i64> =
        output.features.iter().map(|row| row[0].parse().expect("a customer_id")).collect();
    assert_eq!(customers, expected.features.keys().copied().collect::<Vec<_>>(), "{of}");
    for (row, (customer, values)) in output.features.iter().zip(&expected.features) {
        for ((name, written), value) in header[1..known].iter().zip(&row[1..known]).zip(values) {
            let actual: f64 = written
                .parse()
                .unwrap_or_else(|_| panic!("{of}: {name} of customer {customer} is {written}"));
            assert!(
                (actual - value).abs() <= 1e-9 * value.abs().max(1.0),
                "{of}: {name} of customer {customer} is {actual}, not {value}"
            );
        }
    }
}

/// The exact sums behind every arm's A and b.
fn same_model(output: &Output, expected: &Outcome, config: &Config, of: &str) {
    let model = &output.model;
    let d = config.context.len();
    assert_eq!(model["dimension"], d, "{of}");
    let names: Vec<&str> = config.context.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(model["context"], Value::from(names), "{of}");
    let arms = model["arms"].as_array().expect("model.json lists its arms");
    assert_eq!(arms.len(), expected.arms.len(), "{of}");
    let number = |value: &Value| value.as_f64().expect("a number");

    for (index, (arm, sums)) in arms.iter().zip(&expected.arms).enumerate() {
        assert_eq!(
            (&arm["arm"], &arm["name"]),
            (&Value::from(index), &Value::from(config.arms[index].as_str())),
            "{of}"
        );
        assert_eq!(arm["n"], sums.n, "{of}: arm {index}");
        let mut upper = sums.a.iter();
        for i in 0..d {
            for j in i..d {
                let ridge = if i == j { config.ridge } else { 0.0 };
                // Far below 2^53, so that neither the sum nor the ridge added to it is rounded.
                let sum = (number(&arm["A"][i][j]) - ridge) * (1_u64 << 24) as f64;
                let exact = *upper.next().expect("as many as the triangle has");
                assert!(
                    exact.abs() < 1 << 52 && sum == exact as f64,
                    "{of}: A[{i}][{j}] of arm {index} is {sum}, not {exact}"
                );
                assert_eq!(arm["A"][j][i], arm["A"][i][j], "{of}: A of arm {index} is symmetric");
            }
            // Great rewards may lead beyond 2^53; then the number printed is the sum rounded once.
            let (sum, exact) = (number(&arm["b"][i]) * (1_u64 << 28) as f64, sums.b[i]);
            assert!(sum == exact as f64, "{of}: b[{i}] of arm {index} is {sum}, not {exact}");
        }
    }
}

fn same_thresholds(output: &Output, expected: &Outcome, of: &str) {
    let day = |text: &str| {
        crate::oracle::written::day_number(text)
            .unwrap_or_else(|| panic!("{of}: {text} is not a day"))
    };
    let actual: Vec<(i64, i128)> = output
        .thresholds
        .iter()
        .map(|(date, minor)| (day(date), minor.parse().expect("whole minor units")))
        .collect();
    let wanted: Vec<(i64, i128)> =
        expected.thresholds.iter().map(|(day, minor)| (*day, *minor)).collect();
    let difference = actual.iter().zip(&wanted).find(|(actual, wanted)| actual != wanted);
    assert_eq!(difference, None, "{of}: the first day whose threshold differs");
    assert_eq!(
        (actual.len(), actual.last()),
        (wanted.len(), wanted.last()),
        "{of}: days with a threshold"
    );
}

/// As multisets of file, byte position and reason; and the counts by reason of the summary.
fn same_dead_letters(output: &Output, expected: &Outcome, of: &str) {
    let mut actual: Vec<(String, u64, String)> =
        output.dead_letters.iter().map(dead_letter).collect();
    actual.sort();
    let letters = expected.dead_letters.iter();
    let wanted: Vec<_> = letters
        .clone()
        .map(|letter| (letter.file.clone(), letter.position, letter.reason.to_owned()))
        .collect();
    let extra: Vec<_> = actual.iter().filter(|letter| !wanted.contains(letter)).collect();
    let missing: Vec<_> = wanted.iter().filter(|letter| !actual.contains(letter)).collect();
    assert!(
        actual == wanted,
        "{of}: rejected but good, or for another reason: {extra:?}; not rejected: {missing:?}"
    );

    let counted = output.count("dead_letters").as_object().expect("dead_letters counts by reason");
    let counted = counted
        .iter()
        .map(|(reason, count)| (reason.clone(), count.as_u64().expect("a count")))
        .filter(|(_, count)| *count > 0);
    assert_eq!(
        counted.collect::<std::collections::BTreeMap<_, _>>(),
        by_reason(letters.map(|letter| letter.reason)),
        "{of}"
    );
}

/// File (without directory and extension, or the topic's name), position and reason of an object of
/// `dead_letters.jsonl`.
fn dead_letter(object: &Value) -> (String, u64, String) {
    let text = |name: &str| {
        object[name]
            .as_str()
            .unwrap_or_else(|| panic!("a dead letter has no {name}: {object}"))
            .to_owned()
    };
    let source = text("source");
    let file = source.rsplit('/').next().unwrap_or(&source);
    let stem = file.split('.').next().unwrap_or(file);
    let stem = stem.strip_prefix("customer-").unwrap_or(stem);
    assert!(
        object["raw"].is_string() || object["raw_base64"].is_string(),
        "a dead letter without its bytes: {object}"
    );
    (stem.to_owned(), object["position"].as_u64().expect("a position"), text("reason"))
}
