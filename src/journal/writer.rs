//! The one writer of a job without a database: the journal, and the files of changes where there
//! are any.

use super::error::JournalError;
use super::kept::KeptFiles;
use super::ledger::Ledger;
use super::log::{self, Log};
use super::record::{Epoch, FORMAT, Lost, Record};
use super::state::State;
use crate::checkpoint::{CheckpointError, Checkpoints};
use crate::files::changes::{ChangeFiles, FileMark};
use crate::hexadecimal::hexadecimal;
use crate::sink::applied::{Applied, AppliedSettings};
use crate::sink::gathered::{DayValues, ErasedCustomer, Gathered};
use crate::sink::kept::KeptAt;
use crate::sink::outbox::{Backlog, Stretch};
use crate::sink::{Commit, History, Progress, RecordedEpoch, Records, Sink, SinkError};
use crate::source::{Loss, Positions, TopicNames, TopicUuids, offsets_by_name};
use dataflows::event::{CustomerId, Millis};
use dataflows::source::TopicId;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Instant;

/// What the writer must be told.
#[derive(Clone, Debug)]
pub struct JournalSettings {
    /// The job.
    pub job: String,
    /// The folder of its checkpoints.
    pub folder: PathBuf,
    /// Names of the topics.
    pub topics: TopicNames,
    /// The ids of the topics as they now are.
    pub now: TopicUuids,
    /// Epochs from before the oldest checkpoint that may be there before the journal is written
    /// anew without them.
    pub prune_at: usize,
    /// Bytes from which on it is written anew without them, be they ever so few.
    pub prune_at_bytes: u64,
    /// Whether everything will be forgotten at once, so that nothing of what was before need be
    /// sound but the journal itself.
    pub anew: bool,
}

impl JournalSettings {
    /// For a job whose checkpoints are in a folder, with the default of everything else.
    pub fn new(job: &str, folder: PathBuf) -> Self {
        let topics = TopicNames::own(dataflows::topics());
        JournalSettings {
            job: job.to_string(),
            folder,
            topics,
            now: TopicUuids::UNKNOWN,
            prune_at: 1024,
            prune_at_bytes: 64 << 20,
            anew: false,
        }
    }
}

/// Writes the epochs of one job.
pub struct Writer {
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

impl Writer {
    /// Takes over the job: from here on no earlier instance of it can write, and no later one can
    /// start. What the end of the last instance has left unfinished is finished.
    ///
    /// What is recorded is settled first, while nobody else can change it: where `settle` refuses,
    /// nothing is written.
    ///
    /// # Errors
    /// That of `settle`, or another process has the job or its files, or one of the topics is not the one that it has read, or the journal or the file of its
    /// last epoch cannot be read, or are not what was written.
    pub fn open_settling<S, E: From<JournalError>>(
        settings: JournalSettings,
        checkpoints: Checkpoints,
        mut files: Option<ChangeFiles>,
        settle: impl FnOnce(&mut dyn Records) -> Result<S, E>,
    ) -> Result<(Writer, S), E> {
        let (log, content) = Log::open(&settings.folder, &settings.job)?;
        files.as_mut().map(ChangeFiles::hold).transpose().map_err(JournalError::from)?;
        let mut ledger = Ledger::read(&settings, &content)?;
        ledger.check(&settings, files.as_ref())?;
        let begins = ledger.identify();
        let settled = settle(&mut ledger)?;
        Ok((
            Writer::begin(settings, checkpoints, files, (log, content.len()), ledger, begins)?,
            settled,
        ))
    }

    /// As [`open_settling`](Self::open_settling), whatever is recorded.
    ///
    /// # Errors
    /// Likewise.
    #[cfg(test)]
    pub fn open(
        settings: JournalSettings,
        checkpoints: Checkpoints,
        files: Option<ChangeFiles>,
    ) -> Result<Writer, JournalError> {
        Writer::open_settling(settings, checkpoints, files, |_| Ok(())).map(|(writer, ())| writer)
    }

