//! What the records of a journal come to.

#[cfg(test)]
mod tests;

use super::record::{CarriedForward, Epoch, FORMAT, JournalRecord, SkippedOffsets};
use crate::hexadecimal::digest_from_hex;
use crate::sink::applied::AppliedSettings;
use crate::sink::notices::{NoticeForm, Notices};
use crate::sink::outbox::{Backlog, Letter, Owed, STRETCH_RECORDS, Stretch, Tombstone};
use crate::sink::{Genesis, Link, Progress};
use crate::source::{Offsets, TopicNames};
use dataflows::event::{CustomerId, Millis, Place, Rejected};
use std::collections::BTreeMap;

/// Where a job stands by its journal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JournalState {
    /// Where it stands.
    pub progress: Progress,
    /// What adds up over the epochs.
    pub running: i64,
    /// Where it began, once that is recorded.
    pub starts: Option<Offsets>,
    /// Where the chain of the epochs begins, once that is recorded.
    pub history: Option<Genesis>,
    /// The history before that, as long as files of its may be left.
    pub former: Option<Genesis>,
    /// The offsets that it has gone on behind without having read them.
    pub losses: Vec<SkippedOffsets>,
    /// The ids of the topics that are read, by their names; empty as long as none was recorded.
    pub topics: BTreeMap<String, String>,
    /// The settings that the epochs were computed with.
    pub applied: AppliedSettings,
    /// Every published value, by day.
    pub values: BTreeMap<i32, u64>,
    /// Every customer that was ever erased, up to an instant.
    pub erased: BTreeMap<CustomerId, Millis>,
    /// The epochs that are still here, without gaps up to the last committed one.
    pub epochs: BTreeMap<u64, Epoch>,
}

