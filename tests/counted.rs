//! What a replay counts and says, on inputs so small that every number can be checked on paper:
//! each row of the table is one of the ways in which a record is not used, or takes the place of
//! another.

use assert_cmd::Command;
use serde_json::{Value, json};
use std::fs;

/// An input, its name, and every number that is not 0 or not the same in all of them.
struct Case {
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    expected: Value,
    /// What the printed text says.
    says: &'static [&'static str],
}

const INTERACTION: (&str, &str) = (
    "interactions.jsonl",
    "{\"interaction_id\": \"x\", \"customer_id\": 1, \"timestamp\": \"2024-03-02T00:00:00Z\", \
     \"action\": 1}",
);

/// A reward of interaction `x` of customer 1, a minute after it.
const JOINED: &str = "{\"interaction_id\": \"x\", \"customer_id\": 1, \
    \"timestamp\": \"2024-03-02T00:01:00Z\", \"reward\": 9}";

fn cases() -> Vec<Case> {
    vec![
        invoice(),
        repeated(),
        dropped(),
        unmatched(),
        moved_behind_its_reward(),
        taken_back(),
        erased_with_its_customer(),
    ]
}

fn invoice() -> Case {
    Case {
        name: "lines of one invoice",
        files: &[(
            "transactions.csv",
            "transaction_id,customer_id,timestamp,amount\n5,1,2024-03-01,2.55\n\
             5,1,2024-03-01,3.39\n5,1,2024-03-01,2.75\n",
        )],
        expected: json!({"records": 3, "transactions": 1, "replaced": 2}),
        says: &[
            "1 purchases",
            " 0 duplicates, 2 replaced by a later record of their id, 0 rejected\n",
        ],
    }
}

fn repeated() -> Case {
    Case {
        name: "repeated, replaced, taken back, unknown",
        files: &[(
            "transactions.jsonl",
            r#"{"transaction_id": 1, "customer_id": 1, "timestamp": "2024-03-01", "amount": 1}
{"transaction_id": 1, "customer_id": 1, "timestamp": "2024-03-01", "amount": 1}
{"transaction_id": 1, "customer_id": 1, "timestamp": "2024-03-01", "amount": 2}
{"transaction_id": 1, "customer_id": 1, "op": "retract"}
{"transaction_id": 9, "customer_id": 1, "op": "retract"}
"#,
        )],
        expected: json!({
            "records": 5, "duplicates": 1, "replaced": 1, "retracted": 1, "rejected": 1,
        }),
        says: &[" 1 duplicates, 1 replaced by a later record of their id, 1 retracted, 1 \
                 rejected\n"],
    }
}

