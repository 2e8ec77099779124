//! What a database has of a job, to be compared with what it has later.

use postgres::Client;

/// Every table, view and column of a schema, and every row.
pub(crate) fn dump(database: &mut Client, schema: &str) -> String {
    let columns = "SELECT coalesce(string_agg(concat_ws('.', table_name, column_name, data_type), \
        ' ' ORDER BY table_name, ordinal_position), '')
                   FROM information_schema.columns WHERE table_schema = $1";
    let mut dump: String = database.query_one(columns, &[&schema]).expect("columns").get(0);
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = $1 ORDER BY 1";
    for table in database.query(tables, &[&schema]).expect("tables") {
        let table: String = table.get(0);
        let rows = format!(
            "SELECT coalesce(string_agg(t::text, '\n' ORDER BY t::text), '') FROM \
             \"{schema}\".{table} t"
        );
        dump += &format!(
            "\n{table}:\n{}",
            database.query_one(&rows, &[]).expect("rows").get::<_, String>(0)
        );
    }
    dump
}
