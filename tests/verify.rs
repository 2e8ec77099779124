//! `sluice verify` beside a job that takes in a hostile history, killed and gone on from a
//! checkpoint, and with rows changed by hand; and `sluice replay` of its topics: from offsets and
//! timestamps, in one epoch and in the recorded ones.

use crate::hostile::History;
use crate::services::sender::{COPIES, Sender};
use crate::services::verifying::{follow, verified, verify};
use crate::services::{Stage, eventually, field, text, topics};
use postgres::{Client, NoTls};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const LINES: usize = 2_500;
const SEED: u64 = 23;
const FILES: [&str; 5] = ["customers", "transactions", "interactions", "rewards", "requests"];

/// The lines of each file, in order.
type Lines = BTreeMap<&'static str, Vec<Vec<u8>>>;

/// A hostile history, and requests for decisions all over its time.
fn history() -> Lines {
    let files = History::generate(SEED, LINES).jsonl();
    let split = |bytes: &Vec<u8>| -> Vec<Vec<u8>> {
        let lines =
            bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        lines.filter(|line| !line.trim_ascii().is_empty()).map(<[u8]>::to_vec).collect()
    };
    let mut lines: Lines = FILES
        .iter()
        .filter_map(|name| Some((*name, split(files.get(&format!("{name}.jsonl"))?))))
        .collect();
    let request = |number: i64| {
        let (customer, instant) = (100 + number % 40, 1_650_000_000_000 + number * 1_500_000_000);
        let mut request = json!({
            "decision_id": format!("d-{number}"), "customer_id": customer, "timestamp": instant,
        });
        // Some were decided when they were asked for, before anything was learned.
        if number % 6 == 5 {
            let context: Vec<i16> =
                (0..32).map(|place| if place == 0 { 4096 } else { 0 }).collect();
            request["decided"] = json!({
                "action": 2, "propensity": 0.25, "expected_reward": 0.0, "uncertainty": 1.0,
                "alpha": 0.5, "scores": [0.5, 0.5, 0.5, 0.5], "model_version": 0,
                "policy": "linucb", "context": context,
            });
        }
        request.to_string().into_bytes()
    };
    lines.insert("requests", (0..60).map(request).collect());
    // Should requests be read first, time stands behind all purchases at once: two more let a day
    // close that has one.
    let purchase = |days: i64| {
        let instant = 1_741_000_000_000 + days * 86_400_000;
        let purchase = json!({
            "transaction_id": format!("last-{days}"), "customer_id": 100,
            "timestamp": instant, "amount": 5,
        });
        purchase.to_string().into_bytes()
    };
    lines.entry("transactions").or_default().extend([0, 10].map(purchase));
    lines
}

/// Writes lines as the files of a directory, and replays them; gives the digests of model and
/// features.
fn replay_files(stage: &Stage, name: &str, lines: &Lines) -> (String, String) {
    let (input, output) = (stage.path(&format!("{name}-in")), stage.path(name));
    std::fs::create_dir_all(&input).expect("a folder");
    for (file, lines) in lines {
        let mut bytes = lines.join(&b'\n');
        bytes.push(b'\n');
        std::fs::write(input.join(format!("{file}.jsonl")), bytes).expect("a file");
    }
    stage.sluice(&["replay", "--input", text(&input), "--output", text(&output), "--workers", "2"]);
    digests(&output)
}

/// Replays the topics; gives the digests of model and features.
fn replay_topics(stage: &Stage, name: &str, more: &[&str]) -> (String, String) {
    let output = stage.path(name);
    stage.sluice(
        &[&["replay", "--config", text(&stage.config()), "--output", text(&output)], more].concat(),
    );
    digests(&output)
}

fn digests(output: &Path) -> (String, String) {
    let digest = |name: &str| {
        field(&output.join("model.json"), name).as_str().expect("a digest").to_string()
    };
    (digest("digest"), digest("features_digest"))
}

/// Each topic's records lie in one partition of their own, in the order of the lines.
fn partition(file: &str) -> i32 {
    FILES.iter().position(|name| *name == file).map_or(0, |place| place as i32 % 3)
}

