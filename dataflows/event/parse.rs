//! Blocks of raw bytes into records: finds the records in a block, tries the fast path, then the
//! complete one, and keeps what is refused.

mod messages;
mod parsed;
mod quick;
mod rows;

pub use parsed::Parsed;

use super::field::{Field, name_in_source};
use super::fields::{FieldNames, Fields, Problem};
use super::input::InputSettings;
use super::key::customer_of_key;
use super::rules::{self, Event, Origin, Rules};
use super::{
    Aside, CustomerId, Horizon, Kind, Millis, Names, Place, Reason, Topic, Whose, json, whose,
};
use crate::source::{Block, Format, Lines};
use ::csv::ByteRecord;
use std::sync::Arc;

/// What some editors put at the start of a file.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads blocks; each worker has its own.
#[derive(Debug)]
pub struct Parser {
    rules: Rules,
    peers: usize,
    route: fn(CustomerId) -> u64,
    /// By topic.
    field_names: [FieldNames; Topic::ALL.len()],
    /// What customer_id is called in the keys of null records.
    customer_name: String,
    /// What it is called in the records of each topic.
    customer_names: [String; Topic::ALL.len()],
    /// Topics without aliases: only their keys can be the usual ones.
    unaliased: [bool; Topic::ALL.len()],
    /// What is dated before it concerns what is folded.
    horizon: Horizon,
    /// The row at hand, kept for its memory.
    row: ByteRecord,
}

impl Parser {
    /// A parser for so many workers, where `route(customer) % peers` is the worker that owns a
    /// customer.
    pub fn new(settings: Arc<InputSettings>, peers: usize, route: fn(CustomerId) -> u64) -> Self {
        Parser {
            field_names: Topic::ALL.map(|topic| FieldNames::new(topic, &settings.aliases)),
            unaliased: Topic::ALL
                .map(|topic| settings.aliases.iter().all(|(aliased, _, _)| *aliased != topic)),
            customer_name: name_in_source(Topic::Customers, Field::CustomerId, &settings.aliases)
                .to_string(),
            customer_names: Topic::ALL.map(|topic| {
                name_in_source(topic, Field::CustomerId, &settings.aliases).to_string()
            }),
            rules: Rules::new(settings),
            peers: peers.max(1),
            route,
            horizon: Horizon::NONE,
            row: ByteRecord::new(),
        }
    }

    /// From now on, what is dated before this horizon becomes [`Aside::Past`] or is
    /// [`Aside::Doubtful`].
    pub fn set_horizon(&mut self, horizon: Horizon) {
        self.horizon = horizon;
    }

    /// Adds what a block holds to `out`.
    ///
    /// Lines are ended by `\n` or `\r\n`, and blank ones skipped, or they are CSV rows; of messages
    /// each head is a record. Whatever the bytes are, each record is either taken or rejected.
    pub fn parse(&mut self, block: &Block, out: &mut Parsed) {
        self.prepare_names(out);
        match block {
            Block::Lines(lines) => match &lines.format {
                Format::Json => self.lines(lines, out),
                Format::Csv { columns, line } => self.rows(lines, columns, *line, out),
            },
            Block::Messages(messages) => self.messages(messages, out),
        }
    }

    fn prepare_names(&self, out: &mut Parsed) {
        let wanted = if self.rules.settings.names { self.peers } else { 0 };
        let known = out.names.len() as u64;
        out.names.extend((known..wanted as u64).map(|worker| Names { worker, ..Names::default() }));
    }

    fn lines(&self, block: &Lines, out: &mut Parsed) {
        let bytes = &block.bytes[..];
        let length = block.length.min(bytes.len());
        let topic = Topic::of(block.topic);
        let mut start = start_of_text(block);
        while start < length {
            let place = place_of(block, start);
            let quick = self.quick(topic, bytes, start, place, Millis::MAX);
            if let Some((event, end)) = quick
                && let Some(next) = next_line(&bytes[..length], end)
            {
                self.take_quick(event, bytes, place, out);
                start = next;
                continue;
            }
            let line = &bytes[start..length];
            let end = line.iter().position(|byte| *byte == b'\n');
            let raw = &line[..end.unwrap_or(line.len())];
            let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
            if !raw.trim_ascii().is_empty() {
                self.json_record(&of_file(topic, place, raw), out);
            }
            start = end.map_or(length, |end| start + end + 1);
        }
    }

    fn json_record(&self, origin: &Origin, out: &mut Parsed) {
        self.record(self.json_fields(origin), origin, out);
    }

    fn record(&self, fields: Result<Fields, Problem>, origin: &Origin, out: &mut Parsed) {
        let mut ignored = rules::Ignored::new();
        let fields = match fields {
            Ok(fields) => fields,
            Err(problem) => return self.take(Err(problem), origin, None, out),
        };
        let event = self.rules.event(&fields, origin, &mut ignored);
        if event.is_ok() {
            ignored.into_iter().for_each(|field| {
                *out.ignored.entry((origin.topic, field.name())).or_default() += 1
            });
        }
        self.take(event, origin, Some(&fields), out);
    }

