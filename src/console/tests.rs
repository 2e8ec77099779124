//! The console over real connections.

mod erasing;
mod limits;

use super::*;
use crate::campaign::figures::CampaignFigures;
use crate::status::State;
use crate::status::erasures::ErasureFault;
use crate::telemetry::stalls::{Cause, Seen};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// An answer, taken apart.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn problem(&self) -> serde_json::Value {
        assert!(self.head.contains("content-type: application/problem+json\r\n"), "{}", self.head);
        let problem: serde_json::Value =
            serde_json::from_str(&self.body).expect("a problem is JSON");
        assert_eq!(problem["status"], self.status);
        let id = problem["request_id"].as_str().expect("a request has an id");
        assert!(self.head.contains(&format!("x-request-id: {id}\r\n")), "{}", self.head);
        problem
    }

    /// The name of the problem's kind.
    fn kind(&self) -> String {
        let kind = self.problem()["type"].as_str().expect("a problem has a type").to_string();
        kind.strip_prefix("urn:sluice:problem:").expect("the name of a problem").to_string()
    }
}

/// Sends a request and reads the whole answer. With HTTP/1.0 the connection ends with it.
fn ask(running: &Running, request_line: &str, headers: &[&str]) -> Answer {
    let host = if headers.iter().any(|header| header.starts_with("Host:")) {
        ""
    } else {
        "Host: localhost\r\n"
    };
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let mut stream = connect(running);
    write!(stream, "{request_line} HTTP/1.0\r\n{host}{headers}\r\n").expect("the request is taken");
    answer(stream)
}

/// A connection on which nobody waits for ever.
fn connect(running: &Running) -> TcpStream {
    let stream = TcpStream::connect(running.address()).expect("the console listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
    stream
}

/// What comes until the other side closes the connection.
fn answer(mut stream: TcpStream) -> Answer {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("the answer is text");
    let (head, body) =
        text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head and body: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head: format!("{}\r\n", head.to_lowercase()), body: body.to_string() }
}

fn get(running: &Running, path: &str) -> Answer {
    ask(running, &format!("GET {path}"), &[])
}

fn free_port() -> HttpSection {
    HttpSection {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        api_token_file: None,
        insecure: false,
        open: Vec::new(),
    }
}

fn start() -> (Running, Arc<Status>) {
    let status = Arc::new(Status::new("campaign", &[], Box::new(())));
    (Console::start(&free_port(), Arc::clone(&status), None).expect("a free port"), status)
}

fn token_file(token: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    writeln!(file, "{token}").expect("it is written");
    file
}

#[test]
fn every_path_answers_in_its_form() {
    let (running, _status) = start();
    for (path, form, begins) in [
        ("/", "text/html; charset=utf-8", "<!doctype html>"),
        ("/status", "application/json", "{\"job\":\"campaign\""),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", "# HELP "),
        ("/healthz", "text/plain; charset=utf-8", "ok\n"),
    ] {
        let answer = get(&running, path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            answer.head.contains(&format!("content-type: {form}\r\n")),
            "{path}: {}",
            answer.head
        );
        assert!(answer.body.starts_with(begins), "{path}: {}", answer.body);
        for header in [
            "cache-control: no-store\r\n",
            "x-content-type-options: nosniff\r\n",
            "content-security-policy: default-src 'none'",
            "\r\nsluice-version: 0.",
        ] {
            assert!(answer.head.contains(header), "{path}: {}", answer.head);
        }
    }
}

#[test]
fn the_pages_load_nothing_from_elsewhere() {
    for page in [include_str!("page.html"), include_str!("sign_in.html")] {
        for foreign in ["http://", "https://", "@import", "url(", "<link", " src=", "innerHTML"] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }
}

#[test]
fn the_page_shows_every_erasure_that_was_not_done() {
    let page = include_str!("page.html");
    let without: Vec<&str> = ErasureFault::ALL
        .iter()
        .map(|fault| fault.word())
        .filter(|word| !page.contains(&format!(" {word}: \"")))
        .collect();
    assert!(without.is_empty(), "{without:?}");
}

#[test]
fn the_page_has_what_the_dataflow_shows_before_its_own_script() {
    let (running, _status) = start();
    let plain = get(&running, "/").body;
    assert!(!plain.contains("<template") && !plain.contains(routes::OF_THE_DATAFLOW), "{plain}");
    let figures = Box::new(CampaignFigures::new(&[], 2));
    let status = Arc::new(Status::new("campaign", &[], figures));
    let running = Console::start(&free_port(), Arc::clone(&status), None).expect("a free port");
    let page = get(&running, "/").body;
    let at = page.find(status.page()).expect("it is there as it is");
    let own = "const byId =";
    assert_eq!(page[..at].matches(own).count(), 0, "the page's own script asks for it");
    assert_eq!(page[at..].matches(own).count(), 1);
}