/// The lines of each file, sent into the topics.
struct Produced {
    sender: Sender,
    /// The offset of each line.
    offsets: BTreeMap<&'static str, Vec<i64>>,
    /// When the broker is told that the first record of each topic came; the next ones come a
    /// millisecond after each other. Marks of transactions bear the time of the day, and would be
    /// found before records that are older: so all of it is soon to come.
    began: i64,
}

impl Produced {
    fn new(stage: &Stage) -> Produced {
        let soon = jiff::Timestamp::now().as_millisecond() + 1_800_000;
        Produced { sender: Sender::new(stage, 100), offsets: BTreeMap::new(), began: soon }
    }

    /// Sends the lines of each file from `from` to `until`, in parts of its length.
    fn produce(
        &mut self,
        stage: &Stage,
        lines: &Lines,
        from: (usize, usize),
        until: (usize, usize),
    ) {
        for (&file, lines) in lines {
            let place = |(part, of)| lines.len() * part / of;
            let offsets = self.offsets.entry(file).or_default();
            for (line, at) in lines[place(from)..place(until)].iter().zip(place(from)..) {
                // A topic that is compacted takes no records without a key; here each has its own.
                let key = at.to_string();
                let (_, _, offset) = self.sender.send(
                    &stage.topic(file),
                    partition(file),
                    Some(key.as_bytes()),
                    Some(line),
                    self.began + at as i64,
                );
                offsets.push(offset);
            }
        }
    }
}

/// The differences that were named: table, column (empty: the row as a whole), and how many there
/// are of it.
fn named(said: &Value) -> BTreeSet<(String, String, u64)> {
    let tables = said["tables"].as_array().unwrap_or_else(|| panic!("no tables: {said}"));
    let of = |table: &Value| {
        let (name, total) = (
            table["table"].as_str().unwrap_or_default().to_string(),
            table["total"].as_u64().unwrap_or_default(),
        );
        let named = table["named"].as_array().cloned().unwrap_or_default();
        named
            .into_iter()
            .map(move |difference| {
                (name.clone(), difference["column"].as_str().unwrap_or_default().to_string(), total)
            })
            .collect::<Vec<_>>()
    };
    tables.iter().flat_map(of).collect()
}

/// A copy of the stage's database with these changes, and a configuration that points there.
fn changed(stage: &Stage, name: &str, changes: &[String]) -> std::path::PathBuf {
    let (base, database) = stage.url().rsplit_once('/').expect("an address");
    let copy = format!("{database}_{name}");
    let mut server =
        Client::connect(&format!("{base}/postgres"), NoTls).expect("the server answers");
    server.batch_execute(&format!("CREATE DATABASE {copy} TEMPLATE {database}")).expect("a copy");
    let mut client = Client::connect(&format!("{base}/{copy}"), NoTls).expect("the copy answers");
    client.batch_execute("SET search_path = sluice").expect("a schema");
    for change in changes {
        let changed = client
            .execute(change.as_str(), &[])
            .unwrap_or_else(|error| panic!("{change}: {error}"));
        assert!(changed <= 1 || change.starts_with("CREATE"), "{change} changed {changed} rows");
        assert!(
            changed == 1 || !["UPDATE", "DELETE", "INSERT"].contains(&&change[..6]),
            "{change} changed nothing"
        );
    }
    let config = stage.path(&format!("{name}.toml"));
    std::fs::write(&config, stage.toml("").replace(stage.url(), &format!("{base}/{copy}")))
        .expect("a configuration");
    config
}

