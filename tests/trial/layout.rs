//! How many processes a job has, and how many workers each.

use crate::services::{Job, Stage, ports, program};
use std::fmt;
use std::fs::File;
use std::process::Stdio;

/// Processes, and workers in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Processes.
    pub(crate) processes: usize,
    /// Workers in each.
    pub(crate) workers: usize,
}

impl Layout {
    /// So many of both.
    pub(crate) const fn of(processes: usize, workers: usize) -> Layout {
        Layout { processes, workers }
    }

    /// Variables by which other things serve with each number of workers: what is repeated after a
    /// restart has to come out by what served before.
    pub(crate) fn serving(self) -> [(&'static str, &'static str); 3] {
        let all = [("linucb", "1", "1"), ("thompson", "0.5", "4"), ("linucb", "2.5", "1")];
        let (policy, alpha, ridge) = all[self.workers % 3];
        [
            ("SLUICE_BANDIT_POLICY", policy),
            ("SLUICE_BANDIT_ALPHA", alpha),
            ("SLUICE_BANDIT_RIDGE", ridge),
        ]
    }

    /// Starts a job's processes; what each logs is written to a file of this name and the process's
    /// number.
    pub(crate) fn start(self, stage: &Stage, log: &str) -> Vec<Job> {
        let hostfile = stage.path(&format!("{log}-hosts"));
        std::fs::write(&hostfile, ports::hostfile(self.processes))
            .expect("the hostfile can be written");
        let start = |process: usize| {
            let file = File::create(log_of(stage, log, process)).expect("the log can be made");
            let mut command = program();
            command.arg("run").arg(stage.config()).args([
                "--workers",
                &self.workers.to_string(),
                "--processes",
                &self.processes.to_string(),
            ]);
            command.args(["--process", &process.to_string()]).arg("--hostfile").arg(&hostfile);
            Job(command
                .envs(self.serving())
                .stdout(Stdio::null())
                .stderr(file)
                .spawn()
                .expect("the program can be started"))
        };
        (0..self.processes).map(start).collect()
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}x{}", self.processes, self.workers)
    }
}

/// What a process has logged so far.
pub(crate) fn log(stage: &Stage, log: &str, process: usize) -> String {
    std::fs::read_to_string(log_of(stage, log, process)).expect("there is a log")
}

fn log_of(stage: &Stage, log: &str, process: usize) -> std::path::PathBuf {
    stage.path(&format!("{log}-{process}.log"))
}
