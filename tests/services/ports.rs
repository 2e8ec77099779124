//! Addresses of this machine that a process can be told to listen at: each is given out once, and
//! lies below the ports that the system gives to whoever asks for any, so that nobody else comes by
//! it before the process does.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// The first of these ports, and how many there are. `scripts/` gives out those from 20,000 on.
const FIRST: u32 = 10_000;
const PORTS: u32 = 10_000;

/// So many addresses, at which nobody listens.
pub(crate) fn addresses(count: usize) -> Vec<String> {
    (0..count).map(|_| address()).collect()
}

/// One that nobody listens at.
pub(crate) fn address() -> String {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Two test programs at once seldom begin with the same.
    let begin = std::process::id().wrapping_mul(97);
    for _ in 0..PORTS {
        let port = FIRST + begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % PORTS;
        let address = format!("127.0.0.1:{port}");
        if TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
    panic!("nobody has left a port from {FIRST} on");
}

/// What a hostfile of so many processes says.
pub(crate) fn hostfile(processes: usize) -> String {
    addresses(processes).join("\n") + "\n"
}
