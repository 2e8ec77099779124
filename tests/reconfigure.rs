//! Other settings taken over with `--reconfigure`: every row is as a rebuild with them gives it, a
//! job that is killed before or after is what it was before or goes on after, and what is refused
//! has changed nothing.

use crate::services::sender::Sender;
use crate::services::topics::PARTITIONS;
use crate::services::verifying::{verified, verify};
use crate::services::{Job, Stage, eventually};
use std::fmt::Write;

const WORLD: [&str; 8] =
    ["--customers", "120", "--transactions", "2000", "--interactions", "1500", "--seed", "11"];

/// What is not listed before: some of the purchases bear each of these names.
const FORMER: [(&str, &str); 3] = [
    (
        "[kafka]\n",
        "[context]\nterms = [\"intercept\", \"travel_pct\", \"groceries_pct\", \"monetary: log \
         12\", \"is_high_value\"]\n[kafka]\n",
    ),
    (
        "[kafka]\n",
        "[customers]\ncategories = [\"Fashion\", \"Groceries\", \"Travel\"]\ndevices = \
         [\"Mobile\"]\n[kafka]\n",
    ),
    ("[checkpoint]\n", "[checkpoint]\ninterval = \"1h\"\n"),
];

/// What becomes another: an arm, a category and devices come, a term and a category go, and limits,
/// reward, thresholds and time are others.
const OTHER: [(&str, &str); 4] = [
    (
        "categories = [\"Fashion\", \"Groceries\", \"Travel\"]\ndevices = [\"Mobile\"]\n",
        "at_risk_days = 60\nhigh_value = \"top 40%\"\ncategories = [\"Travel\", \"Fashion\", \
         \"Electronics\"]\ndevices = [\"tablet\", \"Mobile\", \"Desktop\"]\n",
    ),
    (
        "[kafka]\n",
        "[bandit]\narms = [\"Email\", \"SMS\", \"Push\", \"Direct Mail\", \
         \"Letter\"]\nattribution_window = \"3d\"\nno_response_reward = -1\n[kafka]\n",
    ),
    (
        "\"groceries_pct\", \"monetary: log 12\", \"is_high_value\"]",
        "\"electronics_pct\", \"tablet_pct\", \"is_high_value\", \"is_at_risk\", \"recency: cap \
         100\", \"category_diversity\"]",
    ),
    ("[epoch]\n", "[epoch]\nlateness = \"2h\"\n"),
];

/// Of each table what does not depend on epochs; model versions only as they now stand.
const ROWS: [&str; 8] = [
    "SELECT (to_jsonb(t) - 'epoch')::text FROM sluice.customer_features t",
    "SELECT (to_jsonb(t) - 'epoch' - 'model_version')::text FROM sluice.interactions t",
    "SELECT (to_jsonb(t) - 'epoch')::text FROM sluice.arm_stats t",
    "SELECT (to_jsonb(t) - 'epoch')::text FROM sluice.segments t",
    "SELECT (to_jsonb(t) - 'epoch')::text FROM sluice.thresholds t",
    "SELECT t::text FROM (SELECT DISTINCT ON (arm) arm, n, a, b, theta FROM sluice.model_versions \
     ORDER BY arm, version DESC) t WHERE n > 0",
    "SELECT t::text FROM sluice.arms t",
    "SELECT t::text FROM sluice.context_names t",
];

struct Scene {
    stage: Stage,
    former: String,
    other: String,
    _sender: Sender,
}

impl Scene {
    fn set(name: &str) -> Option<Scene> {
        let stage = Stage::set(name)?;
        let former =
            FORMER.iter().fold(stage.toml(""), |toml, (from, to)| toml.replacen(from, to, 1));
        let other =
            OTHER.iter().fold(former.clone(), |toml, (from, to)| toml.replacen(from, to, 1));
        let files = stage.path("world");
        stage
            .sluice(&[&["generate", "--out", files.to_str().expect("UTF-8")], &WORLD[..]].concat());
        std::fs::write(stage.config(), &former).expect("a configuration");
        stage.create_topics();
        let mut sender = Sender::plain(&stage);
        sender.send_world(&stage, &files, PARTITIONS);
        Some(Scene { stage, former, other, _sender: sender })
    }

    fn configure(&self, toml: &str) {
        std::fs::write(self.stage.config(), toml).expect("a configuration");
    }

