//! The verdict on a drained job: nothing lost, nothing twice, every row what the records give.

use super::{Forgotten, Producer, Subject, committed, forgotten};
use crate::services::{Stage, program};
use postgres::Client;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

/// Features that hold for an instant, or for a threshold that is open at the end: the table has
/// them as of each customer's own last event, the replay as of the last of all. `sluice verify`
/// compares these.
const OF_AN_INSTANT: [&str; 7] = [
    "customer_id",
    "recency",
    "days_since_signup",
    "is_high_value",
    "is_at_risk",
    "is_recent_active",
    "clv_score",
];

/// Has every epoch, decision and erasure noted in a table that is only ever appended to, and so
/// what the job keeps. The tables must be there.
pub(crate) fn note_effects(stage: &Stage, subject: Subject) {
    let triggers = |(table, key): &(&str, &str)| {
        format!(
            "CREATE FUNCTION note_{table}() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO public.effects (kind, key) VALUES ('{table}', concat_ws(' ', \
             {key})); RETURN NULL; END $$;
             CREATE TRIGGER note AFTER INSERT OR UPDATE ON sluice.{table} FOR EACH ROW EXECUTE \
             FUNCTION note_{table}();
             INSERT INTO public.effects (kind, key) SELECT '{table}', concat_ws(' ', {own}) FROM \
             sluice.{table};",
            // Idle partitions may have made an epoch already.
            own = key.replace("NEW.", "")
        )
    };
    let all: String = subject.noted().iter().map(triggers).collect();
    let table = "CREATE TABLE public.effects (id bigserial PRIMARY KEY, kind text NOT NULL, key \
        text NOT NULL, by xid8 NOT NULL DEFAULT pg_current_xact_id());";
    stage.database().batch_execute(&format!("{table} {all}")).expect("effects can be noted");
    forgotten::note_kept(stage);
}

/// What was found of a campaign, a line each.
///
/// # Panics
/// If anything is not as it must be.
pub(crate) fn judge(stage: &Stage, producer: &Producer) -> Vec<String> {
    let forgotten = Forgotten::of(stage, producer);
    let forgotten = forgotten.as_ref();
    vec![
        complete(stage, producer, forgotten),
        once(stage, Subject::Campaign),
        verified(stage, forgotten),
        replayed(stage, forgotten),
    ]
}

/// The last epoch ends behind the last record that can be read, and not behind the end of its
/// partition; and every record was counted once, but for those that were gone before.
pub(crate) fn complete(
    stage: &Stage,
    producer: &Producer,
    forgotten: Option<&Forgotten<'_>>,
) -> String {
    let mut database = stage.database();
    let (found, ends) = (committed(&mut database), producer.ends(stage));
    assert!(
        producer.is_read(&found),
        "the last epoch ends at {found:?}, and the topics at {ends:?}"
    );
    for (place, next) in &found {
        // What comes after the last record, of aborted ones and marks, may be passed or not.
        assert!(
            ends.get(place).is_some_and(|end| next <= end),
            "{place:?}: the last epoch ends at {next}, and the topics at {ends:?}"
        );
    }
    let (sent, bad, unread) =
        (producer.sent(), producer.bad(), forgotten.map_or(0, |forgotten| forgotten.unread));
    let counted =
        one(&mut database, "SELECT sum((counts->>'records')::bigint)::bigint FROM sluice.epochs");
    assert_eq!(
        counted,
        sent - bad - unread,
        "valid records that were counted, of {sent} of which {bad} are bad, and {unread} were gone \
         before"
    );
    let without: i64 = ends.values().sum::<i64>() - sent;
    format!(
        "the last epoch ends where the topics end; {sent} records sent, {bad} of them bad, \
         {unread} replaced before they were read, and all others counted; \
         {without} offsets without a record"
    )
}

/// No effect was there in two transactions, and no epoch is missing.
pub(crate) fn once(stage: &Stage, subject: Subject) -> String {
    let mut database = stage.database();
    let query = "SELECT kind || ' ' || key FROM public.effects GROUP BY kind, key HAVING \
        count(DISTINCT by) > 1 ORDER BY 1 LIMIT 10";
    let doubles: Vec<String> =
        database.query(query, &[]).expect("effects").iter().map(|row| row.get(0)).collect();
    assert!(doubles.is_empty(), "more than once: {doubles:?}");
    let mut count = |kind: &str| {
        one(&mut database, &format!("SELECT count(*) FROM public.effects WHERE kind = '{kind}'"))
    };
    let counts: Vec<(&str, i64)> =
        subject.noted().iter().map(|(table, _)| (*table, count(table))).collect();
    let last = one(&mut database, "SELECT max(epoch) FROM sluice.epochs");
    assert_eq!(counts[0], ("epochs", last), "every epoch once");
    assert_eq!(one(&mut database, "SELECT epoch FROM sluice.progress"), last, "progress");
    let counts: Vec<String> =
        counts.into_iter().map(|(table, count)| format!("{count} {table}")).collect();
    format!("once each: {}", counts.join(", "))
}

