//! The folder of a measurement, and replays of what lies in it, each in a process of its own.

use super::error::BenchError;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use world::bench::Run;

/// How often is looked whether a replay has ended; it measures itself, so this is in no figure.
const LOOK: Duration = Duration::from_millis(20);

/// A directory that is removed, with all that is in it, when this goes.
pub(super) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    pub(super) fn create(parent: &Path) -> Result<Self, BenchError> {
        let path = parent.join(format!("sluice-bench-{}", std::process::id()));
        fs::create_dir(&path)
            .map_err(|source| BenchError::Directory { path: path.clone(), source })?;
        Ok(TemporaryFolder(path))
    }

    pub(super) fn input(&self) -> PathBuf {
        self.path("input")
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Replays the input in a process of its own.
    pub(super) fn replay(&self, workers: usize, stop: &AtomicBool) -> Result<Run, BenchError> {
        let (summary, log) = (self.0.join("summary.json"), self.0.join("log.txt"));
        let file = |path: &Path| {
            File::create(path)
                .map_err(|source| BenchError::Directory { path: path.to_path_buf(), source })
        };
        let read = |path: &Path| {
            fs::read_to_string(path)
                .map_err(|source| BenchError::Directory { path: path.to_path_buf(), source })
        };
        let mut command = own_program()?;
        command
            .args(["replay", "--json", "--workers", &workers.to_string(), "--input"])
            .arg(self.input());
        command
            .arg("--output")
            .arg(self.0.join("output"))
            .stdout(file(&summary)?)
            .stderr(file(&log)?);
        let status = wait(command.spawn().map_err(BenchError::Start)?, stop)?;
        match status.success() {
            true => Ok(serde_json::from_str(&read(&summary)?)?),
            false => Err(BenchError::Replay {
                status,
                message: read(&log)?.lines().next_back().unwrap_or("it said nothing").to_string(),
            }),
        }
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!("{} is left behind: {error}", self.0.display());
        }
    }
}

/// This program, at the default settings whatever the environment says.
pub(super) fn own_program() -> Result<Command, BenchError> {
    let mut command = Command::new(std::env::current_exe().map_err(BenchError::Start)?);
    std::env::vars_os()
        .map(|(name, _)| name)
        .filter(|name| name.to_string_lossy().starts_with("SLUICE_"))
        .for_each(|name| {
            command.env_remove(name);
        });
    Ok(command)
}

/// Waits until the process has ended; a signal to this one ends it.
fn wait(mut child: Child, stop: &AtomicBool) -> Result<ExitStatus, BenchError> {
    loop {
        if stop.load(Ordering::Relaxed) {
            // It may have ended by itself: then there is nothing to end, only its status to
            // collect.
            let _ = child.kill();
            child.wait().map_err(BenchError::Start)?;
            return Err(BenchError::Stopped);
        }
        if let Some(status) = child.try_wait().map_err(BenchError::Start)? {
            return Ok(status);
        }
        std::thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_what_is_in_it() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = TemporaryFolder::create(parent.path()).expect("it can be made");
        fs::create_dir(folder.input()).expect("a folder");
        fs::write(folder.input().join("file"), "text").expect("a file");
        drop(folder);
        assert_eq!(fs::read_dir(parent.path()).expect("the parent stays").count(), 0);
        assert!(matches!(
            TemporaryFolder::create(&parent.path().join("absent")),
            Err(BenchError::Directory { .. })
        ));
    }
}
