//! The driver of the parser: blocks in; records, asides, rejected records and the standing of partitions out, all on the worker that read them.

use crate::campaign::feed::Feed;
use crate::campaign::output::Output;
use crate::campaign::watermark::Standing;
use crate::codec::rows::Rows;
use crate::event::parse::{Parsed, Parser};
use crate::event::{Aside, Millis, Record, Topic};
use crate::settings::InputSettings;
use std::collections::HashMap;
use std::sync::Arc;
use timely::container::CapacityContainerBuilder as Builder;
use timely::dataflow::channels::pact::Pipeline;
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
    pub standings: StreamVec<'scope, u64, Standing>,
    /// Names and rejected records.
    pub outputs: StreamVec<'scope, u64, Output>,
}

/// Parses every block where it was read. `highs` are the greatest valid timestamps of partitions that were read before.
pub fn parse<'scope>(feed: StreamVec<'scope, u64, Feed>, settings: Arc<InputSettings>, highs: &[(Topic, u32, Millis)]) -> ParsedStreams<'scope> {
    let mut builder = OperatorBuilder::new("Parse".to_owned(), feed.scope());
    let mut input = builder.new_input(feed, Pipeline);
    let (records, record_stream) = builder.new_output::<Rows<Record>>();
    let (asides, aside_stream) = builder.new_output::<Vec<Aside>>();
    let (standings, standing_stream) = builder.new_output::<Vec<Standing>>();
    let (outputs, output_stream) = builder.new_output::<Vec<Output>>();
    let mut records = OutputBuilder::<_, Builder<Rows<Record>>>::from(records);
    let mut asides = OutputBuilder::<_, Builder<Vec<Aside>>>::from(asides);
    let mut standings = OutputBuilder::<_, Builder<Vec<Standing>>>::from(standings);
    let mut outputs = OutputBuilder::<_, Builder<Vec<Output>>>::from(outputs);
    builder.build(move |_| {
        let mut desk = Desk::new(settings, highs);
        move |_frontiers| {
            let (mut records, mut asides) = (records.activate(), asides.activate());
            let (mut standings, mut outputs) = (standings.activate(), outputs.activate());
            input.for_each(|capability, feed| {
                let Some(&epoch) = capability.least() else { return };
                for item in feed.drain(..) {
                    match item {
                        Feed::Block(block) => {
                            desk.parse(&block);
                            records.session(&capability.delayed(&epoch, 0)).give_iterator(desk.parsed.records.drain(..));
                            asides.session(&capability.delayed(&epoch, 1)).give_iterator(desk.parsed.asides.drain(..));
                            outputs.session(&capability.delayed(&epoch, 3)).give_iterator(desk.outputs().into_iter());
                        }
                        Feed::Mark(mark) => {
                            let high = desk.highs.get(&(mark.topic, mark.partition)).copied();
                            standings.session(&capability.delayed(&epoch, 2)).give(Standing { mark, high });
                        }
                    }
                }
            });
        }
    });
    ParsedStreams { records: record_stream, asides: aside_stream, standings: standing_stream, outputs: output_stream }
}

/// The parser, and the greatest valid timestamp of each partition.
struct Desk {
    parser: Parser,
    parsed: Parsed,
    highs: HashMap<(Topic, u32), Millis>,
}

impl Desk {
    fn new(settings: Arc<InputSettings>, highs: &[(Topic, u32, Millis)]) -> Self {
        let highs = highs.iter().map(|&(topic, partition, high)| ((topic, partition), high)).collect();
        // Names go to whoever commits, not to the customer's worker: one batch is enough.
        Desk { parser: Parser::new(settings, 1, |_| 0), parsed: Parsed::default(), highs }
    }

    fn parse(&mut self, block: &crate::event::Block) {
        self.parsed.clear();
        self.parser.parse(block, &mut self.parsed);
        if let Some(high) = self.parsed.high {
            let known = self.highs.entry((block.topic, block.partition)).or_insert(high);
            *known = high.max(*known);
        }
    }

    fn outputs(&mut self) -> Vec<Output> {
        let names = self.parsed.names.drain(..).filter(|names| !names.keys.is_empty()).map(Output::Names);
        let mut outputs: Vec<Output> = names.collect();
        if !self.parsed.rejected.is_empty() {
            outputs.push(Output::Rejected(std::mem::take(&mut self.parsed.rejected)));
        }
        outputs
    }
}
