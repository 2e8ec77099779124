//! A job that `scripts/cluster` keeps running.

use crate::services::{Stage, eventually, program};
use crate::trial::layout::Layout;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// How the script says that it has started the job.
const STARTED: &str = "cluster: started, processes ";

/// The script and the job's processes, which are its children.
pub(crate) struct Supervised {
    child: Child,
    log: PathBuf,
    /// How many times the script had started the job when it was last killed.
    killed: usize,
    /// How it was started.
    pub(crate) layout: Layout,
}

impl Supervised {
    /// Starts the job; what it logs goes to a file of the stage with this number.
    pub(crate) fn start(stage: &Stage, layout: Layout, number: usize) -> Supervised {
        let log = stage.path(&format!("job-{number:04}.log"));
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/cluster"));
        command
            .arg(layout.processes.to_string())
            .arg(layout.workers.to_string())
            .arg(stage.config());
        // The same environment as any other start of the program.
        for (variable, value) in program().get_envs() {
            if value.is_none() {
                command.env_remove(variable);
            }
        }
        command
            .env("PROGRAM", program().get_program())
            .env("PAUSE", "0")
            .envs(layout.serving())
            .process_group(0);
        let file = File::create(&log).expect("the log can be made");
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("the script can be started");
        Supervised { child, log, killed: 0, layout }
    }

    /// What was logged since this start.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).expect("there is a log")).into_owned()
    }

    /// The job's processes, once all of them are there: after a kill, those of the next start.
    pub(crate) fn processes(&mut self) -> Vec<Pid> {
        let mut found = Vec::new();
        eventually("all processes of the job are there", || {
            self.assert_alive();
            let log = self.log();
            let starts: Vec<&str> =
                log.lines().filter_map(|line| line.strip_prefix(STARTED)).collect();
            let pids = starts.last().into_iter().flat_map(|line| line.split_whitespace());
            found = pids.filter_map(|pid| pid.parse().ok()).map(Pid::from_raw).collect();
            starts.len() > self.killed && found.iter().all(|&pid| kill(pid, None).is_ok())
        });
        found
    }

    /// Kills some of the job's processes, or all; the script starts them again.
    pub(crate) fn kill_some(&mut self, processes: &[Pid]) {
        self.killed = self.log().lines().filter(|line| line.starts_with(STARTED)).count();
        for &process in processes {
            // Whoever has ended meanwhile need not be killed.
            let _ = kill(process, Signal::SIGKILL);
        }
    }

    /// The script must not have given up.
    pub(crate) fn assert_alive(&mut self) {
        if let Some(status) = self.child.try_wait().expect("it can be waited for") {
            panic!("the job has ended for good, {status}; {}", self.log());
        }
    }

    /// Drains the job.
    pub(crate) fn drain(mut self) {
        self.processes();
        kill(self.pid(), Signal::SIGTERM).expect("it can be told");
        let status = self.child.wait().expect("it can be waited for");
        assert!(status.success(), "drained, the job ended with {status}; {}", self.log());
    }

    /// Kills the job, and the script with it.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // Of a group that has ended there is nothing to kill.
        let _ = killpg(self.pid(), Signal::SIGKILL);
        let _ = self.child.wait();
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // Drained, it has been waited for, and its number may be another's.
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            self.end();
        }
    }
}
