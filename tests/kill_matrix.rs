//! A job killed at every point that matters: before the commit of an epoch, inside it and after it,
//! while a checkpoint is half written or without one, in every layout; then started in the next
//! layout. In half of the cells the topic of customers is compacted, and lacks by then records that
//! the job has read, and without a checkpoint has to repeat. Each time everything must come out
//! exact.
//!
//! No kill is left to chance. Locks that the test holds in the database keep the job where it is to
//! be killed: the row of its progress before a commit and after one, a trigger that asks for a lock
//! inside one. So held, it cannot complete a checkpoint of that epoch either: its files lie there,
//! and the manifest that would make them one does not.

use crate::services::{Job, Stage, eventually};
use crate::trial::layout::{Layout, log};
use crate::trial::population::Population;
use crate::trial::{Forgotten, Producer, WAITING, committed, verdict};
use postgres::{Client, NoTls};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

const LAYOUTS: [Layout; 4] =
    [Layout::of(1, 1), Layout::of(1, 2), Layout::of(2, 1), Layout::of(2, 2)];
const POINTS: [Point; 3] = [Point::Before, Point::Inside, Point::After];

/// Where in the commit of an epoch the job is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    /// The epoch is computed, and nothing of it is written.
    Before,
    /// Its progress has moved and its row is to be written, in a transaction that is open.
    Inside,
    /// It is committed, and nothing that follows from that is done.
    After,
}

/// Time from one checkpoint to the next, where they are taken.
const CHECKPOINTS: Duration = Duration::from_secs(1);

/// One cell of the matrix.
#[derive(Clone, Copy, Debug)]
struct Cell {
    point: Point,
    /// A checkpoint is half written.
    saving: bool,
    /// The topic of customers is compacted.
    compacted: bool,
    layout: Layout,
    /// What is started afterwards.
    next: Layout,
}

/// All cells.
fn cells() -> Vec<Cell> {
    let of = |(number, layout): (usize, Layout)| {
        let next = LAYOUTS[(number + 1) % LAYOUTS.len()];
        let cell = move |place, point, saving| Cell {
            point,
            saving,
            compacted: (number + place + usize::from(saving)) % 2 == 0,
            layout,
            next,
        };
        (0..)
            .zip(POINTS)
            .flat_map(move |(place, point)| [false, true].map(|saving| cell(place, point, saving)))
    };
    LAYOUTS.into_iter().enumerate().flat_map(of).collect()
}

/// A stage with what every test here needs.
struct Scene {
    stage: Stage,
    population: Population,
    producer: Producer,
    /// Checkpoints are taken.
    saves: bool,
    /// How the next transaction that stays open will end.
    commits: bool,
}

impl Scene {
    /// A stage whose topics are there; `None` where there are no services.
    fn set(name: &str, seed: u64, saves: bool) -> Option<Scene> {
        let stage = Stage::set(name)?;
        let interval = if saves { "1s" } else { "1h" };
        let checkpoint = format!("[checkpoint]\ninterval = \"{interval}\"\n");
        // So many that a commit which is held keeps no later epoch from coming with a checkpoint.
        let limits = "[limits]\nepochs_in_flight = 32\n";
        let toml = stage.toml("").replace("[checkpoint]\n", &checkpoint).replace("200ms", "100ms")
            + limits;
        std::fs::write(stage.config(), toml).expect("the configuration can be written");
        stage.sluice(&["topics", "create", stage.config().to_str().expect("UTF-8")]);
        let producer = Producer::new(&stage);
        Some(Scene { stage, population: Population::new(seed), producer, saves, commits: true })
    }

    /// The same, with a job that has made its tables, and every effect noted from then on.
    fn running(name: &str, seed: u64, saves: bool, layout: Layout) -> Option<(Scene, Vec<Job>)> {
        Scene::set(name, seed, saves)?.run(layout)
    }

    /// The same, with a topic of customers that is compacted.
    fn running_compacted(
        name: &str,
        seed: u64,
        saves: bool,
        layout: Layout,
    ) -> Option<(Scene, Vec<Job>)> {
        let mut scene = Scene::set(name, seed, saves)?;
        crate::services::compaction::compact(&scene.stage.brokers, &scene.stage.topic("customers"));
        scene.producer.forget(&scene.stage, &BTreeMap::new());
        scene.run(layout)
    }

