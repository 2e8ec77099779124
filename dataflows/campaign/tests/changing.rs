//! A change of settings at a snapshot against the same arrivals under the new settings from the
//! beginning: every row, sum, count of what stands and decision afterwards is the same.

mod cases;
mod kinds;

use super::*;
use crate::campaign::snapshot::codes::Hidden;
use crate::campaign::snapshot::image::without_names;
use crate::event::unlisted::{Code, name_hash};
use crate::settings::{HighValue, Term, Transform};
use cases::{Case, before, cases, like};
use kinds::{KINDS, Kind, list, term, terms};

fn compare(case: Case, random: &mut Random) {
    let changed = case.changed.run();
    assert!(changed.outputs.iter().all(|(of, _)| *of > case.epoch), "nothing is told again");
    for (epoch, output) in &changed.outputs {
        let Output::Decisions(decisions) = output else { continue };
        let is_of_change = |decision: &Decision| decision.model_version > case.epoch || !case.anew;
        assert!(
            *epoch == case.epoch + 1 || decisions.iter().all(is_of_change),
            "{}: a model of before decides",
            case.what
        );
    }
    case.compare(&changed, case.epoch + 1);
    case.compare(&changed, u64::MAX);
    // It goes on from a snapshot that was taken since.
    let complete = changed.complete.iter().filter(|(_, workers)| **workers == case.changed.workers);
    if let Some(later) = complete.map(|(epoch, _)| *epoch).max() {
        let workers = 1 + random.below(4) as usize;
        let resumed = Run {
            workers,
            former: None,
            snapshot: Some(changed.snapshot(later)),
            ..case.changed.clone()
        }
        .run();
        let (mut there, mut here) = (
            Told { counts: Counts::none(), ..Told::default() },
            Told { counts: Counts::none(), ..Told::default() },
        );
        case.outcome.tell(&mut there, 0, case.epoch);
        case.outcome.tell(&mut here, 0, case.epoch);
        if case.closes_anew {
            there.thresholds.clear();
            here.thresholds.clear();
        }
        changed.tell(&mut there, case.epoch, u64::MAX);
        changed.tell(&mut here, case.epoch, later);
        resumed.tell(&mut here, later, u64::MAX);
        here.assert_same(&there, case.seed);
    }
}

#[test]
fn a_change_of_settings_gives_what_the_new_ones_give_from_the_beginning() {
    for (number, (what, change)) in KINDS.iter().enumerate() {
        let mut compared = 0;
        for seed in 0..4 {
            let (one, mut other) = (before(), before());
            change(&mut other);
            // And back.
            let (from, to) = if seed % 2 == 0 { (&one, &other) } else { (&other, &one) };
            if *what == "a list becomes one of very many" && seed % 2 == 1 {
                // It knew no names of others.
                continue;
            }
            compared += cases(what, from, to, 100 * number as u64 + seed, compare);
        }
        assert!(compared > 1, "{what}: only {compared} snapshots were complete");
    }
}

#[test]
fn several_changes_at_once_are_one() {
    let mut compared = 0;
    for seed in 0..14 {
        let mut random = Random(9_000 + seed);
        let (from, mut to) = (before(), before());
        let chosen: BTreeSet<usize> =
            (0..4).map(|_| random.below(KINDS.len() as u64) as usize).collect();
        chosen.iter().for_each(|&kind| KINDS[kind].1(&mut to));
        let what: Vec<&str> = chosen.iter().map(|&kind| KINDS[kind].0).collect();
        if to.bandit.own_features && to.input.dimension != from.input.dimension {
            continue;
        }
        compared += cases(&what.join(" and "), &from, &to, 5_000 + seed, compare);
    }
    assert!(compared > 8, "only {compared} snapshots were complete");
}

/// Events are kept so long that they are folded in a run, whatever may be late in it.
fn folding(mut settings: Settings) -> Settings {
    settings.time.keep = Some(11 * DAY);
    settings
}

#[test]
fn what_nothing_depends_on_that_stands_changes_where_events_are_folded() {
    let kinds: [Kind; 4] = [
        ("an arm comes", |to| to.input.arms.push("Letter".to_string())),
        ("less may be late", |to| to.time.lateness = DAY / 12),
        ("more may be late", |to| to.time.lateness = 4 * DAY),
        ("models decide earlier", |to| to.bandit.model_lag = 1),
    ];
    for (number, (what, change)) in (0..).zip(kinds) {
        let (mut compared, mut folded) = (0, 0);
        for seed in 0..4 {
            let mut from = folding(before());
            if what == "models decide earlier" {
                from.bandit.model_lag = 3;
            }
            let mut to = from.clone();
            change(&mut to);
            compared += cases(what, &from, &to, 8_000 + 10 * number + seed, |case, _| {
                let snapshot = case.changed.snapshot.as_ref().expect("it begins with one");
                assert_eq!(obstacles(snapshot, &from, &to), Obstacles::default());
                folded += all_folded(snapshot, &from);
                let changed = case.changed.run();
                assert!(
                    !case.anew && changed.outputs.iter().all(|(of, _)| *of > case.epoch),
                    "nothing is told again"
                );
                case.compare(&changed, case.epoch + 1);
                case.compare(&changed, u64::MAX);
            });
        }
        assert!(
            compared > 3 && folded > 0,
            "{what}: {compared} snapshots, {folded} customers with folded events"
        );
    }
}

/// Customers with folded events: those that are in the way where all events must be there.
fn all_folded(snapshot: &Snapshot, from: &Settings) -> u64 {
    let mut to = from.clone();
    to.customer.at_risk_days += 1.0;
    let found = obstacles(snapshot, from, &to);
    assert_eq!(found, Obstacles { folded: found.folded, ..Obstacles::default() });
    found.folded
}

