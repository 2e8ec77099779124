//! What the database has recorded of a job, for a start that may still be refused: nothing in it
//! can write. It is read twice, undisturbed beside whoever has the job, and under the lock of the
//! transaction that takes it over.

use super::connection;
use super::error::PostgresError;
use super::kept;
use super::owner;
use super::patience::awaited;
use super::recorded;
use super::rights;
use super::schema;
use super::settings::PostgresSettings;
use crate::sink::applied::AppliedSettings;
use crate::sink::kept::KeptAt;
use crate::sink::{Genesis, Progress, RecordedEpoch, Records, SinkError, Trouble};
use crate::source::{Loss, Positions, TopicUuids};
use dataflows::event::{CustomerId, Millis};
use postgres::{Client, GenericClient, Transaction};
use std::borrow::BorrowMut;
use std::marker::PhantomData;

/// A session whose one transaction only reads: the server refuses everything else. Whoever runs the
/// job meanwhile goes on undisturbed, and is not seen.
///
/// Or, [`within`](Survey::within) a transaction that takes the job over, what nobody else can
/// change until that ends.
pub struct Survey<C = Client, B = C> {
    client: B,
    settings: PostgresSettings,
    /// Where the job stands; `None` where the database knows nothing of it.
    progress: Option<Progress>,
    of: PhantomData<C>,
}

/// What lets the transaction wait for the broker and the checkpoints.
const SESSION: &str = "
    SET default_transaction_read_only = on;
    SET idle_in_transaction_session_timeout = 0;
    SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout';
";

/// The transaction. Nothing may be sent with it, or before it in the same message.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

impl Survey {
    /// Connects, and makes sure that the job can be taken over here: the database is whole, nobody
    /// else's and of no other version, its topics are those of `now`, and the role may do what the
    /// job does; with `anew`, also forget everything. Waits up to `start_timeout` for a database
    /// that does not answer yet.
    ///
    /// # Errors
    /// Whatever would keep the job from starting: see [`PostgresError`].
    pub fn open(
        settings: PostgresSettings,
        now: &TopicUuids,
        anew: bool,
        trouble: &Trouble,
    ) -> Result<Survey, PostgresError> {
        let (client, progress) =
            awaited(&settings, trouble, || Survey::try_open(&settings, now, anew, trouble))?;
        Ok(Survey { client, settings, progress, of: PhantomData })
    }

    fn try_open(
        settings: &PostgresSettings,
        now: &TopicUuids,
        anew: bool,
        trouble: &Trouble,
    ) -> Result<(Client, Option<Progress>), PostgresError> {
        let looks = || "the question where the job stands".to_string();
        trouble.works(looks(), None);
        let mut client = connection::connect_alone(settings)?;
        trouble.works(looks(), Some(connection::backend(&mut client)?));
        for statements in [SESSION, BEGIN] {
            client.batch_execute(statements).map_err(PostgresError::statement("begin to read"))?;
        }
        rights::of_schema(&mut client, settings)?;
        schema::check(&mut client, settings, now)?;
        let changes_tables = schema::changes_tables(&mut client, settings)?;
        rights::of_tables(&mut client, settings, changes_tables, anew)?;
        let begun = owner::is_there(&mut client, "progress")?;
        let progress = if begun { recorded::progress(&mut client, &settings.job)? } else { None };
        Ok((client, progress))
    }
}

impl<'a, 't> Survey<Transaction<'t>, &'a mut Transaction<'t>> {
    /// As a transaction sees it that has the job's row to itself, and has counted its own start.
    pub fn within(
        client: &'a mut Transaction<'t>,
        settings: &PostgresSettings,
        progress: Progress,
    ) -> Self {
        let progress = Progress { incarnation: progress.incarnation - 1, ..progress };
        Survey { client, settings: settings.clone(), progress: Some(progress), of: PhantomData }
    }
}

impl<C: GenericClient, B: BorrowMut<C>> Records for Survey<C, B> {
    fn job(&self) -> &str {
        &self.settings.job
    }

    fn progress(&self) -> Progress {
        self.progress.unwrap_or_default()
    }

    fn recorded_epochs(&mut self, after: u64) -> Result<Vec<RecordedEpoch>, SinkError> {
        let Survey { client, settings, progress, .. } = self;
        Ok(progress
            .map_or(Ok(Vec::new()), |_| recorded::epochs(client.borrow_mut(), settings, after))?)
    }

    fn starts(&mut self) -> Result<Option<Positions>, SinkError> {
        let Survey { client, settings, progress, .. } = self;
        Ok(progress.map_or(Ok(None), |_| recorded::starts(client.borrow_mut(), settings))?)
    }

    /// One that has not begun yet begins with the take-over, with another identity.
    fn history(&mut self) -> Result<Genesis, SinkError> {
        let Survey { client, settings, progress, .. } = self;
        Ok(progress.map_or(Ok(Genesis::begin(0)), |_| {
            recorded::history(client.borrow_mut(), &settings.job)
        })?)
    }

    fn topic_ids(&mut self) -> Result<TopicUuids, SinkError> {
        Ok(owner::topic_ids(self.client.borrow_mut(), &self.settings)?)
    }

    fn applied(&mut self) -> Result<AppliedSettings, SinkError> {
        Ok(super::applied::read(self.client.borrow_mut(), &self.settings.job)?)
    }

    fn losses(&mut self) -> Result<Vec<Loss>, SinkError> {
        let is_there = owner::is_there(self.client.borrow_mut(), "losses")?;
        Ok(if is_there {
            recorded::losses(self.client.borrow_mut(), &self.settings)?
        } else {
            Vec::new()
        })
    }

    fn erasures(&mut self, after: u64) -> Result<Vec<(u64, CustomerId, Millis)>, SinkError> {
        let Survey { client, settings, progress, .. } = self;
        let read = |_| recorded::erasures(client.borrow_mut(), settings, after);
        Ok(progress.map_or(Ok(Vec::new()), read)?)
    }

    fn erased(&mut self) -> Result<Vec<(CustomerId, Millis)>, SinkError> {
        let is_there = owner::is_there(self.client.borrow_mut(), "erased_customers")?;
        Ok(if is_there {
            recorded::erased(self.client.borrow_mut(), &self.settings.job)?
        } else {
            Vec::new()
        })
    }

    fn kept(&mut self, after: u64) -> Result<Vec<KeptAt>, SinkError> {
        let is_there = owner::is_there(self.client.borrow_mut(), "kept_records")?;
        Ok(if is_there {
            kept::all_after(self.client.borrow_mut(), &self.settings, after)?
        } else {
            Vec::new()
        })
    }
}
