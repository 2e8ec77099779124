//! The driver of the parser: blocks in; records, asides, rejected records and the standing of
//! partitions out, all on the worker that read them.

use crate::campaign::output::{Counts, Output};
use crate::campaign::recorded::erased;
use crate::codec::Rows;
use crate::epoch::PartitionStanding;
use crate::event::parse::{Parsed, Parser};
use crate::event::{Aside, CustomerId, Millis, Record};
use crate::operators::stash::Stash;
use crate::settings::{Settings, TimeSettings};
use crate::source::{Block, Feed, TopicId};
use crate::state::turns::{Client, Pacer};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::vec::IntoIter;
use timely::container::CapacityContainerBuilder as Builder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Stream, StreamVec};

/// What parsing gives.
pub struct ParsedStreams<'scope> {
    /// Fixed-size records.
    pub records: Stream<'scope, u64, Rows<Record>>,
    /// What is rare.
    pub asides: StreamVec<'scope, u64, Aside>,
    /// Where partitions stand.
    pub standings: StreamVec<'scope, u64, PartitionStanding>,
    /// Names and rejected records.
    pub outputs: StreamVec<'scope, u64, Output>,
}

/// What the parser must be told of the job's past.
pub struct Past<'scope> {
    /// The greatest valid timestamps of partitions that were read before.
    pub highs: Vec<(TopicId, u32, Millis)>,
    /// The watermark before the first epoch.
    pub watermark: Option<Millis>,
    /// At each epoch the watermark of the one before, on every worker; `None` where it changes
    /// nothing.
    pub watermarks: Option<StreamVec<'scope, u64, Option<Millis>>>,
}

/// Parses every block where it was read. Where there are watermarks, an epoch's blocks wait for
/// that of the epoch before, because they tell what is older than is kept, and only here a record's
/// bytes are at hand. What has come is parsed in turns, some blocks at each activation.
pub fn parse<'scope>(
    feed: StreamVec<'scope, u64, Feed>,
    settings: &Settings,
    past: Past<'scope>,
    mut pacer: Pacer,
) -> ParsedStreams<'scope> {
    let scope = feed.scope();
    let mut builder = OperatorBuilder::new("Parse".to_owned(), scope);
    let again = scope.activator_for(builder.operator_info().address);
    let mut input = builder.new_input(feed, Pipeline);
    let mut watermarks = past.watermarks.map(|watermarks| builder.new_input(watermarks, Pipeline));
    let (mut ports, streams) = ParsedPorts::of(&mut builder);
    let mut desk = Desk::new(settings, &past.highs, past.watermark);
    builder.build(move |_| {
        let mut stash: Stash<Vec<Feed>> = Stash::new();
        let mut open: Option<(Vec<Capability<u64>>, IntoIter<Feed>)> = None;
        move |frontiers| {
            input.for_each(|capability, feed| {
                let Some(&epoch) = capability.least() else { return };
                let rights = || (0..4).filter_map(|port| capability.retain_least(port)).collect();
                stash.at(epoch, rights).append(feed);
            });
            if let Some(watermarks) = &mut watermarks {
                watermarks.for_each(|capability, values| {
                    let Some(&epoch) = capability.least() else { return };
                    desk.coming.extend(values.drain(..).map(|watermark| (epoch, watermark)));
                });
            }
            let is_known =
                |epoch: &u64| frontiers.get(1).is_none_or(|frontier| !frontier.less_equal(epoch));
            let mut next = || {
                let (epoch, rights, feed) = stash.take_closed(is_known)?;
                Some((epoch, (rights, feed.into_iter())))
            };
            if open.is_none() {
                let Some((epoch, items)) = next() else { return };
                desk.begin(epoch);
                open = Some(items);
            }
            let is_left = pacer.turn(Client::Parse, |budget| {
                while budget.is_left() {
                    let Some((rights, feed)) = &mut open else {
                        let Some((epoch, items)) = next() else { return false };
                        desk.begin(epoch);
                        open = Some(items);
                        continue;
                    };
                    match feed.next() {
                        Some(item) => budget.spend(1 + ports.take(&mut desk, rights, item) / UNIT),
                        None => open = None,
                    }
                }
                true
            });
            if is_left {
                again.activate();
            }
        }
    });
    streams
}

/// Bytes of blocks whose parsing takes as long as a unit of work, where records are short. A block
/// that is larger than what is left of a turn is still parsed.
const UNIT: usize = 48;

/// Where what parsing gives is sent.
struct ParsedPorts {
    records: OutputBuilder<u64, Builder<Rows<Record>>>,
    asides: OutputBuilder<u64, Builder<Vec<Aside>>>,
    standings: OutputBuilder<u64, Builder<Vec<PartitionStanding>>>,
    outputs: OutputBuilder<u64, Builder<Vec<Output>>>,
}

