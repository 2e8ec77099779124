//! The command line: one file a subcommand, and what they share.

#[cfg(feature = "demo")]
pub mod bench;
pub mod check;
pub mod checkpoint;
pub mod cluster;
pub mod config;
mod dataflow;
#[cfg(feature = "demo")]
pub mod demo;
pub mod docs;
pub mod erasures;
pub mod error;
pub mod generate;
pub mod replay;
pub mod run;
pub mod serve;
#[cfg(test)]
mod tests;
#[cfg(feature = "demo")]
mod thousands;
pub mod topics;
pub mod verify;

use crate::blame::CODES;
use crate::config::Check;
use crate::config::load::{Layers, Loaded, Override};
use crate::config::secret::scrubbed;
use clap::{Args, CommandFactory, Parser, Subcommand};
use error::ProgramError;
use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// The package's version, with the commit that the program was built from where that is known.
const VERSION: &str = env!("SLUICE_VERSION");

/// Customer features, contextual bandits and decisions from Kafka to PostgreSQL, exactly once, bit
/// for bit.
#[derive(Debug, Parser)]
#[command(
    name = "sluice",
    version = VERSION,
    propagate_version = true,
    max_term_width = 120,
    disable_help_subcommand = true
)]
#[command(after_help = CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Flags of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Plays the simulated world: everything in one process, nothing to install
    #[cfg(feature = "demo")]
    Demo(demo::DemoArgs),
    /// Runs the job: Kafka in, PostgreSQL and Kafka out
    Run(run::RunArgs),
    /// Puts historical files, or a stretch of the topics, through the dataflow as fast as possible
    Replay(replay::ReplayArgs),
    /// Computes everything again from the topics, beside the running job, and says what differs
    Verify(verify::VerifyArgs),
    /// Writes the simulated world as files, or into Kafka
    Generate(generate::GenerateArgs),
    /// Measures what an event costs on this machine
    #[cfg(feature = "demo")]
    Bench(bench::BenchArgs),
    /// Makes the topics of a job
    Topics(topics::TopicsArgs),
    /// Prints the configuration: every key with its default, or what is in force and where it was
    /// set
    Config(config::ConfigArgs),
    /// Lists, inspects, verifies and prunes the checkpoints of a job
    Checkpoint(checkpoint::CheckpointArgs),
    /// Reports what was done with each erased customer, place by place, and what is not done yet
    Erasures(erasures::ErasuresArgs),
    /// Validates a configuration and its connections without starting, and names every fault at
    /// once
    Check(check::CheckArgs),
    /// Prints what a shell needs to complete commands and flags
    Completions(docs::CompletionsArgs),
    /// Writes a manual page for each command
    Man(docs::ManArgs),
}

/// Flags of every command.
#[derive(Clone, Debug, Default, Args)]
pub struct GlobalArgs {
    /// What is logged: off, error, warn, info, debug, trace, or by module as in "info,sluice=debug"
    #[arg(
        long,
        global = true,
        value_name = "LEVEL",
        env = "SLUICE_LOG_LEVEL",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub log_level: Option<String>,
    /// How it is logged: text or json
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        env = "SLUICE_LOG_FORMAT",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub log_format: Option<String>,
    /// Prints JSON wherever text is printed
    #[arg(
        long,
        global = true,
        env = "SLUICE_JSON",
        hide_env_values = true,
        value_parser = clap::builder::FalseyValueParser::new(),
        help_heading = "Global options"
    )]
    pub json: bool,
}

impl GlobalArgs {
    /// The keys that these flags stand for.
    pub fn overrides(&self) -> Vec<Override> {
        overrides([
            ("log.level", "--log-level", &self.log_level),
            ("log.format", "--log-format", &self.log_format),
        ])
    }
}

/// Does what is asked.
///
/// # Errors
/// Whatever ends the program with another exit code than 0.
pub fn dispatch(cli: Cli) -> Result<(), ProgramError> {
    match cli.command {
        #[cfg(feature = "demo")]
        Command::Demo(args) => demo::run(&args, &cli.global),
        Command::Run(args) => run::run(&args, &cli.global),
        Command::Replay(args) => replay::run(&args, &cli.global),
        Command::Verify(args) => verify::run(&args, &cli.global),
        Command::Generate(args) => generate::run(&args, &cli.global),
        #[cfg(feature = "demo")]
        Command::Bench(args) => bench::run(&args, &cli.global),
        Command::Topics(args) => topics::run(&args, &cli.global),
        Command::Config(args) => config::run(&args, &cli.global),
        Command::Checkpoint(args) => checkpoint::run(&args, &cli.global),
        Command::Erasures(args) => erasures::run(&args, &cli.global),
        Command::Check(args) => check::run(&args, &cli.global),
        Command::Completions(args) => docs::completions(&args),
        Command::Man(args) => docs::man(&args, &cli.global),
    }
}

/// Flags that are given, as the keys that they stand for.
fn overrides<const N: usize>(
    flags: [(&'static str, &'static str, &Option<String>); N],
) -> Vec<Override> {
    let given = |(key, flag, value): (&'static str, &'static str, &Option<String>)| {
        value.clone().map(|value| Override { key, flag, value })
    };
    flags.into_iter().filter_map(given).collect()
}

/// What the rooms that have sections of their own find wrong with them.
pub const SECTIONS: [Check; 5] = [
    crate::cluster::section::faults,
    crate::console::section::faults,
    crate::postgres::section::faults,
    crate::files::section::faults,
    crate::campaign::section::faults,
];

/// Loads the configuration of a command: defaults, file, environment and flags.
pub fn load(file: Option<&Path>, flags: &[Override]) -> Loaded {
    let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let variables = std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value)));
    let layers = match file {
        Some(path) => Layers::default().file(path),
        None => Layers::default(),
    };
    layers.environment(variables, &flag_variables(&Cli::command())).flags(flags).finish(&SECTIONS)
}

/// Logs what is odd about a configuration.
pub fn warn(loaded: &Loaded) {
    loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
}

/// The variables of all flags.
fn flag_variables(command: &clap::Command) -> BTreeSet<String> {
    let own = command
        .get_arguments()
        .filter_map(|arg| arg.get_env())
        .map(|name| name.to_string_lossy().into_owned());
    own.chain(command.get_subcommands().flat_map(flag_variables)).collect()
}

/// Prints a result on standard output. A reader that has gone away is no error: it has seen what it
/// wanted.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(text: &str) -> Result<(), ProgramError> {
    let mut out = std::io::stdout().lock();
    let text = scrubbed(text.strip_suffix('\n').unwrap_or(text));
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(ProgramError::Output(error)),
        _ => Ok(()),
    }
}

/// Prints a result as JSON.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_json(value: &serde_json::Value) -> Result<(), ProgramError> {
    print(&format!("{value:#}"))
}

/// An instant on the command line.
pub fn instant(text: &str) -> Result<i64, String> {
    crate::units::parse_instant(text).ok_or_else(|| {
        "expected a timestamp such as 2024-03-01T00:00:00Z, 2024-03-01, or milliseconds since 1970"
            .to_string()
    })
}

/// A duration on the command line, in milliseconds.
pub fn duration(text: &str) -> Result<i64, String> {
    crate::units::parse_duration(text)
        .ok_or_else(|| "expected a duration such as 500ms, 10s, 24h or 7d".to_string())
}