    /// Waits until everything is read and time stands where it will, less this lateness.
    fn settled(&self, lateness: &str) {
        self.stage.wait_for("SELECT count(*) FROM sluice.interactions", 1_500);
        let newest = "greatest((SELECT max(ts) FROM sluice.interactions), (SELECT \
            max(last_purchase) FROM sluice.customer_features))";
        let stands = format!(
            "SELECT (watermark = {newest} - interval '{lateness}')::int FROM sluice.epochs ORDER \
             BY epoch DESC LIMIT 1"
        );
        self.stage.wait_for(&stands, 1);
    }

    fn number(&self, query: &str) -> i64 {
        self.stage.database().query_one(query, &[]).expect("a number").get(0)
    }

    fn rows(&self) -> String {
        let mut database = self.stage.database();
        let mut all = String::new();
        for query in ROWS {
            let mut rows: Vec<String> =
                database.query(query, &[]).expect("rows").iter().map(|row| row.get(0)).collect();
            rows.sort_unstable();
            writeln!(all, "{query}\n{}", rows.join("\n")).expect("a text");
        }
        all
    }

    /// Ends with this exit code, and says this.
    fn refused(&self, toml: &str, flags: &[&str], wanted: &str) {
        self.configure(toml);
        let before = self.rows();
        let incarnation = self.number("SELECT incarnation FROM sluice.progress");
        let code = self.stage.start_with_log(flags).wait();
        let log = self.stage.log();
        assert!(code == Some(4) && log.contains(wanted), "{wanted}: {code:?} {log}");
        assert_eq!(
            (self.rows(), self.number("SELECT incarnation FROM sluice.progress")),
            (before, incarnation),
            "{wanted}"
        );
    }

    /// Has the commit of an epoch wait for as long as the connection is there that is given back.
    fn hold(&self, epoch: i64) -> postgres::Client {
        let mut database = self.stage.database();
        let hold = format!(
            "CREATE OR REPLACE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN IF new.epoch = {epoch} THEN PERFORM pg_advisory_xact_lock(77); END IF; \
                RETURN new; END $$;
             CREATE OR REPLACE TRIGGER hold BEFORE INSERT ON sluice.epochs FOR EACH ROW EXECUTE \
             FUNCTION hold();
             SELECT pg_advisory_lock(77)"
        );
        database.batch_execute(&hold).expect("a lock");
        database
    }

    fn release(&self, held: postgres::Client) {
        drop(held);
        self.stage
            .database()
            .batch_execute("DROP TRIGGER hold ON sluice.epochs")
            .expect("no trigger");
    }

    /// Waits until a commit waits for the lock.
    fn held(&self) {
        self.stage.wait_for(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = \
            77 AND NOT granted",
            1,
        );
    }

    fn reads(&self, job: Job) -> Job {
        eventually("the job reads", || self.stage.log().contains("The job begins to read."));
        job
    }
}

#[test]
fn other_settings_give_what_a_rebuild_gives_whatever_is_killed() {
    let Some(scene) = Scene::set("reconfigure") else { return };
    let Scene { stage, other, .. } = &scene;
    let job = stage.start(&["--workers", "2"]);
    scene.settled("1 day");
    job.drain();
    let before = scene.rows();
    let last = scene.number("SELECT epoch FROM sluice.progress");

    // Without the flag, and what cannot be taken over with it.
    scene.refused(other, &[], "take the new one over with --reconfigure");
    scene.refused(
        &other.replacen("[kafka]\n", "[input]\ndecimals = 3\n[kafka]\n", 1),
        &["--reconfigure"],
        "input.decimals: amounts are kept",
    );
    scene.refused(
        &other.replace("\"SMS\", \"Push\"", "\"Push\", \"SMS\""),
        &["--reconfigure"],
        "arms keep their names and places",
    );
    killed_before_the_change(&scene, &before, last);

    let reconfigured = killed_behind_the_change(&scene);

    assert_ne!(reconfigured, before);

    let job = stage.start_with_log(&["--rebuild"]);
    eventually("it is made anew", || stage.log().contains("The job begins."));
    scene.settled("2 hours");
    job.drain();
    let rebuilt = scene.rows();
    let differing = reconfigured.lines().zip(rebuilt.lines()).find(|(one, other)| one != other);
    assert!(reconfigured == rebuilt, "{differing:?}");
    be_later(&scene, &rebuilt);
}

