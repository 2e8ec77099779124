//! A replay that behaves as a stream, and one that takes published thresholds: the same as a plain
//! one, where nothing is late.

use assert_cmd::Command;
use serde_json::Value;

#[test]
fn a_stream_and_given_thresholds_change_nothing_where_nothing_is_late() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_string();
    let sluice = |arguments: &[&str]| {
        Command::new(assert_cmd::cargo::cargo_bin!("sluice")).args(arguments).assert().success();
    };
    let (world, whole) = (path("world"), path("whole"));
    sluice(&[
        "generate",
        "--customers",
        "300",
        "--transactions",
        "30000",
        "--interactions",
        "30000",
        "--out",
        &world,
    ]);
    sluice(&["replay", "--input", &world, "--output", &whole]);
    let thresholds = path("whole/thresholds.csv");
    let runs: [&[&str]; 4] = [
        &["--lateness", "24h"],
        &["--lateness", "48h", "--workers", "3"],
        &["--thresholds", &thresholds],
        &["--thresholds", &thresholds, "--lateness", "1h", "--workers", "2"],
    ];
    let summary = |name: &str| -> Value {
        let text = std::fs::read_to_string(folder.path().join(name).join("summary.json"))
            .expect("a summary");
        serde_json::from_str(&text).expect("JSON")
    };
    for (index, more) in runs.into_iter().enumerate() {
        let output = path(&format!("run{index}"));
        sluice(&[&["replay", "--input", &world, "--output", &output], more].concat());
        let (whole, run) = (summary("whole"), summary(&format!("run{index}")));
        for key in [
            "digest",
            "features_digest",
            "transactions",
            "interactions",
            "learned",
            "pending",
            "late",
        ] {
            assert_eq!(whole[key], run[key], "{key} with {more:?}");
        }
    }
}
