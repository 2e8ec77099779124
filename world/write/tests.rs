//! Files of a world: their lines, their counts, and both formats against each other.

use super::*;
use crate::{CATEGORIES, DEVICES, PAYMENTS, WorldSettings};
use jiff::Timestamp;
use serde_json::{Map, Value as Json};

const TOPICS: [Topic; 3] = [Topic::Customers, Topic::Transactions, Topic::Interactions];

fn world(seed: u64) -> World {
    World::new(WorldSettings {
        customers: 300,
        transactions: 12_000,
        interactions: 4_000,
        seed,
        ..WorldSettings::default()
    })
    .unwrap()
}

/// The files of a world, by topic.
fn files(world: &World, format: FileFormat) -> ([Vec<u8>; 3], Generated) {
    let directory = tempfile::tempdir().unwrap();
    let done = generate(world, directory.path(), format, |_| ()).unwrap();
    let read = |topic: Topic| {
        std::fs::read(directory.path().join(format!(
            "{}.{}",
            topic.id().file_stem(),
            format.extension()
        )))
        .unwrap()
    };
    (TOPICS.map(read), done)
}

fn objects(text: &[u8]) -> Vec<Map<String, Json>> {
    std::str::from_utf8(text)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let (first, again, other) = (
        files(&world(1), FileFormat::Jsonl).0,
        files(&world(1), FileFormat::Jsonl).0,
        files(&world(2), FileFormat::Jsonl).0,
    );
    assert!(first == again);
    assert!(first.iter().zip(&other).all(|(first, other)| first != other));
}

#[test]
fn counts_and_bytes_are_those_of_the_files() {
    for format in [FileFormat::Jsonl, FileFormat::Csv] {
        let (files, done) = files(&world(1), format);
        let header = usize::from(format == FileFormat::Csv);
        let lines = files
            .each_ref()
            .map(|file| (file.iter().filter(|&&byte| byte == b'\n').count() - header) as u64);
        assert_eq!(lines, [300, 12_000, 4_000]);
        assert_eq!((done.customers, done.transactions, done.interactions), (300, 12_000, 4_000));
        assert_eq!(done.bytes, files.iter().map(|file| file.len() as u64).sum::<u64>());
    }
}

#[test]
fn lines_are_json_with_the_fields_of_their_events() {
    let world = world(1);
    let ([customers, transactions, interactions], _) = files(&world, FileFormat::Jsonl);
    for (object, purchase) in objects(&transactions).iter().zip(world.transactions()) {
        assert_eq!(object["transaction_id"], format!("T{:07}", purchase.number));
        assert_eq!(object["customer_id"], purchase.customer);
        assert_eq!(
            object["timestamp"],
            Timestamp::from_millisecond(purchase.timestamp).unwrap().to_string()
        );
        assert_eq!(object["amount"], purchase.amount as f64 / 100.0);
        assert_eq!(object["category"], CATEGORIES[usize::from(purchase.category)]);
        assert_eq!(object["device"], DEVICES[usize::from(purchase.device)]);
        assert_eq!(object["payment_method"], PAYMENTS[usize::from(purchase.payment)]);
        assert_eq!(object["discount_used"], purchase.discount_used);
        assert_eq!(object.len(), 8);
    }
    for (object, contact) in objects(&interactions).iter().zip(world.interactions()) {
        assert_eq!(object["interaction_id"], format!("I{:07}", contact.number));
        assert_eq!(object["customer_id"], contact.customer);
        assert_eq!(
            object["timestamp"],
            Timestamp::from_millisecond(contact.timestamp).unwrap().to_string()
        );
        assert_eq!(object["action"], contact.arm);
        assert_eq!(object["reward"], contact.reward as f64 / 100.0);
        assert_eq!(object["propensity"], 0.25);
        assert_eq!(object.len(), 6);
    }
    for (object, customer) in objects(&customers).iter().zip(world.customers()) {
        assert_eq!(object["customer_id"], customer.id);
        assert_eq!(
            format!("{}T00:00:00Z", object["signup_date"].as_str().unwrap()),
            Timestamp::from_millisecond(customer.signup).unwrap().to_string()
        );
        assert_eq!(object["email_open_rate"], f64::from(customer.email_open_permille) / 1000.0);
        assert_eq!(object["is_premium_member"], customer.premium);
        assert_eq!(object["avg_discount_used"], f64::from(customer.discount_permille) / 1000.0);
        assert_eq!(object.len(), 12);
    }
}

#[test]
fn csv_has_the_content_of_jsonl() {
    let (json, csv) = (files(&world(1), FileFormat::Jsonl).0, files(&world(1), FileFormat::Csv).0);
    for (json, csv) in json.iter().zip(&csv) {
        let mut reader = csv::Reader::from_reader(csv.as_slice());
        let names = reader.headers().unwrap().clone();
        let rows: Vec<Map<String, Json>> = reader
            .records()
            .map(|row| {
                names.iter().map(str::to_string).zip(row.unwrap().iter().map(as_json)).collect()
            })
            .collect();
        assert_eq!(rows, objects(json));
    }
}

/// A cell of CSV as JSON reads it.
fn as_json(cell: &str) -> Json {
    serde_json::from_str(cell).unwrap_or_else(|_| Json::from(cell))
}

#[test]
fn progress_rises_to_the_number_of_records() {
    let directory = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    let done =
        generate(&world(1), directory.path(), FileFormat::Jsonl, |count| told.push(count)).unwrap();
    assert!(told.is_sorted() && told.len() > 4, "{told:?}");
    assert_eq!(told.last(), Some(&done.records()));
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error =
        generate(&world(1), &file.path().join("inside"), FileFormat::Csv, |_| ()).unwrap_err();
    assert!(
        error.to_string().starts_with(&format!("cannot write {}", file.path().display())),
        "{error}"
    );
}
