//! What strangers may do to the console over real connections: nothing that the others notice.

use super::*;
use crate::console::limits::MAX_BODY;
use axum::routing::{any, get as on_get};
use std::future::pending;
use std::io::ErrorKind;

/// A moment, for what runs out whatever the machine is busy with.
const MOMENT: Duration = Duration::from_millis(100);

/// Time in which a test that is not disturbed for long has sent a request, and which is to run out
/// after that.
const WHILE: Duration = Duration::from_secs(2);

/// Limits that nothing in a test comes near.
const AMPLE: Limits = {
    let long = Duration::from_secs(600);
    Limits { connections: 64, header: long, body: long, answer: long, reading: long }
};

/// A console with these limits, and with handlers that do what none should.
fn limited(limits: Limits) -> Running {
    let paths = axum::Router::new()
        .route(
            "/takes",
            any(|body: axum::body::Bytes| async move { format!("{} bytes\n", body.len()) }),
        )
        .route("/panics", on_get(|| async { panics() }))
        .route("/hangs", on_get(pending::<String>))
        .route("/long", on_get(|| async { "x".repeat(16 << 20) }));
    let access = Access::new(None, &free_port());
    Console::serve(&free_port(), paths, access, limits).expect("a free port")
}

fn panics() -> String {
    panic!("a handler's own words")
}

/// Sends bytes as they are, and gives what comes back until the connection is closed.
fn sent(running: &Running, bytes: &[u8]) -> Answer {
    let mut stream = connect(running);
    stream.write_all(bytes).expect("they are taken");
    answer(stream)
}

/// Whether the other side has closed a connection without a word.
fn is_closed_silently(mut stream: TcpStream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => rest.is_empty(),
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

fn type_of(answer: &Answer) -> String {
    let problem: serde_json::Value = serde_json::from_str(&answer.body).expect("a problem is JSON");
    assert_eq!(problem["status"], answer.status);
    problem["type"].as_str().expect("a type").to_string()
}

#[test]
fn a_header_that_does_not_end_is_told_and_closed() {
    let running = limited(Limits { header: WHILE, ..AMPLE });
    let slow = sent(&running, b"GET /takes HTTP/1.1\r\nHost: localhost\r\n");
    assert_eq!((slow.status, type_of(&slow).as_str()), (408, "urn:sluice:problem:slow-request"));
    assert!(slow.head.contains("connection: close\r\n"), "{}", slow.head);
    assert!(
        is_closed_silently(connect(&running)),
        "where nothing has begun there is nothing to answer"
    );
    // One byte after the other is no faster.
    let mut dripping = connect(&running);
    let mut drops = b"GET /takes HTTP/1.1\r\n".iter().chain(b"X-A: b\r\n".iter().cycle());
    while dripping.write_all(&[*drops.next().expect("it never ends")]).is_ok() {
        std::thread::yield_now();
    }
}

#[test]
fn a_connection_that_is_kept_is_closed_when_nothing_comes() {
    let running = limited(Limits { header: WHILE, ..AMPLE });
    let mut stream = connect(&running);
    stream.write_all(b"GET /takes HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is taken");
    let answer = answer(stream);
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "0 bytes\n"),
        "and no other answer behind it"
    );
}

#[test]
fn a_body_that_does_not_end_is_told_and_closed() {
    let running = limited(Limits { body: MOMENT, ..AMPLE });
    for (path, rest) in [
        ("/takes", "Content-Length: 9\r\n\r\nhalf"),
        ("/nothing", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
    ] {
        let slow =
            sent(&running, format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{rest}").as_bytes());
        assert_eq!((slow.status, slow.kind().as_str()), (408, "slow-request"), "{path}");
        assert!(slow.head.contains("connection: close\r\n"), "{}", slow.head);
    }
}

#[test]
fn a_body_is_taken_up_to_64_kib() {
    let running = limited(AMPLE);
    let post = |rest: &str| {
        sent(
            &running,
            format!("POST /takes HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{rest}")
                .as_bytes(),
        )
    };
    let (most, more) = (MAX_BODY, MAX_BODY + 1);
    let whole = |bytes: usize| format!("Content-Length: {bytes}\r\n\r\n{}", "x".repeat(bytes));
    let chunked = |bytes: usize| {
        format!("Transfer-Encoding: chunked\r\n\r\n{bytes:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(bytes))
    };
    for taken in [whole(most), chunked(most)] {
        assert_eq!(post(&taken).body, format!("{most} bytes\n"));
    }
    for refused in [
        whole(more),
        chunked(more),
        chunked(200_000),
        format!("Content-Length: {more}\r\n\r\n"),
        format!("Content-Length: {}\r\n\r\n", 1u64 << 62),
    ] {
        let answer = post(&refused);
        assert_eq!((answer.status, answer.kind().as_str()), (413, "too-large"));
    }
    let torn = post("Transfer-Encoding: chunked\r\n\r\nnone\r\n");
    assert_eq!((torn.status, torn.kind().as_str()), (400, "malformed"));
}

#[test]
fn what_is_no_request_is_refused_and_closed() {
    let running = limited(AMPLE);
    let many: String = (0..200).map(|i| format!("X-{i}: y\r\n")).collect();
    for (bytes, status) in [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), 400),
        (b"GET / HTTP/9.9\r\n\r\n".to_vec(), 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n".to_vec(), 400),
        (
            format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}", "y".repeat(128 * 1024))
                .into_bytes(),
            431,
        ),
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n").into_bytes(), 431),
        (
            format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "y".repeat(128 * 1024))
                .into_bytes(),
            431,
        ),
    ] {
        assert_eq!(
            sent(&running, &bytes).status,
            status,
            "{:?}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(40)])
        );
        assert_eq!(get(&running, "/healthz").status, 200);
    }
}

