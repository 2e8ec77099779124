//! The one writer of a job without a database: the journal, and the files of changes where there are any.

use super::error::JournalError;
use super::kept::KeptFiles;
use super::log::{self, Log};
use super::record::{Epoch, FORMAT, FileMark, OLDEST_FORMAT, Record, split};
use super::state::State;
use crate::checkpoint::Checkpoints;
use crate::files::changes::ChangeFiles;
use crate::kafka::{TopicIds, TopicNames};
use crate::results::{EpochResults, digest_from_hex, hexadecimal};
use crate::sink::kept::KeptAt;
use crate::sink::outbox::{Backlog, Stretch, erased};
use crate::sink::{Commit, History, Positions, Progress, RecordedEpoch, Sink, SinkError, offsets_by_name, offsets_of};
use dataflows::campaign::output::Day;
use dataflows::event::{CustomerId, Millis, Topic};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What the writer must be told.
#[derive(Clone, Debug)]
pub struct JournalSettings {
    /// The job.
    pub job: String,
    /// The folder of its checkpoints.
    pub folder: PathBuf,
    /// Names of the topics, in the order of [`Topic::ALL`].
    pub topics: TopicNames,
    /// The ids of the topics as they now are.
    pub now: TopicIds,
    /// Epochs from before the oldest checkpoint that may be there before the journal is written anew without them.
    pub prune_at: usize,
    /// Bytes from which on it is written anew without them, be they ever so few.
    pub prune_at_bytes: u64,
    /// Whether everything will be forgotten at once, so that nothing of what was before need be sound but the journal itself.
    pub anew: bool,
}

impl JournalSettings {
    /// For a job whose checkpoints are in a folder, with the default of everything else.
    pub fn new(job: &str, folder: PathBuf) -> Self {
        let topics = Topic::ALL.map(|topic| topic.name().to_string());
        JournalSettings { job: job.to_string(), folder, topics, now: TopicIds::UNKNOWN, prune_at: 1024, prune_at_bytes: 64 << 20, anew: false }
    }
}

/// Writes the epochs of one job.
pub struct Writer {
    settings: JournalSettings,
    checkpoints: Checkpoints,
    files: Option<ChangeFiles>,
    kept: KeptFiles,
    log: Log,
    state: State,
    /// The newest checkpoint for which it was looked what may go.
    looked_at: u64,
    /// Up to which epoch kept records were removed.
    forgotten: u64,
}

impl Writer {
    /// Takes over the job: from here on no earlier instance of it can write, and no later one can start. What the end of the last instance has left
    /// unfinished is finished.
    ///
    /// # Errors
    /// Another process has the job, or one of the topics is not the one that it has read, or the journal or the file of its last epoch cannot be read, or
    /// are not what was written.
    pub fn open(settings: JournalSettings, checkpoints: Checkpoints, files: Option<ChangeFiles>) -> Result<Writer, JournalError> {
        let (mut log, content) = Log::open(&settings.folder, &settings.job)?;
        let read = read(log.path(), &content, &settings.job)?;
        if let Some(before) = read.files.filter(|before| *before != files.is_some() && !settings.anew) {
            return Err(JournalError::OtherSink { path: log.path().to_path_buf(), before });
        }
        ids_of(log.path(), &read.state, &settings.topics)?.compare(&settings.now, &settings.topics)?;
        if read.end < content.len() {
            let bytes = content.len() - read.end;
            tracing::warn!(path = %log.path().display(), bytes, "The last line of the journal was written by half, and is cut off.");
            log.cut(read.end as u64)?;
        }
        let (is_new, is_old) = (read.files.is_none(), read.format.is_some_and(|format| format < FORMAT));
        let kept = KeptFiles::new(&settings.folder, settings.topics.clone());
        let mut writer = Writer { settings, checkpoints, files, kept, log, state: read.state, looked_at: 0, forgotten: 0 };
        let incarnation = writer.state.progress.incarnation + 1;
        if is_new {
            let journal = Record::Journal { format: FORMAT, job: writer.settings.job.clone(), files: writer.files.is_some() };
            writer.append(journal, false)?;
        }
        writer.append(Record::Start { incarnation }, true)?;
        if writer.state.history.is_none() {
            writer.append(Record::History(History::begin(writer.state.progress.epoch)), true)?;
        }
        if is_old {
            // So that an older version of the program, which could not read what comes, says that it is of another one.
            writer.rewrite()?;
        }
        if !writer.settings.anew {
            writer.finish_last()?;
        }
        let Progress { epoch, incarnation, .. } = writer.state.progress;
        tracing::info!(job = writer.settings.job, path = %writer.log.path().display(), epoch, incarnation, "The journal is ready.");
        Ok(writer)
    }

