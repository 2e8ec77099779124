//! Epochs of a small dataflow, from the records to the lines of its rows.

use super::following::KeyedFollower;
use super::results::KeyedResults;
use super::rows::KeyedWording;
use crate::sink::following::Follow;
use crate::sink::gathered::Gathered;
use crate::sink::rows::EpochRows;
use crate::source::TopicNames;
use crate::table::json;
use dataflows::Dataflow;
use dataflows::arrivals::{Arrivals, ArrivalsOf};
use dataflows::keyed::{Keyed, KeyedCommon};
use dataflows::operators::deliver::{Delivery, deliver};
use dataflows::source::{Feed, Head, Mark, Messages, TopicId};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use timely::dataflow::InputHandle;

fn topic() -> TopicId {
    <Arrivals as Keyed>::topics()[0]
}

/// The records of an epoch, from this offset on.
fn block(from: u64, records: &[Value]) -> Feed {
    let (mut bytes, mut heads) = (Vec::new(), Vec::new());
    for (position, record) in (from..).zip(records) {
        let (text, start) = (record.to_string(), bytes.len() as u32);
        let length = text.len() as u32;
        heads.push(Head { position, timestamp: -1, start, length, null: false, key: 0 });
        bytes.extend_from_slice(text.as_bytes());
    }
    Feed::Block(Messages::new(topic(), 0, bytes, heads).into())
}

fn mark(next: u64) -> Feed {
    let (topic, partition, idle) = (topic(), 0, false);
    Feed::Mark(Mark { topic, partition, next, idle, recorded: None, last: false, save: None })
}

/// What comes of these epochs, each followed.
fn follow(epochs: Vec<Vec<Value>>) -> Vec<KeyedResults<ArrivalsOf>> {
    let outputs = Arc::new(Mutex::new(BTreeMap::<u64, Vec<_>>::new()));
    let told = Arc::clone(&outputs);
    timely::execute_directly(move |worker| {
        let mut input = InputHandle::<u64, _>::new();
        let dataflow = Arrivals::default();
        worker.dataflow::<u64, _, _>(|scope| {
            let beginning = dataflow.anew(0, 1);
            let stream = dataflow.build(input.to_stream(scope), beginning);
            deliver(stream, move |delivery| {
                if let Delivery::Item(epoch, output) = delivery {
                    told.lock().expect("nobody panicked").entry(epoch).or_default().push(output);
                }
            });
        });
        let mut next = 0;
        for (epoch, records) in (1..).zip(&epochs) {
            input.advance_to(epoch);
            input.send(block(next, records));
            next += records.len() as u64;
            input.send(mark(next));
        }
    });
    let mut follower = KeyedFollower::<Arrivals>::after(KeyedCommon::default());
    let outputs = std::mem::take(&mut *outputs.lock().expect("nobody panicked"));
    let followed = outputs.into_iter().map(|(epoch, outputs)| {
        let mut results = follower.begin(epoch);
        outputs.into_iter().for_each(|output| follower.add(&mut results, output));
        follower.follow(&mut results);
        results
    });
    followed.collect()
}

/// The rows of an epoch, as lines of JSON.
fn lines(results: &KeyedResults<ArrivalsOf>) -> Vec<Value> {
    let wording = KeyedWording::<Arrivals>::new(TopicNames::own([topic()]));
    let mut rows = EpochRows::new(Arc::new(wording));
    rows.fill(results, 0).expect("every row has its values");
    let mut out = Vec::new();
    for changes in rows.tables() {
        changes.gone.each_row().for_each(|key| json::gone(&mut out, &changes.table, key));
        for (buffer, change) in [(&changes.new, json::INSERT), (&changes.changed, json::UPDATE)] {
            let rows = buffer.each_row();
            rows.for_each(|row| json::line(&mut out, &changes.table, change, row, false, &[]));
        }
    }
    let lines = out.split_inclusive(|byte| *byte == b'\n');
    lines.map(|line| serde_json::from_slice(line).expect("a line of JSON")).collect()
}

fn came(customer: i64, id: &str, day: &str) -> Value {
    json!({"customer_id": customer, "arrival_id": id, "timestamp": day})
}

#[test]
fn an_epoch_becomes_rows_of_declared_tables() {
    let epochs = follow(vec![
        vec![came(2, "a", "2024-03-05"), came(1, "a", "2024-03-01"), came(2, "b", "2024-03-02")],
        vec![json!({"customer_id": 2, "arrival_id": "a", "op": "retract"}), json!({"no": "one"})],
        vec![json!({"customer_id": 2, "op": "erase"}), json!({"customer_id": 2, "op": "?"})],
    ]);
    let row = |change: &str, customer: i64, number: i64, first: &str, last: &str, epoch: i64| {
        json!({
            "table": "arrivals", "change": change, "customer_id": customer, "arrivals": number,
            "first": format!("{first}T00:00:00Z"), "last": format!("{last}T00:00:00Z"),
            "epoch": epoch,
        })
    };
    assert_eq!(
        lines(&epochs[0]),
        [
            row("insert", 1, 1, "2024-03-01", "2024-03-01", 1),
            row("insert", 2, 2, "2024-03-02", "2024-03-05", 1),
        ]
    );
    let second = lines(&epochs[1]);
    assert_eq!(second[0], row("update", 2, 1, "2024-03-02", "2024-03-02", 2));
    assert_eq!(second[1]["table"], "dead_letters");
    assert_eq!((&second[1]["topic"], &second[1]["position"]), (&json!("arrivals"), &json!(4)));
    let third = lines(&epochs[2]);
    assert_eq!(third[0], json!({"table": "arrivals", "change": "delete", "customer_id": 2}));
    assert_eq!(third[1]["table"], "erasures");
    assert_eq!((&third[1]["events"], &third[1]["epoch"]), (&json!(1), &json!(3)));
    assert_ne!(third[1]["digest_before"], third[1]["digest_after"]);
    // The record that names the erased customer has nothing of it any more.
    assert_eq!(third[2]["customer_id"], Value::Null);
    assert_eq!(third[2]["blanked"], json!(3));
    assert_eq!(epochs[2].erased(), [(2, i64::MAX)]);
}

#[test]
fn the_digest_is_that_of_a_history_in_which_it_never_was() {
    let with = follow(vec![
        vec![came(1, "a", "2024-03-01"), came(2, "b", "2024-03-02")],
        vec![json!({"customer_id": 2, "op": "erase"})],
    ]);
    let without = follow(vec![vec![came(1, "a", "2024-03-01")], vec![]]);
    assert_ne!(with[0].digest, without[0].digest);
    assert_eq!(with[1].digest, without[1].digest);
    assert_eq!(with[1].digest_before, with[0].digest);
}