/// The tables of results, a row of each, and its key.
const ROWS: [(&str, &str); 10] = [
    (
        "customer_features",
        "customer_id = (SELECT max(customer_id) FROM customer_features WHERE monetary > 0)",
    ),
    (
        "interactions",
        "(customer_id, interaction_key) = (SELECT customer_id, interaction_key FROM \
        interactions WHERE learned ORDER BY 1, 2 LIMIT 1)",
    ),
    (
        "decisions",
        "(customer_id, decision_key) = (SELECT customer_id, decision_key FROM decisions \
        ORDER BY 1, 2 LIMIT 1)",
    ),
    (
        "segments",
        "(is_high_value, is_at_risk, is_frequent_buyer, is_recent_active) =
         (SELECT is_high_value, is_at_risk, is_frequent_buyer, is_recent_active FROM segments \
         ORDER BY customers DESC LIMIT 1)",
    ),
    ("arm_stats", "(day, arm) = (SELECT day, arm FROM arm_stats ORDER BY day, arm LIMIT 1)"),
    (
        "model_versions",
        "(version, arm) = (SELECT version, arm FROM model_versions WHERE a IS NOT \
        NULL ORDER BY 1 DESC, 2 LIMIT 1)",
    ),
    ("model_metrics", "epoch = 2"),
    ("dead_letters", "id = (SELECT min(id) FROM dead_letters)"),
    ("thresholds", "day = (SELECT min(day) FROM thresholds)"),
    ("erasures", "id = (SELECT min(id) FROM erasures)"),
];

/// What is changed in that row: an assignment, and the column that differs then.
const ASSIGNMENTS: [(&str, &str); 10] = [
    ("monetary = monetary + 0.01", "monetary"),
    ("context[3] = context[3] + 1", "context"),
    ("uncertainty = uncertainty * 2", "uncertainty"),
    ("customers = customers + 1", "customers"),
    ("reward = reward + 0.0000152587890625", "reward"),
    ("a = set_byte(a, 0, get_byte(a, 0) # 1)", "a"),
    ("late = late + 1", "late"),
    ("raw = raw || '\\x00'", "raw"),
    ("high_value = high_value + 1", "high_value"),
    ("transactions = transactions + 1", "transactions"),
];

/// How a row of another key is made of that row.
const OTHERS: [&str; 10] = [
    "customer_id = -1",
    "interaction_key = interaction_key + 1",
    "decision_key = decision_key + 1",
    "(is_high_value, is_at_risk, is_frequent_buyer, is_recent_active) = (SELECT h, a, f, r FROM
        (VALUES (false), (true)) h (h), (VALUES (false), (true)) a (a), (VALUES (false), (true)) f \
        (f), (VALUES (false), (true)) r (r)
        WHERE NOT EXISTS (SELECT FROM segments s WHERE (s.is_high_value, s.is_at_risk, \
        s.is_frequent_buyer, s.is_recent_active) = (h, a, f, r)) LIMIT 1)",
    "arm = 99",
    "version = -1",
    "epoch = -1",
    "id = -1, position = -1",
    "day = '1999-01-01'",
    "id = -1",
];

fn updated() -> Vec<String> {
    let results = ROWS.iter().zip(ASSIGNMENTS).map(|((table, row), (assignment, _))| {
        format!("UPDATE {table} SET {assignment} WHERE {row}")
    });
    let others = [
        "UPDATE epochs SET digest = repeat('0', 64) WHERE epoch = 2",
        "UPDATE epochs SET counts = jsonb_set(counts, '{late}', '-1') WHERE epoch = 3",
        "UPDATE epochs SET watermark = watermark + interval '1 millisecond' WHERE epoch = (SELECT \
         max(epoch) FROM epochs)",
        "UPDATE progress SET published = epoch + 5",
    ];
    results.chain(others.map(str::to_string)).collect()
}

fn inserted() -> Vec<String> {
    let of = |((table, row), other): (&(&str, &str), &str)| {
        [
            format!("CREATE TEMP TABLE one AS SELECT * FROM {table} WHERE {row}"),
            format!("UPDATE one SET {other}"),
            format!("INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM one"),
            "DROP TABLE one".to_string(),
        ]
    };
    ROWS.iter().zip(OTHERS).flat_map(of).collect()
}

