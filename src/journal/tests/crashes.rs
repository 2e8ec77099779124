//! A crash after any step by which a journal and what lies beside it come to the disk, with
//! whatever that may leave of the steps before: the next start finds the epochs that were
//! committed, at most the one more that was under way, and goes on. So it does where a step fails.

mod model;

use super::*;
use crate::durable::disk::watch::{DiskStep, DiskWatch};
use crate::sink::RecordedEpoch;
use crate::sink::applied::AppliedSettings;
use dataflows::source::Kept;
use model::{Leftover, ModelDisk};
use std::collections::BTreeMap;
use std::io::ErrorKind;

/// What is done to a job, in an order in which every step of the journal comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// An instance takes the job over; the one before is gone.
    Open,
    /// It says where the job begins.
    Begin,
    /// It says with which settings.
    Configure,
    /// An epoch is committed.
    Commit(u64),
    /// What the epochs up to this one owed is published.
    Publish(u64),
    /// A checkpoint of this epoch is complete: the epochs before it go, where they are many.
    Checkpoint(u64),
    /// Everything is to be made anew.
    Forget,
}

const DEEDS: [Deed; 22] = [
    Deed::Open,
    Deed::Begin,
    Deed::Configure,
    Deed::Commit(1),
    Deed::Commit(2),
    Deed::Publish(1),
    Deed::Commit(3),
    Deed::Publish(2),
    Deed::Commit(4),
    Deed::Checkpoint(3),
    Deed::Commit(5),
    Deed::Publish(5),
    Deed::Open,
    // The one that erases.
    Deed::Commit(6),
    Deed::Commit(7),
    Deed::Checkpoint(6),
    Deed::Publish(6),
    Deed::Forget,
    Deed::Commit(1),
    Deed::Commit(2),
    Deed::Publish(2),
    Deed::Open,
];

/// The epoch with this number.
fn results(number: u64) -> EpochResults {
    let mut results = epoch(number, number * 10);
    let topic = Topic::Customers.id();
    if (2..=4).contains(&number) {
        let kept = Kept { topic, partition: 0, from: number, until: number + 1, records: vec![7] };
        results.kept = vec![kept];
    }
    if number == 3 {
        let place = Place::new(2, 7);
        let (topic, reason) = (Topic::Rewards.id(), Reason::BadReward);
        let (detail, raw) = ("x".to_string(), vec![0, 255]);
        results.rejected = vec![Rejected { topic, place, reason, detail, raw, whose: None }];
    }
    if number == 6 {
        // Of an epoch whose line is gone, one that stands and one that is owed.
        let of = |customer| Erasure { customer, until: 100, decisions: 1, ..Erasure::default() };
        results.erasures = vec![of(1), of(4), of(5)];
    }
    results
}

/// A job, and the instance that has it.
struct Played {
    scene: Scene,
    writer: Option<JournalWriter>,
}

/// Where a job stands: whatever of it a restart reads.
#[derive(Clone, Debug, PartialEq)]
struct Account {
    epoch: u64,
    starts: Option<Vec<(TopicId, u32, u64)>>,
    applied: AppliedSettings,
    recorded: Vec<RecordedEpoch>,
    /// What is owed, from an epoch on that is not published.
    owed: Stretch,
    /// The files of changes, by name.
    files: BTreeMap<String, String>,
}

/// What of it may stand at one place or another after a crash.
#[derive(Clone, Debug)]
struct Marks {
    incarnation: i64,
    published: u64,
    /// Epochs with kept records.
    kept: Vec<u64>,
}

impl Played {
    fn begin() -> Played {
        Played { scene: Scene::new(), writer: None }
    }

    /// What a crash left of the job that has this folder.
    fn left(disk: &ModelDisk, leftover: Leftover, of: &Path) -> Played {
        let played = Played::begin();
        disk.leave(leftover, of, played.scene.folder.path());
        played
    }

    fn writer(&mut self) -> &mut JournalWriter {
        self.writer.as_mut().expect("an instance has the job")
    }

    fn perform(&mut self, deed: Deed) -> Result<(), String> {
        let text = |error: SinkError| error.to_string();
        match deed {
            Deed::Open => {
                self.writer = None;
                self.writer = Some(self.scene.try_open().map_err(|error| error.to_string())?);
            }
            Deed::Begin => self.writer().set_starts(&starts()).map_err(text)?,
            Deed::Configure => {
                self.writer().apply(&serde_json::json!({ "ridge": 1.0 })).map_err(text)?;
            }
            Deed::Commit(number) => {
                self.writer().commit(&results(number)).map_err(text)?;
            }
            Deed::Publish(through) => {
                let from = self.writer().progress().published;
                self.writer().advance(from, through).map_err(|error| error.to_string())?;
            }
            Deed::Checkpoint(number) => {
                try_save(&self.scene, number)?;
                self.writer().checkpointed(number + 1, number);
            }
            Deed::Forget => {
                self.writer().forget(&starts(), &TopicUuids::UNKNOWN).map_err(text)?;
            }
        }
        Ok(())
    }

