//! What rows cost that are taken in place, beside such that are copied. Not a test: run it with
//! `cargo test --release -p dataflows measure -- --ignored --nocapture --test-threads 1`.

use super::*;
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Time of the processor that `act` took, and by how much it raised the memory of the program.
pub(crate) fn cost<T>(act: impl FnOnce() -> T) -> (Duration, u64, T) {
    let used = || {
        let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("there is such a clock");
        Duration::from(time)
    };
    // The most that it had is forgotten.
    std::fs::write("/proc/self/clear_refs", "5").expect("one's own can be written");
    let (had, begun) = (kibibytes("VmRSS:"), used());
    let given = act();
    (used() - begun, kibibytes("VmHWM:").saturating_sub(had), given)
}

/// What the system tells of the memory of the program.
fn kibibytes(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the system tells");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of it");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
#[ignore = "a measurement"]
fn a_million_rows_in_place_and_copied() {
    // All of it stays, so that what is copied finds no memory that was given back.
    let written = records(1_000_000);
    let bytes = encoded(&written);
    let mut content = Aligned::from(&bytes[..]);
    let (mut copied, mut in_place) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        let (time, memory, rows) = cost(|| decode::<Record>(&content).expect("it is whole"));
        copied.push((time, memory));
        drop(rows);
        let (time, memory, is_same) =
            cost(|| content.blocks().take::<Record>().expect("it is whole").len() == written.len());
        assert!(is_same);
        in_place.push((time, memory));
    }
    let median = |costs: &mut Vec<(Duration, u64)>| {
        let memory = costs.iter().map(|(_, memory)| *memory).max().expect("some");
        costs.sort_unstable();
        (costs[costs.len() / 2].0, memory)
    };
    let (copied, in_place) = (median(&mut copied), median(&mut in_place));
    println!(
        "copied: {:?}, {} KiB more; in place: {:?}, {} KiB more: {:.1} times as fast",
        copied.0,
        copied.1,
        in_place.0,
        in_place.1,
        copied.0.as_secs_f64() / in_place.0.as_secs_f64()
    );
}
