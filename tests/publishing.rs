//! Topics of decisions and dead letters that are gone while the job runs: commits go on, `/readyz`
//! names them, and when they are there again, everything arrives that was owed, whatever killed or
//! ended the job meanwhile: exactly what the tables (or the files) have, one customer's in order.

use crate::services::client::Place;
use crate::services::console::Console;
use crate::services::sender::Sender;
use crate::services::topics::read_all;
use crate::services::{Job, Stage, eventually, text};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use serde_json::Value;
use std::collections::BTreeMap;

const CUSTOMERS: i64 = 9;

/// The one that is erased.
const ERASED: i64 = 4;

/// 2024-03-01T00:00:00Z.
const MARCH: i64 = 1_709_251_200_000;

/// Where the job keeps what it has committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Database,
    Files,
    /// Beside its progress, nowhere.
    Nowhere,
}

struct Scene {
    stage: Stage,
    kept: Kept,
    sender: Sender,
    rounds: i64,
}

impl Scene {
    fn set(name: &str, kept: Kept) -> Option<Scene> {
        let stage = Stage::set(name)?;
        let database = format!("[postgres]\nurl = \"{}\"\n", stage.url());
        let toml = stage.saving_toml("");
        assert!(toml.contains(&database));
        let own = match kept {
            Kept::Database => database.clone(),
            Kept::Files => format!("[files]\ndir = \"{}\"\n", stage.path("files").display()),
            Kept::Nowhere => String::new(),
        };
        std::fs::write(stage.config(), toml.replace(&database, &own))
            .expect("the configuration can be written");
        create_topics(&stage);
        let sender = Sender::new(&stage, 4);
        Some(Scene { stage, kept, sender, rounds: 0 })
    }

    fn start(&self) -> Job {
        let job = self.stage.start_with_log(&["--workers", "2"]);
        eventually("the job reads", || self.stage.log().contains("The job begins to read."));
        job
    }

    fn send(&mut self, topic: &str, customer: i64, value: Option<&str>, timestamp: i64) {
        let (topic, key) = (self.stage.topic(topic), customer.to_string());
        self.sender.send(
            &topic,
            (customer % 3) as i32,
            Some(key.as_bytes()),
            value.map(str::as_bytes),
            timestamp,
        );
    }

    /// Asks for a decision for each customer but the erased one after its erasure, and sends what
    /// cannot be taken.
    fn ask(&mut self, without: Option<i64>) {
        self.rounds += 1;
        let round = self.rounds;
        for customer in (0..CUSTOMERS).filter(|customer| Some(*customer) != without) {
            let timestamp = MARCH + round;
            let request = format!(
                "{{\"decision_id\":\"{round}-{customer}\",\"customer_id\":{customer},\
                \"timestamp\":{timestamp}}}"
            );
            self.send("requests", customer, Some(&request), timestamp);
        }
        self.send("rewards", round, Some(&format!("rubbish {round}")), MARCH);
        self.sender.flush();
    }

    /// The last committed epoch, and the mark.
    fn progress(&self) -> (i64, i64) {
        match self.kept {
            Kept::Database => self.stage.progress_in_database(),
            Kept::Files | Kept::Nowhere => self.stage.progress_in_journal(),
        }
    }

    /// The lines of a table in the files of epochs after `after`.
    fn lines(&self, table: &str, after: i64) -> Vec<Value> {
        let files =
            std::fs::read_dir(self.stage.path("files/campaign")).into_iter().flatten().flatten();
        let texts = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
        let lines: Vec<Value> = texts
            .flat_map(|text| {
                text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<_>>()
            })
            .collect();
        lines
            .into_iter()
            .filter(|line| line["table"] == table && line["epoch"].as_i64() > Some(after))
            .collect()
    }

