//! The world as text: one line an event, as JSON or CSV, and the files of `sluice generate`.

use super::contacts::{Interaction, LOGGED_PROPENSITY};
use super::population::{CATEGORIES, CITIES, Customer, DEVICES, PAYMENTS};
use super::purchases::Transaction;
use super::{Event, World};
use dataflows::event::{CustomerId, Millis, Topic};
use jiff::{Timestamp, tz::Offset};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values under a line of names.
    Csv,
}

impl FileFormat {
    /// What files of it end in, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            FileFormat::Jsonl => "jsonl",
            FileFormat::Csv => "csv",
        }
    }
}

/// What [`generate`] has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generated {
    /// Records in the file of customers.
    pub customers: u64,
    /// Records in the file of transactions.
    pub transactions: u64,
    /// Records in the file of interactions.
    pub interactions: u64,
    /// Bytes of all files.
    pub bytes: u64,
}

impl Generated {
    /// Records in all files.
    #[cfg(test)]
    pub fn records(&self) -> u64 {
        self.customers + self.transactions + self.interactions
    }
}

/// Why [`generate`] could not go on.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", path.display())]
pub struct WriteError {
    /// The file or directory.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Writes `customers`, `transactions` and `interactions` into a directory, which is made if need
/// be; files of the same names are replaced. Customers are sorted by number, the others by time.
/// `progress` is told the number of records written so far, about every megabyte.
///
/// # Errors
/// When the directory or a file cannot be written; files written so far stay.
pub fn generate(
    world: &World,
    directory: &Path,
    format: FileFormat,
    mut progress: impl FnMut(u64),
) -> Result<Generated, WriteError> {
    std::fs::create_dir_all(directory)
        .map_err(|source| WriteError { path: directory.to_path_buf(), source })?;
    let target = |topic| Target { directory, topic, format };
    let (customers, customer_bytes) = target(Topic::Customers).write(
        &CUSTOMER,
        world.customers().iter().map(customer_values),
        &mut progress,
    )?;
    let (transactions, transaction_bytes) = target(Topic::Transactions).write(
        &TRANSACTION,
        world.transactions().map(transaction_values),
        |count| progress(customers + count),
    )?;
    let (interactions, interaction_bytes) = target(Topic::Interactions).write(
        &INTERACTION,
        world.interactions().map(interaction_values),
        |count| progress(customers + transactions + count),
    )?;
    Ok(Generated {
        customers,
        transactions,
        interactions,
        bytes: customer_bytes + transaction_bytes + interaction_bytes,
    })
}

/// Appends an event as one JSON object, without a line end; gives the topic and the key that it is
/// sent with.
pub fn line(event: &Event, out: &mut Vec<u8>) -> (Topic, CustomerId) {
    match event {
        Event::Transaction(purchase) => {
            json(&TRANSACTION, transaction_values(*purchase), out);
            (Topic::Transactions, purchase.customer)
        }
        Event::Interaction(contact) => {
            json(&INTERACTION, interaction_values(*contact), out);
            (Topic::Interactions, contact.customer)
        }
    }
}

/// Appends a customer's profile as one JSON object, without a line end; gives the topic and the key
/// that it is sent with.
pub fn customer_line(customer: &Customer, out: &mut Vec<u8>) -> (Topic, CustomerId) {
    json(&CUSTOMER, customer_values(customer), out);
    (Topic::Customers, customer.id)
}

/// A file to be written.
struct Target<'a> {
    directory: &'a Path,
    topic: Topic,
    format: FileFormat,
}

impl Target<'_> {
    /// Bytes that are gathered before a write.
    const BUFFER: usize = 1 << 20;

    /// Writes all records; gives their number and the file's length in bytes.
    fn write<const N: usize>(
        &self,
        names: &[&str; N],
        records: impl Iterator<Item = [Value; N]>,
        mut progress: impl FnMut(u64),
    ) -> Result<(u64, u64), WriteError> {
        let path = self
            .directory
            .join(self.topic.id().file_stem())
            .with_extension(self.format.extension());
        let failed = |source| WriteError { path: path.clone(), source };
        let mut file = File::create(&path).map_err(failed)?;
        let mut buffer = Vec::with_capacity(Self::BUFFER + 4096);
        if self.format == FileFormat::Csv {
            buffer.extend_from_slice(names.join(",").as_bytes());
            buffer.push(b'\n');
        }
        let (mut count, mut bytes) = (0, 0);
        for values in records {
            match self.format {
                FileFormat::Jsonl => json(names, values, &mut buffer),
                FileFormat::Csv => csv(values, &mut buffer),
            }
            buffer.push(b'\n');
            count += 1;
            if buffer.len() >= Self::BUFFER {
                file.write_all(&buffer).map_err(failed)?;
                bytes += buffer.len() as u64;
                buffer.clear();
                progress(count);
            }
        }
        file.write_all(&buffer).map_err(failed)?;
        progress(count);
        Ok((count, bytes + buffer.len() as u64))
    }
}

