//! A job with a customer whose every trace is a word that nothing else has.

use super::*;

/// A customer whose number, ids and words are nowhere else.
pub(super) const CANARY: i64 = 711_081_513_017;

pub(super) const WORD: &str = "canary";

/// 2024-03-01T00:00:00Z.
pub(super) const MARCH: i64 = 1_709_251_200_000;

/// Where a job keeps what it has committed.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kept {
    Database,
    Files,
}

/// A job with a canary, and with somebody whose records stay.
pub(super) struct Cage {
    pub(super) stage: Stage,
    pub(super) kept: Kept,
    pub(super) sender: Sender,
    pub(super) logs: String,
}

impl Cage {
    pub(super) fn set(name: &str, kept: Kept) -> Option<Cage> {
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

    pub(super) fn send(&mut self, topic: &str, customer: i64, value: Option<&str>, at: i64) {
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
    pub(super) fn sing(&mut self, customer: i64, word: &str, at: i64) {
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

    pub(super) fn introduce(&mut self, customer: i64, word: &str) {
        let profile =
            format!(r#"{{"customer_id":{customer},"timestamp":{MARCH},"city":"{word}-city"}}"#);
        self.send("customers", customer, Some(&profile), MARCH);
    }

    pub(super) fn committed(&self) -> BTreeMap<Place, i64> {
        match self.kept {
            Kept::Database => self.stage.committed(),
            Kept::Files => offsets_of(&self.stage.journal()),
        }
    }

    /// What was committed, and up to where everything is published.
    pub(super) fn progress(&self) -> (i64, i64) {
        match self.kept {
            Kept::Database => self.stage.progress_in_database(),
            Kept::Files => self.stage.progress_in_journal(),
        }
    }

    pub(super) fn await_commits(&self) {
        eventually("everything is committed", || self.sender.is_read(&self.committed()));
    }

    pub(super) fn await_mark(&self) {
        eventually("everything is published", || {
            let (epoch, published) = self.progress();
            epoch > 0 && epoch == published
        });
    }

    pub(super) fn start(&self, workers: &str) -> Job {
        let job = self.stage.start_with_log(&["--workers", workers]);
        eventually("the job reads", || self.stage.log().contains("The job begins to read."));
        job
    }

    /// The last record of each key that a topic has: what a cleaning would leave.
    pub(super) fn cleaned(&self, topic: &str) -> BTreeMap<String, Option<String>> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let records = topics::read_keyed(&self.stage.brokers, &self.stage.topic(topic));
        records.into_iter().map(|(key, value)| (text(key), value.map(text))).collect()
    }

    /// The erasures that the program reports: of each place its state and what it is.
    pub(super) fn report(&self) -> Vec<(String, String)> {
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
    pub(super) fn places(&self) -> Vec<(String, Vec<u8>)> {
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

pub(super) fn contains(content: &[u8], piece: &[u8]) -> bool {
    content.windows(piece.len()).any(|bytes| bytes == piece)
}
