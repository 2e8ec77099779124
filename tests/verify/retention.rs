//! Rows that are deleted for their age, and what can be verified of the rest.

use super::*;
use std::path::PathBuf;

/// Six hours, from one round of contacts to the next.
const ROUND: i64 = 6 * 3_600_000;

/// Contacts and requests of nine customers, in the order of time.
struct Rounds<'a> {
    stage: &'a Stage,
    sender: Sender,
    round: i64,
}

impl Rounds<'_> {
    fn send(&mut self, topic: &str, customer: i64, value: &Value) {
        let (topic, key) = (self.stage.topic(topic), customer.to_string());
        let at = value["timestamp"].as_i64().expect("an instant");
        self.sender.send(
            &topic,
            (customer % 3) as i32,
            Some(key.as_bytes()),
            Some(value.to_string().as_bytes()),
            at,
        );
    }

    /// Sends rounds until this query says so.
    fn until(&mut self, query: &str) {
        let mut database = self.stage.database();
        eventually(query, || {
            self.round += 1;
            let (round, at) = (self.round, 1_709_251_200_000 + self.round * ROUND);
            for customer in 0..9 {
                let contact = json!({
                    "interaction_id": format!("i{round}-{customer}"), "customer_id": customer,
                    "timestamp": at, "action": 1, "reward": 1,
                });
                self.send("interactions", customer, &contact);
            }
            let customer = round % 9;
            let request = json!({
                "decision_id": format!("d{round}"), "customer_id": customer, "timestamp": at,
            });
            self.send("requests", customer, &request);
            self.sender.flush();
            database
                .query_one(&format!("SELECT coalesce(({query}), false)"), &[])
                .expect("an answer")
                .get(0)
        });
    }

    /// A purchase of three customers before all their contacts, which corrects every context: of
    /// rows that are gone too.
    fn correct(&mut self) {
        for customer in 0..3 {
            let (id, at) =
                (format!("t{}-{customer}", self.round), 1_709_251_200_000 - customer * ROUND);
            let purchase = json!({
                "transaction_id": id, "customer_id": customer, "timestamp": at, "amount": 5,
            });
            self.send("transactions", customer, &purchase);
        }
        self.sender.flush();
        eventually("everything is committed", || self.sender.is_read(&self.stage.committed()));
    }
}

/// Where nothing was verified, and the first epochs are gone, a checkpoint is begun at, whatever is
/// asked for; what is left then is gone on from.
fn begin_at_checkpoints(stage: &Stage, config: &Path) {
    let left = stage.path("checkpoints/kind=verified");
    let aside = stage.path("aside");
    std::fs::rename(&left, &aside).expect("what verifications have left");
    for (asked, wanted) in [
        (&[][..], "no longer recorded"),
        (&["--since", "last"], "there is no verification"),
        (&["--since", "1"], "neither a verif"),
    ] {
        let said = follow(config, asked, wanted, &["--since", "oldest"]);
        assert_eq!(said["trusted_through_epoch"], said["since_epoch"], "{said:#}");
        assert!(said["uncompared_rows"].as_u64() > Some(0), "{said:#}");
        let next = verified(config, &["--since", "last"]);
        assert_eq!(
            (&next["since_epoch"], &next["trusted_through_epoch"]),
            (&said["epoch"], &said["trusted_through_epoch"]),
            "{next:#}"
        );
        std::fs::remove_dir_all(&left).expect("what verifications have left");
    }
    // What was written since the checkpoint is compared, and what of it is taken away is missed.
    for (name, change) in [
        (
            "late_row",
            "DELETE FROM interactions WHERE ctid = (SELECT ctid FROM interactions WHERE \
             customer_id = 8 ORDER BY ts DESC LIMIT 1)",
        ),
        (
            "late_value",
            "UPDATE model_metrics SET pending = pending + 1 WHERE epoch = (SELECT max(epoch) FROM \
             model_metrics)",
        ),
        (
            "late_decision",
            "DELETE FROM decisions WHERE ctid = (SELECT ctid FROM decisions ORDER BY epoch DESC \
             LIMIT 1)",
        ),
    ] {
        let (code, said) =
            verify(&changed(stage, name, &[change.to_string()]), &["--since", "oldest"]);
        assert_eq!((code, named(&said).len()), (Some(1), 1), "{name}: {said:#}");
    }
    // Pieces of what was found to differ lie there, and count for nothing.
    std::fs::remove_dir_all(&left).expect("what verifications have left");
    std::fs::rename(&aside, &left).expect("what verifications have left");
    // What has taken nothing on trust stays, though one that has goes up to the same epoch.
    assert!(verified(config, &["--since", "oldest"])["trusted_through_epoch"].is_u64());
    assert_eq!(verified(config, &["--since", "last"])["trusted_through_epoch"], Value::Null);
}

