//! A table that should be so, against rows that are.

use super::*;
use crate::postgres::comparison::difference::Findings;
use crate::table::encode::CopyBuffer;
use dataflows::table::{Column, Erase, Keep, Untold};

fn declared(columns: Vec<Column>, key: &'static [&'static str]) -> Arc<Table> {
    Arc::new(Table {
        name: "interactions",
        help: "",
        columns,
        own: Vec::new(),
        key,
        rule: Rule::Changes { again: false },
        keep: Keep::All,
        erase: Erase::Nobody { because: "" },
        untold: Untold::NONE,
    })
}

fn rows(rows: &[(i64, &str, &[i16], Option<f64>)]) -> CopyBuffer {
    let mut buffer = CopyBuffer::default();
    for (customer, name, context, reward) in rows {
        buffer.row(4);
        buffer.bigint(*customer);
        buffer.text(name.as_bytes());
        buffer.smallints(context);
        buffer.optional(*reward, CopyBuffer::float8);
    }
    buffer
}

/// Key, column, what should be there, what is.
type Named = (String, Option<String>, Option<String>, Option<String>);

fn compare(mut table: Wanted, found: &CopyBuffer) -> Vec<Named> {
    let mut findings = Findings::new("interactions");
    found.each_row().for_each(|row| table.check(row, &mut findings, None));
    table.finish(&mut findings, None, |_| true);
    assert_eq!(findings.total as usize, findings.named.len());
    findings.named.into_iter().map(|d| (d.key, d.column, d.expected, d.found)).collect()
}

fn table(of: &[(i64, &str, &[i16], Option<f64>)]) -> Wanted {
    let columns = vec![
        Column::of("customer_id", ColumnType::Bigint, ""),
        Column::of("name", ColumnType::Text, ""),
        Column::of("context", ColumnType::Smallints, "").once(),
        Column::of("reward", ColumnType::Float8, ""),
    ];
    let mut table = Wanted::new(declared(columns, &["customer_id", "name"]));
    rows(of).each_row().for_each(|row| table.put(row));
    table
}

#[test]
fn equal_rows_in_another_order_do_not_differ() {
    let long = "x".repeat(300);
    let all: [(i64, &str, &[i16], Option<f64>); 3] =
        [(-1, "a", &[1, -2], Some(0.5)), (2, &long, &[], None), (2, "", &[7], Some(f64::MIN))];
    let mut other = all;
    other.reverse();
    assert_eq!(compare(table(&all), &rows(&other)), []);
}

#[test]
fn a_value_a_missing_and_a_surplus_row_are_named() {
    let found = compare(
        table(&[(1, "a", &[1, 2], Some(0.5)), (2, "b", &[3], None), (3, "c", &[], Some(0.0))]),
        &rows(&[(1, "a", &[1, 3], None), (3, "c", &[], Some(-0.0)), (4, "d", &[], None)]),
    );
    let text = |text: &str| Some(text.to_string());
    let key = |customer: i64, name: &str| format!("customer_id {customer}, name {name:?}");
    assert_eq!(
        found,
        [
            (key(1, "a"), text("context"), text("{1,2}"), text("{1,3}")),
            (key(1, "a"), text("reward"), text("0.5"), text("NULL")),
            (key(3, "c"), text("reward"), text("0"), text("-0")),
            (key(4, "d"), None, None, text("a row")),
            (key(2, "b"), None, text("a row"), None),
        ]
    );
}

#[test]
fn rows_are_updated_kept_removed_and_emptied() {
    let mut own =
        table(&[(1, "a", &[1], Some(0.5)), (1, "b", &[2], None), (2, "a", &[3], Some(1.0))]);
    rows(&[(1, "a", &[9], Some(2.0)), (7, "not there", &[1], None)])
        .each_row()
        .for_each(|row| own.update(row, false));
    rows(&[(2, "a", &[4], None), (3, "c", &[5], Some(4.0))])
        .each_row()
        .for_each(|row| drop(own.put_new(row)));
    own.take_until(1, 0, 0);
    own.set_null(&[3], |key| key.0 == 2);
    assert_eq!(
        compare(
            own,
            &rows(&[
                (1, "a", &[1], Some(2.0)),
                (1, "b", &[2], None),
                (2, "a", &[3], None),
                (3, "c", &[5], Some(4.0))
            ])
        ),
        []
    );
}

/// A table of epochs, and its rows: customer, name, instant and epoch.
fn dated(of: &[(i64, &str, i64, i64)]) -> (Wanted, CopyBuffer) {
    let columns = vec![
        Column::of("customer_id", ColumnType::Bigint, ""),
        Column::of("name", ColumnType::Text, "").once(),
        Column::of("ts", ColumnType::Bigint, ""),
        Column::of("epoch", ColumnType::Bigint, ""),
    ];
    let mut buffer = CopyBuffer::default();
    for (customer, name, at, epoch) in of {
        buffer.row(4);
        buffer.bigint(*customer);
        buffer.text(name.as_bytes());
        [at, epoch].into_iter().for_each(|number| buffer.bigint(*number));
    }
    (Wanted::new(declared(columns, &["customer_id"])), buffer)
}

