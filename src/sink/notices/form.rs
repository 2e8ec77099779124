//! How the notices of a dataflow are kept and published: the face of whoever knows them.

use super::{NoticeText, Notices};
use crate::table::cells::Cells;
use dataflows::event::{CustomerId, Millis};

/// How the notices of a dataflow are kept and published.
///
/// # Contract
/// What was kept, wherever, reads back as it was, and is worded as it would have been: the same of
/// the same, whenever and from wherever it is published.
pub trait NoticeForm {
    /// What one is called, in a sentence of the log.
    fn noun(&self) -> &'static str;

    /// The table in which each of them has a row.
    fn table(&self) -> &'static NoticeTable;

    /// Reads one from its row, and puts it with the others.
    fn read(&self, row: &dyn Cells, notices: &mut Notices);

    /// Reads one from its text, and puts it with the others.
    ///
    /// # Errors
    /// Why it is none.
    fn parse(&self, text: &NoticeText, notices: &mut Notices) -> Result<(), String>;

    /// Words them, in their order: tells the customer, the instant and the value of each record.
    fn word(&self, notices: &Notices, tell: &mut dyn FnMut(CustomerId, Millis, Vec<u8>));
}

/// A table of notices, and the columns that all of these have.
#[derive(Clone, Copy, Debug)]
pub struct NoticeTable {
    /// Its name.
    pub name: &'static str,
    /// Whom a notice is of.
    pub customer: &'static str,
    /// When it is dated.
    pub instant: &'static str,
    /// What tells it from the others of its customer and instant.
    pub number: &'static str,
    /// The columns from which one is read, in the order in which it reads them.
    pub columns: &'static [&'static str],
}
