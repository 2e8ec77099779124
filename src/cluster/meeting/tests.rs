//! Tests of the meeting: processes as threads, on ports of this machine, with strangers among them.

use super::*;
use crate::cluster::identity::Identity;
use crate::config::secret::Secret;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{JoinHandle, spawn};
use timely::communication::allocator::zero_copy::stream::Stream;

fn party(process: usize, secret: &str) -> Party {
    Party {
        process,
        secret: Secret::new(secret.to_string()),
        identity: Identity::default().started_with("job", "campaign"),
    }
}

/// Addresses that nobody listens at, below the ports that the system gives to whoever asks for any.
fn hosts(number: usize) -> Vec<String> {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(97);
    let addresses = std::iter::repeat_with(|| {
        format!(
            "127.0.0.1:{}",
            10_000 + begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % 10_000
        )
    });
    addresses.filter(|address| TcpListener::bind(address).is_ok()).take(number).collect()
}

type Meets = JoinHandle<Result<Mesh, ClusterError>>;

fn meets(hosts: &[String], party: Party) -> Meets {
    let hosts = hosts.to_vec();
    spawn(move || meet(&hosts, party))
}

fn ended(meets: Meets) -> Result<Mesh, ClusterError> {
    meets.join().expect("no panic")
}

/// Calls until somebody listens.
fn reach(host: &str) -> TcpStream {
    loop {
        match dial(host) {
            Ok(socket) => return socket,
            Err(_) => std::thread::yield_now(),
        }
    }
}

/// Each sends its number to each, in frames.
fn assert_connected(all: Vec<Mesh>) {
    let numbers = 0..all.len();
    let mut all: Vec<Vec<Option<Framed>>> = all.into_iter().map(|met| met.connections).collect();
    for (own, connections) in all.iter_mut().enumerate() {
        assert_eq!(
            connections.iter().map(Option::is_some).collect::<Vec<_>>(),
            numbers.clone().map(|number| number != own).collect::<Vec<_>>()
        );
        for connection in connections.iter_mut().flatten() {
            connection.set_nonblocking(false).expect("as timely does");
            connection.write_all(&[own as u8]).expect("written");
        }
    }
    for connections in &mut all {
        for (peer, connection) in connections.iter_mut().enumerate() {
            let mut number = [0];
            connection
                .iter_mut()
                .for_each(|connection| connection.read_exact(&mut number).expect("read"));
            assert!(connection.is_none() || number == [peer as u8]);
        }
    }
}

#[test]
fn processes_meet_in_whatever_order_they_come() {
    for (order, secret) in [([0, 1, 2], "secret"), ([2, 1, 0], "")] {
        let hosts = hosts(3);
        let mut meeting: Vec<(usize, Meets)> = order
            .into_iter()
            .map(|process| (process, meets(&hosts, party(process, secret))))
            .collect();
        meeting.sort_by_key(|(process, _)| *process);
        assert_connected(
            meeting.into_iter().map(|(_, meets)| ended(meets).expect("all fit")).collect(),
        );
    }
}

#[test]
fn strangers_neither_end_a_meeting_nor_hold_it_up() {
    let hosts = hosts(2);
    let first = meets(&hosts, party(0, "secret"));
    // More of them than are looked at together, all at the same time.
    let mut strangers = Vec::new();
    for number in 0..4 * CALLERS {
        let mut stranger = reach(&hosts[0]);
        let said: &[u8] = match number % 4 {
            0 => b"",
            1 => b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            2 => {
                b"sluice//\x00\x01\0\0\0\x01\0\0\0\0................................\
                \xff\xff\xff\xff"
            }
            _ => &[0xff; 1000],
        };
        // It may have been sent away before.
        drop(stranger.write_all(said));
        strangers.push(stranger);
        if number % 8 == 7 {
            strangers.remove(0);
        }
    }
    let second = meets(&hosts, party(1, "secret"));
    assert_connected(vec![ended(first).expect("they fit"), ended(second).expect("they fit")]);
    for mut stranger in strangers {
        // Closed, one way or the other, though some said nothing.
        drop(stranger.read_to_end(&mut Vec::new()));
    }
}