    /// The ids of the decisions of epochs after `after` by customer, in the order of epochs and
    /// instants; what is nowhere else, by what was asked for.
    fn decisions(&self, after: i64) -> BTreeMap<i64, Vec<String>> {
        let mut rows: Vec<(i64, i64, String)> = match self.kept {
            Kept::Database => {
                let query =
                    "SELECT customer_id, epoch, decision_id FROM sluice.decisions WHERE epoch > $1";
                let rows = self.stage.database().query(query, &[&after]).unwrap_or_default();
                rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
            }
            _ => {
                let text = |value: &Value| value.as_str().expect("a text").to_string();
                let number = |value: &Value| value.as_i64().expect("a number");
                self.lines("decisions", after)
                    .iter()
                    .map(|row| {
                        (
                            number(&row["customer_id"]),
                            number(&row["epoch"]),
                            text(&row["decision_id"]),
                        )
                    })
                    .collect()
            }
        };
        rows.sort();
        rows.into_iter().fold(
            BTreeMap::new(),
            |mut all: BTreeMap<i64, Vec<String>>, (customer, _, id)| {
                all.entry(customer).or_default().push(id);
                all
            },
        )
    }

    /// How many records that could not be taken are kept of epochs after `after`.
    fn dead_letters(&self, after: i64) -> usize {
        match self.kept {
            Kept::Database => {
                let query = "SELECT count(*) FROM sluice.dead_letters WHERE epoch > $1";
                self.stage
                    .database()
                    .query_one(query, &[&after])
                    .map_or(0, |row| row.get::<_, i64>(0) as usize)
            }
            _ => self.lines("dead_letters", after).len(),
        }
    }

    /// Where the job goes on after the last committed epoch.
    fn committed(&self) -> BTreeMap<Place, i64> {
        if self.kept == Kept::Database {
            return self.stage.committed();
        }
        let journal = self.stage.journal();
        let offsets =
            journal.iter().rev().find_map(|record| record["epoch"]["offsets"].as_object());
        let of = |(topic, next): (&String, &Value)| {
            let next = next.as_object().expect("partitions").iter();
            let next = next.map(|(partition, next)| {
                (partition.parse().expect("a number"), next.as_i64().expect("an offset"))
            });
            next.map(|(partition, next)| ((topic.clone(), partition), next)).collect::<Vec<_>>()
        };
        offsets.into_iter().flatten().flat_map(of).collect()
    }

    /// Waits until everything that was sent is committed, by the offsets of the last epoch.
    fn await_commits(&self) {
        eventually("everything is committed", || self.sender.is_read(&self.committed()));
    }

    /// Waits until everything that is committed is published; gives the epoch.
    fn await_mark(&self) -> i64 {
        let mut at = 0;
        eventually("everything is published", || {
            let (epoch, published) = self.progress();
            at = epoch;
            epoch > 0 && epoch == published
        });
        at
    }

    fn topic(&self, name: &str) -> Vec<Value> {
        let values = read_all(&self.stage.brokers, &self.stage.topic(name));
        values.iter().map(|value| serde_json::from_slice(value).expect("JSON")).collect()
    }

    /// The ids of the decisions that the topic has, by customer, each where it came first.
    fn published(&self) -> BTreeMap<i64, Vec<String>> {
        let (mut ids, mut values) = (BTreeMap::<i64, Vec<String>>::new(), BTreeMap::new());
        for value in self.topic("predictions") {
            let (customer, id) = (
                value["customer_id"].as_i64().expect("a customer"),
                value["decision_id"].as_str().expect("an id").to_string(),
            );
            let own = ids.entry(customer).or_default();
            if let Some(before) = values.insert(id.clone(), value.clone()) {
                assert_eq!(before, value, "a repetition differs");
            } else {
                own.push(id);
            }
        }
        ids
    }
}

fn create_topics(stage: &Stage) {
    stage.sluice(&["topics", "create", text(&stage.config())]);
}

/// Deletes the topics that the job writes, and waits until they are gone.
fn delete_topics(stage: &Stage) {
    let admin: AdminClient<_> =
        ClientConfig::new().set("bootstrap.servers", &stage.brokers).create().expect("a client");
    let names = ["predictions", "dead_letters"].map(|topic| stage.topic(topic));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let deleted = runtime
        .block_on(admin.delete_topics(&[&names[0], &names[1]], &AdminOptions::new()))
        .expect("the broker answers");
    deleted.into_iter().for_each(|deleted| drop(deleted.expect("it is deleted")));
    eventually("they are gone", || {
        crate::services::topics::names(&stage.brokers).iter().all(|name| !names.contains(name))
    });
}

