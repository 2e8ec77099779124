//! The rows of an epoch of a small dataflow, sorted by key and encoded.

use super::results::KeyedResults;
use crate::sink::common;
use crate::sink::gathered::{Gathered, behind};
use crate::sink::rows::{Unfit, Wording};
use crate::source::TopicNames;
use crate::table::Changes;
use crate::table::encode::CopyBuffer;
use dataflows::Dataflow;
use dataflows::event::tables::{DEAD_LETTERS, ERASURES};
use dataflows::keyed::{Keyed, ViewChange, tables};
use dataflows::table::Table;
use std::fmt::{self, Debug, Formatter};
use std::marker::PhantomData;
use std::sync::Arc;

/// A small dataflow whose views become rows.
pub trait ViewRows: Keyed {
    /// Encodes a view: what its table has between the customer and the epoch.
    fn word(view: &Self::View, buffer: &mut CopyBuffer);
}

/// What rows of a small dataflow are worded by.
pub struct KeyedWording<K> {
    /// Names of the topics at the broker.
    topics: TopicNames,
    dataflow: PhantomData<fn() -> K>,
}

impl<K> KeyedWording<K> {
    /// With these names of the topics.
    pub fn new(topics: TopicNames) -> Self {
        KeyedWording { topics, dataflow: PhantomData }
    }
}

impl<K: Keyed> Debug for KeyedWording<K> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct(<K as Keyed>::NAME).field("topics", &self.topics).finish()
    }
}

impl<K: ViewRows> Wording for KeyedWording<K> {
    fn dataflow(&self) -> &'static str {
        <K as Dataflow>::NAME
    }

    fn tables(&self) -> Vec<Arc<Table>> {
        tables::<K>().into_iter().map(Arc::new).collect()
    }

    fn word(&self, epoch: &dyn Gathered, tables: &mut [Changes], _: i64) -> Result<(), Unfit> {
        let results: &KeyedResults<K::View> = behind(epoch);
        for changes in tables {
            match changes.table.name {
                ERASURES => erasures(changes, results),
                DEAD_LETTERS => {
                    common::dead_letters(changes, results.epoch, &results.rejected, &self.topics);
                }
                _ => views::<K>(changes, results),
            }
        }
        Ok(())
    }
}

fn views<K: ViewRows>(changes: &mut Changes, results: &KeyedResults<K::View>) {
    let columns = changes.table.columns.len();
    let mut views: Vec<&ViewChange<K::View>> = results.views.iter().collect();
    views.sort_unstable_by_key(|change| change.customer);
    for ViewChange { customer, before, after } in views {
        let Some(view) = after else {
            changes.gone.row(1);
            changes.gone.bigint(*customer);
            continue;
        };
        let buffer = if before.is_some() { &mut changes.changed } else { &mut changes.new };
        buffer.row(columns);
        buffer.bigint(*customer);
        K::word(view, buffer);
        buffer.bigint(results.epoch as i64);
    }
}

fn erasures<V>(changes: &mut Changes, results: &KeyedResults<V>) {
    let mut erasures = results.erasures.clone();
    erasures.sort_unstable();
    let reports = erasures.iter().map(|of| (of.customer, of.until, [of.events]));
    common::erasures(changes, results.epoch, [&results.digest_before, &results.digest], reports);
}
