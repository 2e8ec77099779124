//! File descriptors of the process: as many as the system gives, and how many of them strangers may
//! hold.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the limit to the highest that needs no rights, and gives the limit that holds then. The
/// lower one is there for programs that still use `select`, which nothing here does.
pub fn raised() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return LEAST };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft }
}

/// What every system gives.
const LEAST: u64 = 256;

/// Of `wanted` connections from outside, as many as may be held with so many descriptors: half of
/// them stay with the job, for brokers, database, the other processes and checkpoints.
pub fn share(limit: u64, wanted: usize) -> usize {
    usize::try_from(limit / 2).unwrap_or(usize::MAX).clamp(1, wanted.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_descriptors_stay_with_the_job() {
        for (limit, shared) in [
            (0, 1),
            (1, 1),
            (64, 32),
            (1_024, 512),
            (2_048, 1_024),
            (1 << 20, 1_024),
            (u64::MAX, 1_024),
        ] {
            assert_eq!(share(limit, 1_024), shared, "{limit}");
        }
        assert_eq!(share(1 << 20, 3), 3);
    }

    #[test]
    fn the_limit_is_the_highest_that_may_be() {
        let limit = raised();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
        assert_eq!((limit, soft), (hard, hard));
    }
}