#[test]
fn errors_are_problems() {
    let (running, _status) = start();
    let unknown = get(&running, "/nothing?here=1");
    assert_eq!((unknown.status, unknown.kind().as_str()), (404, "not-found"));
    assert_eq!(
        (&unknown.problem()["title"], &unknown.problem()["detail"]),
        (&"Not Found".into(), &"there is nothing at /nothing".into())
    );
    for path in ["/status", "/healthz", "/"] {
        let method = ask(&running, &format!("DELETE {path}"), &[]);
        assert_eq!(
            (method.status, method.kind().as_str(), &method.problem()["title"]),
            (405, "method", &"Method Not Allowed".into())
        );
        assert!(method.head.contains("allow: get,head\r\n"), "{}", method.head);
    }
    assert_eq!(get(&running, "/customers/").kind(), "method");
    let unready = get(&running, "/readyz");
    assert_eq!((unready.status, unready.kind().as_str()), (503, "not-ready"));
    assert!(unready.head.contains("retry-after: 1\r\n"), "{}", unready.head);
}

#[test]
fn a_request_keeps_an_id_that_can_be_shown() {
    let (running, _status) = start();
    let id_of = |header: &str| {
        get_with(&running, header).problem()["request_id"].as_str().expect("an id").to_string()
    };
    assert_eq!(id_of("X-Request-Id: Ab.c_1-2"), "Ab.c_1-2");
    let long = "x".repeat(65);
    for header in [
        format!("X-Request-Id: {long}"),
        "X-Request-Id: a b".to_string(),
        "X-Request-Id:".to_string(),
        "X-Other: a".to_string(),
    ] {
        let id = id_of(&header);
        assert!(
            id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{header}: {id}"
        );
    }
    assert_ne!(id_of("X-Other: a"), id_of("X-Other: a"));
}

fn get_with(running: &Running, header: &str) -> Answer {
    let mut answer = ask(running, "GET /nothing", &[header]);
    // Heads are compared in small letters; an id keeps its own.
    let id = answer
        .body
        .split("request_id\":\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap_or_default();
    answer.head = answer.head.replace(&id.to_lowercase(), id);
    answer
}

#[test]
fn without_a_token_only_this_machine_is_named() {
    let (running, status) = start();
    for path in ["/", "/status", "/metrics", "/readyz", "/nothing"] {
        for host in [
            "Host: evil.example",
            "Host: evil.example:8080",
            "Host: localhost.evil.example",
            "Host:",
        ] {
            let answer = ask(&running, &format!("GET {path}"), &[host]);
            assert_eq!(
                (answer.status, answer.kind().as_str()),
                (403, "foreign-host"),
                "{path} {host}"
            );
        }
        assert_ne!(ask(&running, &format!("GET {path}"), &["Host: 127.0.0.1:8080"]).status, 403);
    }
    assert_eq!(ask(&running, "GET /healthz", &["Host: evil.example"]).status, 200);
    // An address that others may reach is no less a page's aim.
    let insecure = HttpSection { insecure: true, ..free_port() };
    let running = Console::start(&insecure, Arc::clone(&status), None).expect("a free port");
    assert_eq!(ask(&running, "GET /status", &["Host: evil.example"]).status, 403);
}

#[test]
fn what_is_open_to_probes_takes_neither_token_nor_number() {
    use crate::config::types::OpenPath;
    let file = token_file("hunter2");
    let status = Arc::new(Status::new("campaign", &[], Box::new(())));
    status.enter(State::Running);
    for api_token_file in [None, Some(file.path().to_path_buf())] {
        let http = HttpSection { api_token_file, open: vec![OpenPath::Metrics], ..free_port() };
        let running = Console::start(&http, Arc::clone(&status), None).expect("a free port");
        let code =
            |path: &str| ask(&running, &format!("GET {path}"), &["Host: sluice:8080"]).status;
        assert_eq!((code("/metrics"), code("/healthz")), (200, 200));
        for closed in ["/readyz", "/status", "/", "/metrics/", "//metrics", "/metrics/../status"] {
            assert!(matches!(code(closed), 401 | 403), "{closed}");
        }
        drop(running);
        let http = HttpSection { open: OpenPath::ALL.to_vec(), ..http };
        let running = Console::start(&http, Arc::clone(&status), None).expect("a free port");
        assert_eq!(ask(&running, "GET /readyz?verbose", &["Host: sluice:8080"]).status, 200);
    }
}

#[test]
fn readiness_follows_the_state() {
    let (running, status) = start();
    for (state, code, detail) in [
        (State::Starting, 503, "the job is starting"),
        (
            State::Stalled(Cause::Database, "connection refused".to_string()),
            503,
            "the job waits for the database: connection refused",
        ),
        (State::Running, 200, ""),
        (State::Draining, 503, "the job is draining, to end then"),
    ] {
        status.enter(state);
        let answer = get(&running, "/readyz");
        assert_eq!(answer.status, code, "{detail}");
        match code {
            200 => assert_eq!(answer.body, "ready\n"),
            _ => assert_eq!(answer.problem()["detail"], detail),
        }
    }
    status.enter(State::Running);
    let seen = |cause, what| Seen::of(cause, what);
    assert_eq!(
        status.look(vec![seen(
            Cause::PredictionsTopic,
            "topic `predictions` at nowhere:9092 is not there"
        )]),
        None
    );
    let answer = get(&running, "/readyz");
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (
            200,
            "ready, but decisions are not published: topic `predictions` at nowhere:9092 is not \
             there (for 0 s)\n"
        )
    );
    let state = status.look(vec![
        seen(Cause::Checkpoints, "no room"),
        seen(Cause::DatabaseLock, "session 7 has it"),
        seen(Cause::Broker, "no answer"),
    ]);
    status.enter(state.expect("two of them stop the job"));
    assert_eq!(
        get(&running, "/readyz").problem()["detail"],
        "the epoch waits for a lock in the database: session 7 has it (for 0 s); and the job waits \
         for the broker: no answer (for 0 s); and \
         checkpoints cannot be written: no room (for 0 s)"
    );
    assert_eq!(status.look(Vec::new()), None);
    status.enter(State::Running);
    assert_eq!(get(&running, "/readyz").body, "ready\n");
}

