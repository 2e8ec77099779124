//! What the tables must hold after an epoch: the results of every epoch before it, folded as the
//! writer's transactions would.

#[cfg(test)]
mod tests;

use super::difference::Findings;
use super::doubt::Doubt;
use super::kept::Retained;
use super::trust::Trust;
use super::wanted::{Key, Wanted};
use crate::postgres::error::PostgresError;
use crate::postgres::retention::Gone;
use crate::postgres::settings::PostgresSettings;
use crate::postgres::transaction::PRUNE_EVERY;
use crate::sink::gathered::{ErasedCustomer, Gathered};
use crate::sink::rows::EpochRows;
use crate::table::value::number;
use dataflows::table::{ColumnType, Erase, Keep, Table};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The tables as they must be.
pub struct Expected {
    settings: PostgresSettings,
    kept: Retained,
    rows: EpochRows,
    /// Interactions that wait: changes of all epochs so far.
    pending: i64,
    /// Which rows are gone.
    gone: Gone,
    tables: Vec<Wanted>,
}

impl Expected {
    /// Nothing committed yet.
    pub fn new(settings: &PostgresSettings, kept: Retained) -> Self {
        let wording = Arc::clone(&settings.wording);
        Expected {
            kept,
            pending: 0,
            gone: Gone::default(),
            tables: wording.tables().into_iter().map(Wanted::new).collect(),
            rows: EpochRows::new(wording),
            settings: settings.clone(),
        }
    }

    /// Columns that are there because they are configured, in their order.
    pub fn configured(&self) -> Vec<String> {
        let all = self.tables.iter().flat_map(|table| &table.table().columns);
        let configured = all.filter(|column| column.is_configured());
        configured.map(|column| column.name.to_string()).collect()
    }

    /// Interactions that wait.
    pub fn pending(&self) -> i64 {
        self.pending
    }

    /// So many interactions wait.
    pub fn set_pending(&mut self, pending: i64) {
        self.pending = pending;
    }

    /// Its tables.
    pub fn tables(&self) -> &[Wanted] {
        &self.tables
    }

    /// Its tables, to be filled.
    pub fn tables_mut(&mut self) -> &mut [Wanted] {
        &mut self.tables
    }

    /// Begins after an epoch of which the tables are not known: they are taken on trust, and so
    /// many interactions wait.
    pub fn trust(&mut self, through: u64, pending: i64) {
        self.pending = pending;
        self.tables.iter_mut().for_each(|table| table.trust(Trust::up_to(through)));
    }

    /// The epoch up to which tables are taken on trust.
    pub fn trusted_through(&self) -> Option<u64> {
        self.tables.iter().filter_map(|table| table.trusted().map(|trust| trust.through)).max()
    }

    /// Lets go of rows, before the epoch is folded in with which they went. They are looked for
    /// when they are asked for, or all at once with [`retire`](Expected::retire).
    pub fn let_go(&mut self, gone: Gone) {
        self.gone = gone;
    }

    /// Forgets the rows that are gone.
    pub fn retire(&mut self) {
        for table in &mut self.tables {
            if let Some(through) = self.gone.of(table.table()).filter(|through| *through > 0) {
                table.retire_all(through);
            }
        }
    }

    /// Folds in the next epoch.
    ///
    /// # Errors
    /// [`PostgresError::Shape`] when contexts or features are not as many as the settings name.
    pub fn fold(&mut self, epoch: &dyn Gathered) -> Result<(), PostgresError> {
        let results = epoch.essentials();
        self.pending += results.running;
        self.rows.fill(epoch, self.pending)?;
        self.apply(|table| !is_blanked(table));
        self.erase(results.epoch, &epoch.erasures());
        // Those of the epoch itself are blanked already.
        if self.may_be_there(results.epoch) {
            self.apply(is_blanked);
        }
        if results.epoch.is_multiple_of(PRUNE_EVERY) {
            self.prune();
        }
        Ok(())
    }

