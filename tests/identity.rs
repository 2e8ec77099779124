//! Whose results are these, and of what: a job of another name, topics that were made anew,
//! checkpoints of another history.

use crate::services::purchases::{purchases, send};
use crate::services::sender::Sender;
use crate::services::{Stage, dump, eventually, program, text, topics};
use postgres::{Client, NoTls};
use std::ops::RangeInclusive;
use std::process::{Command, Output};

fn dump(stage: &Stage) -> String {
    dump::dump(&mut stage.database(), "sluice")
}

/// Runs the program to its end; gives its exit code and all that it said.
fn ended(mut command: Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program can be started");
    (
        status.code(),
        format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)),
    )
}

#[test]
fn a_second_name_in_one_database_is_refused_by_every_command() {
    let Some(stage) = Stage::set("second_name") else { return };
    let config = stage.config();
    stage.sluice(&["topics", "create", text(&config)]);
    // Of a job that has never run nothing can be said: it is started once, as is advised.
    let mut verify = program();
    verify.arg("verify").arg(&config);
    let (code, said) = ended(verify);
    assert!(
        code == Some(1) && said.contains("start the job once with this one"),
        "{code:?} {said}"
    );
    purchases(&stage, 1..=1);
    let job = stage.start_with_log(&[]);
    stage.wait_for("SELECT count(*) FROM sluice.customer_features", 1);
    job.drain();
    stage.sluice(&["verify", text(&config)]);
    let before = dump(&stage);
    let commands: [&[&str]; 4] = [&["run"], &["run", "--rebuild"], &["check"], &["verify"]];
    for command in commands {
        let mut program = program();
        program.args(command).arg(&config).env("SLUICE_JOB", "other");
        let (code, said) = ended(program);
        let wanted = if command[0] == "run" { 4 } else { 1 };
        assert_eq!(code, Some(wanted), "{command:?}: {said}");
        assert!(
            said.contains("belongs to job `campaign`") && said.contains("postgres.schema"),
            "{command:?}: {said}"
        );
        assert_eq!(dump(&stage), before, "{command:?}");
    }
    assert!(!stage.path("checkpoints").join("other").exists());
    // As the message advises: in a schema of its own.
    let own = [("SLUICE_JOB", "other"), ("SLUICE_POSTGRES_SCHEMA", "Shop 2")];
    let job = stage.launch(&[], &own);
    eventually("the job reads", || stage.log().contains("The job begins to read."));
    job.drain();
    assert_eq!(dump(&stage), before);
}

/// Deletes the topic of purchases and makes it anew.
fn make_anew(stage: &Stage) {
    topics::delete(&stage.brokers, &stage.topic("transactions"));
    topics::create(&stage.brokers, &stage.topic("transactions"), 1);
}

/// A job with five purchases, drained.
fn five_purchases(stage: &Stage) {
    stage.sluice(&["topics", "create", text(&stage.config()), "--partitions", "1"]);
    purchases(stage, 1..=5);
    let job = stage.start_with_log(&[]);
    stage.wait_for("SELECT count(*) FROM sluice.customer_features", 5);
    job.drain();
}

fn refused(said: &str) -> bool {
    said.contains("-transactions` was deleted and made anew") && said.contains("--rebuild")
}

/// The job is refused with this exit code, and this is said.
fn refused_by_run(stage: &Stage, exit: i32, wanted: &[&str]) {
    let mut run = program();
    run.arg("run").arg(stage.config());
    let (code, said) = ended(run);
    assert!(
        code == Some(exit) && wanted.iter().all(|wanted| said.contains(wanted)),
        "{wanted:?}: {code:?} {said}"
    );
}

/// The job begins anew with the new topic, and has all of it, and nothing else.
fn rebuild(stage: &Stage, customers: RangeInclusive<i64>) {
    let job = stage.start_with_log(&["--rebuild"]);
    eventually("what was there is forgotten", || stage.log().contains("The job begins to read."));
    stage.wait_for(
        "SELECT count(*) FROM sluice.customer_features",
        1 + customers.end() - customers.start(),
    );
    stage.wait_for("SELECT min(customer_id) FROM sluice.customer_features", *customers.start());
    job.drain();
    stage.sluice(&["verify", text(&stage.config())]);
    let job = stage.start_with_log(&[]);
    eventually("the job reads", || stage.log().contains("The job begins to read."));
    job.drain();
}

