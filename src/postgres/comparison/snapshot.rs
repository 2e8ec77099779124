//! All tables as of one commit, in a transaction that only reads.
//!
//! What the job commits meanwhile is not seen, so the epoch that is recorded in the snapshot and
//! the rows beside it always agree. The transaction takes no lock that a writer waits for; while it
//! is open, though, the server keeps the old versions of rows.

use super::blocks::EpochBlocks;
use super::copied::CopyRows;
use super::difference::Findings;
use super::doubt::Doubt;
use super::expected::Expected;
use super::kept::Retained;
use super::wanted::Wanted;
use crate::postgres::encode::{Timestamp, broken_off};
use crate::postgres::error::PostgresError;
use crate::postgres::retention::Gone;
use crate::postgres::settings::PostgresSettings;
use crate::postgres::tables::select;
use crate::postgres::{applied, connection, migrations, owner, recorded};
use crate::sink::applied::AppliedSettings;
use crate::sink::{Genesis, Progress};
use crate::source::{Loss, Positions, TopicUuids};
use dataflows::event::{CustomerId, Millis};
use dataflows::table::Table;
use postgres::Client;
use postgres::fallible_iterator::FallibleIterator;
use serde::Serialize;
use std::sync::Arc;

/// A connection with a snapshot.
pub struct Snapshot {
    client: Client,
    settings: PostgresSettings,
}

/// What is recorded of a committed epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recorded {
    /// Which.
    pub epoch: u64,
    /// Its watermark.
    pub watermark: Option<Millis>,
    /// Next offset of every partition, sorted.
    pub offsets: Positions,
    /// The digest of the model, as it is written there.
    pub digest: String,
    /// What was counted, as JSON.
    pub counts: String,
    /// The ids of the topics that it was read from.
    pub topic_ids: TopicUuids,
    /// Its link, as it is written there.
    pub chain: Option<String>,
    /// How many records it has read of each partition, where that is recorded.
    pub read: Option<Positions>,
    /// The identity of its history, as it is written there; none where it was committed before that
    /// was.
    pub identity: Option<String>,
    /// Which rows are gone when its own are written.
    pub gone: Gone,
}

/// Where the job stands in the snapshot.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its row of progress.
    pub progress: Progress,
    /// The first offset of every partition; `None` where that was not recorded.
    pub starts: Option<Positions>,
    /// Where the chain of its epochs begins.
    pub history: Genesis,
    /// The ids of the topics that it has read, as far as they were recorded.
    pub topic_ids: TopicUuids,
    /// The settings that its epochs were computed with, as far as they were recorded.
    pub applied: AppliedSettings,
    /// The epochs up to the one that was verified before.
    pub seen: VerifiedEpochs,
    /// Those after it, in order.
    pub epochs: Vec<Recorded>,
    /// The customers that its epochs have erased, each with its epoch and up to an instant: the
    /// topics may no longer say so.
    pub erasures: Vec<(u64, CustomerId, Millis)>,
    /// The offsets that it has gone on behind without having read them.
    pub losses: Vec<Loss>,
    /// What of tables that forget is there.
    pub kept: Retained,
}

/// Recorded epochs up to one that was verified before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifiedEpochs {
    /// That epoch; 0 where none was.
    pub through: u64,
    /// They are as their blocks say.
    pub blocks: EpochBlocks,
    /// That epoch as it is recorded now; `None`: it is not.
    pub last: Option<Recorded>,
}

impl Standing {
    /// The last epoch that is recorded; 0 where none is.
    pub fn last(&self) -> u64 {
        self.epochs.last().map_or(self.seen.through, |epoch| epoch.epoch)
    }

    /// Which rows are gone after it.
    pub fn gone(&self) -> Gone {
        let last = self.epochs.last().or(self.seen.last.as_ref());
        last.map_or_else(Gone::default, |epoch| epoch.gone.clone())
    }
}

/// The transaction, and what lets it wait while everything is computed again.
const BEGIN: &str = "
    SET idle_in_transaction_session_timeout = 0;
    BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;
";

impl Snapshot {
    /// Connects and takes the snapshot.
    ///
    /// # Errors
    /// Whatever keeps it from reading: see [`PostgresError`].
    pub fn open(settings: PostgresSettings) -> Result<Snapshot, PostgresError> {
        let mut client = connection::connect(&settings)?;
        owner::check(&mut client, &settings)?;
        migrations::check_version(&mut client, &settings)?;
        client.batch_execute(BEGIN).map_err(PostgresError::statement("begin to read"))?;
        Ok(Snapshot { client, settings })
    }

    /// Where the chain of the job's epochs begins.
    ///
    /// # Errors
    /// [`PostgresError::NoJob`], [`PostgresError::Recorded`], or that of a statement.
    pub fn history(&mut self) -> Result<Genesis, PostgresError> {
        let Snapshot { client, settings } = self;
        recorded::progress(client, &settings.job)?
            .ok_or_else(|| PostgresError::NoJob(settings.job.clone()))?;
        recorded::history(client, &settings.job)
    }