/// What differs of rows that are there, and how many were not compared.
fn on_trust(
    prepare: impl FnOnce(&mut Wanted),
    found: &[(i64, &str, i64, i64)],
) -> (Vec<String>, u64) {
    let (mut table, found) = dated(found);
    table.trust(Trust::up_to(7));
    prepare(&mut table);
    let mut findings = Findings::new("interactions");
    found.each_row().for_each(|row| table.check(row, &mut findings, None));
    let trusted = findings.trusted;
    assert_eq!(findings.rows + trusted, found.each_row().count() as u64);
    table.finish(&mut findings, None, |_| true);
    (
        findings
            .named
            .into_iter()
            .map(|named| format!("{} {}", named.key, named.column.unwrap_or_default()))
            .collect(),
        trusted,
    )
}

#[test]
fn what_was_written_before_is_trusted_unless_something_since_says_otherwise() {
    let row = |row| dated(&[row]).1;
    let update = |table: &mut Wanted, may_be_gone| {
        row((1, "", 5, 9)).each_row().for_each(|row| table.update(row, may_be_gone))
    };
    let none = Vec::<String>::new;
    assert_eq!(on_trust(|_| (), &[(1, "a", 5, 7), (2, "b", 5, 3)]), (none(), 2));
    assert_eq!(
        on_trust(|_| (), &[(1, "a", 5, 8)]),
        (vec!["customer_id 1 ".to_string()], 0),
        "it was written since"
    );
    // What was corrected is known but for its name.
    assert_eq!(on_trust(|table| update(table, false), &[(1, "any", 5, 9)]), (none(), 0));
    assert_eq!(
        on_trust(|table| update(table, false), &[(1, "any", 5, 7)]),
        (vec!["customer_id 1 epoch".to_string()], 0)
    );
    assert_eq!(
        on_trust(|table| update(table, false), &[]),
        (vec!["customer_id 1 ".to_string()], 0)
    );
    assert_eq!(on_trust(|table| update(table, true), &[]), (none(), 0), "it may have been old");
    assert_eq!(
        on_trust(|table| update(table, true), &[(1, "any", 6, 9)]),
        (vec!["customer_id 1 ts".to_string()], 0)
    );
    // What was taken away must not be there, until it comes again.
    let remove = |table: &mut Wanted| table.remove(&(1, 0, Box::from([])));
    assert_eq!(
        on_trust(remove, &[(1, "a", 5, 7), (2, "b", 5, 7)]),
        (vec!["customer_id 1 ".to_string()], 1)
    );
    let again = |table: &mut Wanted| {
        remove(table);
        update(table, true);
        assert_eq!(
            (table.keys().count(), table.each().count()),
            (0, 0),
            "what is gone is not corrected"
        );
        row((1, "b", 6, 9)).each_row().for_each(|row| drop(table.put_new(row).expect("it is new")));
    };
    assert_eq!(on_trust(again, &[(1, "b", 6, 9)]), (none(), 0));
    let take = |table: &mut Wanted| table.take_until(1, 2, 5);
    assert_eq!(
        on_trust(take, &[(1, "a", 5, 7), (2, "b", 5, 7)]),
        (vec!["customer_id 1 ".to_string()], 1)
    );
    assert_eq!(on_trust(take, &[(1, "a", 6, 7)]), (none(), 1), "it is dated later");
}

/// Versions of an arm with a column that came later: version, arm and that column.
fn versions(of: &[(i64, i16, Option<&str>)]) -> (Wanted, CopyBuffer) {
    let columns = vec![
        Column::of("version", ColumnType::Bigint, ""),
        Column::of("arm", ColumnType::Smallint, ""),
        Column::of("reward", ColumnType::Decimal(None), "").later(),
    ];
    let mut buffer = CopyBuffer::default();
    for (version, arm, reward) in of {
        buffer.row(3);
        buffer.bigint(*version);
        buffer.smallint(*arm);
        buffer.optional(*reward, |buffer, reward| buffer.text(reward.as_bytes()));
    }
    let (version, group, pinned, setting) = ("version", "arm", "pinned", "keep");
    let keep = Keep::Versions { version, group, pinned, setting };
    let table = declared(columns, &["version", "arm"]);
    let table = Table { keep, rule: Rule::Adds, ..Table::clone(&table) };
    (Wanted::new(Arc::new(table)), buffer)
}

#[test]
fn only_rows_of_before_lack_what_came_later() {
    let wanted = || {
        let (mut wanted, rows) =
            versions(&[(1, 0, Some("1")), (1, 1, Some("2")), (2, 0, Some("3")), (3, 1, Some("4"))]);
        rows.each_row().for_each(|row| wanted.put(row));
        wanted
    };
    let found = |of: [Option<&str>; 4]| {
        let [a, b, c, d] = of;
        compare(wanted(), &versions(&[(1, 0, a), (1, 1, b), (2, 0, c), (3, 1, d)]).1)
    };
    assert_eq!(found([None, None, Some("3"), None]), []);
    assert_eq!(found([None, Some("2"), None, Some("4")]), [], "each arm has its own beginning");
    let text = |text: &str| Some(text.to_string());
    let differs = |version, arm, expected: &str, found: &str| {
        let key = format!("version {version}, arm {arm}");
        (key, text("reward"), text(expected), text(found))
    };
    assert_eq!(
        found([Some("1"), Some("2"), None, Some("4")]),
        [differs(2, 0, "\"3\"", "NULL")],
        "it was there before"
    );
    let wrong = found([None, Some("5"), Some("3"), Some("4")]);
    assert_eq!(wrong, [differs(1, 1, "\"2\"", "\"5\"")]);
}
