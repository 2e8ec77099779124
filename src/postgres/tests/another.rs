//! Another dataflow than the campaign, in a schema of its own: the engine's tables are those that
//! the campaign's schemas have, and its own come from their declarations.

use super::*;
use crate::postgres::PostgresOutbox;
use crate::postgres::comparison::Snapshot;
use crate::postgres::error::PostgresError;
use crate::postgres::tables::ENGINES;
use crate::sink::common;
use crate::sink::gathered::{ErasedCustomer, Essentials, Gathered};
use crate::sink::outbox::{Outbox as _, Owed, Tombstone};
use crate::sink::rows::{Unfit, Wording};
use crate::source::{TopicNames, TopicUuids};
use crate::table::Changes;
use dataflows::campaign::output::Counts;
use dataflows::epoch::Closed;
use dataflows::event::tables::{DEAD_LETTERS, ERASURES, dead_letters, erasures};
use dataflows::table::{Column, ColumnType, Erase, Keep, Rule, Table, Untold};
use std::any::Any;
use std::collections::BTreeMap;

/// How often customers came, and how many there are after each epoch.
#[derive(Debug)]
struct VisitsWording;

/// An epoch: customers with how often they came by then.
struct Visits {
    epoch: u64,
    closed: Closed,
    counts: Counts,
    visits: Vec<(CustomerId, i64)>,
    rejected: Vec<Rejected>,
    erased: Vec<CustomerId>,
}

impl Visits {
    fn new(epoch: u64, visits: &[(CustomerId, i64)]) -> Visits {
        let (closed, counts) = (Closed::default(), Counts::none());
        let (visits, rejected, erased) = (visits.to_vec(), Vec::new(), Vec::new());
        Visits { epoch, closed, counts, visits, rejected, erased }
    }
}

impl Gathered for Visits {
    fn essentials(&self) -> Essentials<'_> {
        const NONE: &BTreeMap<(dataflows::source::TopicId, String), u64> = &BTreeMap::new();
        Essentials {
            epoch: self.epoch,
            closed: &self.closed,
            records: self.visits.len() as u64,
            counts: &self.counts,
            running: self.visits.len() as i64,
            is_change: false,
            unread_erasures: 0,
            rejected: &self.rejected,
            ignored: NONE,
            kept: &[],
            digest: &[3; 32],
            topic_ids: &TopicUuids::UNKNOWN,
            chain: None,
        }
    }

    fn erasures(&self) -> Vec<ErasedCustomer> {
        let erased = |&customer: &CustomerId| ErasedCustomer {
            customer,
            until: Millis::MAX,
            gone_until: Millis::MAX,
            learned: false,
        };
        self.erased.iter().map(erased).collect()
    }

    fn take_owed(&mut self, _: &TopicNames) -> Owed {
        Owed::default()
    }
}

impl Wording for VisitsWording {
    fn dataflow(&self) -> &'static str {
        "visits"
    }

    fn tables(&self) -> Vec<Arc<Table>> {
        let epoch = || Column::of("epoch", ColumnType::Bigint, "The epoch that wrote it last.");
        let visits = Table {
            name: "visits",
            help: "How often a customer came.",
            columns: vec![
                Column::of("customer_id", ColumnType::Bigint, "Whose."),
                Column::of("visits", ColumnType::Bigint, "How often."),
                epoch(),
            ],
            own: Vec::new(),
            key: &["customer_id"],
            rule: Rule::Replaces { counts: Some("visits") },
            keep: Keep::All,
            erase: Erase::Rows { customer: "customer_id", instant: None, of_before: &[] },
            untold: Untold::NONE,
        };
        let totals = Table {
            name: "totals",
            help: "What the epochs come to.",
            columns: vec![
                epoch(),
                Column::of("seen", ColumnType::Bigint, "Rows so far.").running(),
            ],
            own: Vec::new(),
            key: &["epoch"],
            rule: Rule::Replaces { counts: None },
            keep: Keep::All,
            erase: Erase::Nobody { because: "it counts" },
            untold: Untold::NONE,
        };
        let events = Column::of("events", ColumnType::Bigint, "How many went.");
        let all = [visits, totals, erasures(vec![events], "events"), dead_letters()];
        all.into_iter().map(Arc::new).collect()
    }

    fn word(
        &self,
        epoch: &dyn Gathered,
        tables: &mut [Changes],
        running: i64,
    ) -> Result<(), Unfit> {
        let epoch: &dyn Any = epoch;
        let epoch = epoch.downcast_ref::<Visits>().expect("an epoch of visits");
        let [visits, totals, reports, letters] = tables else { panic!("four tables") };
        for &(customer, count) in &epoch.visits {
            let buffer = if count == 0 { &mut visits.gone } else { &mut visits.changed };
            buffer.row(if count == 0 { 1 } else { 3 });
            buffer.bigint(customer);
            if count > 0 {
                buffer.bigint(count);
                buffer.bigint(epoch.epoch as i64);
            }
        }
        totals.new.row(2);
        totals.new.bigint(epoch.epoch as i64);
        totals.new.bigint(running);
        let erased = epoch.erased.iter().map(|&customer| (customer, Millis::MAX, [1]));
        common::erasures(reports, epoch.epoch, [&[2; 32], &[3; 32]], erased);
        let topics = TopicNames::own(Topic::ids());
        common::dead_letters(letters, epoch.epoch, &epoch.rejected, &topics);
        Ok(())
    }
}

