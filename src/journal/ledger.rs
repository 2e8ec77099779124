//! What a journal says of a job, read as a whole and without changing anything.

use super::error::JournalError;
use super::kept::KeptFiles;
use super::log;
use super::record::{Epoch, FORMAT, JournalRecord, OLDEST_FORMAT, SkippedOffsets, split};
use super::state::JournalState;
use super::writer::JournalSettings;
use crate::files::changes::ChangeFiles;
use crate::hexadecimal::digest_from_hex;
use crate::sink::applied::AppliedSettings;
use crate::sink::kept::KeptAt;
use crate::sink::notices::{NoticeForm, Notices};
use crate::sink::{Genesis, Progress, RecordedEpoch, Records, SinkError};
use crate::source::{Loss, Offsets, Positions, TopicNames, TopicUuids, offsets_of};
use dataflows::event::{CustomerId, Millis};
use std::path::{Path, PathBuf};

/// What the content of a journal comes to, and what lies beside it.
pub struct Ledger {
    job: String,
    path: PathBuf,
    topics: TopicNames,
    /// The records that are kept.
    pub kept: KeptFiles,
    /// Where the job stands.
    pub state: JournalState,
    /// The version of its records; `None` for a journal that has not begun.
    pub format: Option<u32>,
    /// Whether each epoch has a file; `None` for a journal that has not begun.
    pub files: Option<bool>,
    /// Where the last whole line ends.
    pub end: usize,
}

impl Ledger {
    /// Looks at the journal of a job, whoever has it, and makes sure that the job can go on with
    /// it. One that is not there yet says nothing.
    ///
    /// # Errors
    /// It cannot be read or is not what was written, or what [`check`](Ledger::check) finds.
    pub fn survey(
        settings: &JournalSettings,
        files: Option<&ChangeFiles>,
    ) -> Result<Ledger, JournalError> {
        let content = log::content(&settings.folder)?.unwrap_or_default();
        let ledger = Ledger::read(settings, &content)?;
        ledger.check(settings, files)?;
        Ok(ledger)
    }

    /// Reads the content of a journal.
    ///
    /// # Errors
    /// [`JournalError::Damaged`], [`JournalError::Format`].
    pub fn read(settings: &JournalSettings, content: &[u8]) -> Result<Ledger, JournalError> {
        let path = log::path_in(&settings.folder);
        let damaged =
            |at: usize, why: String| JournalError::Damaged { path: path.clone(), at, why };
        let lines = split(content)
            .map_err(|at| damaged(at, "a line is not the one that was written".to_string()))?;
        let (mut state, mut format, mut files) = (JournalState::default(), None, None);
        for (at, json) in lines.records {
            if let (None, Some(found)) =
                (files, format_of(json).filter(|found| !(OLDEST_FORMAT..=FORMAT).contains(found)))
            {
                return Err(JournalError::Format { path, found });
            }
            let record: JournalRecord = serde_json::from_str(json)
                .map_err(|error| damaged(at, format!("a record cannot be read: {error}")))?;
            match (&record, files) {
                (JournalRecord::Journal { job, files: own, format: of }, None)
                    if *job == settings.job =>
                {
                    (files, format) = (Some(*own), Some(*of))
                }
                (JournalRecord::Journal { job, .. }, None) => {
                    return Err(damaged(at, format!("it is the journal of job {job:?}")));
                }
                (JournalRecord::Journal { .. }, Some(_)) | (_, None) => {
                    return Err(damaged(at, "it does not begin as a journal does".to_string()));
                }
                _ => {}
            }
            check_notices(&record, settings.wording.notices()).map_err(|why| damaged(at, why))?;
            state.apply(record).map_err(|why| damaged(at, why))?;
        }
        let kept = KeptFiles::new(
            &settings.folder,
            settings.topics.clone(),
            state.history.map(|history| history.identity),
        );
        Ok(Ledger {
            job: settings.job.clone(),
            path,
            topics: settings.topics.clone(),
            kept,
            state,
            format,
            files,
            end: lines.end,
        })
    }

    /// Makes sure that the job of these settings can go on with it.
    ///
    /// # Errors
    /// [`JournalError::OtherSink`], [`JournalError::Remade`], or that there are files of another
    /// history, or the file of its last epoch is not the one that was written.
    pub fn check(
        &self,
        settings: &JournalSettings,
        files: Option<&ChangeFiles>,
    ) -> Result<(), JournalError> {
        if let Some(before) =
            self.files.filter(|before| *before != files.is_some() && !settings.anew)
        {
            return Err(JournalError::OtherSink { path: self.path.clone(), before });
        }
        self.ids()?.compare(&settings.now, &settings.topics)?;
        let own = self.files.map(|_| self.state.identities());
        files.map(|files| files.check_history(own.as_deref())).transpose()?;
        let last = self.state.epochs.get(&self.state.progress.epoch);
        if let (Some(files), Some(mark), false) =
            (files, last.and_then(|epoch| epoch.file), settings.anew)
        {
            files.check(self.state.progress.epoch, mark)?;
        }
        Ok(())
    }

