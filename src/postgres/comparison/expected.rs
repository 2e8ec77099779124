//! What the tables must hold after an epoch: the results of every epoch before it, folded as the
//! writer's transactions would.

use super::difference::Findings;
use super::doubt::Doubt;
use super::shapes::{
    self, DEAD_LETTER_BLANKS, DEAD_LETTER_EPOCH, DECISION_EPOCH, DECISION_INSTANT,
    INTERACTION_EPOCH, INTERACTION_INSTANT, INTERACTION_NAME, METRICS_EPOCH, MODEL_SUMS,
};
use super::single;
use super::table::{Key, Table, Trust};
use super::value::{Kind, number};
use crate::postgres::encode::{CopyBuffer, microseconds};
use crate::postgres::error::PostgresError;
use crate::postgres::retention::Gone;
use crate::postgres::rows::Staging;
use crate::postgres::settings::PostgresSettings;
use crate::postgres::transaction::PRUNE_EVERY;
use crate::results::{Changed, EpochResults};
use dataflows::event::{CustomerId, Millis, Rejected};
use std::collections::{BTreeMap, BTreeSet};

/// What is known beforehand of the rows that are deleted in time, so that nothing is held that
/// nobody will ask for.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Model versions and arms that are there: a pinned one may be older than those that must be
    /// kept.
    pub models: BTreeSet<(i64, i64)>,
    /// The first epoch of which a dead letter is there.
    pub first_dead_letter: u64,
    /// The first epoch whose dead letters are too young to have been deleted.
    pub fresh: u64,
    /// Of the dead letters of the epochs up to this one it was not recorded whose they are; they
    /// are not compared.
    pub attributed_after: u64,
}

/// The tables as they must be.
pub struct Expected {
    settings: PostgresSettings,
    kept: Kept,
    staging: Staging,
    buffer: CopyBuffer,
    /// Interactions that wait: changes of all epochs so far.
    pending: i64,
    /// Which rows are gone.
    gone: Gone,
    interactions: Table,
    features: Table,
    decisions: Table,
    models: Table,
    dead_letters: Table,
    /// Dead letters by whose they are, each with when it is dated, in microseconds; made when
    /// somebody is first erased.
    letters_of: Option<BTreeMap<CustomerId, Vec<(Key, i64)>>>,
    thresholds: Table,
    erasures: Table,
    arm_stats: Table,
    segments: Table,
    metrics: Table,
    /// The next epoch tells every customer anew.
    anew: bool,
}

impl Expected {
    /// Nothing committed yet.
    pub fn new(settings: &PostgresSettings, kept: Kept) -> Self {
        Expected {
            kept,
            staging: Staging::default(),
            buffer: CopyBuffer::default(),
            pending: 0,
            gone: Gone::default(),
            interactions: Table::new(shapes::interactions()),
            features: Table::new(shapes::customer_features(&settings.features)),
            decisions: Table::new(shapes::decisions()),
            models: Table::new(shapes::model_versions()),
            dead_letters: Table::new(shapes::dead_letters()),
            letters_of: None,
            thresholds: Table::new(shapes::thresholds()),
            erasures: Table::new(shapes::erasures()),
            arm_stats: Table::new(shapes::arm_stats()),
            segments: Table::new(shapes::segments()),
            metrics: Table::new(shapes::model_metrics()),
            settings: settings.clone(),
            anew: false,
        }
    }

