//! Ridge, policy, retired arms and what asks for a decision, where they are otherwise from an epoch
//! on: each epoch is as it was without what came later, and as if its own had held from
//! the beginning, from whichever snapshot it is computed again.

use super::{Arrival, Outcome, Random, Run, Told, arrivals, assert_map, cuts};
use crate::bandit::parameters::Parameters;
use crate::bandit::schedule::{Falling, ParameterSchedule};
use crate::campaign::output::{Counts, Decision, Output};
use crate::event::{CustomerId, Topic};
use crate::settings::{Cold, NamedPolicy, Serving};
use crate::source::Save;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// So many there are.
const ARMS: u16 = 4;

fn serving(random: &mut Random, asks: bool) -> Serving {
    let ridge = [1.0, 0.25, 7.5, 40.0][random.below(4) as usize];
    let alpha = [0.0, 0.5, 1.0, 3.0][random.below(4) as usize];
    let policy = ["linucb", "thompson", "squarecb", "careful"][random.below(4) as usize];
    let mut careful = NamedPolicy { floor: 0.05, ..NamedPolicy::default() };
    careful.parameters.set("alpha", falling());
    let cold = Cold { interactions: 2, factor: [1.0, 3.0][random.below(2) as usize] };
    Serving {
        ridge,
        policy: policy.to_string(),
        policies: BTreeMap::from([("careful".to_string(), careful)]),
        cold,
        parameters: Parameters::told([("alpha", alpha)]),
        seed: random.below(3),
        decide_on_transaction: asks && random.below(2) == 0,
        retired: (0..ARMS).filter(|_| random.below(3) == 0).collect(),
        ..Serving::default()
    }
}

/// Halved with each twenty observations.
fn falling() -> ParameterSchedule {
    ParameterSchedule::Falling(Falling { start: 3.0, half: 20.0, power: 1.0, least: 0.1 })
}

/// A run of three stretches, the epochs with which the first two end, and what serves in each.
fn of_three(random: &mut Random, asks: bool) -> (Run, [u64; 2], [Serving; 3]) {
    let arrivals = arrivals(random, 400);
    let epochs: Vec<usize> =
        cuts(random, arrivals.len()).into_iter().flat_map(|size| [size, 2]).collect();
    let count = epochs.len() as u64;
    let first = 1 + random.below(count / 2);
    let ends = [first, first + 1 + random.below(count / 2 - 1)];
    let servings = [serving(random, asks), serving(random, asks), serving(random, asks)];
    let saves = (1..count)
        .filter(|_| random.below(4) == 0)
        .map(|epoch| (epoch, Save::Everything))
        .collect();
    let (workers, lag) = (1 + random.below(3) as usize, Some(1 + random.below(4)));
    (Run { arrivals, epochs, workers, lag, saves, ..Run::default() }, ends, servings)
}

/// What was told up to an epoch by one run, and of the epochs after it by another. Before the end
/// nobody can say when customers were looked through for the owners of interactions.
fn told(outcome: &Outcome, until: u64, rest: Option<&Outcome>) -> Told {
    let mut told = Told { counts: Counts::none(), ..Told::default() };
    outcome.tell(&mut told, 0, until);
    match rest {
        Some(rest) => rest.tell(&mut told, until, u64::MAX),
        None => told.of_other_customers = 0,
    }
    told
}

fn decisions(
    outcome: &Outcome,
    epochs: RangeInclusive<u64>,
) -> BTreeMap<(CustomerId, u64), Decision> {
    let outputs = outcome.outputs.iter().filter(|(epoch, _)| epochs.contains(epoch));
    let decisions = outputs.filter_map(|(_, output)| {
        if let Output::Decisions(decisions) = output { Some(decisions) } else { None }
    });
    decisions
        .flatten()
        .map(|decision| ((decision.customer, decision.key), decision.clone()))
        .collect()
}

#[test]
fn an_epoch_is_decided_by_what_served_in_it() {
    let mut differing = 0;
    for seed in 0..30 {
        let mut random = Random(seed);
        let (run, [first, second], [a, b, c]) = of_three(&mut random, false);
        let earlier = vec![(first, a.clone()), (second, b.clone())];
        let whole = Run { earlier, serving: Some(c.clone()), ..run.clone() }.run();
        for (serving, epochs) in
            [(a, 1..=first), (b, first + 1..=second), (c, second + 1..=u64::MAX)]
        {
            let always = Run { serving: Some(serving), ..run.clone() }.run();
            assert_map(
                &decisions(&whole, epochs.clone()),
                &decisions(&always, epochs),
                "decisions",
                seed,
            );
            differing +=
                u64::from(decisions(&whole, 1..=u64::MAX) != decisions(&always, 1..=u64::MAX));
        }
    }
    assert!(differing > 20, "what serves makes a difference, but only {differing} times");
}

