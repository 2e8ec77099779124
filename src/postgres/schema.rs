//! The schema of a job: taken over in one step, and what follows the configuration: the columns of
//! features, the view over them, and the names.

use super::address;
use super::error::PostgresError;
use super::migrations;
use super::owner;
use super::recorded;
use super::rows::{FEATURE_ENDS, FEATURE_KEY};
use super::settings::PostgresSettings;
use super::survey::Survey;
use crate::identifiers::{LONGEST, quote};
use crate::sink::{Progress, Records};
use crate::source::TopicIds;
use postgres::{Client, GenericClient, Transaction};
use std::collections::{BTreeMap, BTreeSet};

/// Instances that start at once with one schema bring it up to date one after the other, by holding
/// a number. That of `sluice`, `$2` ("sluice" in ASCII), is the one that every schema once had.
const LOCK: &str = "SELECT pg_advisory_xact_lock($2::int8 # hashtextextended($1, 0) # \
    hashtextextended('sluice', 0))";

/// That number.
const NUMBER: i64 = 0x73_6c75_6963_6500;

/// Takes the schema over for a job, unless it is another job's, or of topics that are not those of
/// `now`: nobody who had it before can write any more, and it is brought up to date with this
/// program and its configuration. What is recorded then, and can move no more, `settle` judges.
/// Then does `then`.
///
/// All of it is one transaction. Whatever fails, nothing has changed, and whoever had the job goes
/// on undisturbed; so too where `settle` refuses, of which the inner result tells.
///
/// # Errors
/// Those of [`check`], [`PostgresError::Migration`], that of `then`, or that of a statement.
pub fn take_over<S, E, T>(
    client: &mut Client,
    settings: &PostgresSettings,
    now: &TopicIds,
    settle: impl FnOnce(&mut dyn Records) -> Result<S, E>,
    then: impl FnOnce(&mut Transaction<'_>, Progress) -> Result<T, PostgresError>,
) -> Result<Result<(S, T), E>, PostgresError> {
    let failed = || PostgresError::statement("take the job over");
    let mut transaction = client.transaction().map_err(failed())?;
    let waits = PostgresError::statement("wait for other instances that start");
    transaction.execute(LOCK, &[&settings.schema.to_string(), &NUMBER]).map_err(waits)?;
    check(&mut transaction, settings, now)?;
    // First of all: no epoch may be committed between a migration that computes something from the
    // tables and the fence.
    if owner::is_there(&mut transaction, "progress")? {
        recorded::fence(&mut transaction, &settings.job)?;
    }
    migrations::migrate(&mut transaction, settings)?;
    owner::claim(&mut transaction, settings)?;
    let progress = recorded::register(&mut transaction, &settings.job)?;
    let settled = match settle(&mut Survey::within(&mut transaction, settings, progress)) {
        Ok(settled) => settled,
        Err(refused) => return Ok(Err(refused)),
    };
    follow(&mut transaction, settings)?;
    let done = then(&mut transaction, progress)?;
    transaction.commit().map_err(failed())?;
    Ok(Ok((settled, done)))
}

/// What would keep the job of these settings from taking the schema over, found without changing
/// anything.
///
/// # Errors
/// [`PostgresError::FeatureName`], [`PostgresError::Encoding`], those of [`owner::check`], [`PostgresError::Remade`], [`PostgresError::Version`],
/// [`PostgresError::Diverged`], [`PostgresError::Column`], or that of a statement.
pub fn check(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
    now: &TopicIds,
) -> Result<(), PostgresError> {
    check_names(&settings.features)?;
    check_encoding(client, settings)?;
    owner::check(client, settings)?;
    if *now != TopicIds::UNKNOWN {
        owner::topic_ids(client, settings)?.compare(now, &settings.topics)?;
    }
    migrations::pending(client, settings)?;
    missing_columns(client, settings).map(|_| ())
}

/// Whether tables that are there would be changed: by a migration, or for a feature that has no
/// column yet.
///
/// # Errors
/// Those of [`check`].
pub fn changes_tables(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
) -> Result<bool, PostgresError> {
    Ok(!migrations::pending(client, settings)?.is_empty()
        || !missing_columns(client, settings)?.is_empty())
}

/// The columns of `customer_features` in the order in which rows are written.
pub fn feature_columns(features: &[String]) -> Vec<&str> {
    let names = features.iter().map(String::as_str);
    [FEATURE_KEY].into_iter().chain(names).chain(FEATURE_ENDS).collect()
}

fn check_names(features: &[String]) -> Result<(), PostgresError> {
    let mut seen = BTreeSet::new();
    for name in features {
        let why = match name.as_str() {
            "" => "it has no name",
            long if long.len() > LONGEST => "its name is longer than 63 bytes",
            zero if zero.contains('\0') => "its name has a NUL character in it",
            taken if taken == FEATURE_KEY || FEATURE_ENDS.contains(&taken) => {
                "the table has a column of that name for something else"
            }
            twice if !seen.insert(twice) => "another one has the same name",
            _ => continue,
        };
        return Err(PostgresError::FeatureName { name: name.clone(), why });
    }
    Ok(())
}

/// Makes sure that the database can hold every text.
pub(super) fn check_encoding(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
) -> Result<(), PostgresError> {
    let row = client
        .query_one("SELECT current_setting('server_encoding')", &[])
        .map_err(PostgresError::statement("tell its encoding"))?;
    let encoding: String = row.get(0);
    if encoding == "UTF8" {
        Ok(())
    } else {
        Err(PostgresError::Encoding { address: address::shown(&settings.url), encoding })
    }
}

/// Makes columns, view and names those of the configuration.
fn follow(
    transaction: &mut Transaction<'_>,
    settings: &PostgresSettings,
) -> Result<(), PostgresError> {
    add_feature_columns(transaction, settings)?;
    index_epochs(transaction, settings)?;
    if settings.changes { Ok(()) } else { name(transaction, settings) }
}

/// Makes view and names those of the configuration.
///
/// # Errors
/// That of a statement.
pub fn name(
    transaction: &mut Transaction<'_>,
    settings: &PostgresSettings,
) -> Result<(), PostgresError> {
    let failed = || PostgresError::statement("write the configured names");
    make_view(transaction, settings)?;
    let lateness_seconds = settings.lateness as f64 / 1e3;
    let row = (&settings.job, &lateness_seconds, &settings.at_risk_days, &settings.recent_days);
    transaction
        .batch_execute("DELETE FROM settings; DELETE FROM arms; DELETE FROM context_names")
        .map_err(failed())?;
    transaction
        .execute(
            "INSERT INTO settings (job, lateness, at_risk_days, recent_days) VALUES ($1, \
             make_interval(secs => $2), $3, $4)",
            &[row.0, row.1, row.2, row.3],
        )
        .map_err(failed())?;
    transaction
        .execute(
            "INSERT INTO arms SELECT position - 1, name FROM unnest($1::text[]) WITH \
            ORDINALITY AS a (name, position)",
            &[&settings.arms],
        )
        .map_err(failed())?;
    transaction
        .execute(
            "INSERT INTO context_names SELECT position, name FROM unnest($1::text[]) WITH \
             ORDINALITY AS a (name, position)",
            &[&settings.context],
        )
        .map_err(failed())?;
    Ok(())
}

/// Names and types of a table's columns, in their order.
fn columns(
    client: &mut impl GenericClient,
    table: &str,
) -> Result<Vec<(String, String)>, PostgresError> {
    let rows = client
        .query(
            "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
             WHERE attrelid = to_regclass(current_setting('search_path') || '.' || $1) AND attnum > 0 \
             AND NOT attisdropped ORDER BY attnum",
            &[&table],
        )
        .map_err(PostgresError::statement("list the columns of a table"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The features that `customer_features` has no column for yet; all of them where it is still to be
/// made.
fn missing_columns<'a>(
    client: &mut impl GenericClient,
    settings: &'a PostgresSettings,
) -> Result<Vec<&'a str>, PostgresError> {
    let found: BTreeMap<String, String> =
        columns(client, "customer_features")?.into_iter().collect();
    let mut missing = Vec::new();
    for name in &settings.features {
        match found.get(name) {
            Some(kind) if kind == "double precision" => {}
            Some(kind) => {
                return Err(PostgresError::Column {
                    column: name.clone(),
                    found: kind.clone(),
                    wanted: "double precision",
                });
            }
            None => missing.push(name.as_str()),
        }
    }
    Ok(missing)
}

fn add_feature_columns(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
) -> Result<(), PostgresError> {
    for name in missing_columns(client, settings)? {
        client
            .batch_execute(&format!(
                "ALTER TABLE customer_features ADD COLUMN {} float8",
                quote(name)
            ))
            .map_err(PostgresError::statement("add the column of a feature"))?;
    }
    Ok(())
}

/// Lets old interactions be found by their epoch, where they are to go: only then is it worth what
/// it costs.
fn index_epochs(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
) -> Result<(), PostgresError> {
    if settings.keep.interactions.is_none() || owner::is_there(client, "interactions_by_epoch")? {
        return Ok(());
    }
    client
        .batch_execute("CREATE INDEX interactions_by_epoch ON interactions (epoch)")
        .map_err(PostgresError::statement("index the interactions by their epoch"))
}

/// Replaces the view where its columns stay the same, so that rights on it stay; otherwise makes it
/// anew.
fn make_view(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
) -> Result<(), PostgresError> {
    let wanted = feature_columns(&settings.features);
    let found = columns(client, "customer_features_now")?;
    let same = found.iter().map(|(name, _)| name.as_str()).eq(wanted.iter().copied());
    if !same {
        client
            .batch_execute("DROP VIEW IF EXISTS customer_features_now")
            .map_err(PostgresError::statement("drop the view customer_features_now"))?;
    }
    client
        .batch_execute(&view(&settings.features))
        .map_err(PostgresError::statement("create the view customer_features_now"))
}

/// The features that move with the clock, as of the newest watermark + lateness; the others as they
/// are in the table.
///
/// Days are milliseconds divided once, as the program itself does, so that both give the same bits.
fn view(features: &[String]) -> String {
    let columns = features.iter().map(|name| match name.as_str() {
        "recency" => "r.recency".to_string(),
        "days_since_signup" => "d.days_since_signup".to_string(),
        "clv_score" => "CASE WHEN f.last_purchase IS NULL THEN 0 ELSE f.monetary * f.frequency / \
            (r.recency + 1) END AS clv_score"
            .to_string(),
        "is_at_risk" => "(f.last_purchase IS NOT NULL AND r.recency >= \
            c.at_risk_days)::int::float8 AS is_at_risk"
            .to_string(),
        "is_recent_active" => "(f.last_purchase IS NOT NULL AND r.recency <= \
            c.recent_days)::int::float8 AS is_recent_active"
            .to_string(),
        other => format!("f.{}", quote(other)),
    });
    let columns = columns.map(|column| format!("{column},\n    ")).collect::<String>();
    // `greatest` passes over NULL, so an instant that is not known is asked for first.
    let days = |instant: &str| {
        format!(
            "CASE WHEN {instant} IS NOT NULL THEN (greatest(0, extract(epoch FROM n.instant - \
             {instant})) * 1000)::float8 / 86400000 END"
        )
    };
    format!(
        "CREATE OR REPLACE VIEW customer_features_now AS
WITH clock AS MATERIALIZED (
    SELECT
        s.at_risk_days,
        s.recent_days,
        (
            SELECT e.watermark FROM epochs e WHERE e.job = s.job AND isfinite(e.watermark) ORDER \
            BY e.epoch DESC LIMIT 1
        ) + s.lateness AS instant
    FROM settings s
)
SELECT
    f.customer_id,
    {columns}n.instant AS as_of,
    f.last_purchase,
    f.signup,
    f.epoch
FROM customer_features f
CROSS JOIN clock c
CROSS JOIN LATERAL (SELECT coalesce(c.instant, f.as_of) AS instant) n
CROSS JOIN LATERAL (
    SELECT {since_purchase} AS days_since_purchase, coalesce({since_signup}, 0) AS days_since_signup
) d
CROSS JOIN LATERAL (SELECT coalesce(d.days_since_purchase, d.days_since_signup) AS recency) r",
        since_purchase = days("f.last_purchase"),
        since_signup = days("f.signup"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_that_cannot_be_a_column_is_named() {
        let long = "x".repeat(64);
        for (names, culprit) in [
            (vec!["a", "a"], "a"),
            (vec!["epoch"], "epoch"),
            (vec!["b", ""], ""),
            (vec![long.as_str()], &long),
            (vec!["n\0"], "n\0"),
        ] {
            let names = names.into_iter().map(str::to_string).collect::<Vec<_>>();
            let Err(PostgresError::FeatureName { name, .. }) = check_names(&names) else {
                panic!("{names:?} passed")
            };
            assert_eq!(name, culprit);
        }
        assert!(check_names(&["recency".to_string(), "sport & outdoor_pct".to_string()]).is_ok());
    }
}
