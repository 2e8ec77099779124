//! Where a job is held in the commit of an epoch, until it is killed there.

use super::scene::Scene;
use crate::services::Stage;
use postgres::{Client, NoTls};

/// Where in the commit of an epoch the job is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    /// The epoch is computed, and nothing of it is written.
    Before,
    /// Its progress has moved and its row is to be written, in a transaction that is open.
    Inside,
    /// It is committed, and nothing that follows from that is done.
    After,
}

/// A session that holds the job where it is to be killed.
pub(super) struct Holder(Client);

/// A shared lock of this number is asked for by each commit, inside its transaction.
pub(super) const GATE: &str = "CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock_shared(17); RETURN NEW; END $$;
    CREATE TRIGGER gate BEFORE INSERT ON sluice.epochs FOR EACH ROW EXECUTE FUNCTION gate()";

impl Holder {
    fn new(stage: &Stage) -> Holder {
        Holder(stage.database())
    }

    /// Nothing of an epoch is written from now on, nor of what follows a commit: the row of the
    /// progress is taken. While a commit holds it, that is let through.
    fn close_progress(&mut self) {
        self.0
            .batch_execute("BEGIN; SELECT 1 FROM sluice.progress FOR UPDATE")
            .expect("the row can be locked");
    }

    /// Commits stop inside.
    fn close_gate(&mut self) {
        self.0
            .batch_execute("BEGIN; SELECT pg_advisory_xact_lock(17)")
            .expect("the gate can be closed");
    }

    pub(super) fn open(&mut self) {
        self.0.batch_execute("COMMIT").expect("the lock can be given back");
    }
}

/// Waits until the job waits for a lock, in a statement like this one.
fn await_held(stage: &Stage, statement: &str) {
    let waits = format!(
        "SELECT least(count(*), 1) FROM pg_stat_activity WHERE datname = current_database() AND \
         application_name LIKE 'sluice %'
         AND wait_event_type = 'Lock' AND query ILIKE '%{statement}%'"
    );
    stage.wait_for(&waits, 1);
}

/// Brings the job to where it is to be killed; gives the session that holds it there.
pub(super) fn hold(scene: &mut Scene, point: Point) -> Holder {
    let mut holder = Holder::new(&scene.stage);
    match point {
        Point::Before => {
            holder.close_progress();
            scene.send_trouble();
            await_held(&scene.stage, "update%progress");
        }
        Point::Inside => {
            holder.close_gate();
            scene.send_trouble();
            await_held(&scene.stage, "insert into%epochs");
        }
        Point::After => {
            let before = epochs(&scene.stage);
            let mut gate = Holder::new(&scene.stage);
            gate.close_gate();
            scene.send(40);
            await_held(&scene.stage, "insert into%epochs");
            // Whoever waits for the row that the commit holds gets it next.
            let url = scene.stage.url().to_string();
            let waiting = std::thread::spawn(move || {
                let mut next = Holder(Client::connect(&url, NoTls).expect("the database answers"));
                next.close_progress();
                next
            });
            scene.stage.wait_for(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = \
                'Lock' AND query LIKE 'BEGIN; SELECT 1 FROM sluice.progress%' AND datname = \
                current_database()",
                1,
            );
            gate.open();
            holder = waiting.join().expect("it gets the row");
            assert!(epochs(&scene.stage) > before, "an epoch was committed");
            scene.send_trouble();
            await_held(&scene.stage, "update%progress");
        }
    }
    holder
}

pub(super) fn epochs(stage: &Stage) -> i64 {
    stage
        .database()
        .query_one("SELECT coalesce(max(epoch), 0) FROM sluice.epochs", &[])
        .expect("epochs")
        .get(0)
}