    fn apply(&mut self, chosen: impl Fn(&Table) -> bool) {
        for (table, changes) in self.tables.iter_mut().zip(self.rows.tables()) {
            if chosen(&changes.table) {
                table.apply(changes, self.gone.of(&changes.table).unwrap_or_default());
            }
        }
    }

    /// What an erasure takes away beside the rows that the epoch itself takes back.
    fn erase(&mut self, epoch: u64, erasures: &[ErasedCustomer]) {
        for table in &mut self.tables {
            for erased in erasures {
                table.erase(erased.customer, erased.gone_until, epoch);
            }
            if erasures.iter().any(|erased| erased.learned) {
                table.empty_sums();
            }
        }
    }

    /// Whether rows of an epoch that go by their days may still be there.
    fn may_be_there(&self, epoch: u64) -> bool {
        let Retained { first, fresh, attributed_after, .. } = self.kept;
        epoch >= fresh.min(first) && epoch > attributed_after
    }

    /// The tables of a job whose settings become these with the next epoch, which changes nothing
    /// that stands.
    pub fn under(self, settings: &PostgresSettings) -> Self {
        let rows = EpochRows::new(Arc::clone(&settings.wording));
        Expected { settings: settings.clone(), rows, ..self }
    }

    /// The tables of a job whose settings become these with the next epoch, which tells much of
    /// them anew.
    pub fn changed(self, settings: &PostgresSettings) -> Self {
        let mut changing = self.under(settings);
        let wording = &settings.wording;
        for (own, new) in changing.tables.iter_mut().zip(wording.tables()) {
            if wording.told_anew().contains(&new.name) {
                *own = Wanted::told_anew(new);
            }
        }
        changing
    }

    /// The tables, each to be compared by `compare` and then asked for what is missing.
    ///
    /// # Errors
    /// Those of `compare`.
    pub fn into_findings<E>(
        self,
        doubt: Option<&Doubt>,
        mut compare: impl FnMut(&mut Wanted, &mut Findings) -> Result<(), E>,
    ) -> Result<Vec<Findings>, E> {
        let fresh = self.kept.fresh as i64;
        let mut all = Vec::with_capacity(self.tables.len());
        for mut table in self.tables {
            let declared = Arc::clone(table.table());
            let mut findings = Findings::new(declared.name);
            compare(&mut table, &mut findings)?;
            let goes = matches!(declared.keep, Keep::Days { .. });
            let epoch = declared.epoch().and_then(|epoch| declared.place(epoch));
            let is_fresh = |values: &[Option<&[u8]>]| {
                let epoch = epoch.and_then(|place| values[place]);
                epoch.and_then(|epoch| number(ColumnType::Bigint, epoch)) >= Some(fresh)
            };
            table.finish(&mut findings, doubt, |values| !goes || is_fresh(values));
            all.push(findings);
        }
        Ok(all)
    }

    /// Forgets the versions that the writer deletes, unless they are there all the same.
    fn prune(&mut self) {
        let keep = self.settings.keep_model_versions.max(1) as usize;
        let of_versions = |table: &&mut Wanted| matches!(table.table().keep, Keep::Versions { .. });
        for table in self.tables.iter_mut().filter(of_versions) {
            let versions: BTreeSet<i64> = table.keys().map(|key| key.0).collect();
            let Some(&oldest) = versions.iter().rev().nth(keep - 1) else { continue };
            let mut next: BTreeMap<i64, i64> = BTreeMap::new();
            let mut gone: Vec<Key> = Vec::new();
            for key in table.keys().collect::<Vec<_>>().into_iter().rev() {
                let replaced = next.insert(key.1, key.0).is_some_and(|next| next <= oldest);
                if replaced && !self.kept.versions.contains(&(key.0, key.1)) {
                    gone.push(key.clone());
                }
            }
            gone.iter().for_each(|key| table.remove(key));
        }
    }
}

fn is_blanked(table: &Table) -> bool {
    matches!(table.erase, Erase::Blanks { .. })
}
