//! Each record of a block, whatever the block is of: taken, or rejected with the reason.

use super::{CUSTOMER, Does, NamedSettings, NamedValues, TIMESTAMP};
use crate::event::csv::CsvReader;
use crate::event::fields::Problem;
use crate::event::instant::Instants;
use crate::event::key::customer_of_key;
use crate::event::{CustomerId, Millis, Place, Reason, Rejected, Whose, whose};
use crate::source::{Block, Format, Head, Lines, Messages, TopicId};
use csv::ByteRecord;

/// What a record of a block comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum NamedRecord<E> {
    /// Something of a customer.
    Event(CustomerId, Place, E),
    /// A customer is erased up to an instant.
    Erase(CustomerId, Place, Millis),
    /// It cannot be taken.
    Rejected(Rejected),
}

/// Reads blocks of any topic.
#[derive(Clone, Debug)]
pub struct NamedReader {
    settings: NamedSettings,
    instants: Instants,
}

/// A record as it comes.
#[derive(Clone, Copy)]
struct Raw<'a> {
    topic: TopicId,
    place: Place,
    /// The greatest timestamp that it may bear.
    latest: Millis,
    /// When the broker or its producer dated it; `Millis::MIN` where nobody did.
    sent: Millis,
    /// The key of its message; empty where there is none.
    key: &'a [u8],
    bytes: &'a [u8],
}

impl NamedReader {
    /// One that reads so.
    pub fn new(settings: &NamedSettings) -> Self {
        let instants =
            Instants { unit: settings.time_unit, formats: settings.date_formats.clone() };
        NamedReader { settings: settings.clone(), instants }
    }

    /// Gives what each record of a block comes to, in their order; what is neither an erasure nor
    /// unreadable is for `event` to say.
    pub fn read<E>(
        &self,
        block: &Block,
        event: impl Fn(&NamedValues) -> Result<E, Problem>,
        mut give: impl FnMut(NamedRecord<E>),
    ) {
        match block {
            Block::Lines(lines) => match &lines.format {
                Format::Json => each_line(lines, |raw| give(self.json(&raw, &event))),
                Format::Csv { columns, .. } => {
                    each_row(lines, |raw, row| give(self.row(&raw, columns, row, &event)));
                }
            },
            Block::Messages(messages) => {
                for head in &messages.heads {
                    give(self.message(messages, head, &event));
                }
            }
        }
    }

    fn message<E>(
        &self,
        messages: &Messages,
        head: &Head,
        event: &impl Fn(&NamedValues) -> Result<E, Problem>,
    ) -> NamedRecord<E> {
        let start = head.start as usize;
        let end = start + head.length as usize;
        // Brokers that keep no timestamps say -1: then there is nothing to compare with.
        let (latest, sent) = match head.timestamp {
            Millis::MIN..0 => (Millis::MAX, Millis::MIN),
            sent => (sent.saturating_add(self.settings.future), sent),
        };
        let raw = Raw {
            topic: messages.topic,
            place: Place::new(messages.partition, head.position),
            latest,
            sent,
            key: messages.key(head),
            bytes: messages.bytes.get(start..end).unwrap_or_default(),
        };
        match &messages.format {
            _ if head.null => raw.null(),
            Format::Json => self.json(&raw, event),
            Format::Csv { columns, .. } => {
                let (mut row, mut rows) = (ByteRecord::new(), CsvReader::new(raw.bytes));
                match rows.next(&mut row) {
                    Some(_) if rows.next(&mut ByteRecord::new()).is_none() => {
                        self.row(&raw, columns, &row, event)
                    }
                    _ => {
                        let problem = Problem::new(Reason::Malformed, "the message is not one row");
                        raw.rejected(problem, None, None)
                    }
                }
            }
        }
    }

    fn json<E>(
        &self,
        raw: &Raw,
        event: &impl Fn(&NamedValues) -> Result<E, Problem>,
    ) -> NamedRecord<E> {
        let values = self
            .short_enough(raw)
            .and_then(|()| NamedValues::of_json(raw.bytes, raw.latest, &self.instants));
        self.record(raw, values, event)
    }

    fn row<E>(
        &self,
        raw: &Raw,
        columns: &[String],
        row: &ByteRecord,
        event: &impl Fn(&NamedValues) -> Result<E, Problem>,
    ) -> NamedRecord<E> {
        let values = self
            .short_enough(raw)
            .and_then(|()| NamedValues::of_row(columns, row, raw.latest, &self.instants));
        self.record(raw, values, event)
    }

    fn short_enough(&self, raw: &Raw) -> Result<(), Problem> {
        let (length, limit) = (raw.bytes.len(), self.settings.max_record);
        if length <= limit {
            return Ok(());
        }
        let detail = format!("the record has {length} bytes; the limit is {limit}");
        Err(Problem::new(Reason::TooLong, detail))
    }

