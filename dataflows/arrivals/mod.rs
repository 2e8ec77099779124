//! The arrivals dataflow: how often somebody came, and when first and last. It is as small as a
//! dataflow can be, and the one to copy when another is written.
//!
//! A record of its topic says that an arrival is so (`{"customer_id": 17, "arrival_id": "a-1",
//! "timestamp": …}`), that one never was (`"op": "retract"`), or that a customer is erased (`"op":
//! "erase"`, up to the `timestamp` or for ever; or a record without a value, up to when it was
//! sent). Of one id the last record stands: a repeated id replaces. A retraction takes away what is
//! there; where nothing is, it waits for nothing and leaves nothing, so that an arrival whose
//! record comes in a later epoch counts.

mod table;
#[cfg(test)]
mod tests;

use crate::event::Problem;
use crate::event::named::NamedValues;
use crate::keyed::{Keyed, KeyedSettings};
use crate::source::{TopicId, TopicOf};
use crate::table::Table;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The arrivals dataflow, with its settings.
#[derive(Clone, Debug, Default)]
pub struct Arrivals(KeyedSettings);

/// What a record says: of the arrival with this hash of its id, when it was; `None`: it never was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrivalRecord(u64, Option<Millis>);

/// What is seen of a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrivalsOf {
    /// How many arrivals.
    pub arrivals: i64,
    /// When the first was.
    pub first: Millis,
    /// When the last was.
    pub last: Millis,
}

static TOPIC: TopicOf = TopicOf {
    name: "arrivals",
    former: None,
    file_stem: "arrivals",
    number: 0,
    moves_watermark: true,
    comes_first: false,
    erases: true,
};

/// What tells an arrival from the others of its customer.
const ARRIVAL: &str = "arrival_id";

impl Keyed for Arrivals {
    const NAME: &'static str = "arrivals";
    type Event = ArrivalRecord;
    /// When each was, by the hashes of their ids.
    type Kept = BTreeMap<u64, Millis>;
    type View = ArrivalsOf;

    fn topics() -> Vec<TopicId> {
        vec![TopicId::of(&TOPIC)]
    }

    fn table() -> Table {
        table::arrivals()
    }

    fn of(settings: KeyedSettings) -> Self {
        Arrivals(settings)
    }

    fn settings(&self) -> &KeyedSettings {
        &self.0
    }

    fn fields(_: TopicId) -> &'static [&'static str] {
        &[ARRIVAL]
    }

    fn read(_: TopicId, values: &NamedValues) -> Result<ArrivalRecord, Problem> {
        let id = values.id(ARRIVAL)?;
        let at = (!values.retracts()).then(|| values.instant("timestamp")).transpose()?;
        Ok(ArrivalRecord(id, at))
    }

    fn dated(&ArrivalRecord(_, at): &ArrivalRecord) -> Option<Millis> {
        at
    }

    fn fold(kept: &mut Self::Kept, ArrivalRecord(id, at): ArrivalRecord) {
        match at {
            Some(at) => kept.insert(id, at),
            None => kept.remove(&id),
        };
    }

    fn erase(kept: &mut Self::Kept, until: Millis) -> u64 {
        kept.extract_if(.., |_, at| *at <= until).count() as u64
    }

    fn view(kept: &Self::Kept) -> Option<ArrivalsOf> {
        let (first, last) = (kept.values().min(), kept.values().max());
        let arrivals = kept.len() as i64;
        first.zip(last).map(|(&first, &last)| ArrivalsOf { arrivals, first, last })
    }
}