/// Every change is found, each in its table, and nothing else.
fn find_changes(stage: &Stage) {
    let row = |table: &str, column: &str, total| (table.to_string(), column.to_string(), total);
    let (code, said) = verify(&changed(stage, "updated", &updated()), &[]);
    let mut wanted: BTreeSet<_> = ROWS
        .iter()
        .zip(ASSIGNMENTS)
        .map(|((table, _), (_, column))| row(table, column, 1))
        .collect();
    // Of the three records that were changed two are not what their links stand for any more.
    wanted.extend(
        ["digest", "counts.late", "watermark", "chain"].map(|column| row("epochs", column, 5)),
    );
    wanted.insert(row("progress", "published", 1));
    assert_eq!((code, named(&said)), (Some(1), wanted), "{said:#}");

    let whole: BTreeSet<_> = ROWS.iter().map(|(table, _)| row(table, "", 1)).collect();
    let deleted: Vec<String> =
        ROWS.iter().map(|(table, key)| format!("DELETE FROM {table} WHERE {key}")).collect();
    let (code, said) = verify(&changed(stage, "deleted", &deleted), &["--workers", "2"]);
    assert_eq!((code, named(&said)), (Some(1), whole.clone()), "{said:#}");

    let (code, said) = verify(&changed(stage, "inserted", &inserted()), &[]);
    assert_eq!((code, named(&said)), (Some(1), whole), "{said:#}");

    let (code, said) =
        verify(&changed(stage, "gap", &["DELETE FROM epochs WHERE epoch = 2".to_string()]), &[]);
    assert_eq!((code, named(&said)), (Some(1), BTreeSet::from([row("epochs", "", 1)])), "{said:#}");
    assert!(said["incomplete"].as_str().is_some_and(|why| why.contains("epoch 2")), "{said:#}");
}

/// Whatever is changed by hand is found by a verification that goes on from an earlier one too: in
/// rows of before, and in newer ones.
fn find_changes_since(stage: &Stage, verified: u64) {
    let row = |table: &str, column: &str, total| (table.to_string(), column.to_string(), total);
    let since = |config: &Path, since: &str| verify(config, &["--since", since]);
    let (code, said) = since(&changed(stage, "updated_since", &updated()), "last");
    let mut wanted: BTreeSet<_> = ROWS
        .iter()
        .zip(ASSIGNMENTS)
        .map(|((table, _), (_, column))| row(table, column, 1))
        .collect();
    // Two of the three changed records are of before; of the third the watermark is found, and its
    // link.
    wanted.extend(
        ["as they were verified", "watermark", "chain"].map(|column| row("epochs", column, 3)),
    );
    wanted.insert(row("progress", "published", 1));
    assert_eq!(
        (code, named(&said), &said["since_epoch"]),
        (Some(1), wanted, &json!(verified)),
        "{said:#}"
    );

    let whole: BTreeSet<_> = ROWS.iter().map(|(table, _)| row(table, "", 1)).collect();
    let deleted: Vec<String> =
        ROWS.iter().map(|(table, key)| format!("DELETE FROM {table} WHERE {key}")).collect();
    let (code, said) = since(&changed(stage, "deleted_since", &deleted), "last");
    assert_eq!((code, named(&said)), (Some(1), whole.clone()), "{said:#}");
    let (code, said) = since(&changed(stage, "inserted_since", &inserted()), "last");
    assert_eq!((code, named(&said)), (Some(1), whole), "{said:#}");

    // Of a history that parts from the verified one before its end nothing can be told.
    let other = format!("UPDATE epochs SET chain = repeat('0', 64) WHERE epoch = {verified}");
    let (code, said) = since(&changed(stage, "other_since", &[other]), "last");
    assert!(
        code == Some(1)
            && said.as_str().is_some_and(
                |said| said.contains("another history") && said.contains("without --since")
            ),
        "{said}"
    );
}

