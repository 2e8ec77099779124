//! The tables and views that are there, and what a role may do with them.

use crate::postgres::error::PostgresError;
use postgres::GenericClient;

/// A table or view of the schema, and what the role may do with it.
pub(super) struct Relation {
    name: String,
    is_view: bool,
    owner: String,
    owns: bool,
    truncates: bool,
    /// Rights to its rows that the role does not have.
    missing: String,
}

/// What a role may not do with a table.
pub(super) enum Lack {
    /// What every start needs.
    Use(String),
    /// Empty it.
    Empty(String),
    /// Change it.
    Change(String),
}

impl Relation {
    /// What the role may not do with it.
    pub(super) fn lacks(&self, role: &str, schema: &str) -> Option<Lack> {
        let Relation { name, is_view, owner, owns, truncates, missing } = self;
        let belongs = || {
            format!("{name} belongs to {owner}, as whom {role} cannot act: GRANT {owner} TO {role}")
        };
        match is_view {
            true => (!owns).then(|| Lack::Use(format!("the view {}", belongs()))),
            false if !missing.is_empty() => Some(Lack::Use(format!(
                "the table {name} cannot be written: GRANT {missing} ON {schema}.{name} TO {role}"
            ))),
            false if !truncates => Some(Lack::Empty(format!(
                "the table {name} cannot be emptied by --rebuild: GRANT TRUNCATE ON \
                 {schema}.{name} \
                 TO {role}"
            ))),
            false => (!owns).then(|| Lack::Change(format!("the table {}", belongs()))),
        }
    }
}

/// The tables and views of the schema whose names are like one of these.
pub(super) fn tables(
    client: &mut impl GenericClient,
    like: &[String],
) -> Result<Vec<Relation>, PostgresError> {
    let rows = client
        .query(
            "SELECT c.relname::text, c.relkind = 'v', quote_ident(pg_get_userbyid(c.relowner)), \
             pg_has_role(c.relowner, 'USAGE'),
                    has_table_privilege(c.oid, 'TRUNCATE'),
                    array_to_string(ARRAY(
                        SELECT p FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p \
                        WHERE NOT has_table_privilege(c.oid, p)
                    ), ', ')
             FROM pg_class c
             WHERE c.relnamespace = to_regnamespace(current_setting('search_path')) AND c.relkind \
             IN ('r', 'v') AND \
             c.relname NOT LIKE 'sluice\\_check%'
                AND c.relname LIKE ANY ($1)
             ORDER BY c.relname",
            &[&like],
        )
        .map_err(PostgresError::statement("tell what is allowed with its tables"))?;
    let table = |row: &postgres::Row| Relation {
        name: row.get(0),
        is_view: row.get(1),
        owner: row.get(2),
        owns: row.get(3),
        truncates: row.get(4),
        missing: row.get(5),
    };
    Ok(rows.iter().map(table).collect())
}
