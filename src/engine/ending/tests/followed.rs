//! Which test follows what an error advises. A message that advises a command, a flag or another
//! start has its row here, with a test that meets the message and does what it says: an advice that
//! does not work is worse than none.

use super::every;
use super::name;
use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use std::path::Path;

/// An error by its last names, what it advises, what the test finds it by, where the test is, and
/// its name.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str);

const COMPACTION: &str = "tests/compaction.rs";
const CONSOLE: &str = "src/console/tests.rs";
const FAILURES: &str = "tests/failures.rs";
const HISTORIES: &str = "tests/histories.rs";
const IDENTITY: &str = "tests/identity.rs";
const JOURNAL: &str = "tests/start_without_database.rs";
const LOSSES: &str = "tests/losses.rs";
const RECONFIGURE: &str = "tests/reconfigure.rs";
const SCHEMAS: &str = "tests/schemas.rs";
const START: &str = "tests/start.rs";

const ANEW: &str = "a_topic_made_anew_is_refused_at_the_start_and_a_rebuild_reads_it";
const BY_HAND: &str = "a_record_that_was_changed_by_hand_is_found_where_nothing_else_shows_it";
const DELETED: &str = "a_topic_deleted_under_a_running_job_is_said";
const DEPLOYMENTS: &str = "two_deployments_of_a_job_share_a_folder_and_nothing_else";
const DIFFERENTLY: &str =
    "epochs_that_come_out_differently_are_said_and_nothing_is_committed_after_them";
const GAP: &str = "a_job_goes_on_behind_what_is_gone_unread";
const OTHER_SETTINGS: &str = "other_settings_give_what_a_rebuild_gives_whatever_is_killed";
const REFUSED: &str = "a_refused_start_has_changed_nothing_and_disturbed_nobody";
const REFUSES: &str = "a_database_that_refuses_ends_a_running_job_and_a_draining_one";
const TOKEN: &str = "an_address_that_others_reach_needs_a_token_or_insecure";
const WITHOUT: &str = "a_refused_start_has_changed_nothing_and_its_advice_leads_on";

