//! A process of the job that a test has started.

use super::*;

/// The program under test. The variables that name the services to the tests would override its
/// configuration.
pub(crate) fn program() -> Command {
    let mut program = Command::new(assert_cmd::cargo::cargo_bin!("sluice"));
    for variable in ["SLUICE_KAFKA_BROKERS", "SLUICE_POSTGRES_URL", "SLUICE_REQUIRE_SERVICES"] {
        program.env_remove(variable);
    }
    program
}

/// What befalls the job of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// Nothing.
    Undisturbed,
    /// It is killed, and goes on from a checkpoint with another number of workers.
    Killed,
}

impl Course {
    /// How often the job is started.
    pub(crate) fn starts(self) -> i64 {
        match self {
            Course::Undisturbed => 1,
            Course::Killed => 2,
        }
    }
}

/// A running process of the job.
pub(crate) struct Job(pub(crate) Child);

impl Job {
    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Asks it to drain, and waits until it has ended well.
    pub(crate) fn drain(mut self) {
        self.terminate();
        let status = self.ended();
        assert!(status.success(), "the job ended with {status}");
    }

    /// Asks it to drain.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        let told = Command::new("kill")
            .args([&format!("-{name}"), &self.id().to_string()])
            .status()
            .expect("kill can be started");
        assert!(told.success());
    }

    /// Waits until it has ended by itself; gives its exit code.
    pub(crate) fn wait(mut self) -> Option<i32> {
        self.ended().code()
    }

    /// How it has ended. One that does not end must not keep its test for ever.
    fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the job has ended", || {
            status = self.0.try_wait().expect("it can be waited for");
            status.is_some()
        });
        status.expect("it has just been found")
    }

    /// Kills it at once.
    pub(crate) fn kill(mut self) {
        self.0.kill().expect("it can be killed");
        self.0.wait().expect("it can be waited for");
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // A test that fails must not leave its job behind.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