#[test]
fn garbage_behind_a_request_takes_nothing_from_its_answer() {
    let running = limited(AMPLE);
    let mut stream = connect(&running);
    stream
        .write_all(
            b"GET /takes HTTP/1.1\r\nHost: localhost\r\n\r\nGET /nothing HTTP/1.1\r\nHost: \
            localhost\r\n\r\n\x00\x01garbage\r\n\r\n",
        )
        .expect("it is taken");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("the answers are text");
    let codes: Vec<&str> = text.lines().filter_map(|line| line.split("HTTP/1.1 ").nth(1)).collect();
    assert_eq!(codes, ["200 OK", "404 Not Found", "400 Bad Request"], "{text}");
}

#[test]
fn one_connection_too_many_is_told_and_the_others_stay() {
    let running = limited(Limits { connections: 3, ..AMPLE });
    let mut held: Vec<TcpStream> = (0..3).map(|_| connect(&running)).collect();
    for _ in 0..100 {
        let refused = answer(connect(&running));
        assert_eq!(
            (refused.status, type_of(&refused).as_str()),
            (503, "urn:sluice:problem:overloaded")
        );
        assert!(refused.head.contains("retry-after: 1\r\n"), "{}", refused.head);
    }
    // A crowd that takes no refusal is not waited for.
    let crowd: Vec<TcpStream> = (0..100).map(|_| connect(&running)).collect();
    held[0]
        .write_all(b"GET /takes HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("it is taken");
    assert_eq!(answer(held.remove(0)).status, 200, "who was there first is answered");
    drop(crowd);
    // The place is free once the console has seen the end of it.
    await_place(&running);
}

/// Asks until there is a place. One that is refused may be hung up on before it has asked or heard.
fn await_place(running: &Running) {
    let began = Instant::now();
    let mut text = String::new();
    while !text.starts_with("HTTP/1.1 200 ") {
        assert!(began.elapsed() < Duration::from_secs(30), "no place becomes free");
        let mut stream = connect(running);
        text.clear();
        let _ = stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .and_then(|()| stream.read_to_string(&mut text));
    }
}

#[test]
fn an_answer_that_takes_too_long_is_told_and_the_connection_goes_on() {
    let running = limited(Limits { answer: MOMENT, ..AMPLE });
    let mut stream = connect(&running);
    let request =
        |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n");
    write!(stream, "{}{}", request("/hangs", ""), request("/takes", "Connection: close\r\n"))
        .expect("they are taken");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("the answers are text");
    assert!(
        text.starts_with("HTTP/1.1 503 ")
            && text.contains("problem:too-slow")
            && text.ends_with("0 bytes\n"),
        "{text}"
    );
    assert!(text.to_lowercase().contains("\r\nretry-after: 1\r\n"), "{text}");
}

#[test]
fn a_handler_that_panics_is_a_500_and_no_end() {
    let running = limited(AMPLE);
    for _ in 0..3 {
        let answer = get(&running, "/panics");
        assert_eq!((answer.status, answer.kind().as_str()), (500, "internal"));
        assert!(!answer.body.contains("own words"), "inner words stay inside: {}", answer.body);
    }
    assert_eq!(get(&running, "/healthz").status, 200);
}

#[test]
fn who_does_not_read_is_hung_up_on() {
    let short =
        Limits { connections: 1, header: WHILE, body: MOMENT, answer: MOMENT, reading: MOMENT };
    let running = limited(short);
    let mut deaf = connect(&running);
    deaf.write_all(b"GET /long HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is taken");
    // The only place is free again although the answer was never taken.
    await_place(&running);
}
