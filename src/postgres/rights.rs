//! Whether a role may do what the job does, found out without leaving anything.

use super::error::{PostgresError, passes, reason};
use super::schema;
use super::settings::PostgresSettings;
use postgres::{Client, Transaction};

/// What keeps the job from running, and what will once it is asked for more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lacking {
    /// What `run` would end with.
    pub faults: Vec<String>,
    /// What only a rebuild, another list of features or a newer version would end with.
    pub warnings: Vec<String>,
}

/// Tries what can be rolled back, and asks about the rest.
///
/// # Errors
/// That of a statement that does not depend on rights.
pub fn lacking(client: &mut Client, settings: &PostgresSettings) -> Result<Lacking, PostgresError> {
    let mut found = Lacking::default();
    let failed = || PostgresError::statement("tell what is allowed");
    found.faults.extend(schema::check_encoding(client, settings).err().map(|error| error.to_string()));
    match schema::check_version(client) {
        Err(error @ PostgresError::Version { found: there, wanted }) if there > wanted => found.faults.push(error.to_string()),
        Ok(()) | Err(PostgresError::Version { .. }) => {}
        Err(PostgresError::Statement { source, .. }) if !passes(&source) => {
            found.faults.push(format!("the schema `sluice` cannot be read: {}; GRANT USAGE, CREATE ON SCHEMA sluice", reason(&source)));
            return Ok(found);
        }
        Err(error) => return Err(error),
    }
    let mut transaction = client.transaction().map_err(failed())?;
    let row = transaction
        .query_one(
            "SELECT current_setting('transaction_read_only') = 'on', to_regnamespace('sluice') IS NOT NULL, quote_ident(current_user),
                    quote_ident(current_database())",
            &[],
        )
        .map_err(failed())?;
    let (reads_only, is_there, role, database): (bool, bool, String, String) = (row.get(0), row.get(1), row.get(2), row.get(3));
    if reads_only {
        found.faults.push("the server takes only reads, as a standby does: name its primary in postgres.url".to_string());
        return Ok(found);
    }
    transaction.batch_execute("SET LOCAL lock_timeout = '5s'").map_err(failed())?;
    let mut grants = Vec::new();
    if !is_there {
        grants.push(("make the schema `sluice`", "CREATE SCHEMA sluice", format!("GRANT CREATE ON DATABASE {database} TO {role}")));
    }
    let tables = "CREATE TABLE sluice.sluice_check (); CREATE VIEW sluice.sluice_check_view AS SELECT 1 AS one";
    grants.push(("make tables in the schema `sluice`", tables, format!("GRANT USAGE, CREATE ON SCHEMA sluice TO {role}")));
    let temporary = "CREATE TEMPORARY TABLE sluice_check () ON COMMIT DROP";
    grants.push(("make temporary tables", temporary, format!("GRANT TEMPORARY ON DATABASE {database} TO {role}")));
    for (doing, statement, grant) in grants {
        let refused = try_out(&mut transaction, statement)?;
        let none_to_fill = !is_there && !found.faults.is_empty() && doing.starts_with("make tables");
        found.faults.extend(refused.filter(|_| !none_to_fill).map(|why| format!("the role cannot {doing}: {why}; {grant}")));
    }
    existing(&mut transaction, &role, &mut found)?;
    transaction.rollback().map_err(failed())?;
    Ok(found)
}

/// Why a statement is refused. What it has done stays for the next ones until all is rolled back.
fn try_out(transaction: &mut Transaction<'_>, statement: &str) -> Result<Option<String>, PostgresError> {
    let failed = || PostgresError::statement("try what is allowed");
    let mut attempt = transaction.transaction().map_err(failed())?;
    match attempt.batch_execute(statement) {
        Ok(()) => attempt.commit().map(|()| None).map_err(failed()),
        Err(error) if error.as_db_error().is_none() => Err(failed()(error)),
        Err(error) => {
            attempt.rollback().map_err(failed())?;
            Ok(Some(reason(&error)))
        }
    }
}

/// What is not allowed with the tables that are there. Trying would lock them, where a job may be
/// writing.
fn existing(transaction: &mut Transaction<'_>, role: &str, found: &mut Lacking) -> Result<(), PostgresError> {
    let rows = transaction
        .query(
            "SELECT c.relname::text, c.relkind = 'v', quote_ident(pg_get_userbyid(c.relowner)), pg_has_role(c.relowner, 'USAGE'),
                    has_table_privilege(c.oid, 'TRUNCATE'),
                    array_to_string(ARRAY(
                        SELECT p FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p WHERE NOT has_table_privilege(c.oid, p)
                    ), ', ')
             FROM pg_class c
             WHERE c.relnamespace = to_regnamespace('sluice') AND c.relkind IN ('r', 'v') AND c.relname NOT LIKE 'sluice\\_check%'
             ORDER BY c.relname",
            &[],
        )
        .map_err(PostgresError::statement("tell what is allowed with its tables"))?;
    for row in rows {
        let (table, is_view, owner, owns): (String, bool, String, bool) = (row.get(0), row.get(1), row.get(2), row.get(3));
        let (truncates, missing): (bool, String) = (row.get(4), row.get(5));
        let belongs = || format!("{table} belongs to {owner}, as whom {role} cannot act: GRANT {owner} TO {role}");
        match is_view {
            true if !owns => found.faults.push(format!("the view {}", belongs())),
            true => {}
            false if !missing.is_empty() => {
                found.faults.push(format!("the table {table} cannot be written: GRANT {missing} ON sluice.{table} TO {role}"));
            }
            false if !truncates => {
                found.warnings.push(format!("the table {table} cannot be emptied by --rebuild: GRANT TRUNCATE ON sluice.{table} TO {role}"));
            }
            false if !owns => found.warnings.push(format!("new features and versions cannot change what is there: the table {}", belongs())),
            false => {}
        }
    }
    Ok(())
}
