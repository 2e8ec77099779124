//! Erasing a customer from a running job: rows, history, model and checkpoints are as if the
//! customer had never been there, and nothing of what the customer sent is found in any place but
//! those that are told of.

use crate::services::client::Place;
use crate::services::console::Console;
use crate::services::sender::Sender;
use crate::services::topics::{self, PARTITIONS};
use crate::services::{Job, Stage, eventually, field};
use base64::Engine;
use dataflows::event::text::id_hash;
use std::collections::BTreeMap;
use std::path::Path;

const WORLD: [&str; 8] =
    ["--customers", "300", "--transactions", "6000", "--interactions", "6000", "--seed", "21"];
const ERASED: i64 = 17;

/// The digest of a replay of the world without a customer, given the published thresholds.
fn without(stage: &Stage, customer: i64) -> String {
    let (world, rest) = (stage.path("world"), stage.path("rest"));
    std::fs::create_dir_all(&rest).expect("a folder");
    for name in ["customers", "transactions", "interactions"] {
        let lines = std::fs::read_to_string(world.join(format!("{name}.jsonl")))
            .expect("a file of the world");
        let is_theirs = |line: &&str| {
            serde_json::from_str::<serde_json::Value>(line).expect("JSON")["customer_id"]
                == customer
        };
        let kept: String =
            lines.lines().filter(|line| !is_theirs(line)).map(|line| format!("{line}\n")).collect();
        assert!(kept.len() < lines.len(), "customer {customer} has no {name}");
        std::fs::write(rest.join(format!("{name}.jsonl")), kept).expect("a file");
    }
    let rows = stage
        .database()
        .query("SELECT day::text, high_value FROM sluice.thresholds ORDER BY day", &[])
        .expect("thresholds");
    let thresholds: String = rows
        .iter()
        .map(|row| format!("{},{}\n", row.get::<_, String>(0), row.get::<_, i64>(1)))
        .collect();
    std::fs::write(stage.path("thresholds.csv"), format!("day,high_value\n{thresholds}"))
        .expect("a file");
    replay(stage, &rest, &["--thresholds", stage.path("thresholds.csv").to_str().expect("UTF-8")])
}

fn replay(stage: &Stage, input: &Path, more: &[&str]) -> String {
    let output = stage.path("output");
    stage.sluice(
        &[
            &[
                "replay",
                "--input",
                input.to_str().expect("UTF-8"),
                "--output",
                output.to_str().expect("UTF-8"),
            ],
            more,
        ]
        .concat(),
    );
    field(&output.join("summary.json"), "digest").as_str().expect("a digest").to_string()
}

