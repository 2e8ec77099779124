//! The lines of an epoch's file, out of the rows that the PostgreSQL sink would send.

use crate::hexadecimal::hexadecimal;
use crate::postgres::comparison::shapes::{self, DECISION_INSTANT, INTERACTION_NAME};
use crate::postgres::comparison::single;
use crate::postgres::comparison::table::{ARRAY_HEADER, Shape, values};
use crate::postgres::comparison::value::{Kind, number, show};
use crate::postgres::encode::{CopyBuffer, microseconds};
use crate::postgres::rows::Staging;
use crate::postgres::{PostgresError, PostgresSettings};
use crate::results::{Changed, EpochResults};
use crate::sink::Link;
use crate::source::offsets_by_name;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use dataflows::event::CustomerId;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write;

/// Writes the lines of epochs, one after the other.
pub struct Lines {
    settings: PostgresSettings,
    tables: Tables,
    staging: Staging,
    row: CopyBuffer,
    out: Vec<u8>,
}

/// What the tables look like.
struct Tables {
    interactions: Shape,
    features: Shape,
    decisions: Shape,
    models: Shape,
    thresholds: Shape,
    erasures: Shape,
    arm_stats: Shape,
    segments: Shape,
    dead_letters: Shape,
    metrics: Shape,
}

/// What happened to a row.
const INSERT: &str = "insert";
const UPDATE: &str = "update";
const DELETE: &str = "delete";

impl Lines {
    /// For a job whose tables would have these settings.
    pub fn new(settings: PostgresSettings) -> Lines {
        let tables = Tables {
            interactions: shapes::interactions(),
            features: shapes::customer_features(&settings.features),
            decisions: shapes::decisions(),
            models: shapes::model_versions(),
            thresholds: shapes::thresholds(),
            erasures: shapes::erasures(),
            arm_stats: shapes::arm_stats(),
            segments: shapes::segments(),
            dead_letters: shapes::dead_letters(),
            metrics: shapes::model_metrics(),
        };
        Lines {
            settings,
            tables,
            staging: Staging::default(),
            row: CopyBuffer::default(),
            out: Vec::new(),
        }
    }

    /// The lines of an epoch of a history, after which `pending` interactions wait.
    ///
    /// # Errors
    /// [`PostgresError::Shape`] when contexts or features are not as many as the settings name.
    pub fn write(
        &mut self,
        results: &EpochResults,
        pending: i64,
        history: Link,
    ) -> Result<&[u8], PostgresError> {
        self.out.clear();
        self.staging.fill(results, &self.settings)?;
        self.epoch(results, history);
        self.interactions();
        self.features(results.changed.as_ref());
        self.decisions(results);
        self.models(results);
        self.erasures(results);
        self.aggregates(results);
        let Lines { tables, staging, row, out, .. } = self;
        staging
            .dead_letters
            .each_row()
            .for_each(|row| line(out, &tables.dead_letters, INSERT, row, None));
        line(
            out,
            &tables.metrics,
            INSERT,
            single::metrics(row, results, staging.mean_reward, pending),
            None,
        );
        Ok(&self.out)
    }

    /// As `sluice replay --epochs` reads it.
    fn epoch(&mut self, results: &EpochResults, history: Link) {
        let EpochResults { epoch, closed, counts, digest, topic_ids, chain, .. } = results;
        let watermark =
            closed.watermark.map(|at| show(Kind::Timestamp, Some(&microseconds(at).to_be_bytes())));
        let values = [
            ("table", json!("epochs")),
            ("change", json!(INSERT)),
            ("job", json!(self.settings.job)),
            ("epoch", json!(epoch)),
            ("watermark", json!(watermark)),
            ("offsets", json!(offsets_by_name(&closed.offsets, &self.settings.topics))),
            ("digest", json!(hexadecimal(digest))),
            ("counts", json!(counts)),
            ("topic_ids", json!(topic_ids.named(&self.settings.topics))),
            ("chain", json!(chain)),
            ("identity", json!(history)),
        ];
        let fields: Vec<String> =
            values.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        self.out.extend_from_slice(format!("{{{}}}\n", fields.join(",")).as_bytes());
    }