    /// Gives a history that does not say yet which it is its identity, and says which that is.
    pub fn identify(&mut self) -> Option<Genesis> {
        if self.state.history.is_some() {
            return None;
        }
        let history = Genesis::begin(self.state.progress.epoch);
        self.state.history = Some(history);
        self.kept = self.kept.of(history.identity);
        Some(history)
    }

    fn ids(&self) -> Result<TopicUuids, JournalError> {
        let named = TopicUuids::of_named(&self.state.topics, &self.topics);
        named.map_err(|why| JournalError::Recorded { epoch: 0, path: self.path.clone(), why })
    }

    fn positions(&self, epoch: u64, named: &Offsets) -> Result<Positions, JournalError> {
        offsets_of(named, &self.topics).map_err(|why| JournalError::Recorded {
            epoch,
            path: self.path.clone(),
            why,
        })
    }

    fn loss(&self, lost: &SkippedOffsets) -> Result<Loss, JournalError> {
        let &SkippedOffsets { epoch, ref topic, partition, first, next } = lost;
        let why = || format!("it has given up offsets of topic `{topic}`, which is not configured");
        let topic = self.topics.named(topic).ok_or_else(|| JournalError::Recorded {
            epoch,
            path: self.path.clone(),
            why: why(),
        })?;
        Ok(Loss { epoch, topic, partition, first, next })
    }

    fn recorded(&self, epoch: &Epoch) -> Result<RecordedEpoch, JournalError> {
        // Whatever is no digest was refused when it was read.
        let digest = digest_from_hex(&epoch.digest).unwrap_or_default();
        let offsets = self.positions(epoch.epoch, &epoch.offsets)?;
        let damaged =
            |why| JournalError::Recorded { epoch: epoch.epoch, path: self.path.clone(), why };
        let topic_ids = TopicUuids::of_named(&epoch.topics, &self.topics).map_err(damaged)?;
        let Epoch { watermark, records, chain, .. } = *epoch;
        Ok(RecordedEpoch {
            epoch: epoch.epoch,
            watermark,
            offsets,
            digest,
            records,
            topic_ids,
            chain,
        })
    }
}

impl Records for Ledger {
    fn job(&self) -> &str {
        &self.job
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

    /// One that does not say it yet gets it when the job is taken over.
    fn history(&mut self) -> Result<Genesis, SinkError> {
        Ok(self.state.history.unwrap_or_else(|| Genesis::begin(self.state.progress.epoch)))
    }

    fn topic_ids(&mut self) -> Result<TopicUuids, SinkError> {
        Ok(self.ids()?)
    }

    fn applied(&mut self) -> Result<AppliedSettings, SinkError> {
        Ok(self.state.applied.clone())
    }

    fn losses(&mut self) -> Result<Vec<Loss>, SinkError> {
        Ok(self.state.losses.iter().map(|lost| self.loss(lost)).collect::<Result<_, _>>()?)
    }

    fn erasures(&mut self, after: u64) -> Result<Vec<(u64, CustomerId, Millis)>, SinkError> {
        let epochs = self.state.epochs.range(after.saturating_add(1)..);
        Ok(epochs
            .flat_map(|(&number, epoch)| {
                epoch.erasures.iter().map(move |&(customer, until)| (number, customer, until))
            })
            .collect())
    }

    fn erased(&mut self) -> Result<Vec<(CustomerId, Millis)>, SinkError> {
        Ok(self.state.erased.iter().map(|(&customer, &until)| (customer, until)).collect())
    }

    /// Not what an epoch has left that was never committed.
    fn kept(&mut self, after: u64) -> Result<Vec<KeptAt>, SinkError> {
        let mut kept = self.kept.all_after(after)?;
        kept.retain(|kept| kept.epoch <= self.state.progress.epoch);
        Ok(kept)
    }
}

/// Makes sure that the notices of a record read back, where their form is known.
fn check_notices(record: &JournalRecord, form: Option<&dyn NoticeForm>) -> Result<(), String> {
    let (JournalRecord::Epoch(epoch), Some(form)) = (record, form) else { return Ok(()) };
    let parsed = epoch.notices.iter().map(|text| form.parse(text, &mut Notices::default()));
    parsed.collect::<Result<(), _>>().map_err(|why| format!("a record cannot be read: {why}"))
}

/// The format that a journal of any version says it has in its first line.
fn format_of(json: &str) -> Option<u32> {
    let first: serde_json::Value = serde_json::from_str(json).ok()?;
    first.get("journal")?.get("format")?.as_u64().and_then(|format| u32::try_from(format).ok())
}

/// Where a job stands, and the ids of the topics that it has read, by the journal in a folder,
/// whoever has it and without changing anything; `None` where there is none.
///
/// # Errors
/// It cannot be read, or is not what was written.
pub fn inspect(
    folder: &Path,
    job: &str,
    topics: &TopicNames,
) -> Result<Option<(Progress, TopicUuids)>, JournalError> {
    let Some(content) = log::content(folder)? else { return Ok(None) };
    let settings = JournalSettings {
        topics: topics.clone(),
        ..JournalSettings::new(job, folder.to_path_buf())
    };
    let ledger = Ledger::read(&settings, &content)?;
    Ok(Some((ledger.state.progress, ledger.ids()?)))
}