#[test]
fn an_erased_customer_leaves_nothing_but_the_report() {
    let Some(stage) = Stage::set("erasure") else { return };
    stage.configure_saving("max_events = 500\n");
    let world = stage.path("world");
    stage.sluice(&[&["generate", "--out", world.to_str().expect("UTF-8")], &WORLD[..]].concat());
    stage.create_topics_with_compacted_customers();
    let mut sender = Sender::new(&stage, 700);
    sender.send_world(&stage, &world, PARTITIONS);
    sender.leave_open();
    let job = stage.start_with_log(&["--workers", "2"]);
    stage.wait_for("SELECT count(*) FROM sluice.interactions WHERE learned", 6_000);
    eventually("a checkpoint is there", || !stage.checkpoints().is_empty());

    // Whatever strangers do at its port, the job goes on, and so does its console.
    let strangers = Console::of(&stage).besieged();
    let (refused, code, answer) = Console::of(&stage).erase(&stage, ERASED);
    let asked: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!((refused, code, &asked["customer_id"]), (401, 202, &ERASED.into()), "{answer}");
    stage.wait_for("SELECT count(*) FROM sluice.erasures", 1);
    let mut database = stage.database();
    let report = database
        .query_one(
            "SELECT customer_id, transactions, interactions, learned, profiles, \
            digest_before <> digest_after, digest_after, epoch FROM sluice.erasures",
            &[],
        )
        .expect("the report");
    let (interactions, learned): (i64, i64) = (report.get(2), report.get(3));
    assert_eq!(
        (report.get::<_, i64>(0), report.get::<_, i64>(4), report.get::<_, bool>(5)),
        (ERASED, 1, true)
    );
    assert!(
        report.get::<_, i64>(1) > 0 && interactions > 0 && learned == interactions,
        "{report:?}"
    );
    for table in ["customer_features", "interactions", "decisions"] {
        stage.wait_for(
            &format!("SELECT count(*) FROM sluice.{table} WHERE customer_id = {ERASED}"),
            0,
        );
    }
    stage.wait_for(
        "SELECT count(*) FROM sluice.model_versions m WHERE a IS NOT NULL AND version < \
        (SELECT max(version) FROM sluice.model_versions n WHERE n.arm = m.arm)",
        0,
    );

    // The older checkpoints, which still had the customer, go without anything else arriving.
    let epoch = report.get::<_, i64>(7) as u64;
    eventually("the older checkpoints are gone", || {
        let left = stage.checkpoints();
        !left.is_empty() && left.iter().all(|checkpoint| *checkpoint >= epoch)
    });
    job.kill();
    drop(strangers);

    // What goes on from there knows nothing of the customer, and drops what is dated before the
    // erasure.
    let job = stage.start(&["--workers", "1"]);
    stage.wait_for("SELECT incarnation FROM sluice.progress", 2);
    let old = format!(
        r#"{{"transaction_id":"old","customer_id":{ERASED},"timestamp":"2024-01-01","amount":7}}"#
    );
    sender.put(&stage, "transactions", ERASED, &old);
    stage.wait_for(
        &format!(
            "SELECT sum((counts->>'erased')::bigint) FROM sluice.epochs WHERE epoch > {epoch}"
        ),
        1,
    );
    job.drain();
    stage.wait_for(
        &format!("SELECT count(*) FROM sluice.customer_features WHERE customer_id = {ERASED}"),
        0,
    );
    let last: String = database
        .query_one("SELECT digest FROM sluice.epochs ORDER BY epoch DESC LIMIT 1", &[])
        .expect("an epoch")
        .get(0);
    assert_eq!((last.clone(), last), (without(&stage, ERASED), report.get(6)));
}

/// A customer whose number, ids and words are nowhere else.
const CANARY: i64 = 711_081_513_017;
const WORD: &str = "canary";
/// 2024-03-01T00:00:00Z.
const MARCH: i64 = 1_709_251_200_000;

/// Where a job keeps what it has committed.
#[derive(Clone, Copy, PartialEq)]
enum Kept {
    Database,
    Files,
}

/// A job with a canary, and with somebody whose records stay.
struct Cage {
    stage: Stage,
    kept: Kept,
    sender: Sender,
    logs: String,
}

impl Cage {
    fn set(name: &str, kept: Kept) -> Option<Cage> {
        let stage = Stage::set(name)?;
        let toml = stage.saving_toml("");
        if kept == Kept::Files {
            let database = format!("[postgres]\nurl = \"{}\"\n", stage.url());
            let files = format!("[files]\ndir = \"{}\"\n", stage.path("files").display());
            std::fs::write(stage.config(), toml.replace(&database, &files))
                .expect("the configuration can be written");
        } else {
            std::fs::write(stage.config(), toml).expect("the configuration can be written");
        }
        stage.create_topics_with_compacted_customers();
        let sender = Sender::plain(&stage);
        Some(Cage { stage, kept, sender, logs: String::new() })
    }

    fn send(&mut self, topic: &str, customer: i64, value: Option<&str>, at: i64) {
        let (topic, key) = (self.stage.topic(topic), customer.to_string());
        self.sender.send(
            &topic,
            (customer % 3) as i32,
            Some(key.as_bytes()),
            value.map(str::as_bytes),
            at,
        );
    }

