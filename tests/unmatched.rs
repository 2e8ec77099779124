//! Rewards that join nothing in a job that runs: counted with its epochs, on the console from the
//! start, said in the log, and the same after a kill and for `sluice verify`.

use crate::services::console::Console;
use crate::services::sender::Sender;
use crate::services::{Stage, eventually, program};

/// 2024-03-01T00:00:00Z.
const DAY: i64 = 1_709_251_200_000;

/// Sends a record to its customer's partition.
fn put(stage: &Stage, sender: &mut Sender, topic: &str, customer: i64, value: &str) {
    let value = format!(r#"{{"customer_id":{customer},{value}}}"#);
    sender.send(
        &stage.topic(topic),
        0,
        Some(customer.to_string().as_bytes()),
        Some(value.as_bytes()),
        DAY + 10 * 86_400_000,
    );
    sender.flush();
}

/// The metric, by reason: unknown_id, other_customer, before, after.
fn told(console: Console) -> [i64; 4] {
    let (_, text) = console.get("/metrics");
    ["unknown_id", "other_customer", "before", "after"].map(|reason| {
        let name = format!("sluice_rewards_unmatched{{reason=\"{reason}\"}} ");
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(&name))
            .unwrap_or_else(|| panic!("no {reason} in {text}"));
        value.parse().expect("a whole number")
    })
}

fn wait_for_counts(stage: &Stage, expected: [i64; 3]) {
    for (name, number) in
        ["rewards_no_interaction", "rewards_before", "rewards_after"].into_iter().zip(expected)
    {
        stage.wait_for(
            &format!(
                "SELECT coalesce(sum((counts->>'{name}')::bigint), 0)::bigint FROM sluice.epochs"
            ),
            number,
        );
    }
}

/// Sends purchases, and with them lets epochs pass, until the console says so.
fn wait_for_told(stage: &Stage, sender: &mut Sender, purchases: &mut i64, expected: [i64; 4]) {
    let console = Console::of(stage);
    let mut last = [-1; 4];
    eventually(&format!("{expected:?} are told"), || {
        *purchases += 1;
        put(
            stage,
            sender,
            "transactions",
            9,
            &format!(r#""transaction_id":{purchases},"timestamp":{DAY},"amount":1"#),
        );
        let here = *purchases;
        stage.wait_for(
            "SELECT sum((counts->>'transactions')::bigint)::bigint FROM sluice.epochs",
            here,
        );
        last = told(console);
        last == expected
    });
}

#[test]
fn a_running_job_says_which_rewards_join_nothing() {
    let Some(stage) = Stage::set("unmatched") else { return };
    std::fs::write(stage.config(), stage.saving_toml("").replace("200ms", "10ms"))
        .expect("the configuration can be written");
    stage.create_topics();
    let (mut sender, mut purchases) = (Sender::new(&stage, 3), 0);
    let job = stage.start_with_log(&["--workers", "2"]);
    assert_eq!(told(Console::of(&stage)), [0; 4]);

    let interaction =
        |id: &str, at: i64| format!(r#""interaction_id":"{id}","timestamp":{at},"action":1"#);
    let reward = |id: &str, of: &str, at: i64| {
        format!(r#""interaction_id":"{of}","reward_id":"{id}","timestamp":{at},"reward":1"#)
    };
    for number in 0..12 {
        put(
            &stage,
            &mut sender,
            "rewards",
            1,
            &reward(&format!("r{number}"), &format!("x{number}"), DAY + 60_000),
        );
    }
    put(&stage, &mut sender, "interactions", 2, &interaction("x0", DAY));
    put(&stage, &mut sender, "interactions", 1, &interaction("y", DAY));
    put(&stage, &mut sender, "rewards", 1, &reward("early", "y", DAY - 1));
    put(&stage, &mut sender, "rewards", 1, &reward("late", "y", DAY + 8 * 86_400_000));
    put(&stage, &mut sender, "rewards", 1, &reward("joined", "y", DAY + 60_000));
    wait_for_counts(&stage, [12, 1, 1]);
    wait_for_told(&stage, &mut sender, &mut purchases, [11, 1, 1, 1]);
    eventually("it is in the log", || {
        stage.log().contains("delayed rewards join no interaction and count nowhere")
    });
    eventually("a checkpoint is there", || !stage.checkpoints().is_empty());
    job.kill();

    let job = stage.start_with_log(&["--workers", "3"]);
    stage.wait_for("SELECT incarnation FROM sluice.progress", 2);
    put(&stage, &mut sender, "interactions", 1, &interaction("x1", DAY));
    put(&stage, &mut sender, "interactions", 1, &interaction("y", DAY + 120_000));
    wait_for_counts(&stage, [11, 2, 1]);
    wait_for_told(&stage, &mut sender, &mut purchases, [10, 1, 2, 1]);
    job.drain();

    let verified = program()
        .arg("verify")
        .arg(stage.config())
        .args(["--workers", "2"])
        .output()
        .expect("the program can be started");
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(verified.status.success(), "{said}{}", String::from_utf8_lossy(&verified.stderr));
}
