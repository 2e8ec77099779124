//! The one writer of a job without a database: the journal, and the files of changes where there
//! are any.

mod faces;
mod opening;
mod settings;

pub use settings::JournalSettings;

use super::error::JournalError;
use super::kept::KeptFiles;
use super::ledger::Ledger;
use super::log::{self, Log};
use super::record::{Epoch, JournalRecord};
use crate::checkpoint::{CheckpointError, Checkpoints};
use crate::files::changes::{ChangeFiles, FileMark};
use crate::hexadecimal::hexadecimal;
use crate::sink::gathered::{DayValues, ErasedCustomer, Gathered};
use crate::sink::outbox::{Backlog, Stretch};
use crate::sink::{Genesis, Progress, SinkError};
use crate::source::offsets_by_name;

/// Writes the epochs of one job.
pub struct JournalWriter {
    settings: JournalSettings,
    checkpoints: Checkpoints,
    files: Option<ChangeFiles>,
    log: Log,
    ledger: Ledger,
    /// The newest checkpoint for which it was looked what may go.
    looked_at: u64,
    /// Up to which epoch kept records were removed.
    forgotten: u64,
    /// Erasures are not in the file yet.
    unwritten: bool,
}

impl JournalWriter {
    /// What the last instance may have begun: a file whose epoch was not committed goes, and
    /// erasures are carried out to the end.
    fn finish_last(&mut self) -> Result<(), JournalError> {
        let Progress { epoch, .. } = self.ledger.state.progress;
        self.ledger.kept.remove(|kept| kept > epoch)?;
        if let Some(files) = &self.files {
            files.remove_after(epoch, &self.ledger.state.identities())?;
        }
        if let Some(former) = self.ledger.state.former.take() {
            self.kept_of(former).remove(|_| true)?;
            self.rewrite()?;
        }
        self.erase()
    }

    fn kept_of(&self, history: Genesis) -> KeptFiles {
        KeptFiles::new(&self.settings.folder, self.settings.topics.clone(), Some(history.identity))
    }

    /// Appends a record, and takes it in. Only that of an epoch can be long.
    fn append(&mut self, record: JournalRecord, durable: bool) -> Result<(), JournalError> {
        let line = record.to_line();
        if line.len() > u32::MAX as usize {
            let (epoch, path) =
                (self.ledger.state.progress.epoch + 1, self.log.path().to_path_buf());
            return Err(JournalError::TooLong { epoch, path, bytes: line.len() });
        }
        match self.log.append(&line, durable)? {
            true => self.ledger.state.apply(record).map_err(|why| self.damaged(why)),
            false => Err(self.overtaken()),
        }
    }

    /// Writes the journal anew, as short as it can be.
    fn rewrite(&mut self) -> Result<(), JournalError> {
        let records = self.ledger.state.records(&self.settings.job, self.files.is_some());
        let content: Vec<u8> = records.iter().flat_map(JournalRecord::to_line).collect();
        if self.log.replace(&content)? { Ok(()) } else { Err(self.overtaken()) }
    }

    /// Removes what is still there of the customers that were erased, in order of the epochs that
    /// erased them.
    fn erase(&mut self) -> Result<(), JournalError> {
        let erasing: Vec<u64> = self
            .ledger
            .state
            .epochs
            .values()
            .filter(|epoch| !epoch.erased.is_empty())
            .map(|epoch| epoch.epoch)
            .collect();
        for epoch in erasing {
            let erased = self
                .ledger
                .state
                .epochs
                .get(&epoch)
                .map(|epoch| epoch.erased.clone())
                .unwrap_or_default();
            // Which letters these were is known only until they are blanked.
            let letters =
                self.files.as_ref().map(|files| files.letters_of(epoch, &erased)).transpose()?;
            if self.ledger.state.note_blanked(epoch, letters.unwrap_or_default()) {
                self.rewrite()?;
            }
            if let Some(files) = &self.files {
                let rewritten = files.erase(epoch, &erased)?;
                tracing::info!(
                    epoch,
                    rewritten,
                    "What older files had of erased customers is gone."
                );
            }
            self.ledger.state.erase(epoch, &erased);
            self.unwritten = true;
        }
        if self.unwritten {
            self.rewrite()?;
            self.unwritten = false;
        }
        Ok(())
    }

    /// Whoever has written: another instance, or nobody that is known.
    fn overtaken(&self) -> JournalError {
        let path = self.log.path();
        let content = log::content(&self.settings.folder).ok().flatten().unwrap_or_default();
        let current =
            Ledger::read(&self.settings, &content).map(|ledger| ledger.state.progress.incarnation);
        match (current, self.ledger.state.progress.incarnation) {
            (Ok(current), own) if current > own => {
                JournalError::Fenced { job: self.settings.job.clone(), own, current }
            }
            _ => JournalError::Changed { path: path.to_path_buf() },
        }
    }

    fn damaged(&self, why: String) -> JournalError {
        JournalError::Damaged {
            path: self.log.path().to_path_buf(),
            at: self.log.length() as usize,
            why,
        }
    }

