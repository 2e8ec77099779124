//! Rubbish in every topic, between the events of a world: the long-running job keeps each piece as
//! a dead letter and comes to what a replay of the world alone comes to.

use crate::hostile::rubbish::{MAX_RECORD, files, rubbish};
use crate::services::sender::{At, Sender};
use crate::services::topics::PARTITIONS;
use crate::services::{Course, Stage, field};
use postgres::Client;
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

const WORLD: [&str; 8] =
    ["--customers", "300", "--transactions", "4000", "--interactions", "4000", "--seed", "9"];
/// Random byte strings for each topic.
const STRINGS: usize = 4_000;
/// Bytes of a rejected record that are kept.
const KEPT: usize = 64 * 1024;

/// A record for a topic; `None` is null.
#[derive(Clone)]
struct Sent {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

#[test]
fn rubbish_in_every_topic_becomes_dead_letters_and_changes_nothing_else() {
    reject("rubbish", Course::Undisturbed);
}

#[test]
fn rubbish_becomes_the_same_dead_letters_to_a_job_that_is_killed() {
    reject("rubbish_killed", Course::Killed);
}

fn reject(name: &str, course: Course) {
    let Some(stage) = Stage::set(name) else { return };
    let world = world(&stage);
    let (input, results) = (stage.path("world"), stage.path("results"));
    stage.sluice(&[
        "replay",
        "--input",
        input.to_str().expect("UTF-8"),
        "--output",
        results.to_str().expect("UTF-8"),
    ]);
    stage.create_topics();
    let thrown = throw(&stage, &world);

    let job = stage.start_on(course);
    stage.wait_for("SELECT count(*) FROM sluice.dead_letters", thrown.len() as i64);
    stage.wait_for("SELECT count(*) FROM sluice.interactions WHERE learned", 4_000);
    stage.wait_for("SELECT sum(frequency) FROM sluice.customer_features", 4_001);
    stage.wait_for("SELECT count(*) FROM sluice.decisions", 100);
    let summary = results.join("summary.json");
    let digest = field(&summary, "digest").as_str().expect("a digest").to_string();
    stage.wait_for(
        &format!(
            "SELECT (digest = '{digest}')::int FROM sluice.epochs ORDER BY epoch DESC LIMIT 1"
        ),
        1,
    );
    job.drain();

    let log = stage.log();
    // That an erasure was not done, for its key could not be read, is the one error among what was
    // thrown.
    let errors: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert!(
        !log.contains("panicked")
            && errors.iter().all(|line| line.contains("were to erase customers")),
        "{log}"
    );
    let mut database = stage.database();
    let incarnation: i64 = database
        .query_one("SELECT incarnation FROM sluice.progress", &[])
        .expect("progress")
        .get(0);
    assert_eq!(incarnation, course.starts(), "nothing else has ended the job");
    same_dead_letters(&mut database, &thrown);
    for (name, count) in [("transactions", 4_001), ("interactions", 4_000), ("rewards", 200)] {
        assert_eq!(field(&summary, name), count, "{name} of the replay");
        let counted: i64 = database
            .query_one(
                &format!("SELECT sum((counts->>'{name}')::bigint)::bigint FROM sluice.epochs"),
                &[],
            )
            .expect("counts")
            .get(0);
        assert_eq!(counted, count, "{name} of the job");
    }
}

/// Every record that was thrown lies in `dead_letters` at its place, with a reason and its bytes,
/// and nothing else does.
fn same_dead_letters(database: &mut Client, thrown: &BTreeMap<At, Sent>) {
    let rows = database
        .query(
            "SELECT topic, partition, position, reason, detail, raw FROM sluice.dead_letters",
            &[],
        )
        .expect("dead letters");
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for row in &rows {
        let at: At = (row.get(0), row.get(1), row.get(2));
        let (reason, detail, raw): (String, String, Vec<u8>) = (row.get(3), row.get(4), row.get(5));
        let Sent { key, value } = thrown
            .get(&at)
            .unwrap_or_else(|| panic!("{at:?} was good, and rejected as {reason}: {detail}"));
        let bytes = value.as_ref().or(key.as_ref()).map(Vec::as_slice).unwrap_or_default();
        assert!(raw == bytes[..bytes.len().min(KEPT)], "{at:?}, {reason}: other bytes");
        *reasons.entry(reason).or_default() += 1;
    }
    assert_eq!(rows.len(), thrown.len(), "{reasons:?}");
    for reason in [
        "malformed",
        "too_long",
        "missing_field",
        "bad_field",
        "bad_timestamp",
        "bad_amount",
        "bad_reward",
        "unknown_arm",
        "bad_op",
    ] {
        assert!(reasons.contains_key(reason), "nothing is {reason}: {reasons:?}");
    }
}

/// Writes a world as files, with rewards and requests, and one purchase in a record that is as long
/// as a record may be; gives its lines by file.
fn world(stage: &Stage) -> BTreeMap<&'static str, Vec<String>> {
    let folder = stage.path("world");
    stage.sluice(&[&["generate", "--out", folder.to_str().expect("UTF-8")], &WORLD[..]].concat());
    let read = |name: &str| -> Vec<String> { lines(&folder.join(format!("{name}.jsonl"))) };
    let mut world: BTreeMap<&str, Vec<String>> =
        files().take(3).map(|name| (name, read(name))).collect();
    let (mut rewards, mut requests) = (Vec::new(), Vec::new());
    for (index, line) in world["interactions"].iter().enumerate().step_by(20) {
        let contact: Value = serde_json::from_str(line).expect("JSON");
        let (id, customer, at) =
            (&contact["interaction_id"], &contact["customer_id"], instant(&contact));
        let later = at + 60_000;
        rewards.push(format!(
            r#"{{"interaction_id":{id},"customer_id":{customer},"timestamp":{later},"reward":2.5}}"#
        ));
        if index % 40 == 0 {
            requests.push(format!(
                r#"{{"decision_id":"d{index}","customer_id":{customer},"timestamp":{at}}}"#
            ));
        }
    }
    let last: Value =
        serde_json::from_str(world["transactions"].last().expect("purchases")).expect("JSON");
    let at = instant(&last);
    let longest = format!(
        r#"{{"transaction_id":"longest","customer_id":1,"timestamp":{at},"amount":1,"note":""}}"#
    );
    let padding = "x".repeat(MAX_RECORD - longest.len());
    let longest = longest.replace(r#""note":"""#, &format!(r#""note":"{padding}""#));
    world.entry("transactions").or_default().push(longest);
    world.extend([("rewards", rewards), ("requests", requests)]);
    for (name, lines) in &world {
        std::fs::write(folder.join(format!("{name}.jsonl")), lines.join("\n"))
            .expect("the file can be written");
    }
    world
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).expect("a file").lines().map(str::to_string).collect()
}

