//! Rows on their way into a table, and instants as parameters and columns.

use super::error::PostgresError;
use crate::table::encode::{CopyBuffer, TRAILER, YEAR_2000, microseconds};
use bytes::BytesMut;
use dataflows::event::Millis;
use postgres::Transaction;
use postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};
use std::error::Error;
use std::io::{self, Write};

/// Bytes handed to the client at once: a smaller piece costs a system call of its own.
const PIECE: usize = 64 * 1024;

/// Copies rows into a table; `statement` is a `COPY … FROM STDIN BINARY` of the same columns.
/// Nothing is sent when there are none.
///
/// # Errors
/// [`PostgresError::Statement`] and [`PostgresError::Copy`].
pub fn copy(
    rows: &CopyBuffer,
    transaction: &mut Transaction<'_>,
    statement: &str,
    doing: &str,
) -> Result<(), PostgresError> {
    if rows.is_empty() {
        return Ok(());
    }
    let failed = |source| PostgresError::Statement { doing: doing.to_string().into(), source };
    let mut writer = transaction.copy_in(statement).map_err(failed)?;
    for piece in rows.stream().chunks(PIECE).chain([&TRAILER[..]]) {
        writer.write_all(piece).map_err(|error| broken_off(error, doing))?;
    }
    writer.finish().map_err(failed)?;
    Ok(())
}

/// The client wraps its own errors for the `Write` trait.
pub fn broken_off(error: io::Error, doing: &str) -> PostgresError {
    match error.downcast::<postgres::Error>() {
        Ok(source) => PostgresError::Statement { doing: doing.to_string().into(), source },
        Err(error) => PostgresError::Copy(error),
    }
}

/// A `timestamptz` as a parameter or a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp(pub Millis);

impl ToSql for Timestamp {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&microseconds(self.0).to_be_bytes());
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

impl FromSql<'_> for Timestamp {
    fn from_sql(_: &Type, raw: &[u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Timestamp(match i64::from_be_bytes(raw.try_into()?) {
            i64::MIN => Millis::MIN,
            i64::MAX => Millis::MAX,
            microseconds => microseconds.div_euclid(1_000) + YEAR_2000,
        }))
    }

    accepts!(TIMESTAMPTZ);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_come_back_and_the_ends_of_time_are_infinite() {
        let read =
            |micros: i64| Timestamp::from_sql(&Type::TIMESTAMPTZ, &micros.to_be_bytes()).unwrap().0;
        for instant in [0, -1, YEAR_2000, 1_700_000_000_123, Millis::MAX, Millis::MIN] {
            assert_eq!(read(microseconds(instant)), instant);
        }
        assert_eq!(microseconds(YEAR_2000 + 1), 1_000);
        assert_eq!(read(-1), YEAR_2000 - 1);
    }
}
