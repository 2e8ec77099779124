//! What one event costs in each operation of the core, at the default settings (32 terms, 4 arms).
//!
//! The inputs look like the simulated world's and lie in the processor's cache, so these are the
//! costs of the operations alone; what a whole job takes for an event is told by `sluice bench`.
//! Times are of one event, whatever the size of the pass that it was measured in.

#[path = "core/lines.rs"]
mod lines;
#[path = "core/numbers.rs"]
mod numbers;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use dataflows::bandit::choice::{Question, choose};
use dataflows::bandit::draws::{Draws, Purpose};
use dataflows::bandit::model::Model;
use dataflows::bandit::observation::{Observation, Sign, Tally};
use dataflows::bandit::policy::KINDS;
use dataflows::bandit::ridge::{real_context, solve};
use dataflows::bandit::statistics::Sums;
use dataflows::bandit::tallies::{ArmDays, ArmSums};
use dataflows::bandit::totals::Totals;
use dataflows::codec::{decode, encode};
use dataflows::customer::{CustomerState, Features, Layout, Ranks, Summary};
use dataflows::event::parse::{Parsed, Parser};
use dataflows::event::{Kind, Millis, Place, Profile, Record, Topic};
use dataflows::settings::{Serving, Settings};
use lines::{block, interaction_line, profile_line, transaction_line};
use numbers::{CUSTOMERS, Numbers, SECONDS, START};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Events of a pass, where the operation does not say otherwise.
const EVENTS: usize = 1_024;

/// Measures a pass over so many events, and reports the time of one.
fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    events: usize,
    mut pass: impl FnMut(),
) {
    group.throughput(Throughput::Elements(1));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|wanted| {
            let passes = wanted.div_ceil(events as u64);
            let start = Instant::now();
            (0..passes).for_each(|_| pass());
            start.elapsed().mul_f64(wanted as f64 / (passes * events as u64) as f64)
        });
    });
}

fn parsing(criterion: &mut Criterion) {
    let settings = Settings::default();
    let mut group = criterion.benchmark_group("parse");
    for (name, topic, line) in [
        (
            "transaction",
            Topic::Transactions,
            transaction_line as fn(usize, &mut Numbers, &Settings, &mut String),
        ),
        ("interaction", Topic::Interactions, interaction_line),
        ("profile", Topic::Customers, profile_line),
    ] {
        let (block, count) = block(topic, &settings, line);
        let mut parser = Parser::new(Arc::new(settings.input.clone()), 1, |_| 0);
        let mut parsed = Parsed::default();
        measure(&mut group, name, count, || {
            parsed.clear();
            parser.parse(black_box(&block), &mut parsed);
            assert_eq!(parsed.valid, count as u64, "every line of the bench is valid");
        });
    }
}

fn features(criterion: &mut Criterion) {
    let settings = Settings::default();
    let features =
        Features::new(&settings.input, &settings.customer).expect("the default settings are sound");
    let mut numbers = Numbers(2);
    let mut group = criterion.benchmark_group("features");

    let layout: &Layout = features.layout();
    let transactions = numbers.transactions(EVENTS);
    measure(&mut group, "add a purchase", EVENTS, || {
        let (mut summary, mut counts) = (Summary::default(), vec![0; layout.stride()]);
        black_box(&transactions)
            .iter()
            .for_each(|transaction| layout.add(&mut summary, &mut counts, transaction));
        black_box((summary, counts));
    });

    let customers: Vec<(Summary, Vec<u32>)> =
        (0..EVENTS).map(|_| customer(layout, &mut numbers)).collect();
    let profile = Profile {
        from: Millis::MIN,
        signup: START,
        email_open_rate: 0.5,
        complaint_count: 1.0,
        avg_discount: 0.25,
        premium: true,
    };
    let (context, at) = (features.context(), START + SECONDS as Millis * 1000);
    let mut x = vec![0; context.dimension()];
    measure(&mut group, "context", EVENTS, || {
        for (summary, counts) in black_box(&customers) {
            let state = CustomerState { summary, counts, profile: Some(&profile) };
            context.purchases(&state, &mut x);
            context.instant(&state, at, Some(1_000_000), &mut x);
            black_box(&x);
        }
    });

    // Every slot gets two totals that are far from each other, so that each of them changes its
    // bucket, in every pass.
    let mut ranks = Ranks::new();
    let slots: Vec<u32> = (0..EVENTS).map(|_| numbers.below(CUSTOMERS) as u32).collect();
    let totals: Vec<(u32, u64)> =
        slots.iter().chain(&slots).map(|&slot| (slot, numbers.below(5_000_000))).collect();
    (0..CUSTOMERS as u32).for_each(|slot| ranks.set(slot, Some(numbers.below(5_000_000))));
    measure(&mut group, "rank a total", totals.len(), || {
        black_box(&totals).iter().for_each(|&(slot, total)| ranks.set(slot, Some(total)));
    });
}