    /// Where the job stands, with what is owed from behind an epoch on.
    fn account(&mut self, published: u64) -> Account {
        let files = self.files();
        let writer = self.writer();
        let epoch = writer.progress().epoch;
        Account {
            epoch,
            starts: writer.starts().expect("offsets"),
            applied: writer.applied().expect("settings"),
            recorded: writer.recorded_epochs(0).expect("epochs"),
            owed: match published < epoch {
                true => writer.owed(published, epoch).expect("what is owed"),
                false => Stretch::default(),
            },
            files,
        }
    }

    fn marks(&mut self) -> Marks {
        let writer = self.writer();
        let Progress { incarnation, published, .. } = writer.progress();
        let kept = writer.kept(0).expect("kept records").iter().map(|at| at.epoch).collect();
        Marks { incarnation, published, kept }
    }

    /// The files of changes, without the identity of their history, which is random.
    fn files(&mut self) -> BTreeMap<String, String> {
        let identity = self.writer().history().expect("a history").identity.to_string();
        let folder = self.scene.folder.path().join("files/campaign");
        let entries = fs::read_dir(folder).expect("the folder of the files");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let named = |path: PathBuf| {
            let text = fs::read_to_string(&path).expect("a file");
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
            (name.to_string(), text.replace(&identity, "identity"))
        };
        paths.map(named).collect()
    }

    /// Makes sure that nothing lies about that was written by half, or that no epoch has.
    fn assert_clean(&mut self, context: &str) {
        let epoch = self.writer().progress().epoch;
        for folder in [self.scene.folder(), self.scene.folder().join("kept")] {
            let names: Vec<String> = fs::read_dir(folder)
                .into_iter()
                .flatten()
                .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
                .collect();
            assert!(!names.iter().any(|name| name.ends_with(".tmp")), "{context}: {names:?}");
            let kept = names.iter().filter_map(|name| name.get(..20)?.parse::<u64>().ok());
            assert!(kept.max() <= Some(epoch), "{context}: {names:?} after epoch {epoch}");
        }
    }
}

/// An undisturbed course: its steps, and how things stood after each deed, with the number of
/// steps up to then.
struct Undisturbed {
    folder: PathBuf,
    steps: Vec<DiskStep>,
    /// Before the first deed there is nothing.
    after: Vec<(usize, Account, Marks)>,
}

impl Undisturbed {
    fn play(watch: &DiskWatch) -> Undisturbed {
        watch.fail(None);
        let mut played = Played::begin();
        let mut after = Vec::new();
        for deed in DEEDS {
            played.perform(deed).unwrap_or_else(|error| panic!("{deed:?}: {error}"));
            let marks = played.marks();
            after.push((watch.steps().len(), played.account(marks.published), marks));
        }
        Undisturbed { folder: played.scene.folder.path().into(), steps: watch.steps(), after }
    }

    /// How many deeds were done when so many steps were.
    fn done(&self, steps: usize) -> usize {
        self.after.iter().filter(|(at, _, _)| *at <= steps).count()
    }

    /// Takes the job over after a crash, or an error, in the deed after so many: which deed's
    /// account it stands at is given.
    fn take_over(&self, played: &mut Played, done: usize, context: &str) -> usize {
        let opened = played.perform(Deed::Open);
        opened.unwrap_or_else(|error| panic!("{context}: it cannot be opened: {error}"));
        played.assert_clean(context);
        let found = played.marks();
        // What was under way in the first deed is nothing yet, or what it would have come to.
        let candidates =
            [done, done + 1].into_iter().filter(|done| (1..=DEEDS.len()).contains(done));
        let mut differences = Vec::new();
        for candidate in candidates {
            let (account, marks) = self.stood(candidate);
            let stands = self.needed(played.account(marks.published), candidate);
            if stands == account && found.published <= marks.published {
                self.check_marks(&found, done, candidate, context);
                return candidate;
            }
            differences.push(format!("{:?}: {stands:#?}\nnot {account:#?}", DEEDS[candidate - 1]));
        }
        panic!("{context}: neither of\n{}", differences.join("\n"));
    }

    /// An account after so many deeds without the epochs that no checkpoint needs any more: when
    /// they go, in one step, follows from how many lines there are by then.
    fn needed(&self, mut account: Account, deeds: usize) -> Account {
        let since_anew = DEEDS[..deeds].iter().rev().take_while(|deed| **deed != Deed::Forget);
        let checkpoints = since_anew.filter_map(|deed| match deed {
            Deed::Checkpoint(epoch) => Some(*epoch),
            _ => None,
        });
        let from = checkpoints.max().unwrap_or(0);
        let known = |recorded: &RecordedEpoch| {
            self.after.iter().any(|(_, account, _)| account.recorded.contains(recorded))
        };
        account.recorded.retain(|recorded| recorded.epoch >= from || !known(recorded));
        account
    }

    /// How things stood after so many deeds.
    fn stood(&self, deeds: usize) -> (Account, &Marks) {
        let (_, account, marks) = &self.after[deeds - 1];
        (self.needed(account.clone(), deeds), marks)
    }

