//! What the records of a journal come to.

use super::record::{Epoch, FORMAT, Lost, Record, Standing};
use crate::hexadecimal::digest_from_hex;
use crate::sink::applied::AppliedSettings;
use crate::sink::outbox::{Backlog, Letter, Owed, STRETCH_RECORDS, Stretch, Tombstone};
use crate::sink::{History, Link, Progress};
use crate::source::{Offsets, TopicNames};
use dataflows::campaign::output::Day;
use dataflows::event::{CustomerId, Millis, Place, Rejected};
use std::collections::BTreeMap;

/// Where a job stands by its journal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Where it stands.
    pub progress: Progress,
    /// Interactions that wait.
    pub pending: i64,
    /// Where it began, once that is recorded.
    pub starts: Option<Offsets>,
    /// Where the chain of the epochs begins, once that is recorded.
    pub history: Option<History>,
    /// The history before that, as long as files of its may be left.
    pub former: Option<History>,
    /// The offsets that it has gone on behind without having read them.
    pub losses: Vec<Lost>,
    /// The ids of the topics that are read, by their names; empty as long as none was recorded.
    pub topics: BTreeMap<String, String>,
    /// The settings that the epochs were computed with.
    pub applied: AppliedSettings,
    /// Every published threshold.
    pub thresholds: BTreeMap<Day, u64>,
    /// Every customer that was ever erased, up to an instant.
    pub erased: BTreeMap<CustomerId, Millis>,
    /// The epochs that are still here, without gaps up to the last committed one.
    pub epochs: BTreeMap<u64, Epoch>,
}

