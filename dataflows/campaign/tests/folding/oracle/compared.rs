//! What was told against the oracle.

use super::*;

/// Comparison.
impl Oracle {
    pub(super) fn contributions(&self) -> Vec<(Day, usize, Contribution)> {
        let standing = self.people.values().flat_map(|person| &person.contacts);
        let standing = standing.filter_map(|contact| {
            Some((contact.at.div_euclid(DAY) as Day, contact.arm, contact.learned.clone()?))
        });
        standing.chain(self.stayed.iter().cloned()).collect()
    }

    pub(in super::super) fn assert_same(&self, told: &Told, last: bool, what: &str) {
        self.assert_models(told, what);
        let thresholds: BTreeMap<Day, u64> =
            self.thresholds.iter().filter_map(|(&day, &value)| Some((day, value?))).collect();
        assert_eq!(told.thresholds, thresholds, "{what}");
        self.assert_rows(told, what);
        assert_eq!(told.erasures, self.erasures, "{what}");
        let decisions: BTreeMap<(i64, String), Vec<i16>> = told
            .decisions
            .values()
            .map(|decision| {
                ((decision.customer, decision.decision.clone()), decision.context.clone())
            })
            .collect();
        assert_eq!(decisions, self.decisions, "{what}");
        self.assert_counts(told, what);
        if last {
            assert_eq!(told.of_other_customers, self.of_other_customers(), "{what}");
        }
    }

    /// Rewards that name an interaction of somebody else.
    pub(super) fn of_other_customers(&self) -> u64 {
        let ids: BTreeSet<&str> = self
            .people
            .values()
            .flat_map(Person::live)
            .map(|contact| contact.id.as_str())
            .collect();
        let rewards =
            self.people.values().flat_map(|person| &person.rewards).filter(|reward| !reward.folded);
        rewards
            .filter(|reward| {
                reward.unmatched == Some(Why::NoInteraction)
                    && ids.contains(reward.contact.as_str())
            })
            .count() as u64
    }

    pub(super) fn assert_models(&self, told: &Told, what: &str) {
        let (mut totals, mut days) =
            (BTreeMap::<u32, Totals>::new(), BTreeMap::<(Day, u16), (i64, i128)>::new());
        for (day, arm, (context, reward)) in self.contributions() {
            let sums = totals.entry(arm as u32).or_insert_with(|| Totals::new(context.len()));
            let (mut cells, x) =
                (sums.a.iter_mut(), || context.iter().map(|&value| i128::from(value)));
            for (row, left) in x().enumerate() {
                zip(x().skip(row), &mut cells).for_each(|(right, cell)| *cell += left * right);
            }
            zip(x(), &mut sums.b).for_each(|(value, cell)| *cell += value * i128::from(reward));
            sums.n += 1;
            sums.rewards.get_or_insert_default().count(reward, 1);
            let of_day = days.entry((day, arm as u16)).or_default();
            *of_day = (of_day.0 + 1, of_day.1 + i128::from(reward));
        }
        let told_totals: BTreeMap<u32, Totals> = told
            .totals
            .iter()
            .filter(|(_, totals)| !totals.is_empty())
            .map(|(&arm, totals)| (arm, totals.clone()))
            .collect();
        assert_map(&told_totals, &totals, what, 0);
        let told_days = told
            .arm_days
            .iter()
            .filter(|(_, row)| row.interactions != 0)
            .map(|(&key, row)| (key, (row.interactions, row.reward)));
        assert_map(&told_days.collect(), &days, what, 0);
    }

    /// The rows of interactions; where nothing can change them any more, or the stream has ended,
    /// also those of customers.
    pub(super) fn assert_rows(&self, told: &Told, what: &str) {
        let mut rows = BTreeMap::new();
        for (&of, person) in &self.people {
            for contact in person.contacts.iter().filter(|contact| !contact.replaced) {
                let (context, reward) = contact.learned.clone().unzip();
                rows.insert(
                    (of, id_hash(contact.id.as_bytes())),
                    (contact.at, contact.arm, context.unwrap_or_default(), reward),
                );
            }
        }
        let row = |(row, context): &(InteractionRow, Vec<i16>)| {
            (
                row.timestamp,
                usize::from(row.arm),
                context.clone(),
                row.reward.filter(|_| row.learned),
            )
        };
        assert_map(
            &told.interactions.iter().map(|(&key, value)| (key, row(value))).collect(),
            &rows,
            what,
            0,
        );
        for (of, person) in &self.people {
            self.assert_features(*of, person, told, what);
        }
    }

    pub(super) fn assert_features(&self, of: i64, person: &Person, told: &Told, what: &str) {
        if person.purchases.is_empty() && person.profiles.is_empty() {
            return assert!(!told.features.contains_key(&of), "{what}: {of}");
        }
        let last_purchase = person.purchases.iter().map(|bought| bought.at).max();
        let contacts = person.contacts.iter().map(|contact| contact.at);
        let profiles = person
            .profiles
            .iter()
            .flat_map(|version| [version.from, version.signup])
            .filter(|&at| at > i64::MIN);
        let at =
            contacts.chain(profiles).chain(last_purchase).chain(person.profiled).max().unwrap_or(0);
        let (row, values) = &told.features[&of];
        assert_eq!((row.as_of, row.last_purchase), (at, last_purchase), "{what}: {of}");
        if !self.thresholds.contains_key(&(at.div_euclid(DAY) as Day)) {
            return;
        }
        let (summary, counts) = self.sums(person, at);
        let state =
            CustomerState { summary: &summary, counts: &counts, profile: person.profile_at(at) };
        let mut expected = Vec::new();
        self.features.row(&state, at, self.threshold(at.div_euclid(DAY)), &mut expected);
        assert_eq!(
            *values,
            expected.iter().map(|value| value.to_bits()).collect::<Vec<_>>(),
            "{what}: {of}"
        );
    }

    pub(super) fn assert_counts(&self, told: &Told, what: &str) {
        let (mut transactions, mut interactions, mut rewards, mut pending) = (0, 0, 0, 0);
        for person in self.people.values() {
            transactions += person.purchases.len() as i64;
            interactions += person.contacts.len() as i64;
            rewards += person.rewards.len() as i64;
            pending += person.live().filter(|contact| contact.learned.is_none()).count() as i64;
        }
        let unmatched = |why| {
            self.people
                .values()
                .flat_map(|person| &person.rewards)
                .filter(|reward| reward.unmatched == Some(why))
                .count() as i64
        };
        let [rewards_no_interaction, rewards_before, rewards_after] =
            [Why::NoInteraction, Why::Before, Why::After].map(unmatched);
        let joined =
            Counts { rewards_no_interaction, rewards_before, rewards_after, ..self.counts };
        let learned = self.contributions().len() as i64;
        let Counts { late, corrected, first, last, .. } = told.counts;
        let own = Counts {
            transactions,
            interactions,
            rewards,
            pending,
            learned,
            late,
            corrected,
            first,
            last,
            ..joined
        };
        assert_eq!((told.counts, told.rejected), (own, self.rejected), "{what}");
    }
}
