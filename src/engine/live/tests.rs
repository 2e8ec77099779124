//! Epochs over logs with gaps: cut live wherever it falls, then repeated by other seats, with other
//! blocks, to other ends.

use super::control::SourceCommand;
use super::reading::{Reading, Step};
use super::*;
use crate::first::First;
use crate::kafka::intake::{KafkaIntake, Seat, Sight};
use crate::kafka::{Arrival, Assigned, KafkaError, Position};
use crate::source::Bounds;
use crossbeam_channel::{Sender, unbounded};
use dataflows::event::Topic;
use dataflows::source::{Block, Head, Mark, Messages, RecordedWatermark, TopicId};
use proptest::prelude::*;
use rand::Rng;
use rand_pcg::Pcg64Mcg;
use std::collections::{BTreeMap, BTreeSet};

type Key = (TopicId, u32);
/// Records by partition and offset.
type Records = BTreeSet<(Key, u64)>;

/// A partition as the broker has it.
#[derive(Clone, Debug)]
struct Log {
    /// Whether there is a record at each offset: a gap is an aborted record, the mark of a
    /// transaction, or what compaction took away.
    offsets: Vec<bool>,
    /// It was added to its topic while the job ran.
    added: bool,
}

type Logs = BTreeMap<Key, Log>;

/// What an epoch held, and where its partitions stood at its end.
#[derive(Clone, Debug, Default, PartialEq)]
struct Epoch {
    records: Records,
    bounds: Bounds,
}

struct Dice(Pcg64Mcg);

impl Dice {
    fn of(seed: u64) -> Self {
        Dice(Pcg64Mcg::new(u128::from(seed) << 1 | 1))
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.0.next_u64() % bound.max(1) as u64) as usize
    }
}

/// Workers that read the logs, and the broker that hands them over.
struct Run<'a> {
    logs: &'a Logs,
    dice: Dice,
    /// How much of each log was handed over.
    handed: BTreeMap<Key, u64>,
    /// Those whose end was told.
    ended: BTreeSet<Key>,
    seats: Vec<(Sender<Arrival>, Reading<KafkaIntake>)>,
    sight: Sight,
}

impl<'a> Run<'a> {
    /// The partitions of each topic are known at the start, but for those that are yet to be added.
    fn start(logs: &'a Logs, seed: u64, peers: usize, repeats: bool) -> Self {
        let sight = Sight::new("nowhere", First::<KafkaError>::default().teller());
        let seat = |index| {
            let seat = Seat { index, peers };
            let mine = logs
                .iter()
                .filter(|((_, partition), log)| seat.has(*partition) && (repeats || !log.added));
            let assigned: Vec<Assigned> = mine
                .map(|(&(topic, partition), _)| Assigned {
                    topic,
                    partition,
                    from: Position::OF_ADDED,
                })
                .collect();
            let (sender, arrivals) = unbounded();
            let intake =
                KafkaIntake::over(None, arrivals, &assigned, seat, Duration::MAX, sight.clone());
            (sender, Reading::new(intake, &Pace { repeats, ..pace() }, true))
        };
        Run {
            logs,
            dice: Dice::of(seed),
            handed: BTreeMap::new(),
            ended: BTreeSet::new(),
            seats: (0..peers).map(seat).collect(),
            sight,
        }
    }

    /// Partitions that are added now are found.
    fn find_added(&self) {
        self.sight.found(self.logs.iter().filter(|(_, log)| log.added).map(|(key, _)| *key));
    }

