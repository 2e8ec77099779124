//! One job a schema: two jobs work side by side in one database, and one that shared its schema in
//! an old version is refused with a way out.

use crate::services::dump::dump;
use crate::services::purchases::{purchases, send};
use crate::services::sender::Sender;
use crate::services::{Job, Stage, eventually, program, text};
use std::process::Output;

/// The other job, in a schema whose name is none without its quotes.
const OTHER: [(&str, &str); 2] = [("SLUICE_JOB", "other"), ("SLUICE_POSTGRES_SCHEMA", "Shop 2")];

/// How a job is told from the other: variables of its environment.
type Whose = &'static [(&'static str, &'static str)];

/// Runs a command of a job to its end; gives its exit code and all that it said.
fn ended(stage: &Stage, whose: Whose, command: &[&str]) -> (Option<i32>, String) {
    let mut program = program();
    program.args(command).arg(stage.config()).envs(whose.iter().copied());
    let Output { status, stdout, stderr } = program.output().expect("the program can be started");
    let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    (status.code(), said)
}

fn verified(stage: &Stage, whose: Whose) {
    let (code, said) = ended(stage, whose, &["verify"]);
    assert_eq!(code, Some(0), "{said}");
}

/// Makes everything anew, and waits until all of these customers are there once more.
fn rebuilt(stage: &Stage, whose: Whose, schema: &str, customers: i64) {
    let job = stage.launch(&["--rebuild"], whose);
    eventually("the job reads", || stage.log().contains("The job begins to read."));
    has(stage, schema, "customer_features", customers);
    job.drain();
    verified(stage, whose);
}

fn has(stage: &Stage, schema: &str, table: &str, rows: i64) {
    stage.wait_for(&format!("SELECT count(*) FROM \"{schema}\".{table}"), rows);
}

#[test]
fn two_jobs_in_one_database_leave_each_other_alone() {
    let Some(stage) = Stage::set("two_jobs") else { return };
    stage.configure_saving("");
    stage.sluice(&["topics", "create", text(&stage.config()), "--partitions", "1"]);
    let mut sender = Sender::new(&stage, 2);
    send(&stage, &mut sender, 1..=3);
    let jobs: [Job; 2] = [stage.launch(&[], &[]), stage.launch(&[], &OTHER)];
    ["sluice", "Shop 2"].iter().for_each(|schema| has(&stage, schema, "customer_features", 3));
    let [job, other] = jobs;
    job.drain();
    let rows = |schema| dump(&mut stage.database(), schema);
    let before = rows("sluice");

    let erase: &[u8] = br#"{"customer_id":2,"op":"erase"}"#;
    sender.send(&stage.topic("customers"), 0, Some(b"2"), Some(erase), 0);
    sender.finish();
    has(&stage, "Shop 2", "erasures", 1);
    has(&stage, "Shop 2", "customer_features", 2);
    other.drain();
    verified(&stage, &OTHER);
    rebuilt(&stage, &OTHER, "Shop 2", 2);
    assert!(rows("sluice") == before, "the other job has touched the tables of the first");

    let theirs = rows("Shop 2");
    let job = stage.launch(&[], &[]);
    has(&stage, "sluice", "erasures", 1);
    job.drain();
    verified(&stage, &[]);
    rebuilt(&stage, &[], "sluice", 2);
    assert!(rows("Shop 2") == theirs, "the first job has touched the tables of the other");
}

/// What a version long ago left that let jobs share a schema: rows of `shop` beside those of the
/// job.
const SHARED: &str = "SET search_path = sluice; DROP TABLE owner;
    DELETE FROM refinery_schema_history WHERE version > 13;
    INSERT INTO progress SELECT (jsonb_populate_record(p, '{\"job\": \"shop\"}')).* FROM progress \
        p";

#[test]
fn a_job_that_shared_its_schema_begins_anew_in_another_one_or_alone() {
    let Some(stage) = Stage::set("shared_schema") else { return };
    stage.sluice(&["topics", "create", text(&stage.config()), "--partitions", "1"]);
    purchases(&stage, 1..=3);
    let job = stage.launch(&[], &[]);
    has(&stage, "sluice", "customer_features", 3);
    job.drain();
    stage.database().batch_execute(SHARED).expect("an old schema");
    let before = dump(&mut stage.database(), "sluice");
    let commands: [&[&str]; 4] = [&["run"], &["run", "--rebuild"], &["check"], &["verify"]];
    for command in commands {
        let (code, said) = ended(&stage, &[], command);
        let exit = if command[0] == "run" { 4 } else { 1 };
        assert!(
            code == Some(exit) && said.contains("has rows of job `shop`"),
            "{command:?}: {code:?} {said}"
        );
        assert_eq!(dump(&mut stage.database(), "sluice"), before, "{command:?}");
    }
    rebuilt(&stage, &[("SLUICE_POSTGRES_SCHEMA", "Shop 2")], "Shop 2", 3);
    assert_eq!(dump(&mut stage.database(), "sluice"), before);

    let delete = "DELETE FROM sluice.progress WHERE job = 'shop'";
    stage.database().batch_execute(delete).expect("they go");
    rebuilt(&stage, &[], "sluice", 3);
}