/// The fields of a purchase, in the order that the fast parser knows.
const TRANSACTION: [&str; 8] = [
    "transaction_id",
    "customer_id",
    "timestamp",
    "amount",
    "category",
    "device",
    "payment_method",
    "discount_used",
];

#[inline]
fn transaction_values(purchase: Transaction) -> [Value; TRANSACTION.len()] {
    [
        Value::Id(b'T', purchase.number),
        Value::Whole(purchase.customer as u64),
        Value::Time(purchase.timestamp),
        Value::Money(purchase.amount as i64),
        Value::Text(CATEGORIES[usize::from(purchase.category)]),
        Value::Text(DEVICES[usize::from(purchase.device)]),
        Value::Text(PAYMENTS[usize::from(purchase.payment)]),
        Value::Flag(purchase.discount_used),
    ]
}

/// The fields of a contact, in the order that the fast parser knows.
const INTERACTION: [&str; 6] =
    ["interaction_id", "customer_id", "timestamp", "action", "reward", "propensity"];

#[inline]
fn interaction_values(contact: Interaction) -> [Value; INTERACTION.len()] {
    [
        Value::Id(b'I', contact.number),
        Value::Whole(contact.customer as u64),
        Value::Time(contact.timestamp),
        Value::Whole(u64::from(contact.arm)),
        Value::Money(contact.reward),
        Value::Money((LOGGED_PROPENSITY * 100.0) as i64),
    ]
}

/// The fields of a profile.
const CUSTOMER: [&str; 12] = [
    "customer_id",
    "signup_date",
    "city",
    "age",
    "email_open_rate",
    "is_premium_member",
    "complaint_count",
    "preferred_device",
    "preferred_payment",
    "favorite_category",
    "avg_discount_used",
    "last_login_days",
];

fn customer_values(customer: &Customer) -> [Value; CUSTOMER.len()] {
    [
        Value::Whole(customer.id as u64),
        Value::Date(customer.signup),
        Value::Text(CITIES[usize::from(customer.city)]),
        Value::Whole(u64::from(customer.age)),
        Value::Permille(customer.email_open_permille),
        Value::Flag(customer.premium),
        Value::Whole(u64::from(customer.complaints)),
        Value::Text(DEVICES[usize::from(customer.device)]),
        Value::Text(PAYMENTS[usize::from(customer.payment)]),
        Value::Text(CATEGORIES[usize::from(customer.category)]),
        Value::Permille(customer.discount_permille),
        Value::Whole(u64::from(customer.last_login_days)),
    ]
}

/// The value of a field.
#[derive(Clone, Copy)]
enum Value {
    /// Text without quotes, backslashes, commas and control characters.
    Text(&'static str),
    /// A letter and a number of at least seven digits.
    Id(u8, u64),
    /// A whole number.
    Whole(u64),
    /// Hundredths, written with two decimals.
    Money(i64),
    /// Thousandths, written with three decimals.
    Permille(u16),
    /// true or false.
    Flag(bool),
    /// An instant on a whole second.
    Time(Millis),
    /// The date of an instant.
    Date(Millis),
}

/// Appends one JSON object, in the spacing of Python's `json` module.
#[inline]
fn json<const N: usize>(names: &[&str; N], values: [Value; N], out: &mut Vec<u8>) {
    for (index, (name, value)) in names.iter().zip(values).enumerate() {
        out.extend_from_slice(if index == 0 { b"{\"" } else { b", \"" });
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\": ");
        value.write(b"\"", out);
    }
    out.push(b'}');
}

/// Appends one row of comma-separated values.
#[inline]
fn csv<const N: usize>(values: [Value; N], out: &mut Vec<u8>) {
    for (index, value) in values.into_iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"" } else { b"," });
        value.write(b"", out);
    }
}

impl Value {
    /// Appends the value; texts and times between quotes.
    #[inline]
    fn write(self, quote: &[u8], out: &mut Vec<u8>) {
        let mut quoted = |content: &dyn Fn(&mut Vec<u8>)| {
            out.extend_from_slice(quote);
            content(out);
            out.extend_from_slice(quote);
        };
        match self {
            Value::Text(text) => quoted(&|out| out.extend_from_slice(text.as_bytes())),
            Value::Id(letter, number) => quoted(&|out| {
                out.push(letter);
                digits(out, number, 7);
            }),
            Value::Time(instant) => quoted(&|out| time(out, instant)),
            Value::Date(instant) => quoted(&|out| date(out, instant)),
            Value::Whole(number) => digits(out, number, 1),
            Value::Money(hundredths) => {
                out.extend_from_slice(if hundredths < 0 { b"-" } else { b"" });
                fraction(out, hundredths.unsigned_abs(), 100, 2);
            }
            Value::Permille(thousandths) => fraction(out, u64::from(thousandths), 1000, 3),
            Value::Flag(flag) => out.extend_from_slice(if flag { b"true" } else { b"false" }),
        }
    }
}