#[test]
fn a_token_protects_everything_but_health() {
    let file = token_file("hunter2");
    let http = HttpSection { api_token_file: Some(file.path().to_path_buf()), ..free_port() };
    let running = Console::start(&http, Arc::new(Status::new("campaign", &[], Box::new(()))), None)
        .expect("a free port");
    for path in ["/", "/status", "/metrics", "/readyz", "/nothing"] {
        for headers in [&[] as &[&str], &["Authorization: Bearer wrong"]] {
            let answer = ask(&running, &format!("GET {path}"), headers);
            assert_eq!(
                (answer.status, &answer.problem()["title"]),
                (401, &"Unauthorized".into()),
                "{path}"
            );
            assert!(answer.head.contains("www-authenticate: bearer\r\n"), "{}", answer.head);
        }
        let known = ask(&running, &format!("GET {path}"), &["Authorization: Bearer hunter2"]);
        assert_ne!(known.status, 401, "{path}");
    }
    assert_eq!(get(&running, "/healthz").status, 200);
    let browser = ask(&running, "GET /", &["Accept: text/html,*/*"]);
    assert_eq!(browser.status, 401);
    assert!(
        browser.body.contains("type=\"password\"")
            && browser.head.contains("content-type: text/html"),
        "{}",
        browser.body
    );
}

#[test]
fn a_taken_port_is_named_with_the_way_out() {
    let (running, status) = start();
    let http = HttpSection { listen: running.address(), ..free_port() };
    let error = Console::start(&http, Arc::clone(&status), None)
        .expect_err("the port is taken")
        .to_string();
    let expected = "another program has this port; give another one with http.listen or --listen, \
        or port 0 for any free one";
    assert_eq!(error, format!("cannot listen at {}: {expected}", running.address()));
    Console::start(&free_port(), status, None).expect("port 0 is any free one");
}

#[test]
fn an_address_that_others_reach_needs_a_token_or_insecure() {
    let status = || Arc::new(Status::new("campaign", &[], Box::new(())));
    let open = HttpSection { listen: SocketAddr::from(([0, 0, 0, 0], 0)), ..free_port() };
    let refused = Console::start(&open, status(), None).err();
    assert!(
        matches!(refused, Some(ConsoleError::Exposed(address)) if address == open.listen),
        "{refused:?}"
    );
    let file = token_file("hunter2");
    let with_token =
        HttpSection { api_token_file: Some(file.path().to_path_buf()), ..open.clone() };
    let insecure = HttpSection { insecure: true, ..open.clone() };
    for allowed in [with_token, insecure] {
        assert!(Console::start(&allowed, status(), None).is_ok(), "{allowed:?}");
    }
    let absent = HttpSection { api_token_file: Some("/nonexistent/token".into()), ..open };
    assert!(matches!(Console::start(&absent, status(), None), Err(ConsoleError::Token(_))));
}

#[test]
fn it_stops_within_a_second_whoever_holds_a_connection() {
    let (running, _status) = start();
    let address = running.address();
    let silent = TcpStream::connect(address).expect("the console listens");
    let mut unfinished = TcpStream::connect(address).expect("the console listens");
    unfinished.write_all(b"GET /status HTTP/1.1\r\nHost:").expect("half a request is taken");
    assert_eq!(get(&running, "/healthz").status, 200);
    let started = Instant::now();
    running.stop();
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
    drop((silent, unfinished));
}
