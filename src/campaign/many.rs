//! Rows that come by the thousand: of interactions, customers and decisions. What a row went
//! through in an epoch comes to one change, and they are sorted by their keys.

use super::results::EpochResults;
use super::rows::CampaignWording;
use crate::sink::rows::Unfit;
use crate::table::Changes;
use crate::table::changes::net;
use crate::table::encode::CopyBuffer;
use dataflows::bandit::acting::Exploration;
use dataflows::campaign::output::{Change, Decision, FeatureRow, InteractionRow};
use dataflows::event::{CustomerId, Millis, Names};
use std::collections::BTreeMap;

/// Where rows and ids lie, in the order of their keys; it serves table after table.
#[derive(Debug, Default)]
pub struct Order {
    entries: Vec<Entry>,
    names: Vec<Name>,
}

/// Where a row lies in the results. The order of entries is that of the table's key, and for one
/// key that of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    customer: CustomerId,
    key: i64,
    batch: u32,
    row: u32,
    /// Which of its batch's contexts, or groups of values, is its own.
    value: u32,
}

/// Where the text of an id lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    customer: CustomerId,
    key: i64,
    batch: u32,
    start: u32,
    end: u32,
}

/// Rows of interactions; gives the mean reward of those that are learned.
pub fn interactions(
    changes: &mut Changes,
    results: &EpochResults,
    wording: &CampaignWording,
    Order { entries, names }: &mut Order,
) -> Result<Option<f64>, Unfit> {
    let (dimension, columns) = (wording.context.len(), changes.table.columns.len());
    enter_interactions(results, dimension, entries)?;
    index_names(names, &results.names);
    let (mut rewards, mut rewarded) = (0i128, 0i64);
    let mut names = names.iter().peekable();
    for same in entries.chunk_by(|a, b| (a.customer, a.key) == (b.customer, b.key)) {
        let row_of =
            |entry: &Entry| &results.interactions[entry.batch as usize].rows[entry.row as usize];
        let last = &same[same.len() - 1];
        let row = row_of(last);
        let Some(change) = net(row_of(&same[0]).change, row.change) else { continue };
        if change == Change::Delete {
            changes.gone.row(2);
            changes.gone.bigint(last.customer);
            changes.gone.bigint(last.key);
            continue;
        }
        let contexts = &results.interactions[last.batch as usize].contexts;
        let context =
            row.learned.then(|| &contexts[last.value as usize * dimension..][..dimension]);
        if let (true, Some(reward)) = (row.learned, row.reward) {
            rewards += i128::from(reward);
            rewarded += 1;
        }
        let (buffer, name) = if change == Change::Update {
            (&mut changes.changed, None)
        } else {
            while names
                .next_if(|name| (name.customer, name.key) < (last.customer, last.key))
                .is_some()
            {}
            let name =
                names.peek().filter(|name| (name.customer, name.key) == (last.customer, last.key));
            let text = name.and_then(|name| {
                results.names[name.batch as usize].text.get(name.start as usize..name.end as usize)
            });
            (&mut changes.new, text)
        };
        write_interaction(buffer, columns, row, name, context, results.epoch);
    }
    Ok((rewarded > 0).then(|| real_reward(rewards) / rewarded as f64))
}

/// Where every row of an interaction lies, in the order of their keys.
fn enter_interactions(
    results: &EpochResults,
    dimension: usize,
    entries: &mut Vec<Entry>,
) -> Result<(), Unfit> {
    entries.clear();
    for (batch, rows) in results.interactions.iter().enumerate() {
        let key = |row: &InteractionRow| (row.customer, row.key as i64, row.learned);
        let learned = enter(entries, batch, &rows.rows, key);
        check(results.epoch, "terms of contexts", rows.contexts.len(), learned * dimension)?;
    }
    // Each worker's are in order: runs are only merged.
    entries.sort();
    Ok(())
}

/// Enters the rows of a batch, each with its customer, its key, and whether it has values of its
/// own; gives how many have.
fn enter<R>(
    entries: &mut Vec<Entry>,
    batch: usize,
    rows: &[R],
    of: impl Fn(&R) -> (CustomerId, i64, bool),
) -> usize {
    let mut value = 0;
    for (row, (customer, key, has_values)) in rows.iter().map(of).enumerate() {
        entries.push(Entry { customer, key, batch: batch as u32, row: row as u32, value });
        value += u32::from(has_values);
    }
    value as usize
}

/// Rows of customers.
pub fn features(
    changes: &mut Changes,
    results: &EpochResults,
    wording: &CampaignWording,
    Order { entries, .. }: &mut Order,
) -> Result<(), Unfit> {
    let width = wording.features.len();
    entries.clear();
    for (batch, rows) in results.features.iter().enumerate() {
        let key = |row: &FeatureRow| (row.customer, 0, row.change != Change::Delete);
        let standing = enter(entries, batch, &rows.rows, key);
        check(results.epoch, "values of features", rows.values.len(), standing * width)?;
    }
    // Each worker's are in order: runs are only merged.
    entries.sort();
    for same in entries.chunk_by(|a, b| a.customer == b.customer) {
        let row_of =
            |entry: &Entry| &results.features[entry.batch as usize].rows[entry.row as usize];
        let last = &same[same.len() - 1];
        let row = row_of(last);
        let buffer = match net(row_of(&same[0]).change, row.change) {
            None => continue,
            Some(Change::Delete) => {
                changes.gone.row(1);
                changes.gone.bigint(row.customer);
                continue;
            }
            Some(Change::Insert) => &mut changes.new,
            Some(Change::Update) => &mut changes.changed,
        };
        let values =
            &results.features[last.batch as usize].values[last.value as usize * width..][..width];
        write_features(buffer, row, values, results.epoch);
    }
    let gone = results.changed.iter().flat_map(|changed| &changed.gone_features);
    changes.nulls.extend(gone.cloned());
    Ok(())
}

