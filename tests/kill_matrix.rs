//! A job killed at every point that matters: before the commit of an epoch, inside it and after it,
//! while a checkpoint is half written or without one, in every layout; then started in the next
//! layout. In half of the cells the topic of customers is compacted, and lacks by then records that
//! the job has read, and without a checkpoint has to repeat. Each time everything must come out
//! exact. So it must with another dataflow, of which only the smallest, arrivals, is played.
//!
//! No kill is left to chance. Locks that the test holds in the database keep the job where it is to
//! be killed: the row of its progress before a commit and after one, a trigger that asks for a lock
//! inside one. So held, it cannot complete a checkpoint of that epoch either: its files lie there,
//! and the manifest that would make them one does not.

mod contenders;
mod damaged;
mod holding;
mod scene;

use crate::services::eventually;
use crate::trial::Subject;
use crate::trial::layout::{Layout, log};
use holding::{GATE, Point, epochs, hold};
use scene::Scene;
use std::sync::Mutex;

const LAYOUTS: [Layout; 4] =
    [Layout::of(1, 1), Layout::of(1, 2), Layout::of(2, 1), Layout::of(2, 2)];
const POINTS: [Point; 3] = [Point::Before, Point::Inside, Point::After];

/// One cell of the matrix.
#[derive(Clone, Copy, Debug)]
struct Cell {
    subject: Subject,
    point: Point,
    /// A checkpoint is half written.
    saving: bool,
    /// The topic of customers is compacted, where the dataflow has one.
    compacted: bool,
    layout: Layout,
    /// What is started afterwards.
    next: Layout,
}

/// All cells of a dataflow.
fn cells(subject: Subject) -> Vec<Cell> {
    let of = |(number, layout): (usize, Layout)| {
        let next = LAYOUTS[(number + 1) % LAYOUTS.len()];
        let cell = move |place, point, saving| Cell {
            subject,
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

impl Cell {
    fn play(self) {
        let Cell { subject, point, saving, compacted, layout, next } = self;
        println!("{self:?}");
        let of = subject.name();
        let name = format!("kill_{of}_{layout}_{point:?}_{saving}").to_lowercase();
        let Some(scene) = Scene::set(&name, subject, 7, saving) else { return };
        let (mut scene, mut jobs) = match subject.compacted().filter(|_| compacted) {
            Some(topic) => scene.compacting(topic).run(layout),
            None => scene.run(layout),
        };
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
    play(cells(Subject::Campaign));
}

/// With arrivals one cell in four, which together have every point and every layout, with and
/// without a checkpoint; all of them where `KILL_MATRIX` is `all`.
#[test]
fn killed_before_inside_and_after_a_commit_a_job_of_arrivals_is_exact() {
    let all = std::env::var("KILL_MATRIX").is_ok_and(|which| which == "all");
    let is_played = |number: usize| all || [0, 9, 16, 23].contains(&number);
    let cells = cells(Subject::Arrivals).into_iter().enumerate();
    play(cells.filter(|(number, _)| is_played(*number)).map(|(_, cell)| cell).collect());
}