    fn begin(
        settings: JournalSettings,
        checkpoints: Checkpoints,
        files: Option<ChangeFiles>,
        (mut log, length): (Log, usize),
        ledger: Ledger,
        begins: Option<History>,
    ) -> Result<Writer, JournalError> {
        if ledger.end < length {
            let bytes = length - ledger.end;
            tracing::warn!(path = %log.path().display(), bytes, "The last line of the journal was \
                written by half, and is cut off.");
            log.cut(ledger.end as u64)?;
        }
        let (is_new, is_old) =
            (ledger.files.is_none(), ledger.format.is_some_and(|format| format < FORMAT));
        let mut writer = Writer {
            settings,
            checkpoints,
            files,
            log,
            ledger,
            looked_at: 0,
            forgotten: 0,
            unwritten: false,
        };
        let incarnation = writer.ledger.state.progress.incarnation + 1;
        if is_new {
            let journal = Record::Journal {
                format: FORMAT,
                job: writer.settings.job.clone(),
                files: writer.files.is_some(),
            };
            writer.append(journal, false)?;
        }
        writer.append(Record::Start { incarnation }, true)?;
        if let Some(history) = begins {
            writer.append(Record::History(history), true)?;
        }
        if is_old {
            // So that an older version of the program, which could not read what comes, says that
            // it is of another one.
            writer.rewrite()?;
        }
        if !writer.settings.anew {
            writer.finish_last()?;
        }
        let Progress { epoch, incarnation, .. } = writer.ledger.state.progress;
        tracing::info!(job = writer.settings.job, path = %writer.log.path().display(), epoch, incarnation, "The journal is ready.");
        Ok(writer)
    }

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

    fn kept_of(&self, history: History) -> KeptFiles {
        KeptFiles::new(&self.settings.folder, self.settings.topics.clone(), Some(history.identity))
    }

    /// Appends a record, and takes it in. Only that of an epoch can be long.
    fn append(&mut self, record: Record, durable: bool) -> Result<(), JournalError> {
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
        let content: Vec<u8> = records.iter().flat_map(Record::to_line).collect();
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
        let history = self.ledger.state.history.unwrap_or_else(|| History::begin(0)).identity;
        let file =
            self.files.as_mut().map(|files| files.write(epoch, running, history)).transpose()?;
        if !results.kept.is_empty() {
            self.ledger.kept.write(results.epoch, results.kept)?;
        }
        self.append(Record::Epoch(Box::new(self.record(epoch, running, file))), true)?;
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
            decisions: epoch.decisions().to_vec(),
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
    pub(super) fn owed(&self, after: u64, through: u64) -> Stretch {
        self.ledger.state.owed(after, through, &self.settings.topics)
    }

    /// How much is owed of the epochs after `after` up to `through`.
    pub(super) fn backlog(&self, after: u64, through: u64) -> Backlog {
        self.ledger.state.backlog(after, through)
    }

    /// Moves the mark of what is published, if it stands at `from`. Not waited for: without it the
    /// same is published once more.
    pub(super) fn advance(&mut self, from: u64, to: u64) -> Result<u64, JournalError> {
        if self.ledger.state.progress.published == from {
            self.append(Record::Published(to), false)?;
        }
        Ok(self.ledger.state.progress.published)
    }
}

impl Records for Writer {
    fn job(&self) -> &str {
        self.ledger.job()
    }

    fn progress(&self) -> Progress {
        self.ledger.progress()
    }

    fn recorded_epochs(&mut self, after: u64) -> Result<Vec<RecordedEpoch>, SinkError> {
        self.ledger.recorded_epochs(after)
    }

    fn starts(&mut self) -> Result<Option<Positions>, SinkError> {
        self.ledger.starts()
    }

    fn history(&mut self) -> Result<History, SinkError> {
        self.ledger.history()
    }

    fn topic_ids(&mut self) -> Result<TopicUuids, SinkError> {
        self.ledger.topic_ids()
    }

    fn applied(&mut self) -> Result<AppliedSettings, SinkError> {
        self.ledger.applied()
    }

    fn losses(&mut self) -> Result<Vec<Loss>, SinkError> {
        self.ledger.losses()
    }