impl ParsedPorts {
    fn of<'scope>(builder: &mut OperatorBuilder<'scope, u64>) -> (Self, ParsedStreams<'scope>) {
        let (records, record_stream) = builder.new_output::<Rows<Record>>();
        let (asides, aside_stream) = builder.new_output::<Vec<Aside>>();
        let (standings, standing_stream) = builder.new_output::<Vec<PartitionStanding>>();
        let (outputs, output_stream) = builder.new_output::<Vec<Output>>();
        let ports = ParsedPorts {
            records: OutputBuilder::from(records),
            asides: OutputBuilder::from(asides),
            standings: OutputBuilder::from(standings),
            outputs: OutputBuilder::from(outputs),
        };
        let streams = ParsedStreams {
            records: record_stream,
            asides: aside_stream,
            standings: standing_stream,
            outputs: output_stream,
        };
        (ports, streams)
    }

    /// Sends what an item of the feed holds; says how many bytes were parsed for it.
    fn take(&mut self, desk: &mut Desk, rights: &[Capability<u64>], item: Feed) -> usize {
        match item {
            Feed::Block(block) => {
                desk.parse(&block);
                let Parsed { records, asides, .. } = &mut desk.parsed;
                self.records.activate().session(&rights[0]).give_iterator(records.drain(..));
                self.asides.activate().session(&rights[1]).give_iterator(asides.drain(..));
                let outputs = desk.outputs().into_iter();
                self.outputs.activate().session(&rights[3]).give_iterator(outputs);
                return block.bytes();
            }
            Feed::Erased(customer, until) => {
                self.records.activate().session(&rights[0]).give(erased(customer, until));
            }
            Feed::Kept(kept) => {
                self.outputs.activate().session(&rights[3]).give(Output::Kept(kept));
            }
            Feed::Mark(mark) => {
                let high = desk.highs.get(&(mark.topic, mark.partition)).copied();
                let read = desk.take_read(mark.topic, mark.partition);
                self.standings.activate().session(&rights[2]).give(PartitionStanding {
                    mark,
                    high,
                    read,
                });
            }
        }
        0
    }
}

/// The parser, and the greatest valid timestamp of each partition.
struct Desk {
    parser: Parser,
    parsed: Parsed,
    highs: HashMap<(TopicId, u32), Millis>,
    /// Records of the epoch of each partition.
    read: HashMap<(TopicId, u32), u64>,
    /// Customers who have profiles in the block; nobody where it is not asked for.
    profiled: Option<Vec<CustomerId>>,
    time: TimeSettings,
    /// Watermarks of epochs before, by the epoch that they are for.
    coming: BTreeMap<u64, Option<Millis>>,
}

impl Desk {
    fn new(
        settings: &Settings,
        highs: &[(TopicId, u32, Millis)],
        watermark: Option<Millis>,
    ) -> Self {
        let highs =
            highs.iter().map(|&(topic, partition, high)| ((topic, partition), high)).collect();
        // Names go to whoever commits, not to the customer's worker: one batch is enough.
        let mut parser = Parser::new(Arc::new(settings.input.clone()), 1, |_| 0);
        parser.set_horizon(settings.time.horizon(watermark));
        let profiled = settings.emit.profiled.then(Vec::new);
        Desk {
            parser,
            parsed: Parsed::default(),
            highs,
            read: HashMap::new(),
            profiled,
            time: settings.time.clone(),
            coming: BTreeMap::new(),
        }
    }

    /// Begins or goes on with an epoch, of which the watermark before is known.
    fn begin(&mut self, epoch: u64) {
        while let Some(entry) = self.coming.first_entry().filter(|entry| *entry.key() <= epoch) {
            self.parser.set_horizon(self.time.horizon(entry.remove()));
        }
    }

    fn parse(&mut self, block: &Block) {
        self.parsed.clear();
        self.parser.parse(block, &mut self.parsed);
        // Who was erased is known where the customer is at home.
        let Parsed { rejected, asides, .. } = &mut self.parsed;
        let named = rejected.extract_if(.., |rejected| rejected.whose.is_some());
        asides.extend(named.filter_map(|rejected| {
            Some(Aside::Rejected {
                customer: rejected.whose?.customer,
                rejected: Box::new(rejected),
            })
        }));
        if let Some(high) = self.parsed.high {
            let known = self.highs.entry(block.source()).or_insert(high);
            *known = high.max(*known);
        }
        if let Block::Messages(messages) = block {
            *self.read.entry(block.source()).or_default() += messages.heads.len() as u64;
        }
        if let Some(profiled) = &mut self.profiled {
            let profiles =
                self.parsed.asides.iter().filter(|aside| matches!(aside, Aside::Profile { .. }));
            profiled.extend(profiles.map(Aside::customer));
        }
    }

    /// Records of a partition since this was last asked for.
    fn take_read(&mut self, topic: TopicId, partition: u32) -> u64 {
        self.read.get_mut(&(topic, partition)).map_or(0, std::mem::take)
    }

    fn outputs(&mut self) -> Vec<Output> {
        let names =
            self.parsed.names.drain(..).filter(|names| !names.keys.is_empty()).map(Output::Names);
        let mut outputs: Vec<Output> = names.collect();
        if !self.parsed.rejected.is_empty() {
            outputs.push(Output::Rejected(std::mem::take(&mut self.parsed.rejected)));
        }
        if self.parsed.unread_erasures > 0 {
            outputs.push(Output::Counts(Counts {
                unread_erasures: self.parsed.unread_erasures,
                ..Counts::none()
            }));
        }
        if !self.parsed.ignored.is_empty() {
            let ignored = std::mem::take(&mut self.parsed.ignored).into_iter();
            outputs.push(Output::Ignored(
                ignored
                    .map(|((topic, field), records)| (topic.id(), field.to_string(), records))
                    .collect(),
            ));
        }
        if !self.parsed.unlisted.is_empty() {
            outputs.push(Output::Unlisted(std::mem::take(&mut self.parsed.unlisted)));
        }
        let profiled =
            self.profiled.as_mut().map(std::mem::take).filter(|profiled| !profiled.is_empty());
        outputs.extend(profiled.map(Output::Profiled));
        outputs
    }
}
