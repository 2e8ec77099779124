//! Blocks of raw bytes into records: finds the records in a block, tries the fast path, then the
//! complete one, and keeps what is refused.

use super::csv::{self, Columns, LineNumbers, Rows};
use super::cursor::Cursor;
use super::fields::{Field, FieldNames, Fields, Problem, name_in_source};
use super::input::InputSettings;
use super::key::customer_of_key;
use super::quotes::{self, Span};
use super::rules::{self, Event, Origin, Rules};
use super::unlisted::List;
use super::{
    Aside, CustomerId, Horizon, Kind, Millis, Names, Place, Profile, Reason, Record, Rejected,
    Topic, Whose,
};
use super::{fast, json, whose};
use crate::source::{Block, Format, Head, Lines, Messages};
use ::csv::ByteRecord;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// What some editors put at the start of a file.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What was found in blocks.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// Events of fixed size, in the order of the block.
    pub records: Vec<Record>,
    /// What is rare or has no fixed size, in the order of the block.
    pub asides: Vec<Aside>,
    /// What was refused.
    pub rejected: Vec<Rejected>,
    /// Ids of interactions as text, one batch for each worker; empty unless the settings want
    /// names.
    pub names: Vec<Names>,
    /// The greatest valid timestamp of new events, in topics that move the watermark.
    pub high: Option<Millis>,
    /// Records that were taken.
    pub valid: u64,
    /// Records in all; blank lines do not count.
    pub lines: u64,
    /// Fields of valid records that could not be read and were left out, since nothing depends on
    /// them: how many, by topic and name.
    pub ignored: BTreeMap<(Topic, &'static str), u64>,
    /// Rejected records that were to erase somebody.
    pub unread_erasures: u64,
    /// Hashes of names that are not in their lists, where this parser has not told of them before.
    pub unlisted: Vec<(List, u64)>,
}

impl Parsed {
    /// Forgets what was found but keeps the memory.
    pub fn clear(&mut self) {
        self.records.clear();
        self.asides.clear();
        self.rejected.clear();
        for names in &mut self.names {
            names.keys.clear();
            names.text.clear();
        }
        self.high = None;
        self.valid = 0;
        self.lines = 0;
        self.ignored.clear();
        self.unread_erasures = 0;
        self.unlisted.clear();
    }

    #[inline(always)]
    fn push_record(&mut self, record: Record, moves_watermark: bool) {
        if moves_watermark {
            self.high = self.high.max(Some(record.timestamp));
        }
        self.records.push(record);
    }