    fn record<E>(
        &self,
        raw: &Raw,
        values: Result<NamedValues, Problem>,
        event: &impl Fn(&NamedValues) -> Result<E, Problem>,
    ) -> NamedRecord<E> {
        let values = match values {
            Ok(values) => values,
            Err(problem) => return raw.rejected(problem, None, None),
        };
        taken(raw, &values, event).unwrap_or_else(|problem| {
            // Its own instant, where that can be read.
            let dated = values.instant(TIMESTAMP).ok();
            raw.rejected(problem, values.customer().ok(), Some(dated.unwrap_or(raw.sent)))
        })
    }
}

/// What a record says.
fn taken<E>(
    raw: &Raw,
    values: &NamedValues,
    event: &impl Fn(&NamedValues) -> Result<E, Problem>,
) -> Result<NamedRecord<E>, Problem> {
    if values.does()? == Does::Erase {
        let erased = values.customer().and_then(|customer| Ok((customer, values.until()?)));
        let (customer, until) = erased.map_err(Problem::of_erasure)?;
        return Ok(NamedRecord::Erase(customer, raw.place, until));
    }
    let customer = values.customer()?;
    Ok(NamedRecord::Event(customer, raw.place, event(values)?))
}

impl Raw<'_> {
    /// A null value, of which the bytes are the key: it erases a customer where its topic says so;
    /// elsewhere it has no meaning.
    fn null<E>(&self) -> NamedRecord<E> {
        match (customer_of_key(self.bytes, CUSTOMER), self.topic.erases()) {
            (Ok(customer), true) => {
                // An erasure without an instant is for ever.
                let until = if self.sent == Millis::MIN { Millis::MAX } else { self.sent };
                NamedRecord::Erase(customer, self.place, until)
            }
            (Err(problem), true) => self.rejected(problem.of_erasure(), None, None),
            (customer, false) => {
                let problem = Problem::new(Reason::Malformed, "the value is null");
                self.rejected(problem, customer.ok(), None)
            }
        }
    }

    /// The record as it is kept when it cannot be taken: of the customer that its values name, or
    /// its bytes or its key do, dated so, or as it was sent.
    fn rejected<E>(
        &self,
        problem: Problem,
        named: Option<CustomerId>,
        dated: Option<Millis>,
    ) -> NamedRecord<E> {
        let customer = named
            .or_else(|| whose::named_in(self.bytes, CUSTOMER))
            .or_else(|| customer_of_key(self.key, CUSTOMER).ok());
        NamedRecord::Rejected(Rejected {
            topic: self.topic,
            place: self.place,
            reason: problem.reason,
            detail: problem.detail,
            raw: self.bytes[..self.bytes.len().min(Rejected::MAX_RAW)].to_vec(),
            whose: customer.map(|customer| Whose { customer, dated: dated.unwrap_or(self.sent) }),
        })
    }
}

/// What some editors put at the start of a file.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines of a file that are not blank: they have no key, and nobody has dated them but
/// themselves.
fn each_line(lines: &Lines, mut give: impl FnMut(Raw)) {
    let first = beginning(lines);
    let mut start = first;
    for line in text(lines, first).split_inclusive(|byte| *byte == b'\n') {
        let bytes = line.strip_suffix(b"\n").unwrap_or(line);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        if !bytes.trim_ascii().is_empty() {
            give(of_file(lines, start, bytes));
        }
        start += line.len();
    }
}

/// The rows of a file of CSV.
fn each_row(lines: &Lines, mut give: impl FnMut(Raw, &ByteRecord)) {
    let first = beginning(lines);
    let bytes = text(lines, first);
    let (mut row, mut rows) = (ByteRecord::new(), CsvReader::new(bytes));
    while let Some(range) = rows.next(&mut row) {
        give(of_file(lines, first + range.start, &bytes[range]), &row);
    }
}

fn beginning(lines: &Lines) -> usize {
    let has_mark = lines.base == 0 && lines.bytes.starts_with(BYTE_ORDER_MARK);
    if has_mark { BYTE_ORDER_MARK.len() } else { 0 }
}

fn text(lines: &Lines, first: usize) -> &[u8] {
    lines.bytes.get(first..lines.length.min(lines.bytes.len())).unwrap_or_default()
}

fn of_file<'a>(lines: &Lines, start: usize, bytes: &'a [u8]) -> Raw<'a> {
    Raw {
        topic: lines.topic,
        place: Place::new(lines.partition, lines.base + start as u64),
        latest: Millis::MAX,
        sent: Millis::MIN,
        key: &[],
        bytes,
    }
}
