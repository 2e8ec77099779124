//! `decide_on = "transaction"`: each purchase asks for a decision, once, whatever is repeated or
//! started again; and what serves otherwise from a start on changes nothing of before.

use crate::services::sender::Sender;
use crate::services::{Stage, eventually, topics};
use serde_json::Value;
use std::collections::BTreeMap;

const WORLD: [&str; 8] =
    ["--customers", "200", "--transactions", "3000", "--interactions", "3000", "--seed", "3"];

/// Decisions as they stand in the table, by customer and id.
type Decided = BTreeMap<(i64, String), Value>;

/// Explicit requests beside the purchases.
const REQUESTS: i64 = 40;

#[test]
fn every_purchase_is_decided_on_once() {
    let Some(stage) = Stage::set("decisions") else { return };
    stage.configure_saving("max_events = 300\n[bandit]\ndecide_on = \"transaction\"");
    let folder = stage.path("world");
    stage.sluice(&[&["generate", "--out", folder.to_str().expect("UTF-8")], &WORLD[..]].concat());
    stage.create_topics();
    let mut sender = Sender::new(&stage, 300);
    send_all(&stage, &mut sender);

    // What was decided before the kill stands after it, whether it had been published or not.
    let job = stage.start_with_log(&["--workers", "2"]);
    stage.wait_for("SELECT (count(*) > 0)::int FROM sluice.decisions", 1);
    eventually("a checkpoint is there", || !stage.checkpoints().is_empty());
    job.kill();
    let early = decisions(&stage);
    configure(
        &stage,
        &[(
            "decide_on = \"transaction\"",
            "decide_on = \"transaction\"\nalpha = 3.5\nridge = 20.0",
        )],
    );
    let job = stage.start_with_log(&["--workers", "1"]);
    // All may have been decided before the kill: the job is up once it has registered its start.
    stage.wait_for("SELECT incarnation FROM sluice.progress", 2);
    stage.wait_for("SELECT count(*) FROM sluice.decisions", 3_000 + REQUESTS);
    job.drain();
    let first = decisions(&stage);
    assert!(early.iter().all(|(id, row)| first.get(id) == Some(row)), "a decision has changed");
    let published = same_predictions(&stage, &first);

    // Known purchases and requests ask for nothing, whether they are repeated or the job is started
    // again.
    send_all(&stage, &mut sender);
    let job = stage.start_with_log(&["--workers", "3"]);
    stage.wait_for(
        "SELECT sum((counts->>'duplicates')::bigint) FROM sluice.epochs",
        6_000 + REQUESTS,
    );
    job.drain();
    assert_eq!(decisions(&stage), first);
    assert_eq!(same_predictions(&stage, &first), published);

    let last = replace(&stage, &mut sender, &first, published);
    repeat_all(&stage, &mut sender, &last);

    verify_with_others(&stage);
}

/// Without any checkpoint everything is computed again, by what served in each epoch.
fn repeat_all(stage: &Stage, sender: &mut Sender, last: &Decided) {
    configure(stage, &[("\"transaction\"", "\"request\""), ("alpha = 3.5", "alpha = 0.25")]);
    std::fs::rename(stage.path("checkpoints"), stage.path("former"))
        .expect("no checkpoint is left");
    sender.put(stage, "transactions", 3, &purchase("newest", 40));
    sender.put(
        stage,
        "requests",
        3,
        r#"{"decision_id":"last","customer_id":3,"timestamp":"2024-12-31"}"#,
    );
    let job = stage.start_with_log(&["--workers", "2"]);
    stage.wait_for("SELECT count(*) FROM sluice.decisions WHERE decision_id = 'last'", 1);
    stage.wait_for("SELECT sum(frequency) FROM sluice.customer_features", 3_003);
    let log = stage.log();
    assert!(
        log.contains(
            "bandit.alpha was 3.5 and is 0.25; bandit.decide_on was transaction and is request"
        ),
        "{log}"
    );
    job.drain();
    assert_eq!(decisions(stage).len(), last.len() + 1, "a purchase asks no more");
    stage.wait_for("SELECT count(*) FROM sluice.applied_settings", 3);
    stage.sluice(&["verify", stage.config().to_str().expect("UTF-8"), "--workers", "2"]);
}

/// What served is read back, whatever is configured; anything else has to be as it was.
fn verify_with_others(stage: &Stage) {
    configure(stage, &[("alpha = 0.25\nridge = 20.0", "alpha = 9.0")]);
    stage.sluice(&["verify", stage.config().to_str().expect("UTF-8")]);
    configure(stage, &[("alpha = 9.0", "attribution_window = \"3d\"")]);
    let output =
        crate::services::program().arg("verify").arg(stage.config()).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("bandit.attribution_window was 7d and is 3d"),
        "{said}"
    );
    assert!(output.stdout.is_empty(), "no row is listed");
}