/// `sluice verify` finds no difference, and of a compacted topic it knows how much is gone of what
/// the job has read.
pub(crate) fn verified(stage: &Stage, forgotten: Option<&Forgotten<'_>>) -> String {
    let gone = || forgotten.map_or(0, |forgotten| forgotten.gone(stage) as u64);
    let before = gone();
    let output = program()
        .arg("verify")
        .arg(stage.config())
        .args(["--workers", "2", "--json"])
        .output()
        .expect("the program can be started");
    let after = gone();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "sluice verify: {}\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let said: Value = serde_json::from_str(&text).expect("JSON");
    let removed: BTreeMap<String, u64> =
        serde_json::from_value(said["removed"]["records"].clone()).unwrap_or_default();
    let removed: u64 = removed.values().sum();
    assert!(
        (before..=after).contains(&removed),
        "{before} to {after} records that the job has read are gone: {said}"
    );
    let rows: u64 = said["tables"]
        .as_array()
        .expect("tables")
        .iter()
        .filter_map(|table| table["rows"].as_u64())
        .sum();
    let of = forgotten.map_or_else(String::new, |forgotten| {
        format!(
            "; {removed} of {} records of customers are gone since, and {} values cannot be told",
            forgotten.read(),
            said["untold"]
        )
    });
    format!("sluice verify: no difference in {rows} rows as of epoch {}{of}", said["epoch"])
}

/// All records that the job has read at once, given the published thresholds, come to the same
/// model and the same features.
fn replayed(stage: &Stage, forgotten: Option<&Forgotten<'_>>) -> String {
    let config = forgotten.map_or_else(|| stage.config(), |forgotten| forgotten.made_anew(stage));
    let mut database = stage.database();
    let days = database
        .query("SELECT day::text || ',' || high_value FROM sluice.thresholds ORDER BY day", &[])
        .expect("thresholds");
    let lines: String = days.iter().map(|row| format!("{}\n", row.get::<_, String>(0))).collect();
    let (thresholds, output) = (stage.path("published.csv"), stage.path("replayed"));
    fs::write(&thresholds, format!("day,high_value\n{lines}"))
        .expect("the thresholds can be written");
    let [given, into, config] =
        [&thresholds, &output, &config].map(|path| path.to_str().expect("UTF-8"));
    stage.sluice(&[
        "replay",
        "--config",
        config,
        "--from",
        "earliest",
        "--thresholds",
        given,
        "--output",
        into,
    ]);
    let digest = database
        .query_one("SELECT digest FROM sluice.epochs ORDER BY epoch DESC LIMIT 1", &[])
        .expect("an epoch")
        .get::<_, String>(0);
    let model: Value =
        serde_json::from_str(&fs::read_to_string(output.join("model.json")).expect("a model"))
            .expect("JSON");
    assert_eq!(
        model["digest"],
        digest,
        "the model of a replay in one epoch with {} published thresholds",
        days.len()
    );
    let customers = same_features(
        &mut database,
        &fs::read_to_string(output.join("features.csv")).expect("features"),
    );
    format!(
        "a replay in one epoch with the {} published thresholds has the same model, {}…, and \
         features of {customers} customers",
        days.len(),
        &digest[..12]
    )
}

/// Compares the features that hold for no instant; gives how many customers have them.
fn same_features(database: &mut Client, csv: &str) -> usize {
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().expect("a header");
    let compared: Vec<usize> =
        (0..header.len()).filter(|&column| !OF_AN_INSTANT.contains(&header[column])).collect();
    let number = |text: &str| text.parse::<f64>().expect("a number");
    let wanted: Vec<(i64, Vec<f64>)> = lines
        .map(|row| {
            (
                row[0].parse().expect("a customer"),
                compared.iter().map(|&column| number(row[column])).collect(),
            )
        })
        .collect();
    let names: Vec<String> =
        compared.iter().map(|&column| format!("\"{}\"", header[column])).collect();
    let rows = database.query(
        &format!(
            "SELECT customer_id, {} FROM sluice.customer_features ORDER BY 1",
            names.join(", ")
        ),
        &[],
    );
    let found: Vec<(i64, Vec<f64>)> = rows
        .expect("customers")
        .iter()
        .map(|row| (row.get(0), (1..=compared.len()).map(|column| row.get(column)).collect()))
        .collect();
    assert_eq!(found.len(), wanted.len(), "customers");
    for (found, wanted) in found.iter().zip(&wanted) {
        assert_eq!(found, wanted, "features {names:?} of a customer");
    }
    found.len()
}

fn one(database: &mut Client, query: &str) -> i64 {
    database
        .query_one(&format!("SELECT ({query})::bigint"), &[])
        .expect("a row")
        .get::<_, Option<i64>>(0)
        .unwrap_or_default()
}