const FOLLOWED: [Row; 49] = [
    ("Checkpoint/Ambiguous", "--history", "--history", HISTORIES, DEPLOYMENTS),
    (
        "Checkpoint/Foreign",
        "--rebuild",
        "was written with another configuration",
        FAILURES,
        DIFFERENTLY,
    ),
    (
        "Checkpoint/Foreign",
        " as before",
        "was written with another configuration",
        FAILURES,
        DIFFERENTLY,
    ),
    ("Checkpoint/Format", "--rebuild", "has format 99", JOURNAL, WITHOUT),
    (
        "Checkpoint/Nothing",
        "sluice checkpoint list",
        "no checkpoint that can be used",
        FAILURES,
        "a_checkpoint_that_cannot_be_read_is_named",
    ),
    (
        "Checkpoint/Unknown",
        "sluice checkpoint list",
        "`sluice checkpoint list` names those",
        HISTORIES,
        DEPLOYMENTS,
    ),
    (
        "Checkpoint/UnknownHistory",
        "sluice checkpoint list",
        "`sluice checkpoint list` names those",
        HISTORIES,
        DEPLOYMENTS,
    ),
    (
        "Cluster/Claimed",
        "--process",
        "two processes say",
        "src/cluster/meeting/tests.rs",
        "a_second_process_of_one_number_is_named_and_the_first_stays",
    ),
    ("Console/Exposed", "--api-token-file", "others can reach", CONSOLE, TOKEN),
    ("Console/Exposed", "--insecure", "others can reach", CONSOLE, TOKEN),
    (
        "Console/Taken",
        "--listen",
        "another program has this port",
        CONSOLE,
        "a_taken_port_is_named_with_the_way_out",
    ),
    ("Gather/Changed", "--rebuild", "was committed with the model digest", FAILURES, DIFFERENTLY),
    (
        "Journal/Changed",
        "start the job",
        "start the job again, from a copy of it",
        "src/journal/tests.rs",
        "a_journal_that_is_removed_ends_the_job",
    ),
    ("Journal/Damaged", "start again", "is damaged from byte", JOURNAL, WITHOUT),
    (
        "Journal/Kept",
        "--rebuild",
        "records that are kept of an epoch",
        COMPACTION,
        "so_it_is_without_a_database",
    ),
    ("Journal/OtherSink", "--rebuild", "files.dir, and now it is", JOURNAL, WITHOUT),
    ("Journal/OtherSink", " as before", "files.dir, and now it is", JOURNAL, WITHOUT),
    (
        "Journal/Recorded",
        "--rebuild",
        "which is not configured. Configure the job as before",
        JOURNAL,
        WITHOUT,
    ),
    (
        "Journal/Recorded",
        " as before",
        "which is not configured. Configure the job as before",
        JOURNAL,
        WITHOUT,
    ),
    ("Journal/Remade", "--rebuild", "was deleted and made anew", IDENTITY, ANEW),
    ("Kafka/Deleted", "--rebuild", "was deleted while", IDENTITY, DELETED),
    (
        "Kafka/Kept",
        "--rebuild",
        "the records that were kept of epochs that are repeated cannot be read back",
        COMPACTION,
        "what_the_cleaner_removes_before_a_restart_is_repeated_all_the_same",
    ),
    (
        "Kafka/MissingTopics",
        "sluice topics create CONFIG",
        "run `sluice topics create CONFIG`",
        IDENTITY,
        DELETED,
    ),
    ("Kafka/PastEnd", "--rebuild", "can be read up to offset", IDENTITY, ANEW),
    ("Kafka/Remade", "--rebuild", "was deleted and made anew", IDENTITY, ANEW),
    ("Postgres/NoJob", "start the job", "has no job", FAILURES, REFUSES),
    ("Postgres/NoProgress", "--rebuild", "table progress has no row of job", FAILURES, REFUSES),
    ("Applied/UnknownSettings", "--rebuild", "cannot be read", IDENTITY, BY_HAND),
    ("Postgres/Recorded", "--rebuild", "cannot be read", IDENTITY, BY_HAND),
    ("Postgres/Remade", "--rebuild", "was deleted and made anew", IDENTITY, ANEW),
    (
        "Postgres/SeveralJobs",
        "--rebuild",
        "has rows of job `shop`",
        SCHEMAS,
        "a_job_that_shared_its_schema_begins_anew_in_another_one_or_alone",
    ),
    (
        "Postgres/Version",
        "start the job",
        "start the job once with this one",
        IDENTITY,
        "a_second_name_in_one_database_is_refused_by_every_command",
    ),
    ("Restart/Broken", "--rebuild", "is not what was committed", IDENTITY, BY_HAND),
    (
        "Restart/Configured",
        "--rebuild",
        "with --rebuild; --reconfigure cannot take it over",
        JOURNAL,
        WITHOUT,
    ),
    (
        "Restart/Configured",
        "--reconfigure",
        "take the new one over with --reconfigure",
        RECONFIGURE,
        OTHER_SETTINGS,
    ),
    ("Restart/Configured", " as before", "configure it as before", RECONFIGURE, OTHER_SETTINGS),
    (
        "Restart/Forgotten",
        "--rebuild",
        "no progress of it is recorded",
        START,
        "checkpoints_of_a_database_that_is_lost_leave_an_empty_one_empty",
    ),
    ("Restart/Passed", "--accept-loss", "go on without them with --accept-loss", LOSSES, GAP),
    (
        "Restart/Passed",
        "--rebuild --accept-loss",
        "anew from what is left with --rebuild --accept-loss",
        LOSSES,
        GAP,
    ),
    (
        "Restart/Uncheckpointed",
        "start job",
        "--reconfigure goes on from a checkpoint of the last epoch",
        START,
        "what_moves_between_the_survey_and_the_take_over_is_settled_before_anybody_is_fenced_off",
    ),
    ("Restart/Unreadable", "--accept-loss", "--accept-loss alone cannot help", LOSSES, GAP),
    ("Restart/Unreadable", "--rebuild --accept-loss", "has to repeat its epochs from", LOSSES, GAP),
    (
        "Restart/Unrebuildable",
        "--rebuild --accept-loss",
        "starts at offset 4, but offset 0 is wanted",
        START,
        REFUSED,
    ),
    ("Restart/Unreconfigurable", "--rebuild", "from the topics with --rebuild", JOURNAL, WITHOUT),
    (
        "Restart/Unreconfigurable",
        " as before",
        "input.decimals: amounts are kept",
        RECONFIGURE,
        OTHER_SETTINGS,
    ),
    (
        "Restart/Unrecorded",
        "--rebuild",
        "are recorded only from",
        HISTORIES,
        "where_no_epoch_is_recorded_the_identity_tells_whose_a_checkpoint_is",
    ),
    (
        "Restart/Unrepeatable",
        "--rebuild --accept-loss",
        "neither a checkpoint nor a record",
        START,
        REFUSED,
    ),
    (
        "Sources/SourceFaults",
        "--allow-rejects",
        "--allow-rejects",
        "tests/sources.rs",
        "a_file_that_gives_nothing_is_named_and_one_without_rows_is_no_fault",
    ),
    (
        "Verify/Closed",
        "sluice verify --since oldest",
        "no longer recorded",
        "tests/verify.rs",
        "rows_that_are_old_go_beside_kills_and_what_is_left_is_what_the_records_give",
    ),
];

/// Flags that are named for what was asked with them: what to give with them instead, or that they
/// cannot be had.
const ASKED: [(&str, &str); 13] = [
    ("Bench/Directory", "--directory"),
    ("Console/Listen", "--listen"),
    ("Crossed/Instants", "--from"),
    ("Crossed/Instants", "--until"),
    ("Crossed/Offsets", "--from"),
    ("Postgres/Error", "--postgres"),
    ("Replay/Beside", "--input"),
    ("Replay/Beside", "--output"),
    ("Replay/Flag", "--as-of"),
    ("Restart/Uncheckpointed", "--reconfigure"),
    ("Restart/Unrebuildable", "--rebuild"),
    ("Restart/Unreconfigurable", "--reconfigure"),
    ("World/NoCustomers", "--customers"),
];