    fn erasures(&mut self, after: u64) -> Result<Vec<(u64, CustomerId, Millis)>, SinkError> {
        self.ledger.erasures(after)
    }

    fn erased(&mut self) -> Result<Vec<(CustomerId, Millis)>, SinkError> {
        self.ledger.erased()
    }

    fn kept(&mut self, after: u64) -> Result<Vec<KeptAt>, SinkError> {
        self.ledger.kept(after)
    }
}

impl Sink for Writer {
    fn set_starts(&mut self, offsets: &[(TopicId, u32, u64)]) -> Result<(), SinkError> {
        Ok(self.append(Record::Starts(offsets_by_name(offsets, &self.settings.topics)), true)?)
    }

    fn set_topic_ids(&mut self, ids: &TopicUuids) -> Result<(), SinkError> {
        Ok(self.append(Record::Topics(ids.named(&self.settings.topics)), true)?)
    }

    fn apply(&mut self, settings: &Value) -> Result<bool, SinkError> {
        let since = self.ledger.state.progress.epoch + 1;
        let applied = Applied { since, settings: settings.clone() };
        if !self.ledger.state.applied.clone().apply(applied.clone()) {
            return Ok(false);
        }
        Ok(self.append(Record::Applied(Box::new(applied)), true).map(|()| true)?)
    }

    fn lose(&mut self, losses: &[Loss]) -> Result<(), SinkError> {
        let lost = |loss: &Loss| {
            let &Loss { epoch, topic, partition, first, next } = loss;
            Lost { epoch, topic: self.settings.topics[topic].to_string(), partition, first, next }
        };
        let lost: Vec<Lost> = losses.iter().map(lost).collect();
        if !lost.is_empty() {
            self.append(Record::Losses(lost), true)?;
        }
        Ok(())
    }

    /// The journal first: files without their epochs are removed at the next start, too.
    fn forget(
        &mut self,
        starts: &[(TopicId, u32, u64)],
        ids: &TopicUuids,
    ) -> Result<(), SinkError> {
        let progress =
            Progress { incarnation: self.ledger.state.progress.incarnation, ..Progress::default() };
        let (starts, topics) = (
            Some(offsets_by_name(starts, &self.settings.topics)),
            ids.named(&self.settings.topics),
        );
        let (erased, former) =
            (std::mem::take(&mut self.ledger.state.erased), self.ledger.state.history);
        let history = History::begin(0);
        self.ledger.state = State {
            progress,
            starts,
            topics,
            erased,
            history: Some(history),
            former,
            ..State::default()
        };
        self.rewrite()?;
        self.ledger.kept.remove(|_| true)?;
        self.ledger.kept = self.kept_of(history);
        self.forgotten = 0;
        let of = self.ledger.state.identities();
        Ok(self
            .files
            .as_ref()
            .map_or(Ok(()), |files| files.remove_after(0, &of))
            .map_err(JournalError::from)?)
    }

    /// Where there was no room, the same may be tried again. After any other error nobody knows
    /// what lies on the disk: the next start reads it.
    fn commit(&mut self, epoch: &dyn Gathered) -> Result<Commit, SinkError> {
        let started = Instant::now();
        self.try_commit(epoch)?;
        Ok(Commit { epoch: epoch.essentials().epoch, took: started.elapsed(), retries: 0 })
    }

    /// That it fails does not end the job: the journal is only longer than it need be, or there are
    /// more files beside it.
    fn checkpointed(&mut self, newest: u64, oldest: u64) {
        if oldest > self.forgotten {
            match self.ledger.kept.remove(|epoch| epoch <= oldest) {
                Ok(()) => self.forgotten = oldest,
                Err(error) => tracing::warn!(
                    "Kept records are not removed, and will be after the next checkpoint: {error}."
                ),
            }
        }
        if newest <= self.looked_at {
            return;
        }
        self.looked_at = newest;
        if let Err(error) = self.prune(newest) {
            tracing::warn!("The journal is not shortened: {error}.");
        }
    }
}