#[test]
fn an_arm_that_is_drawn_is_the_same_on_any_number_of_workers() {
    let mut drawn = 0;
    for (seed, policy) in (0..).zip(["thompson", "squarecb", "softmax", "epsilon-greedy"].repeat(3))
    {
        let mut random = Random(1_300 + seed);
        let arrivals = arrivals(&mut random, 400);
        let epochs = cuts(&mut random, arrivals.len());
        let cold = Cold { interactions: 3, factor: 2.0 };
        let serving = Serving { policy: policy.to_string(), cold, ..Serving::default() };
        let run = Run { arrivals, epochs, serving: Some(serving), workers: 1, ..Run::default() };
        let outcome = run.run();
        let alone = decisions(&outcome, 1..=u64::MAX);
        // Where time stands is recorded: workers of another number read other partitions.
        let closed = outcome.told().closed;
        let recorded = (1..).zip(closed.iter().map(|closed| closed.watermark)).collect();
        let run = Run { recorded, ..run };
        for workers in 2..=3 {
            let together = decisions(&Run { workers, ..run.clone() }.run(), 1..=u64::MAX);
            assert_map(&together, &alone, policy, seed);
        }
        let is_drawn = |decision: &&Decision| decision.arm.is_some() && decision.propensity < 1.0;
        drawn += alone.values().filter(is_drawn).count();
    }
    assert!(drawn > 100, "only {drawn} arms were drawn");
}

#[test]
fn what_serves_later_changes_nothing_of_before() {
    for seed in 0..30 {
        let mut random = Random(500 + seed);
        let (run, [first, second], [a, b, c]) = of_three(&mut random, true);
        let earlier = vec![(first, a.clone()), (second, b.clone())];
        let whole = Run { earlier, serving: Some(c), ..run.clone() }.run();
        let earlier = vec![(first, a.clone())];
        let once = Run { earlier, serving: Some(b), ..run.clone() }.run();
        let never = Run { serving: Some(a), ..run.clone() }.run();
        told(&whole, second, None).assert_same(&told(&once, second, None), seed);
        told(&whole, first, None).assert_same(&told(&never, first, None), seed);
        let models = |outcome: &Outcome| {
            let outputs = outcome.outputs.iter().filter(|(epoch, _)| *epoch <= second);
            let models = outputs.filter_map(|(epoch, output)| match output {
                Output::Arm(update) => Some((*epoch, update.arm, update.model.theta.clone())),
                _ => None,
            });
            let mut models: Vec<_> = models.collect();
            models.sort_by_key(|(epoch, arm, _)| (*epoch, *arm));
            models
        };
        assert_eq!(models(&whole), models(&once), "seed {seed}");
    }
}

#[test]
fn from_any_snapshot_each_epoch_is_decided_as_it_was() {
    let mut resumed = 0;
    for seed in 0..30 {
        let mut random = Random(900 + seed);
        let (run, [first, second], [a, b, c]) = of_three(&mut random, true);
        let run = Run { earlier: vec![(first, a), (second, b)], serving: Some(c), ..run };
        let whole = run.run();
        let all = whole.told();
        for (&epoch, _) in whole.complete.iter().filter(|(_, workers)| **workers == run.workers) {
            let recorded = (1..).zip(all.closed.iter().map(|closed| closed.watermark)).collect();
            // What held only up to then need not be known any more.
            let earlier = run.earlier.iter().filter(|(last, _)| *last > epoch).cloned().collect();
            let rest = Run {
                workers: 1 + random.below(4) as usize,
                recorded,
                snapshot: Some(whole.snapshot(epoch)),
                earlier,
                ..run.clone()
            }
            .run();
            told(&whole, epoch, Some(&rest)).assert_same(&all, seed);
            resumed += 1;
        }
    }
    assert!(resumed > 30, "only {resumed} snapshots were complete");
}

#[test]
fn purchases_ask_for_as_long_as_they_are_to() {
    let mut random = Random(7);
    let arrivals: Vec<Arrival> = arrivals(&mut random, 400)
        .into_iter()
        .filter(|(topic, _)| *topic != Topic::Requests)
        .collect();
    let epochs = cuts(&mut random, arrivals.len());
    let (quiet, asking) = (Serving::default(), true);
    let asking = Serving { decide_on_transaction: asking, ..quiet.clone() };
    let [first, second] = [epochs.len() as u64 / 3, 2 * epochs.len() as u64 / 3];
    for workers in 1..=3 {
        let earlier = vec![(first, quiet.clone()), (second, asking.clone())];
        let outcome = Run {
            arrivals: arrivals.clone(),
            epochs: epochs.clone(),
            workers,
            earlier,
            serving: Some(quiet.clone()),
            ..Run::default()
        }
        .run();
        assert!(!decisions(&outcome, first + 1..=second).is_empty());
        assert!(
            decisions(&outcome, 1..=first).is_empty()
                && decisions(&outcome, second + 1..=u64::MAX).is_empty()
        );
    }
}