    /// Columns of the features, in their order.
    pub fn feature_names(&self) -> &[String] {
        &self.settings.features
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
    pub fn tables(&self) -> [&Table; 10] {
        let Expected {
            interactions,
            features,
            decisions,
            models,
            dead_letters,
            thresholds,
            erasures,
            arm_stats,
            segments,
            metrics,
            ..
        } = self;
        [
            features,
            interactions,
            decisions,
            segments,
            arm_stats,
            models,
            metrics,
            dead_letters,
            thresholds,
            erasures,
        ]
    }

    /// Its tables, to be filled.
    pub fn tables_mut(&mut self) -> [&mut Table; 10] {
        let Expected {
            interactions,
            features,
            decisions,
            models,
            dead_letters,
            thresholds,
            erasures,
            arm_stats,
            segments,
            metrics,
            ..
        } = self;
        [
            features,
            interactions,
            decisions,
            segments,
            arm_stats,
            models,
            metrics,
            dead_letters,
            thresholds,
            erasures,
        ]
    }

    /// Begins after an epoch of which the tables are not known: they are taken on trust, and so
    /// many interactions wait.
    pub fn trust(&mut self, through: u64, pending: i64) {
        self.pending = pending;
        self.tables_mut().into_iter().for_each(|table| table.trust(Trust::up_to(through)));
    }

    /// The epoch up to which tables are taken on trust.
    pub fn trusted_through(&self) -> Option<u64> {
        self.tables()
            .into_iter()
            .filter_map(|table| table.trusted().map(|trust| trust.through))
            .max()
    }

    /// Lets go of rows, before the epoch is folded in with which they went. They are looked for
    /// when they are asked for, or all at once with [`retire`](Expected::retire).
    pub fn let_go(&mut self, gone: Gone) {
        self.gone = gone;
    }

    /// Forgets the rows that are gone.
    pub fn retire(&mut self) {
        let Gone { interactions, decisions, metrics, epochs: _ } = self.gone;
        for (table, column, through) in [
            (&mut self.interactions, INTERACTION_EPOCH, interactions),
            (&mut self.decisions, DECISION_EPOCH, decisions),
            (&mut self.metrics, METRICS_EPOCH, metrics),
        ] {
            if through > 0 {
                table.retire_all(column, through);
            }
        }
    }

    /// Folds in the next epoch.
    ///
    /// # Errors
    /// [`PostgresError::Shape`] when contexts or features are not as many as the settings name.
    pub fn fold(&mut self, results: &EpochResults) -> Result<(), PostgresError> {
        self.staging.fill(results, &self.settings)?;
        self.metrics(results);
        self.interactions();
        self.features();
        self.staging.decisions.each_row().for_each(|row| self.decisions.put(row));
        self.staging.models.each_row().for_each(|row| self.models.put(row));
        self.thresholds(results);
        self.erasures(results);
        self.arm_stats(results);
        self.segments(results);
        self.dead_letters(results);
        if results.epoch.is_multiple_of(PRUNE_EVERY) {
            self.prune_models();
        }
        Ok(())
    }

    /// The tables of a job whose settings become these with the next epoch, which changes nothing
    /// that stands.
    pub fn under(self, settings: &PostgresSettings) -> Self {
        Expected { settings: settings.clone(), ..self }
    }

    /// The tables of a job whose settings become these with the next epoch, which tells every
    /// customer anew.
    pub fn changed(mut self, settings: &PostgresSettings, changed: &Changed) -> Self {
        self.features = Table::new(shapes::customer_features(&settings.features));
        changed
            .gone_thresholds
            .iter()
            .for_each(|&day| self.thresholds.remove(&(i64::from(day), 0, Box::from([]))));
        (self.settings, self.anew) = (settings.clone(), true);
        self
    }

    /// The tables, each to be compared by `compare` and then asked for what is missing.
    ///
    /// # Errors
    /// Those of `compare`.
    pub fn into_findings<E>(
        self,
        doubt: Option<&Doubt>,
        mut compare: impl FnMut(&mut Table, &mut Findings) -> Result<(), E>,
    ) -> Result<Vec<Findings>, E> {
        let fresh = self.kept.fresh as i64;
        let tables = [
            self.features,
            self.interactions,
            self.decisions,
            self.segments,
            self.arm_stats,
            self.models,
            self.metrics,
            self.dead_letters,
            self.thresholds,
            self.erasures,
        ];
        let mut all = Vec::with_capacity(tables.len());
        for mut table in tables {
            let mut findings = Findings::new(table.shape().table);
            compare(&mut table, &mut findings)?;
            let of_dead_letters = findings.table == "dead_letters";
            let is_fresh = |values: &[Option<&[u8]>]| {
                values[DEAD_LETTER_EPOCH].and_then(|epoch| number(Kind::Bigint, epoch))
                    >= Some(fresh)
            };
            table.finish(&mut findings, doubt, |values| !of_dead_letters || is_fresh(values));
            all.push(findings);
        }
        Ok(all)
    }

    fn interactions(&mut self) {
        let (customers, keys) = &self.staging.gone_interactions;
        customers.iter().zip(keys).for_each(|(&customer, &key)| {
            self.interactions.remove(&(customer, key, Box::from([])))
        });
        self.staging.new_interactions.each_row().for_each(|row| self.interactions.put(row));
        for row in self.staging.changed_interactions.each_row() {
            // A correction of a row that is gone brings none back.
            if self.gone.interactions > 0 {
                self.interactions.retire(row, INTERACTION_EPOCH, self.gone.interactions);
            }
            self.interactions.update(row, Some(INTERACTION_NAME), self.gone.interactions > 0);
        }
    }

    fn features(&mut self) {
        self.staging
            .gone_customers
            .iter()
            .for_each(|&customer| self.features.remove(&(customer, 0, Box::from([]))));
        self.staging.new_features.each_row().for_each(|row| self.features.put(row));
        let anew = std::mem::take(&mut self.anew);
        self.staging.changed_features.each_row().for_each(|row| {
            if anew { self.features.put(row) } else { self.features.update(row, None, false) }
        });
    }

    fn thresholds(&mut self, results: &EpochResults) {
        for &(day, high_value) in &results.thresholds {
            self.thresholds.put_new(single::threshold(
                &mut self.buffer,
                day,
                high_value,
                results.epoch,
            ));
        }
    }

    /// What an erasure takes away beside the rows that the epoch itself takes back, and its report.
    fn erasures(&mut self, results: &EpochResults) {
        let mut repetitions: BTreeMap<(i64, i64), i64> = BTreeMap::new();
        for erasure in &results.erasures {
            let until = microseconds(erasure.until);
            let gone = microseconds(erasure.gone_until());
            self.decisions.take_until(erasure.customer, DECISION_INSTANT, gone);
            if erasure.folded_before.is_some() {
                self.interactions.take_until(erasure.customer, INTERACTION_INSTANT, gone);
            }
            self.blank(erasure.customer, erasure.gone_until(), results.epoch);
            let repetition = repetitions.entry((erasure.customer, until)).or_default();
            *repetition += 1;
            self.erasures.put(single::erasure(&mut self.buffer, erasure, *repetition, results));
        }
        if results.erasures.iter().any(|erasure| erasure.learned > 0) {
            let newest: BTreeMap<i64, i64> =
                self.models.keys().map(|&(version, arm, _)| (arm, version)).collect();
            self.models.set_null(&MODEL_SUMS, |(version, arm, _)| {
                newest.get(arm).is_some_and(|newest| version < newest)
            });
        }
    }

    /// Those that may still be there.
    fn dead_letters(&mut self, results: &EpochResults) {
        let Kept { first_dead_letter, fresh, attributed_after, .. } = self.kept;
        if results.epoch < fresh.min(first_dead_letter) || results.epoch <= attributed_after {
            return;
        }
        for (row, rejected) in self.staging.dead_letters.each_row().zip(&results.rejected) {
            let new = self.dead_letters.put_new(row);
            if let (Some(key), Some(whose), Some(letters)) =
                (new, rejected.whose, &mut self.letters_of)
            {
                letters.entry(whose.customer).or_default().push((key, microseconds(whose.dated)));
            }
        }
    }

    /// What is left of the dead letters of a customer that are dated up to an instant.
    fn blank(&mut self, customer: CustomerId, until: Millis, epoch: u64) {
        let letters_of = self.letters_of.get_or_insert_with(|| letters_of(&self.dead_letters));
        let Some(letters) = letters_of.get_mut(&customer) else { return };
        let epoch = (epoch as i64).to_be_bytes();
        let values = [Some(Rejected::BLANKED.as_bytes()), Some(&[]), None, None, Some(&epoch)];
        let blank: Vec<_> = DEAD_LETTER_BLANKS.into_iter().zip(values).collect();
        for (key, _) in letters.extract_if(.., |(_, dated)| *dated <= microseconds(until)) {
            self.dead_letters.set(&key, &blank);
        }
    }

    fn arm_stats(&mut self, results: &EpochResults) {
        for stats in &results.arm_days {
            if stats.interactions == 0 {
                self.arm_stats.remove(&(i64::from(stats.day), i64::from(stats.arm), Box::from([])));
                continue;
            }
            self.arm_stats.put(single::arm_day(
                &mut self.buffer,
                stats,
                &self.settings.arms,
                results.epoch,
            ));
        }
    }

    fn segments(&mut self, results: &EpochResults) {
        for segment in &results.segments {
            let row =
                single::segment(&mut self.buffer, segment, self.settings.decimals, results.epoch);
            match segment.customers {
                0 => self.segments.remove_row(row),
                _ => self.segments.put(row),
            }
        }
    }

    fn metrics(&mut self, results: &EpochResults) {
        self.pending += results.counts.pending;
        self.metrics.put(single::metrics(
            &mut self.buffer,
            results,
            self.staging.mean_reward,
            self.pending,
        ));
    }

    /// Forgets the versions that the writer deletes, unless they are there all the same.
    fn prune_models(&mut self) {
        let versions: BTreeSet<i64> = self.models.keys().map(|key| key.0).collect();
        let keep = self.settings.keep_model_versions.max(1) as usize;
        let Some(&oldest) = versions.iter().rev().nth(keep - 1) else { return };
        let mut next: BTreeMap<i64, i64> = BTreeMap::new();
        let mut gone: Vec<Key> = Vec::new();
        for key in self.models.keys().collect::<Vec<_>>().into_iter().rev() {
            let replaced = next.insert(key.1, key.0).is_some_and(|next| next <= oldest);
            if replaced && !self.kept.models.contains(&(key.0, key.1)) {
                gone.push(key.clone());
            }
        }
        gone.iter().for_each(|key| self.models.remove(key));
    }
}

/// The dead letters of a table that are somebody's.
fn letters_of(table: &Table) -> BTreeMap<CustomerId, Vec<(Key, i64)>> {
    let [_, _, customer, dated, _] = DEAD_LETTER_BLANKS;
    let mut letters: BTreeMap<CustomerId, Vec<(Key, i64)>> = BTreeMap::new();
    for (key, values) in table.each() {
        let of = |column: usize, kind| values[column].and_then(|value| number(kind, value));
        if let (Some(customer), Some(dated)) =
            (of(customer, Kind::Bigint), of(dated, Kind::Timestamp))
        {
            letters.entry(customer).or_default().push((key.clone(), dated));
        }
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::bandit::ridge::solve;
    use dataflows::bandit::totals::Totals;
    use dataflows::campaign::output::{
        ArmDay, ArmUpdate, Change, Decision, Erasure, InteractionRow, InteractionRows, Segment,
    };
    use dataflows::event::{Place, Reason, Topic, Whose};

    fn expected(keep: u32, kept: Kept) -> Expected {
        Expected::new(
            &PostgresSettings {
                keep_model_versions: keep,
                ..PostgresSettings::new("", "campaign")
            },
            kept,
        )
    }

    /// An epoch that changes an arm.
    fn learned(epoch: u64, arm: u32) -> EpochResults {
        let totals = Totals::new(1);
        let model = solve(arm, &totals, 1.0);
        EpochResults { arms: vec![ArmUpdate { arm, totals, model }], ..EpochResults::new(epoch) }
    }

    fn versions(expected: &Expected) -> Vec<(i64, i64)> {
        expected.models.keys().map(|key| (key.0, key.1)).collect()
    }

    #[test]
    fn versions_go_as_the_writer_deletes_them() {
        let kept = Kept { models: BTreeSet::from([(3, 0)]), ..Kept::default() };
        let mut expected = expected(2, kept);
        for epoch in 1..=PRUNE_EVERY {
            let results = if epoch == 1 { learned(1, 1) } else { learned(epoch, 0) };
            expected.fold(&results).unwrap();
        }
        // Arm 1 was never learned again, version 3 is there because somebody has pinned it.
        let last = PRUNE_EVERY as i64;
        assert_eq!(versions(&expected), [(1, 1), (3, 0), (last - 1, 0), (last, 0)]);
    }

    fn decided(customer: i64, key: u64, timestamp: Millis) -> Decision {
        Decision {
            customer,
            key,
            decision: format!("d{key}"),
            timestamp,
            arm: Some(0),
            propensity: 1.0,
            ..Decision::default()
        }
    }

    #[test]
    fn an_erasure_takes_decisions_up_to_its_instant_and_rows_of_folded_interactions() {
        let mut own = expected(10, Kept::default());
        let decisions =
            vec![decided(1, 1, 100), decided(1, 2, 101), decided(1, 3, 110), decided(2, 1, 100)];
        let contact = |customer, timestamp| InteractionRow {
            change: Change::Insert,
            customer,
            key: timestamp as u64,
            timestamp,
            arm: 0,
            propensity: 1.0,
            reward: None,
            learned: false,
            decision: None,
        };
        let rows = vec![contact(1, 104), contact(1, 105), contact(2, 104)];
        let interactions = vec![InteractionRows { rows, contexts: Vec::new() }];
        let letter = |position, customer, dated| {
            let (place, whose) = (Place::new(0, position), Some(Whose { customer, dated }));
            Rejected {
                topic: Topic::Rewards,
                place,
                reason: Reason::BadReward,
                detail: "canary".to_string(),
                raw: b"canary".to_vec(),
                whose,
            }
        };
        let rejected = vec![letter(1, 1, Millis::MIN), letter(2, 1, 101), letter(3, 2, 100)];
        own.fold(&EpochResults { decisions, interactions, rejected, ..EpochResults::new(1) })
            .unwrap();
        let erasure = |until, folded_before| Erasure {
            customer: 1,
            until,
            transactions: 0,
            interactions: 1,
            learned: 1,
            rewards: 0,
            profiles: 0,
            decisions: 1,
            folded: 3,
            folded_before,
        };
        let left =
            |table: &Table| table.keys().map(|key| (key.0, key.1)).collect::<Vec<(i64, i64)>>();
        own.fold(&EpochResults {
            erasures: vec![erasure(100, None), erasure(100, None)],
            ..EpochResults::new(2)
        })
        .unwrap();
        assert_eq!(own.erasures.keys().count(), 2, "each is reported");
        let canaries = |own: &Expected| {
            own.dead_letters
                .rows()
                .filter(|(_, row)| row.windows(6).any(|bytes| bytes == b"canary"))
                .count()
        };
        assert_eq!(canaries(&own), 2, "one of three dead letters is blanked");
        assert_eq!(left(&own.decisions), [(1, 2), (1, 3), (2, 1)]);
        assert_eq!(left(&own.interactions), [(1, 104), (1, 105), (2, 104)]);
        own.fold(&EpochResults { erasures: vec![erasure(100, Some(105))], ..EpochResults::new(3) })
            .unwrap();
        assert_eq!(left(&own.decisions), [(1, 3), (2, 1)]);
        assert_eq!(left(&own.interactions), [(1, 105), (2, 104)]);
    }

    #[test]
    fn rows_with_nothing_in_them_are_none() {
        let mut own = expected(10, Kept::default());
        let day = |interactions| ArmDay { day: 1, arm: 0, interactions, responses: 0, reward: 0 };
        let segment = |customers| Segment { flags: 5, customers, amount: 7 };
        own.fold(&EpochResults {
            arm_days: vec![day(2)],
            segments: vec![segment(1)],
            ..EpochResults::new(1)
        })
        .unwrap();
        assert_eq!((own.arm_stats.keys().count(), own.segments.keys().count()), (1, 1));
        own.fold(&EpochResults {
            arm_days: vec![day(0)],
            segments: vec![segment(0)],
            ..EpochResults::new(2)
        })
        .unwrap();
        assert_eq!((own.arm_stats.keys().count(), own.segments.keys().count()), (0, 0));
    }
}
