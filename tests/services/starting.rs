//! How a test starts its job.

use super::*;

impl Stage {
    /// Starts the job; what it logs goes to the test's output when it fails.
    pub(crate) fn start(&self, more: &[&str]) -> Job {
        let child = program()
            .arg("run")
            .arg(self.config())
            .args(more)
            .stdout(Stdio::null())
            .spawn()
            .expect("the program can be started");
        Job(child)
    }

    /// Starts the job as [`start_with_log`](Self::start_with_log) does, and waits until it has
    /// taken over and reads.
    pub(crate) fn start_reading(&self, more: &[&str]) -> Job {
        let mut job = self.start_with_log(more);
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

    /// Starts the job, and has what it logs written to a file.
    pub(crate) fn start_with_log(&self, more: &[&str]) -> Job {
        self.launch(more, &[])
    }

    /// The same, with variables of the environment.
    pub(crate) fn launch(&self, more: &[&str], variables: &[(&str, &str)]) -> Job {
        let log = File::create(self.path("job.log")).expect("the log can be made");
        let mut command = program();
        command
            .arg("run")
            .arg(self.config())
            .args(more)
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(log);
        Job(command.spawn().expect("the program can be started"))
    }

    /// Starts the job with two workers. One that is to be killed has small epochs, is killed in the
    /// middle as soon as a checkpoint is complete, and goes on with three workers.
    pub(crate) fn start_on(&self, course: Course) -> Job {
        if course == Course::Undisturbed {
            return self.start_with_log(&["--workers", "2"]);
        }
        let often = [("SLUICE_CHECKPOINT_INTERVAL", "1s"), ("SLUICE_EPOCH_MAX_EVENTS", "50")];
        let job = self.launch(&["--workers", "2"], &often);
        eventually("a checkpoint is there", || !self.checkpoints().is_empty());
        job.kill();
        let job = self.launch(&["--workers", "3"], &[]);
        eventually("the checkpoint is loaded", || self.log().contains("The checkpoint is loaded."));
        // A commit that was on its way when the job was killed may have come through after that:
        // the next instance says what it found.
        let log = self.log();
        let committed = log
            .split_once(" committed=")
            .and_then(|(_, rest)| rest.split_whitespace().next())
            .expect("it says where it goes on");
        self.wait_for(&format!("SELECT (max(epoch) > {committed})::int FROM sluice.epochs"), 1);
        job
    }
}
