//! What the epochs in the tables have to publish, and the mark of how far it is published, on a
//! session of its own: neither waits for a commit, nor a commit for either.

mod statements;

use self::statements::OwedSelects;
use super::connection;
use super::encode::Timestamp;
use super::error::PostgresError;
use super::recorded;
use super::settings::PostgresSettings;
use crate::sink::notices::NoticeForm;
use crate::sink::outbox::{self, Backlog, Letter, Owed, STRETCH_RECORDS, Stretch, Tombstone};
use crate::sink::{Progress, SinkError};
use crate::table::cells::Cells;
use dataflows::event::{Millis, Place, Whose};
use postgres::{Client, Row};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// A mark that a crash of the server takes back is set again: what it stood for is published once
/// more, which is allowed.
const SESSION: &str = "SET synchronous_commit = off";

/// A compare-and-set: the mark moves from where it was left, by the instance that has the job.
const ADVANCE: &str =
    "UPDATE progress SET published = $3 WHERE job = $1 AND published = $2 AND incarnation = $4";

/// The outbox of one instance of a job.
pub struct PostgresOutbox {
    settings: PostgresSettings,
    statements: OwedSelects,
    incarnation: i64,
    client: Option<Client>,
}

impl PostgresOutbox {
    /// Of the instance with this incarnation; it connects when it is asked for something.
    pub fn new(settings: PostgresSettings, incarnation: i64) -> Self {
        let statements = OwedSelects::of(settings.wording.as_ref());
        PostgresOutbox { settings, statements, incarnation, client: None }
    }

    /// Does something in the session, which is not used again where that fails.
    fn with<T>(
        &mut self,
        act: impl FnOnce(&mut Client, &PostgresSettings, &OwedSelects) -> Result<T, PostgresError>,
    ) -> Result<T, PostgresError> {
        let mut client = match self.client.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => {
                let mut client = connection::connect(&self.settings)?;
                client
                    .batch_execute(SESSION)
                    .map_err(PostgresError::statement("set up the session"))?;
                client
            }
        };
        let result = act(&mut client, &self.settings, &self.statements)?;
        self.client = Some(client);
        Ok(result)
    }

    /// Where the job stands, if this instance still has it.
    fn progress(&mut self, epoch: u64) -> Result<Progress, PostgresError> {
        let own = self.incarnation;
        self.with(|client, settings, _| {
            let job = || settings.job.clone();
            match recorded::progress(client, &settings.job)? {
                None => Err(PostgresError::NoProgress(job())),
                Some(at) if at.incarnation != own => {
                    Err(PostgresError::Fenced { job: job(), epoch, own, current: at.incarnation })
                }
                Some(at) => Ok(at),
            }
        })
    }
}

impl outbox::Outbox for PostgresOutbox {
    fn confirm(&mut self, epoch: u64) -> Result<(), SinkError> {
        Ok(self.progress(epoch).map(|_| ())?)
    }

    fn owed(&mut self, after: u64, through: u64) -> Result<Stretch, SinkError> {
        Ok(self.with(|client, settings, statements| {
            let through = extent(client, statements, after, through)?;
            let form = settings.wording.notices();
            Ok(Stretch { epochs: epochs(client, statements, form, after, through)?, through })
        })?)
    }

    fn backlog(&mut self, after: u64, through: u64) -> Result<Backlog, SinkError> {
        Ok(self.with(|client, settings, statements| {
            let Some(backlog) = &statements.backlog else { return Ok(Backlog::default()) };
            let row = client
                .query_one(backlog, &[&(after as i64), &(through as i64), &settings.job])
                .map_err(PostgresError::statement("count what is not published"))?;
            let oldest = row
                .get::<_, Option<f64>>(1)
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            Ok(Backlog { records: row.get::<_, i64>(0) as u64, oldest })
        })?)
    }

    fn advance(&mut self, from: u64, to: u64) -> Result<u64, SinkError> {
        let own = self.incarnation;
        let moved = self.with(|client, settings, _| {
            client
                .execute(ADVANCE, &[&settings.job, &(from as i64), &(to as i64), &own])
                .map_err(PostgresError::statement("record what is published"))
        })?;
        if moved == 1 { Ok(to) } else { Ok(self.progress(to)?.published) }
    }
}

