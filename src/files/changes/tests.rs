//! The files come to the rows that the database has: the same epochs go into both, and whatever the
//! tables then hold is folded from the files.

use super::*;
use crate::campaign::results::EpochResults;
use crate::journal::{JournalSettings, JournalWriter};
use crate::postgres::comparison::copied::CopyRows;
use crate::postgres::tables::select;
use crate::postgres::tests::{
    MARCH, TestDatabase, arm_update, decision, features, first_epoch, interaction, interactions,
    of_campaign, rejected, rejected_of, second_epoch,
};
use crate::sink::Sink;
use crate::table::json::{INSERT, line};
use dataflows::campaign::output::{Change, Decision, Erasure, Segment};
use dataflows::campaign::snapshot::changed::Changed;
use dataflows::table::{Rule, Table};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A table's rows by their keys.
type Rows = BTreeMap<String, Map<String, Value>>;

/// Takes a line in, as a reader of the files would.
fn fold(rows: &mut Rows, table: &Table, text: &str) {
    let mut columns: Map<String, Value> = serde_json::from_str(text).expect("JSON");
    columns.remove("table");
    let change = columns.remove("change").expect("a change");
    let key: Vec<String> = table.key.iter().map(|key| columns[*key].to_string()).collect();
    let key = key.join(" ");
    match change.as_str() {
        Some("delete") => drop(rows.remove(&key)),
        // A dead letter that is there stays as it is.
        Some("insert") if table.rule == Rule::Stays => drop(rows.entry(key).or_insert(columns)),
        Some("insert") => drop(rows.insert(key, columns)),
        Some("update") => rows.entry(key).or_default().extend(columns),
        other => panic!("{other:?} of {text}"),
    }
}

fn folded(folder: &Path, table: &Table) -> Rows {
    let mut rows = Rows::new();
    let prefix = format!("{{\"table\":\"{}\",", table.name);
    for text in texts(folder) {
        text.lines()
            .filter(|line| line.starts_with(&prefix))
            .for_each(|line| fold(&mut rows, table, line));
    }
    rows
}

/// The contents of all files, in the order of their epochs.
fn texts(folder: &Path) -> Vec<String> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort_unstable();
    paths.iter().map(|path| std::fs::read_to_string(path).expect("a file")).collect()
}

/// The table as the database has it, each row written as a line is.
fn stored(database: &TestDatabase, table: &Table) -> Rows {
    let mut client = database.client();
    let reader = client
        .copy_out(&format!("COPY ({}) TO STDOUT (FORMAT binary)", select(table)))
        .expect("a copy");
    let (mut copied, mut rows) = (CopyRows::new(reader), Rows::new());
    while let Some(row) = copied.next().expect("a row") {
        let mut out = Vec::new();
        line(&mut out, table, INSERT, row, false, &[]);
        fold(&mut rows, table, std::str::from_utf8(&out).expect("UTF-8"));
    }
    rows
}

fn erasure(customer: i64, until: i64, learned: u64) -> Erasure {
    let (transactions, interactions, profiles, decisions) = (1, 1, 1, 1);
    let erasure = Erasure { transactions, interactions, profiles, decisions, ..Erasure::default() };
    Erasure { customer, until, learned, ..erasure }
}

/// Erases customer 2 for ever and customer 9 up to an instant.
fn third_epoch() -> EpochResults {
    let mut results = EpochResults::new(3);
    results.interactions =
        vec![interactions(vec![interaction(Change::Delete, 2, u64::MAX - 1, false)])];
    results.features =
        vec![features(Change::Delete, 2, [0.0; 3]), features(Change::Update, 9, [1.0, 2.0, 3.0])];
    results.decisions = vec![
        Decision { timestamp: MARCH + 1, ..decision(9, 91) },
        decision(9, 92),
        decision(1, 23),
    ];
    results.erasures = vec![erasure(2, i64::MAX, 1), erasure(9, MARCH, 0)];
    results.arms = vec![arm_update(1, 1)];
    results.segments = vec![Segment { flags: 2, customers: 2, amount: 7 }];
    results.rejected = vec![rejected(8, "a \"quote\"\u{1F600}")];
    results.thresholds = vec![(19_785, 9)];
    results.digest_before = [0xab; 32];
    results
}

