//! Small dataflows as a replay runs them, and what it writes of one: its table, as it stands.

use super::results::KeyedResults;
use super::rows::ViewRows;
use crate::files::error::FileError;
use crate::files::output::{OutputDirectory, OutputError};
use crate::files::reader::{FileColumns, FileReading};
use crate::hexadecimal::hexadecimal;
use crate::hosting::replaying::{
    NamedFigures, ReplayAs, ReplayFlags, ReplayTold, Replays, RowsTaken,
};
use crate::table::csv::CsvRows;
use crate::table::encode::CopyBuffer;
use dataflows::event::CustomerId;
use dataflows::event::named::{COMMON_FIELDS, NamedReader, NamedRecord};
use dataflows::keyed::{Keyed, KeyedCounts, ViewChange};
use dataflows::table::{Column, Table};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, Write};

impl<K: ViewRows> Replays for K {
    fn files() -> Vec<String> {
        vec![file_of(&K::table())]
    }

    /// No flag makes any difference to it.
    fn replayed(self, _: &mut ReplayFlags) -> Result<ReplayAs<Self>, FileError> {
        Ok(ReplayAs { dataflow: self, streamed: false, agreed: Vec::new() })
    }

    fn reading(&self) -> FileReading {
        let columns = <K as Keyed>::topics().into_iter().map(|topic| {
            let names = COMMON_FIELDS.iter().chain(K::fields(topic));
            let names = names.map(|name| name.to_string()).collect();
            (topic, FileColumns { names, configured: false })
        });
        let max_record = Keyed::settings(self).reading.max_record;
        FileReading { max_record, columns: columns.collect() }
    }

    fn taken(&self) -> RowsTaken {
        let reader = NamedReader::new(&Keyed::settings(self).reading);
        Box::new(move |block| {
            let (topic, _) = block.source();
            let mut taken = Vec::new();
            reader.read(
                block,
                |values| K::read(topic, values),
                |record| match record {
                    NamedRecord::Event(_, place, _) | NamedRecord::Erase(_, place, _) => {
                        taken.push(place.position());
                    }
                    NamedRecord::Rejected(_) => {}
                },
            );
            taken
        })
    }

    fn write(
        &self,
        results: &KeyedResults<K::View>,
        output: &OutputDirectory,
        _: usize,
    ) -> Result<ReplayTold, OutputError> {
        let table = K::table();
        let views = standing(&results.views);
        // In which epoch a row was written last is a matter of a job, and not of its records.
        let of_records = |column: &&Column| Some(&*column.name) != table.epoch();
        let columns: Vec<Column> = table.columns.iter().filter(of_records).cloned().collect();
        output.file(&file_of(&table), |out| write_views::<K>(out, &columns, &views))?;
        Ok(told::<K>(results, views.len()))
    }
}

/// The file of a table.
fn file_of(table: &Table) -> String {
    format!("{}.csv", table.name)
}

/// What is seen at the end: of each customer the last change stands, for all of them come from one
/// worker, in the order of epochs.
fn standing<V>(changes: &[ViewChange<V>]) -> BTreeMap<CustomerId, &V> {
    let last: BTreeMap<CustomerId, Option<&V>> =
        changes.iter().map(|change| (change.customer, change.after.as_ref())).collect();
    last.into_iter().filter_map(|(customer, view)| Some((customer, view?))).collect()
}

fn write_views<K: ViewRows>(
    out: &mut impl Write,
    columns: &[Column],
    views: &BTreeMap<CustomerId, &K::View>,
) -> io::Result<()> {
    let mut file = CsvRows::begin(columns, out)?;
    let mut row = CopyBuffer::default();
    for (customer, view) in views {
        row.clear();
        row.row(columns.len());
        row.bigint(*customer);
        K::word(view, &mut row);
        file.write(&row)?;
    }
    file.finish()
}

fn told<K: Keyed>(results: &KeyedResults<K::View>, customers: usize) -> ReplayTold {
    let KeyedCounts { records, erased, unread_erasures } = results.counts;
    let rejected = results.rejected.len();
    let digest = hexadecimal(&results.sum.digest(K::NAME));
    let unread = match unread_erasures {
        0 => String::new(),
        unread => format!(", {unread} erasures that could not be read and are not done"),
    };
    let dropped = match erased {
        0 => String::new(),
        erased => format!(", {erased} dropped with their erased customer"),
    };
    ReplayTold {
        counted: NamedFigures(vec![
            ("records", json!(records)),
            ("erased", json!(erased)),
            ("unread_erasures", json!(unread_erasures)),
            ("rejected", json!(rejected)),
            ("customers", json!(customers)),
        ]),
        outcome: NamedFigures(vec![("digest", json!(digest))]),
        lines: vec![
            format!(
                "{records} records, after which there are {} of {customers} \
                 customers{dropped}{unread}, {rejected} rejected",
                K::table().name
            ),
            format!("digest           {digest}"),
        ],
    }
}
