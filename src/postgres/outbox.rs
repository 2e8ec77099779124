//! What the epochs in the tables have to publish, and the mark of how far it is published, on a
//! session of its own: neither waits for a commit, nor a commit for either.

use super::connection;
use super::encode::Timestamp;
use super::error::PostgresError;
use super::recorded;
use super::settings::PostgresSettings;
use crate::sink::outbox::{self, Backlog, Letter, Owed, STRETCH_RECORDS, Stretch, Tombstone};
use crate::sink::{Progress, SinkError};
use dataflows::campaign::output::Decision;
use dataflows::event::{Place, Whose};
use postgres::{Client, Row};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// A mark that a crash of the server takes back is set again: what it stood for is published once
/// more, which is allowed.
const SESSION: &str = "SET synchronous_commit = off";

/// How far the epochs after `$1` up to `$2` go that have `$3` records together, with how many there
/// are up to there. The sort is that of the indexes.
const EXTENT: &str = "
    SELECT count(*), min(epoch), max(epoch) FROM (
        SELECT epoch FROM decisions WHERE epoch > $1 AND epoch <= $2
        UNION ALL
        SELECT epoch FROM dead_letters WHERE epoch > $1 AND epoch <= $2
        UNION ALL
        SELECT epoch FROM erasures WHERE epoch > $1 AND epoch <= $2
        UNION ALL
        SELECT blanked FROM dead_letters WHERE blanked > $1 AND blanked <= $2 AND epoch < blanked
        ORDER BY epoch LIMIT $3
    ) owed";

const DECISIONS: &str = "
    SELECT epoch, customer_id, decision_key, decision_id, ts, arm, propensity, expected_reward, \
    uncertainty, scores, model_version, context, policy
    FROM decisions WHERE epoch > $1 AND epoch <= $2";

const LETTERS: &str = "SELECT epoch, topic, partition, position, reason, detail, raw, customer_id, \
    dated FROM dead_letters WHERE epoch > $1 AND epoch <= $2";

const ERASED: &str =
    "SELECT DISTINCT epoch, customer_id FROM erasures WHERE epoch > $1 AND epoch <= $2";

const BLANKED: &str = "SELECT blanked, topic, partition, position FROM dead_letters WHERE blanked \
    > $1 AND blanked <= $2 AND epoch < blanked";

/// Of each customer whom these epochs have erased the newest decision of an earlier one that
/// stands.
const AGAIN: &str = "
    SELECT DISTINCT ON (g.epoch, d.customer_id) g.epoch, d.customer_id, d.decision_key, \
    d.decision_id, d.ts, d.arm, d.propensity,
        d.expected_reward, d.uncertainty, d.scores, d.model_version, d.context, d.policy
    FROM erasures g JOIN decisions d ON d.customer_id = g.customer_id AND d.epoch < g.epoch
    WHERE g.epoch > $1 AND g.epoch <= $2
    ORDER BY g.epoch, d.customer_id, d.epoch DESC, d.ts DESC, d.decision_key DESC";

/// Records, and seconds since the commit of the oldest.
const BACKLOG: &str = "
    SELECT d.records + l.records + g.records + b.records, (
        SELECT greatest(0, extract(epoch FROM now() - e.committed_at))::float8 FROM epochs e
        WHERE e.job = $3 AND e.epoch = least(d.first, l.first, g.first, b.first)
    )
    FROM (SELECT count(*) AS records, min(epoch) AS first FROM decisions WHERE epoch > $1 AND \
    epoch <= $2) d,
        (SELECT count(*) AS records, min(epoch) AS first FROM dead_letters WHERE epoch > $1 AND \
        epoch <= $2) l,
        (SELECT count(DISTINCT (epoch, customer_id)) AS records, min(epoch) AS first FROM erasures \
        WHERE epoch > $1 AND epoch <= $2) g,
        (SELECT count(*) AS records, min(blanked) AS first FROM dead_letters WHERE blanked > $1 \
        AND blanked <= $2 AND epoch < blanked) b";

/// A compare-and-set: the mark moves from where it was left, by the instance that has the job.
const ADVANCE: &str =
    "UPDATE progress SET published = $3 WHERE job = $1 AND published = $2 AND incarnation = $4";

/// The outbox of one instance of a job.
pub struct Outbox {
    settings: PostgresSettings,
    incarnation: i64,
    client: Option<Client>,
}

