//! Checkpoints of several histories in one place: of two deployments of a job, of a database that
//! is lost, and of a version that did not name them.

use crate::services::sender::Sender;
use crate::services::{Job, Stage, eventually, files_below, program, text};
use postgres::{Client, NoTls};
use serde_json::json;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

/// A deployment of the job: its configuration and its database.
struct Deployment<'a> {
    stage: &'a Stage,
    name: &'static str,
    url: String,
}

impl<'a> Deployment<'a> {
    /// With a database of its own beside the stage's, and everything else the same.
    fn beside(stage: &'a Stage, name: &'static str) -> Deployment<'a> {
        let server = std::env::var("SLUICE_POSTGRES_URL").expect("the stage is there");
        let url = format!("{}_{name}", stage.url());
        let database = url.rsplit_once('/').expect("an address").1;
        Client::connect(&server, NoTls)
            .and_then(|mut server| server.batch_execute(&format!("CREATE DATABASE {database}")))
            .expect("a database");
        let deployment = Deployment { stage, name, url };
        std::fs::write(
            deployment.config(),
            stage.saving_toml("").replace(stage.url(), &deployment.url),
        )
        .expect("a configuration");
        deployment
    }

    fn config(&self) -> PathBuf {
        self.stage.path(&format!("{}.toml", self.name))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.stage.path(&format!("{}.log", self.name)))
            .expect("there is a log")
    }

    fn start(&self, flags: &[&str]) -> Job {
        let log = File::create(self.stage.path(&format!("{}.log", self.name))).expect("a log");
        let mut command = program();
        command.arg("run").arg(self.config()).args(flags).stdout(Stdio::null()).stderr(log);
        let mut job = Job(command.spawn().expect("the program can be started"));
        eventually("the job reads", || {
            assert!(
                job.0.try_wait().expect("it can be waited for").is_none(),
                "the job ended: {}",
                self.log()
            );
            self.log().contains("The job begins to read.")
        });
        job
    }

    fn number(&self, query: &str) -> Option<i64> {
        let row = Client::connect(&self.url, NoTls)
            .and_then(|mut database| database.query_one(query, &[]));
        row.ok()?.get(0)
    }

    /// The folder of its history.
    fn folder(&self) -> PathBuf {
        let mut database = Client::connect(&self.url, NoTls).expect("the database answers");
        let identity: String = database
            .query_one("SELECT identity FROM sluice.progress", &[])
            .expect("progress")
            .get(0);
        self.stage.path("checkpoints/campaign").join(&identity[..16])
    }

    /// Epochs of its checkpoints.
    fn checkpoints(&self) -> Vec<u64> {
        let manifests =
            std::fs::read_dir(self.folder().join("manifests")).into_iter().flatten().flatten();
        let mut epochs: Vec<u64> = manifests
            .filter_map(|entry| entry.path().file_stem()?.to_str()?.parse().ok())
            .collect();
        epochs.sort_unstable();
        epochs
    }

    /// The checkpoint that it said it goes on from.
    fn went_on_from(&self) -> u64 {
        let log = self.log();
        let epoch =
            log.split_once(" checkpoint=").and_then(|(_, rest)| rest.split_whitespace().next());
        epoch
            .unwrap_or_else(|| panic!("it says where it goes on: {log}"))
            .parse()
            .expect("a number")
    }
}

/// The stage with its topics; its own database is the first deployment's.
fn set(name: &str) -> Option<(Stage, Sender)> {
    let stage = Stage::set(name)?;
    stage.configure_saving("");
    stage.sluice(&["topics", "create", "--partitions", "1", text(&stage.config())]);
    let sender = Sender::plain(&stage);
    Some((stage, sender))
}

/// Sends a purchase of the next customer, and waits until every one of these has committed it.
fn buy(sender: &mut Sender, customer: &mut i64, deployments: &[&Deployment<'_>]) {
    *customer += 1;
    let value = json!({
        "transaction_id": format!("t{customer}"), "customer_id": *customer,
        "timestamp": "2024-03-01T10:00:00Z", "amount": 5,
    });
    sender.send(
        &deployments[0].stage.topic("transactions"),
        0,
        Some(b"c"),
        Some(value.to_string().as_bytes()),
        0,
    );
    sender.flush();
    let query =
        format!("SELECT count(*) FROM sluice.customer_features WHERE customer_id = {customer}");
    for deployment in deployments {
        eventually("it is committed", || deployment.number(&query) == Some(1));
    }
}

fn said(command: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        program().args(command).output().expect("the program can be started");
    (
        status.code(),
        format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)),
    )
}

