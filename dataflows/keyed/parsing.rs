//! The operator of parsing: blocks in; what is said to customers, the standing of partitions, and
//! what goes through as it is, out, all on the worker that read them.

use super::worker::{Says, ToCustomer};
use super::{Keyed, KeyedCommon, KeyedCounts, KeyedOutput};
use crate::epoch::PartitionStanding;
use crate::event::Rejected;
use crate::event::named::{NamedReader, NamedRecord};
use crate::source::{Block, CustomerId, Feed, Mark, TopicId};
use crate::state::turns::{Client, Pacer};
use crate::time::Millis;
use std::collections::{HashMap, VecDeque};
use timely::container::CapacityContainerBuilder as Builder;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// What parsing gives.
pub(super) struct KeyedStreams<'scope, K: Keyed> {
    pub(super) said: StreamVec<'scope, u64, ToCustomer<K::Event>>,
    pub(super) standings: StreamVec<'scope, u64, PartitionStanding>,
    pub(super) outputs: StreamVec<'scope, u64, KeyedOutput<K::View>>,
}

/// Bytes of blocks whose parsing takes as long as a unit of work, where records are short. A block
/// that is larger than what is left of a turn is still parsed.
const UNIT: usize = 48;

/// Parses every block where it was read, in turns.
pub(super) fn parse<'scope, K: Keyed>(
    feed: StreamVec<'scope, u64, Feed>,
    dataflow: &K,
    common: &KeyedCommon,
    mut pacer: Pacer,
) -> KeyedStreams<'scope, K> {
    let scope = feed.scope();
    let mut builder = OperatorBuilder::new("ParseNamed".to_owned(), scope);
    let again = scope.activator_for(builder.operator_info().address);
    let mut input = builder.new_input(feed, Pipeline);
    let (said, said_stream) = builder.new_output::<Vec<ToCustomer<K::Event>>>();
    let (standings, standing_stream) = builder.new_output::<Vec<PartitionStanding>>();
    let (outputs, output_stream) = builder.new_output::<Vec<KeyedOutput<K::View>>>();
    let mut said = OutputBuilder::<_, Builder<Vec<ToCustomer<K::Event>>>>::from(said);
    let mut standings = OutputBuilder::<_, Builder<Vec<PartitionStanding>>>::from(standings);
    let mut outputs = OutputBuilder::<_, Builder<Vec<KeyedOutput<K::View>>>>::from(outputs);
    let mut desk = NamedDesk::<K>::new(dataflow, common);
    builder.build(move |_| {
        let mut waiting: VecDeque<(Vec<Capability<u64>>, Feed)> = VecDeque::new();
        move |_| {
            input.for_each(|capability, feed| {
                if capability.least().is_none() {
                    return;
                }
                let rights: Vec<_> =
                    (0..3).filter_map(|port| capability.retain_least(port)).collect();
                waiting.extend(feed.drain(..).map(|item| (rights.clone(), item)));
            });
            if waiting.is_empty() {
                return;
            }
            pacer.turn(Client::Parse, |budget| {
                while budget.is_left() {
                    let Some((rights, item)) = waiting.pop_front() else { return };
                    budget.spend(1 + desk.take(item) / UNIT);
                    let NamedDesk { said: new, standings: stands, outputs: other, .. } = &mut desk;
                    said.activate().session(&rights[0]).give_iterator(new.drain(..));
                    standings.activate().session(&rights[1]).give_iterator(stands.drain(..));
                    outputs.activate().session(&rights[2]).give_iterator(other.drain(..));
                }
            });
            if !waiting.is_empty() {
                again.activate();
            }
        }
    });
    KeyedStreams { said: said_stream, standings: standing_stream, outputs: output_stream }
}

/// Reads blocks, and knows how far each partition is.
struct NamedDesk<K: Keyed> {
    reader: NamedReader,
    /// The greatest valid timestamp of each partition.
    highs: HashMap<(TopicId, u32), Millis>,
    /// Records of the epoch of each partition.
    read: HashMap<(TopicId, u32), u64>,
    said: Vec<ToCustomer<K::Event>>,
    standings: Vec<PartitionStanding>,
    outputs: Vec<KeyedOutput<K::View>>,
}

impl<K: Keyed> NamedDesk<K> {
    fn new(dataflow: &K, common: &KeyedCommon) -> Self {
        let highs = common.highs.iter();
        NamedDesk {
            reader: NamedReader::new(&dataflow.settings().reading),
            highs: highs.map(|&(topic, partition, high)| ((topic, partition), high)).collect(),
            read: HashMap::new(),
            said: Vec::new(),
            standings: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// Takes an item of the feed; says how many bytes were read for it.
    fn take(&mut self, item: Feed) -> usize {
        match item {
            Feed::Block(block) => {
                self.block(&block);
                return block.bytes();
            }
            // It comes before all records of its epoch, which makes no difference.
            Feed::Erased(customer, until) => {
                let at = (K::topics()[0], Default::default());
                self.said.push(ToCustomer { customer, at, says: Says::Erase(until) });
            }
            Feed::Kept(kept) => self.outputs.push(KeyedOutput::Kept(kept)),
            Feed::Mark(mark) => self.mark(mark),
        }
        0
    }

    fn mark(&mut self, mark: Mark) {
        let partition = (mark.topic, mark.partition);
        let high = self.highs.get(&partition).copied();
        let read = self.read.get_mut(&partition).map_or(0, std::mem::take);
        self.standings.push(PartitionStanding { mark, high, read });
    }

    fn block(&mut self, block: &Block) {
        let partition @ (topic, _) = block.source();
        let (mut counts, mut nobodys) = (KeyedCounts::default(), Vec::new());
        let mut high = self.highs.get(&partition).copied();
        let mut tell = |customer: CustomerId, place, says| {
            self.said.push(ToCustomer { customer, at: (topic, place), says });
        };
        self.reader.read(
            block,
            |values| K::read(topic, values),
            |record| match record {
                NamedRecord::Event(customer, place, event) => {
                    counts.records += 1;
                    high = high.max(K::dated(&event));
                    tell(customer, place, Says::Event(event));
                }
                NamedRecord::Erase(customer, place, until) => {
                    counts.records += 1;
                    tell(customer, place, Says::Erase(until));
                }
                NamedRecord::Rejected(rejected) => {
                    counts.unread_erasures += u64::from(rejected.is_erasure());
                    // Who was erased is known where the customer is at home.
                    match rejected.whose {
                        Some(whose) => {
                            let place = rejected.place;
                            tell(whose.customer, place, Says::Rejected(Box::new(rejected)));
                        }
                        None => nobodys.push(rejected),
                    }
                }
            },
        );
        self.finish_block(block, high, counts, nobodys);
    }

    fn finish_block(
        &mut self,
        block: &Block,
        high: Option<Millis>,
        counts: KeyedCounts,
        rejected: Vec<Rejected>,
    ) {
        self.highs.extend(high.map(|high| (block.source(), high)));
        if let Block::Messages(messages) = block {
            *self.read.entry(block.source()).or_default() += messages.heads.len() as u64;
        }
        self.outputs.push(KeyedOutput::Counts(counts));
        self.outputs.extend((!rejected.is_empty()).then_some(KeyedOutput::Rejected(rejected)));
    }
}