    fn reject(&mut self, origin: &Origin, problem: Problem, whose: Option<Whose>) {
        let rejected = origin.rejected(problem.reason, problem.detail, whose);
        self.unread_erasures += u64::from(rejected.is_erasure());
        self.rejected.push(rejected);
    }
}

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

    fn messages(&mut self, block: &Messages, out: &mut Parsed) {
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
    fn latest(&self, head: &Head) -> Millis {
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
        let mut rows = Rows::new(origin.raw);
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

    fn rows(&mut self, block: &Lines, header: &[String], line: u64, out: &mut Parsed) {
        let topic = Topic::of(block.topic);
        let columns = Columns::new(header, &self.field_names[topic as usize]);
        let first = start_of_text(block);
        let bytes = block.bytes.get(first..block.length.min(block.bytes.len())).unwrap_or_default();
        let mut lines = LineNumbers::new(bytes, line);
        let mut rows = Rows::new(bytes);
        while let Some(Range { start, end }) = rows.next(&mut self.row) {
            let mut origin = of_file(topic, place_of(block, first + start), &bytes[start..end]);
            let rejected = out.rejected.len();
            match self.span(&columns, &origin) {
                Span::Row => self.csv_record(&origin, &columns, out),
                Span::Stray => {
                    let end = csv::first_line(origin.raw).unwrap_or(origin.raw.len());
                    origin.raw = &origin.raw[..end];
                    let detail = "a quote opens in this line and closes in a later one, over lines \
                        that are rows";
                    self.take(Err(Problem::new(Reason::Malformed, detail)), &origin, None, out);
                    rows.go_to(start + end);
                }
                Span::Doubtful => {
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
    fn span(&self, columns: &Columns, origin: &Origin) -> Span {
        let is_row = |line: &[u8]| {
            let mut row = ByteRecord::new();
            let is_one = Rows::new(line).next(&mut row).is_some();
            is_one
                && columns
                    .fields(&row, origin.topic)
                    .is_ok_and(|fields| rules::customer_of(&fields).is_some())
        };
        match csv::first_line(origin.raw) {
            // A line of one column says nothing.
            Some(_) if columns.count() > 1 => quotes::judge(origin.raw, columns.count(), is_row),
            _ => Span::Row,
        }
    }

    /// Takes the row at hand.
    fn csv_record(&self, origin: &Origin, columns: &Columns, out: &mut Parsed) {
        let fields =
            self.short_enough(origin).and_then(|()| columns.fields(&self.row, origin.topic));
        self.record(fields, origin, out);
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

    /// The record that starts here by the fast path, and where its closing brace ends.
    #[inline(always)]
    fn quick(
        &self,
        topic: Topic,
        bytes: &[u8],
        start: usize,
        place: Place,
        latest: Millis,
    ) -> Option<(Quick, usize)> {
        if !self.unaliased[topic as usize] {
            return None;
        }
        let mut cursor = Cursor::new(bytes, start);
        let event = match topic {
            Topic::Transactions => {
                Quick::Transaction(fast::transaction(&self.rules, &mut cursor, place, latest)?)
            }
            Topic::Interactions => {
                let (record, name) = fast::interaction(&self.rules, &mut cursor, place, latest)?;
                Quick::Interaction(record, name)
            }
            Topic::Customers => {
                let (customer, profile) = fast::profile(&mut cursor, latest)?;
                Quick::Profile(customer, profile)
            }
            Topic::Rewards => Quick::Reward(fast::reward(&self.rules, &mut cursor, place, latest)?),
            Topic::Requests => return None,
        };
        let end = cursor.position();
        // What may concern folded events is looked at with its raw bytes at hand.
        (end - start <= self.rules.settings.max_record && !self.is_before_horizon(&event))
            .then_some((event, end))
    }

    #[inline(always)]
    fn is_before_horizon(&self, event: &Quick) -> bool {
        match event {
            Quick::Transaction(record) | Quick::Interaction(record, _) => {
                record.timestamp < self.horizon.events
            }
            Quick::Reward(record) => record.timestamp < self.horizon.rewards,
            Quick::Profile(..) => false,
        }
    }

    /// Whether it is a new event dated so long ago that those of then are folded.
    fn is_past(&self, record: &Record) -> bool {
        matches!(record.kind(), Kind::Transaction | Kind::Interaction)
            && record.timestamp < self.horizon.events
    }

    /// Takes what the fast path made of a record.
    #[inline(always)]
    fn take_quick(&self, event: Quick, bytes: &[u8], place: Place, out: &mut Parsed) {
        out.lines += 1;
        out.valid += 1;
        match event {
            Quick::Transaction(record) => {
                self.rules.note_names(&record, &mut out.unlisted);
                out.push_record(record, true);
            }
            Quick::Interaction(record, name) => {
                out.push_record(record, true);
                self.push_name(&record, &bytes[name], out);
            }
            Quick::Reward(record) => out.push_record(record, false),
            Quick::Profile(customer, profile) => {
                out.asides.push(Aside::Profile { customer, place, profile })
            }
        }
    }

    #[inline(always)]
    fn push_name(&self, record: &Record, text: &[u8], out: &mut Parsed) {
        if !self.rules.settings.names {
            return;
        }
        let worker = (self.route)(record.customer) % self.peers as u64;
        let names = &mut out.names[worker as usize];
        names.text.extend_from_slice(text);
        names.keys.push((record.customer, record.id, names.text.len() as u32));
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

/// What the fast path makes of a record.
enum Quick {
    Transaction(Record),
    /// With the range of bytes where the text of its id stands.
    Interaction(Record, Range<usize>),
    Reward(Record),
    Profile(CustomerId, Profile),
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
