//! Tests of the command line as a whole: help, variables of the environment, usage.
#![cfg(feature = "demo")]

use super::*;

/// A command of arguments that may not have a variant of [`Command`].
fn command<A: Args>(name: &'static str) -> clap::Command {
    A::augment_args(clap::Command::new(name).about("about")).term_width(100)
}

fn commands() -> Vec<clap::Command> {
    vec![
        command::<bench::BenchArgs>("bench"),
        command::<check::CheckArgs>("check"),
        command::<checkpoint::args::ListArgs>("list"),
        command::<checkpoint::args::InspectArgs>("inspect"),
        command::<checkpoint::args::CheckpointVerifyArgs>("verify"),
        command::<checkpoint::args::PruneArgs>("prune"),
        command::<docs::CompletionsArgs>("completions"),
        command::<config::ConfigArgs>("config"),
        command::<demo::DemoArgs>("demo"),
        command::<erasures::ErasuresArgs>("erasures"),
        command::<generate::GenerateArgs>("generate"),
        command::<docs::ManArgs>("man"),
        command::<replay::ReplayArgs>("replay"),
        command::<run::RunArgs>("run"),
        command::<topics::CreateArgs>("create"),
        command::<verify::VerifyArgs>("verify"),
    ]
}

/// Parses what follows the name of the program, without looking at the environment of the test.
fn parse<A: clap::FromArgMatches + Args>(arguments: &[&str]) -> Result<A, clap::Error> {
    let mut command = command::<A>("sluice");
    let ids: Vec<clap::Id> = command.get_arguments().map(|arg| arg.get_id().clone()).collect();
    for id in ids {
        command = command.mut_arg(id, |arg| arg.env("NOT_SET_IN_ANY_TEST"));
    }
    A::from_arg_matches(&command.try_get_matches_from([&["sluice"], arguments].concat())?)
}

#[test]
fn the_commands_are_sound() {
    Cli::command().debug_assert();
    commands().into_iter().for_each(clap::Command::debug_assert);
}

#[test]
fn the_version_tells_the_commit_where_it_is_known() {
    let rest =
        VERSION.strip_prefix(env!("CARGO_PKG_VERSION")).expect("the package's version comes first");
    let commit = rest.strip_prefix(" (").and_then(|rest| rest.strip_suffix(')'));
    assert!(
        rest.is_empty()
            || commit.is_some_and(|commit| commit.bytes().all(|byte| byte.is_ascii_alphanumeric())),
        "{VERSION}"
    );
    // Where git knows the commit of this source, so does the program, unless its builder was told
    // another.
    let root = env!("CARGO_MANIFEST_DIR");
    let git = |arguments: &[&str]| {
        std::process::Command::new("git")
            .args(["-C", root])
            .args(arguments)
            .output()
            .ok()
            .filter(|output| output.status.success())
    };
    let is_repository =
        Path::new(root).join(".git").exists() && git(&["rev-parse", "HEAD"]).is_some();
    assert!(!is_repository || commit.is_some(), "{VERSION}");
}

#[test]
fn help_reads_well() {
    let help: Vec<String> =
        commands().into_iter().map(|mut command| command.render_long_help().to_string()).collect();
    insta::assert_snapshot!("commands", help.join("\n────────\n"));
    insta::assert_snapshot!("program", Cli::command().term_width(100).render_long_help());
}

#[test]
fn every_flag_has_a_variable_of_its_own() {
    for command in commands().iter().chain([&Cli::command()]) {
        let flags = command
            .get_arguments()
            .filter(|arg| arg.get_long().is_some_and(|long| !["help", "version"].contains(&long)));
        let variables: Vec<String> = flags
            .map(|arg| {
                arg.get_env()
                    .unwrap_or_else(|| panic!("{arg} has none"))
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        let distinct: BTreeSet<&String> = variables.iter().collect();
        assert_eq!(distinct.len(), variables.len(), "{variables:?}");
        assert!(variables.iter().all(|name| name.starts_with("SLUICE_")), "{variables:?}");
    }
}

#[test]
fn a_flag_that_stands_for_a_key_has_the_keys_variable() {
    let values = [
        "--workers",
        "2",
        "--processes",
        "2",
        "--process",
        "1",
        "--hostfile",
        "h",
        "--listen",
        "l",
        "--api-token-file",
        "t",
        "--insecure",
    ];
    let run: run::RunArgs =
        parse(&[&values[..], &["--job", "j", "--start", "latest", "sluice.toml"]].concat())
            .expect("valid usage");
    let create: topics::CreateArgs =
        parse(&["sluice.toml", "--partitions", "6", "--replication", "3"]).expect("valid usage");
    let prune: checkpoint::args::PruneArgs =
        parse(&["sluice.toml", "--keep", "3"]).expect("valid usage");
    let global = GlobalArgs {
        log_level: Some("debug".to_string()),
        log_format: Some("json".to_string()),
        json: false,
    };
    let overrides =
        [run.overrides(), create.overrides(), prune.overrides(), global.overrides()].concat();
    assert_eq!(overrides.len(), 14);
    let variables: BTreeSet<String> =
        commands().iter().chain([&Cli::command()]).flat_map(flag_variables).collect();
    for given in &overrides {
        assert!(
            crate::config::load::keys().contains(&given.key.to_string()),
            "{} is no key",
            given.key
        );
        let variable = crate::config::load::variable(given.key);
        assert!(variables.contains(&variable), "{variable} is no flag's");
    }
}

#[test]
fn cluster_flags_are_checked_with_the_configuration() {
    let run: run::RunArgs =
        parse(&["sluice.toml", "-w", "none", "-n", "2", "-p", "2"]).expect("valid usage");
    let loaded = Layers::default().flags(&run.overrides()).finish(&super::SECTIONS);
    let faults: Vec<String> = loaded.faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            "workers = \"none\" (--workers): expected a whole number from 1 to 1024",
            "process = 2 (--process): expected less than `processes`, which is 2: the first \
             process is 0",
        ]
    );
}