    fn run(self, layout: Layout) -> Option<(Scene, Vec<Job>)> {
        let scene = self;
        let jobs = layout.start(&scene.stage, "first");
        scene.stage.wait_for("SELECT incarnation FROM sluice.progress", 1);
        verdict::note_effects(&scene.stage);
        Some((scene, jobs))
    }

    fn send(&mut self, records: usize) {
        let records = self.population.mixed(records);
        self.producer.send(&self.stage, &records);
        self.producer.flush();
    }

    /// Late events, changes and bad records too, some of them in a transaction; and an erasure,
    /// unless no checkpoint may follow from it. A transaction is aborted; and one begins that stays
    /// open, or ends that was open while all this came behind it: where the job is killed, it knows
    /// of records that it cannot read yet.
    fn send_trouble(&mut self) {
        let Scene { stage, population, producer, saves, .. } = self;
        if *saves {
            // First: with the epoch that has it the job takes a checkpoint, due or not.
            producer.send(stage, &population.erasure());
            producer.flush();
        }
        let records = [
            population.late(10),
            population.replacements(10),
            population.retractions(10),
            population.renewals(10),
        ]
        .concat();
        producer.send(stage, &records);
        producer.abort(stage, &population.unseen(20));
        producer.send(stage, &population.bad(5));
        producer.commit(stage, &population.mixed(20));
        self.send(60);
        if self.producer.end_open().is_none() {
            let Scene { stage, population, producer, commits, .. } = self;
            let records = if *commits { population.mixed(30) } else { population.unseen(30) };
            producer.open(stage, &records, *commits);
            *commits = !*commits;
        }
    }

    fn await_all(&mut self) {
        self.producer.end_open();
        let (mut database, producer) = (self.stage.database(), &self.producer);
        eventually("everything is committed", || producer.is_read(&committed(&mut database)));
    }

    /// Closes what is open, drains the job and judges it.
    fn end(mut self, jobs: Vec<Job>) {
        let closing = self.population.closing();
        self.producer.send(&self.stage, &closing);
        self.producer.flush();
        self.await_all();
        self.stage.wait_for(WAITING, 0);
        drain(jobs);
        for line in verdict::judge(&self.stage, &self.producer) {
            println!("    {line}");
        }
    }

    /// Waits until the broker has removed something that the job has read, where a topic is
    /// compacted.
    fn await_forgotten(&self) {
        if let Some(forgotten) = Forgotten::of(&self.stage, &self.producer) {
            eventually("the cleaner has removed what the job has read", || {
                forgotten.gone(&self.stage) > 0
            });
        }
    }

    /// Waits for a checkpoint of this epoch or a later one, and until the next one is due.
    fn await_checkpoint(&self, epoch: u64) {
        eventually("a checkpoint, and the next one due", || {
            let (newest, files) = newest_files(&self.stage, "manifests");
            let age = files
                .first()
                .and_then(|file| file.metadata().ok()?.modified().ok()?.elapsed().ok());
            newest >= epoch && age.is_some_and(|age| age > CHECKPOINTS)
        });
    }

    /// The newest epoch that a file of a checkpoint in this folder is of; 0 for none.
    fn newest(&self, folder: &str) -> u64 {
        newest_files(&self.stage, folder).0
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for entry in
                std::fs::read_dir(self.stage.directory.path()).into_iter().flatten().flatten()
            {
                if entry.path().extension().is_some_and(|extension| extension == "log") {
                    println!(
                        "{}:\n{}",
                        entry.path().display(),
                        String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap_or_default())
                    );
                }
            }
        }
    }
}

/// Drains a job of one process or more: whichever is told first tells the others.
fn drain(jobs: Vec<Job>) {
    let mut jobs = jobs.into_iter();
    jobs.next().expect("a job has a process").drain();
    jobs.for_each(|job| assert_eq!(job.wait(), Some(0), "the others drain too"));
}

/// The newest epoch that files in this folder of the checkpoints are of, and these files.
fn newest_files(stage: &Stage, folder: &str) -> (u64, Vec<PathBuf>) {
    let mut pending: Vec<PathBuf> =
        stage.histories().into_iter().map(|history| history.join(folder)).collect();
    let mut newest = (0, Vec::new());
    while let Some(path) = pending.pop() {
        // A file may have gone since its folder was listed.
        for entry in std::fs::read_dir(&path).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                pending.push(entry.path());
            } else if let Some(epoch) =
                entry.file_name().to_str().and_then(|name| name.get(..20)?.parse::<u64>().ok())
            {
                if epoch > newest.0 {
                    newest = (epoch, Vec::new());
                }
                if epoch == newest.0 {
                    newest.1.push(entry.path());
                }
            }
        }
    }
    newest
}