/// A customer of 20 to 180 purchases.
fn customer(layout: &Layout, numbers: &mut Numbers) -> (Summary, Vec<u32>) {
    let (mut summary, mut counts) = (Summary::default(), vec![0; layout.stride()]);
    let purchases = 20 + numbers.below(160) as usize;
    numbers
        .transactions(purchases)
        .iter()
        .for_each(|transaction| layout.add(&mut summary, &mut counts, transaction));
    (summary, counts)
}

fn learning(criterion: &mut Criterion) {
    let settings = Settings::default();
    let dimension = settings.input.dimension;
    let mut numbers = Numbers(3);
    let observations: Vec<(Vec<i16>, i64)> =
        (0..EVENTS).map(|_| (numbers.context(dimension), numbers.reward())).collect();
    let mut group = criterion.benchmark_group("bandit");

    let mut sums = Sums::new(0, dimension);
    measure(&mut group, "add an observation", EVENTS, || {
        black_box(&observations).iter().for_each(|(x, reward)| sums.push(x, *reward));
        black_box(sums.drain());
    });

    let (arms, days) = (settings.input.arms.len(), 730);
    let (mut sums, mut arm_days) = (ArmSums::new(arms, dimension), ArmDays::new(arms));
    measure(&mut group, "tell an observation to every tally", EVENTS, || {
        for (place, (context, reward)) in (0..).zip(black_box(&observations)) {
            let (arm, instant) = ((place % arms as i64) as u16, START + place % days * 86_400_000);
            let observation = Observation {
                sign: Sign::Comes,
                arm,
                context,
                reward: *reward,
                propensity: 0.25,
                instant,
            };
            sums.add(&observation);
            arm_days.add(&observation);
        }
        black_box((sums.drain(false).count(), arm_days.drain().count()));
    });

    let arms = (0..settings.input.arms.len() as u32).map(|arm| {
        let (mut sums, mut totals) = (Sums::new(arm, dimension), Totals::new(dimension));
        (0..EVENTS).for_each(|_| sums.push(&numbers.context(dimension), numbers.reward()));
        sums.drain().iter().for_each(|delta| totals.add(delta));
        solve(arm, &totals, settings.bandit.serving.ridge)
    });
    let mut model = Model::new(settings.input.arms.len(), dimension, settings.bandit.serving.ridge);
    arms.for_each(|arm| model.take(1, arm));
    let contexts: Vec<Vec<f64>> = observations.iter().map(|(x, _)| real_context(x)).collect();
    for kind in KINDS {
        let serving = Serving { policy: kind.name.to_string(), ..Serving::default() };
        decisions(&mut group, &serving, &model, &contexts);
    }
}

/// Choosing of four arms by what serves.
fn decisions(
    group: &mut BenchmarkGroup<'_, WallTime>,
    serving: &Serving,
    model: &Model,
    contexts: &[Vec<f64>],
) {
    let (acting, mut promises) = (serving.acting(), Vec::new());
    measure(group, &format!("choose of four arms: {}", serving.policy), EVENTS, || {
        for x in black_box(contexts) {
            let asked = Question { x, exclude: &[], factor: 1.0 };
            let draws = Draws::new(serving.seed, Purpose::Choice, 1, 1);
            black_box(choose(&acting, model, asked, draws, &mut promises));
        }
    });
}

fn codec(criterion: &mut Criterion) {
    let mut numbers = Numbers(4);
    let row = |position| Record {
        customer: numbers.below(CUSTOMERS) as i64,
        id: numbers.next(),
        timestamp: numbers.instant(),
        origin: Record::origin(Kind::Transaction, Place::new(0, position)),
        value: numbers.purchase().0,
        extra: 0,
    };
    let rows: Vec<Record> = (0..EVENTS as u64).map(row).collect();
    let mut bytes = Vec::new();
    let mut group = criterion.benchmark_group("codec");
    measure(&mut group, "encode a row", EVENTS, || {
        bytes.clear();
        encode(black_box(&rows), &mut bytes);
        black_box(&bytes);
    });
    measure(&mut group, "decode a row", EVENTS, || {
        assert!(
            black_box(decode::<Record>(black_box(&bytes))).is_ok(),
            "what was encoded can be read"
        );
    });
}

criterion_group! {
    name = core;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = parsing, features, learning, codec
}
criterion_main!(core);
