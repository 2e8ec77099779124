//! What jobs need of a configuration beside valid values.

use crate::config::types::Config;

impl Config {
    /// What `run` needs beside valid values: (key, what is wrong).
    pub fn faults_for_run(&self) -> Vec<(&'static str, String)> {
        let mut faults = self.faults_for_topics();
        if self.postgres.url.is_empty() && self.journal_folder().is_none() {
            let problem = "expected a folder: without postgres.url the progress is kept beside the \
                checkpoints, and an object store has no lock \
                           that ends with the process";
            faults.push(("checkpoint.dir", problem.to_string()));
        }
        faults
    }

    /// What `verify` needs beside valid values: (key, what is wrong).
    pub fn faults_for_verify(&self) -> Vec<(&'static str, String)> {
        let mut faults = self.faults_for_topics();
        if self.postgres.url.is_empty() {
            let problem = "expected the database of the job, whose tables are compared; without \
                one, `sluice replay --config CONFIG --from earliest` \
                           computes the model anew, and its digest can be compared with the newest \
                           one in the job's journal";
            faults.push(("postgres.url", problem.to_string()));
        }
        faults
    }
}