    fn try_commit(&mut self, epoch: &dyn Gathered) -> Result<(), JournalError> {
        let results = epoch.essentials();
        let erases = !epoch.erasures().is_empty();
        let recorded = self.ledger.state.progress.epoch;
        if results.epoch <= recorded {
            // Its line may be there, and what it erases not be gone.
            return if erases { self.erase() } else { Ok(()) };
        }
        if results.epoch != recorded + 1 {
            return Err(JournalError::Gap {
                job: self.settings.job.clone(),
                epoch: results.epoch,
                recorded,
            });
        }
        self.check_published(epoch.published())?;
        // Before the file too: an instance that was taken over must not touch one.
        if !self.log.is_own()? {
            return Err(self.overtaken());
        }
        let running = self.ledger.state.running + results.running;
        // It was recorded when the job was taken over.
        let history = self.ledger.state.history.unwrap_or_else(|| Genesis::begin(0)).identity;
        let file =
            self.files.as_mut().map(|files| files.write(epoch, running, history)).transpose()?;
        if !results.kept.is_empty() {
            self.ledger.kept.write(results.epoch, results.kept)?;
        }
        self.append(JournalRecord::Epoch(Box::new(self.record(epoch, running, file))), true)?;
        if erases { self.erase() } else { Ok(()) }
    }

    /// No value of an epoch may differ from one that is published.
    fn check_published(&self, own: DayValues<'_>) -> Result<(), JournalError> {
        let published = &self.ledger.state.values;
        for &(day, now) in own.values {
            match published.get(&day) {
                Some(&published) if published != now && !own.gone.contains(&day) => {
                    return Err(JournalError::Published { what: own.what, day, published, now });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn record(&self, epoch: &dyn Gathered, running: i64, file: Option<FileMark>) -> Epoch {
        let (results, published) = (epoch.essentials(), epoch.published());
        let asked = |erased: &ErasedCustomer| (erased.customer, erased.until);
        Epoch {
            epoch: results.epoch,
            incarnation: self.ledger.state.progress.incarnation,
            watermark: results.closed.watermark,
            offsets: offsets_by_name(&results.closed.offsets, &self.settings.topics),
            topics: results.topic_ids.named(&self.settings.topics),
            digest: hexadecimal(results.digest),
            records: results.records,
            chain: results.chain,
            running,
            values: published.values.iter().copied().collect(),
            gone_values: published.gone.to_vec(),
            file,
            erased: epoch.erased(),
            erasures: epoch.erasures().iter().map(asked).collect(),
            notices: epoch.notices(),
            blanked: Vec::new(),
            rejected: results.rejected.to_vec(),
        }
    }

    /// Writes the journal anew without the epochs that no checkpoint needs any more, if they are
    /// many or it is long.
    fn prune(&mut self, newest: u64) -> Result<(), SinkError> {
        let JournalSettings { prune_at, prune_at_bytes, .. } = self.settings;
        let wanted = if self.log.length() >= prune_at_bytes { 1 } else { prune_at.max(1) };
        if self.ledger.state.forgettable(newest) < wanted {
            return Ok(());
        }
        let Some(oldest) = self.oldest().map_err(JournalError::from)? else { return Ok(()) };
        let epochs = self.ledger.state.forgettable(oldest);
        if epochs >= wanted {
            self.ledger.state.forget_before(oldest);
            self.rewrite()?;
            tracing::info!(
                epochs,
                oldest,
                "The journal is written anew without the epochs from before the oldest checkpoint."
            );
        }
        Ok(())
    }

    /// The epoch of the oldest complete checkpoint that a restart may take.
    fn oldest(&self) -> Result<Option<u64>, CheckpointError> {
        let own = self.ledger.state.history.map(|history| self.checkpoints.of(history.identity));
        let mut oldest = None;
        for place in own.into_iter().chain([self.checkpoints.unnamed()]) {
            let complete = place
                .list()?
                .into_iter()
                .filter(|listed| listed.problem.is_none())
                .map(|listed| listed.epoch)
                .min();
            oldest = oldest.into_iter().chain(complete).min();
        }
        Ok(oldest)
    }

    /// Makes sure that nobody else has written.
    pub(super) fn confirm(&self) -> Result<(), JournalError> {
        if self.log.is_own()? { Ok(()) } else { Err(self.overtaken()) }
    }

    /// What is owed of the epochs after `after` up to `through`.
    pub(super) fn owed(&self, after: u64, through: u64) -> Result<Stretch, JournalError> {
        let JournalSettings { topics, wording, .. } = &self.settings;
        let owed = self.ledger.state.owed(after, through, topics, wording.notices());
        owed.map_err(|why| self.damaged(why))
    }

    /// How much is owed of the epochs after `after` up to `through`.
    pub(super) fn backlog(&self, after: u64, through: u64) -> Backlog {
        let has_notices = self.settings.wording.notices().is_some();
        self.ledger.state.backlog(after, through, has_notices)
    }

    /// Moves the mark of what is published, if it stands at `from`. Not waited for: without it the
    /// same is published once more.
    pub(super) fn advance(&mut self, from: u64, to: u64) -> Result<u64, JournalError> {
        if self.ledger.state.progress.published == from {
            self.append(JournalRecord::Published(to), false)?;
        }
        Ok(self.ledger.state.progress.published)
    }
}
