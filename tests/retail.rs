//! An extract in the shape of those that retailers publish, made up for this test, read with the
//! very lines of configuration that the documentation shows.

use assert_cmd::Command;
use serde_json::Value;

const DOCUMENT: &str = include_str!("../dataflows/event/README.md");

/// Lines of three invoices, one of which takes goods back, a line without a customer, and one that
/// is there twice. The description has a byte that is no UTF-8.
const ROWS: &[u8] = b"536365,85123A,WHITE \xa35 HOLDER,6,12/1/2010 8:26,2.55,17850.0,United Kingdom
536365,71053,\"LANTERN, \"\"WHITE\"\"\",6,12/1/2010 8:26,3.39,17850.0,United Kingdom
536366,22633,HAND WARMER,1,12/2/2010 13:05,1.85,17850.0,United Kingdom
536366,22633,HAND WARMER,1,12/2/2010 13:05,1.85,17850.0,United Kingdom
C536379,22633,HAND WARMER,-1,12/3/2010 9:41,1.85,17850.0,United Kingdom
536370,21756,BATH SIGN,3,12/13/2010 8:45,5.95,,France
536371,21756,BATH SIGN,2,1/13/2011 8:45,5.95,13047,France
";

/// The block of this kind in the documentation that follows the heading.
fn block(kind: &str) -> &'static str {
    let section =
        DOCUMENT.split("\n## Tables of other programs\n").nth(1).expect("there is such a section");
    section
        .split(&format!("```{kind}\n"))
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("there is such a block")
}

#[test]
fn an_extract_of_a_retailer_is_read_as_documented() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("in")).expect("a folder");
    std::fs::write(path("in/transactions.csv"), [block("csv").as_bytes(), ROWS].concat())
        .expect("writing");
    std::fs::write(path("retail.toml"), block("toml")).expect("writing");
    let [config, input, output] =
        ["retail.toml", "in", "out"].map(|name| path(name).to_string_lossy().into_owned());
    Command::new(assert_cmd::cargo::cargo_bin!("sluice"))
        .args(["replay", "--config", &config, "--input", &input, "--output", &output])
        .assert()
        .success();

    let summary = std::fs::read_to_string(path("out/summary.json")).expect("a summary");
    let summary: Value = serde_json::from_str(&summary).expect("JSON");
    assert_eq!(
        (
            summary["transactions"].as_i64(),
            summary["duplicates"].as_i64(),
            summary["customers"].as_i64()
        ),
        (Some(4), Some(1), Some(2)),
        "{summary}"
    );
    assert_eq!(summary["dead_letters"], serde_json::json!({"bad_amount": 1, "missing_field": 1}));
    assert_eq!(summary["first_event"], "2010-12-01T08:26:00Z");
    let features = std::fs::read_to_string(path("out/features.csv")).expect("features");
    let rows: Vec<Vec<&str>> = features.lines().map(|line| line.split(',').collect()).collect();
    let at = |name: &str| rows[0].iter().position(|column| *column == name).expect("a column");
    let told: Vec<_> = rows[1..]
        .iter()
        .map(|row| {
            (
                row[0],
                row[at("frequency")].parse::<f64>().ok(),
                row[at("monetary")].parse::<f64>().ok(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [("13047", Some(1.0), Some(11.9)), ("17850", Some(3.0), Some(37.49))],
        "6 x 2.55 + 6 x 3.39 + 1.85"
    );
}