    /// What the last instance may have begun: a file whose epoch was not committed goes, and erasures are carried out to the end.
    fn finish_last(&mut self) -> Result<(), JournalError> {
        let Progress { epoch, .. } = self.state.progress;
        self.kept.remove(|kept| kept > epoch)?;
        if let Some(files) = &self.files {
            files.remove_after(epoch)?;
            if let Some(mark) = self.state.epochs.get(&epoch).and_then(|epoch| epoch.file) {
                files.check(epoch, mark)?;
            }
        }
        self.erase()
    }

    /// Appends a record, and takes it in. Only that of an epoch can be long.
    fn append(&mut self, record: Record, durable: bool) -> Result<(), JournalError> {
        let line = record.to_line();
        if line.len() > u32::MAX as usize {
            let (epoch, path) = (self.state.progress.epoch + 1, self.log.path().to_path_buf());
            let why = format!("it would take {} bytes, and a line has at most 4 GiB; lower epoch.max_events", line.len());
            return Err(JournalError::Recorded { epoch, path, why });
        }
        match self.log.append(&line, durable)? {
            true => self.state.apply(record).map_err(|why| self.damaged(why)),
            false => Err(self.overtaken()),
        }
    }

    /// Writes the journal anew, as short as it can be.
    fn rewrite(&mut self) -> Result<(), JournalError> {
        let records = self.state.records(&self.settings.job, self.files.is_some());
        let content: Vec<u8> = records.iter().flat_map(Record::to_line).collect();
        if self.log.replace(&content)? { Ok(()) } else { Err(self.overtaken()) }
    }

    /// Removes what is still there of the customers that were erased, in order of the epochs that erased them.
    fn erase(&mut self) -> Result<(), JournalError> {
        let erasing: Vec<u64> = self.state.epochs.values().filter(|epoch| !epoch.erased.is_empty()).map(|epoch| epoch.epoch).collect();
        for epoch in erasing {
            let erased = self.state.epochs.get(&epoch).map(|epoch| epoch.erased.clone()).unwrap_or_default();
            if let Some(files) = &self.files {
                let rewritten = files.erase(epoch, &erased)?;
                tracing::info!(epoch, rewritten, "What older files had of erased customers is gone.");
            }
            self.state.erase(epoch, &erased);
            self.rewrite()?;
        }
        Ok(())
    }

    /// Whoever has written: another instance, or nobody that is known.
    fn overtaken(&self) -> JournalError {
        let path = self.log.path();
        let content = log::content(&self.settings.folder).ok().flatten().unwrap_or_default();
        let current = read(path, &content, &self.settings.job).map(|read| read.state.progress.incarnation);
        match (current, self.state.progress.incarnation) {
            (Ok(current), own) if current > own => JournalError::Fenced { job: self.settings.job.clone(), own, current },
            _ => JournalError::Changed { path: path.to_path_buf() },
        }
    }

    fn damaged(&self, why: String) -> JournalError {
        JournalError::Damaged { path: self.log.path().to_path_buf(), at: self.log.length() as usize, why }
    }

