//! A change of settings at a snapshot against the same arrivals under the new settings from the
//! beginning: every row, sum, count of what stands and decision afterwards is the same.

use super::*;
use crate::campaign::snapshot::codes::Hidden;
use crate::campaign::snapshot::image::without_names;
use crate::event::unlisted::{Code, name_hash};
use crate::settings::{HighValue, Term, Transform};

/// What may change, by name.
type Kind = (&'static str, fn(&mut Settings));

const KINDS: [Kind; 23] = [
    ("an arm comes", |to| to.input.arms.push("Letter".to_string())),
    ("terms change their places", |to| to.customer.context.reverse()),
    ("a term comes", |to| terms(to, |terms| terms.push(term("frequency", Transform::Log(4.0))))),
    ("a term goes", |to| terms(to, |terms| drop(terms.remove(2)))),
    ("the threshold no longer enters", |to| {
        terms(to, |terms| terms.retain(|term| term.feature != "is_high_value"))
    }),
    ("a transform is another", |to| {
        terms(to, |terms| terms[2].transform = Transform::Scale(500.0))
    }),
    ("limits are others", |to| {
        let customer = &mut to.customer;
        (customer.at_risk_days, customer.frequent_purchases, customer.recent_days) = (3.5, 4, 2.0);
    }),
    ("other months are holidays", |to| to.customer.holiday_months = 1 << 1),
    ("high value is fixed", |to| to.customer.high_value = HighValue::Fixed(70_000)),
    ("high value is another percentile", |to| to.customer.high_value = HighValue::Percentile(40)),
    ("the window is shorter", |to| to.time.attribution_window = DAY),
    ("the window is longer", |to| to.time.attribution_window = 9 * DAY),
    ("less may be late", |to| to.time.lateness = DAY / 12),
    ("more may be late", |to| to.time.lateness = 4 * DAY),
    ("no response counts", |to| to.time.no_response_reward = -(1 << 15)),
    ("own features are used", |to| (to.input.own_features, to.bandit.own_features) = (true, true)),
    ("models decide later", |to| to.bandit.model_lag = 3),
    ("lists have another order", |to| {
        to.input.categories.reverse();
        to.input.devices.rotate_left(1);
    }),
    ("a category goes", |to| to.input.categories.retain(|category| category != "books")),
    ("a category comes", |to| to.input.categories.insert(1, "Games".to_string())),
    ("devices come", |to| {
        to.input.devices.extend(["Watch", "été"].map(str::to_string));
        terms(to, |terms| terms.push(term("watch_pct", Transform::Identity)));
    }),
    ("some names come and others go", |to| {
        (to.input.categories, to.input.devices) =
            (list(["toys", "TRAVEL", "Games"]), list(["watch", "Mobile"]));
        to.input.payments[1] = "Gold".to_string();
    }),
    ("a list becomes one of very many", |to| {
        to.input.payments.extend(
            (0..Code::LONGEST).map(|number| format!("card {number}")).chain(["Gold".to_string()]),
        )
    }),
];

fn term(feature: &str, transform: Transform) -> Term {
    Term { feature: feature.to_string(), transform }
}

fn terms(settings: &mut Settings, change: impl FnOnce(&mut Vec<Term>)) {
    change(&mut settings.customer.context);
    settings.input.dimension = settings.customer.context.len();
}

fn list<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_string).to_vec()
}

/// The settings that change.
fn before() -> Settings {
    let mut settings = settings();
    settings.input.categories = list(["Fashion", "books", "Travel"]);
    let features = [
        "is_at_risk",
        "is_frequent_buyer",
        "is_recent_active",
        "is_high_value",
        "holiday_shopper_pct",
        "travel_pct",
        "email_open_rate",
    ];
    let named = [
        term("intercept", Transform::Identity),
        term("recency", Transform::Cap(20.0)),
        term("monetary", Transform::Log(9.0)),
    ];
    let plain = features
        .iter()
        .chain(&["category_diversity"])
        .map(|feature| term(feature, Transform::Identity));
    terms(&mut settings, |terms| *terms = named.into_iter().chain(plain).collect());
    settings
}