#[test]
fn what_is_folded_is_in_the_way_of_keeping_longer_and_not_of_keeping_less() {
    let from = folding(before());
    let keeping = |keep: Option<i64>| {
        let mut to = from.clone();
        to.time.keep = keep;
        to
    };
    let mut folded = 0;
    for seed in 0..3 {
        cases("less is kept", &from, &keeping(Some(8 * DAY)), 8_100 + seed, |case, _| {
            let snapshot = case.changed.snapshot.as_ref().expect("it begins with one");
            let found = |to: &Settings| obstacles(snapshot, &from, to).folded;
            let all = all_folded(snapshot, &from);
            assert_eq!(
                [Some(12 * DAY), None, Some(11 * DAY), Some(8 * DAY)]
                    .map(|keep| found(&keeping(keep))),
                [all, all, 0, 0]
            );
            folded += all;
            let told = |workers| {
                let mut told = Told { counts: Counts::none(), folding: true, ..Told::default() };
                case.outcome.tell(&mut told, 0, case.epoch);
                Run { workers, saves: BTreeMap::new(), ..case.changed.clone() }.run().tell(
                    &mut told,
                    case.epoch,
                    u64::MAX,
                );
                told.settled()
            };
            told(1).assert_same(&told(3), seed);
        });
    }
    assert!(folded > 0);
}

/// The same snapshot, as it was written before there were names of what is not listed.
fn nameless(snapshot: &Snapshot, settings: &Settings) -> Snapshot {
    let input = &settings.input;
    let lists = [&input.categories, &input.devices, &input.payments].map(Vec::len);
    let image = |image: &ShardImage| ShardImage {
        bytes: without_names(&image.bytes, lists),
        ..image.clone()
    };
    let common = Common { unlisted: Default::default(), ..snapshot.common.clone() };
    Snapshot { common, images: snapshot.images.iter().map(image).collect() }
}

/// What is in the way of a change at a snapshot.
fn obstacles(snapshot: &Snapshot, from: &Settings, to: &Settings) -> Obstacles {
    let change = ChangeOfSettings::new(&Former::of(from, &snapshot.common), to);
    let shards: BTreeSet<u16> = snapshot.images.iter().map(|image| image.shard).collect();
    let mut obstacles = Obstacles::default();
    for shard in shards {
        let mut inspection = Inspection::of(&change);
        for image in snapshot.images.iter().rev().filter(|image| image.shard == shard) {
            inspection.look(shard, Aligned::from(&image.bytes[..])).expect("the bytes are whole");
        }
        obstacles.add(&inspection.found());
    }
    obstacles
}

#[test]
fn what_histories_do_not_tell_is_found() {
    let from = before();
    let mut snapshots = Vec::new();
    cases("obstacles", &from, &from, 3, |case, _| snapshots.extend(case.changed.snapshot));
    let snapshot = snapshots.pop().expect("a snapshot was complete");
    let of_before = nameless(&snapshot, &from);
    let found = |snapshot: &Snapshot, change: fn(&mut Settings)| {
        let mut to = before();
        change(&mut to);
        obstacles(snapshot, &from, &to)
    };
    let none = Obstacles::default();
    for snapshot in [&snapshot, &of_before] {
        assert_eq!(found(snapshot, |_| ()), none);
        assert_eq!(
            found(snapshot, |to| to.input.categories.retain(|category| category == "Travel")),
            none
        );
        assert_eq!(found(snapshot, |to| to.input.devices.reverse()), none);
        let features = found(snapshot, |to| {
            terms(to, |terms| drop(terms.pop()));
            to.bandit.own_features = true;
        });
        assert!(
            features.features > 0 && features == Obstacles { features: features.features, ..none }
        );
    }
    let comes: [fn(&mut Settings); 3] = [
        |to| to.input.categories.push("Games".to_string()),
        |to| to.input.devices.push("Watch".to_string()),
        |to| to.input.payments.extend(["Gold".to_string(), "Shells".to_string()]),
    ];
    for come in comes {
        assert_eq!(found(&snapshot, come), none, "each has a name of its own");
        let Obstacles { categories, devices, payments, .. } = found(&of_before, come);
        let unknown = [categories, devices, payments]
            .into_iter()
            .filter(|hidden| *hidden != Hidden::default());
        assert!(
            unknown.clone().count() == 1
                && unknown.clone().all(|Hidden { unknown, several }| unknown > 0 && several == 0)
        );
    }
    // Of two names that are not told apart purchases have both.
    let Obstacles { payments, .. } =
        found(&snapshot, |to| to.input.payments.push("Cash".to_string()));
    assert!(payments.several > 0 && payments.unknown == 0, "{payments:?}");
    let other = found(&snapshot, |to| to.input.payments.push(like("Cash")));
    assert_eq!(other, Obstacles { payments, ..none }, "they are as many for both");
}

#[test]
fn a_snapshot_without_names_is_gone_on_from_as_ever() {
    let settings = before();
    let mut compared = 0;
    for seed in 0..3 {
        compared += cases("nothing", &settings, &settings, 7_000 + seed, |case, _| {
            let resumed = Run { former: None, ..case.changed.clone() };
            let snapshot = resumed.snapshot.as_ref().map(|snapshot| nameless(snapshot, &settings));
            let of_before = Run { snapshot, ..resumed.clone() };
            let told = |run: &Run| {
                let mut told = Told { counts: Counts::none(), ..Told::default() };
                case.outcome.tell(&mut told, 0, case.epoch);
                run.run().tell(&mut told, case.epoch, u64::MAX);
                told
            };
            told(&of_before).assert_same(&told(&resumed), seed);
        });
    }
    assert!(compared > 1, "only {compared} snapshots were complete");
}