    fn try_commit(&mut self, results: &EpochResults) -> Result<(), JournalError> {
        let recorded = self.state.progress.epoch;
        if results.epoch <= recorded {
            return Ok(());
        }
        if results.epoch != recorded + 1 {
            return Err(JournalError::Gap { job: self.settings.job.clone(), epoch: results.epoch, recorded });
        }
        let thresholds = self.thresholds(results)?;
        // Before the file too: an instance that was taken over must not touch one.
        if !self.log.is_own()? {
            return Err(self.overtaken());
        }
        let pending = self.state.pending + results.counts.pending;
        let file = self.files.as_mut().map(|files| files.write(results, pending)).transpose()?;
        if !results.kept.is_empty() {
            self.kept.write(results.epoch, &results.kept)?;
        }
        self.append(Record::Epoch(Box::new(self.record(results, thresholds, pending, file))), true)?;
        if results.erasures.is_empty() { Ok(()) } else { self.erase() }
    }

    /// The thresholds of an epoch, of which none may differ from one that is published.
    fn thresholds(&self, results: &EpochResults) -> Result<BTreeMap<Day, u64>, JournalError> {
        let differs = |&(day, now): &(Day, u64)| {
            let published = self.state.thresholds.get(&day).copied().filter(|published| *published != now)?;
            Some(JournalError::Threshold { day, published, now })
        };
        match results.thresholds.iter().find_map(differs) {
            Some(error) => Err(error),
            None => Ok(results.thresholds.iter().copied().collect()),
        }
    }

    fn record(&self, results: &EpochResults, thresholds: BTreeMap<Day, u64>, pending: i64, file: Option<FileMark>) -> Epoch {
        Epoch {
            epoch: results.epoch,
            incarnation: self.state.progress.incarnation,
            watermark: results.closed.watermark,
            offsets: offsets_by_name(&results.closed.offsets, &self.settings.topics),
            topics: results.topic_ids.named(&self.settings.topics),
            digest: hexadecimal(&results.digest),
            records: results.counts.records,
            chain: results.chain,
            pending,
            thresholds,
            file,
            erased: erased(results),
            erasures: results.erasures.iter().map(|erasure| (erasure.customer, erasure.until)).collect(),
            decisions: results.decisions.clone(),
            rejected: results.rejected.clone(),
        }
    }

    /// Writes the journal anew without the epochs that no checkpoint needs any more, if they are many or it is long.
    fn prune(&mut self, newest: u64) -> Result<(), SinkError> {
        let JournalSettings { prune_at, prune_at_bytes, .. } = self.settings;
        let wanted = if self.log.length() >= prune_at_bytes { 1 } else { prune_at.max(1) };
        if self.state.forgettable(newest) < wanted {
            return Ok(());
        }
        let complete = self.checkpoints.list().map_err(JournalError::from)?.into_iter().filter(|listed| listed.problem.is_none());
        let Some(oldest) = complete.map(|listed| listed.epoch).min() else { return Ok(()) };
        let epochs = self.state.forgettable(oldest);
        if epochs >= wanted {
            self.state.forget_before(oldest);
            self.rewrite()?;
            tracing::info!(epochs, oldest, "The journal is written anew without the epochs from before the oldest checkpoint.");
        }
        Ok(())
    }

    /// Makes sure that nobody else has written.
    pub(super) fn confirm(&self) -> Result<(), JournalError> {
        if self.log.is_own()? { Ok(()) } else { Err(self.overtaken()) }
    }

    /// What is owed of the epochs after `after` up to `through`.
    pub(super) fn owed(&self, after: u64, through: u64) -> Stretch {
        self.state.owed(after, through, &self.settings.topics)
    }

    /// How much is owed of the epochs after `after` up to `through`.
    pub(super) fn backlog(&self, after: u64, through: u64) -> Backlog {
        self.state.backlog(after, through)
    }