    fn check_marks(&self, found: &Marks, done: usize, stands: usize, context: &str) {
        let before = done.checked_sub(1).map_or(0, |done| self.after[done].2.incarnation);
        assert!(found.incarnation > before, "{context}: {found:?} after {before}");
        // The deed that is under way may have removed some already.
        let under_way = &self.after[done.min(DEEDS.len() - 1)].2.kept;
        let kept = self.after[stands - 1].2.kept.iter().filter(|epoch| under_way.contains(epoch));
        let lost: Vec<&u64> = kept.filter(|epoch| !found.kept.contains(epoch)).collect();
        assert!(lost.is_empty(), "{context}: {found:?} lacks {lost:?}");
    }

    /// Does the deeds that are left after so many, up to this one, and compares at the end.
    fn go_on(&self, played: &mut Played, from: usize, to: usize, context: &str) {
        for deed in &DEEDS[from..to] {
            let done = played.perform(*deed);
            done.unwrap_or_else(|error| panic!("{context}: then {deed:?}: {error}"));
        }
        let (account, marks) = self.stood(to);
        let stands = self.needed(played.account(marks.published), to);
        assert_eq!(stands, account, "{context}: in the end");
        // Whoever reads the file as a whole finds each epoch once, in order.
        played.perform(Deed::Open).unwrap_or_else(|error| panic!("{context}: at last: {error}"));
        let stands = self.needed(played.account(marks.published), to);
        assert_eq!(stands, account, "{context}: once more");
    }
}

#[test]
fn a_crash_after_any_step_costs_nothing_that_was_committed() {
    let watch = DiskWatch::begin();
    let course = Undisturbed::play(&watch);
    let mut disk = ModelDisk::default();
    let mut crashes = 0;
    for (number, step) in course.steps.iter().enumerate() {
        disk.take(step);
        let done = course.done(number + 1);
        for leftover in disk.leftovers() {
            let context = format!("{leftover:?} after step {number}, {step:?}, deed {done}");
            watch.fail(None);
            let mut played = Played::left(&disk, leftover, &course.folder);
            let stands = course.take_over(&mut played, done, &context);
            let all = leftover == Leftover::Everything;
            let to = if all { DEEDS.len() } else { DEEDS.len().min(stands + 1) };
            course.go_on(&mut played, stands, to, &context);
            crashes += 1;
        }
    }
    assert!(crashes > 5 * course.steps.len(), "{crashes} crashes");
}

/// The mark of what is published is not waited for: where the next lines come to the disk and it
/// does not, or a part of it, the journal is as it was before.
#[test]
fn a_mark_that_is_lost_is_no_damage_wherever_it_lies() {
    let watch = DiskWatch::begin();
    for length in (0..512).step_by(32) {
        watch.fail(None);
        let mut played = Played::begin();
        let folder = played.scene.folder.path().to_path_buf();
        played.perform(Deed::Open).expect("a journal");
        let mut first = results(1);
        first.decisions[0].decision = "d".repeat(length);
        played.writer().commit(&first).expect("an epoch");
        let before = watch.steps().len();
        for deed in [Deed::Publish(1), Deed::Commit(2), Deed::Publish(2), Deed::Open] {
            played.perform(deed).unwrap_or_else(|error| panic!("{deed:?}: {error}"));
        }
        let mut disk = ModelDisk::default();
        let steps = watch.steps();
        for (number, step) in steps.iter().enumerate() {
            disk.take(step);
            for leftover in disk.leftovers().into_iter().filter(|_| number >= before) {
                watch.fail(None);
                let mut left = Played::left(&disk, leftover, &folder);
                let opened = left.perform(Deed::Open);
                let context = format!("{length}: {leftover:?} after {step:?}");
                opened.unwrap_or_else(|error| panic!("{context}: {error}"));
                let epoch = left.writer().progress().epoch;
                assert!((1..=2).contains(&epoch), "{context}: epoch {epoch}");
            }
        }
    }
}

#[test]
fn a_step_that_fails_costs_nothing_that_was_committed() {
    let watch = DiskWatch::begin();
    let course = Undisturbed::play(&watch);
    for number in 0..course.steps.len() {
        for kind in [ErrorKind::StorageFull, ErrorKind::Other] {
            watch.fail(Some((number, kind)));
            let context = format!("{kind:?} at step {number}, {:?}", course.steps[number]);
            let mut played = Played::begin();
            let mut done = 0;
            for deed in DEEDS {
                let failed = played.perform(deed).is_err();
                // Where there was no room, the same epoch is tried again.
                let again = kind == ErrorKind::StorageFull && matches!(deed, Deed::Commit(_));
                if failed && !(again && played.perform(deed).is_ok()) {
                    break;
                }
                done += 1;
            }
            drop(played.writer.take());
            let stands = match done {
                done if done == DEEDS.len() => done,
                done => course.take_over(&mut played, done, &context),
            };
            if played.writer.is_none() {
                played.perform(Deed::Open).unwrap_or_else(|error| panic!("{context}: {error}"));
            }
            course.go_on(&mut played, stands, DEEDS.len(), &context);
        }
    }
}