    /// The broker hands something over: records, or the news that a partition has none for now.
    /// `false` when the end of each was told.
    fn hand_over(&mut self, among: impl Fn(&Log) -> bool) -> bool {
        let open: Vec<Key> = self
            .logs
            .iter()
            .filter(|(key, log)| among(log) && !self.ended.contains(*key))
            .map(|(key, _)| *key)
            .collect();
        if open.is_empty() {
            return false;
        }
        let key = open[self.dice.below(open.len())];
        let (from, end) =
            (self.handed.get(&key).copied().unwrap_or(0), self.logs[&key].offsets.len() as u64);
        let records: Vec<u64> =
            (from..end).filter(|at| self.logs[&key].offsets[*at as usize]).collect();
        let arrival = match &records[..self.dice.below(6).min(records.len())] {
            [] => {
                // An end as it is for now may lie anywhere up to the next record.
                let next = records.first().map_or(end, |first| {
                    from + self.dice.below((first - from + 1) as usize) as u64
                });
                self.handed.insert(key, next);
                if next == end {
                    self.ended.insert(key);
                }
                Arrival::CaughtUp { topic: key.0, partition: key.1, next }
            }
            block @ [.., last] => {
                self.handed.insert(key, last + 1);
                let head = |&position: &u64| Head {
                    position,
                    timestamp: self.dice.below(50) as i64,
                    start: 0,
                    length: 0,
                    null: false,
                    key: 0,
                };
                Arrival::Records(Messages::new(
                    key.0,
                    key.1,
                    Vec::new(),
                    block.iter().map(head).collect(),
                ))
            }
        };
        let seat = key.1 as usize % self.seats.len();
        self.seats[seat].0.send(arrival).expect("the seat listens");
        true
    }

    /// Lets a seat take a step.
    fn step(&mut self, seat: usize, epoch: &mut Epoch, marks: &mut Vec<Mark>) -> Step {
        self.seats[seat].1.step(|item| match item {
            Feed::Block(Block::Messages(messages)) => {
                assert!(!messages.heads.is_empty());
                for head in &messages.heads {
                    assert!(
                        epoch.records.insert(((messages.topic, messages.partition), head.position)),
                        "{head:?} came twice"
                    );
                }
            }
            Feed::Block(Block::Lines(_)) | Feed::Erased(..) | Feed::Kept(_) => {
                panic!("nothing of that is there")
            }
            Feed::Mark(mark) => marks.push(mark),
        })
    }

    fn tell(&mut self, seat: usize, command: &SourceCommand) {
        self.seats[seat].1.commands.push_back(command.clone());
    }
}

fn pace() -> Pace {
    Pace {
        interval: Duration::MAX,
        max_events: u64::MAX,
        ahead: 1,
        first: 1,
        repeats: false,
        replayed: Vec::new(),
        erased: Vec::new(),
        saves: None,
    }
}

fn bounds_of(marks: &[Mark]) -> Bounds {
    marks.iter().map(|mark| ((mark.topic, mark.partition), mark.next)).collect()
}

/// Reads everything live, in so many epochs and a last one.
fn live(logs: &Logs, seed: u64, peers: usize, epochs: usize) -> Vec<Epoch> {
    let mut run = Run::start(logs, seed, peers, false);
    let when_added = run.dice.below(epochs);
    let mut cut = Vec::new();
    for number in 0..=epochs {
        if number == when_added {
            run.find_added();
        }
        let (mut epoch, mut marks) = (Epoch::default(), Vec::new());
        let among = |log: &Log| number >= when_added || !log.added;
        for _ in 0..run.dice.below(12) {
            run.hand_over(among);
        }
        while number == epochs && run.hand_over(among) {}
        for seat in 0..peers {
            // The last epoch takes all that is left.
            let steps = if number == epochs { usize::MAX } else { run.dice.below(10) };
            let mut taken = 0;
            while taken < steps && !matches!(run.step(seat, &mut epoch, &mut marks), Step::Wait) {
                taken += 1;
            }
            run.tell(
                seat,
                &SourceCommand::Cut { last: false, open: true, save: None, failed: false },
            );
            while !matches!(run.step(seat, &mut epoch, &mut marks), Step::Cut) {}
        }
        epoch.bounds = bounds_of(&marks);
        cut.push(epoch);
    }
    cut
}

