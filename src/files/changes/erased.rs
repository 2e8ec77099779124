//! What goes from older files when customers are erased.
//!
//! As in the tables, by what their declarations say: rows that have no instant, and others up to
//! the erasure's, go; of a row that stands, what older lines have is of before and goes too (the
//! context of an interaction that is dated later, the sums of a model that had learned from the
//! customer), but for what newer ones do not repeat: the text of an interaction's id. Dead letters
//! are blanked. What stays is the report of the erasure, sums over many customers, and of a
//! customer who is not erased for ever the keys of interactions that were taken back.

mod line;
#[cfg(test)]
mod tests;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use dataflows::event::{CustomerId, Millis, Place, named_in};
use dataflows::table::{Blank, Erase, Rule, Table};
use line::{Fate, instant, integer, only, parse, rewritten, text, without};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What an epoch has erased. Older files are shown to it newest first, so that it knows which rows
/// stand.
#[derive(Debug)]
pub struct Erased {
    tables: Vec<Arc<Table>>,
    /// By which epoch.
    epoch: u64,
    /// Up to which instant.
    until: BTreeMap<CustomerId, Millis>,
    /// Whether a model may have learned from one of them.
    learned: bool,
    /// Rows of which a line was seen that is newer than the lines to come.
    newer: BTreeSet<Row>,
    /// Rows that the epoch has deleted.
    gone: BTreeSet<Row>,
}