/// Another start, or the former configuration, in the words of the messages.
const WORDS: [&str; 4] = ["start the job", "start job", "start again", " as before"];

/// The commands, the flags that stand together, and the other things that a message tells to do.
fn advised(message: &str) -> BTreeSet<String> {
    // Every second part stands between marks.
    let (plain, marked): (Vec<_>, Vec<_>) =
        message.split('`').enumerate().partition(|(at, _)| at % 2 == 0);
    let commands =
        marked.into_iter().map(|(_, part)| part).filter(|part| part.starts_with("sluice "));
    let mut advised: BTreeSet<String> = commands.map(String::from).collect();
    let plain = plain.into_iter().map(|(_, part)| part).collect::<Vec<_>>().join("_");
    advised.extend(WORDS.into_iter().filter(|words| plain.contains(words)).map(String::from));
    let mut flags = String::new();
    for word in plain.split(' ').chain([""]) {
        let word = word.trim_start_matches('(');
        let flag = word.trim_end_matches(|c: char| !c.is_alphanumeric());
        if flag.starts_with("--") {
            flags = if flags.is_empty() { flag.to_string() } else { format!("{flags} {flag}") };
        }
        if flag != word || !flag.starts_with("--") {
            advised.extend(Some(std::mem::take(&mut flags)).filter(|flags| !flags.is_empty()));
        }
    }
    advised
}

/// The last two names of an error, and what it says.
fn told(error: &(impl Debug + Display)) -> (String, String) {
    let name = name(error).replace("Database/", "Postgres/");
    let names: Vec<&str> = name.split('/').collect();
    (names[names.len().saturating_sub(2)..].join("/"), error.to_string())
}

fn all() -> Vec<(String, String)> {
    let (run, program) = (every::run(), every::program());
    run.iter().map(told).chain(program.iter().map(told)).collect()
}

#[test]
fn what_a_message_advises_is_told_from_the_rest_of_it() {
    let of = |message: &str| advised(message).into_iter().collect::<Vec<_>>();
    assert_eq!(
        of("go on with --accept-loss, or with --rebuild --accept-loss; or wait"),
        ["--accept-loss", "--rebuild --accept-loss"]
    );
    assert_eq!(
        of("run `sluice topics create CONFIG`, or name `orders` (--topics)"),
        ["--topics", "sluice topics create CONFIG"]
    );
    assert_eq!(
        of("configure the job as before; start the job once"),
        [" as before", "start the job"]
    );
    assert!(of("what was before is gone: 3 - 2").is_empty());
}

#[test]
fn a_test_follows_whatever_an_error_advises() {
    let has_row = |error: &str, advice: &str| {
        FOLLOWED.iter().any(|row| (row.0, row.1) == (error, advice))
            || ASKED.contains(&(error, advice))
    };
    let advices = all().into_iter().flat_map(|(error, message)| {
        advised(&message).into_iter().map(move |advice| (error.clone(), advice))
    });
    let nobody: BTreeSet<(String, String)> =
        advices.filter(|(error, advice)| !has_row(error, advice)).collect();
    assert!(
        nobody.is_empty(),
        "no test follows these: {nobody:#?}; add one that does, and its row"
    );
}

#[test]
fn each_test_that_follows_an_advice_is_there_and_meets_the_message() {
    let all = all();
    for (error, advice, said, file, test) in FOLLOWED {
        let says = |(name, message): &&(String, String)| {
            name == error && message.contains(said) && advised(message).contains(advice)
        };
        assert!(
            all.iter().any(|told| says(&told)),
            "{error} does not say {said:?} and advise {advice:?}"
        );
        let text = module(file);
        assert!(text.contains(&format!("#[test]\nfn {test}(")), "{file} has no test {test}");
        // A part of the program is not asked with flags, nor does it always say the whole.
        let whole = file.starts_with("tests/");
        assert!(!whole || text.contains(said), "{file} does not meet {said:?}");
        let asked = advice
            .strip_prefix("sluice ")
            .or(advice.starts_with("--").then_some(advice))
            .filter(|_| whole);
        for word in
            asked.into_iter().flat_map(str::split_whitespace).filter(|word| *word != "CONFIG")
        {
            assert!(text.contains(&format!("\"{word}\"")), "{file} does not follow {advice:?}");
        }
    }
}

/// The text of a module: its file, and those of its folder.
fn module(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let read =
        |path: &Path| std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    let mut text = read(&path);
    let parts = std::fs::read_dir(path.with_extension("")).into_iter().flatten();
    for part in parts.map(|part| part.expect("a part").path()) {
        if part.extension().is_some_and(|ending| ending == "rs") {
            text += &read(&part);
        }
    }
    text
}