/// Repeats epochs as they were recorded, and reads what is left.
fn repeat(logs: &Logs, seed: u64, peers: usize, recorded: &[Epoch]) -> Vec<Epoch> {
    let mut run = Run::start(logs, seed, peers, true);
    let mut again = Vec::new();
    for (number, wanted) in recorded.iter().enumerate() {
        let replayed = Replayed {
            bounds: wanted
                .bounds
                .iter()
                .map(|(&(topic, partition), &next)| (topic, partition, next))
                .collect(),
            watermark: Some(number as i64),
            erased: Vec::new(),
            save: None,
        };
        let command = SourceCommand::CutAt { replayed, more: number + 1 < recorded.len() };
        (0..peers).for_each(|seat| run.tell(seat, &command));
        let (mut epoch, mut marks) = (Epoch::default(), Vec::new());
        let mut open: Vec<usize> = (0..peers).collect();
        while !open.is_empty() {
            let come = run.hand_over(|_| true);
            let mut moved = false;
            open.retain(|&seat| {
                let step = run.step(seat, &mut epoch, &mut marks);
                moved |= !matches!(step, Step::Wait);
                !matches!(step, Step::Cut)
            });
            assert!(
                come || moved || open.is_empty(),
                "epoch {number} waits for ever, with {epoch:?} of {wanted:?}"
            );
        }
        assert!(
            marks.iter().all(|mark| mark.recorded == Some(RecordedWatermark(Some(number as i64))))
        );
        epoch.bounds = bounds_of(&marks);
        again.push(epoch);
    }
    let (mut rest, mut marks) = (Epoch::default(), Vec::new());
    while run.hand_over(|_| true) {}
    for seat in 0..peers {
        while !matches!(run.step(seat, &mut rest, &mut marks), Step::Wait) {}
        run.tell(seat, &SourceCommand::Cut { last: false, open: true, save: None, failed: false });
        while !matches!(run.step(seat, &mut rest, &mut marks), Step::Cut) {}
    }
    rest.bounds = bounds_of(&marks);
    again.push(rest);
    again
}

fn logs() -> impl Strategy<Value = Logs> {
    let log = || {
        (prop::collection::vec(any::<bool>(), 0..24), prop::bool::weighted(0.3))
            .prop_map(|(offsets, added)| Log { offsets, added })
    };
    let keys = [
        (Topic::Transactions.id(), 0),
        (Topic::Transactions.id(), 1),
        (Topic::Transactions.id(), 2),
        (Topic::Customers.id(), 0),
        (Topic::Interactions.id(), 1),
    ];
    keys.map(|key| log().prop_map(move |log| (key, log)))
        .prop_map(|logs| logs.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn epochs_of_logs_with_gaps_are_the_same_when_they_are_repeated(
        logs in logs(),
        seed in any::<u64>(),
        (peers, again) in (1..4_usize, 1..4_usize),
        epochs in 1..7_usize,
        cut in any::<prop::sample::Index>(),
    ) {
        let there = |log: &Log| {
            let offsets = (0..).zip(log.offsets.clone());
            offsets.filter(|(_, is)| *is).map(|(at, _)| at)
        };
        let all: Records =
            logs.iter().flat_map(|(&key, log)| there(log).map(move |at| (key, at))).collect();
        let recorded = live(&logs, seed, peers, epochs);
        // Each record once, in an epoch whose bounds it lies in.
        let mut before = Bounds::new();
        for epoch in &recorded {
            for (key, at) in &epoch.records {
                prop_assert!(
                    *at < epoch.bounds[key] && before.get(key).is_none_or(|before| at >= before),
                    "{key:?} {at} in {recorded:?}"
                );
            }
            before = epoch.bounds.clone();
        }
        prop_assert_eq!(recorded.iter().map(|epoch| epoch.records.len()).sum::<usize>(), all.len());
        // The job was killed after one of them.
        let kept = &recorded[..=cut.index(recorded.len())];
        let repeated = repeat(&logs, !seed, again, kept);
        prop_assert_eq!(&repeated[..kept.len()], kept);
        let ends: Bounds = logs.iter().map(|(key, log)| (*key, log.offsets.len() as u64)).collect();
        prop_assert_eq!(&repeated[kept.len()].bounds, &ends);
        let found: Records =
            repeated.iter().flat_map(|epoch| epoch.records.iter().copied()).collect();
        prop_assert_eq!(found, all);
    }
}
