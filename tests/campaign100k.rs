//! A known data set with its own rules as configuration: 100,000 purchases of 10,000 customers,
//! whose key figures were computed elsewhere.
//!
//! The data is not part of the project: it is read from the folder that SLUICE_SHARED names.
//! Without one the test is left out, with a reason.

use assert_cmd::Command;
use std::path::Path;

/// The data set's own rules: high value above 50,000, at risk after 180 days, and its names of
/// things.
const RULES: &str = r#"
[fields.transactions]
timestamp = "transaction_date"
[customers]
high_value = 50000.01
at_risk_days = 181
"#;

#[test]
fn the_key_figures_of_the_data_set_are_found() {
    let Some(shared) = std::env::var_os("SLUICE_SHARED") else {
        eprintln!("left out: SLUICE_SHARED names no folder with data/campaign100k");
        return;
    };
    let data = Path::new(&shared).join("data/campaign100k");
    assert!(data.is_dir(), "SLUICE_SHARED names a folder without {}", data.display());
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("input")).expect("a folder");
    for name in ["transactions.csv.gz", "customers.csv.gz"] {
        std::fs::copy(data.join(name), path("input").join(name)).expect("the data can be copied");
    }
    std::fs::write(path("rules.toml"), RULES).expect("the rules can be written");
    let mut replay = Command::new(assert_cmd::cargo::cargo_bin!("sluice"));
    replay.arg("replay").arg("--input").arg(path("input")).arg("--output").arg(path("output"));
    replay
        .arg("--config")
        .arg(path("rules.toml"))
        .args(["--as-of", "2024-12-31"])
        .assert()
        .success();

    let mut features = csv::Reader::from_path(path("output/features.csv")).expect("features.csv");
    let header = features.headers().expect("a header").clone();
    let column = |name: &str| header.iter().position(|field| field == name).expect("the column");
    let (monetary, high, at_risk) =
        (column("monetary"), column("is_high_value"), column("is_at_risk"));
    let rows: Vec<csv::StringRecord> = features.records().collect::<Result<_, _>>().expect("rows");
    let cents: i64 = rows
        .iter()
        .map(|row| (row[monetary].parse::<f64>().expect("a number") * 100.0).round() as i64)
        .sum();
    let flagged = |column: usize| rows.iter().filter(|row| &row[column] == "1").count();
    assert_eq!(
        (rows.len(), cents, flagged(high), flagged(at_risk)),
        (10_000, 25_111_627_536, 173, 835)
    );
}
