//! What the files of changes come to when they are folded, against a replay of the same records.

use super::*;

/// Features that hold for an instant, or for a threshold that is open at the end.
const OF_AN_INSTANT: [&str; 7] = [
    "customer_id",
    "recency",
    "days_since_signup",
    "is_high_value",
    "is_at_risk",
    "is_recent_active",
    "clv_score",
];

/// The rows of a table that lines come to, as a reader would fold them.
fn fold(lines: &[Value], table: &str, key: &[&str]) -> Rows {
    let mut rows = Rows::new();
    for line in lines.iter().filter(|line| line["table"] == table) {
        let key: Vec<String> = key.iter().map(|column| line[*column].to_string()).collect();
        let columns = line.as_object().expect("an object").clone();
        match line["change"].as_str() {
            Some("delete") => drop(rows.remove(&key.join(" "))),
            Some("insert") => drop(rows.insert(key.join(" "), columns)),
            _ => rows.entry(key.join(" ")).or_default().extend(columns),
        }
    }
    rows
}

/// The customers of the files have the features that the replay gives.
pub(super) fn same_features(scene: &Scene, lines: &[Value]) {
    let csv = std::fs::read_to_string(scene.stage.path("replayed/features.csv")).expect("features");
    let mut csv = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = csv.next().expect("a header");
    let compared: Vec<usize> =
        (0..header.len()).filter(|&column| !OF_AN_INSTANT.contains(&header[column])).collect();
    let wanted: BTreeMap<i64, Vec<f64>> = csv
        .map(|row| {
            (
                row[0].parse().expect("a customer"),
                compared.iter().map(|&column| row[column].parse().expect("a number")).collect(),
            )
        })
        .collect();
    let of = |row: &Map<String, Value>| {
        let values = compared
            .iter()
            .map(|&column| row[header[column]].as_f64().expect("a number"))
            .collect();
        (row["customer_id"].as_i64().expect("a customer"), values)
    };
    let found: BTreeMap<i64, Vec<f64>> =
        fold(lines, "customer_features", &["customer_id"]).values().map(of).collect();
    assert!(found.len() > 30, "{} customers", found.len());
    assert_eq!(found, wanted);
}

/// The interactions of the files are those that the model of the replay has learned from.
pub(super) fn same_model(scene: &Scene, lines: &[Value]) {
    let interactions = fold(lines, "interactions", &["customer_id", "interaction_key"]);
    let model = scene.stage.path("replayed/model.json");
    let number = |value: &Value| value.as_f64().expect("a number");
    let ridge = number(&field(&model, "ridge"));
    for arm in field(&model, "arms").as_array().expect("arms") {
        let own: Vec<_> = interactions.values().filter(|row| row["arm"] == arm["arm"]).collect();
        assert!(
            own.iter().all(|row| row["learned"] == true && row["interaction_id"].is_string()),
            "arm {}",
            arm["arm"]
        );
        assert_eq!(
            own.len() as i64,
            arm["n"].as_i64().expect("a number"),
            "interactions of arm {}",
            arm["arm"]
        );
        // Rewards are multiples of 2^-16 and contexts of 2^-12, and few, so that these sums are
        // exact; the first term of a context is 1.
        assert_eq!(
            own.iter().map(|row| number(&row["reward"])).sum::<f64>(),
            number(&arm["b"][0]),
            "rewards of arm {}",
            arm["arm"]
        );
        for (term, wanted) in arm["A"][0].as_array().expect("a row").iter().enumerate() {
            let sum: i64 =
                own.iter().map(|row| row["context"][term].as_i64().expect("a number")).sum();
            assert_eq!(
                sum as f64 / 4096.0,
                number(wanted) - if term == 0 { ridge } else { 0.0 },
                "term {term} of arm {}",
                arm["arm"]
            );
        }
    }
}

/// Each epoch's line in its file agrees with the journal, every record was counted once, and cut so
/// they come to the same again.
pub(super) fn same_epochs(scene: &Scene, lines: &[Value], digest: &str) {
    let of_files: Vec<&Value> = lines.iter().filter(|line| line["table"] == "epochs").collect();
    let of_journal = scene.epochs();
    assert_eq!(of_files.len() as u64, scene.last());
    // The journal may have been written anew without the first ones.
    for (file, journal) in of_files.iter().rev().zip(of_journal.iter().rev()) {
        assert_eq!(
            (&file["epoch"], &file["offsets"], &file["digest"]),
            (&journal["epoch"], &journal["offsets"], &journal["digest"])
        );
    }
    let counted: i64 =
        of_files.iter().map(|epoch| epoch["counts"]["records"].as_i64().expect("a count")).sum();
    assert_eq!(counted, scene.producer.sent() - scene.producer.bad(), "valid records");
    let text: String = of_files.iter().map(|epoch| format!("{epoch}\n")).collect();
    let path = scene.stage.path("epochs.jsonl");
    std::fs::write(&path, text).expect("a file");
    assert_eq!(
        scene.replay("cut", &["--epochs", path.to_str().expect("UTF-8")]),
        digest,
        "a replay in the recorded epochs"
    );
}

/// No decision was made twice, and each that was made is in the topic, always as the same.
pub(super) fn same_decisions(scene: &Scene, lines: &[Value]) {
    let ids: Vec<String> = lines
        .iter()
        .filter(|line| line["table"] == "decisions")
        .map(|line| line["decision_id"].to_string())
        .collect();
    let distinct: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "a decision in two epochs");
    let published = predictions(scene);
    let missing: Vec<&&String> =
        distinct.iter().filter(|id| !published.contains_key(**id)).collect();
    assert!(
        !ids.is_empty() && missing.is_empty(),
        "{missing:?} of {} are not published",
        ids.len()
    );
}

/// What the topic of predictions has, by decision.
pub(super) fn predictions(scene: &Scene) -> BTreeMap<String, Value> {
    let mut published: BTreeMap<String, Value> = BTreeMap::new();
    for value in read_all(&scene.stage.brokers, &scene.stage.topic("predictions")) {
        let value: Value = serde_json::from_slice(&value).expect("JSON");
        let before = published.insert(value["decision_id"].to_string(), value.clone());
        assert!(
            before.is_none_or(|before| before == value),
            "{value} was published as something else too"
        );
    }
    published
}
