//! Taking a job over that has a journal.

use super::{JournalSettings, JournalWriter};
use crate::checkpoint::Checkpoints;
use crate::files::changes::ChangeFiles;
use crate::journal::error::JournalError;
use crate::journal::ledger::Ledger;
use crate::journal::log::Log;
use crate::journal::record::{FORMAT, JournalRecord};
use crate::sink::{Genesis, Progress, Records};

impl JournalWriter {
    /// Takes over the job: from here on no earlier instance of it can write, and no later one can
    /// start. What the end of the last instance has left unfinished is finished.
    ///
    /// What is recorded is settled first, while nobody else can change it: where `settle` refuses,
    /// nothing is written.
    ///
    /// # Errors
    /// That of `settle`, or another process has the job or its files, or one of the topics is not
    /// the one that it has read, or the journal or the file of its last epoch cannot be read, or
    /// are not what was written.
    pub fn open_settling<S, E: From<JournalError>>(
        settings: JournalSettings,
        checkpoints: Checkpoints,
        mut files: Option<ChangeFiles>,
        settle: impl FnOnce(&mut dyn Records) -> Result<S, E>,
    ) -> Result<(JournalWriter, S), E> {
        let (log, content) = Log::open(&settings.folder, &settings.job)?;
        files.as_mut().map(ChangeFiles::hold).transpose().map_err(JournalError::from)?;
        let mut ledger = Ledger::read(&settings, &content)?;
        ledger.check(&settings, files.as_ref())?;
        let begins = ledger.identify();
        let settled = settle(&mut ledger)?;
        Ok((
            JournalWriter::begin(
                settings,
                checkpoints,
                files,
                (log, content.len()),
                ledger,
                begins,
            )?,
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
    ) -> Result<JournalWriter, JournalError> {
        JournalWriter::open_settling(settings, checkpoints, files, |_| Ok(()))
            .map(|(writer, ())| writer)
    }

    fn begin(
        settings: JournalSettings,
        checkpoints: Checkpoints,
        files: Option<ChangeFiles>,
        (mut log, length): (Log, usize),
        ledger: Ledger,
        begins: Option<Genesis>,
    ) -> Result<JournalWriter, JournalError> {
        if ledger.end < length {
            let bytes = length - ledger.end;
            tracing::warn!(path = %log.path().display(), bytes, "The last line of the journal was \
                written by half, and is cut off.");
            log.cut(ledger.end as u64)?;
        }
        let (is_new, is_old) =
            (ledger.files.is_none(), ledger.format.is_some_and(|format| format < FORMAT));
        let mut writer = JournalWriter {
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
            let journal = JournalRecord::Journal {
                format: FORMAT,
                job: writer.settings.job.clone(),
                files: writer.files.is_some(),
            };
            writer.append(journal, false)?;
        }
        writer.append(JournalRecord::Start { incarnation }, true)?;
        if let Some(history) = begins {
            writer.append(JournalRecord::History(history), true)?;
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
        let (job, path) = (&writer.settings.job, writer.log.path().display());
        tracing::info!(job, %path, epoch, incarnation, "The journal is ready.");
        Ok(writer)
    }
}