/// The metrics say that what ten customers are owed is held, and for want of which topics.
fn assert_held(console: &Console) {
    let metrics = console.get("/metrics").1;
    let stalled = |cause: &str, holds: u8| {
        metrics.contains(&format!("\nsluice_stalled{{cause=\"{cause}\"}} {holds}\n"))
    };
    assert!(
        stalled("predictions_topic", 1)
            && stalled("dead_letters_topic", 1)
            && stalled("database", 0),
        "{metrics}"
    );
    assert!(
        metrics.contains("\nsluice_unpublished_records 10\n")
            && metrics.contains("\nsluice_publishing_held 1\n"),
        "{metrics}"
    );
}

fn course(name: &str, kept: Kept) {
    let Some(mut scene) = Scene::set(name, kept) else { return };
    let job = scene.start();
    scene.ask(None);
    scene.await_commits();
    let before = scene.await_mark();

    delete_topics(&scene.stage);
    scene.ask(None);
    scene.await_commits();
    // Epochs that have nothing may still pass the mark, up to that which cannot be published.
    let failed = scene.progress().0;
    let console = Console::of(&scene.stage);
    eventually("it is said which topics it is", || {
        let (code, body) = console.get("/readyz");
        let named = ["predictions", "dead_letters"]
            .iter()
            .all(|topic| body.contains(&scene.stage.topic(topic)));
        code == 200
            && body.contains("decisions are not published")
            && named
            && body.contains(&scene.stage.brokers)
            && body.contains("topics create")
    });
    assert_held(&console);
    eventually("the log says it", || {
        scene.stage.log().contains("Decisions are not published: topic")
    });
    job.kill();

    // A start does not depend on them either, nor does an end.
    let job = scene.start();
    scene.ask(None);
    scene.await_commits();
    scene.send("customers", ERASED, None, MARCH + 1_000);
    scene.sender.flush();
    scene.await_commits();
    job.drain();
    assert!(scene.stage.log().contains("Not everything is published"), "{}", scene.stage.log());
    let mark = scene.progress().1;
    assert!((before..failed).contains(&mark), "{mark} has passed over {before}..{failed}");

    let job = scene.start();
    scene.ask(Some(ERASED));
    scene.await_commits();
    create_topics(&scene.stage);
    scene.await_mark();
    assert_published(&mut scene, kept, before);

    // Epochs that have nothing to publish move the mark.
    let profile = format!(r#"{{"customer_id":1,"timestamp":{MARCH}}}"#);
    scene.send("customers", 1, Some(&profile), MARCH);
    scene.sender.flush();
    scene.await_commits();
    scene.await_mark();
    job.drain();
    assert!(!scene.stage.log().contains("panicked"), "{}", scene.stage.log());
}

/// Everything was published that was owed, but for what was of the erased customer.
fn assert_published(scene: &mut Scene, kept: Kept, before: i64) {
    let published = scene.published();
    assert!(!published.contains_key(&ERASED), "{published:?}");
    let ids =
        |customer: i64| (2..=4).map(|round| format!("{round}-{customer}")).collect::<Vec<_>>();
    let wanted: BTreeMap<_, _> = (0..CUSTOMERS)
        .filter(|customer| *customer != ERASED)
        .map(|customer| (customer, ids(customer)))
        .collect();
    assert_eq!(published, wanted);
    let mut letters: Vec<String> = scene
        .topic("dead_letters")
        .iter()
        .map(|letter| letter["raw"].as_str().expect("a text").to_string())
        .collect();
    letters.sort();
    letters.dedup();
    // The key names a customer: what is of the erased one is blank.
    let mut rubbish: Vec<String> = (2..=4)
        .map(|round| if round == ERASED { String::new() } else { format!("rubbish {round}") })
        .collect();
    rubbish.sort();
    assert_eq!(letters, rubbish);
    if kept != Kept::Nowhere {
        assert_eq!((scene.decisions(before), scene.dead_letters(before)), (wanted, letters.len()));
    }
}

#[test]
fn what_the_tables_have_is_published_when_the_topics_are_there_again() {
    course("publishing", Kept::Database);
}

#[test]
fn what_the_files_have_is_published_when_the_topics_are_there_again() {
    course("publishing_files", Kept::Files);
}

#[test]
fn what_only_the_journal_has_is_published_when_the_topics_are_there_again() {
    course("publishing_journal", Kept::Nowhere);
}
