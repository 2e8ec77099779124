//! What the oracle learns and decides, from scratch after each epoch.

use super::*;

impl Oracle {
    /// The 90th percentile of all totals before the day before, for every day that closes.
    pub(super) fn close_days(&mut self, watermark: Option<i64>, last: bool) {
        let latest = self.people.values().flat_map(|person| {
            person
                .purchases
                .iter()
                .map(|bought| bought.at)
                .chain(person.contacts.iter().map(|contact| contact.at))
                .collect::<Vec<_>>()
        });
        let latest = latest.max().unwrap_or(0);
        let Some(through) = (if last {
            Some(latest.div_euclid(DAY))
        } else {
            watermark.map(|watermark| watermark.div_euclid(DAY) + 1)
        }) else {
            return;
        };
        let purchases = self.people.values().flat_map(|person| &person.purchases);
        let first = purchases
            .map(|bought| bought.at.div_euclid(DAY) + 2)
            .min()
            .filter(|_| self.thresholds.is_empty());
        // A closed day is not opened again, also where it had no threshold.
        let first = first
            .unwrap_or(if self.thresholds.is_empty() { i64::MAX } else { i64::MIN })
            .max(self.closed.saturating_add(1));
        for day in first..=through {
            let before = |person: &Person| {
                let counted: Vec<u64> = person
                    .purchases
                    .iter()
                    .filter(|b| b.at < (day - 1) * DAY)
                    .map(|b| b.purchase.amount())
                    .collect();
                (!counted.is_empty()).then(|| counted.iter().sum::<u64>())
            };
            let mut totals: Vec<u64> = self.people.values().filter_map(before).collect();
            totals.sort_unstable();
            let rank = (totals.len() * 90).div_ceil(100);
            self.thresholds.insert(day as Day, rank.checked_sub(1).map(|rank| totals[rank]));
        }
        self.closed = self.closed.max(through);
    }

    pub(super) fn threshold(&self, day: i64) -> Option<u64> {
        self.thresholds.range(..=day as Day).next_back().and_then(|(_, value)| *value)
    }

    /// Works out anew what every interaction that is not folded gives to the models.
    pub(super) fn learn(&mut self, last: bool) {
        let mut people = std::mem::take(&mut self.people);
        for person in people.values_mut() {
            let seen = person.clone();
            for contact in person.contacts.iter_mut().filter(|contact| !contact.folded) {
                let day = contact.at.div_euclid(DAY);
                let is_open = !last
                    && self.watermark.is_none_or(|watermark| day > watermark.div_euclid(DAY) + 1);
                let window_ended = last
                    || self.watermark.is_some_and(|watermark| watermark >= contact.at + WINDOW);
                let in_window = |reward: &&Rewarded| {
                    !reward.folded
                        && reward.contact == contact.id
                        && (contact.at..contact.at + WINDOW).contains(&reward.at)
                };
                let delayed = seen
                    .rewards
                    .iter()
                    .filter(in_window)
                    .map(|reward| reward.value)
                    .reduce(|a, b| a + b);
                let reward =
                    delayed.or(contact.reward).or(window_ended.then_some(0)).filter(|_| !is_open);
                contact.learned = reward.map(|reward| (self.context(&seen, contact.at), reward));
            }
            let ids: BTreeSet<String> = person.live().map(|contact| contact.id.clone()).collect();
            person
                .contacts
                .iter_mut()
                .filter(|contact| contact.folded && ids.contains(&contact.id))
                .for_each(|contact| contact.replaced = true);
        }
        self.people = people;
    }

    /// Looks anew why each reward that is not folded joins nothing.
    pub(super) fn join(&mut self) {
        for person in self.people.values_mut() {
            let contacts: Vec<Contacted> = person.live().cloned().collect();
            for reward in person.rewards.iter_mut().filter(|reward| !reward.folded) {
                reward.unmatched =
                    match contacts.iter().find(|contact| contact.id == reward.contact) {
                        None => Some(Why::NoInteraction),
                        Some(contact) if reward.at < contact.at => Some(Why::Before),
                        Some(contact) if reward.at >= contact.at + WINDOW => Some(Why::After),
                        Some(_) => None,
                    };
            }
        }
    }

    pub(super) fn context(&self, person: &Person, at: i64) -> Vec<i16> {
        let (summary, counts) = self.sums(person, at);
        let state =
            CustomerState { summary: &summary, counts: &counts, profile: person.profile_at(at) };
        let mut context = vec![0; self.features.context().dimension()];
        self.features.context().purchases(&state, &mut context);
        self.features.context().instant(
            &state,
            at,
            self.threshold(at.div_euclid(DAY)),
            &mut context,
        );
        context
    }

    pub(super) fn sums(&self, person: &Person, at: i64) -> (Summary, Vec<u32>) {
        let mut purchases: Vec<&Bought> =
            person.purchases.iter().filter(|bought| bought.at <= at).collect();
        purchases.sort_by_key(|bought| bought.at);
        let (mut summary, mut counts) =
            (Summary::default(), vec![0; self.features.layout().stride()]);
        for bought in purchases {
            self.features.layout().add(
                &mut summary,
                &mut counts,
                &Transaction::new(0, bought.at, bought.purchase),
            );
        }
        (summary, counts)
    }

    pub(super) fn decide(&mut self, record: &Value) {
        let (of, id) = (
            record["customer_id"].as_i64().expect("a customer"),
            text(record, "decision_id").expect("an id"),
        );
        let at = record["timestamp"].as_i64().expect("an instant");
        if self.is_past(record, self.horizon) {
            return;
        }
        let person = self.person(record);
        if person.erased.is_some_and(|until| at <= until) {
            self.counts.erased += 1;
        } else if person.asked.iter().any(|asked| asked.id == id) {
            self.counts.duplicates += 1;
        } else {
            person.asked.push(Asked { id: id.clone(), at });
            self.counts.decisions += 1;
            let context = self.context(&self.people[&of], at);
            self.decisions.insert((of, id), context);
        }
    }
}