// --- where the job is held ---

/// A session that holds the job where it is to be killed.
struct Holder(Client);

/// A shared lock of this number is asked for by each commit, inside its transaction.
const GATE: &str = "CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS
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

    fn open(&mut self) {
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
fn hold(scene: &mut Scene, point: Point) -> Holder {
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

fn epochs(stage: &Stage) -> i64 {
    stage
        .database()
        .query_one("SELECT coalesce(max(epoch), 0) FROM sluice.epochs", &[])
        .expect("epochs")
        .get(0)
}

impl Cell {
    fn play(self) {
        let Cell { point, saving, compacted, layout, next } = self;
        println!("{self:?}");
        let name = format!("kill_{layout}_{point:?}_{saving}").to_lowercase();
        let running = if compacted { Scene::running_compacted } else { Scene::running };
        let Some((mut scene, mut jobs)) = running(&name, 7, saving, layout) else { return };
        // Each end at each point.
        scene.commits = saving == (layout.workers == 1);
        scene.stage.database().batch_execute(GATE).expect("the gate can be made");
        scene.send(150);
        scene.await_all();
        if saving {
            // The job has one to go on from, and is free to write the next.
            scene.await_checkpoint(1);
        }
        let mut holder = hold(&mut scene, point);
        let committed = epochs(&scene.stage);
        if saving {
            eventually("files of a checkpoint that is not complete", || {
                scene.newest("shards") > committed as u64
            });
            assert!(
                scene.newest("manifests") <= committed as u64,
                "no checkpoint is complete before its epoch is committed"
            );
        } else {
            assert_eq!(scene.newest("shards"), 0, "no checkpoint is due");
        }
        // Of two processes the second ends by itself: it has lost the first.
        let first = jobs.remove(0);
        first.kill();
        jobs.into_iter().for_each(|job| {
            assert_eq!(job.wait(), Some(1), "a job ends when one of its processes does")
        });
        holder.open();
        scene.await_forgotten();

        let jobs = next.start(&scene.stage, "second");
        scene.stage.wait_for("SELECT incarnation FROM sluice.progress", 2);
        scene.send_trouble();
        scene.await_all();
        let started = log(&scene.stage, "second", 0);
        assert_eq!(started.contains("The checkpoint is loaded."), saving, "{started}");
        scene.end(jobs);
    }
}

/// Plays cells a few at a time.
fn play(cells: Vec<Cell>) {
    const AT_ONCE: usize = 4;
    let cells = Mutex::new(cells.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = cells.lock().expect("no cell is drawn while it panics").next();
                    let Some(cell) = next else { return };
                    cell.play();
                }
            });
        }
    });
}

#[test]
fn killed_before_inside_and_after_a_commit_in_every_layout_the_job_is_exact() {
    play(cells());
}

// --- two jobs, and jobs that hang ---

#[test]
fn of_two_jobs_of_one_name_the_elder_is_fenced_and_says_so() {
    let Some((mut scene, mut elder)) = Scene::running("fenced", 3, true, Layout::of(1, 2)) else {
        return;
    };
    scene.send(150);
    scene.await_all();
    let younger = Layout::of(1, 1).start(&scene.stage, "second");
    scene.stage.wait_for("SELECT incarnation FROM sluice.progress", 2);
    scene.send_trouble();
    assert_eq!(elder.remove(0).wait(), Some(3));
    let said = log(&scene.stage, "first", 0);
    let error = said.lines().last().unwrap_or_default();
    assert!(
        error.starts_with("error: job `campaign` was taken over by another instance"),
        "{said}"
    );
    scene.await_all();
    scene.end(younger);
}

/// Stops one of two processes, and shows that the other ends by itself.
fn hang(name: &str, stopped: usize) {
    let Some((mut scene, mut jobs)) = Scene::running(name, 5, true, Layout::of(2, 1)) else {
        return;
    };
    scene.send(150);
    scene.await_all();
    signal(&jobs[stopped], "-STOP");
    scene.send_trouble();
    let hung = jobs.remove(stopped);
    assert_eq!(jobs.remove(0).wait(), Some(1), "the other process ends by itself");
    let said = log(&scene.stage, "first", 1 - stopped);
    assert!(said.contains("a worker of the job hangs"), "{said}");
    hung.kill();
    let jobs = Layout::of(2, 2).start(&scene.stage, "second");
    scene.stage.wait_for("SELECT incarnation FROM sluice.progress", 2);
    scene.await_all();
    scene.end(jobs);
}

