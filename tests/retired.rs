//! Arms that are retired and come back: from one start to the next decisions pass one by, while all
//! else of it goes on, and what is computed again is decided as it was.

use crate::services::sender::Sender;
use crate::services::topics::PARTITIONS;
use crate::services::verifying::verified;
use crate::services::{Stage, eventually};
use serde_json::json;
use std::collections::BTreeMap;

const WORLD: [&str; 8] =
    ["--customers", "150", "--transactions", "1500", "--interactions", "1200", "--seed", "5"];

/// How many ask in each part.
const REQUESTS: i64 = 60;

/// Who came with a decision that was made.
const DECIDED: i64 = 7;

struct Scene {
    stage: Stage,
    sender: Sender,
    requests: i64,
}

impl Scene {
    fn number(&self, query: &str) -> i64 {
        self.stage.database().query_one(query, &[]).expect("a number").get(0)
    }

    /// Runs the job with these arms retired until so many more have been answered, and a contact by
    /// each arm has been learned of; gives how often each arm was chosen.
    fn run(&mut self, part: &str, retired: &str, workers: &str) -> BTreeMap<i64, i64> {
        self.stage.configure_saving(&format!("max_events = 200\n[bandit]\nretired = {retired}"));
        let job = self.stage.start_with_log(&["--workers", workers]);
        for customer in 0..REQUESTS {
            let request = json!({
                "decision_id": format!("{part}-{customer}"), "customer_id": customer,
                "timestamp": "2024-12-30",
            });
            self.sender.put(&self.stage, "requests", customer, &request.to_string());
        }
        for arm in 0..4 {
            let contact = json!({
                "interaction_id": format!("{part}-{arm}"), "customer_id": arm, "action": arm,
                "timestamp": "2024-12-30", "reward": 100,
            });
            self.sender.put(&self.stage, "interactions", arm, &contact.to_string());
        }
        self.requests += REQUESTS;
        self.stage.wait_for("SELECT count(*) FROM sluice.decisions", self.requests);
        let all = "SELECT sum(n)::bigint FROM (SELECT DISTINCT ON (arm) n FROM \
            sluice.model_versions ORDER BY arm, version DESC) newest";
        let contacts = 1_200 + 4 * self.requests / REQUESTS;
        eventually("all has been learned", || self.number(all) == contacts);
        eventually("a checkpoint is there", || !self.stage.checkpoints().is_empty());
        job.drain();
        let chosen = "SELECT arm::bigint, count(*) FROM sluice.decisions WHERE \
            split_part(decision_id, '-', 1) = $1 GROUP BY 1";
        let rows = self.stage.database().query(chosen, &[&part]).expect("decisions");
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }
}

#[test]
fn a_retired_arm_is_passed_by_until_it_comes_back() {
    let Some(stage) = Stage::set("retired") else { return };
    stage.configure_saving("max_events = 200");
    let folder = stage.path("world");
    stage.sluice(&[&["generate", "--out", folder.to_str().expect("UTF-8")], &WORLD[..]].concat());
    stage.create_topics();
    let mut sender = Sender::plain(&stage);
    sender.send_world(&stage, &folder, PARTITIONS);
    let mut scene = Scene { stage, sender, requests: 0 };
    scene.run("warming", "[]", "1");
    let before = scene.run("before", "[]", "2");
    let (&favorite, _) = before.iter().max_by_key(|(_, times)| **times).expect("an arm");
    let name = ["Email", "SMS", "Push", "Direct Mail"][favorite as usize];

    // A decision that was made by who did not know is taken as made.
    let context: Vec<i16> = (0..32).map(|place| if place == 0 { 4096 } else { 0 }).collect();
    let made = json!({
        "decision_id": "made", "customer_id": DECIDED, "timestamp": "2024-12-30",
        "decided": {
            "action": favorite, "propensity": 0.25, "expected_reward": 0.0, "uncertainty": 1.0,
            "alpha": 0.5, "scores": [0.5, 0.5, 0.5, 0.5], "model_version": 0, "policy": "linucb",
            "context": context,
        },
    });
    scene.sender.put(&scene.stage, "requests", DECIDED, &made.to_string());
    scene.requests += 1;
    let without = scene.run("without", &format!("[{name:?}]"), "3");
    assert_eq!(without.get(&favorite), None, "{without:?}");
    assert_eq!(without.values().sum::<i64>(), REQUESTS);
    let of_made = "SELECT count(*) FROM sluice.decisions WHERE decision_id = 'made' AND arm = ";
    assert_eq!(scene.number(&format!("{of_made}{favorite}")), 1);
    assert_eq!(
        scene.number("SELECT count(*) FROM sluice.decisions WHERE cardinality(scores) <> 4"),
        0,
        "its score is told all the same"
    );
    verified(&scene.stage.config(), &["--workers", "2"]);

    // Without any checkpoint each epoch is decided by what was retired in it.
    let former = scene.stage.path("former");
    std::fs::rename(scene.stage.path("checkpoints"), former).expect("no checkpoint is left");
    let back = scene.run("back", "[]", "2");
    assert!(back.contains_key(&favorite), "{back:?}");
    assert_eq!(scene.number("SELECT count(*) FROM sluice.applied_settings"), 3);
    verified(&scene.stage.config(), &[]);

    // Taken out of the list of arms it is refused, and where it is to be named is said.
    let toml = scene.stage.toml("").replacen(
        "[kafka]\n",
        "[bandit]\narms = [\"Email\", \"SMS\", \"Direct Mail\"]\n[kafka]\n",
        1,
    );
    std::fs::write(scene.stage.config(), toml).expect("a configuration");
    let code = scene.stage.start_with_log(&["--reconfigure"]).wait();
    let log = scene.stage.log();
    let advice = "stays there and is named in bandit.retired: \"Push\"";
    assert!(code == Some(4) && log.contains(advice), "{code:?} {log}");
}
