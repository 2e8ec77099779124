//! Rows of a CSV file, and what is made of those that go over several lines.

use super::parsed::Parsed;
use super::{Parser, of_file, place_of, start_of_text};
use crate::event::csv::{self, Columns, CsvReader, LineNumbers};
use crate::event::fields::Problem;
use crate::event::quotes::{self, MultilineRow};
use crate::event::rules::{self, Origin};
use crate::event::{Reason, Topic};
use crate::source::Lines;
use ::csv::ByteRecord;
use std::ops::Range;

impl Parser {
    pub(super) fn rows(&mut self, block: &Lines, header: &[String], line: u64, out: &mut Parsed) {
        let topic = Topic::of(block.topic);
        let columns = Columns::new(header, &self.field_names[topic as usize]);
        let first = start_of_text(block);
        let bytes = block.bytes.get(first..block.length.min(block.bytes.len())).unwrap_or_default();
        let mut lines = LineNumbers::new(bytes, line);
        let mut rows = CsvReader::new(bytes);
        while let Some(Range { start, end }) = rows.next(&mut self.row) {
            let mut origin = of_file(topic, place_of(block, first + start), &bytes[start..end]);
            let rejected = out.rejected.len();
            match self.span(&columns, &origin) {
                MultilineRow::Row => self.csv_record(&origin, &columns, out),
                MultilineRow::Stray => {
                    let end = csv::first_line(origin.raw).unwrap_or(origin.raw.len());
                    origin.raw = &origin.raw[..end];
                    let detail = "a quote opens in this line and closes in a later one, over lines \
                        that are rows";
                    self.take(Err(Problem::new(Reason::Malformed, detail)), &origin, None, out);
                    rows.go_to(start + end);
                }
                MultilineRow::Doubtful => {
                    let last =
                        LineNumbers::new(origin.raw, lines.number(start)).number(origin.raw.len());
                    let detail = format!(
                        "a quote opens in this line and closes in line {last}, and lines between \
                         look like rows: neither it nor they are taken, for \
                         one of the two is not what it seems"
                    );
                    self.take(Err(Problem::new(Reason::Malformed, detail)), &origin, None, out);
                }
            }
            if let Some(rejected) = out.rejected.get_mut(rejected) {
                rejected.detail.push_str(&format!(" (line {})", lines.number(start)));
            }
        }
    }

    /// What a row is that may go over several lines.
    fn span(&self, columns: &Columns, origin: &Origin) -> MultilineRow {
        let is_row = |line: &[u8]| {
            let mut row = ByteRecord::new();
            let is_one = CsvReader::new(line).next(&mut row).is_some();
            is_one
                && columns
                    .fields(&row, origin.topic)
                    .is_ok_and(|fields| rules::customer_of(&fields).is_some())
        };
        match csv::first_line(origin.raw) {
            // A line of one column says nothing.
            Some(_) if columns.count() > 1 => quotes::judge(origin.raw, columns.count(), is_row),
            _ => MultilineRow::Row,
        }
    }

    /// Takes the row at hand.
    pub(super) fn csv_record(&self, origin: &Origin, columns: &Columns, out: &mut Parsed) {
        let fields =
            self.short_enough(origin).and_then(|()| columns.fields(&self.row, origin.topic));
        self.record(fields, origin, out);
    }
}