#[test]
fn generate_writes_to_files_or_to_kafka() {
    let files: generate::GenerateArgs =
        parse(&["--out", "world", "--format", "csv"]).expect("valid usage");
    assert_eq!(
        (files.format, files.customers, files.transactions),
        (generate::FormatArg::Csv, 10_000, 100_000)
    );
    let kafka: generate::GenerateArgs = parse(&["--kafka", "a:1"]).expect("valid usage");
    assert_eq!(kafka.kafka.as_deref(), Some("a:1"));
    for wrong in [
        &[][..],
        &["--out", "a", "--kafka", "a:1"],
        &["--kafka", "a:1", "--format", "csv"],
        &["--out", "a", "--customers", "0"],
    ] {
        assert!(parse::<generate::GenerateArgs>(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn replay_reads_instants_and_durations() {
    let replay: replay::ReplayArgs =
        parse(&["--input", "a", "--output", "b", "--as-of", "2024-03-01", "--lateness", "24h"])
            .expect("valid usage");
    assert_eq!((replay.as_of, replay.lateness), (Some(1_709_251_200_000), Some(86_400_000)));
    for wrong in [
        &["--input", "a"][..],
        &["--input", "a", "--output", "b", "--lateness", "1 day"],
        &["--input", "a", "--output", "b", "--as-of", "now"],
    ] {
        let error = parse::<replay::ReplayArgs>(wrong).expect_err("refused");
        assert_eq!(error.exit_code(), 2);
    }
}

#[test]
fn replay_reads_files_or_topics() {
    use crate::engine::replay::SpanBound;
    let topics = ["--config", "a.toml", "--output", "b", "--from"];
    let replay: replay::ReplayArgs =
        parse(&[&topics[..], &["earliest", "--until", "2024-03-01"]].concat())
            .expect("valid usage");
    assert_eq!(
        (replay.from, replay.until),
        (Some(SpanBound::Earliest), Some(SpanBound::Instant(1_709_251_200_000)))
    );
    let replay: replay::ReplayArgs =
        parse(&[&topics[..], &[r#"{"transactions":{"0":17}}"#]].concat()).expect("valid usage");
    let offsets = [("transactions".to_string(), [(0, 17)].into())].into();
    assert_eq!(replay.from, Some(SpanBound::Offsets(offsets)));
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let replay: replay::ReplayArgs =
        parse(&[&topics[..], &["2024-03-01", "--until", file]].concat()).expect("valid usage");
    assert_eq!(replay.until, Some(SpanBound::File(file.into())));
    for wrong in [
        &["--output", "b"][..],
        &["--output", "b", "--from", "earliest"],
        &["--output", "b", "--input", "a", "--config", "c", "--from", "earliest"],
        &["--output", "b", "--input", "a", "--until", "latest"],
        &["--output", "b", "--config", "c", "--from", "latest"],
        &["--output", "b", "--config", "c", "--from", "no such file"],
        &["--output", "b", "--config", "c", "--from", "{"],
        &["--output", "b", "--config", "c", "--from", "earliest", "--lateness", "1h"],
        &[
            "--output", "b", "--config", "c", "--from", "earliest", "--until", "latest",
            "--epochs", "e",
        ],
    ] {
        assert_eq!(
            parse::<replay::ReplayArgs>(wrong).expect_err("refused").exit_code(),
            2,
            "{wrong:?}"
        );
    }
}