    /// First what went: it may have come again.
    fn interactions(&mut self) {
        let Lines { tables, staging, row, out, .. } = self;
        let (customers, keys) = &staging.gone_interactions;
        for (&customer, &key) in customers.iter().zip(keys) {
            row.clear();
            row.row(2);
            row.bigint(customer);
            row.bigint(key);
            row.each_row().for_each(|row| line(out, &tables.interactions, DELETE, row, None));
        }
        staging
            .new_interactions
            .each_row()
            .for_each(|row| line(out, &tables.interactions, INSERT, row, None));
        staging
            .changed_interactions
            .each_row()
            .for_each(|row| line(out, &tables.interactions, UPDATE, row, Some(INTERACTION_NAME)));
    }

    /// Where settings changed, with features that customers do not have any more.
    fn features(&mut self, changed: Option<&Changed>) {
        let Lines { tables, staging, row, out, .. } = self;
        for &customer in &staging.gone_customers {
            row.clear();
            row.row(1);
            row.bigint(customer);
            row.each_row().for_each(|row| line(out, &tables.features, DELETE, row, None));
        }
        staging
            .new_features
            .each_row()
            .for_each(|row| line(out, &tables.features, INSERT, row, None));
        let gone = changed.map_or(&[][..], |changed| &changed.gone_features);
        staging.changed_features.each_row().for_each(|row| {
            line(out, &tables.features, UPDATE, row, None);
            gone.iter().for_each(|name| add_null(out, name));
        });
    }

    /// But for those that the epoch itself erases.
    fn decisions(&mut self, results: &EpochResults) {
        let mut erased: BTreeMap<CustomerId, i64> = BTreeMap::new();
        for erasure in &results.erasures {
            let until = erased.entry(erasure.customer).or_insert(i64::MIN);
            *until = microseconds(erasure.gone_until()).max(*until);
        }
        let Lines { tables, staging, out, .. } = self;
        let [customer, instant] = [DECISION_CUSTOMER, DECISION_INSTANT].map(|place| {
            move |row: &[u8]| {
                values(row)
                    .get(place)
                    .copied()
                    .flatten()
                    .and_then(|value| value.try_into().ok())
                    .map(i64::from_be_bytes)
            }
        });
        let is_erased = |row: &[u8]| {
            let until = customer(row).and_then(|customer| erased.get(&customer));
            until.is_some_and(|until| instant(row).is_some_and(|at| at <= *until))
        };
        let stays = |row: &&[u8]| erased.is_empty() || !is_erased(row);
        staging
            .decisions
            .each_row()
            .filter(stays)
            .for_each(|row| line(out, &tables.decisions, INSERT, row, None));
    }

    fn models(&mut self, results: &EpochResults) {
        let Lines { tables, staging, row, out, .. } = self;
        staging.models.each_row().for_each(|row| line(out, &tables.models, INSERT, row, None));
        for &day in results.changed.iter().flat_map(|changed| &changed.gone_thresholds) {
            line(
                out,
                &tables.thresholds,
                DELETE,
                single::threshold(row, day, 0, results.epoch),
                None,
            );
        }
        for &(day, high_value) in &results.thresholds {
            line(
                out,
                &tables.thresholds,
                INSERT,
                single::threshold(row, day, high_value, results.epoch),
                None,
            );
        }
    }

    fn erasures(&mut self, results: &EpochResults) {
        let Lines { tables, row, out, .. } = self;
        let mut repetitions: BTreeMap<(CustomerId, i64), i64> = BTreeMap::new();
        for erasure in &results.erasures {
            let repetition = repetitions.entry((erasure.customer, erasure.until)).or_default();
            *repetition += 1;
            line(
                out,
                &tables.erasures,
                INSERT,
                single::erasure(row, erasure, *repetition, results),
                None,
            );
        }
    }

