//! Rubbish in every file: each piece becomes a dead letter with a reason, and everything valid is
//! processed as if it were not there.

use crate::hostile::rubbish::{files, rubbish};
use assert_cmd::Command;
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::SeedableRng;
use serde_json::Value;
use std::io::Write;
use std::path::Path;

fn sluice(arguments: &[&str]) {
    Command::new(assert_cmd::cargo::cargo_bin!("sluice")).args(arguments).assert().success();
}

fn summary(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("summary.json")).expect("a summary");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn rubbish_in_every_file_changes_nothing_but_the_dead_letters() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| path(name).to_str().expect("UTF-8").to_string();
    sluice(&[
        "generate",
        "--customers",
        "200",
        "--transactions",
        "3000",
        "--interactions",
        "3000",
        "--out",
        &text("world"),
    ]);
    sluice(&["replay", "--input", &text("world"), "--output", &text("clean")]);

    let mut random = Pcg64Mcg::seed_from_u64(17);
    let mut thrown = 0;
    for name in files() {
        let file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path("world").join(format!("{name}.jsonl")));
        let mut file = std::io::BufWriter::new(file.expect("the file can be written"));
        for line in rubbish(name, &mut random, 10_000) {
            file.write_all(&line)
                .and_then(|()| file.write_all(b"\n"))
                .expect("the file can be written");
            thrown += 1;
        }
        file.flush().expect("the file can be written");
    }
    sluice(&[
        "replay",
        "--input",
        &text("world"),
        "--output",
        &text("dirty"),
        "--workers",
        "2",
        "--allow-rejects",
    ]);

    let (clean, dirty) = (summary(&path("clean")), summary(&path("dirty")));
    for key in ["digest", "features_digest", "transactions", "interactions", "customers", "learned"]
    {
        assert_eq!(clean[key], dirty[key], "{key}");
    }
    let by_reason = dirty["dead_letters"].as_object().expect("an object");
    assert_eq!(by_reason.values().filter_map(Value::as_u64).sum::<u64>(), thrown, "{by_reason:?}");
    let letters = std::fs::read_to_string(path("dirty/dead_letters.jsonl")).expect("dead letters");
    let letters: Vec<Value> =
        letters.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(letters.len() as u64, thrown);
    assert!(letters.iter().all(|letter| letter["reason"].is_string()
        && (letter["raw"].is_string() || letter["raw_base64"].is_string())));
}

const HEADER: &str = "transaction_id,customer_id,timestamp,amount,note";

#[test]
fn csv_is_read_whatever_ends_its_lines_and_refused_where_it_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| path(name).to_str().expect("UTF-8").to_string();
    std::fs::create_dir(path("in")).expect("a folder");
    let write = |content: &[u8]| {
        std::fs::write(path("in/transactions.csv"), content).expect("the file can be written")
    };
    for workers in ["1", "3"] {
        for end in ["\n", "\r\n", "\r"] {
            let rows = [
                HEADER,
                "A,1,2024-03-01,10,fine",
                "S,1,2024-03-01,10,\"oops",
                "B,1,2024-03-02,10,fine",
                "C,2,2024-03-02,10,\"fine\"",
                "",
            ];
            write(rows.join(end).as_bytes());
            sluice(&[
                "replay",
                "--input",
                &text("in"),
                "--output",
                &text("out"),
                "--workers",
                workers,
            ]);
            assert_eq!(summary(&path("out"))["transactions"], 3, "{end:?}");
            let letters =
                std::fs::read_to_string(path("out/dead_letters.jsonl")).expect("dead letters");
            assert!(
                letters.lines().count() == 1
                    && letters.contains("quote")
                    && letters.contains("(line 3)"),
                "{end:?}: {letters}"
            );
        }
        // What is within sound quotes is no record, and a row that may have swallowed others is
        // none either.
        write(
            format!(
                "\n{HEADER}\nA,1,2024-03-01,10,\"look:\nX,66,2024-03-01,99,x\nbye\"\n\"B\n\
                2\",1,2024-03-02,10,\"so,\nit is\"\nC,2,2024-03-02,10,x\n\
                C, 2, 2024-03-02, 10, \"x\"\n \"C\",2,2024-03-02,10,x\n"
            )
            .as_bytes(),
        );
        sluice(&["replay", "--input", &text("in"), "--output", &text("out"), "--workers", workers]);
        assert_eq!(
            (&summary(&path("out"))["transactions"], &summary(&path("out"))["duplicates"]),
            (&2.into(), &2.into())
        );
        let letters =
            std::fs::read_to_string(path("out/dead_letters.jsonl")).expect("dead letters");
        assert!(
            letters.lines().count() == 1
                && letters.contains("closes in line 5")
                && letters.contains("(line 3)"),
            "{letters}"
        );
        refuse_what_is_none(folder.path(), workers);
    }
}

/// What is no CSV, or lacks its header, is refused with a reason.
fn refuse_what_is_none(folder: &Path, workers: &str) {
    let [input, output] =
        ["in", "out"].map(|name| folder.join(name).to_str().expect("UTF-8").to_string());
    let wide: Vec<u8> = HEADER.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (content, said) in [
        (&wide[..], "UTF-16"),
        (b"\x1f\x8b\x08", "let its name end in .gz"),
        (b"id,kunde\nA,1\n", "kunde"),
        (b"transaction_id;customer_id\nA;1\n", "semicolons"),
        (b"transaction_id,customer_id,customer_id\nA,1,1\n", "column 3"),
        (
            b"transaction_id,customer_id,timestamp,\"amount\nA,1,2024-03-01,5\n",
            "the quote that opens in column 4 does not close",
        ),
        (
            b"\n\ntransaction_id,customer_id,amount,\"note\nA,1,5,x\nB,1,5,y\"\nC,1,5,z\n",
            "line 3: the first line must name the columns: the quote",
        ),
    ] {
        std::fs::write(folder.join("in/transactions.csv"), content).expect("a file");
        let arguments = ["replay", "--input", &input, "--output", &output, "--workers", workers];
        let refused =
            Command::new(assert_cmd::cargo::cargo_bin!("sluice")).args(arguments).assert().code(1);
        let error = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(error.contains(said) && error.contains("transactions.csv"), "{error}");
    }
}