    /// What adds up over the epochs, after an epoch: by what the first row from it on says, and
    /// what the epochs up to that one have counted under that name.
    ///
    /// # Errors
    /// That of a statement.
    pub fn pending_after(&mut self, epoch: u64, later: &[Recorded]) -> Result<i64, PostgresError> {
        let tables = self.settings.wording.tables();
        let adds_up = |table: &Arc<Table>| {
            let column = table.columns.iter().find(|column| column.running)?;
            Some((table.name, table.epoch()?, column.name.to_string()))
        };
        let Some((table, of, name)) = tables.iter().find_map(adds_up) else { return Ok(0) };
        let first =
            format!("SELECT {of}, {name} FROM {table} WHERE {of} >= $1 ORDER BY {of} LIMIT 1");
        let row = self
            .client
            .query_opt(&first, &[&(epoch as i64)])
            .map_err(PostgresError::statement("tell what had added up"))?;
        let Some(row) = row else { return Ok(0) };
        let (first, running) = (row.get::<_, i64>(0) as u64, row.get::<_, i64>(1));
        let changes = later
            .iter()
            .take_while(|recorded| recorded.epoch <= first)
            .map(|recorded| recorded::count_of(&recorded.counts, &name));
        Ok(changes.fold(running, |running, change| running.wrapping_sub(change.unwrap_or(0))))
    }

    /// Where the job stands, of which everything up to the epoch `verified` was verified before.
    ///
    /// # Errors
    /// [`PostgresError::NoJob`], [`PostgresError::Recorded`], or that of a statement.
    pub fn standing(&mut self, verified: u64) -> Result<Standing, PostgresError> {
        let Snapshot { client, settings } = self;
        let progress = recorded::progress(client, &settings.job)?
            .ok_or_else(|| PostgresError::NoJob(settings.job.clone()))?;
        let starts = recorded::starts(client, settings)?;
        let history = recorded::history(client, &settings.job)?;
        let topic_ids = recorded::topic_ids(client, settings)?;
        let erasures = recorded::erasures(client, settings, verified)?;
        let losses = recorded::losses(client, settings)?;
        let applied = applied::read(client, &settings.job)?;
        let (seen, epochs) = self.epochs(verified)?;
        let kept = Retained::read(&mut self.client, &self.settings)?;
        Ok(Standing {
            progress,
            starts,
            history,
            topic_ids,
            applied,
            seen,
            epochs,
            erasures,
            losses,
            kept,
        })
    }

    /// Of the epochs that were verified only their blocks stay in memory.
    fn epochs(&mut self, verified: u64) -> Result<(VerifiedEpochs, Vec<Recorded>), PostgresError> {
        let Snapshot { client, settings } = self;
        let failed = || PostgresError::statement("read the recorded epochs");
        let tables = settings.wording.tables();
        let mut rows = client
            .query_raw(
                "SELECT epoch, watermark, offsets::text, digest, counts::text, topic_ids::text, \
                 chain, read::text, identity, gone::text FROM epochs
                 WHERE job = $1 ORDER BY epoch",
                [&settings.job],
            )
            .map_err(failed())?;
        let read = |row: &postgres::Row| -> Result<Recorded, PostgresError> {
            let epoch = row.get::<_, i64>(0) as u64;
            let offsets = recorded::offsets_of(row.get(2), settings)
                .map_err(|why| PostgresError::Recorded { epoch, why })?;
            let read = row
                .get::<_, Option<&str>>(7)
                .map(|read| recorded::offsets_of(read, settings))
                .transpose();
            let read = read.map_err(|why| PostgresError::Recorded { epoch, why })?;
            let watermark = row.get::<_, Option<Timestamp>>(1).map(|watermark| watermark.0);
            let topic_ids = recorded::topic_ids_of(row.get(5), settings)
                .map_err(|why| PostgresError::Recorded { epoch, why })?;
            let gone = Gone::read(row.get(9), &tables)
                .map_err(|why| PostgresError::Recorded { epoch, why })?;
            let (digest, counts, chain, identity) =
                (row.get(3), row.get(4), row.get(6), row.get(8));
            Ok(Recorded {
                epoch,
                watermark,
                offsets,
                digest,
                counts,
                topic_ids,
                chain,
                read,
                identity,
                gone,
            })
        };
        let (mut seen, mut epochs) =
            (VerifiedEpochs { through: verified, ..VerifiedEpochs::default() }, Vec::new());
        while let Some(row) = rows.next().map_err(failed())? {
            let recorded = read(&row)?;
            if recorded.epoch > verified {
                epochs.push(recorded);
                continue;
            }
            seen.blocks.add(&recorded);
            seen.last = Some(recorded).filter(|recorded| recorded.epoch == verified);
        }
        Ok((seen, epochs))
    }

    /// Compares every table with what it should hold, but for what is in `doubt`. `reads` is told
    /// which table comes next.
    ///
    /// # Errors
    /// A table cannot be read.
    pub fn compare(
        &mut self,
        expected: Expected,
        doubt: Option<&Doubt>,
        mut reads: impl FnMut(&'static str),
    ) -> Result<Vec<Findings>, PostgresError> {
        expected.into_findings(doubt, |table, findings| {
            reads(findings.table);
            self.compare_table(table, findings, doubt)
        })
    }

    fn compare_table(
        &mut self,
        table: &mut Wanted,
        findings: &mut Findings,
        doubt: Option<&Doubt>,
    ) -> Result<(), PostgresError> {
        const DOING: &str = "read a table";
        let copy = format!("COPY ({}) TO STDOUT (FORMAT binary)", select(table.table()));
        let reader = self.client.copy_out(&copy).map_err(PostgresError::statement(DOING))?;
        let mut rows = CopyRows::new(reader);
        while let Some(row) = rows.next().map_err(|error| broken_off(error, DOING))? {
            table.check(row, findings, doubt);
        }
        Ok(())
    }
}