/// Some interactions bring features along, of which not all are as many as the context has terms.
fn with_features(random: &mut Random, arrivals: Vec<Arrival>, terms: usize) -> Vec<Arrival> {
    let mut brings = |(topic, text): Arrival| {
        if topic != Topic::Interactions || text.contains("retract") || random.below(3) > 0 {
            return (topic, text);
        }
        let numbers: Vec<String> = (0..terms).map(|_| random.below(4).to_string()).collect();
        (topic, format!(r#"{},"features":[{}]}}"#, text.trim_end_matches('}'), numbers.join(",")))
    };
    arrivals.into_iter().map(&mut brings).collect()
}

/// Another name that is not told apart from this one.
fn like(name: &str) -> String {
    let code = |name: &str| Code::of_name(name_hash(name));
    (0..)
        .map(|number: u32| format!("{name} {number}"))
        .find(|other| code(other) == code(name))
        .expect("there are fewer codes than names")
}

/// Purchases bear names of which many are not listed, in any case; some come once more with others.
fn with_names(random: &mut Random, arrivals: Vec<Arrival>) -> Vec<Arrival> {
    let like_cash = like("Cash");
    let names = |random: &mut Random, text: &str| {
        fn any<'a>(random: &mut Random, of: [&'a str; 6]) -> &'a str {
            of[random.below(6) as usize]
        }
        let category = any(random, ["Travel", "Fashion", "books", "Games", "GAMES", "Toys"]);
        let device = any(random, ["Mobile", "Watch", "wATCH", "\\u00c9t\\u00e9", "", "  "]);
        let payment = any(random, ["Debit Card", "Gold", "gold ", like_cash.as_str(), "Cash", "7"]);
        let (known, _) = text.split_once(r#","category""#).expect("a purchase has one");
        // Not every purchase bears every name.
        match random.below(4) {
            0 => format!("{known}}}"),
            1 => format!(r#"{known},"category":"{category}","payment_method":"{payment}"}}"#),
            _ => format!(
                r#"{known},"category":"{category}","device":"{device}","payment_method":"{payment}"}}"#
            ),
        }
    };
    let mut named = Vec::new();
    for (topic, text) in arrivals {
        if topic != Topic::Transactions || text.contains("retract") {
            named.push((topic, text));
            continue;
        }
        named.push((topic, names(random, &text)));
        if random.below(6) == 0 {
            named.push((topic, names(random, &text)));
        }
    }
    named
}

/// A change in the middle of a run, and what the same arrivals give without one.
struct Case {
    what: String,
    seed: u64,
    epoch: u64,
    outcome: Outcome,
    changed: Run,
    expected: Outcome,
    /// Thresholds of before stand no more.
    closes_anew: bool,
    /// All that was told is told anew.
    anew: bool,
}

impl Case {
    /// Compares what was told up to an epoch.
    fn compare(&self, changed: &Outcome, until: u64) {
        let folding =
            self.changed.settings.as_ref().is_some_and(|settings| settings.time.keep.is_some());
        let nothing = || Told { counts: Counts::none(), folding, ..Told::default() };
        let (mut told, mut expected) = (nothing(), nothing());
        self.outcome.tell(&mut told, 0, self.epoch);
        if self.closes_anew {
            told.thresholds.clear();
        }
        told.decisions.clear();
        changed.tell(&mut told, self.epoch, until);
        self.expected.tell(&mut expected, 0, until);
        let what = format!("{}, {} workers", self.what, self.changed.workers);
        assert_map(
            &told.thresholds,
            &expected.thresholds,
            &format!("{what}: thresholds"),
            self.seed,
        );
        if self.changed.settings.as_ref().is_some_and(|settings| settings.bandit.model_lag == 1) {
            // Models have the number of the change.
            expected.decisions.retain(|key, _| told.decisions.contains_key(key));
            told.decisions
                .values_mut()
                .chain(expected.decisions.values_mut())
                .for_each(|decision| decision.model_version = 0);
            assert_map(
                &told.decisions,
                &expected.decisions,
                &format!("{what}: decisions"),
                self.seed,
            );
        }
        if until < u64::MAX {
            (told.of_other_customers, expected.of_other_customers) = (0, 0);
        }
        let (told, expected) = (told.settled(), expected.settled());
        assert_map(
            &told.interactions,
            &expected.interactions,
            &format!("{what}: interactions until {until}"),
            self.seed,
        );
        told.assert_same(&expected, self.seed);
    }
}

/// What a random arrival under `from` gives that is changed to `to`, with a change at each complete
/// snapshot.
fn cases(
    what: &str,
    from: &Settings,
    to: &Settings,
    seed: u64,
    mut check: impl FnMut(Case, &mut Random),
) -> usize {
    let mut random = Random(seed);
    let arrivals = arrivals(&mut random, 300);
    let arrivals = with_features(&mut random, arrivals, from.customer.context.len());
    let arrivals = with_names(&mut random, arrivals);
    // After each epoch whose snapshot is taken comes one without records.
    let epochs: Vec<usize> =
        cuts(&mut random, arrivals.len()).into_iter().flat_map(|size| [size, 3, 0]).collect();
    let kinds =
        [None, None, None, Some(Save::Changes), Some(Save::Changes), Some(Save::Everything)];
    let save = |epoch: u64| Some((epoch, kinds[random.below(6) as usize]?));
    let saves = (1..epochs.len() as u64).filter(|epoch| epoch % 3 == 2).filter_map(save).collect();
    let run = Run {
        arrivals,
        epochs,
        workers: 1 + seed as usize % 3,
        saves,
        settings: Some(from.clone()),
        ..Run::default()
    };
    let outcome = run.run();
    let closed = outcome.told().closed;
    let complete: Vec<u64> = outcome
        .complete
        .iter()
        .filter(|(_, workers)| **workers == run.workers)
        .map(|(epoch, _)| *epoch)
        .collect();
    let complete = complete.into_iter().filter(|epoch| closed.len() as u64 > *epoch + 1);
    // One of the early ones and one of the late.
    let epochs: Vec<u64> = complete.collect();
    let chosen: BTreeSet<u64> = [epochs.len() / 4, epochs.len().saturating_sub(1)]
        .into_iter()
        .filter_map(|at| epochs.get(at).copied())
        .collect();
    for &epoch in &chosen {
        let closes_anew = from.customer.high_value != to.customer.high_value;
        let watermark = |epoch: u64| closed[epoch as usize - 1].watermark;
        let mut expected =
            Run { saves: BTreeMap::new(), settings: Some(to.clone()), ..run.clone() };
        if closes_anew {
            // As if all had come at once: nothing was late for the thresholds.
            let all: usize = expected.epochs[..epoch as usize].iter().sum();
            expected.epochs[..epoch as usize].fill(0);
            expected.epochs[epoch as usize - 1] = all;
            expected.recorded = (1..epoch)
                .map(|before| (before, None))
                .chain([(epoch, watermark(epoch)), (epoch + 1, watermark(epoch))])
                .collect();
        } else {
            expected.recorded = (1..=epoch + 1).map(|epoch| (epoch, watermark(epoch))).collect();
        }
        let expected = expected.run();
        let recorded =
            (1..).zip(expected.told().closed.iter().map(|closed| closed.watermark)).collect();
        let workers = 1 + random.below(3) as usize;
        let saves = [(epoch + 1, Save::Everything), (epoch + 4, Save::Changes)].into();
        let changed = Run {
            workers,
            recorded,
            saves,
            settings: Some(to.clone()),
            former: Some(from.clone()),
            snapshot: Some(outcome.snapshot(epoch)),
            ..run.clone()
        };
        let told = Outcome {
            outputs: outcome.outputs.clone(),
            settings: from.clone(),
            ..Outcome::default()
        };
        let anew = changed.change(to).is_some_and(|(change, _)| change.makes_anew());
        let case = Case {
            what: what.to_string(),
            seed,
            epoch,
            outcome: told,
            changed,
            expected,
            closes_anew,
            anew,
        };
        check(case, &mut random);
    }
    chosen.len()
}

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