    /// Moves the mark of what is published, if it stands at `from`. Not waited for: without it the
    /// same is published once more.
    pub(super) fn advance(&mut self, from: u64, to: u64) -> Result<u64, JournalError> {
        if self.state.progress.published == from {
            self.append(Record::Published(to), false)?;
        }
        Ok(self.state.progress.published)
    }

    fn positions(&self, epoch: u64, named: &crate::sink::Offsets) -> Result<Positions, JournalError> {
        let path = || self.log.path().to_path_buf();
        offsets_of(named, &self.settings.topics).map_err(|why| JournalError::Recorded { epoch, path: path(), why })
    }

    fn recorded(&self, epoch: &Epoch) -> Result<RecordedEpoch, JournalError> {
        // Whatever is no digest was refused when it was read.
        let digest = digest_from_hex(&epoch.digest).unwrap_or_default();
        let offsets = self.positions(epoch.epoch, &epoch.offsets)?;
        let damaged = |why| JournalError::Recorded { epoch: epoch.epoch, path: self.log.path().to_path_buf(), why };
        let topic_ids = TopicIds::of_named(&epoch.topics, &self.settings.topics).map_err(damaged)?;
        let Epoch { watermark, records, chain, .. } = *epoch;
        Ok(RecordedEpoch { epoch: epoch.epoch, watermark, offsets, digest, records, topic_ids, chain })
    }
}

impl Sink for Writer {
    fn job(&self) -> &str {
        &self.settings.job
    }

    fn progress(&self) -> Progress {
        self.state.progress
    }

    fn recorded_epochs(&mut self, after: u64) -> Result<Vec<RecordedEpoch>, SinkError> {
        let epochs = self.state.epochs.range(after.saturating_add(1)..);
        Ok(epochs.map(|(_, epoch)| self.recorded(epoch)).collect::<Result<_, _>>()?)
    }

    fn starts(&mut self) -> Result<Option<Positions>, SinkError> {
        Ok(self.state.starts.as_ref().map(|starts| self.positions(0, starts)).transpose()?)
    }

    fn set_starts(&mut self, offsets: &[(Topic, u32, u64)]) -> Result<(), SinkError> {
        Ok(self.append(Record::Starts(offsets_by_name(offsets, &self.settings.topics)), true)?)
    }

    fn history(&mut self) -> Result<History, SinkError> {
        Ok(self.state.history.ok_or_else(|| self.damaged("it does not say where the chain of its epochs begins".to_string()))?)
    }

    fn topic_ids(&mut self) -> Result<TopicIds, SinkError> {
        Ok(ids_of(self.log.path(), &self.state, &self.settings.topics)?)
    }

    fn set_topic_ids(&mut self, ids: &TopicIds) -> Result<(), SinkError> {
        Ok(self.append(Record::Topics(ids.named(&self.settings.topics)), true)?)
    }

    /// The journal first: files without their epochs are removed at the next start, too.
    fn forget(&mut self, starts: &[(Topic, u32, u64)], ids: &TopicIds) -> Result<(), SinkError> {
        let progress = Progress { incarnation: self.state.progress.incarnation, ..Progress::default() };
        let (starts, topics) = (Some(offsets_by_name(starts, &self.settings.topics)), ids.named(&self.settings.topics));
        let erased = std::mem::take(&mut self.state.erased);
        self.state = State { progress, starts, topics, erased, history: Some(History::begin(0)), ..State::default() };
        self.rewrite()?;
        self.kept.remove(|_| true)?;
        self.forgotten = 0;
        Ok(self.files.as_ref().map_or(Ok(()), |files| files.remove_after(0)).map_err(JournalError::from)?)
    }

    /// After an error nobody knows what lies on the disk, so nothing is tried again: the next start reads it.
    fn commit(&mut self, results: &EpochResults) -> Result<Commit, SinkError> {
        let started = Instant::now();
        self.try_commit(results)?;
        Ok(Commit { epoch: results.epoch, took: started.elapsed(), retries: 0 })
    }

