//! The sink that a configuration asks for, PostgreSQL or the journal, and the outbox of its epochs.

use crate::checkpoint::Checkpoints;
use crate::config::types::Config;
use crate::files::changes::ChangeFiles;
use crate::journal::kept::KeptFiles;
use crate::journal::{self, JournalError, JournalSettings, Ledger};
use crate::postgres::{self, KeptRows, PostgresError, PostgresSettings};
use crate::sink::kept::KeptReader;
use crate::sink::outbox::Outbox;
use crate::sink::{Link, Records, Sink, SinkError, Trouble};
use crate::source::TopicUuids;
use std::path::PathBuf;
use std::sync::Arc;

/// A sink, and the way to what its epochs have to publish.
pub type Opened = (Box<dyn Sink>, Box<dyn Outbox>);

/// How a job is taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// Everything will be forgotten at once.
    pub anew: bool,
    /// The first epoch is a change of settings: until then everything is of the former ones.
    pub changes: bool,
}

/// Looks at what is recorded of the job of a configuration, and makes sure that [`open`] can take
/// it over; nothing is changed, and whoever has the job is not disturbed.
///
/// # Errors
/// Whatever would keep the sink from going on where it was.
pub fn survey(
    config: &Config,
    postgres: &PostgresSettings,
    now: &TopicUuids,
    trouble: &Trouble,
    anew: bool,
) -> Result<Box<dyn Records>, SinkError> {
    let now = if anew { TopicUuids::UNKNOWN } else { *now };
    let Some(folder) = config.journal_folder() else {
        return Ok(Box::new(postgres::Survey::open(postgres.clone(), &now, anew, trouble)?));
    };
    Ok(Box::new(Ledger::survey(
        &journal_settings(config, postgres, folder, now, anew),
        change_files(config, postgres).as_ref(),
    )?))
}

fn journal_settings(
    config: &Config,
    postgres: &PostgresSettings,
    folder: PathBuf,
    now: TopicUuids,
    anew: bool,
) -> JournalSettings {
    JournalSettings {
        topics: config.topic_names(),
        wording: Arc::clone(&postgres.wording),
        now,
        anew,
        ..JournalSettings::new(&config.job, folder)
    }
}

fn change_files(config: &Config, postgres: &PostgresSettings) -> Option<ChangeFiles> {
    config.files.dir.as_deref().map(|dir| ChangeFiles::new(dir, postgres.clone()))
}

/// Takes over the job of a configuration, unless one of the topics, which `now` have these ids, is
/// not the one that it has read. `trouble` is told why a database is waited for.
///
/// What is recorded `settle` judges while nobody else can change it, as often as the database is
/// tried; where it refuses, nothing has changed, and nobody was disturbed.
///
/// # Errors
/// That of `settle`, or whatever keeps the sink from going on where it was.
pub fn open<S, E: From<SinkError>>(
    config: &Config,
    postgres: &PostgresSettings,
    checkpoints: &Checkpoints,
    now: &TopicUuids,
    trouble: Trouble,
    manner: Manner,
    mut settle: impl FnMut(&mut dyn Records) -> Result<S, E>,
) -> Result<(Opened, S), E> {
    let Manner { anew, changes } = manner;
    // What is made anew may be made of other topics.
    let now = if anew { TopicUuids::UNKNOWN } else { *now };
    let Some(folder) = config.journal_folder() else {
        let settings = PostgresSettings { changes, anew, ..postgres.clone() };
        let opened = postgres::Writer::open_settling(settings, now, trouble, |records| {
            settle(records).map_err(Unsettled::Refused)
        });
        let (writer, settled) = opened.map_err(Unsettled::into_cause)?;
        let outbox = postgres::PostgresOutbox::new(postgres.clone(), writer.progress().incarnation);
        return Ok(((Box::new(writer), Box::new(outbox)), settled));
    };
    match &config.files.dir {
        Some(dir) => {
            tracing::info!(dir = %dir.display(), "There is no database: the changes of each epoch \
                go into a file.")
        }
        None => tracing::info!(
            "There is no database and no files.dir: results are published, shown and counted, and \
             not kept."
        ),
    }
    let settings = journal_settings(config, postgres, folder, now, anew);
    let files = change_files(config, postgres);
    let opened =
        journal::JournalWriter::open_settling(settings, checkpoints.clone(), files, |records| {
            settle(records).map_err(Unsettled::Refused)
        });
    let (writer, settled) = opened.map_err(Unsettled::into_cause)?;
    let (journal, outbox) = journal::share(writer, trouble);
    Ok(((Box::new(journal), Box::new(outbox)), settled))
}

/// Why a job is not taken over.
enum Unsettled<E> {
    Refused(E),
    Sink(SinkError),
}

impl<E: From<SinkError>> Unsettled<E> {
    fn into_cause(self) -> E {
        match self {
            Unsettled::Refused(error) => error,
            Unsettled::Sink(error) => error.into(),
        }
    }
}

impl<E> From<PostgresError> for Unsettled<E> {
    fn from(error: PostgresError) -> Self {
        Unsettled::Sink(error.into())
    }
}

impl<E> From<JournalError> for Unsettled<E> {
    fn from(error: JournalError) -> Self {
        Unsettled::Sink(error.into())
    }
}

/// Reads what the sink of this configuration keeps, in any process of the job, whose history has
/// this identity. Nothing is connected before the first records are asked for.
pub fn kept_reader(
    config: &Config,
    postgres: PostgresSettings,
    identity: Link,
) -> Box<dyn KeptReader> {
    match config.journal_folder() {
        Some(folder) => Box::new(KeptFiles::new(&folder, config.topic_names(), Some(identity))),
        None => Box::new(KeptRows::new(postgres)),
    }
}