/// Erases two customers of whom events had been folded: their rows go by their instants.
fn fourth_epoch() -> EpochResults {
    let folded = |customer, before| Erasure {
        folded: 2,
        folded_before: Some(before),
        ..erasure(customer, MARCH - 1, 0)
    };
    EpochResults {
        erasures: vec![folded(3, MARCH + 14), folded(1, MARCH + 1)],
        ..EpochResults::new(4)
    }
}

/// A change of settings: thresholds are made of something else, of which one day has none any more.
fn fifth_epoch() -> EpochResults {
    let mut results = EpochResults::new(5);
    results.changed =
        Some(Changed { gone_thresholds: vec![19_783, 19_784, 19_785], gone_features: Vec::new() });
    results.thresholds = vec![(19_783, 5), (19_785, 10)];
    results.features = vec![features(Change::Update, 9, [0.5, 2.5, 3.5])];
    results.arms = vec![arm_update(0, 3), arm_update(1, 1)];
    results
}

struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Scene {
        Scene { folder: tempfile::tempdir().expect("a folder") }
    }

    fn writer(&self, settings: &PostgresSettings) -> JournalWriter {
        let files = ChangeFiles::new(&self.folder.path().join("files"), settings.clone());
        let journal = JournalSettings::new("campaign", self.folder.path().join("checkpoints"));
        let checkpoints = crate::journal::tests::checkpoints(self.folder.path());
        JournalWriter::open(journal, checkpoints, Some(files)).expect("a writer")
    }

    fn files(&self) -> PathBuf {
        self.folder.path().join("files/campaign")
    }
}

#[test]
fn the_files_come_to_the_rows_of_the_database() {
    let Some(database) = TestDatabase::create() else { return };
    let (scene, settings) = (Scene::new(), database.settings());
    let (mut tables_of, mut writer) = (database.writer(), scene.writer(&settings));
    let mut first = first_epoch();
    first.rejected.extend([
        rejected_of(2, i64::MIN, 15),
        rejected_of(9, MARCH, 16),
        rejected_of(9, MARCH + 1, 17),
    ]);
    for results in [first, second_epoch(), third_epoch(), fourth_epoch(), fifth_epoch()] {
        tables_of.commit(&results).expect("a commit");
        writer.commit(&results).expect("a commit");
        for table in settings.wording.tables() {
            let (found, wanted) = (folded(&scene.files(), &table), stored(&database, &table));
            assert!(
                !wanted.is_empty() || results.epoch > 1 || table.name == "erasures",
                "nothing is compared in {}",
                table.name
            );
            assert_eq!(found, wanted, "{} after epoch {}", table.name, results.epoch);
        }
    }
}

fn settings() -> PostgresSettings {
    of_campaign(|wording| {
        let list = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        wording.arms = list(&["Email", "SMS"]);
        wording.context = list(&["intercept", "recency"]);
        wording.features = list(&["recency", "frequency", "monetary"]);
    })
}