impl State {
    /// Takes a record in, whose format and job are known to be right. An epoch of an instance that
    /// had been taken over when it came does not count.
    ///
    /// # Errors
    /// Why it cannot follow those before it.
    pub fn apply(&mut self, record: Record) -> Result<(), String> {
        match record {
            Record::Journal { .. } => {}
            Record::Start { incarnation } if incarnation <= self.progress.incarnation => {
                return Err(format!(
                    "incarnation {incarnation} follows incarnation {}",
                    self.progress.incarnation
                ));
            }
            Record::Start { incarnation } => self.progress.incarnation = incarnation,
            Record::Starts(offsets) => self.starts = Some(offsets),
            Record::Topics(topics) => self.topics = topics,
            Record::Losses(losses) => self.losses.extend(losses),
            Record::History(history) => self.former = self.history.replace(history),
            Record::Applied(applied) => {
                self.applied.apply(*applied);
            }
            Record::Standing(Standing { epoch, pending, thresholds, erased }) => {
                (self.progress.epoch, self.pending, self.thresholds, self.erased) =
                    (epoch, pending, thresholds, erased);
            }
            Record::Epoch(epoch) if epoch.incarnation == self.progress.incarnation => {
                return self.add(*epoch);
            }
            Record::Epoch(_) => {}
            Record::Published(epoch) => {
                // A journal of before the mark moved from where it stood may have lower ones after
                // higher ones; what is published stays so.
                self.progress.published = self.progress.published.max(epoch);
                for (_, epoch) in self.epochs.range_mut(..=epoch) {
                    (epoch.decisions, epoch.blanked, epoch.rejected) =
                        (Vec::new(), Vec::new(), Vec::new());
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, epoch: Epoch) -> Result<(), String> {
        if epoch.epoch != self.progress.epoch + 1 {
            return Err(format!("epoch {} follows epoch {}", epoch.epoch, self.progress.epoch));
        }
        if digest_from_hex(&epoch.digest).is_none() {
            return Err(format!(
                "the digest of epoch {} is not 64 hexadecimal digits",
                epoch.epoch
            ));
        }
        self.progress.epoch = epoch.epoch;
        self.pending = epoch.pending;
        epoch.gone_thresholds.iter().for_each(|day| {
            self.thresholds.remove(day);
        });
        self.thresholds.extend(&epoch.thresholds);
        for &(customer, until) in &epoch.erasures {
            let known = self.erased.entry(customer).or_insert(until);
            *known = until.max(*known);
        }
        self.epochs.insert(epoch.epoch, epoch);
        Ok(())
    }

    /// What is owed of the epochs after `after` up to `through`, with the names of the topics.
    pub fn owed(&self, after: u64, through: u64, topics: &TopicNames) -> Stretch {
        let mut stretch = Stretch { epochs: Vec::new(), through: after };
        let mut records = 0;
        for (_, epoch) in self.epochs.range(after.saturating_add(1)..=through) {
            let tombstones = tombstones(epoch);
            let own = tombstones.len() + epoch.decisions.len() + epoch.rejected.len();
            if records > 0 && records + own > STRETCH_RECORDS {
                return stretch;
            }
            (records, stretch.through) = (records + own, epoch.epoch);
            if own > 0 {
                let letters = epoch
                    .rejected
                    .iter()
                    .cloned()
                    .map(|rejected| Letter::of(rejected, topics))
                    .collect();
                // What stands of earlier epochs is not here any more, once it is published.
                let mut owed = Owed {
                    epoch: epoch.epoch,
                    tombstones,
                    again: Vec::new(),
                    decisions: epoch.decisions.clone(),
                    letters,
                };
                owed.sort();
                stretch.epochs.push(owed);
            }
        }
        // Whatever has something to publish is here.
        Stretch { through, ..stretch }
    }

    /// How much is owed of the epochs after `after` up to `through`. When they were committed is
    /// not recorded.
    pub fn backlog(&self, after: u64, through: u64) -> Backlog {
        let epochs = self.epochs.range(after.saturating_add(1)..=through);
        let records = |epoch: &Epoch| {
            (tombstones(epoch).len() + epoch.decisions.len() + epoch.rejected.len()) as u64
        };
        Backlog { records: epochs.map(|(_, epoch)| records(epoch)).sum(), oldest: None }
    }

    /// How many epochs before one may be forgotten: those from the first on that has something to
    /// be published may not.
    pub fn forgettable(&self, before: u64) -> usize {
        self.epochs.range(..before).take_while(|(_, epoch)| !self.owes(epoch)).count()
    }

    /// Forgets the epochs before one, but for what has to be published of them.
    pub fn forget_before(&mut self, epoch: u64) {
        let held = self
            .epochs
            .values()
            .find(|epoch| self.owes(epoch))
            .map_or(u64::MAX, |epoch| epoch.epoch);
        self.epochs = self.epochs.split_off(&epoch.min(held));
    }

    /// Whether an epoch has something to be published.
    fn owes(&self, epoch: &Epoch) -> bool {
        let erases = epoch.epoch > self.progress.published && !epoch.erasures.is_empty();
        erases || !epoch.decisions.is_empty() || !epoch.rejected.is_empty()
    }

    /// Notes which dead letters of files an epoch blanks; says whether any is new.
    pub fn note_blanked(&mut self, epoch: u64, letters: Vec<(String, Place)>) -> bool {
        let Some(epoch) = self.epochs.get_mut(&epoch) else { return false };
        let before = epoch.blanked.len();
        epoch.blanked.extend(letters);
        epoch.blanked.sort();
        epoch.blanked.dedup();
        epoch.blanked.len() > before
    }

    /// Takes out what was decided for customers up to an instant, in the epoch that erased them and
    /// before it, and blanks their rejected records, which in that epoch is done already.
    pub fn erase(&mut self, through: u64, erased: &[(CustomerId, Millis)]) {
        for (_, epoch) in self.epochs.range_mut(..=through) {
            let own = epoch.epoch == through;
            let theirs = |rejected: &&mut Rejected| {
                !own && rejected.whose.is_some_and(|whose| whose.is_erased(erased))
            };
            epoch.rejected.iter_mut().filter(theirs).for_each(Rejected::blank);
            epoch.decisions.retain(|decision| {
                !erased.iter().any(|(customer, until)| {
                    *customer == decision.customer && decision.timestamp <= *until
                })
            });
            epoch.erased.retain(|of| !erased.contains(of));
        }
    }

    /// The identities of the histories of which there may be files.
    pub fn identities(&self) -> Vec<Link> {
        self.history.into_iter().chain(self.former).map(|history| history.identity).collect()
    }

    /// The fewest records that come to this.
    pub fn records(&self, job: &str, files: bool) -> Vec<Record> {
        let mut records = vec![Record::Journal { format: FORMAT, job: job.to_string(), files }];
        records.push(Record::Start { incarnation: self.progress.incarnation });
        records.extend(self.former.into_iter().chain(self.history).map(Record::History));
        records.extend(self.starts.clone().map(Record::Starts));
        records.extend(
            Some(&self.topics).filter(|topics| !topics.is_empty()).cloned().map(Record::Topics),
        );
        records.extend(self.applied.0.iter().cloned().map(Box::new).map(Record::Applied));
        records.extend(
            Some(&self.losses).filter(|losses| !losses.is_empty()).cloned().map(Record::Losses),
        );
        records.push(Record::Standing(self.standing()));
        let own = |epoch: &Epoch| {
            Record::Epoch(Box::new(Epoch {
                incarnation: self.progress.incarnation,
                ..epoch.clone()
            }))
        };
        records.extend(self.epochs.values().map(own));
        records.push(Record::Published(self.progress.published));
        records
    }

    /// What the epochs have left that are no longer here.
    fn standing(&self) -> Standing {
        let of_kept =
            |day: &Day| self.epochs.values().any(|epoch| epoch.thresholds.contains_key(day));
        let thresholds = self
            .thresholds
            .iter()
            .filter(|(day, _)| !of_kept(day))
            .map(|(&day, &value)| (day, value))
            .collect();
        let erased = self.erased.clone();
        match self.epochs.first_key_value() {
            // Nobody asks how many waited before an epoch that says how many wait after it.
            Some((&first, _)) => Standing { epoch: first - 1, pending: 0, thresholds, erased },
            None => {
                Standing { epoch: self.progress.epoch, pending: self.pending, thresholds, erased }
            }
        }
    }
}

/// What the topics are to forget because of an epoch that is not published.
fn tombstones(epoch: &Epoch) -> Vec<Tombstone> {
    let letters =
        epoch.blanked.iter().map(|(topic, place)| Tombstone::Letter(topic.clone(), *place));
    let mut tombstones: Vec<_> = epoch
        .erasures
        .iter()
        .map(|(customer, _)| Tombstone::Decisions(*customer))
        .chain(letters)
        .collect();
    tombstones.sort();
    tombstones.dedup();
    tombstones
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::applied::Applied;
    use dataflows::campaign::output::Decision;
    use dataflows::event::{Reason, Topic, Whose};
    use dataflows::settings::Settings;

    fn decision(customer: CustomerId, timestamp: Millis) -> Decision {
        Decision {
            customer,
            key: 1,
            decision: "d".to_string(),
            timestamp,
            arm: Some(0),
            propensity: 1.0,
            ..Decision::default()
        }
    }

    fn epoch(epoch: u64, incarnation: i64) -> Epoch {
        let thresholds = BTreeMap::from([(epoch as Day, 10 * epoch)]);
        let decisions = vec![decision(epoch as i64, 100)];
        Epoch {
            epoch,
            incarnation,
            digest: "ab".repeat(32),
            pending: epoch as i64,
            thresholds,
            decisions,
            ..Epoch::default()
        }
    }

    fn commit(epoch_number: u64, incarnation: i64) -> Record {
        Record::Epoch(Box::new(epoch(epoch_number, incarnation)))
    }

    fn state(records: impl IntoIterator<Item = Record>) -> State {
        let mut state = State::default();
        records.into_iter().for_each(|record| state.apply(record).expect("it follows"));
        state
    }

    fn five() -> State {
        let topics = Record::Topics(BTreeMap::from([(
            "transactions".to_string(),
            "AAAAAAAAAAAAAAAAAAAABQ".to_string(),
        )]));
        let applied = Record::Applied(Box::new(Applied::of(1, &Settings::default())));
        state(
            [Record::Start { incarnation: 1 }, Record::History(History::begin(0)), topics, applied]
                .into_iter()
                .chain((1..=5).map(|number| commit(number, 1)))
                .chain([Record::Published(3)]),
        )
    }

    #[test]
    fn an_epoch_of_an_instance_that_was_taken_over_does_not_count() {
        let taken_over = state([
            Record::Start { incarnation: 1 },
            commit(1, 1),
            Record::Start { incarnation: 2 },
            commit(2, 1),
            commit(2, 2),
        ]);
        assert_eq!((taken_over.progress.epoch, taken_over.epochs[&2].incarnation), (2, 2));
    }

    #[test]
    fn epochs_and_incarnations_follow_one_another() {
        let mut state = five();
        assert!(state.apply(commit(7, 1)).is_err_and(|why| why == "epoch 7 follows epoch 5"));
        assert!(state.apply(commit(5, 1)).is_err());
        assert!(state.apply(Record::Start { incarnation: 1 }).is_err());
    }

    #[test]
    fn the_records_of_a_state_come_to_the_same_state() {
        let mut state = five();
        for before in [0, 3, 5, 6] {
            state.forget_before(before);
            let again = self::state(state.records("campaign", true));
            assert_eq!(again, state, "without those before {before}");
        }
        assert_eq!(
            state.epochs.keys().copied().collect::<Vec<_>>(),
            [4, 5],
            "what has to be published stays"
        );
        state.apply(Record::Published(5)).expect("a mark");
        state.forget_before(6);
        let again = self::state(state.records("campaign", true));
        assert_eq!(
            (again.progress.epoch, again.progress.published, again.pending, again.thresholds.len()),
            (5, 5, 5, 5)
        );
        assert!(again.epochs.is_empty());
    }

    #[test]
    fn what_was_decided_for_an_erased_customer_is_not_published() {
        let mut state = five();
        let owed = |state: &State| {
            let stretch = state.owed(3, 5, &TopicNames::own(Topic::ids()));
            assert_eq!(stretch.through, 5);
            stretch
                .epochs
                .into_iter()
                .flat_map(|owed| owed.decisions)
                .map(|decision| decision.customer)
                .collect::<Vec<_>>()
        };
        assert_eq!((owed(&state), state.backlog(3, 5).records), (vec![4, 5], 2));
        state.erase(5, &[(4, 99), (5, 100)]);
        assert_eq!((owed(&state), state.backlog(3, 5).records), (vec![4], 1));
    }

    #[test]
    fn what_was_rejected_of_an_erased_customer_is_published_blank() {
        let rejected = |customer, dated| {
            let (place, whose) = (Place::new(0, 1), Some(Whose { customer, dated }));
            Rejected {
                topic: Topic::Rewards.id(),
                place,
                reason: Reason::BadReward,
                detail: "x".to_string(),
                raw: b"x".to_vec(),
                whose,
            }
        };
        let mut state = five();
        for number in [4, 5] {
            state.epochs.get_mut(&number).expect("it is there").rejected =
                vec![rejected(1, 100), rejected(1, 101), rejected(2, Millis::MIN)];
        }
        state.erase(5, &[(1, 100)]);
        let blanked = |number| {
            state.epochs[&number].rejected.iter().map(Rejected::is_blanked).collect::<Vec<_>>()
        };
        assert_eq!(
            (blanked(4), blanked(5)),
            (vec![true, false, false], vec![false; 3]),
            "the epoch's own are judged before it is committed"
        );
    }

    #[test]
    fn an_erasure_is_owed_until_it_is_published() {
        let mut state = five();
        state.apply(Record::Published(5)).expect("a mark");
        let erasing =
            Epoch { erasures: vec![(7, 100), (7, 100)], decisions: Vec::new(), ..epoch(6, 1) };
        state.apply(Record::Epoch(Box::new(erasing))).expect("it follows");
        let letter = ("rewards".to_string(), Place::new(1, 2));
        assert!(
            state.note_blanked(6, vec![letter.clone()])
                && !state.note_blanked(6, vec![letter.clone()])
        );
        let owed = state.owed(5, 6, &TopicNames::own(Topic::ids())).epochs;
        assert_eq!(
            owed[0].tombstones,
            [Tombstone::Decisions(7), Tombstone::Letter(letter.0, letter.1)]
        );
        assert_eq!(
            (state.backlog(5, 6).records, state.forgettable(7)),
            (2, 5),
            "it is kept until then"
        );
        assert_eq!(self::state(state.records("campaign", true)), state);
        state.apply(Record::Published(6)).expect("a mark");
        assert_eq!(state.forgettable(7), 6);
        assert!(
            state.epochs[&6].blanked.is_empty() && !state.epochs[&6].erasures.is_empty(),
            "whoever repeats it needs to know"
        );
    }

    #[test]
    fn a_stretch_ends_before_it_has_too_many_records_and_never_within_an_epoch() {
        let mut state = State::default();
        for (number, decisions) in (1..).zip([400, 600, 0, 1, 5000, 2]) {
            let decisions = (0..decisions).map(|customer| decision(customer, 1)).collect();
            state
                .apply(Record::Epoch(Box::new(Epoch { decisions, ..epoch(number, 0) })))
                .expect("it follows");
        }
        let (mut at, mut stretches) = (0, Vec::new());
        while at < 6 {
            let stretch = state.owed(at, 6, &TopicNames::own(Topic::ids()));
            stretches
                .push((stretch.through, stretch.epochs.iter().map(Owed::records).sum::<usize>()));
            at = stretch.through;
        }
        assert_eq!(stretches, [(3, 1000), (4, 1), (5, 5000), (6, 2)]);
    }
}
