//! Sluice: customer features, contextual bandits and decisions from Kafka to PostgreSQL.
#![allow(
    unreachable_pub,
    reason = "a program exports nothing: `pub` says what a module offers to the others"
)]

mod arrivals;
mod backoff;
mod blame;
mod campaign;
mod checkpoint;
mod cli;
mod cluster;
mod config;
mod console;
mod descriptors;
mod durable;
mod engine;
mod files;
mod fingerprint;
mod first;
mod hexadecimal;
mod hosting;
mod identifiers;
#[cfg(feature = "demo")]
mod jobs;
mod journal;
mod kafka;
mod keyed;
mod places;
mod postgres;
mod sink;
mod source;
mod status;
mod table;
mod telemetry;
mod units;

use clap::Parser;
use cli::error::ProgramError;
use config::secret::scrubbed;
use first::caught;
use std::io::Write;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    telemetry::panics::scrub();
    let cli = cli::Cli::parse();
    let json = cli.global.json;
    // Whatever panics, here or in a thread that was waited for, ends the program as every other
    // failure does.
    match caught("main", || cli::dispatch(cli)).map_err(ProgramError::from).flatten() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = match json {
                // Programs read one document.
                true if error.is_in_output() => None,
                true => Some(error.to_json().to_string()),
                false => Some(format!("error: {error}")),
            };
            // With standard error closed, the exit code has to say it alone.
            text.into_iter()
                .for_each(|text| drop(writeln!(std::io::stderr(), "{}", scrubbed(&text))));
            error.exit_code()
        }
    }
}