    fn erasures(&mut self, after: u64) -> Result<Vec<(u64, CustomerId, Millis)>, SinkError> {
        let epochs = self.state.epochs.range(after.saturating_add(1)..);
        Ok(epochs.flat_map(|(&number, epoch)| epoch.erasures.iter().map(move |&(customer, until)| (number, customer, until))).collect())
    }

    fn erased(&mut self) -> Result<Vec<(CustomerId, Millis)>, SinkError> {
        Ok(self.state.erased.iter().map(|(&customer, &until)| (customer, until)).collect())
    }

    fn kept(&mut self, after: u64) -> Result<Vec<KeptAt>, SinkError> {
        Ok(self.kept.all_after(after)?)
    }

    /// That it fails does not end the job: the journal is only longer than it need be, or there are more files beside it.
    fn checkpointed(&mut self, newest: u64, oldest: u64) {
        if oldest > self.forgotten {
            match self.kept.remove(|epoch| epoch <= oldest) {
                Ok(()) => self.forgotten = oldest,
                Err(error) => tracing::warn!("Kept records are not removed, and will be after the next checkpoint: {error}."),
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

/// What the content of a journal comes to.
struct Read {
    state: State,
    /// The version of its records; `None` for a journal that has not begun.
    format: Option<u32>,
    /// Whether each epoch has a file; `None` for a journal that has not begun.
    files: Option<bool>,
    /// Where the last whole line ends.
    end: usize,
}

fn read(path: &Path, content: &[u8], job: &str) -> Result<Read, JournalError> {
    let damaged = |at: usize, why: String| JournalError::Damaged { path: path.to_path_buf(), at, why };
    let lines = split(content).map_err(|at| damaged(at, "a line is not the one that was written".to_string()))?;
    let mut read = Read { state: State::default(), format: None, files: None, end: lines.end };
    for (at, json) in lines.records {
        if let (None, Some(found)) = (read.files, format_of(json).filter(|found| !(OLDEST_FORMAT..=FORMAT).contains(found))) {
            return Err(JournalError::Format { path: path.to_path_buf(), found });
        }
        let record: Record = serde_json::from_str(json).map_err(|error| damaged(at, format!("a record cannot be read: {error}")))?;
        match (&record, read.files) {
            (Record::Journal { job: own, files, format }, None) if own == job => (read.files, read.format) = (Some(*files), Some(*format)),
            (Record::Journal { job: own, .. }, None) => return Err(damaged(at, format!("it is the journal of job {own:?}"))),
            (Record::Journal { .. }, Some(_)) | (_, None) => return Err(damaged(at, "it does not begin as a journal does".to_string())),
            _ => {}
        }
        read.state.apply(record).map_err(|why| damaged(at, why))?;
    }
    Ok(read)
}

/// The format that a journal of any version says it has in its first line.
fn format_of(json: &str) -> Option<u32> {
    let first: serde_json::Value = serde_json::from_str(json).ok()?;
    first.get("journal")?.get("format")?.as_u64().and_then(|format| u32::try_from(format).ok())
}

/// The ids of the topics that the job has read.
fn ids_of(path: &Path, state: &State, names: &TopicNames) -> Result<TopicIds, JournalError> {
    TopicIds::of_named(&state.topics, names).map_err(|why| JournalError::Recorded { epoch: 0, path: path.to_path_buf(), why })
}

/// Where a job stands, and the ids of the topics that it has read, by the journal in a folder, whoever has it and without changing anything; `None` where there is none.
///
/// # Errors
/// It cannot be read, or is not what was written.
pub fn inspect(folder: &Path, job: &str, topics: &TopicNames) -> Result<Option<(Progress, TopicIds)>, JournalError> {
    let Some(content) = log::content(folder)? else { return Ok(None) };
    let path = log::path_in(folder);
    let state = read(&path, &content, job)?.state;
    Ok(Some((state.progress, ids_of(&path, &state, topics)?)))
}