#[test]
fn a_topic_made_anew_is_refused_at_the_start_and_a_rebuild_reads_it() {
    let Some(stage) = Stage::set("made_anew") else { return };
    five_purchases(&stage);
    make_anew(&stage);
    // Of more records than were read, of fewer, of none.
    for customers in [Some(101..=112), Some(201..=202), None] {
        customers.iter().for_each(|customers| purchases(&stage, customers.clone()));
        let before = dump(&stage);
        for command in ["run", "check", "verify"] {
            let mut program = program();
            program.arg(command).arg(stage.config());
            let (code, said) = ended(program);
            assert!(code == Some(1) && refused(&said), "{command}, {customers:?}: {code:?} {said}");
            assert_eq!(dump(&stage), before, "{command}");
        }
        if let Some(customers) = customers {
            rebuild(&stage, customers);
            make_anew(&stage);
        }
    }
    // As of a version that recorded no ids: the offsets tell it, and what is advised works.
    stage
        .database()
        .batch_execute("UPDATE sluice.progress SET topic_ids = '{}'")
        .expect("a change");
    refused_by_run(&stage, 1, &["can be read up to offset 0", "with --rebuild"]);
    purchases(&stage, 301..=303);
    rebuild(&stage, 301..=303);
}

#[test]
fn a_topic_made_anew_under_a_running_job_ends_it() {
    let Some(stage) = Stage::set("made_anew_running") else { return };
    five_purchases(&stage);
    let job = stage.start_with_log(&[]);
    eventually("the job reads", || stage.log().contains("The job begins to read."));
    make_anew(&stage);
    purchases(&stage, 101..=112);
    assert_eq!(job.wait(), Some(1));
    let log = stage.log();
    assert!(refused(&log) || log.contains("was deleted while it was read"), "{log}");
    rebuild(&stage, 101..=112);
}

#[test]
fn a_topic_deleted_under_a_running_job_is_said() {
    let Some(stage) = Stage::set("deleted_running") else { return };
    five_purchases(&stage);
    let job = stage.start_with_log(&[]);
    eventually("the job reads", || stage.log().contains("The job begins to read."));
    topics::delete(&stage.brokers, &stage.topic("transactions"));
    eventually("it is said", || stage.log().contains("was deleted while"));
    assert_eq!(job.wait(), Some(1));
    // As is advised, the topic is made, and everything anew.
    refused_by_run(&stage, 1, &["has no topic", "run `sluice topics create CONFIG`"]);
    stage.sluice(&["topics", "create", text(&stage.config()), "--partitions", "1"]);
    purchases(&stage, 101..=103);
    rebuild(&stage, 101..=103);
}

/// A connection to the server beside the stage's database, and the name of that.
fn server(stage: &Stage) -> (Client, String) {
    let server = std::env::var("SLUICE_POSTGRES_URL").expect("the stage is there");
    let name = stage.url().rsplit_once('/').expect("an address").1.to_string();
    (Client::connect(&server, NoTls).expect("the database answers"), name)
}

/// Sends purchases of these customers one after the other, each in an epoch of its own.
fn one_by_one(stage: &Stage, sender: &mut Sender, customers: RangeInclusive<i64>) {
    for customer in customers {
        send(stage, sender, customer..=customer);
        stage.wait_for(
            &format!(
                "SELECT count(*) FROM sluice.customer_features WHERE customer_id = {customer}"
            ),
            1,
        );
    }
}

/// The newest epoch.
fn newest(stage: &Stage) -> i64 {
    stage.database().query_one("SELECT epoch FROM sluice.progress", &[]).expect("progress").get(0)
}