/// The instant of an event in milliseconds; that of a profile is none, and any date will do for its
/// record.
fn instant(event: &Value) -> i64 {
    match &event["timestamp"] {
        Value::String(text) => {
            text.parse::<jiff::Timestamp>().expect("an instant").as_millisecond()
        }
        number => number.as_i64().unwrap_or(1_700_000_000_000),
    }
}

/// Sends the world into the topics with rubbish between its records; gives the rubbish by its
/// place.
fn throw(stage: &Stage, world: &BTreeMap<&str, Vec<String>>) -> BTreeMap<At, Sent> {
    let mut random = Pcg64Mcg::seed_from_u64(23);
    let mut sender = Sender::new(stage, 2_000);
    let mut thrown = BTreeMap::new();
    for file in files() {
        let topic = stage.topic(file);
        let mut pieces = pieces(file, &mut random).into_iter();
        let lines = &world[file];
        // The last record is good, so that rubbish lies between good records everywhere.
        let between = pieces.len().div_ceil(lines.len().max(2) - 1);
        for (index, line) in lines.iter().enumerate() {
            let event: Value = serde_json::from_str(line).expect("JSON");
            let (customer, at) =
                (event["customer_id"].as_i64().expect("a customer"), instant(&event));
            // A record need not have a key, as long as a customer's records share a partition.
            let key = (index % 10 != 0).then(|| customer.to_string().into_bytes());
            sender.send(
                &topic,
                customer as i32 % PARTITIONS,
                key.as_deref(),
                Some(line.as_bytes()),
                at,
            );
            for piece in pieces.by_ref().take(between) {
                let partition = random.next_u32() as i32 & i32::MAX;
                let place = sender.send(
                    &topic,
                    partition % PARTITIONS,
                    piece.key.as_deref(),
                    piece.value.as_deref(),
                    at,
                );
                thrown.insert(place, piece);
            }
        }
        assert_eq!(pieces.len(), 0, "{file}: everything was thrown");
    }
    sender.finish();
    thrown
}

/// The rubbish of files, and what only a topic can have: null, nothing, and bytes with line ends
/// among them; in any order.
fn pieces(file: &str, random: &mut Pcg64Mcg) -> Vec<Sent> {
    let value = |value: &[u8]| Sent { key: Some(b"7".to_vec()), value: Some(value.to_vec()) };
    let mut pieces: Vec<Sent> =
        rubbish(file, random, STRINGS).iter().map(|piece| value(piece)).collect();
    for index in 0..200 {
        let mut bytes = vec![0; index];
        random.fill_bytes(&mut bytes);
        pieces.push(Sent { key: (index % 2 == 0).then(|| bytes.clone()), value: Some(bytes) });
    }
    pieces.extend([value(b"\n"), value(b" \r\n "), value(b"{}\n{}")]);
    // With the number of a customer as its key, a null erases: that is no rubbish among customers.
    let mut keys: Vec<Option<&[u8]>> = vec![
        None,
        Some(b""),
        Some(b"abc"),
        Some(b"-1"),
        Some(b"1.5"),
        Some(b"\xff"),
        Some(b"9223372036854775808"),
    ];
    if file != "customers" {
        keys.push(Some(b"7"));
    }
    pieces.extend(keys.into_iter().map(|key| Sent { key: key.map(<[u8]>::to_vec), value: None }));
    for last in (1..pieces.len()).rev() {
        pieces.swap(last, random.next_u32() as usize % (last + 1));
    }
    pieces
}
