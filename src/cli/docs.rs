//! `sluice completions` and `sluice man`: what shells and readers of manuals take, made of the
//! command line itself.

use super::error::ProgramError;
use super::{Cli, GlobalArgs, print, print_json};
use crate::files::output::OutputDirectory;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::path::PathBuf;

/// Flags of `sluice completions`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice completions bash > /etc/bash_completion.d/sluice
  sluice completions zsh > \"${fpath[1]}/_sluice\"
  sluice completions fish > ~/.config/fish/completions/sluice.fish")]
pub struct CompletionsArgs {
    /// The shell that is to complete commands and flags
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Flags of `sluice man`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:
  sluice man --out /usr/local/share/man/man1    then: man sluice-run")]
pub struct ManArgs {
    /// Folder that the pages are written to, one for the program and one for each command
    #[arg(long, value_name = "DIR", env = "SLUICE_MAN_OUT", hide_env_values = true)]
    pub out: PathBuf,
}

/// Prints what a shell reads.
///
/// # Errors
/// Standard output cannot be written.
pub fn completions(args: &CompletionsArgs) -> Result<(), ProgramError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "sluice", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Writes the pages and prints their paths.
///
/// # Errors
/// The pages or standard output cannot be written.
pub fn man(args: &ManArgs, global: &GlobalArgs) -> Result<(), ProgramError> {
    let folder = OutputDirectory::create(&args.out)?;
    let mut paths = Vec::new();
    for (name, page) in pages() {
        paths.push(folder.page(&name, &page)?.display().to_string());
    }
    match global.json {
        true => print_json(&serde_json::json!({ "pages": paths })),
        false => print(&paths.join("\n")),
    }
}

/// The page of each command that does something, by the name of its file.
fn pages() -> Vec<(String, Vec<u8>)> {
    let mut command = Cli::command();
    // Names the subcommands by their whole path, and gives them the flags of every command.
    command.build();
    let mut pages = Vec::new();
    let mut waiting = vec![command];
    while let Some(command) = waiting.pop() {
        waiting.extend(command.get_subcommands().filter(|sub| sub.get_name() != "help").cloned());
        let man = clap_mangen::Man::new(command);
        let mut page = Vec::new();
        man.render(&mut page).expect("a vector takes everything");
        pages.push((man.get_filename(), page));
    }
    pages.sort();
    pages
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    /// Whole names of all commands, such as `checkpoint list`.
    fn names(command: &clap::Command, above: &str, names: &mut Vec<String>) {
        for sub in command.get_subcommands() {
            let name = format!("{above}-{}", sub.get_name());
            names.push(name.clone());
            self::names(sub, &name, names);
        }
    }

    #[test]
    fn every_command_has_a_page_that_names_its_flags() {
        let mut wanted = vec!["sluice".to_string()];
        names(&Cli::command(), "sluice", &mut wanted);
        wanted.sort();
        let pages = pages();
        let mut found: Vec<&str> =
            pages.iter().filter_map(|(name, _)| name.strip_suffix(".1")).collect();
        found.sort();
        assert_eq!(found, wanted);
        let page = |name: &str| {
            pages
                .iter()
                .find(|(file, _)| file == name)
                .map(|(_, page)| String::from_utf8_lossy(page).replace('\\', ""))
                .unwrap_or_default()
        };
        assert!(
            page("sluice-run.1").contains("--rebuild")
                && page("sluice-run.1").contains("--log-level"),
            "{}",
            page("sluice-run.1")
        );
        assert!(page("sluice-checkpoint-prune.1").contains("--keep"));
    }

    #[test]
    fn every_shell_is_told_of_every_command() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "sluice", &mut script);
            let script = String::from_utf8(script).expect("UTF-8");
            for word in ["checkpoint", "rebuild", "api-token-file"] {
                assert!(script.contains(word), "{shell} is not told of {word}");
            }
        }
    }
}
