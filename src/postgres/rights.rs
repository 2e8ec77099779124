//! Whether a role may do what the job does, found out without leaving anything.

mod relation;

use self::relation::{Lack, Relation, tables};
use super::declared::view_of;
use super::error::PostgresError;
use super::migrations;
use super::said::{passes, reason};
use super::schema;
use super::settings::PostgresSettings;
use super::tables::ENGINES;
use crate::sink::rows::Wording;
use postgres::{Client, GenericClient, Transaction};

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
    found
        .faults
        .extend(schema::check_encoding(client, settings).err().map(|error| error.to_string()));
    let row = client.query_one("SHOW search_path", &[]).map_err(failed())?;
    let schema: String = row.get(0);
    if !is_readable(client, settings, &schema, &mut found)? {
        return Ok(found);
    }
    let mut transaction = client.transaction().map_err(failed())?;
    let row = transaction
        .query_one(
            "SELECT current_setting('transaction_read_only') = 'on',
                    to_regnamespace(current_setting('search_path')) IS NOT NULL,
                    quote_ident(current_user), quote_ident(current_database())",
            &[],
        )
        .map_err(failed())?;
    let (reads_only, is_there): (bool, bool) = (row.get(0), row.get(1));
    let [role, database] = [2, 3].map(|column| row.get::<_, String>(column));
    if reads_only {
        found.faults.push(
            "the server takes only reads, as a standby does: name its primary in postgres.url"
                .to_string(),
        );
        return Ok(found);
    }
    transaction.batch_execute("SET LOCAL lock_timeout = '5s'").map_err(failed())?;
    for needed in needed(settings, &schema, is_there, &role, &database) {
        let refused = try_out(&mut transaction, &needed.statement)?;
        let none_to_fill = !is_there && !found.faults.is_empty() && needed.fills;
        let Needed { doing, grant, .. } = needed;
        found.faults.extend(
            refused
                .filter(|_| !none_to_fill)
                .map(|why| format!("the role cannot {doing}: {why}; {grant}")),
        );
    }
    existing(&mut transaction, &role, &schema, &mut found)?;
    transaction.rollback().map_err(failed())?;
    Ok(found)
}