/// A row: its table, and its key, or what it is a sum of.
type Row = (&'static str, String);

impl Erased {
    /// Out of these tables, by an epoch, of these customers, each up to an instant; `Millis::MAX`:
    /// for ever.
    pub fn new(tables: Vec<Arc<Table>>, epoch: u64, customers: &[(CustomerId, Millis)]) -> Erased {
        let mut until = BTreeMap::new();
        for &(customer, instant) in customers {
            let latest = until.entry(customer).or_insert(Millis::MIN);
            *latest = instant.max(*latest);
        }
        let (newer, gone) = (BTreeSet::new(), BTreeSet::new());
        Erased { tables, epoch, until, learned: true, newer, gone }
    }

    /// Takes in the file of the epoch itself: what it has lines of, stands.
    ///
    /// # Errors
    /// What in it is not as it was written.
    pub fn stand(&mut self, content: &[u8]) -> Result<(), String> {
        self.learned = false;
        for line in text(content)?.lines() {
            let Some(table) = self.table(line) else { continue };
            match table.erase {
                Erase::Reports { learned, .. } => {
                    self.learned |= integer(&parse(line)?, learned)? > 0;
                }
                Erase::Rows { customer, instant, .. }
                    if matches!(table.rule, Rule::Changes { .. })
                        && self.until_of(line, customer).is_some() =>
                {
                    let parsed = parse(line)?;
                    let row = row(&table, &parsed, table.key)?;
                    match instant.is_some() && parsed["change"] == "delete" {
                        true => self.gone.insert(row),
                        false => self.newer.insert(row),
                    };
                }
                Erase::Sums { group, .. } => {
                    self.newer.insert(row(&table, &parse(line)?, &[group])?);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What is left of the next older file; `None` where nothing goes.
    ///
    /// # Errors
    /// What in it is not as it was written.
    pub fn rest_of(&mut self, content: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let mut rest = Vec::with_capacity(content.len());
        let mut changed = false;
        for line in text(content)?.lines() {
            let kept = match self.fate(line)? {
                Fate::Stays => Some(line.to_string()),
                Fate::Goes => None,
                Fate::Becomes(other) => Some(other),
            };
            changed |= kept.as_deref() != Some(line);
            if let Some(line) = kept {
                rest.extend_from_slice(line.as_bytes());
                rest.push(b'\n');
            }
        }
        Ok(changed.then_some(rest))
    }

    /// Where the dead letters stood that go from a file.
    ///
    /// # Errors
    /// What in it is not as it was written.
    pub fn letters(&self, content: &[u8]) -> Result<Vec<(String, Place)>, String> {
        let mut letters = Vec::new();
        for line in text(content)?.lines() {
            let Some(table) = self.table(line) else { continue };
            let Erase::Blanks { customer, instant, .. } = table.erase else { continue };
            let row = parse(line)?;
            if self.has_letter(line, &row, customer, instant)? {
                let topic = row["topic"].as_str().ok_or("topic of a row is no text")?.to_string();
                letters.push((
                    topic,
                    Place::new(
                        integer(&row, "partition")? as u32,
                        integer(&row, "position")? as u64,
                    ),
                ));
            }
        }
        Ok(letters)
    }

    fn fate(&mut self, line: &str) -> Result<Fate, String> {
        let Some(table) = self.table(line) else { return Ok(Fate::Stays) };
        match table.erase {
            Erase::Rows { customer, instant, of_before } => match self.until_of(line, customer) {
                Some(until) => self.row(line, &table, until, instant, of_before),
                None => Ok(Fate::Stays),
            },
            Erase::Blanks { customer, instant, columns, .. } => {
                match self.has_letter(line, &parse(line)?, customer, instant)? {
                    true => self.blanked(line, columns),
                    false => Ok(Fate::Stays),
                }
            }
            Erase::Sums { columns, group, .. } if self.learned => {
                let newest = self.newer.insert(row(&table, &parse(line)?, &[group])?);
                if newest { Ok(Fate::Stays) } else { without(line, columns) }
            }
            Erase::Sums { .. } | Erase::Nobody { .. } | Erase::Reports { .. } => Ok(Fate::Stays),
        }
    }

    /// A row of a customer who is erased up to an instant.
    fn row(
        &mut self,
        line: &str,
        table: &Table,
        until: Millis,
        dated: Option<&str>,
        of_before: &[&str],
    ) -> Result<Fate, String> {
        let parsed = parse(line)?;
        let Some(dated) = dated else {
            let newest = self.newer.insert(row(table, &parsed, table.key)?);
            return Ok(if newest && until < Millis::MAX { Fate::Stays } else { Fate::Goes });
        };
        if until == Millis::MAX {
            return Ok(Fate::Goes);
        }
        if !matches!(table.rule, Rule::Changes { .. }) {
            let goes = instant(&parsed, dated)? <= until;
            return Ok(if goes { Fate::Goes } else { Fate::Stays });
        }
        // One that was taken back: its line says only which.
        if parsed["change"] == "delete" {
            return Ok(Fate::Stays);
        }
        let of_row = row(table, &parsed, table.key)?;
        let is_later = parsed.get(dated).is_some() && instant(&parsed, dated)? > until;
        let once = || table.columns.iter().filter(|column| column.once);
        match (is_later, self.newer.contains(&of_row)) {
            _ if self.gone.contains(&of_row) => Ok(Fate::Goes),
            (true, true) => without(line, of_before),
            (true, false) => {
                self.newer.insert(of_row);
                Ok(Fate::Stays)
            }
            (false, true) if once().any(|column| parsed.get(&*column.name).is_some()) => {
                let kept = ["table", "change"].into_iter().chain(table.key.iter().copied());
                only(line, &kept.chain(once().map(|column| &*column.name)).collect::<Vec<_>>())
            }
            (false, _) => Ok(Fate::Goes),
        }
    }

    /// Whether a dead letter goes with an erased customer. Of a line of before lines said whose
    /// they are its bytes tell, and nothing when it is dated: it goes with every erasure.
    fn has_letter(
        &self,
        line: &str,
        row: &Value,
        customer: &str,
        dated: &str,
    ) -> Result<bool, String> {
        if let Some(until) = self.until_of(line, customer) {
            return Ok(instant(row, dated)? <= until);
        }
        let of_before = row.get(customer).is_none();
        let raw = of_before
            .then(|| row["raw"].as_str().and_then(|raw| BASE64_STANDARD.decode(raw).ok()))
            .flatten();
        Ok(raw
            .and_then(|raw| named_in(&raw, customer))
            .is_some_and(|customer| self.until.contains_key(&customer)))
    }

    /// As in the table.
    fn blanked(&self, line: &str, columns: &[(&str, Blank)]) -> Result<Fate, String> {
        let blank = |name: &str| {
            let (_, blank) = columns.iter().find(|(column, _)| *column == name)?;
            Some(match blank {
                Blank::Text(text) => Value::from(*text).to_string(),
                Blank::NoBytes => "\"\"".to_string(),
                Blank::Null => "null".to_string(),
                Blank::Epoch => self.epoch.to_string(),
            })
        };
        rewritten(line, |name, value| Some(blank(name).unwrap_or_else(|| value.to_string())))
    }

    /// Up to which instant the customer of a line is erased, which is in this column.
    fn until_of(&self, line: &str, column: &str) -> Option<Millis> {
        // No text can have this in it, for quotes are escaped there.
        let (_, rest) = line.split_once(&format!("\"{column}\":"))?;
        let end = rest.find([',', '}'])?;
        self.until.get(&rest[..end].parse().ok()?).copied()
    }

    /// The table of a line; `None` for what is no line of a declared one.
    fn table(&self, line: &str) -> Option<Arc<Table>> {
        let name = line.strip_prefix("{\"table\":\"")?.split('"').next()?;
        self.tables.iter().find(|table| table.name == name).cloned()
    }
}

/// Which row a line is of, by these columns.
fn row(table: &Table, parsed: &Value, columns: &[&str]) -> Result<Row, String> {
    let mut key = String::new();
    for column in columns {
        let value = parsed.get(*column).ok_or_else(|| format!("{column} of a row is not there"))?;
        key += &value.to_string();
        key.push(' ');
    }
    Ok((table.name, key))
}