#[test]
fn a_feature_that_is_gone_with_a_change_of_settings_has_no_value() {
    let (scene, settings) = (Scene::new(), settings());
    let mut writer = scene.writer(&settings);
    writer.commit(&first_epoch()).expect("a commit");
    let gone_features = vec!["games \"old\"_pct".to_string(), "x".to_string()];
    let changed = Some(Changed { gone_thresholds: vec![19_784], gone_features });
    let all = vec![features(Change::Update, 2, [1.0, 2.0, 3.0])];
    writer
        .commit(&EpochResults {
            changed,
            features: all,
            thresholds: vec![(19_784, 8)],
            ..EpochResults::new(2)
        })
        .expect("a commit");
    let text = texts(&scene.files())[1].clone();
    let line = text.lines().find(|line| line.contains("customer_features")).expect("a line");
    let row: Map<String, Value> = serde_json::from_str(line).expect("JSON");
    assert_eq!(
        (&row["x"], &row["games \"old\"_pct"], row["frequency"].as_f64()),
        (&Value::Null, &Value::Null, Some(2.0))
    );
    // Whoever reads the journal finds the thresholds that stand.
    drop(writer);
    let mut writer = scene.writer(&settings);
    assert!(
        writer
            .commit(&EpochResults { thresholds: vec![(19_784, 9)], ..EpochResults::new(3) })
            .is_err(),
        "it is another one"
    );
    writer
        .commit(&EpochResults {
            thresholds: vec![(19_784, 8), (19_783, 123_456)],
            ..EpochResults::new(3)
        })
        .expect("a commit");
}

#[test]
fn an_erased_customer_is_in_no_older_file() {
    let (scene, settings) = (Scene::new(), settings());
    let mut writer = scene.writer(&settings);
    let [mut first, second, third] = [first_epoch(), second_epoch(), third_epoch()];
    first.rejected.extend([rejected_of(2, i64::MIN, 15), rejected_of(9, MARCH, 16)]);
    writer.commit(&first).expect("a commit");
    writer.commit(&second).expect("a commit");
    let theirs =
        |text: &String| text.contains("\"customer_id\":2,") || text.contains("\"customer_id\":9,");
    assert!(texts(&scene.files()).iter().all(theirs), "both files have rows of one of them");
    writer.commit(&third).expect("a commit");
    let texts = texts(&scene.files());
    assert!(!texts[..2].iter().any(theirs), "{texts:?}");
    assert!(
        texts[2].contains("\"d-91\"") && !texts[2].contains("\"d-92\""),
        "a decision of the epoch itself goes if it is dated so: {}",
        texts[2]
    );
}

#[test]
fn a_line_is_an_object_that_people_can_read() {
    let (scene, settings) = (Scene::new(), settings());
    scene.writer(&settings).commit(&first_epoch()).expect("a commit");
    let text = texts(&scene.files()).concat();
    let of = |table: &str| {
        text.lines()
            .filter(|line| line.contains(&format!("\"table\":\"{table}\"")))
            .collect::<Vec<_>>()
            .join("\n")
    };
    insta::assert_snapshot!(
        ["customer_features", "interactions", "decisions", "arm_stats", "segments", "thresholds"]
            .map(of)
            .join("\n")
    );
    let epoch: Value = serde_json::from_str(&of("epochs")).expect("JSON");
    assert_eq!((&epoch["epoch"], &epoch["watermark"]), (&1.into(), &"2024-02-29T00:00:00Z".into()));
    assert_eq!(
        epoch["offsets"],
        serde_json::json!({ "rewards": { "2": 7 }, "transactions": { "0": 17, "1": 0 } })
    );
}

#[test]
fn what_is_no_file_of_an_epoch_is_left_alone() {
    let scene = Scene::new();
    let files = ChangeFiles::new(&scene.folder.path().join("files"), settings());
    std::fs::create_dir_all(scene.files()).expect("a folder");
    let names = [
        "00000000000000000007.jsonl",
        "00000000000000000008.jsonl",
        "00000000000000000008.jsonl.1-2.tmp",
        "notes.jsonl",
        "8.jsonl",
    ];
    names.iter().for_each(|name| std::fs::write(scene.files().join(name), b"").expect("a file"));
    files.remove_after(7, &[]).expect("it can be removed");
    let mut left = files.names().expect("names");
    left.sort_unstable();
    assert_eq!(left, [names[0], names[4], names[3]]);
}
