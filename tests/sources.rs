//! A replay says when its files were hardly meant so, whoever reads them: files that give nothing,
//! whose first rows are all rejected for one reason, and files that look like input and are not
//! read. The results are there all the same.

use assert_cmd::Command;
use std::path::Path;

/// Replays what the folder's `in` has, in both ways and with several numbers of workers: the exit
/// code is 1 and one line says this, or it is 0 with nothing said. With --allow-rejects it is 0 in
/// any case.
fn replayed(folder: &Path, said: Option<&[&str]>) {
    let path = |name: &str| folder.join(name).to_str().expect("UTF-8").to_string();
    let mut lines = Vec::new();
    for more in [
        &["--workers", "1"][..],
        &["--workers", "3"],
        &["--lateness", "36500d", "--workers", "2"],
        &["--allow-rejects"],
    ] {
        let output = path("out");
        std::fs::remove_dir_all(&output).ok();
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("sluice"));
        // Variables that are for the tests and for no job would be warned of.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SLUICE_")) {
            command.env_remove(name);
        }
        let run = command
            .args(["replay", "--input", &path("in"), "--output", &output])
            .args(more)
            .assert();
        let allowed = more == ["--allow-rejects"];
        let run = run.code(if said.is_some() && !allowed { 1 } else { 0 });
        let stderr = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
        let told: Vec<String> = stderr
            .lines()
            .filter(|line| line.contains(if allowed { "WARN" } else { "error: " }))
            .map(String::from)
            .collect();
        match said {
            Some(words) => assert!(
                !told.is_empty()
                    && words.iter().all(|word| told.iter().any(|line| line.contains(word))),
                "{words:?}: {stderr}"
            ),
            None => assert_eq!(told, Vec::<String>::new()),
        }
        if !allowed {
            assert!(told.len() <= 1, "{told:?}");
            lines.push(told);
        }
        assert!(
            ["features.csv", "model.json", "summary.json", "dead_letters.jsonl"]
                .iter()
                .all(|file| Path::new(&output).join(file).is_file())
        );
    }
    assert!(lines.iter().all(|line| *line == lines[0]), "{lines:?}");
}

/// A folder whose `in` has these files.
fn folder(files: &[(&str, String)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("in")).expect("a folder");
    files.iter().for_each(|(name, content)| {
        std::fs::write(folder.path().join("in").join(name), content).expect("a file")
    });
    folder
}

fn check(files: &[(&str, String)], said: Option<&[&str]>) {
    replayed(folder(files).path(), said);
}

/// So many purchases with this in place of the amount.
fn purchases(rows: std::ops::Range<usize>, amount: &str) -> String {
    let line = |row| {
        format!(
            "{{\"transaction_id\":\"t{row}\",\"customer_id\":{row},\
            \"timestamp\":\"2024-03-01\",\"amount\":{amount}}}\n"
        )
    };
    rows.map(line).collect()
}

fn good() -> (&'static str, String) {
    ("transactions.jsonl", purchases(0..5, "7"))
}

#[test]
fn a_file_that_gives_nothing_is_named_and_one_without_rows_is_no_fault() {
    let header = "customer_id,signup_date\n";
    check(
        &[
            good(),
            ("customers.csv", header.to_string()),
            ("rewards.jsonl", String::new()),
            ("interactions.jsonl", "\n\n".to_string()),
        ],
        None,
    );
    let rubbish = "not JSON\n{\"customer_id\":1}\n{}\n".to_string();
    check(
        &[good(), ("rewards.jsonl", rubbish)],
        Some(&[
            "rewards.jsonl gives nothing: all of its 3 rows are rejected, 1 as malformed, 2 as \
             missing_field",
        ]),
    );
    check(
        &[("transactions.csv", "customer_id,amount\n1,5\n2,6\n".to_string())],
        Some(&["all of its 2 rows are rejected, as missing_field"]),
    );
    // What only its customer can refuse is refused as well.
    let back = "{\"transaction_id\":\"t9\",\"customer_id\":9,\"op\":\"retract\"}\n".to_string();
    check(
        &[("transactions.jsonl", back)],
        Some(&["all of its 1 rows are rejected, as unknown_id"]),
    );
    // One row is enough.
    check(
        &[
            good(),
            (
                "rewards.jsonl",
                "no\n".repeat(30)
                    + "{\"reward_id\":\"r\",\"interaction_id\":\"i\",\"customer_id\":1,\
                    \"timestamp\":\"2024-03-01\",\"reward\":1}\n",
            ),
        ],
        None,
    );
}

#[test]
fn the_first_rows_of_a_file_tell_what_is_wrong_with_it() {
    let named: &[&str] =
        &["the first 1000 rows of transactions.jsonl are all rejected as bad_amount"];
    check(
        &[("transactions.jsonl", purchases(0..1000, "-7") + &purchases(1000..1003, "7"))],
        Some(named),
    );
    check(
        &[(
            "transactions.jsonl",
            purchases(0..999, "-7") + &purchases(1000..1003, "7") + &purchases(2000..3000, "-7"),
        )],
        None,
    );
    let other = purchases(0..999, "-7")
        + &purchases(1000..1001, r#"7,"op":"dance""#)
        + &purchases(2000..2001, "7");
    check(&[("transactions.jsonl", other)], None);
    let rows: String = (0..1500)
        .map(|row| {
            format!("t{row},{row},{},7\n", if row < 1200 { "1709208000" } else { "1709208000000" })
        })
        .collect();
    let seconds = format!("transaction_id,customer_id,timestamp,amount\n{rows}");
    check(
        &[("transactions.csv", seconds)],
        Some(&[
            "rows of transactions.csv are all rejected as not_milliseconds",
            "set input.time_unit: probably they are seconds",
        ]),
    );
}

#[test]
fn files_that_look_like_input_and_are_not_read_are_named() {
    let rows = || "{}\n".to_string();
    let named: &[&str] =
        &["not read, though it looks like input: Transactions.csv, customer-interactions.jsonl, \
         events.ndjson, rewards.parquet;"];
    let files = [
        ("Transactions.csv", rows()),
        ("customer-interactions.jsonl", rows()),
        ("events.ndjson", rows()),
        ("rewards.parquet", rows()),
    ];
    check(&[&[good()], &files[..]].concat(), Some(named));
    check(
        &[
            good(),
            ("customers.ndjson", String::new()),
            ("notes.txt", rows()),
            ("thresholds.csv", rows()),
            (".rewards.jsonl.swp", rows()),
        ],
        None,
    );
}

#[test]
fn where_the_results_go_is_tried_before_anything_is_read() {
    let folder = folder(&[]);
    std::fs::write(folder.path().join("file"), "no folder").expect("a file");
    let within = folder.path().join("file").join("out");
    let input = folder.path().join("none").display().to_string();
    // Nothing can be made in the second, whoever asks.
    for output in [within.as_path(), Path::new("/proc/self")] {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("sluice"));
        let run =
            command.args(["replay", "--input", &input, "--output"]).arg(output).assert().code(1);
        let stderr = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
        assert!(stderr.contains(&format!("cannot write {}", output.display())), "{stderr}");
    }
    let output = folder.path().join("out");
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("sluice"));
    command.args(["replay", "--input", &input, "--output"]).arg(&output).assert().failure();
    assert_eq!(
        std::fs::read_dir(&output).expect("the folder is made").count(),
        0,
        "the trial is removed"
    );
}