/// Whatever part of the topics is replayed gives what the same part gives from files.
fn replay_parts(stage: &Stage, lines: &Lines, produced: &Produced) {
    let whole = replay_files(stage, "files", lines);
    assert_eq!(
        replay_topics(stage, "topics", &["--from", "earliest", "--workers", "2"]),
        whole,
        "all of the topics"
    );
    let dead = |name: &str| {
        std::fs::read_to_string(stage.path(name).join("dead_letters.jsonl"))
            .expect("dead letters")
            .lines()
            .count()
    };
    assert_eq!(dead("topics"), dead("files"));
    let held_back = field(&stage.path("topics").join("summary.json"), "held_back");
    let partitions = held_back
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, partitions)| partitions.as_object());
    let offsets: u64 = partitions.flatten().filter_map(|(_, offsets)| offsets.as_u64()).sum();
    assert_eq!(
        offsets, COPIES as u64,
        "what was sent in the transaction that is left open: {held_back}"
    );

    // By offsets: the first two thirds of each file but the first ten lines, given inline and in a
    // file.
    let part = |from: usize, until: usize| -> Lines {
        lines
            .iter()
            .map(|(file, lines)| {
                (*file, lines[from.min(lines.len())..until.min(lines.len())].to_vec())
            })
            .collect()
    };
    let offsets = |behind: &dyn Fn(usize) -> usize| {
        let behind = |offsets: &Vec<i64>| offsets[behind(offsets.len()) - 1] + 1;
        let of = |(file, offsets): (&&str, &Vec<i64>)| {
            (stage.topic(file), json!({ (partition(file).to_string()): behind(offsets) }))
        };
        Value::Object(produced.offsets.iter().map(of).collect()).to_string()
    };
    let third: Lines = lines
        .iter()
        .map(|(file, lines)| (*file, lines[10..lines.len() * 2 / 3].to_vec()))
        .collect();
    let until = stage.path("until.json");
    std::fs::write(&until, offsets(&|length| length * 2 / 3)).expect("a file");
    let found =
        replay_topics(stage, "by-offsets", &["--from", &offsets(&|_| 10), "--until", text(&until)]);
    assert_eq!(found, replay_files(stage, "thirds", &third), "from and until offsets");

    // By timestamps: a record's is the broker's, a millisecond a line.
    let (from, until) = ((produced.began + 20).to_string(), (produced.began + 400).to_string());
    let found = replay_topics(stage, "by-time", &["--from", &from, "--until", &until]);
    assert_eq!(found, replay_files(stage, "some", &part(20, 400)), "from and until timestamps");
}

/// With the recorded epochs the model comes out as the job had it, and with the same late events.
fn replay_epochs(stage: &Stage) {
    let mut database = stage.database();
    let rows = database
        .query("SELECT row_to_json(e)::text FROM sluice.epochs e ORDER BY epoch", &[])
        .expect("epochs");
    let epochs: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let file = stage.path("epochs.jsonl");
    std::fs::write(&file, epochs.join("\n")).expect("a file");
    let (digest, _) =
        replay_topics(stage, "epochs", &["--from", "earliest", "--epochs", text(&file)]);
    let row = database.query_one(
        "SELECT (SELECT digest FROM sluice.epochs ORDER BY epoch DESC LIMIT 1), \
         sum((counts->>'late')::bigint)::bigint FROM sluice.epochs",
        &[],
    );
    let row = row.expect("epochs");
    assert_eq!(digest, row.get::<_, String>(0), "the digest of the last epoch");
    assert_eq!(field(&stage.path("epochs").join("summary.json"), "late"), row.get::<_, i64>(1));
    assert!(row.get::<_, i64>(1) > 0, "a hostile history has late events");
}

/// Removes the first records of a partition, as retention would.
fn forget_records(stage: &Stage) {
    topics::trim(&stage.brokers, &stage.topic("rewards"), partition("rewards"), 5);
}