#[test]
fn one_that_does_not_know_the_secret_ends_and_the_others_go_on() {
    let hosts = hosts(2);
    let first = meets(&hosts, party(0, "secret"));
    let wrong = ended(meets(&hosts, party(1, "other")));
    assert!(matches!(wrong, Err(ClusterError::Secret(_))), "{:?}", wrong.err());
    let right = ended(meets(&hosts, party(1, "secret"))).expect("they fit");
    assert_connected(vec![ended(first).expect("they fit"), right]);
}

#[test]
fn one_of_another_version_is_named_where_it_is_called_and_ends_nobody_where_it_calls() {
    let greeting = b"sluice//\x00\x09\0\0\0\x01\0\0\0\0................................";
    let hosts = hosts(2);
    let first = meets(&hosts, party(0, "secret"));
    let mut caller = reach(&hosts[0]);
    caller.write_all(greeting).expect("written");
    let mut heard = [0; 10];
    caller.read_exact(&mut heard).expect("it says of which version it is");
    assert_eq!(&heard, b"sluice//\0\x01");
    drop(caller);
    let second = meets(&hosts, party(1, "secret"));
    assert_connected(vec![ended(first).expect("they fit"), ended(second).expect("they fit")]);

    let listener = TcpListener::bind(&hosts[0]).expect("the port");
    let second = meets(&hosts, party(1, "secret"));
    let (mut called, _) = listener.accept().expect("process 1 calls");
    called.write_all(greeting).expect("written");
    let told = ended(second).err().expect("it cannot work with that one").to_string();
    assert!(
        told.contains(&hosts[0]) && told.contains("another version of the program (protocol 9"),
        "{told}"
    );
}

#[test]
fn processes_that_differ_all_end_with_one_sentence() {
    let hosts = hosts(2);
    let other =
        Party { identity: Identity::default().started_with("job", "other"), ..party(1, "secret") };
    let (first, second) = (meets(&hosts, party(0, "secret")), meets(&hosts, other));
    let (first, second) =
        (ended(first).err().expect("they differ"), ended(second).err().expect("they differ"));
    assert!(matches!(first, ClusterError::Differs(_)));
    assert_eq!(first.to_string(), second.to_string());
    assert!(
        first.to_string().contains("job is campaign in process 0 and other in process 1"),
        "{first}"
    );
}

#[test]
fn a_second_process_of_one_number_is_named_and_the_first_stays() {
    let hosts = hosts(3);
    let zero = meets(&hosts, party(0, "secret"));
    // Process 1, as it is on another machine.
    let first = reach(&hosts[0]);
    assert!(call(&first, &party(1, "secret"), 0).is_ok());
    let second = ended(meets(&hosts, party(1, "secret")));
    assert!(matches!(second, Err(ClusterError::Claimed { process: 1, .. })), "{:?}", second.err());
    assert!(is_alive(&first));
    // Once it has ended, another one has its place.
    drop(first);
    let (one, two) = (meets(&hosts, party(1, "secret")), meets(&hosts, party(2, "secret")));
    assert_connected(
        [zero, one, two].into_iter().map(|meets| ended(meets).expect("they fit")).collect(),
    );
}

#[test]
fn a_process_that_is_started_anew_finds_the_others() {
    let hosts = hosts(3);
    let two = meets(&hosts, party(2, "secret"));
    // Process 0, which answers one call and ends.
    {
        let listener = TcpListener::bind(&hosts[0]).expect("the port");
        let (socket, _) = listener.accept().expect("process 2 calls");
        assert!(answer(&socket, &party(0, "secret"), |_| true).is_ok());
    }
    let (zero, one) = (meets(&hosts, party(0, "secret")), meets(&hosts, party(1, "secret")));
    assert_connected(
        [zero, one, two].into_iter().map(|meets| ended(meets).expect("they fit")).collect(),
    );
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    match meet(&[address.clone(), "127.0.0.1:1".to_string()], party(0, "secret")) {
        Err(error @ ClusterError::Listen { .. }) => {
            assert!(error.to_string().contains(&address), "{error}")
        }
        other => panic!("{:?}", other.err()),
    }
}