/// A purchase that is replaced was decided on; a new one was not. Gives what is decided then.
fn replace(stage: &Stage, sender: &mut Sender, first: &Decided, published: usize) -> Decided {
    for purchase in
        [purchase("new", 10), purchase("new", 10), purchase("new", 20), purchase("newer", 30)]
    {
        sender.put(stage, "transactions", 3, &purchase);
    }
    let job = stage.start_with_log(&[]);
    stage.wait_for("SELECT incarnation FROM sluice.progress", 4);
    stage.wait_for("SELECT sum(frequency) FROM sluice.customer_features", 3_002);
    stage.wait_for("SELECT count(*) FROM sluice.decisions", 3_002 + REQUESTS);
    job.drain();
    let last = decisions(stage);
    assert!(first.iter().all(|(id, row)| last.get(id) == Some(row)), "a decision has changed");
    assert_eq!(same_predictions(stage, &last), published + 2);
    last
}

fn purchase(id: &str, amount: u32) -> String {
    format!(
        "{{\"transaction_id\":\"{id}\",\"customer_id\":3,\"timestamp\":\"2024-12-30\",\
        \"amount\":{amount}}}"
    )
}

/// Changes the configuration, each text to another.
fn configure(stage: &Stage, changes: &[(&str, &str)]) {
    let before = std::fs::read_to_string(stage.config()).expect("a configuration");
    let changed = changes.iter().fold(before, |toml, (from, to)| {
        assert!(toml.contains(from), "{from} in {toml}");
        toml.replace(from, to)
    });
    std::fs::write(stage.config(), changed).expect("a configuration");
}

/// Sends the world and the requests; a transaction stays open behind them.
fn send_all(stage: &Stage, sender: &mut Sender) {
    sender.send_world(stage, &stage.path("world"), topics::PARTITIONS);
    for customer in 0..REQUESTS {
        let request = format!(
            "{{\"decision_id\":\"asked-{customer}\",\"customer_id\":{customer},\
            \"timestamp\":\"2024-06-01\"}}"
        );
        sender.add(stage, "requests", customer, &request);
    }
    sender.leave_open();
}

/// What stands in the table, by customer and id.
fn decisions(stage: &Stage) -> Decided {
    let query = "SELECT customer_id, decision_id, jsonb_build_object(
            'decision_id', decision_id, 'customer_id', customer_id, 'timestamp', (extract(epoch \
            FROM ts) * 1000)::bigint, 'action', arm,
            'campaign_name', campaign_name, 'propensity', propensity, 'expected_reward', \
            expected_reward, 'uncertainty', uncertainty,
            'scores', scores, 'model_version', model_version, 'policy', policy)::text
        FROM sluice.decisions";
    let rows = stage.database().query(query, &[]).expect("decisions");
    rows.iter()
        .map(|row| ((row.get(0), row.get(1)), serde_json::from_str(row.get(2)).expect("JSON")))
        .collect()
}

/// The topic of predictions has each decision of the table as it stands there, at least once; gives
/// how many records it has.
fn same_predictions(stage: &Stage, decisions: &Decided) -> usize {
    let published = topics::read_all(&stage.brokers, &stage.topic("predictions"));
    let mut found = BTreeMap::new();
    for value in &published {
        let value: Value = serde_json::from_slice(value).expect("JSON");
        let key = (
            value["customer_id"].as_i64().expect("a customer"),
            value["decision_id"].as_str().expect("an id").to_string(),
        );
        if let Some(before) = found.insert(key, value.clone()) {
            assert_eq!(before, value, "a repetition differs");
        }
    }
    assert_eq!(found.keys().collect::<Vec<_>>(), decisions.keys().collect::<Vec<_>>());
    for (key, value) in &found {
        for (name, field) in value.as_object().expect("an object") {
            let wanted = &decisions[key][name];
            let same = match (field.as_f64(), wanted.as_f64()) {
                (Some(a), Some(b)) => a == b,
                _ if name == "scores" => numbers(field) == numbers(wanted),
                _ => field == wanted,
            };
            assert!(same, "{name} of {key:?} is published as {field} and kept as {wanted}");
        }
    }
    published.len()
}

fn numbers(list: &Value) -> Vec<Option<f64>> {
    list.as_array().expect("a list").iter().map(Value::as_f64).collect()
}