fn settings(database: &TestDatabase) -> PostgresSettings {
    PostgresSettings { wording: Arc::new(VisitsWording), ..database.settings() }
}

/// Columns with types and defaults, constraints and indexes of a table.
fn described(database: &TestDatabase, table: &str) -> String {
    database.text(&format!(
        "SELECT concat_ws(E'\\n',
            (SELECT string_agg(concat_ws(' ', ordinal_position, column_name, data_type, \
            is_nullable, column_default), E'\\n' ORDER BY ordinal_position)
            FROM information_schema.columns WHERE table_schema = 'sluice' AND table_name = \
            '{table}'),
            (SELECT string_agg(pg_get_constraintdef(oid), E'\\n' ORDER BY conname)
            FROM pg_constraint WHERE conrelid = '{table}'::regclass),
            (SELECT string_agg(indexdef, E'\\n' ORDER BY indexname)
            FROM pg_indexes WHERE schemaname = 'sluice' AND tablename = '{table}'),
            (SELECT reloptions::text FROM pg_class WHERE oid = '{table}'::regclass))"
    ))
}

#[test]
fn the_engines_tables_are_the_same_whatever_the_dataflow() {
    let Some(campaign) = TestDatabase::create() else { return };
    let Some(other) = TestDatabase::create() else { return };
    drop(campaign.writer());
    drop(Writer::open(settings(&other)).unwrap());
    for table in ENGINES {
        let wanted = described(&campaign, table);
        assert!(!wanted.is_empty() && wanted != "NULL", "{table}");
        assert_eq!(described(&other, table), wanted, "{table}");
    }
    let tables = "SELECT string_agg(tablename::text, ' ' ORDER BY tablename) FROM pg_tables WHERE \
        schemaname = 'sluice'";
    let declared = VisitsWording.tables();
    let mut wanted: Vec<&str> =
        ENGINES.into_iter().chain(declared.iter().map(|table| table.name)).collect();
    wanted.sort_unstable();
    assert_eq!(other.text(tables), wanted.join(" "), "and nothing of the campaign's is there");
}

#[test]
fn another_dataflow_is_committed_published_verified_and_forgotten_by_the_same_code() {
    let Some(database) = TestDatabase::create() else { return };
    let settings = || settings(&database);
    let mut writer = Writer::open(settings()).unwrap();
    let mut first = Visits::new(1, &[(1, 1), (2, 3)]);
    first.rejected = vec![rejected_of(1, MARCH, 5)];
    writer.commit(&first).unwrap();
    let mut second = Visits::new(2, &[(1, 0), (2, 4), (7, 1)]);
    second.erased = vec![1];
    writer.commit(&second).unwrap();
    let shown = |database: &TestDatabase| {
        database.text(
            "SELECT concat_ws('; ',
                (SELECT string_agg((v)::text, ' ' ORDER BY customer_id) FROM visits v),
                (SELECT string_agg((t)::text, ' ' ORDER BY epoch) FROM totals t),
                (SELECT string_agg((epoch, customer_id, events, dead_letters)::text, ' ') FROM \
             erasures),
                (SELECT string_agg((position, length(raw), blanked)::text, ' ') FROM \
             dead_letters))",
        )
    };
    assert_eq!(shown(&database), "(2,4,2) (7,1,2); (1,2) (2,5); (2,1,1,1); (5,0,2)");
    drop(writer);

    let mut writer = Writer::open(settings()).unwrap();
    assert_eq!((writer.progress().epoch, writer.erasures(0).unwrap().len()), (2, 1));
    let mut outbox = PostgresOutbox::new(settings(), writer.progress().incarnation);
    let owed = outbox.owed(0, 2).unwrap().epochs;
    assert_eq!(
        (owed.len(), owed[0].letters.len(), outbox.backlog(0, 2).unwrap().records),
        (2, 1, 2)
    );
    let letter = Tombstone::Letter("rewards".to_string(), Place::new(2, 5));
    assert_eq!(owed[1].tombstones, [letter], "it has no notices to bury");

    let mut snapshot = Snapshot::open(settings()).unwrap();
    let standing = snapshot.standing(0).unwrap();
    assert_eq!(snapshot.pending_after(2, &[]).unwrap(), 5);
    let mut expected = crate::postgres::comparison::Expected::new(&settings(), standing.kept);
    [&first, &second].into_iter().for_each(|epoch| expected.fold(epoch).unwrap());
    let findings = snapshot.compare(expected, None, |_| {}).unwrap();
    let rows: u64 = findings.iter().map(|findings| findings.rows).sum();
    let wrong: u64 = findings.iter().map(|findings| findings.total).sum();
    assert_eq!((rows, wrong), (6, 0), "{findings:?}");
    drop(snapshot);

    writer.forget(&[], &TopicUuids::UNKNOWN).unwrap();
    let counted = format!(
        "SELECT (SELECT count(*) FROM visits) + (SELECT count(*) FROM {ERASURES}) + (SELECT \
         count(*) FROM {DEAD_LETTERS}) + (SELECT count(*) FROM epochs)"
    );
    assert_eq!(database.text(&counted), "0");
    let refused = Writer::open(database.settings()).err().expect("it is another dataflow's");
    assert!(matches!(refused, PostgresError::OtherResults { .. }), "{refused}");
}
