//! Messages of a topic: each is a record, or the null that erases a customer.

use super::Parser;
use super::parsed::Parsed;
use crate::event::csv::{Columns, CsvReader};
use crate::event::fields::Problem;
use crate::event::key::customer_of_key;
use crate::event::rules::{self, Origin};
use crate::event::{Millis, Place, Reason, Topic};
use crate::source::{Format, Head, Messages};
use ::csv::ByteRecord;

impl Parser {
    pub(super) fn messages(&mut self, block: &Messages, out: &mut Parsed) {
        let topic = Topic::of(block.topic);
        for head in &block.heads {
            let place = Place::new(block.partition, head.position);
            let latest = self.latest(head);
            let (start, end) = (head.start as usize, head.start as usize + head.length as usize);
            let raw = block.bytes.get(start..end).unwrap_or_default();
            let sent = if head.timestamp < 0 { Millis::MIN } else { head.timestamp };
            let origin = Origin { topic, place, latest, sent, key: block.key(head), raw };
            match &block.format {
                _ if head.null => self.null_message(&origin, head.timestamp, out),
                Format::Csv { columns, .. } => self.csv_message(&origin, columns, out),
                Format::Json => match self.quick(topic, &block.bytes, start, place, latest) {
                    Some((event, found)) if found == end => {
                        self.take_quick(event, &block.bytes, place, out)
                    }
                    _ => self.json_record(&origin, out),
                },
            }
        }
    }

    /// The greatest timestamp that a message may bear. Brokers that keep no timestamps say -1: then
    /// there is nothing to compare with.
    pub(super) fn latest(&self, head: &Head) -> Millis {
        if head.timestamp < 0 {
            Millis::MAX
        } else {
            head.timestamp.saturating_add(self.rules.settings.future)
        }
    }

    /// A null value erases a customer; elsewhere it has no meaning.
    fn null_message(&self, origin: &Origin, timestamp: Millis, out: &mut Parsed) {
        let event = match origin.topic {
            Topic::Customers => match customer_of_key(origin.raw, &self.customer_name) {
                Ok(customer) => Ok(rules::erasure_by_key(customer, timestamp, origin)),
                Err(problem) => Err(problem.of_erasure()),
            },
            _ => Err(Problem::new(Reason::Malformed, "the value is null")),
        };
        // The bytes are the key.
        let origin = Origin { key: origin.raw, ..*origin };
        self.take(event, &origin, None, out);
    }

    fn csv_message(&mut self, origin: &Origin, header: &[String], out: &mut Parsed) {
        let columns = Columns::new(header, &self.field_names[origin.topic as usize]);
        let mut rows = CsvReader::new(origin.raw);
        match rows.next(&mut self.row) {
            Some(_) if rows.next(&mut ByteRecord::new()).is_none() => {
                self.csv_record(origin, &columns, out)
            }
            _ => self.take(
                Err(Problem::new(Reason::Malformed, "the message is not one row")),
                origin,
                None,
                out,
            ),
        }
    }
}
