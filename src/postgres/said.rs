//! What the server says of a failure: whether it passes by itself, what stands still meanwhile, and
//! its words.

use crate::telemetry::stalls::Cause;
use postgres::error::SqlState;
use std::io;

/// Whether a failure of the server or the connection passes by itself.
pub fn passes(error: &postgres::Error) -> bool {
    match error.code() {
        Some(state) => state_passes(state),
        None => error.is_closed() || is_io(error),
    }
}

/// Connections lost (08), resources short (53), server going down or coming up (57P0x), canceled by
/// an operator, conflicts with other sessions, and a standby that is about to be promoted.
fn state_passes(state: &SqlState) -> bool {
    let code = state.code();
    matches!(&code[..2], "08" | "53")
        || code.starts_with("57P0")
        // A transaction that took longer than transaction_timeout.
        || code == "25P04"
        || [
            SqlState::QUERY_CANCELED,
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            SqlState::READ_ONLY_SQL_TRANSACTION,
        ]
        .contains(state)
}

/// Locks that others hold (waited for too long, a deadlock, a conflict), and what ends after a
/// time: a statement (which is also what an operator cancels), or a transaction. With everything
/// else the database itself does not take the epoch.
pub fn cause_of(state: &SqlState) -> Cause {
    match state.code() {
        "55P03" | "40P01" | "40001" => Cause::DatabaseLock,
        "57014" | "25P03" | "25P04" => Cause::DatabaseSlow,
        _ => Cause::Database,
    }
}

fn is_io(error: &postgres::Error) -> bool {
    super::tls::causes(error).into_iter().any(|cause| cause.is::<io::Error>())
}

/// What the server says, with its detail and hint; without a server the chain of causes.
pub fn reason(error: &postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        // What a row has that breaks a rule, or a value that cannot be read, is nobody's affair
        // here.
        let quotes = ["22", "23"].iter().any(|class| said.code().code().starts_with(class));
        let extra = [said.detail().filter(|_| !quotes), said.hint()]
            .into_iter()
            .flatten()
            .map(|text| format!("; {text}"))
            .collect::<String>();
        return format!("{}{extra} [{}]", said.message(), said.code().code());
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_retried_and_what_stays_is_not() {
        for code in [
            "08006", "53300", "57P01", "57P02", "57P03", "57014", "40001", "40P01", "55P03",
            "25P03", "25P04", "25006",
        ] {
            assert!(state_passes(&SqlState::from_code(code)), "{code}");
        }
        for code in ["23505", "42P01", "28P01", "3D000", "22021", "42501", "57000"] {
            assert!(!state_passes(&SqlState::from_code(code)), "{code}");
        }
    }

    #[test]
    fn a_lock_and_a_time_limit_are_told_from_a_database_that_is_away() {
        let causes = [
            ("55P03", Cause::DatabaseLock),
            ("40P01", Cause::DatabaseLock),
            ("57014", Cause::DatabaseSlow),
            ("25P04", Cause::DatabaseSlow),
        ];
        for (code, cause) in causes
            .into_iter()
            .chain(["57P01", "53300", "08006"].map(|code| (code, Cause::Database)))
        {
            assert_eq!(cause_of(&SqlState::from_code(code)), cause, "{code}");
        }
    }
}