impl Outbox {
    /// Of the instance with this incarnation; it connects when it is asked for something.
    pub fn new(settings: PostgresSettings, incarnation: i64) -> Self {
        Outbox { settings, incarnation, client: None }
    }

    /// Does something in the session, which is not used again where that fails.
    fn with<T>(
        &mut self,
        act: impl FnOnce(&mut Client, &PostgresSettings) -> Result<T, PostgresError>,
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
        let result = act(&mut client, &self.settings)?;
        self.client = Some(client);
        Ok(result)
    }

    /// Where the job stands, if this instance still has it.
    fn progress(&mut self, epoch: u64) -> Result<Progress, PostgresError> {
        let own = self.incarnation;
        self.with(|client, settings| {
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

impl outbox::Outbox for Outbox {
    fn confirm(&mut self, epoch: u64) -> Result<(), SinkError> {
        Ok(self.progress(epoch).map(|_| ())?)
    }

    fn owed(&mut self, after: u64, through: u64) -> Result<Stretch, SinkError> {
        Ok(self.with(|client, _| {
            let through = extent(client, after, through)?;
            Ok(Stretch { epochs: epochs(client, after, through)?, through })
        })?)
    }

    fn backlog(&mut self, after: u64, through: u64) -> Result<Backlog, SinkError> {
        Ok(self.with(|client, settings| {
            let row = client
                .query_one(BACKLOG, &[&(after as i64), &(through as i64), &settings.job])
                .map_err(PostgresError::statement("count what is not published"))?;
            let oldest = row
                .get::<_, Option<f64>>(1)
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            Ok(Backlog { records: row.get::<_, i64>(0) as u64, oldest })
        })?)
    }

    fn advance(&mut self, from: u64, to: u64) -> Result<u64, SinkError> {
        let own = self.incarnation;
        let moved = self.with(|client, settings| {
            client
                .execute(ADVANCE, &[&settings.job, &(from as i64), &(to as i64), &own])
                .map_err(PostgresError::statement("record what is published"))
        })?;
        if moved == 1 { Ok(to) } else { Ok(self.progress(to)?.published) }
    }
}

/// The last epoch of a stretch of so many records: what one epoch has is read together.
fn extent(client: &mut Client, after: u64, through: u64) -> Result<u64, PostgresError> {
    let row = client
        .query_one(EXTENT, &[&(after as i64), &(through as i64), &(STRETCH_RECORDS as i64)])
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

fn epochs(client: &mut Client, after: u64, through: u64) -> Result<Vec<Owed>, PostgresError> {
    let mut epochs: BTreeMap<u64, Owed> = BTreeMap::new();
    let bounds = [after as i64, through as i64];
    let decisions = client
        .query(DECISIONS, &[&bounds[0], &bounds[1]])
        .map_err(PostgresError::statement("read the decisions"))?;
    let letters = client
        .query(LETTERS, &[&bounds[0], &bounds[1]])
        .map_err(PostgresError::statement("read the dead letters"))?;
    let erased = || PostgresError::statement("read what erasures owe");
    for row in &client.query(ERASED, &[&bounds[0], &bounds[1]]).map_err(erased())? {
        entry(&mut epochs, row).tombstones.push(Tombstone::Decisions(row.get(1)));
    }
    for row in &client.query(BLANKED, &[&bounds[0], &bounds[1]]).map_err(erased())? {
        entry(&mut epochs, row).tombstones.push(Tombstone::Letter(row.get(1), place_of(row, 2)));
    }
    for row in &client.query(AGAIN, &[&bounds[0], &bounds[1]]).map_err(erased())? {
        entry(&mut epochs, row).again.push(decision_of(row));
    }
    for row in &decisions {
        entry(&mut epochs, row).decisions.push(decision_of(row));
    }
    for row in &letters {
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

fn decision_of(row: &Row) -> Decision {
    Decision {
        customer: row.get(1),
        key: row.get::<_, i64>(2) as u64,
        decision: row.get(3),
        timestamp: row.get::<_, Timestamp>(4).0,
        arm: row.get::<_, Option<i16>>(5).map(|arm| arm as u16),
        policy: Cow::Owned(row.get(12)),
        propensity: row.get(6),
        expected_reward: row.get(7),
        uncertainty: row.get(8),
        scores: row.get(9),
        model_version: row.get::<_, i64>(10) as u64,
        context: row.get(11),
        answered: None,
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