    /// Everything that a customer can send, dated from an instant on; `word` is in all that is
    /// text.
    fn sing(&mut self, customer: i64, word: &str, at: i64) {
        let person = format!(r#""customer_id":{customer},"timestamp":{at}"#);
        for (topic, rest) in [
            (
                "transactions",
                format!(
                    r#""transaction_id":"{word}-t","amount":12.5,"category":"{word}-category""#
                ),
            ),
            ("requests", format!(r#""decision_id":"{word}-d""#)),
            (
                "interactions",
                format!(
                    "\"interaction_id\":\"{word}-i\",\"action\":1,\"decision_id\":\"{word}-d\",\
                    \"template_id\":\"{word}-template\""
                ),
            ),
            (
                "rewards",
                format!(r#""interaction_id":"{word}-i","reward_id":"{word}-r","reward":2"#),
            ),
            // Dead letters: a bad value, a broken record that names its customer, an id that is not
            // known.
            ("transactions", format!(r#""transaction_id":"{word}-b","amount":"{word}-amount""#)),
            ("rewards", format!(r#""interaction_id":"{word}-unknown","op":"retract""#)),
        ] {
            self.send(topic, customer, Some(&format!("{{{person},{rest}}}")), at);
        }
        self.send(
            "interactions",
            customer,
            Some(&format!(r#"{{"customer_id": {customer}, "interaction_id": "{word}-broken"#)),
            at,
        );
        // And one that only its key names.
        self.send("rewards", customer, Some(&format!("{word}-rubbish")), at);
        self.sender.flush();
    }

    fn introduce(&mut self, customer: i64, word: &str) {
        let profile =
            format!(r#"{{"customer_id":{customer},"timestamp":{MARCH},"city":"{word}-city"}}"#);
        self.send("customers", customer, Some(&profile), MARCH);
    }

    fn committed(&self) -> BTreeMap<Place, i64> {
        match self.kept {
            Kept::Database => self.stage.committed(),
            Kept::Files => offsets_of(&self.journal()),
        }
    }

    /// What was committed, and up to where everything is published.
    fn progress(&self) -> (i64, i64) {
        if self.kept == Kept::Database {
            let row = self
                .stage
                .database()
                .query_one("SELECT epoch, published FROM sluice.progress", &[])
                .expect("progress");
            return (row.get(0), row.get(1));
        }
        let of = |name: &str| {
            self.journal()
                .iter()
                .filter_map(|record| record[name].as_i64().or(record[name]["epoch"].as_i64()))
                .max()
                .unwrap_or(0)
        };
        (of("epoch").max(of("standing")), of("published"))
    }

    fn journal(&self) -> Vec<serde_json::Value> {
        const HEAD: usize = 18;
        let content =
            std::fs::read(self.stage.path("checkpoints/campaign/journal.log")).unwrap_or_default();
        let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines = content[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(&line[HEAD..]).expect("JSON")).collect()
    }

    fn await_commits(&self) {
        eventually("everything is committed", || self.sender.is_read(&self.committed()));
    }

    fn await_mark(&self) {
        eventually("everything is published", || {
            let (epoch, published) = self.progress();
            epoch > 0 && epoch == published
        });
    }

    fn start(&self, workers: &str) -> Job {
        let job = self.stage.start_with_log(&["--workers", workers]);
        eventually("the job reads", || self.stage.log().contains("The job begins to read."));
        job
    }

    /// The last record of each key that a topic has: what a cleaning would leave.
    fn cleaned(&self, topic: &str) -> BTreeMap<String, Option<String>> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let records = topics::read_keyed(&self.stage.brokers, &self.stage.topic(topic));
        records.into_iter().map(|(key, value)| (text(key), value.map(text))).collect()
    }

    /// The erasures that the program reports: of each place its state and what it is.
    fn report(&self) -> Vec<(String, String)> {
        let output = self.stage.sluice(&[
            "erasures",
            self.stage.config().to_str().expect("UTF-8"),
            "--customer",
            &CANARY.to_string(),
            "--json",
        ]);
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let [erasure] = &told.as_array().expect("a list")[..] else { panic!("{told}") };
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_string();
        let places = erasure["places"].as_array().expect("places").iter();
        places.map(|place| (text(&place["state"]), text(&place["place"]))).collect()
    }

    /// Every text in which the canary could be found: of each table, file and topic, and of the
    /// log.
    fn places(&self) -> Vec<(String, Vec<u8>)> {
        let mut places = vec![("the log".to_string(), self.logs.clone().into_bytes())];
        for topic in ["predictions", "dead_letters"] {
            let values: Vec<String> = self.cleaned(topic).into_values().flatten().collect();
            places.push((format!("topic {topic}"), values.join("\n").into_bytes()));
        }
        for folder in ["checkpoints", "files"] {
            files(&self.stage.path(folder), &mut places);
        }
        let mut database = self.stage.database();
        let tables = database
            .query("SELECT tablename::text FROM pg_tables WHERE schemaname = 'sluice'", &[])
            .expect("the tables");
        for table in tables.iter().map(|row| row.get::<_, String>(0)) {
            let rows = database
                .query(&format!("SELECT t::text FROM sluice.{table} t"), &[])
                .expect("rows");
            let text: Vec<String> = rows.iter().map(|row| readable(row.get(0))).collect();
            places.push((format!("table {table}"), text.join("\n").into_bytes()));
        }
        places
    }
}

/// A row with its bytes readable: PostgreSQL writes them as hexadecimal digits.
fn readable(row: &str) -> String {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_hexdigit).count() & !1;
    let mut pieces = row.split("\\x");
    let mut text = pieces.next().unwrap_or_default().to_string();
    for piece in pieces {
        let (bytes, rest) = piece.split_at(digits(piece));
        let bytes: Vec<u8> = (0..bytes.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&bytes[at..at + 2], 16).expect("hexadecimal"))
            .collect();
        text.push_str(&String::from_utf8_lossy(&bytes));
        text.push_str(rest);
    }
    text
}

/// The contents of all files below a folder, decompressed, with what the journal has in base64.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
            continue;
        }
        let content = std::fs::read(&path).expect("a file");
        let mut content = zstd::decode_all(&content[..]).unwrap_or(content);
        let plain = String::from_utf8_lossy(&content).into_owned();
        for piece in plain.split('"').filter(|piece| piece.len() > 8) {
            content.extend(base64::prelude::BASE64_STANDARD.decode(piece).unwrap_or_default());
        }
        found.push((path.display().to_string(), content));
    }
}

fn offsets_of(journal: &[serde_json::Value]) -> BTreeMap<Place, i64> {
    let offsets = journal.iter().rev().find_map(|record| record["epoch"]["offsets"].as_object());
    let of = |(topic, next): (&String, &serde_json::Value)| {
        let next = next.as_object().expect("partitions").iter();
        let next = next.map(|(partition, next)| {
            (partition.parse().expect("a number"), next.as_i64().expect("an offset"))
        });
        next.map(|(partition, next)| ((topic.clone(), partition), next)).collect::<Vec<_>>()
    };
    offsets.into_iter().flatten().flat_map(of).collect()
}

fn contains(content: &[u8], piece: &[u8]) -> bool {
    content.windows(piece.len()).any(|bytes| bytes == piece)
}

/// The canary sings, is erased, and sings once more of before; the job is killed right behind the
/// commit of the erasure.
fn silence(name: &str, kept: Kept, erase: impl FnOnce(&mut Cage)) {
    let Some(mut cage) = Cage::set(name, kept) else { return };
    let job = cage.start("2");
    cage.introduce(CANARY, WORD);
    cage.introduce(5, "sparrow");
    cage.sing(CANARY, WORD, MARCH);
    cage.sing(5, "sparrow", MARCH);
    cage.await_commits();
    cage.await_mark();
    eventually("a checkpoint is there", || !cage.stage.checkpoints().is_empty());
    let (predictions, letters) = (cage.cleaned("predictions"), cage.cleaned("dead_letters"));
    let sung = |records: &BTreeMap<String, Option<String>>| {
        records.values().flatten().filter(|value| value.contains(WORD)).count()
    };
    assert_eq!((sung(&predictions), sung(&letters)), (1, 4), "{predictions:?} {letters:?}");
    let places = cage.places();
    let sings = |places: &[(String, Vec<u8>)]| {
        places
            .iter()
            .filter(|(_, content)| contains(content, WORD.as_bytes()))
            .map(|(place, _)| place.clone())
            .collect::<Vec<_>>()
    };
    let heard = sings(&places);
    for place in if kept == Kept::Database {
        ["table decisions", "table dead_letters", "topic predictions"]
    } else {
        ["/files/", "topic predictions", "topic dead_letters"]
    } {
        assert!(
            heard.iter().any(|heard| heard.contains(place)),
            "{place} is not searched: {heard:?}"
        );
    }

    erase(&mut cage);
    cage.sender.flush();
    cage.await_commits();
    cage.logs.push_str(&cage.stage.log());
    job.kill();
    let job = cage.start("1");
    // What comes again is dropped or blanked; what is dated later is a new customer's.
    cage.sing(CANARY, WORD, MARCH + 1);
    let later = MARCH + 900_000;
    cage.send(
        "requests",
        CANARY,
        Some(&format!(r#"{{"decision_id":"new","customer_id":{CANARY},"timestamp":{later}}}"#)),
        later,
    );
    cage.sender.flush();
    cage.await_commits();
    cage.await_mark();
    eventually("everything is done that is to be done", || {
        cage.report().iter().all(|(state, _)| state != "pending")
    });
    job.drain();
    cage.logs.push_str(&cage.stage.log());

    let (predictions, letters) = (cage.cleaned("predictions"), cage.cleaned("dead_letters"));
    let newest = predictions[&CANARY.to_string()].clone().expect("what was decided later stays");
    assert!(newest.contains(r#""decision_id":"new""#), "{newest}");
    assert_eq!(
        letters.values().filter(|value| value.is_none()).count(),
        4,
        "a tombstone each: {letters:?}"
    );
    let places = cage.places();
    assert_eq!(sings(&places), [""; 0]);
    let number = CANARY.to_string();
    let numbered: Vec<&String> = places
        .iter()
        .filter(|(_, content)| contains(content, number.as_bytes()))
        .map(|(place, _)| place)
        .collect();
    let told = [
        "table erasures",
        "table erased_customers",
        "kept",
        "journal.log",
        "/files/",
        "table decisions",
        "topic predictions",
    ];
    assert!(
        numbered.iter().all(|place| told.iter().any(|told| place.contains(told))),
        "{numbered:?}"
    );
    for id in ["t", "i", "r", "d", "b"].map(|id| id_hash(format!("{WORD}-{id}").as_bytes())) {
        let shown = (id as i64).to_string();
        let keeps = |content: &[u8]| {
            contains(content, &id.to_le_bytes()) || contains(content, shown.as_bytes())
        };
        // Whoever folds the files has to be told which rows went.
        let searched = places.iter().filter(|(place, _)| !place.contains("/files/"));
        let keeps: Vec<&String> =
            searched.filter(|(_, content)| keeps(content)).map(|(place, _)| place).collect();
        assert_eq!(keeps, [""; 0], "an id's hash");
    }
    // Whoever was not erased is still there.
    let sparrow = |place: &str| {
        places.iter().any(|(of, content)| of.contains(place) && contains(content, b"sparrow"))
    };
    assert!(sparrow("topic predictions") && sparrow("topic dead_letters"));
    if kept == Kept::Database {
        assert!(sparrow("table decisions") && sparrow("table dead_letters"));
        cage.stage.sluice(&["verify", cage.stage.config().to_str().expect("UTF-8")]);
    }
}

#[test]
fn a_canary_is_in_no_table_topic_checkpoint_or_log_once_it_is_erased() {
    // A null profile, dated as its record is.
    silence("silenced", Kept::Database, |cage| {
        cage.send("customers", CANARY, None, MARCH + 600_000)
    });
}

#[test]
fn a_canary_is_in_no_file_either() {
    let until = MARCH + 600_000;
    let erase = format!(r#"{{"op":"erase","customer_id":{CANARY},"timestamp":{until}}}"#);
    silence("silenced_files", Kept::Files, move |cage| {
        cage.send("customers", CANARY, Some(&erase), until)
    });
}
