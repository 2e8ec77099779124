//! A job on trial: what is sent to it, and whether it came to what it must, whatever befell it.

// Each test program uses its own part of what is here.
#![allow(dead_code)]

pub(crate) mod forgotten;
pub(crate) mod layout;
pub(crate) mod population;
pub(crate) mod producer;
pub(crate) mod verdict;

pub(crate) use forgotten::Forgotten;
pub(crate) use producer::Producer;

use postgres::Client;
use producer::Place;
use std::collections::BTreeMap;

/// Where the job goes on in each partition after the last committed epoch.
pub(crate) fn committed(database: &mut Client) -> BTreeMap<Place, i64> {
    let query =
        "SELECT topic.key, next.key::int, next.value::bigint FROM sluice.epochs e, jsonb_each(e.offsets) topic, jsonb_each_text(topic.value) next
                 WHERE e.epoch = (SELECT max(epoch) FROM sluice.epochs) AND next.value::bigint > 0";
    let rows = database.query(query, &[]).expect("offsets");
    rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect()
}

/// Contacts that are not learned: they wait for a threshold or a reward.
pub(crate) const WAITING: &str = "SELECT count(*) FROM sluice.interactions WHERE NOT learned";