/// Of two decisions of one id (asked for again after an erasure) the later one stands; none does
/// that the epoch itself erases.
pub fn decisions(
    changes: &mut Changes,
    results: &EpochResults,
    wording: &CampaignWording,
    Order { entries, .. }: &mut Order,
) {
    let mut erased: BTreeMap<CustomerId, Millis> = BTreeMap::new();
    for erasure in &results.erasures {
        let until = erased.entry(erasure.customer).or_insert(Millis::MIN);
        *until = erasure.gone_until().max(*until);
    }
    let is_erased = |decision: &Decision| {
        erased.get(&decision.customer).is_some_and(|until| decision.timestamp <= *until)
    };
    let entry = |(row, decision): (usize, &Decision)| {
        let Decision { customer, key, .. } = *decision;
        Entry { customer, key: key as i64, batch: 0, row: row as u32, value: 0 }
    };
    entries.clear();
    entries.extend(results.decisions.iter().enumerate().map(entry));
    // Each worker's are in order: runs are only merged.
    entries.sort();
    let columns = changes.table.columns.len();
    for same in entries.chunk_by(|a, b| (a.customer, a.key) == (b.customer, b.key)) {
        let decision = &results.decisions[same[same.len() - 1].row as usize];
        if !is_erased(decision) {
            write_decision(&mut changes.new, columns, decision, &wording.arms, results.epoch);
        }
    }
}

fn check(epoch: u64, what: &'static str, found: usize, wanted: usize) -> Result<(), Unfit> {
    if found == wanted { Ok(()) } else { Err(Unfit { epoch, what, found, wanted }) }
}

fn index_names(index: &mut Vec<Name>, batches: &[Names]) {
    index.clear();
    for (batch, names) in batches.iter().enumerate() {
        let mut start = 0;
        for &(customer, key, end) in &names.keys {
            index.push(Name { customer, key: key as i64, batch: batch as u32, start, end });
            start = end;
        }
    }
    index.sort_unstable();
}

/// A reward, or a sum of them, in Q16 as a number.
fn real_reward(reward: i128) -> f64 {
    reward as f64 / 65_536.0
}

fn write_interaction(
    buffer: &mut CopyBuffer,
    columns: usize,
    row: &InteractionRow,
    name: Option<&[u8]>,
    context: Option<&[i16]>,
    epoch: u64,
) {
    buffer.row(columns);
    buffer.bigint(row.customer);
    buffer.bigint(row.key as i64);
    buffer.optional(name, CopyBuffer::text);
    buffer.timestamp(row.timestamp);
    buffer.smallint(row.arm as i16);
    buffer.optional(row.reward, |buffer, reward| buffer.float8(real_reward(i128::from(reward))));
    buffer.float8(row.propensity);
    buffer.boolean(row.learned);
    buffer.optional(row.decision, |buffer, (key, _)| buffer.bigint(key as i64));
    buffer.optional(row.decision.and_then(|(_, version)| version), |buffer, version| {
        buffer.bigint(version as i64)
    });
    buffer.optional(context, CopyBuffer::smallints);
    buffer.bigint(epoch as i64);
}

fn write_features(buffer: &mut CopyBuffer, row: &FeatureRow, values: &[f64], epoch: u64) {
    buffer.row(5 + values.len());
    buffer.bigint(row.customer);
    values.iter().for_each(|&value| buffer.float8(value));
    buffer.timestamp(row.as_of);
    buffer.optional(row.last_purchase, CopyBuffer::timestamp);
    buffer.optional(row.signup, CopyBuffer::timestamp);
    buffer.bigint(epoch as i64);
}

fn write_decision(
    buffer: &mut CopyBuffer,
    columns: usize,
    decision: &Decision,
    arms: &[String],
    epoch: u64,
) {
    let campaign = decision.arm.and_then(|arm| arms.get(usize::from(arm)));
    buffer.row(columns);
    buffer.text(decision.decision.as_bytes());
    buffer.bigint(decision.customer);
    buffer.bigint(decision.key as i64);
    buffer.timestamp(decision.timestamp);
    buffer.optional(decision.arm, |buffer, arm| buffer.smallint(arm as i16));
    buffer.optional(campaign, |buffer, name| buffer.text(name.as_bytes()));
    buffer.float8(decision.propensity);
    buffer.float8(decision.expected_reward);
    buffer.float8(decision.uncertainty);
    buffer.float8s(&decision.scores);
    buffer.bigint(decision.model_version as i64);
    buffer.text(decision.policy.as_bytes());
    buffer.smallints(&decision.context);
    buffer.bigint(epoch as i64);
    buffer.float8s(&decision.propensities);
    buffer.texts(&decision.reasons);
    let Exploration { factor, unit, alpha } = decision.exploration;
    [factor, unit, alpha].into_iter().for_each(|of| buffer.optional(of, CopyBuffer::float8));
}
