//! What the process has used: CPU time and memory.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// What the process has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// CPU time, of the program and of the kernel for it, in seconds.
    pub cpu_seconds: f64,
    /// The most memory that was resident, in bytes.
    pub peak_memory_bytes: u64,
}

/// What the process has used so far; zero where the system does not tell.
pub fn usage() -> Usage {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Usage::default() };
    let microseconds = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Usage { cpu_seconds: microseconds as f64 * 1e-6, peak_memory_bytes: kibibytes(usage.max_rss()) }
}

/// Linux counts in KiB.
fn kibibytes(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_process_has_used_something() {
        assert!(usage().peak_memory_bytes > 100_000);
    }
}
