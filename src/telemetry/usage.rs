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
    let microseconds =
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Usage { cpu_seconds: microseconds as f64 * 1e-6, peak_memory_bytes: kibibytes(usage.max_rss()) }
}

/// Memory that is resident now, in bytes; where the system does not tell, the most that was.
pub fn resident_memory_bytes() -> u64 {
    let now = std::fs::read_to_string("/proc/self/status").ok().and_then(|text| resident(&text));
    now.map_or_else(|| usage().peak_memory_bytes, kibibytes)
}

/// The KiB of the line `VmRSS:   1234 kB`.
fn resident(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
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
        assert!(resident_memory_bytes() > 100_000);
    }

    #[test]
    fn resident_memory_is_read_from_its_line() {
        assert_eq!(resident("VmHWM:\t  999 kB\nVmRSS:\t  1234 kB\nThreads:\t1\n"), Some(1234));
        assert_eq!(resident("Threads:\t1\n"), None);
    }
}
