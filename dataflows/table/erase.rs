//! What becomes of the rows of a person who is erased, up to an instant.

/// What an erasure does to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erase {
    /// Nothing of a person is in it that could be told from what others gave.
    Nobody {
        /// Why not.
        because: &'static str,
    },
    /// Rows are a person's. Those that are dated up to the instant go; where they have no instant
    /// the dataflow takes them back itself, or tells them anew.
    Rows {
        /// Whose.
        customer: &'static str,
        /// When it is dated.
        instant: Option<&'static str>,
        /// What of a row that stays follows from what was before it: former versions lose it.
        of_before: &'static [&'static str],
    },
    /// A row stays in its place, and what it says of a person goes.
    Blanks {
        /// Whose.
        customer: &'static str,
        /// When it is dated.
        instant: &'static str,
        /// What the columns have from then on.
        columns: &'static [(&'static str, Blank)],
        /// What of a person remains all the same.
        remains: &'static str,
    },
    /// Rows are sums over many, of which the newest of each group has the person no longer in it:
    /// the others lose them.
    Sums {
        /// The sums.
        columns: &'static [&'static str],
        /// Of what.
        group: &'static str,
        /// Which is the newest.
        version: &'static str,
        /// What of a person remains in older ones.
        remains: &'static str,
    },
    /// They tell that a person was erased, and stay.
    Reports {
        /// Why.
        because: &'static str,
        /// Who.
        customer: &'static str,
        /// Up to when.
        instant: &'static str,
        /// How many of what went had been learned from.
        learned: &'static str,
    },
}

/// What stands in the place of what was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blank {
    /// A text.
    Text(&'static str),
    /// No bytes.
    NoBytes,
    /// NULL.
    Null,
    /// The epoch of the erasure.
    Epoch,
}

impl Erase {
    /// The columns that it names.
    pub fn columns(&self) -> Vec<&'static str> {
        match *self {
            Erase::Nobody { .. } => Vec::new(),
            Erase::Reports { customer, instant, learned, .. } => vec![customer, instant, learned],
            Erase::Rows { customer, instant, of_before } => {
                [customer].into_iter().chain(instant).chain(of_before.iter().copied()).collect()
            }
            Erase::Blanks { customer, instant, columns, .. } => {
                [customer, instant].into_iter().chain(columns.iter().map(|(of, _)| *of)).collect()
            }
            Erase::Sums { columns, group, version, .. } => {
                columns.iter().copied().chain([group, version]).collect()
            }
        }
    }
}
