//! Rows that are changed by hand, each of which is named.

use super::*;

/// The differences that were named: table, column (empty: the row as a whole), and how many there
/// are of it.
pub(super) fn named(said: &Value) -> BTreeSet<(String, String, u64)> {
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
pub(super) fn changed(stage: &Stage, name: &str, changes: &[String]) -> std::path::PathBuf {
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

/// What else is changed in rows of results, by their places there.
const BESIDE: [(usize, &str, &str); 6] = [
    (2, "propensities = propensities || 0.5::float8", "propensities"),
    (2, "reasons = reasons || 'capped'::text", "reasons"),
    (2, "factor = coalesce(factor, 0) + 1", "factor"),
    (2, "unit = coalesce(unit, 0) + 1", "unit"),
    (2, "alpha = coalesce(alpha, 0) + 1", "alpha"),
    (5, "reward_squares = reward_squares + 1", "reward_squares"),
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
    let beside = BESIDE.map(|(of, assignment, _)| {
        let (table, row) = ROWS[of];
        format!("UPDATE {table} SET {assignment} WHERE {row}")
    });
    results.chain(beside).chain(others.map(str::to_string)).collect()
}

/// What is found of it in the tables of results: table, column, and how many of the table.
fn found_updated() -> BTreeSet<(String, String, u64)> {
    let all = ROWS.iter().zip(ASSIGNMENTS).map(|((table, _), (_, column))| (*table, column));
    let beside = BESIDE.iter().map(|(of, _, column)| (ROWS[*of].0, *column));
    let found: Vec<(&str, &str)> = all.chain(beside).collect();
    let total = |table: &str| found.iter().filter(|(of, _)| *of == table).count() as u64;
    let row =
        |(table, column): &(&str, &str)| (table.to_string(), column.to_string(), total(table));
    found.iter().map(row).collect()
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
pub(super) fn find_changes(stage: &Stage) {
    let row = |table: &str, column: &str, total| (table.to_string(), column.to_string(), total);
    let (code, said) = verify(&changed(stage, "updated", &updated()), &[]);
    let mut wanted = found_updated();
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
pub(super) fn find_changes_since(stage: &Stage, verified: u64) {
    let row = |table: &str, column: &str, total| (table.to_string(), column.to_string(), total);
    let since = |config: &Path, since: &str| verify(config, &["--since", since]);
    let (code, said) = since(&changed(stage, "updated_since", &updated()), "last");
    let mut wanted = found_updated();
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