fn dropped() -> Case {
    const PURCHASE: &str =
        r#"{"transaction_id": 1, "customer_id": 1, "timestamp": "2024-03-01", "amount": 1}"#;
    Case {
        name: "dropped with their customer",
        files: &[
            ("customers.jsonl", r#"{"customer_id": 1, "op": "erase"}"#),
            ("transactions.jsonl", PURCHASE),
        ],
        expected: json!({"records": 2, "erased": 1}),
        says: &[", 1 dropped with their erased customer,"],
    }
}

fn unmatched() -> Case {
    const REWARDS: &str = concat!(
        r#"{"interaction_id": "X", "customer_id": 1, "timestamp": "2024-03-02T01:00:00Z", "#,
        "\"reward\": 9}\n",
        r#"{"interaction_id": "x", "customer_id": 2, "timestamp": "2024-03-02T01:00:00Z", "#,
        "\"reward\": 9, \"reward_id\": \"r2\"}\n",
        r#"{"interaction_id": "x", "customer_id": 1, "timestamp": "2024-03-01T23:59:59.999Z", "#,
        "\"reward\": 9, \"reward_id\": \"r3\"}\n",
        r#"{"interaction_id": "x", "customer_id": 1, "timestamp": "2024-03-09T00:00:00Z", "#,
        "\"reward\": 9, \"reward_id\": \"r4\"}\n",
        r#"{"interaction_id": "x", "customer_id": 1, "timestamp": "2024-03-02T00:00:00Z", "#,
        "\"reward\": 9, \"reward_id\": \"r5\"}\n",
        r#"{"interaction_id": "x", "customer_id": 1, "timestamp": "2024-03-08T23:59:59.999Z", "#,
        "\"reward\": 9, \"reward_id\": \"r6\"}\n",
    );
    Case {
        name: "one of each reason, and one that joins",
        files: &[INTERACTION, ("rewards.jsonl", REWARDS)],
        expected: json!({
            "records": 7, "interactions": 1, "learned": 1, "rewards": 6,
            "rewards_unmatched": 4, "rewards_no_interaction": 2,
            "rewards_before": 1, "rewards_after": 1,
            "rewards_unmatched_by":
                {"unknown_id": 1, "other_customer": 1, "before": 1, "after": 1},
        }),
        says: &[
            ", 6 delayed rewards,",
            "\n4 of 6 delayed rewards are unmatched and count nowhere: 1 of an unknown \
                 interaction, 1 of one of another customer, 1 from before it, \
                 1 from after its window\n",
        ],
    }
}

fn moved_behind_its_reward() -> Case {
    Case {
        name: "an interaction that moves behind its reward",
        files: &[
            (
                "interactions.jsonl",
                r#"{"interaction_id": "x", "customer_id": 1, "timestamp": "2024-03-02", "action": 1}
{"interaction_id": "x", "customer_id": 1, "timestamp": "2024-03-03", "action": 1}
"#,
            ),
            ("rewards.jsonl", JOINED),
        ],
        expected: json!({
            "records": 3, "interactions": 1, "learned": 1, "rewards": 1, "replaced": 1,
            "rewards_unmatched": 1, "rewards_before": 1,
            "rewards_unmatched_by":
                {"unknown_id": 0, "other_customer": 0, "before": 1, "after": 0},
        }),
        says: &["\n1 of 1 delayed rewards"],
    }
}

fn taken_back() -> Case {
    Case {
        name: "an interaction that is taken back",
        files: &[
            (
                "interactions.jsonl",
                r#"{"interaction_id": "x", "customer_id": 1, "timestamp": "2024-03-02", "action": 1}
{"interaction_id": "x", "customer_id": 1, "op": "retract"}
"#,
            ),
            ("rewards.jsonl", JOINED),
        ],
        expected: json!({
            "records": 3, "rewards": 1, "retracted": 1,
            "rewards_unmatched": 1, "rewards_no_interaction": 1,
            "rewards_unmatched_by":
                {"unknown_id": 1, "other_customer": 0, "before": 0, "after": 0},
        }),
        says: &["1 of an unknown interaction"],
    }
}

fn erased_with_its_customer() -> Case {
    Case {
        name: "a reward that is erased with its customer",
        files: &[
            ("customers.jsonl", r#"{"customer_id": 1, "op": "erase"}"#),
            ("rewards.jsonl", JOINED),
        ],
        expected: json!({"records": 2, "erased": 1}),
        says: &[", 0 rejected\nmodel digest"],
    }
}

#[test]
fn whatever_becomes_of_a_record_is_in_the_summary_and_said() {
    for Case { name, files, expected, says } in cases() {
        for workers in ["1", "2", "3"] {
            let folder = tempfile::tempdir().expect("a folder");
            let (input, output) = (folder.path().join("in"), folder.path().join("out"));
            fs::create_dir(&input).expect("the input");
            // There are always purchases, though of nobody.
            fs::write(input.join("transactions.jsonl"), "").expect("no purchases");
            for (file, content) in files {
                if *file == "transactions.csv" {
                    fs::remove_file(input.join("transactions.jsonl")).expect("it is there");
                }
                fs::write(input.join(file), content).expect("an input file");
            }
            let mut command = Command::new(assert_cmd::cargo::cargo_bin!("sluice"));
            command
                .arg("replay")
                .arg("--input")
                .arg(&input)
                .arg("--output")
                .arg(&output)
                .args(["--workers", workers]);
            let said = String::from_utf8(command.assert().success().get_output().stdout.clone())
                .expect("UTF-8");
            let summary: Value =
                serde_json::from_slice(&fs::read(output.join("summary.json")).expect("a summary"))
                    .expect("JSON");
            let numbers =
                summary.as_object().expect("an object").iter().filter(|(key, _)| is_count(key));
            for (key, number) in numbers {
                let none = match key.as_str() {
                    "rewards_unmatched_by" => {
                        json!({"unknown_id": 0, "other_customer": 0, "before": 0, "after": 0})
                    }
                    "ignored_fields" => json!({}),
                    _ => json!(0),
                };
                assert_eq!(
                    number,
                    expected.get(key).unwrap_or(&none),
                    "{key} of {name}, {workers} workers"
                );
            }
            let unsaid: Vec<&&str> = says.iter().filter(|says| !said.contains(**says)).collect();
            assert!(unsaid.is_empty(), "{name}: {unsaid:?} is not in {said}");
        }
    }
}

/// Whether a key of the summary counts records: the others are about the run as a whole.
fn is_count(key: &str) -> bool {
    let others =
        ["customers", "dead_letters", "first_event", "last_event", "digest", "features_digest"];
    let costs =
        ["wall_seconds", "cpu_seconds", "events_per_second", "peak_memory_bytes", "workers"];
    !others.contains(&key) && !costs.contains(&key)
}
