//! Snapshots as an older version has written them: what they lack is counted again from the
//! histories, and where these do not have it any more it stays unknown.

use super::*;
use crate::bandit::rewards::RewardSums;
use serde_json::Value;

/// The same common part, as it was written before rewards were summed.
fn without_rewards(common: &Common) -> Common {
    let mut written: Value = serde_json::from_slice(&common.to_bytes()).expect("JSON");
    for version in written["arms"].as_array_mut().expect("a list of arms") {
        let totals = version["totals"].as_object_mut().expect("sums");
        totals.remove("rewards").expect("they have them now");
    }
    let bytes = serde_json::to_vec(&written).expect("JSON");
    Common::from_bytes(&bytes).expect("it was written so")
}

/// The runs that go on from each snapshot of a run as it was written then, with what sinks were
/// told up to its end.
fn upgraded(run: &Run, random: &mut Random) -> Vec<(Outcome, Told)> {
    let outcome = run.run();
    let closed = outcome.told().closed;
    let recorded: BTreeMap<_, _> = (1..).zip(closed.iter().map(|end| end.watermark)).collect();
    let last = closed.len() as u64;
    let complete = outcome.complete.iter().filter(|(_, workers)| **workers == run.workers);
    let complete = complete.filter(|(epoch, _)| **epoch < last);
    let mut all = Vec::new();
    for (&epoch, _) in complete {
        let snapshot = outcome.snapshot(epoch);
        let common = without_rewards(&snapshot.common);
        let lacks = common.lacks_rewards();
        assert_eq!(lacks, common.arms.iter().any(|version| version.totals.n > 0));
        let workers = 1 + random.below(4) as usize;
        let (snapshot, recorded) = (Some(Snapshot { common, ..snapshot }), recorded.clone());
        let rest = Run { workers, recorded, snapshot, ..run.clone() }.run();
        let folding = run.keep.is_some();
        let mut told = Told { counts: Counts::none(), folding, ..Told::default() };
        outcome.tell(&mut told, 0, epoch);
        told.totals.values_mut().for_each(|totals| totals.rewards = None);
        rest.tell(&mut told, epoch, u64::MAX);
        all.push((rest, told));
    }
    all
}

fn saving_run(seed: u64, count: u64) -> (Run, Random) {
    let mut random = Random(9_000 + seed);
    let arrivals = arrivals(&mut random, count);
    let epochs: Vec<usize> =
        cuts(&mut random, arrivals.len()).into_iter().flat_map(|size| [size, 0, 2]).collect();
    let mut save = |epoch: u64| match random.below(9) {
        0 => Some((epoch, Save::Everything)),
        1 | 2 => Some((epoch, Save::Changes)),
        _ => None,
    };
    let saves = (1..epochs.len() as u64).filter_map(&mut save).collect();
    (Run { arrivals, epochs, workers: 1 + seed as usize % 3, saves, ..Run::default() }, random)
}

#[test]
fn rewards_of_before_are_counted_again_from_the_histories() {
    let mut compared = 0;
    for seed in 0..24 {
        let (mut run, mut random) = saving_run(seed, 400);
        run.lag = Some(1 + seed % 3);
        let whole = run.run().told();
        for (rest, mut told) in upgraded(&run, &mut random) {
            // Of an arm of which nothing stands nothing is told.
            let empty = told.totals.values_mut().filter(|totals| totals.n == 0);
            empty.for_each(|totals| totals.rewards = Some(RewardSums::default()));
            told.assert_same(&whole, seed);
            let next = rest.complete.last_key_value().map(|(epoch, _)| rest.snapshot(*epoch));
            assert!(next.is_none_or(|next| !next.common.lacks_rewards()), "seed {seed}");
            compared += 1;
        }
    }
    assert!(compared > 12, "only {compared} snapshots were complete");
}

#[test]
fn rewards_of_what_is_folded_stay_unknown() {
    let (mut known, mut unknown) = (0, 0);
    for seed in 0..16 {
        let (mut run, mut random) = saving_run(50 + seed, 600);
        run.keep = Some([7, 20][seed as usize % 2] * DAY);
        let whole = run.run().told();
        for (_, told) in upgraded(&run, &mut random) {
            for (arm, totals) in told.totals.iter().filter(|(_, totals)| totals.n > 0) {
                match totals.rewards {
                    Some(_) => known += 1,
                    None => unknown += 1,
                }
                let of_whole = &whole.totals[arm];
                let rewards = totals.rewards.or(of_whole.rewards);
                assert_eq!(Totals { rewards, ..totals.clone() }, *of_whole, "seed {seed}");
            }
        }
    }
    assert!(known > 3 && unknown > 3, "{known} known, {unknown} unknown");
}