#[test]
fn two_deployments_of_a_job_share_a_folder_and_nothing_else() {
    let Some((stage, mut sender)) = set("side_by_side") else { return };
    let (one, other) = (Deployment::beside(&stage, "one"), Deployment::beside(&stage, "other"));
    let (first, second) = (one.start(&[]), other.start(&[]));
    let mut customer = 0;
    let both = [&one, &other];
    while both.iter().any(|deployment| deployment.checkpoints().iter().max() < Some(&4)) {
        buy(&mut sender, &mut customer, &both);
    }
    first.kill();
    let (kept, newest) =
        (files_below(&one.folder()), *other.checkpoints().last().expect("a checkpoint"));
    while other.checkpoints().last() < Some(&(newest + 2)) {
        buy(&mut sender, &mut customer, &[&other]);
    }
    assert_eq!(files_below(&one.folder()), kept, "the other one has left it alone");

    let own = one.checkpoints();
    let first = one.start(&[]);
    assert!(own.contains(&one.went_on_from()), "{} of {own:?}", one.went_on_from());
    let history = other.folder();
    assert!(
        one.log().contains("are passed over: they are of another history")
            && one.log().contains(text(&history)),
        "{}",
        one.log()
    );
    buy(&mut sender, &mut customer, &both);
    first.drain();
    second.drain();
    both.iter().for_each(|deployment| drop(stage.sluice(&["verify", text(&deployment.config())])));
    stage.sluice(&["checkpoint", "verify", "--all", text(&one.config())]);
    let ours = both_are_named(&one, &other);

    own_goes_alone(&stage, &one, &other, &ours, customer);
}

/// Checkpoints of both are listed, and have to be told apart where one is meant; gives how those of
/// the one are called.
fn both_are_named(one: &Deployment<'_>, other: &Deployment<'_>) -> String {
    let (_, listed) = said(&["checkpoint", "list", text(&one.config())]);
    let [ours, theirs] = [one, other].map(|deployment| {
        deployment.folder().file_name().and_then(|name| name.to_str()).expect("UTF-8").to_string()
    });
    assert!(
        listed.contains(&format!("history {ours} "))
            && listed.contains(&format!("history {theirs} ")),
        "{listed}"
    );
    let (code, refused) = said(&["checkpoint", "prune", "--keep", "1", text(&one.config())]);
    assert!(
        code == Some(2) && refused.contains("--history") && refused.contains(&ours),
        "{code:?} {refused}"
    );
    let last = other.checkpoints().pop().expect("a checkpoint");
    for (asked, there) in [(&[][..], last.to_string()), (&["--history"], theirs.clone())] {
        let inspect = |wanted: &str| {
            said(&[&["checkpoint", "inspect", text(&one.config())], asked, &[wanted]].concat())
        };
        let (code, refused) = inspect("99999999");
        assert!(
            code == Some(2)
                && refused.contains("`sluice checkpoint list` names those that are there"),
            "{code:?} {refused}"
        );
        let (code, inspected) = inspect(&there);
        assert!(listed.contains(&there) && code == Some(0), "{listed} {inspected}");
    }
    ours
}

/// Pruning, and making everything anew, take files of the one deployment only.
fn own_goes_alone(
    stage: &Stage,
    one: &Deployment<'_>,
    other: &Deployment<'_>,
    ours: &str,
    customer: i64,
) {
    let before = files_below(&other.folder());
    stage.sluice(&[
        "checkpoint",
        "prune",
        "--keep",
        "1",
        "--history",
        &ours[..6],
        text(&one.config()),
    ]);
    assert_eq!((one.checkpoints().len(), files_below(&other.folder())), (1, before.clone()));
    let former = one.folder();
    let first = one.start(&["--rebuild"]);
    eventually("it is made anew", || {
        one.number("SELECT count(*) FROM sluice.customer_features") == Some(customer)
    });
    first.drain();
    assert!(
        files_below(&former).is_empty() && one.folder() != former,
        "another history begins, and the former one is gone"
    );
    assert_eq!(files_below(&other.folder()), before);
    stage.sluice(&["verify", text(&one.config())]);
}

/// A job that was drained with a checkpoint of its last epoch.
fn drained(deployment: &Deployment<'_>, sender: &mut Sender, customer: &mut i64) {
    let job = deployment.start(&[]);
    (0..3).for_each(|_| buy(sender, customer, &[deployment]));
    job.drain();
}