#[test]
fn a_job_is_verified_beside_its_running_and_every_change_by_hand_is_found() {
    let Some(stage) = Stage::set("verify") else { return };
    stage.configure_saving("max_events = 100\n");
    stage.create_topics_with_compacted_customers();
    let lines = history();
    let job = stage.start_with_log(&["--workers", "2"]);
    // Only when the first half has been learned from the second comes: much of it is late then.
    let mut produced = Produced::new(&stage);
    produced.produce(&stage, &lines, (0, 2), (1, 2));
    stage.wait_for("SELECT (count(*) > 50)::int FROM sluice.interactions WHERE learned", 1);
    eventually("a checkpoint", || !stage.checkpoints().is_empty());
    produced.produce(&stage, &lines, (1, 2), (2, 3));
    produced.sender.leave_open();
    job.kill();
    let job = stage.start_with_log(&["--workers", "3"]);
    produced.produce(&stage, &lines, (2, 3), (1, 1));
    produced.sender.leave_open();
    let (code, said) = verify(&stage.config(), &["--workers", "2"]);
    assert_eq!(
        (code, &said["ok"]),
        (Some(0), &Value::Bool(true)),
        "beside the running job: {said:#}"
    );
    let before = said["epoch"].as_u64().expect("an epoch");

    eventually("everything is committed", || produced.sender.is_read(&stage.committed()));
    let incarnation = "SELECT incarnation FROM sluice.progress";
    stage.wait_for(incarnation, 2);
    // Partitions without a record hold time back until they are idle.
    stage.wait_for("SELECT (count(*) > 0)::int FROM sluice.thresholds", 1);
    job.drain();
    let log = stage.log();
    assert!(!log.contains("ERROR") && log.contains("The checkpoint is loaded."), "{log}");

    find_changes_since(&stage, before);
    let (code, since) = verify(&stage.config(), &["--since", "last"]);
    assert_eq!(
        (code, &since["ok"], &since["since_epoch"]),
        (Some(0), &Value::Bool(true), &json!(before)),
        "{since:#}"
    );
    let last = since["epoch"].as_u64().expect("an epoch");
    assert!(last > before, "the job went on after epoch {before}: {since:#}");

    let (code, said) = verify(&stage.config(), &[]);
    assert_eq!((code, &said["ok"]), (Some(0), &Value::Bool(true)), "{said:#}");
    let compared = |said: &Value| {
        said["tables"]
            .as_array()
            .into_iter()
            .flatten()
            // Scored again are those of epochs that are computed again.
            .filter(|t| t["table"] != "decided")
            .map(|t| (t["table"].clone(), t["rows"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        compared(&since),
        compared(&said),
        "all rows are compared, whatever was verified before"
    );
    let rows: BTreeMap<&str, u64> = said["tables"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|t| (t["table"].as_str().unwrap_or_default(), t["rows"].as_u64().unwrap_or(0)))
        .collect();
    assert_eq!(rows.len(), 13, "{rows:?}");
    stage.wait_for(
        "SELECT count(*) FROM sluice.decisions WHERE propensity = 0.25 AND uncertainty = 1 \
         AND arm = 2 AND model_version = 0",
        rows["decided"] as i64,
    );
    assert!(rows.values().all(|rows| *rows > 0), "every table has rows to be compared: {rows:?}");
    stage.wait_for(incarnation, 2);

    find_changes(&stage);
    replay_parts(&stage, &lines, &produced);
    replay_epochs(&stage);
    produced.sender.finish();
    forget_records(&stage);
    let (code, said) = verify(&stage.config(), &[]);
    assert_eq!(code, Some(1));
    assert!(
        said.as_str().is_some_and(|said| said.contains(
            "retention has removed"
        ) && said.contains("offset 5")),
        "{said}"
    );
    let (code, said) = verify(&stage.config(), &["--since", "last"]);
    assert_eq!(
        (code, &said["ok"], &said["since_epoch"]),
        (Some(0), &Value::Bool(true), &json!(last)),
        "what was read before need not be there: {said:#}"
    );
}

/// Six hours, from one round of contacts to the next.
const ROUND: i64 = 6 * 3_600_000;

/// Contacts and requests of nine customers, in the order of time.
struct Rounds<'a> {
    stage: &'a Stage,
    sender: Sender,
    round: i64,
}

impl Rounds<'_> {
    fn send(&mut self, topic: &str, customer: i64, value: &Value) {
        let (topic, key) = (self.stage.topic(topic), customer.to_string());
        let at = value["timestamp"].as_i64().expect("an instant");
        self.sender.send(
            &topic,
            (customer % 3) as i32,
            Some(key.as_bytes()),
            Some(value.to_string().as_bytes()),
            at,
        );
    }

    /// Sends rounds until this query says so.
    fn until(&mut self, query: &str) {
        let mut database = self.stage.database();
        eventually(query, || {
            self.round += 1;
            let (round, at) = (self.round, 1_709_251_200_000 + self.round * ROUND);
            for customer in 0..9 {
                let contact = json!({
                    "interaction_id": format!("i{round}-{customer}"), "customer_id": customer,
                    "timestamp": at, "action": 1, "reward": 1,
                });
                self.send("interactions", customer, &contact);
            }
            let customer = round % 9;
            let request = json!({
                "decision_id": format!("d{round}"), "customer_id": customer, "timestamp": at,
            });
            self.send("requests", customer, &request);
            self.sender.flush();
            database
                .query_one(&format!("SELECT coalesce(({query}), false)"), &[])
                .expect("an answer")
                .get(0)
        });
    }

    /// A purchase of three customers before all their contacts, which corrects every context: of
    /// rows that are gone too.
    fn correct(&mut self) {
        for customer in 0..3 {
            let (id, at) =
                (format!("t{}-{customer}", self.round), 1_709_251_200_000 - customer * ROUND);
            let purchase = json!({
                "transaction_id": id, "customer_id": customer, "timestamp": at, "amount": 5,
            });
            self.send("transactions", customer, &purchase);
        }
        self.sender.flush();
        eventually("everything is committed", || self.sender.is_read(&self.stage.committed()));
    }
}

/// Where nothing was verified, and the first epochs are gone, a checkpoint is begun at, whatever is
/// asked for; what is left then is gone on from.
fn begin_at_checkpoints(stage: &Stage, config: &Path) {
    let left = stage.path("checkpoints/kind=verified");
    let aside = stage.path("aside");
    std::fs::rename(&left, &aside).expect("what verifications have left");
    for (asked, wanted) in [
        (&[][..], "no longer recorded"),
        (&["--since", "last"], "there is no verification"),
        (&["--since", "1"], "neither a verif"),
    ] {
        let said = follow(config, asked, wanted, &["--since", "oldest"]);
        assert_eq!(said["trusted_through_epoch"], said["since_epoch"], "{said:#}");
        assert!(said["uncompared_rows"].as_u64() > Some(0), "{said:#}");
        let next = verified(config, &["--since", "last"]);
        assert_eq!(
            (&next["since_epoch"], &next["trusted_through_epoch"]),
            (&said["epoch"], &said["trusted_through_epoch"]),
            "{next:#}"
        );
        std::fs::remove_dir_all(&left).expect("what verifications have left");
    }
    // What was written since the checkpoint is compared, and what of it is taken away is missed.
    for (name, change) in [
        (
            "late_row",
            "DELETE FROM interactions WHERE ctid = (SELECT ctid FROM interactions WHERE \
             customer_id = 8 ORDER BY ts DESC LIMIT 1)",
        ),
        (
            "late_value",
            "UPDATE model_metrics SET pending = pending + 1 WHERE epoch = (SELECT max(epoch) FROM \
             model_metrics)",
        ),
        (
            "late_decision",
            "DELETE FROM decisions WHERE ctid = (SELECT ctid FROM decisions ORDER BY epoch DESC \
             LIMIT 1)",
        ),
    ] {
        let (code, said) =
            verify(&changed(stage, name, &[change.to_string()]), &["--since", "oldest"]);
        assert_eq!((code, named(&said).len()), (Some(1), 1), "{name}: {said:#}");
    }
    // Pieces of what was found to differ lie there, and count for nothing.
    std::fs::remove_dir_all(&left).expect("what verifications have left");
    std::fs::rename(&aside, &left).expect("what verifications have left");
    // What has taken nothing on trust stays, though one that has goes up to the same epoch.
    assert!(verified(config, &["--since", "oldest"])["trusted_through_epoch"].is_u64());
    assert_eq!(verified(config, &["--since", "last"])["trusted_through_epoch"], Value::Null);
}

#[test]
fn rows_that_are_old_go_beside_kills_and_what_is_left_is_what_the_records_give() {
    let Some(stage) = Stage::set("retention") else { return };
    let configure = |interval: &str, more: &str| {
        let own = format!(
            "[postgres]\nkeep_interactions = \"2d\"\nkeep_decisions = \"3d\"\nkeep_model_metrics = \
             \"1s\"\n{more}"
        );
        let toml = stage.saving_toml("").replace("[postgres]\n", &own).replace("200ms", interval);
        std::fs::write(stage.config(), toml).expect("the configuration can be written");
    };
    configure("10ms", "");
    stage.create_topics();
    let job = stage.start_with_log(&[]);
    stage.wait_for("SELECT incarnation FROM sluice.progress", 1);
    let mut rounds = Rounds { stage: &stage, sender: Sender::plain(&stage), round: 0 };
    rounds.correct();
    let gone = |table: &str| format!("SELECT max((gone ->> '{table}')::int8) FROM sluice.epochs");
    // Those of whoever is not corrected go first.
    let has_none_before = |day: &str| {
        format!("((SELECT min(ts) FROM sluice.interactions WHERE customer_id = 8) > '{day}')")
    };
    rounds.until(&has_none_before("2024-03-02"));
    job.kill();
    let job = stage.start_with_log(&["--workers", "2"]);
    rounds.correct();
    rounds.until(&format!(
        "({} AND ({}) > 0 AND ({}) > 0)",
        has_none_before("2024-03-04"),
        gone("decisions"),
        gone("metrics")
    ));
    rounds.correct();
    job.kill();
    let (code, said) = verify(&stage.config(), &[]);
    assert_eq!((code, &said["ok"]), (Some(0), &Value::Bool(true)), "{said:#}");
    let contacts: i64 = stage
        .database()
        .query_one("SELECT count(*) FROM sluice.interactions", &[])
        .expect("a number")
        .get(0);
    assert!(
        0 < contacts && contacts < 9 * rounds.round,
        "{contacts} rows of {} rounds",
        rounds.round
    );

    // Without the first epochs only what was verified can be gone on from, or a checkpoint.
    configure("100ms", "keep_epochs = \"1s\"\n");
    let job = stage.start_with_log(&[]);
    rounds.until(&format!("(({}) > 0)", gone("epochs")));
    rounds.correct();
    job.kill();
    // What comes now comes after the last checkpoint.
    let toml = std::fs::read_to_string(stage.config()).expect("a configuration");
    std::fs::write(stage.config(), toml.replace("interval = \"1s\"", "interval = \"1h\""))
        .expect("a configuration");
    let job = stage.start_with_log(&[]);
    let committed = stage
        .database()
        .query_one("SELECT epoch FROM sluice.progress", &[])
        .expect("progress")
        .get::<_, i64>(0);
    rounds.until(&format!(
        "(SELECT count(*) >= 9 FROM sluice.interactions WHERE epoch > {committed})"
    ));
    rounds.correct();
    job.kill();
    let copy = changed(&stage, "unverified", &[]);
    let since = follow(&stage.config(), &[], "no longer recorded", &["--since", "last"]);
    assert_eq!(since["since_epoch"], said["epoch"], "{since:#}");
    let deleted =
        ["DELETE FROM interactions WHERE epoch = (SELECT min(epoch) FROM interactions) AND \
            customer_id = (SELECT min(customer_id) FROM interactions
        WHERE epoch = (SELECT min(epoch) FROM interactions))"
            .to_string()];
    let (code, said) = verify(&changed(&stage, "deleted", &deleted), &["--since", "last"]);
    assert_eq!((code, named(&said).len()), (Some(1), 1), "{said:#}");
    begin_at_checkpoints(&stage, &copy);
    rounds.sender.finish();
}