/// The last epoch of a stretch of so many records: what one epoch has is read together.
fn extent(
    client: &mut Client,
    statements: &OwedSelects,
    after: u64,
    through: u64,
) -> Result<u64, PostgresError> {
    let Some(extent) = &statements.extent else { return Ok(through) };
    let row = client
        .query_one(extent, &[&(after as i64), &(through as i64), &(STRETCH_RECORDS as i64)])
        .map_err(PostgresError::statement("find what is not published"))?;
    let (records, ends): (i64, Option<(i64, i64)>) =
        (row.get(0), row.get::<_, Option<i64>>(1).zip(row.get(2)));
    Ok(match ends {
        Some((first, last)) if records >= STRETCH_RECORDS as i64 => {
            if first < last {
                last as u64 - 1
            } else {
                last as u64
            }
        }
        _ => through,
    })
}

fn epochs(
    client: &mut Client,
    statements: &OwedSelects,
    form: Option<&dyn NoticeForm>,
    after: u64,
    through: u64,
) -> Result<Vec<Owed>, PostgresError> {
    let mut epochs: BTreeMap<u64, Owed> = BTreeMap::new();
    let mut read = |statement: &Option<String>, doing: Cow<'static, str>| {
        let Some(statement) = statement else { return Ok(Vec::new()) };
        client
            .query(statement, &[&(after as i64), &(through as i64)])
            .map_err(PostgresError::statement(doing))
    };
    const ERASURES: Cow<'static, str> = Cow::Borrowed("read what erasures owe");
    for row in &read(&statements.erased, ERASURES)? {
        entry(&mut epochs, row).tombstones.push(Tombstone::Notices(row.get(1)));
    }
    for row in &read(&statements.blanked, ERASURES)? {
        entry(&mut epochs, row).tombstones.push(Tombstone::Letter(row.get(1), place_of(row, 2)));
    }
    if let Some(form) = form {
        for row in &read(&statements.again, ERASURES)? {
            form.read(&BehindEpoch(row), &mut entry(&mut epochs, row).again);
        }
        for row in &read(&statements.notices, format!("read the {}s", form.noun()).into())? {
            form.read(&BehindEpoch(row), &mut entry(&mut epochs, row).notices);
        }
    }
    for row in &read(&statements.letters, "read the dead letters".into())? {
        entry(&mut epochs, row).letters.push(letter_of(row));
    }
    let mut epochs: Vec<Owed> = epochs.into_values().collect();
    epochs.iter_mut().for_each(Owed::sort);
    Ok(epochs)
}

/// The epoch of a row.
fn entry<'a>(epochs: &'a mut BTreeMap<u64, Owed>, row: &Row) -> &'a mut Owed {
    let epoch = row.get::<_, i64>(0) as u64;
    epochs.entry(epoch).or_insert_with(|| Owed { epoch, ..Owed::default() })
}

/// The columns of a row behind its epoch.
struct BehindEpoch<'a>(&'a Row);

impl Cells for BehindEpoch<'_> {
    fn optional_smallint(&self, column: usize) -> Option<i16> {
        self.0.get(column + 1)
    }

    fn bigint(&self, column: usize) -> i64 {
        self.0.get(column + 1)
    }

    fn float8(&self, column: usize) -> f64 {
        self.0.get(column + 1)
    }

    fn timestamp(&self, column: usize) -> Millis {
        self.0.get::<_, Timestamp>(column + 1).0
    }

    fn text(&self, column: usize) -> String {
        self.0.get(column + 1)
    }

    fn smallints(&self, column: usize) -> Vec<i16> {
        self.0.get(column + 1)
    }

    fn float8s(&self, column: usize) -> Vec<f64> {
        self.0.get(column + 1)
    }
}

/// A place, from the column of its partition on.
fn place_of(row: &Row, column: usize) -> Place {
    Place::new(row.get::<_, i32>(column) as u32, row.get::<_, i64>(column + 1) as u64)
}

fn letter_of(row: &Row) -> Letter {
    Letter {
        topic: row.get(1),
        place: place_of(row, 2),
        reason: Cow::Owned(row.get(4)),
        detail: row.get(5),
        raw: row.get(6),
        whose: row
            .get::<_, Option<i64>>(7)
            .map(|customer| Whose { customer, dated: row.get::<_, Timestamp>(8).0 }),
    }
}