    /// Of several rows for one key the last is what stands; one with nothing in it is no row.
    fn aggregates(&mut self, results: &EpochResults) {
        let Lines { settings, tables, row, out, .. } = self;
        let days: BTreeMap<_, _> =
            results.arm_days.iter().map(|stats| ((stats.day, stats.arm), stats)).collect();
        for stats in days.into_values() {
            let change = if stats.interactions == 0 { DELETE } else { UPDATE };
            line(
                out,
                &tables.arm_stats,
                change,
                single::arm_day(row, stats, &settings.arms, results.epoch),
                None,
            );
        }
        let segments: BTreeMap<_, _> =
            results.segments.iter().map(|segment| (segment.flags, segment)).collect();
        for segment in segments.into_values() {
            let change = if segment.customers == 0 { DELETE } else { UPDATE };
            line(
                out,
                &tables.segments,
                change,
                single::segment(row, segment, settings.decimals, results.epoch),
                None,
            );
        }
    }
}

/// Where its customer stands among the columns of `decisions`.
const DECISION_CUSTOMER: usize = 1;

/// Writes the line of a row, but for the column `kept`, which stays as it is. Of a row that went
/// only the key is written.
pub fn line(out: &mut Vec<u8>, shape: &Shape, change: &str, row: &[u8], kept: Option<usize>) {
    out.extend_from_slice(
        format!("{{\"table\":\"{}\",\"change\":\"{change}\"", shape.table).as_bytes(),
    );
    for (place, (column, value)) in shape.columns.iter().zip(values(row)).enumerate() {
        if kept == Some(place) || (change == DELETE && !shape.key.contains(&place)) {
            continue;
        }
        out.push(b',');
        text(out, &column.name);
        out.push(b':');
        match value {
            Some(bytes) => write_value(out, column.kind, bytes),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.extend_from_slice(b"}\n");
}

/// Adds a column without a value to the line that was written last.
fn add_null(out: &mut Vec<u8>, name: &str) {
    out.truncate(out.len() - b"}\n".len());
    out.push(b',');
    text(out, name);
    out.extend_from_slice(b":null}\n");
}

fn write_value(out: &mut Vec<u8>, kind: Kind, bytes: &[u8]) {
    match kind {
        Kind::Boolean => out.extend_from_slice(show(kind, Some(bytes)).as_bytes()),
        Kind::Smallint | Kind::Integer | Kind::Bigint => {
            whole(out, number(kind, bytes).unwrap_or_default())
        }
        Kind::Day | Kind::Timestamp => text(out, &show(kind, Some(bytes))),
        Kind::Float8 => real(out, bytes.try_into().map(f64::from_be_bytes).unwrap_or(f64::NAN)),
        Kind::Text => text(out, &String::from_utf8_lossy(bytes)),
        Kind::Bytes => text(out, &BASE64_STANDARD.encode(bytes)),
        Kind::Smallints => array::<2>(out, bytes, |out, element| {
            whole(out, i64::from(i16::from_be_bytes(element)))
        }),
        Kind::Float8s => {
            array::<8>(out, bytes, |out, element| real(out, f64::from_be_bytes(element)))
        }
    }
}

/// The elements of an array as it is encoded: each behind its length, after the header.
fn array<const N: usize>(out: &mut Vec<u8>, bytes: &[u8], write: impl Fn(&mut Vec<u8>, [u8; N])) {
    out.push(b'[');
    let elements = bytes.get(ARRAY_HEADER..).unwrap_or_default().chunks_exact(4 + N);
    for (place, element) in elements.filter_map(|element| element.last_chunk::<N>()).enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write(out, *element);
    }
    out.push(b']');
}

fn whole(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A number in the fewest digits that read back to it; as a text where JSON has no number for it.
fn real(out: &mut Vec<u8>, value: f64) {
    match value.is_finite() {
        true => out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes()),
        false => text(out, &value.to_string()),
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    // Writing to memory does not fail, and a text always is JSON.
    let _ = serde_json::to_writer(out.by_ref(), text);
}