/// Appends `parts` of `whole` (a power of ten) as a number with so many decimals.
#[inline]
fn fraction(out: &mut Vec<u8>, parts: u64, whole: u64, decimals: usize) {
    digits(out, parts / whole, 1);
    out.push(b'.');
    digits(out, parts % whole, decimals);
}

/// Appends a number in decimal, with zeros in front up to `width` digits.
#[inline]
fn digits(out: &mut Vec<u8>, mut number: u64, width: usize) {
    // 20 digits are enough for 2^64 - 1.
    let mut text = [b'0'; 20];
    let mut start = text.len();
    while number > 0 {
        start -= 1;
        text[start] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&text[start.min(text.len() - width)..]);
}

/// Appends `YYYY-MM-DDTHH:MM:SSZ`.
#[inline]
fn time(out: &mut Vec<u8>, instant: Millis) {
    date(out, instant);
    let seconds = instant.div_euclid(1000).rem_euclid(86_400) as u64;
    out.push(b'T');
    digits(out, seconds / 3600, 2);
    out.push(b':');
    digits(out, seconds / 60 % 60, 2);
    out.push(b':');
    digits(out, seconds % 60, 2);
    out.push(b'Z');
}

/// Appends `YYYY-MM-DD`.
#[inline]
fn date(out: &mut Vec<u8>, instant: Millis) {
    let instant = Timestamp::from_millisecond(instant)
        .expect("a world and its customers' signups lie between 1970 and 2100");
    let date = Offset::UTC.to_datetime(instant).date();
    digits(out, date.year() as u64, 4);
    out.push(b'-');
    digits(out, date.month() as u64, 2);
    out.push(b'-');
    digits(out, date.day() as u64, 2);
}

#[cfg(test)]
mod tests {
    use super::super::WorldSettings;
    use super::super::population::Segment;
    use super::*;
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
            assert_eq!(
                (done.customers, done.transactions, done.interactions),
                (300, 12_000, 4_000)
            );
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

    /// Byte for byte, because the fast parser knows this order and spacing.
    #[test]
    fn lines_are_written_as_the_fast_parser_likes_them() {
        let written = |event| {
            let mut out = Vec::new();
            let routed = line(&event, &mut out);
            (String::from_utf8(out).unwrap(), routed)
        };
        let timestamp = 1_709_251_199_000;
        let purchase = Transaction {
            number: 123,
            customer: 42,
            timestamp,
            amount: 10_005,
            category: 0,
            device: 1,
            payment: 2,
            discount_used: true,
        };
        let expected = "{\"transaction_id\": \"T0000123\", \"customer_id\": 42, \"timestamp\": \
            \"2024-02-29T23:59:59Z\", \"amount\": 100.05, \
             \"category\": \"Electronics\", \"device\": \"Desktop\", \"payment_method\": \
             \"E-wallet\", \"discount_used\": true}";
        assert_eq!(
            written(Event::Transaction(purchase)),
            (expected.to_string(), (Topic::Transactions, 42))
        );
        let contact =
            Interaction { number: 12_345_678, customer: 7, timestamp, arm: 0, reward: -40 };
        let expected = "{\"interaction_id\": \"I12345678\", \"customer_id\": 7, \"timestamp\": \
            \"2024-02-29T23:59:59Z\", \"action\": 0, \
             \"reward\": -0.40, \"propensity\": 0.25}";
        assert_eq!(
            written(Event::Interaction(contact)),
            (expected.to_string(), (Topic::Interactions, 7))
        );
        let customer = world(1).customers()[0].clone();
        let customer = Customer {
            segment: Segment::Regular,
            email_open_permille: 40,
            discount_permille: 1000,
            ..customer
        };
        let mut out = Vec::new();
        assert_eq!(customer_line(&customer, &mut out), (Topic::Customers, 1));
        let text = String::from_utf8(out).unwrap();
        let names = [
            "customer_id",
            "signup_date",
            "city",
            "age",
            "email_open_rate",
            "is_premium_member",
            "complaint_count",
            "preferred_device",
        ];
        let names = names.into_iter().chain([
            "preferred_payment",
            "favorite_category",
            "avg_discount_used",
            "last_login_days",
        ]);
        let positions: Vec<Option<usize>> =
            names.map(|name| text.find(&format!("\"{name}\": "))).collect();
        assert!(positions.iter().all(Option::is_some) && positions.is_sorted(), "{text}");
        assert!(
            text.contains("\"email_open_rate\": 0.040, ")
                && text.contains("\"avg_discount_used\": 1.000, "),
            "{text}"
        );
    }

    #[test]
    fn csv_has_the_content_of_jsonl() {
        let (json, csv) =
            (files(&world(1), FileFormat::Jsonl).0, files(&world(1), FileFormat::Csv).0);
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
            generate(&world(1), directory.path(), FileFormat::Jsonl, |count| told.push(count))
                .unwrap();
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
}