#[test]
fn rows_that_are_old_go_beside_kills_and_what_is_left_is_what_the_records_give() {
    let Some(stage) = Stage::set("retention") else { return };
    let configure = |interval: &str, more: &str| {
        let own = format!(
            "[postgres]\nkeep_interactions = \"2d\"\nkeep_decisions = \"3d\"\nkeep_model_metrics = \
             \"1s\"\n{more}"
        );
        let toml = stage.saving_toml("").replace("[postgres]\n", &own).replace("200ms", interval);
        std::fs::write(stage.config(), toml).expect("the configuration can be written");
    };
    configure("10ms", "");
    stage.create_topics();
    let job = stage.start_with_log(&[]);
    stage.wait_for("SELECT incarnation FROM sluice.progress", 1);
    let mut rounds = Rounds { stage: &stage, sender: Sender::plain(&stage), round: 0 };
    rounds.correct();
    // Those of whoever is not corrected go first.
    let has_none_before = |day: &str| {
        format!("((SELECT min(ts) FROM sluice.interactions WHERE customer_id = 8) > '{day}')")
    };
    rounds.until(&has_none_before("2024-03-02"));
    job.kill();
    let job = stage.start_with_log(&["--workers", "2"]);
    rounds.correct();
    rounds.until(&format!(
        "({} AND ({}) > 0 AND ({}) > 0)",
        has_none_before("2024-03-04"),
        gone("decisions"),
        gone("metrics")
    ));
    rounds.correct();
    job.kill();
    let (code, said) = verify(&stage.config(), &[]);
    assert_eq!((code, &said["ok"]), (Some(0), &Value::Bool(true)), "{said:#}");
    let contacts: i64 = stage
        .database()
        .query_one("SELECT count(*) FROM sluice.interactions", &[])
        .expect("a number")
        .get(0);
    assert!(
        0 < contacts && contacts < 9 * rounds.round,
        "{contacts} rows of {} rounds",
        rounds.round
    );
    let copy = lose_epochs(&mut rounds, &configure);
    follow_what_is_left(&stage, &copy, &said);

    rounds.sender.finish();
}

/// Up to which epoch rows of a table are gone.
fn gone(table: &str) -> String {
    format!("SELECT max((gone ->> '{table}')::int8) FROM sluice.epochs")
}

/// Without the first epochs only what was verified can be gone on from, or a checkpoint; gives the
/// configuration of a copy that was never verified.
fn lose_epochs(rounds: &mut Rounds<'_>, configure: &impl Fn(&str, &str)) -> PathBuf {
    let stage = rounds.stage;
    configure("100ms", "keep_epochs = \"1s\"\n");
    let job = stage.start_with_log(&[]);
    rounds.until(&format!("(({}) > 0)", gone("epochs")));
    rounds.correct();
    job.kill();
    // What comes now comes after the last checkpoint.
    let toml = std::fs::read_to_string(stage.config()).expect("a configuration");
    std::fs::write(stage.config(), toml.replace("interval = \"1s\"", "interval = \"1h\""))
        .expect("a configuration");
    let job = stage.start_with_log(&[]);
    let committed = stage
        .database()
        .query_one("SELECT epoch FROM sluice.progress", &[])
        .expect("progress")
        .get::<_, i64>(0);
    rounds.until(&format!(
        "(SELECT count(*) >= 9 FROM sluice.interactions WHERE epoch > {committed})"
    ));
    rounds.correct();
    job.kill();
    changed(stage, "unverified", &[])
}

/// What was verified is gone on from, and beside it checkpoints.
fn follow_what_is_left(stage: &Stage, copy: &Path, said: &Value) {
    let since = follow(&stage.config(), &[], "no longer recorded", &["--since", "last"]);
    assert_eq!(since["since_epoch"], said["epoch"], "{since:#}");
    let deleted =
        ["DELETE FROM interactions WHERE epoch = (SELECT min(epoch) FROM interactions) AND \
            customer_id = (SELECT min(customer_id) FROM interactions
        WHERE epoch = (SELECT min(epoch) FROM interactions))"
            .to_string()];
    let (code, found) = verify(&changed(stage, "deleted", &deleted), &["--since", "last"]);
    assert_eq!((code, named(&found).len()), (Some(1), 1), "{found:#}");
    begin_at_checkpoints(stage, copy);
}
