//! What sinks were told, change by change, and what that comes to.

use super::*;

/// Everything that sinks were told, added up.
#[derive(Default)]
pub(super) struct Told {
    pub(super) totals: BTreeMap<u32, Totals>,
    pub(super) interactions: BTreeMap<(CustomerId, u64), (InteractionRow, Vec<i16>)>,
    pub(super) features: BTreeMap<CustomerId, (FeatureRow, Vec<u64>)>,
    pub(super) arm_days: BTreeMap<(Day, u16), ArmDay>,
    pub(super) segments: BTreeMap<u8, Segment>,
    pub(super) thresholds: BTreeMap<Day, u64>,
    pub(super) decisions: BTreeMap<(CustomerId, u64), Decision>,
    pub(super) closed: Vec<Closed>,
    pub(super) erasures: BTreeSet<Erasure>,
    pub(super) rejected: usize,
    pub(super) counts: Counts,
    pub(super) of_other_customers: u64,
    /// Events are folded in the run.
    pub(super) folding: bool,
}

impl Told {
    pub(super) fn take(&mut self, output: Output, features: &Features) {
        match output {
            Output::Interactions(rows) => self.take_interactions(rows, features),
            Output::Features(rows) => self.take_features(rows, features),
            Output::Arm(update) => {
                self.totals.insert(update.arm, update.totals);
            }
            Output::Recounted(arm, rewards) => {
                let totals = self.totals.get_mut(&arm).expect("the arm was told of before");
                totals.rewards = Some(rewards);
            }
            Output::Threshold(day, value) => {
                assert!(self.thresholds.insert(day, value).is_none(), "day {day} closed twice")
            }
            Output::Rejected(rejected) => self.rejected += rejected.len(),
            Output::Ignored(_) | Output::Unlisted(_) => {}
            Output::ArmDay(row) => {
                self.arm_days.insert((row.day, row.arm), row);
            }
            Output::Segment(row) => {
                self.segments.insert(row.flags, row);
            }
            Output::Counts(counts) => self.counts.add(&counts),
            Output::OfOtherCustomers(number) => self.of_other_customers = number,
            Output::Decisions(decisions) => {
                self.decisions.extend(
                    decisions
                        .into_iter()
                        .map(|decision| ((decision.customer, decision.key), decision)),
                );
            }
            Output::Profiled(_) | Output::Kept(_) => panic!("nothing of that was asked for"),
            Output::Closed(closed) => self.closed.push(closed),
            Output::Erasures(erasures) => self.take_erasures(erasures),
            Output::Names(_) | Output::LastFeatures(_) | Output::Rows(_) => {}
        }
    }

    pub(super) fn take_interactions(&mut self, rows: InteractionRows, features: &Features) {
        let mut contexts = rows.contexts.chunks(features.context().dimension());
        for row in rows.rows {
            let context = if row.learned {
                contexts.next().expect("a learned row has a context").to_vec()
            } else {
                Vec::new()
            };
            let key = (row.customer, row.key);
            // The id of a folded interaction may come again.
            if self.folding && row.change == Change::Insert {
                let old = self.interactions.remove(&key);
                assert!(old.is_none_or(|(old, _)| old.timestamp < row.timestamp), "{row:?}");
            }
            assert_eq!(
                row.change == Change::Insert,
                !self.interactions.contains_key(&key),
                "{row:?}"
            );
            match row.change {
                Change::Delete => self.interactions.remove(&key),
                _ => self
                    .interactions
                    .insert(key, (InteractionRow { change: Change::Insert, ..row }, context)),
            };
        }
    }

    pub(super) fn take_features(&mut self, rows: FeatureRows, features: &Features) {
        let mut values = rows.values.chunks(features.names().len());
        for row in rows.rows {
            if row.change == Change::Delete {
                assert!(self.features.remove(&row.customer).is_some(), "{row:?}");
                continue;
            }
            let bits =
                values.next().expect("a row has values").iter().map(|v| v.to_bits()).collect();
            self.features
                .insert(row.customer, (FeatureRow { change: Change::Insert, ..row }, bits));
        }
    }

    pub(super) fn take_erasures(&mut self, erasures: Vec<Erasure>) {
        for erasure in &erasures {
            let is_gone = |row: &InteractionRow| {
                row.customer == erasure.customer && Some(row.timestamp) < erasure.folded_before
            };
            self.interactions.retain(|_, (row, _)| !is_gone(row));
        }
        self.erasures.extend(erasures);
    }

    pub(super) fn assert_same(&self, other: &Told, seed: u64) {
        assert_map(&self.interactions, &other.interactions, "interactions", seed);
        assert_map(&self.features, &other.features, "features", seed);
        assert_map(&self.arm_days, &other.arm_days, "days of arms", seed);
        assert_map(&self.segments, &other.segments, "segments", seed);
        assert_map(&self.totals, &other.totals, "totals", seed);
        assert_map(&self.thresholds, &other.thresholds, "thresholds", seed);
        assert_map(&self.decisions, &other.decisions, "decisions", seed);
        assert_eq!(self.rejected, other.rejected, "seed {seed}");
        assert_eq!(self.erasures, other.erasures, "seed {seed}");
        assert_eq!(self.counts, other.counts, "seed {seed}");
        assert_eq!(self.of_other_customers, other.of_other_customers, "seed {seed}");
    }

    /// What does not depend on how the arrivals were cut.
    pub(super) fn settled(mut self) -> Self {
        self.totals.retain(|_, totals| !totals.is_empty());
        self.arm_days.retain(|_, row| row.interactions != 0);
        self.segments.retain(|_, row| row.customers != 0);
        let Counts { transactions, interactions, rewards, learned, pending, first, last, .. } =
            self.counts;
        let Counts { rewards_no_interaction, rewards_before, rewards_after, .. } = self.counts;
        let unmatched =
            Counts { rewards_no_interaction, rewards_before, rewards_after, ..Counts::default() };
        self.counts = Counts {
            transactions,
            interactions,
            rewards,
            learned,
            pending,
            first,
            last,
            ..unmatched
        };
        // Decisions see the models of their epochs, so what rows say of them depends on the cuts.
        self.interactions
            .values_mut()
            .for_each(|(row, _)| row.decision = row.decision.map(|(key, _)| (key, None)));
        self.rejected = 0;
        self.thresholds.clear();
        self.decisions.clear();
        self.erasures.clear();
        self
    }
}

pub(super) fn assert_map<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    a: &BTreeMap<K, V>,
    b: &BTreeMap<K, V>,
    what: &str,
    seed: u64,
) {
    for key in a.keys().chain(b.keys()) {
        assert_eq!(a.get(key), b.get(key), "{what} {key:?}, seed {seed}");
    }
}