impl JournalState {
    /// Takes a record in, whose format and job are known to be right. An epoch of an instance that
    /// had been taken over when it came does not count.
    ///
    /// # Errors
    /// Why it cannot follow those before it.
    pub fn apply(&mut self, record: JournalRecord) -> Result<(), String> {
        match record {
            JournalRecord::Journal { .. } => {}
            JournalRecord::Start { incarnation } if incarnation <= self.progress.incarnation => {
                return Err(format!(
                    "incarnation {incarnation} follows incarnation {}",
                    self.progress.incarnation
                ));
            }
            JournalRecord::Start { incarnation } => self.progress.incarnation = incarnation,
            JournalRecord::Starts(offsets) => self.starts = Some(offsets),
            JournalRecord::Topics(topics) => self.topics = topics,
            JournalRecord::Losses(losses) => self.losses.extend(losses),
            JournalRecord::History(history) => self.former = self.history.replace(history),
            JournalRecord::Applied(applied) => {
                self.applied.apply(*applied);
            }
            JournalRecord::Standing(CarriedForward { epoch, running, values, erased }) => {
                (self.progress.epoch, self.running, self.values, self.erased) =
                    (epoch, running, values, erased);
            }
            JournalRecord::Epoch(epoch) if epoch.incarnation == self.progress.incarnation => {
                return self.add(*epoch);
            }
            JournalRecord::Epoch(_) => {}
            JournalRecord::Published(epoch) => {
                // A journal of before the mark moved from where it stood may have lower ones after
                // higher ones; what is published stays so.
                self.progress.published = self.progress.published.max(epoch);
                for (_, epoch) in self.epochs.range_mut(..=epoch) {
                    (epoch.notices, epoch.blanked, epoch.rejected) =
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
        self.running = epoch.running;
        epoch.gone_values.iter().for_each(|day| {
            self.values.remove(day);
        });
        self.values.extend(&epoch.values);
        for &(customer, until) in &epoch.erasures {
            let known = self.erased.entry(customer).or_insert(until);
            *known = until.max(*known);
        }
        self.epochs.insert(epoch.epoch, epoch);
        Ok(())
    }

    /// What is owed of the epochs after `after` up to `through`, with the names of the topics, and
    /// with notices in the form of the dataflow.
    ///
    /// # Errors
    /// Why a notice is none.
    pub fn owed(
        &self,
        after: u64,
        through: u64,
        topics: &TopicNames,
        form: Option<&dyn NoticeForm>,
    ) -> Result<Stretch, String> {
        let mut stretch = Stretch { epochs: Vec::new(), through: after };
        let mut records = 0;
        for (_, epoch) in self.epochs.range(after.saturating_add(1)..=through) {
            let tombstones = tombstones(epoch, form.is_some());
            let own = tombstones.len() + epoch.notices.len() + epoch.rejected.len();
            if records > 0 && records + own > STRETCH_RECORDS {
                return Ok(stretch);
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
                let again = Notices::default();
                let notices = notices(epoch, form)?;
                let mut owed = Owed { epoch: epoch.epoch, tombstones, again, notices, letters };
                owed.sort();
                stretch.epochs.push(owed);
            }
        }
        // Whatever has something to publish is here.
        Ok(Stretch { through, ..stretch })
    }

    /// How much is owed of the epochs after `after` up to `through`, of a dataflow that has
    /// notices, or none. When they were committed is not recorded.
    pub fn backlog(&self, after: u64, through: u64, has_notices: bool) -> Backlog {
        let epochs = self.epochs.range(after.saturating_add(1)..=through);
        let records = |epoch: &Epoch| {
            let tombstones = tombstones(epoch, has_notices);
            (tombstones.len() + epoch.notices.len() + epoch.rejected.len()) as u64
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
        erases || !epoch.notices.is_empty() || !epoch.rejected.is_empty()
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

    /// Takes out the notices of customers up to an instant, in the epoch that erased them and
    /// before it, and blanks their rejected records, which in that epoch is done already.
    pub fn erase(&mut self, through: u64, erased: &[(CustomerId, Millis)]) {
        for (_, epoch) in self.epochs.range_mut(..=through) {
            let own = epoch.epoch == through;
            let theirs = |rejected: &&mut Rejected| {
                !own && rejected.whose.is_some_and(|whose| whose.is_erased(erased))
            };
            epoch.rejected.iter_mut().filter(theirs).for_each(Rejected::blank);
            epoch.notices.retain(|notice| !notice.is_erased(erased));
            epoch.erased.retain(|of| !erased.contains(of));
        }
    }

    /// The identities of the histories of which there may be files.
    pub fn identities(&self) -> Vec<Link> {
        self.history.into_iter().chain(self.former).map(|history| history.identity).collect()
    }

    /// The fewest records that come to this.
    pub fn records(&self, job: &str, files: bool) -> Vec<JournalRecord> {
        let mut records =
            vec![JournalRecord::Journal { format: FORMAT, job: job.to_string(), files }];
        records.push(JournalRecord::Start { incarnation: self.progress.incarnation });
        records.extend(self.former.into_iter().chain(self.history).map(JournalRecord::History));
        records.extend(self.starts.clone().map(JournalRecord::Starts));
        records.extend(
            Some(&self.topics)
                .filter(|topics| !topics.is_empty())
                .cloned()
                .map(JournalRecord::Topics),
        );
        records.extend(self.applied.0.iter().cloned().map(Box::new).map(JournalRecord::Applied));
        records.extend(
            Some(&self.losses)
                .filter(|losses| !losses.is_empty())
                .cloned()
                .map(JournalRecord::Losses),
        );
        records.push(JournalRecord::Standing(self.standing()));
        let own = |epoch: &Epoch| {
            JournalRecord::Epoch(Box::new(Epoch {
                incarnation: self.progress.incarnation,
                ..epoch.clone()
            }))
        };
        records.extend(self.epochs.values().map(own));
        records.push(JournalRecord::Published(self.progress.published));
        records
    }

    /// What the epochs have left that are no longer here.
    fn standing(&self) -> CarriedForward {
        let of_kept = |day: &i32| self.epochs.values().any(|epoch| epoch.values.contains_key(day));
        let values = self
            .values
            .iter()
            .filter(|(day, _)| !of_kept(day))
            .map(|(&day, &value)| (day, value))
            .collect();
        let erased = self.erased.clone();
        match self.epochs.first_key_value() {
            // Nobody asks how many waited before an epoch that says how many wait after it.
            Some((&first, _)) => CarriedForward { epoch: first - 1, running: 0, values, erased },
            None => {
                CarriedForward { epoch: self.progress.epoch, running: self.running, values, erased }
            }
        }
    }
}

/// The notices of an epoch, as whoever knows their form has them.
fn notices(epoch: &Epoch, form: Option<&dyn NoticeForm>) -> Result<Notices, String> {
    let mut notices = Notices::default();
    if let Some(form) = form {
        epoch.notices.iter().try_for_each(|text| form.parse(text, &mut notices))?;
    }
    Ok(notices)
}

/// What the topics are to forget because of an epoch that is not published, of a dataflow that has
/// notices, or none.
fn tombstones(epoch: &Epoch, has_notices: bool) -> Vec<Tombstone> {
    let letters =
        epoch.blanked.iter().map(|(topic, place)| Tombstone::Letter(topic.clone(), *place));
    let customers = epoch.erasures.iter().filter(|_| has_notices);
    let mut tombstones: Vec<_> =
        customers.map(|(customer, _)| Tombstone::Notices(*customer)).chain(letters).collect();
    tombstones.sort();
    tombstones.dedup();
    tombstones
}