    /// Whose a record is that is not taken, as far as its fields were read: the customer that it
    /// names, or its key does.
    fn whose(&self, fields: Option<&Fields>, origin: &Origin) -> Option<Whose> {
        let named = || whose::named_in(origin.raw, &self.customer_names[origin.topic as usize]);
        let keyed = || customer_of_key(origin.key, &self.customer_name).ok();
        let customer = fields.and_then(rules::customer_of).or_else(named).or_else(keyed)?;
        Some(Whose {
            customer,
            dated: fields.map_or(origin.sent, |fields| self.rules.dated(fields, origin)),
        })
    }

    fn json_fields<'a>(&self, origin: &Origin<'a>) -> Result<Fields<'a>, Problem> {
        self.short_enough(origin)?;
        let text = std::str::from_utf8(origin.raw)
            .map_err(|error| Problem::new(Reason::Malformed, error.to_string()))?;
        json::fields(text, origin.topic, &self.field_names[origin.topic as usize])
    }

    fn short_enough(&self, origin: &Origin) -> Result<(), Problem> {
        let (length, limit) = (origin.raw.len(), self.rules.settings.max_record);
        if length <= limit {
            return Ok(());
        }
        Err(Problem::new(
            Reason::TooLong,
            format!("the record has {length} bytes; the limit is {limit}"),
        ))
    }

    /// Takes what the complete path made of a record, with its fields where they could be told
    /// apart.
    fn take(
        &self,
        event: Result<Event, Problem>,
        origin: &Origin,
        fields: Option<&Fields>,
        out: &mut Parsed,
    ) {
        out.lines += 1;
        match event {
            Err(problem) => return out.reject(origin, problem, self.whose(fields, origin)),
            Ok(Event::Aside(Aside::Request { customer, request, .. }))
                if request.timestamp < self.horizon.events =>
            {
                out.asides.push(past(customer, request.timestamp, origin));
            }
            Ok(Event::Aside(aside)) => out.asides.push(aside),
            Ok(Event::Record { record, .. }) if self.is_past(&record) => {
                // It moves the watermark as any valid record does.
                out.high = out.high.max(Some(record.timestamp));
                out.asides.push(past(record.customer, record.timestamp, origin));
            }
            Ok(Event::Record { record, aside, id }) => {
                let kind = record.kind();
                if kind == Kind::Reward && record.timestamp < self.horizon.rewards {
                    let whose = Whose { customer: record.customer, dated: record.timestamp };
                    let rejected = origin.rejected(
                        Reason::PastHistory,
                        UNKEPT_INTERACTION.to_string(),
                        Some(whose),
                    );
                    out.asides.push(Aside::Doubtful {
                        customer: record.customer,
                        rejected: Box::new(rejected),
                    });
                }
                out.push_record(record, matches!(kind, Kind::Transaction | Kind::Interaction));
                out.asides.extend(aside);
                match kind {
                    Kind::Transaction => self.rules.note_names(&record, &mut out.unlisted),
                    Kind::Interaction => self.push_name(&record, id.as_bytes(), out),
                    _ => {}
                }
            }
        }
        out.valid += 1;
    }
}

/// Why a reward of long ago is rejected.
const UNKEPT_INTERACTION: &str =
    "its interaction is not there, and may be among those that `history.keep` has folded";

/// A new event, or a request, of long ago.
fn past(customer: CustomerId, timestamp: Millis, origin: &Origin) -> Aside {
    let detail = "it is dated before all that is kept one by one (`history.keep`)".to_string();
    let whose = Whose { customer, dated: timestamp };
    Aside::Past {
        customer,
        timestamp,
        rejected: Box::new(origin.rejected(Reason::PastHistory, detail, Some(whose))),
    }
}

/// A record of a file: it has no key, and nobody has dated it but itself.
fn of_file(topic: Topic, place: Place, raw: &[u8]) -> Origin<'_> {
    Origin { topic, place, latest: Millis::MAX, sent: Millis::MIN, key: &[], raw }
}

/// Where the first record may start: after a byte order mark at the start of a file.
fn start_of_text(block: &Lines) -> usize {
    if block.base == 0 && block.bytes.starts_with(BYTE_ORDER_MARK) {
        BYTE_ORDER_MARK.len()
    } else {
        0
    }
}

fn place_of(block: &Lines, start: usize) -> Place {
    Place::new(block.partition, block.base + start as u64)
}

/// The start of the line after one that should end here; `None` if it does not.
#[inline(always)]
fn next_line(bytes: &[u8], end: usize) -> Option<usize> {
    match bytes.get(end..)? {
        [] => Some(end),
        [b'\n', ..] => Some(end + 1),
        [b'\r', b'\n', ..] => Some(end + 2),
        _ => None,
    }
}

#[cfg(test)]
mod forms;

#[cfg(test)]
mod tests;
