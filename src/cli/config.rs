//! `sluice config`: every key with its default, or what is in force.

use super::error::ProgramError;
use super::{GlobalArgs, SECTIONS, load, print, print_json};
use crate::config::fault::Faults;
use crate::config::load::{DEFAULTS, Layers};
use clap::Args;
use std::path::PathBuf;

/// Flags of `sluice config`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice config --defaults > sluice.toml    every key with its default and a comment
  sluice config sluice.toml                 what is in force, and where each value was set
  SLUICE_EPOCH_INTERVAL=5s sluice config    the same without a file")]
pub struct ConfigArgs {
    /// Configuration file
    #[arg(value_name = "CONFIG")]
    pub config: Option<PathBuf>,
    /// Prints every key with its default and a comment instead of what is in force
    #[arg(
        long,
        conflicts_with = "config",
        env = "SLUICE_CONFIG_DEFAULTS",
        hide_env_values = true,
        value_parser = clap::builder::FalseyValueParser::new()
    )]
    pub defaults: bool,
}

/// Prints the configuration.
///
/// # Errors
/// The configuration has faults, or standard output cannot be written.
pub fn run(args: &ConfigArgs, global: &GlobalArgs) -> Result<(), ProgramError> {
    let loaded = match args.defaults {
        true => Layers::default().finish(&SECTIONS),
        false => load(args.config.as_deref(), &global.overrides()),
    };
    crate::telemetry::logging::start(&loaded.config.log);
    super::warn(&loaded);
    if !loaded.faults.is_empty() {
        return Err(Faults(loaded.faults).into());
    }
    match (global.json, args.defaults) {
        (true, _) => print_json(&loaded.to_json()),
        (false, true) => print(&DEFAULTS),
        (false, false) => print(&loaded.to_toml()),
    }
}
