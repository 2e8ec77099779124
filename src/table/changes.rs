//! What an epoch does to the rows of a table, in sum: which went, which are new and which others
//! now are so. Everybody who holds the table follows it: the database, the files of changes, and
//! what a verification expects.

use super::encode::CopyBuffer;
use dataflows::table::{Change, Table};
use std::sync::Arc;

/// The changes of one table.
#[derive(Debug)]
pub struct Changes {
    /// Which.
    pub table: Arc<Table>,
    /// Keys of rows that went. They go first: some come again as new ones.
    pub gone: CopyBuffer,
    /// Rows that were not there.
    pub new: CopyBuffer,
    /// Rows that take the place of others.
    pub changed: CopyBuffer,
    /// Columns that no row has any more: those that changed have nothing in them.
    pub nulls: Vec<String>,
}

impl Changes {
    /// None of a table.
    pub fn none(table: Arc<Table>) -> Self {
        let buffer = CopyBuffer::default;
        Changes { table, gone: buffer(), new: buffer(), changed: buffer(), nulls: Vec::new() }
    }

    /// Forgets them and keeps the memory.
    pub fn clear(&mut self) {
        [&mut self.gone, &mut self.new, &mut self.changed].into_iter().for_each(CopyBuffer::clear);
        self.nulls.clear();
    }
}

/// What several changes of one row come to; `None` when it only came and went.
pub fn net(first: Change, last: Change) -> Option<Change> {
    match (first, last) {
        (Change::Insert, Change::Delete) => None,
        (Change::Insert, Change::Insert | Change::Update) => Some(Change::Insert),
        (Change::Update | Change::Delete, Change::Delete) => Some(Change::Delete),
        (Change::Update | Change::Delete, Change::Insert | Change::Update) => Some(Change::Update),
    }
}