#[test]
fn where_no_epoch_is_recorded_the_identity_tells_whose_a_checkpoint_is() {
    let Some((stage, mut sender)) = set("unrecorded") else { return };
    let one = Deployment::beside(&stage, "one");
    let mut customer = 0;
    drained(&one, &mut sender, &mut customer);
    let mut database = Client::connect(&one.url, NoTls).expect("the database answers");
    database.batch_execute("DELETE FROM sluice.epochs").expect("they go");
    let before = files_below(&stage.path("checkpoints"));
    let job = one.start(&[]);
    assert_eq!(Some(&one.went_on_from()), one.checkpoints().last());
    job.kill();

    // Of another history of as many epochs.
    database
        .batch_execute("UPDATE sluice.progress SET identity = repeat('ab', 32)")
        .expect("a change");
    let (code, refused) = said(&["run", text(&one.config())]);
    assert!(
        code == Some(1)
            && refused.contains("are of another history")
            && refused.contains("are recorded only from"),
        "{code:?} {refused}"
    );
    assert_eq!(files_below(&stage.path("checkpoints")), before);
    // As is advised.
    let job = one.start(&["--rebuild"]);
    eventually("it is made anew", || {
        one.number("SELECT count(*) FROM sluice.customer_features") == Some(customer)
    });
    job.drain();
}

/// Makes checkpoints what a version would have written that named no history.
fn unname(folder: &Path) {
    let job = folder.parent().expect("the job's folder");
    for (path, content) in files_below(folder) {
        let to = job.join(path.strip_prefix(folder).expect("a file of the history"));
        let content = match path.extension().is_some_and(|extension| extension == "json") {
            true => unnamed(&String::from_utf8(content).expect("UTF-8")).into_bytes(),
            false => content,
        };
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        std::fs::write(to, content).expect("a file");
    }
    std::fs::remove_dir_all(folder).expect("it goes");
}

/// The text of a manifest without the history, with the checksum that it needs.
fn unnamed(manifest: &str) -> String {
    let content = manifest
        .split_once("\"content\":")
        .and_then(|(_, rest)| rest.strip_suffix("}\n"))
        .expect("a sealed text");
    let (before, rest) = content.split_once("\"identity\":\"").expect("it names its history");
    let content = format!("{before}{}", rest.split_once("\",").expect("more fields").1).replacen(
        "\"format\":4",
        "\"format\":3",
        1,
    );
    format!("{{\"crc32\":\"{:08x}\",\"content\":{content}}}\n", crc32fast::hash(content.as_bytes()))
}

#[test]
fn checkpoints_that_name_no_history_are_gone_on_from_where_the_chain_is_theirs() {
    let Some((stage, mut sender)) = set("unnamed") else { return };
    let (one, other) = (Deployment::beside(&stage, "one"), Deployment::beside(&stage, "other"));
    let mut customer = 0;
    drained(&one, &mut sender, &mut customer);
    let newest = *one.checkpoints().last().expect("a checkpoint");
    unname(&one.folder());
    let (before, folder) = (files_below(&stage.path("checkpoints")), stage.path("checkpoints"));
    // Nobody can tell whose they are where nothing is recorded.
    let (code, refused) = said(&["run", text(&other.config())]);
    assert!(
        code == Some(4)
            && refused.contains("no progress of it is recorded")
            && refused.contains("--rebuild"),
        "{code:?} {refused}"
    );
    assert_eq!(files_below(&folder), before);

    let job = one.start(&[]);
    assert_eq!(one.went_on_from(), newest);
    buy(&mut sender, &mut customer, &[&one]);
    job.drain();
    assert!(one.checkpoints().last() > Some(&newest));
    assert_eq!(stage.manifests().len(), one.checkpoints().len());
    assert!(
        !folder.join("campaign/manifests").read_dir().is_ok_and(|mut left| left.next().is_some()),
        "those of before are gone"
    );
    let job = one.start(&[]);
    assert_eq!(Some(&one.went_on_from()), one.checkpoints().last());
    job.kill();
    // Now they say whose they are: another deployment passes them over.
    let job = other.start(&[]);
    eventually("it reads everything", || {
        other.number("SELECT count(*) FROM sluice.customer_features") == Some(customer)
    });
    job.drain();
    stage.sluice(&["verify", text(&one.config())]);
    stage.sluice(&["verify", text(&other.config())]);
}
