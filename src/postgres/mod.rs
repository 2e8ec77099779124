//! The PostgreSQL sink: every epoch in one transaction, together with its offsets and the job's
//! progress, by one writer that others cannot write beside.
//!
//! [`Survey`] looks at what a start finds, and can change nothing. [`Writer::open_settling`]
//! connects, fences whoever wrote for the job before and brings the schema up to date, all in one
//! step; what the job needs to go on (progress, recorded epochs, thresholds) is read from it. It is
//! a [`Sink`](crate::sink::Sink), whose thread commits
//! [`Gathered`](crate::sink::gathered::Gathered) epochs as they come, and survives outages of the
//! database. [`comparison`] reads the tables beside it. What its epochs have to publish,
//! [`PostgresOutbox`] reads and marks, on a session of its own.

pub mod address;
mod applied;
pub mod comparison;
pub mod connection;
mod declared;
pub mod encode;
pub mod error;
mod kept;
pub mod migrations;
mod outbox;
mod owner;
mod passwords;
mod patience;
pub mod pooling;
pub mod recorded;
pub mod retention;
pub mod rights;
mod said;
pub mod schema;
pub mod section;
mod session;
pub mod settings;
mod sink;
pub mod statements;
mod survey;
pub mod tables;
pub mod target;
pub mod tls;
pub mod transaction;
mod verdict;
pub mod waiting;
pub mod writer;

#[cfg(test)]
pub mod tests;

pub use error::PostgresError;
pub use kept::KeptRows;
pub use outbox::PostgresOutbox;
pub use owner::inspect;
pub use settings::{PostgresSettings, Timeouts};
pub use survey::Survey;
#[cfg(any(test, feature = "demo"))]
pub use target::Target;
pub use writer::Writer;