/// Whether the schema can be read; what it says against going on is among what is found.
fn is_readable(
    client: &mut Client,
    settings: &PostgresSettings,
    schema: &str,
    found: &mut Lacking,
) -> Result<bool, PostgresError> {
    match migrations::pending(client, settings) {
        Err(error @ (PostgresError::Version { .. } | PostgresError::Diverged { .. })) => {
            found.faults.push(error.to_string());
            Ok(true)
        }
        Ok(_) => Ok(true),
        Err(PostgresError::Statement { source, .. }) if !passes(&source) => {
            found.faults.push(format!(
                "the schema `{}` cannot be read: {}; GRANT USAGE, CREATE ON SCHEMA {schema}",
                settings.schema,
                reason(&source)
            ));
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// What the job must be able to do.
struct Needed {
    doing: String,
    /// That it can shows in this.
    statement: String,
    /// What lets it.
    grant: String,
    /// It takes a schema.
    fills: bool,
}

/// All of it, in this order.
fn needed(
    settings: &PostgresSettings,
    schema: &str,
    is_there: bool,
    role: &str,
    database: &str,
) -> Vec<Needed> {
    let make = Needed {
        doing: format!("make the schema `{}`", settings.schema),
        statement: format!("CREATE SCHEMA {schema}"),
        grant: format!("GRANT CREATE ON DATABASE {database} TO {role}"),
        fills: false,
    };
    let fill = Needed {
        doing: format!("make tables in the schema `{}`", settings.schema),
        statement: format!(
            "CREATE TABLE {schema}.sluice_check (); CREATE VIEW {schema}.sluice_check_view AS \
             SELECT 1 AS one"
        ),
        grant: format!("GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}"),
        fills: true,
    };
    let temporary = Needed {
        doing: "make temporary tables".to_string(),
        statement: "CREATE TEMPORARY TABLE sluice_check () ON COMMIT DROP".to_string(),
        grant: format!("GRANT TEMPORARY ON DATABASE {database} TO {role}"),
        fills: false,
    };
    Some(make).filter(|_| !is_there).into_iter().chain([fill, temporary]).collect()
}

/// Why a statement is refused. What it has done stays for the next ones until all is rolled back.
fn try_out(
    transaction: &mut Transaction<'_>,
    statement: &str,
) -> Result<Option<String>, PostgresError> {
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
fn existing(
    transaction: &mut Transaction<'_>,
    role: &str,
    schema: &str,
    found: &mut Lacking,
) -> Result<(), PostgresError> {
    for table in tables(transaction, &["%".to_string()])? {
        match table.lacks(role, schema) {
            Some(Lack::Use(fault)) => found.faults.push(fault),
            Some(Lack::Empty(grant)) => found.warnings.push(grant),
            Some(Lack::Change(belongs)) => found
                .warnings
                .push(format!("new features and versions cannot change what is there: {belongs}")),
            None => {}
        }
    }
    Ok(())
}

/// What the job writes, or makes anew at a start; people's own tables beside it are nobody's
/// affair.
fn written(wording: &dyn Wording) -> Vec<String> {
    let declared = wording.tables();
    let declared = declared.iter().flat_map(|table| [table.name.to_string(), view_of(table)]);
    let names = wording.names().into_iter().map(|naming| naming.table.to_string());
    declared.chain(names).chain(ENGINES.map(str::to_string)).collect()
}

/// Makes sure that the role may use and fill the schema, or make it, by asking only.
///
/// # Errors
/// [`PostgresError::Rights`], or that of a statement.
pub fn of_schema(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
) -> Result<(), PostgresError> {
    let row = client
        .query_one(
            "SELECT quote_ident(current_user), quote_ident(current_database()),
                    current_setting('search_path'), pg_is_in_recovery(), s.oid IS NOT NULL,
                    has_database_privilege(current_database(), 'CREATE'),
                    has_database_privilege(current_database(), 'TEMPORARY'),
                    coalesce(has_schema_privilege(s.oid, 'USAGE')
                        AND has_schema_privilege(s.oid, 'CREATE'), false)
             FROM (SELECT to_regnamespace(current_setting('search_path'))::oid AS oid) s",
            &[],
        )
        .map_err(PostgresError::statement("tell what is allowed"))?;
    let [role, database, quoted] = [0, 1, 2].map(|column| row.get::<_, String>(column));
    let [is_standby, is_there, creates, temporary, fills] =
        [3, 4, 5, 6, 7].map(|column| row.get::<_, bool>(column));
    let schema = &settings.schema;
    let faults = [
        (
            is_standby,
            "the server takes only reads, as a standby does: name its primary in postgres.url"
                .to_string(),
        ),
        (
            !is_there && !creates,
            format!(
                "the role cannot make the schema `{schema}`: GRANT CREATE ON DATABASE {database} \
                 TO \
                 {role}"
            ),
        ),
        (
            is_there && !fills,
            format!(
                "the role cannot use and fill the schema `{schema}`: GRANT USAGE, CREATE ON SCHEMA \
                 {quoted} TO {role}"
            ),
        ),
        (
            !temporary,
            format!(
                "the role cannot make temporary tables: GRANT TEMPORARY ON DATABASE {database} TO \
                 {role}"
            ),
        ),
    ];
    refuse(faults.into_iter().filter(|(lacks, _)| *lacks).map(|(_, fault)| fault).collect())
}

/// Makes sure that the role may write the tables that are there, by asking only; where it `changes`
/// them, also that they are its own, and to make everything `anew` that it may empty them.
///
/// # Errors
/// [`PostgresError::Rights`], or that of a statement.
pub fn of_tables(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
    changes: bool,
    anew: bool,
) -> Result<(), PostgresError> {
    let row = client
        .query_one("SELECT quote_ident(current_user), current_setting('search_path')", &[])
        .map_err(PostgresError::statement("tell what is allowed"))?;
    let (role, schema): (String, String) = (row.get(0), row.get(1));
    let lack = |table: Relation| match table.lacks(&role, &schema)? {
        Lack::Use(fault) => Some(fault),
        Lack::Empty(grant) => anew.then_some(grant),
        Lack::Change(belongs) => changes.then_some(belongs),
    };
    refuse(
        tables(client, &written(settings.wording.as_ref()))?.into_iter().filter_map(lack).collect(),
    )
}

fn refuse(faults: Vec<String>) -> Result<(), PostgresError> {
    if faults.is_empty() { Ok(()) } else { Err(PostgresError::Rights(faults)) }
}
