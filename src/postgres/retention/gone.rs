//! How far the rows of each table are gone that go by their epochs, as it is recorded with every
//! epoch: by the word that its declaration gives.

use dataflows::table::{Keep, Table};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The word for the recorded epochs themselves.
pub const EPOCHS: &str = "epochs";

/// The last epoch of which each table no longer has rows; 0: it has all. The order is that of the
/// declarations, for verifications know records by their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gone(Vec<(&'static str, u64)>);

impl Gone {
    /// Nothing of these tables, nor of the recorded epochs.
    pub fn nothing_of(tables: &[Arc<Table>]) -> Gone {
        let words = tables.iter().filter_map(|table| word(table)).chain([EPOCHS]);
        Gone(words.map(|word| (word, 0)).collect())
    }

    /// Of these tables, from the text in which it is recorded. A table that was declared since has
    /// all its rows.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn read(text: Option<&str>, tables: &[Arc<Table>]) -> Result<Gone, String> {
        let mut gone = Gone::nothing_of(tables);
        let Some(text) = text else { return Ok(gone) };
        let found: BTreeMap<String, u64> =
            serde_json::from_str(text).map_err(|error| format!("which rows are gone: {error}"))?;
        for (word, through) in found {
            let Some((_, own)) = gone.0.iter_mut().find(|(own, _)| *own == word) else {
                return Err(format!("which rows are gone: there is no table for `{word}`"));
            };
            *own = through;
        }
        Ok(gone)
    }

    /// Of a table that goes by epochs; `None` for any other.
    pub fn of(&self, table: &Table) -> Option<u64> {
        word(table).map(|word| self.through(word))
    }

    /// Of the recorded epochs.
    pub fn epochs(&self) -> u64 {
        self.through(EPOCHS)
    }

    /// Whether everything is there.
    pub fn is_nothing(&self) -> bool {
        self.0.iter().all(|(_, through)| *through == 0)
    }

    /// By its word.
    pub fn through(&self, word: &str) -> u64 {
        self.0.iter().find(|(own, _)| *own == word).map_or(0, |(_, through)| *through)
    }

    /// It is gone up to this epoch.
    pub(super) fn set(&mut self, word: &'static str, through: u64) {
        match self.0.iter_mut().find(|(own, _)| *own == word) {
            Some((_, own)) => *own = through,
            None => self.0.push((word, through)),
        }
    }
}

fn word(table: &Table) -> Option<&'static str> {
    let Keep::Epochs { gone, .. } = table.keep else { return None };
    Some(gone)
}

impl Serialize for Gone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::arrivals::Arrivals;
    use dataflows::campaign::tables::tables;
    use dataflows::keyed;

    #[test]
    fn what_is_gone_is_read_as_it_was_written() {
        let campaign: Vec<_> = tables(&[], 2).into_iter().map(Arc::new).collect();
        let text = r#"{"interactions":7,"decisions":11,"metrics":63,"epochs":127}"#;
        let gone = Gone::read(Some(text), &campaign).expect("it is readable");
        assert_eq!(serde_json::to_string(&gone).expect("numbers are JSON"), text);
        let of = |name| campaign.iter().find(|table| table.name == name).map(|of| gone.of(of));
        assert_eq!(of("model_metrics"), Some(Some(63)));
        assert_eq!((of("segments"), gone.epochs()), (Some(None), 127));
        let nothing = r#"{"interactions":0,"decisions":0,"metrics":0,"epochs":0}"#;
        for none in [None, Some("{}"), Some(nothing)] {
            let read = Gone::read(none, &campaign).expect("nothing is gone");
            assert!(read.is_nothing());
            assert_eq!(serde_json::to_string(&read).expect("numbers are JSON"), nothing);
        }
        let arrivals = keyed::tables::<Arrivals>().map(Arc::new);
        for (unreadable, tables) in [("[]", &campaign[..]), (text, &arrivals[..])] {
            let why = Gone::read(Some(unreadable), tables).expect_err("it is something else");
            assert!(why.starts_with("which rows are gone: "), "{why}");
        }
        let gone = Gone::read(Some(r#"{"epochs":5}"#), &arrivals).expect("it is readable");
        assert_eq!((gone.epochs(), gone.of(&arrivals[0])), (5, None));
    }
}
