//! The rows of an epoch: what it changed in each table of its dataflow, in sum, sorted by key and
//! encoded.

use super::gathered::Gathered;
use super::notices::NoticeForm;
use crate::table::Changes;
use dataflows::table::Table;
use std::fmt::Debug;
use std::sync::Arc;

/// How the epochs of a dataflow become rows of its tables.
pub trait Wording: Debug + Send + Sync {
    /// The name of the dataflow.
    fn dataflow(&self) -> &'static str;

    /// The tables, in the order in which they are written.
    fn tables(&self) -> Vec<Arc<Table>>;

    /// Whether migrations of a database have made its tables together with the engine's, rather
    /// than their declarations.
    fn is_migrated(&self) -> bool {
        false
    }

    /// How its notices are kept and published, where it has such.
    fn notices(&self) -> Option<&dyn NoticeForm> {
        None
    }

    /// The names that are configured, in tables of their own beside these.
    fn names(&self) -> Vec<Naming> {
        Vec::new()
    }

    /// The tables of which a change of settings tells every row anew.
    fn told_anew(&self) -> &'static [&'static str] {
        &[]
    }

    /// Encodes an epoch into the empty changes of these tables; what adds up over the epochs has
    /// come to `running`.
    ///
    /// # Errors
    /// [`Unfit`] when its values are not as many as the tables have columns.
    fn word(&self, epoch: &dyn Gathered, tables: &mut [Changes], running: i64)
    -> Result<(), Unfit>;
}

/// A table that only says what is configured, for people and views.
#[derive(Clone, Debug, PartialEq)]
pub struct Naming {
    /// The table.
    pub table: &'static str,
    /// The statement that fills it, empty before, with these values.
    pub fill: &'static str,
    /// The values.
    pub values: Vec<Configured>,
}

/// What is configured.
#[derive(Clone, Debug, PartialEq)]
pub enum Configured {
    /// A number.
    Number(f64),
    /// Texts, in their order.
    Texts(Vec<String>),
}

/// No rows of no dataflow: for whoever only looks for the place where rows would be.
#[derive(Clone, Copy, Debug)]
pub struct Wordless;

impl Wording for Wordless {
    fn dataflow(&self) -> &'static str {
        ""
    }

    fn tables(&self) -> Vec<Arc<Table>> {
        Vec::new()
    }

    fn word(&self, _: &dyn Gathered, _: &mut [Changes], _: i64) -> Result<(), Unfit> {
        Ok(())
    }
}

/// A batch of results does not have the values that its rows need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The epoch.
    pub epoch: u64,
    /// Values of what.
    pub what: &'static str,
    /// How many there are.
    pub found: usize,
    /// How many there should be.
    pub wanted: usize,
}

/// The rows of one epoch; the buffers serve epoch after epoch.
#[derive(Debug)]
pub struct EpochRows {
    wording: Arc<dyn Wording>,
    tables: Vec<Changes>,
}

impl EpochRows {
    /// None yet, to be worded so.
    pub fn new(wording: Arc<dyn Wording>) -> Self {
        let tables = wording.tables().into_iter().map(Changes::none).collect();
        EpochRows { wording, tables }
    }

    /// What the epoch changed, table by table.
    pub fn tables(&self) -> &[Changes] {
        &self.tables
    }

    /// Encodes an epoch in the place of the one before; what adds up over the epochs has come to
    /// `running`.
    ///
    /// # Errors
    /// [`Unfit`] when its values are not as many as the tables have columns.
    pub fn fill(&mut self, epoch: &dyn Gathered, running: i64) -> Result<(), Unfit> {
        self.tables.iter_mut().for_each(Changes::clear);
        self.wording.word(epoch, &mut self.tables, running)
    }
}
