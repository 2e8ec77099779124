//! Tests of the handshake: over sockets, with those that belong to the job and those that do not.

use super::*;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::thread::{JoinHandle, scope, spawn};

fn party(process: usize, secret: &str) -> Party {
    Party {
        process,
        secret: Secret::new(secret.to_string()),
        identity: Identity::default().started_with("job", "campaign"),
    }
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let one = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    (one, listener.accept().expect("a connection").0)
}

/// What process 0 makes of a caller that does this.
fn answered(caller: impl FnOnce(TcpStream) + Send) -> Result<Peer, Refusal> {
    let (one, other) = pair();
    scope(|scope| {
        scope.spawn(|| caller(one));
        let outcome = answer(&other, &party(0, "secret"), |_| true);
        // The caller may wait for it.
        drop(other);
        outcome
    })
}

/// What both sides make of each other.
fn both(
    caller: &Party,
    called: usize,
    other: &Party,
    claim: bool,
) -> (Result<Peer, Refusal>, Result<Peer, Refusal>) {
    let (one, two) = pair();
    scope(|scope| {
        let calling = scope.spawn(|| call(&one, caller, called));
        let answered = answer(&two, other, |_| claim);
        (calling.join().expect("no panic"), answered)
    })
}

#[test]
fn two_processes_of_a_job_get_the_same_keys() {
    let (Ok(caller), Ok(called)) = both(&party(1, "secret"), 0, &party(0, "secret"), true) else {
        panic!("they fit")
    };
    assert_eq!((caller.process, called.process), (0, 1));
    let (caller, called) = (caller.keys.expect("a secret"), called.keys.expect("a secret"));
    assert_eq!((caller.sending, caller.receiving), (called.receiving, called.sending));
    assert_ne!(caller.sending, caller.receiving);
}

#[test]
fn without_a_secret_there_are_no_keys() {
    let (Ok(caller), Ok(called)) = both(&party(1, ""), 0, &party(0, ""), true) else {
        panic!("they fit")
    };
    assert!(caller.keys.is_none() && called.keys.is_none());
}

#[test]
fn every_connection_has_keys_of_its_own() {
    let keys = || {
        both(&party(1, "secret"), 0, &party(0, "secret"), true)
            .0
            .ok()
            .and_then(|peer| peer.keys)
            .expect("they fit")
            .sending
    };
    assert_ne!(keys(), keys());
}

#[test]
fn another_secret_is_known_to_both_sides_and_to_nobody_else() {
    for (one, other) in [("secret", "other"), ("", "other"), ("secret", "")] {
        let (caller, called) = both(&party(1, one), 0, &party(0, other), true);
        assert!(
            matches!((&caller, &called), (Err(Refusal::Secret), Err(Refusal::Secret))),
            "{:?} {:?}",
            caller.err(),
            called.err()
        );
    }
}

#[test]
fn strangers_are_sent_away_with_the_reason() {
    let says = |bytes: &'static [u8]| {
        move |mut socket: TcpStream| {
            // It may be sent away before it has said all; whatever the answer is, it listens until
            // the connection is closed.
            drop(socket.write_all(bytes));
            drop(socket.shutdown(Shutdown::Write));
            drop(socket.read_to_end(&mut Vec::new()));
        }
    };
    let long =
        b"sluice//\x00\x01\0\0\0\x01\0\0\0\0................................\xff\xff\xff\xff";
    let cut = b"sluice//\x00\x01\0\0\0\x01\0\0\0\0................................\0\0\0\x09{\"";
    for (bytes, reason) in [
        (
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: kube-probe/1.31\r\n\r\n".as_slice(),
            "it sent something else",
        ),
        (&[0xff; 4096], "it sent something else"),
        (b"", "it closed the connection before"),
        (b"sluice//", "it closed the connection before"),
        (long, "it sent an introduction of 4294967295 bytes"),
        (cut, "it closed the connection before"),
    ] {
        match answered(says(bytes)) {
            Err(Refusal::Stranger(why)) => assert!(why.starts_with(reason), "{why}"),
            other => panic!("{reason}: {:?}", other.err()),
        }
    }
}

/// What a process of another version says at first, and of the rest more or less.
fn greetings() -> [Vec<u8>; 3] {
    let whole = b"sluice//\x00\x09\0\0\0\x01\0\0\0\0................................";
    [b"sluice//\0\x02".to_vec(), whole.to_vec(), [whole.as_slice(), &[7; 100_000]].concat()]
}

