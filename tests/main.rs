//! All tests of the program as a whole, one module a subject, linked once. Some modules have no
//! tests and are what the others share: `hostile`, `oracle`, `services` and `trial`.

#![allow(
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "all of it is tests, which clippy only sees of functions that are cases"
)]

mod arrivals;
mod arrivals_replayed;
#[cfg(feature = "demo")]
mod bench;
mod campaign100k;
mod chaos;
mod checkpoints;
mod cluster;
mod compaction;
mod counted;
mod decide_on_transaction;
#[cfg(feature = "demo")]
mod demo;
mod erasure;
mod failures;
mod folding;
mod gaps;
mod histories;
mod hostile;
mod hostile_itself;
mod identity;
mod in_collections;
mod kafka_to_postgres;
mod kill_matrix;
mod lateness;
mod losses;
mod oracle;
mod oracle_itself;
mod outage;
mod publishing;
mod reconfigure;
mod replay_oracle;
mod retail;
mod retired;
mod rubbish;
mod rubbish_through_kafka;
mod run_job;
mod schemas;
mod secrets;
mod services;
mod sources;
mod start;
mod start_without_database;
mod tidy;
mod tls;
mod trial;
mod unmatched;
mod verify;
mod without_database;