#[test]
fn a_checkpoint_of_before_a_restored_database_is_passed_over() {
    let Some(stage) = Stage::set("restored") else { return };
    stage.sluice(&["topics", "create", text(&stage.config()), "--partitions", "1"]);
    stage.configure_saving("");
    let mut sender = Sender::new(&stage, 2);
    let job = stage.start_with_log(&[]);
    one_by_one(&stage, &mut sender, 1..=3);
    job.drain();
    let (mut server, name) = server(&stage);
    server.batch_execute(&format!("CREATE DATABASE {name}_copy TEMPLATE {name}")).expect("a copy");
    let copied = newest(&stage);

    let job = stage.start_with_log(&[]);
    one_by_one(&stage, &mut sender, 4..=6);
    eventually("a checkpoint of what is lost", || {
        stage.checkpoints().into_iter().any(|epoch| epoch as i64 > copied)
    });
    job.kill();
    let lost = stage.checkpoints().into_iter().max().expect("a checkpoint") as i64;
    server.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).expect("it is gone");
    server
        .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {name}_copy"))
        .expect("it is restored");

    // It goes on by itself, past the epoch of the lost checkpoint, and is killed before it has one
    // of its own.
    std::fs::write(
        stage.config(),
        stage.toml("").replace("[checkpoint]\n", "[checkpoint]\ninterval = \"1h\"\n"),
    )
    .expect("a configuration");
    let job = stage.start_with_log(&[]);
    stage.wait_for("SELECT count(*) FROM sluice.customer_features", 6);
    let mut customer = 6;
    while newest(&stage) <= lost {
        customer += 1;
        one_by_one(&stage, &mut sender, customer..=customer);
    }
    job.kill();
    let job = stage.start_with_log(&[]);
    eventually("the job reads", || stage.log().contains("The job begins to read."));
    assert!(
        stage.log().contains("A checkpoint is passed over: it is of another history"),
        "{}",
        stage.log()
    );
    one_by_one(&stage, &mut sender, customer + 1..=customer + 1);
    job.drain();
    stage.sluice(&["verify", text(&stage.config())]);
    server.batch_execute(&format!("DROP DATABASE {name}_copy")).expect("it is gone");
    let log = {
        let job = stage.start_with_log(&[]);
        eventually("the job reads", || stage.log().contains("The job begins to read."));
        job.drain();
        stage.log()
    };
    assert!(
        log.contains("repeated=0") && !log.contains("passed over"),
        "the drained job has a checkpoint, and no foreign one is left: {log}"
    );
}

#[test]
fn checkpoints_without_their_progress_are_named_and_passed_over() {
    let Some(stage) = Stage::set("forgotten") else { return };
    five_purchases(&stage);
    let lost = stage.histories().pop().expect("a history");
    let manifests = stage.manifests();
    let (mut server, name) = server(&stage);
    server.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).expect("it is gone");
    server.batch_execute(&format!("CREATE DATABASE {name}")).expect("an empty one");
    let job = stage.start_with_log(&[]);
    stage.wait_for("SELECT count(*) FROM sluice.customer_features", 5);
    job.drain();
    let log = stage.log();
    assert!(
        log.contains("are of another history")
            && log.contains(text(&lost))
            && !log.contains("The checkpoint is loaded."),
        "{log}"
    );
    assert!(manifests.iter().all(|manifest| manifest.exists()), "they are left alone");
    stage.sluice(&["verify", text(&stage.config())]);
    rebuild(&stage, 1..=5);
    assert!(manifests.iter().all(|manifest| manifest.exists()), "a rebuild removes only its own");
    // As the line in the log says.
    std::fs::remove_dir_all(lost).expect("it goes");
    let job = stage.start_with_log(&[]);
    eventually("the job reads", || stage.log().contains("The job begins to read."));
    job.drain();
    assert!(!stage.log().contains("passed over"), "{}", stage.log());
}

#[test]
fn a_record_that_was_changed_by_hand_is_found_where_nothing_else_shows_it() {
    let Some(stage) = Stage::set("changed_by_hand") else { return };
    five_purchases(&stage);
    stage.sluice(&["verify", text(&stage.config())]);
    stage
        .database()
        .batch_execute("UPDATE sluice.epochs SET topic_ids = '{}' WHERE epoch = 1")
        .expect("a change");
    let mut verify = program();
    verify.arg("verify").arg(stage.config());
    let (code, said) = ended(verify);
    assert!(
        code == Some(1) && said.contains("epochs: epoch 1: chain should be"),
        "{code:?} {said}"
    );
    std::fs::remove_dir_all(stage.path("checkpoints")).expect("there are checkpoints");
    refused_by_run(&stage, 4, &["recorded of epoch 1 is not what was committed", "with --rebuild"]);
    rebuild(&stage, 1..=5);
    // What cannot even be read is made anew too.
    let unreadable = [
        ("epochs", "digest"),
        ("epochs", "gone"),
        ("progress", "identity"),
        ("progress", "topic_ids"),
        ("applied_settings", "settings"),
    ];
    for (table, column) in unreadable {
        stage
            .database()
            .batch_execute(&format!("UPDATE sluice.{table} SET {column} = '3'"))
            .expect("a change");
        refused_by_run(&stage, 4, &["recorded epoch", "cannot be read", "with --rebuild"]);
    }
    rebuild(&stage, 1..=5);
}
