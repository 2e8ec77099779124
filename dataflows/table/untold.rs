//! What of rows cannot be computed again once records are gone that were read.
//!
//! Of a compacted topic the last record of each key is left. What followed from those before it is
//! not known any more, so that what else is found there can be called neither right nor wrong.

/// Something that holds of a row. Of several all hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// It is of somebody, by this column, whose records may be gone.
    Of(&'static str),
    /// It was written, by this column, by an epoch that lacks records or by a later one.
    Since(&'static str),
    /// It has something in this column.
    With(&'static str),
    /// It has nothing in it.
    Without(&'static str),
    /// This column names a topic that lacks records.
    From(&'static str),
}

/// Which rows are there, or are not, without that it can be told whether they should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Untold {
    /// Such that are there and were not computed again; `None`: there are none.
    pub surplus: Option<&'static [When]>,
    /// Such that were computed again and are not there.
    pub missing: Option<&'static [When]>,
}

impl Untold {
    /// It can be told of every row.
    pub const NONE: Untold = Untold { surplus: None, missing: None };

    /// It can be told of those only of which not all of these hold.
    pub const fn both(when: &'static [When]) -> Untold {
        Untold { surplus: Some(when), missing: Some(when) }
    }

    /// Every row that should be there can be told, and of those that are there the ones of which
    /// not all of these hold.
    pub const fn surplus(when: &'static [When]) -> Untold {
        Untold { surplus: Some(when), missing: None }
    }

    /// What it names.
    pub(super) fn conditions(&self) -> impl Iterator<Item = &'static When> {
        [self.surplus, self.missing].into_iter().flatten().flatten()
    }
}

impl When {
    /// The column that it names.
    pub fn column(self) -> &'static str {
        let (When::Of(column)
        | When::Since(column)
        | When::With(column)
        | When::Without(column)
        | When::From(column)) = self;
        column
    }
}