#[test]
fn a_process_of_another_version_hears_of_it_and_is_told_apart() {
    for greeting in greetings() {
        let version = u16::from(greeting[9]);
        let ((caller, called), hello) = (pair(), greeting.clone());
        let heard = scope(|scope| {
            let heard = scope.spawn(move || {
                let (mut caller, mut heard) = (caller, [0; 10]);
                // It may be sent away before it has said all.
                drop(caller.write_all(&hello));
                caller.read_exact(&mut heard).map(|()| heard)
            });
            let outcome = answer(&called, &party(0, "secret"), |_| true);
            assert!(
                matches!(outcome, Err(Refusal::Version(found)) if found == version),
                "{:?}",
                outcome.err()
            );
            heard.join().expect("no panic")
        });
        assert_eq!(&heard.expect("the version of this one"), b"sluice//\0\x01");

        let (caller, mut called) = pair();
        let outcome = scope(|scope| {
            scope.spawn(move || {
                drop(called.write_all(&greeting));
                drop(called.read_to_end(&mut Vec::new()));
            });
            let outcome = call(&caller, &party(1, "secret"), 0);
            drop(caller);
            outcome
        });
        assert!(
            matches!(outcome, Err(Refusal::Version(found)) if found == version),
            "{:?}",
            outcome.err()
        );
    }
}

#[test]
fn silence_has_an_end() {
    let (_silent, other) = pair();
    let outcome = answer(&other, &party(0, "secret"), |_| true);
    assert!(matches!(outcome, Err(Refusal::Silent)), "{:?}", outcome.err());
}

/// Passes on everything from one socket to another, and gives all of it.
fn pass(mut from: TcpStream, mut to: TcpStream) -> JoinHandle<Vec<u8>> {
    spawn(move || {
        let (mut all, mut piece) = (Vec::new(), [0; 4096]);
        while let Ok(read @ 1..) = from.read(&mut piece) {
            all.extend_from_slice(&piece[..read]);
            // Whoever has heard enough is gone.
            drop(to.write_all(&piece[..read]));
        }
        drop(to.shutdown(Shutdown::Write));
        all
    })
}

#[test]
fn what_was_overheard_opens_no_door() {
    let ((caller, one), (other, called)) = (pair(), pair());
    let forth = pass(one.try_clone().expect("a clone"), other.try_clone().expect("a clone"));
    let back = pass(other, one);
    scope(|scope| {
        scope.spawn(move || call(&caller, &party(1, "secret"), 0).map(drop).expect("they fit"));
        assert!(answer(&called, &party(0, "secret"), |_| true).is_ok(), "they fit");
        drop(called);
    });
    let (said, answered_then) = (forth.join().expect("no panic"), back.join().expect("no panic"));
    // Again to the called one.
    let again = answered(move |mut socket| {
        socket.write_all(&said).expect("written");
        drop(socket.read_to_end(&mut Vec::new()));
    });
    assert!(matches!(again, Err(Refusal::Secret)), "{:?}", again.err());
    // And to another caller, in the place of the called one.
    let (one, mut other) = pair();
    let caught = scope(|scope| {
        scope.spawn(move || {
            other.write_all(&answered_then).expect("written");
            drop(other.read_to_end(&mut Vec::new()));
        });
        let outcome = call(&one, &party(1, "secret"), 0);
        drop(one);
        outcome
    });
    assert!(matches!(caught, Err(Refusal::Secret)), "{:?}", caught.err());
}

#[test]
fn a_mirror_is_no_process() {
    let (one, other) = pair();
    let mirror = pass(other.try_clone().expect("a clone"), other);
    let outcome = call(&one, &party(1, "secret"), 0);
    drop(one);
    assert!(
        matches!(&outcome, Err(Refusal::Stranger(why)) if why == "it sent what it was sent"),
        "{:?}",
        outcome.err()
    );
    mirror.join().expect("no panic");
}

#[test]
fn processes_that_differ_hear_of_it_from_each_other() {
    let other =
        Party { identity: Identity::default().started_with("job", "other"), ..party(0, "secret") };
    let (caller, called) = both(&party(1, "secret"), 0, &other, true);
    match (caller, called) {
        (
            Err(Refusal::Differs { process: 0, identity: theirs }),
            Err(Refusal::Differs { process: 1, identity: ours }),
        ) => {
            assert_eq!((*theirs, *ours), (other.identity, party(1, "secret").identity));
        }
        (caller, called) => panic!("{:?} {:?}", caller.err(), called.err()),
    }
}

#[test]
fn each_has_to_be_the_one_that_the_other_takes_it_for() {
    let (caller, called) = both(&party(2, "secret"), 1, &party(0, "secret"), true);
    assert!(matches!(&caller, Err(Refusal::Differs { process: 0, .. })), "{:?}", caller.err());
    assert!(matches!(&called, Err(Refusal::Differs { process: 2, .. })), "{:?}", called.err());
}

#[test]
fn a_place_that_is_taken_is_refused() {
    let (caller, called) = both(&party(1, "secret"), 0, &party(0, "secret"), false);
    assert!(
        matches!((&caller, &called), (Err(Refusal::Claimed(1)), Err(Refusal::Claimed(1)))),
        "{:?} {:?}",
        caller.err(),
        called.err()
    );
}