/// Killed before the change is committed: it has never been.
fn killed_before_the_change(scene: &Scene, before: &str, last: i64) {
    let Scene { stage, former, other, .. } = scene;
    scene.configure(other);
    let held = scene.hold(last + 1);
    let job = scene.reads(stage.start_with_log(&["--reconfigure", "--workers", "3"]));
    scene.held();
    job.kill();
    scene.release(held);
    assert_eq!(
        (scene.rows(), scene.number("SELECT epoch FROM sluice.progress")),
        (before.to_string(), last)
    );
    scene.configure(former);
    let job = scene.reads(stage.start_with_log(&[]));
    job.drain();
    assert_eq!(scene.rows(), before, "it went on as it was");
}

/// Killed after the change, before there is a checkpoint of it; gives the rows that it comes to.
fn killed_behind_the_change(scene: &Scene) -> String {
    let Scene { stage, former, other, .. } = scene;
    let before_it = verified(&stage.config(), &[]);
    scene.configure(other);
    let last = scene.number("SELECT epoch FROM sluice.progress");
    let held = scene.hold(last + 2);
    let job = scene.reads(stage.start_with_log(&["--reconfigure", "--workers", "3"]));
    scene.held();
    job.kill();
    scene.release(held);
    assert_eq!(scene.number("SELECT epoch FROM sluice.progress"), last + 1);
    scene.refused(former, &[], "configure it as before");
    scene.configure(other);
    // A checkpoint that was taken under the former settings is begun at; what has taken nothing on
    // trust stays.
    let begun = verified(&stage.config(), &["--since", "oldest"]);
    assert!(
        begun["trusted_through_epoch"].as_i64().is_some_and(|epoch| epoch <= last)
            && begun["epoch"] == last + 1,
        "{begun:#}"
    );
    let job = scene.reads(stage.start_with_log(&["--workers", "2"]));
    assert!(stage.log().contains("repeated=1"), "the change is repeated: {}", stage.log());
    scene.settled("2 hours");
    job.drain();
    assert!(
        stage.checkpoints().iter().any(|epoch| *epoch > last as u64 + 1),
        "there is one of the new settings"
    );
    // It goes on from that one.
    let job = scene.reads(stage.start_with_log(&["--reconfigure"]));
    assert!(stage.log().contains("repeated=0"), "{}", stage.log());
    job.drain();
    verify_across(scene, &before_it, &begun);
    scene.rows()
}

/// What was verified under the former settings is gone on from across the change.
fn verify_across(scene: &Scene, before_it: &serde_json::Value, begun: &serde_json::Value) {
    let Scene { stage, former, other, .. } = scene;
    let since = verified(&stage.config(), &["--since", &before_it["epoch"].to_string()]);
    assert_eq!(
        (&since["since_epoch"], &since["trusted_through_epoch"]),
        (&before_it["epoch"], &serde_json::Value::Null),
        "{since:#}"
    );
    let whole = verified(&stage.config(), &[]);
    let rows = |said: &serde_json::Value| said["tables"][0]["rows"].clone();
    assert_eq!(
        (rows(&since), rows(begun)),
        (rows(&whole), rows(&whole)),
        "the change tells every customer anew"
    );
    scene.configure(former);
    let (code, said) = verify(&stage.config(), &["--since", "last"]);
    assert!(
        code == Some(1)
            && said
                .as_str()
                .is_some_and(|said| said.contains("with the configuration that it runs with")),
        "{said}"
    );
    scene.configure(other);
    verified(&stage.config(), &["--since", "last"]);
}

/// Nothing that stands depends on how late events may be.
fn be_later(scene: &Scene, rebuilt: &str) {
    let Scene { stage, other, .. } = scene;
    let last = scene.number("SELECT epoch FROM sluice.progress");
    scene.configure(&other.replace("lateness = \"2h\"", "lateness = \"3h\""));
    let job = scene.reads(stage.start_with_log(&["--reconfigure", "--workers", "3"]));
    assert!(stage.log().contains("what stands stays as it is"), "{}", stage.log());
    stage.wait_for(&format!("SELECT (epoch > {last})::int FROM sluice.progress"), 1);
    job.drain();
    assert_eq!(scene.rows(), rebuilt);
    let verified = stage.sluice(&["verify", stage.config().to_str().expect("UTF-8")]);
    assert!(
        String::from_utf8_lossy(&verified.stdout).contains("is what its records give"),
        "{verified:?}"
    );
}