fn signal(job: &Job, signal: &str) {
    let sent = std::process::Command::new("kill")
        .args([signal, &job.id().to_string()])
        .status()
        .expect("kill can be started");
    assert!(sent.success());
}

#[test]
fn when_the_first_process_hangs_the_second_ends_and_the_job_can_go_on() {
    hang("hangs_first", 0);
}

#[test]
fn when_the_second_process_hangs_the_first_ends_and_the_job_can_go_on() {
    hang("hangs_second", 1);
}

// --- checkpoints that are not what was written ---

/// A job with two complete checkpoints, drained.
fn with_checkpoints(name: &str, seed: u64) -> Option<Scene> {
    let (mut scene, jobs) = Scene::running(name, seed, true, Layout::of(1, 2))?;
    scene.send(150);
    scene.await_all();
    scene.await_checkpoint(1);
    let first = scene.newest("manifests");
    scene.send(150);
    scene.await_all();
    drain(jobs);
    assert!(scene.newest("manifests") > first, "drained, it has left a newer one");
    Some(scene)
}

/// Damages a file of the newest checkpoint, and its twin where it has one, and shows that the
/// checkpoint before is taken, that the damaged file is named, and that all is exact.
fn go_on_from_the_older(name: &str, folder: &str, damage: impl Fn(&mut Vec<u8>)) {
    let Some(mut scene) = with_checkpoints(name, 11) else { return };
    let (epoch, files) = newest_files(&scene.stage, folder);
    let file = files.first().expect("the newest checkpoint has such a file").clone();
    let mut bytes = std::fs::read(&file).expect("the file can be read");
    damage(&mut bytes);
    let history = scene.stage.histories().pop().expect("a history");
    let twin =
        history.join("twins").join(file.strip_prefix(&history).expect("a file of the history"));
    assert_eq!(twin.exists(), folder == "shards", "{}", twin.display());
    for copy in [&file, &twin].into_iter().filter(|copy| copy.exists()) {
        std::fs::write(copy, &bytes).expect("the file can be written");
    }
    let jobs = Layout::of(1, 1).start(&scene.stage, "second");
    scene.stage.wait_for("SELECT incarnation FROM sluice.progress", 2);
    scene.send_trouble();
    scene.await_all();
    let said = log(&scene.stage, "second", 0);
    let line = said
        .lines()
        .find(|line| line.contains("A checkpoint cannot be used"))
        .unwrap_or_else(|| panic!("nothing is said: {said}"));
    let object = file.file_name().and_then(|name| name.to_str()).expect("a name");
    assert!(line.contains(object) && line.contains(&format!("epoch={epoch}")), "{line}");
    assert!(
        said.contains("The checkpoint is loaded.")
            && !said.contains(&format!("checkpoint={epoch} ")),
        "{said}"
    );
    scene.end(jobs);
}

#[test]
fn a_shortened_file_is_named_and_the_checkpoint_before_it_taken() {
    go_on_from_the_older("shortened", "shards", |bytes| bytes.truncate(bytes.len() / 2));
}

#[test]
fn a_file_with_one_other_bit_is_named_and_the_checkpoint_before_it_taken() {
    go_on_from_the_older("flipped", "shared", |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
}

#[test]
fn a_manifest_that_is_none_is_named_and_the_checkpoint_before_it_taken() {
    go_on_from_the_older("manifest", "manifests", |bytes| bytes.truncate(bytes.len() - 2));
}

#[test]
fn checkpoints_of_another_history_are_passed_over() {
    let Some(other) = with_checkpoints("foreign_from", 13) else { return };
    let Some(mut scene) = with_checkpoints("foreign_to", 12) else { return };
    let [from, to] =
        [&other.stage, &scene.stage].map(|stage| stage.path("checkpoints").join("campaign"));
    std::fs::remove_dir_all(&to).expect("a folder can be removed");
    std::fs::rename(from, &to).expect("a folder can be moved");
    let jobs = Layout::of(1, 1).start(&scene.stage, "second");
    scene.stage.wait_for("SELECT incarnation FROM sluice.progress", 2);
    scene.send_trouble();
    scene.await_all();
    let said = log(&scene.stage, "second", 0);
    assert!(
        said.contains("are passed over: they are of another history")
            && said.contains("checkpoint=0 "),
        "{said}"
    );
    assert!(!said.contains("The checkpoint is loaded."), "{said}");
    scene.end(jobs);
}
