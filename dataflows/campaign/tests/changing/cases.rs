//! Runs with a change in their middle, each beside what the new settings give from the beginning.

use super::*;

/// The settings that change.
pub(super) fn before() -> Settings {
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
pub(super) fn with_features(
    random: &mut Random,
    arrivals: Vec<Arrival>,
    terms: usize,
) -> Vec<Arrival> {
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
pub(super) fn like(name: &str) -> String {
    let code = |name: &str| Code::of_name(name_hash(name));
    (0..)
        .map(|number: u32| format!("{name} {number}"))
        .find(|other| code(other) == code(name))
        .expect("there are fewer codes than names")
}

/// Purchases bear names of which many are not listed, in any case; some come once more with others.
pub(super) fn with_names(random: &mut Random, arrivals: Vec<Arrival>) -> Vec<Arrival> {
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
                "{known},\"category\":\"{category}\",\"device\":\"{device}\",\
                \"payment_method\":\"{payment}\"}}"
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
pub(super) struct Case {
    pub(super) what: String,
    pub(super) seed: u64,
    pub(super) epoch: u64,
    pub(super) outcome: Outcome,
    pub(super) changed: Run,
    pub(super) expected: Outcome,
    /// Thresholds of before stand no more.
    pub(super) closes_anew: bool,
    /// All that was told is told anew.
    pub(super) anew: bool,
}

impl Case {
    /// Compares what was told up to an epoch.
    pub(super) fn compare(&self, changed: &Outcome, until: u64) {
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
pub(super) fn cases(
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
    let chosen = chosen(&outcome, run.workers);
    for &epoch in &chosen {
        let closes_anew = from.customer.high_value != to.customer.high_value;
        let watermark = |epoch: u64| closed[epoch as usize - 1].watermark;
        let expected = from_the_beginning(&run, to, epoch, closes_anew, watermark);
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

/// What the same arrivals give under the new settings from the beginning, cut as they were.
fn from_the_beginning(
    run: &Run,
    to: &Settings,
    epoch: u64,
    closes_anew: bool,
    watermark: impl Fn(u64) -> Option<i64>,
) -> Outcome {
    let mut expected = Run { saves: BTreeMap::new(), settings: Some(to.clone()), ..run.clone() };
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
    expected.run()
}

/// Epochs whose snapshot is complete, and that are not the last: one of the early ones and one of
/// the late.
fn chosen(outcome: &Outcome, workers: usize) -> BTreeSet<u64> {
    let closed = outcome.told().closed.len() as u64;
    let complete = outcome.complete.iter().filter(|(_, has)| **has == workers);
    let epochs: Vec<u64> =
        complete.map(|(epoch, _)| *epoch).filter(|epoch| closed > *epoch + 1).collect();
    [epochs.len() / 4, epochs.len().saturating_sub(1)]
        .into_iter()
        .filter_map(|at| epochs.get(at).copied())
        .collect()
}
