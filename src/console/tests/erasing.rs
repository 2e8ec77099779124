//! Erasing a customer over real connections, and the token that it always takes.

use super::*;
use std::path::Path;
use std::sync::mpsc;

/// Erases customer 17, and nobody else while the broker is away.
fn erase() -> ErasureCall {
    Arc::new(
        |customer| if customer == 17 { Ok(1_000) } else { Err("the broker is away".to_string()) },
    )
}

/// A console of a job with this folder.
fn within(folder: &Path, http: &HttpSection, erase: ErasureCall) -> (Running, ErasingToken) {
    let token = ErasingToken::within(Some(folder.to_path_buf()));
    let status = Arc::new(Status::new("campaign", &[], Box::new(())));
    let running =
        Console::start(http, status, Some(ErasureEndpoint { erase, token: token.clone() }))
            .expect("a free port");
    (running, token)
}

fn bearer(folder: &Path) -> String {
    let token = std::fs::read_to_string(folder.join("erase.token")).expect("the token lies there");
    format!("Authorization: Bearer {}", token.trim_end())
}

fn delete(running: &Running, path: &str, headers: &[&str]) -> Answer {
    ask(running, &format!("DELETE {path}"), headers)
}

#[test]
fn a_customer_is_erased_through_the_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let (running, token) = within(folder.path(), &free_port(), erase());
    token.prepare();
    let bearer = bearer(folder.path());
    let delete = |path: &str| delete(&running, path, &[&bearer]);
    let taken = delete("/customers/17");
    let body: serde_json::Value = serde_json::from_str(&taken.body).expect("JSON");
    assert_eq!(
        (taken.status, &body["customer_id"], &body["until"]),
        (202, &17.into(), &1_000.into())
    );
    let away = delete("/customers/5");
    assert_eq!((away.status, away.kind().as_str()), (503, "no-broker"));
    assert_eq!(away.problem()["detail"], "the broker is away; asking again does no harm");
    for unreadable in [
        "ann",
        "1.5",
        "-1",
        "+5",
        "5.0",
        "%205",
        "5%20",
        "5%00",
        "%ff",
        "",
        "9223372036854775808",
        "99999999999999999999",
    ] {
        assert_eq!(delete(&format!("/customers/{unreadable}")).kind(), "malformed", "{unreadable}");
    }
    assert_eq!(delete("/customers/9223372036854775807").status, 503, "the greatest number is one");
    assert_eq!(get(&running, "/customers/5").status, 405);
}

#[test]
fn erasing_always_takes_a_token() {
    let folder = tempfile::tempdir().expect("a folder");
    for insecure in [false, true] {
        let (running, token) =
            within(folder.path(), &HttpSection { insecure, ..free_port() }, erase());
        assert_eq!(
            delete(&running, "/customers/17", &[]).kind(),
            "not-ready",
            "there is none before the job has begun"
        );
        token.prepare();
        for headers in
            [&[] as &[&str], &["Authorization: Bearer wrong"], &["Authorization: Bearer "]]
        {
            let refused = delete(&running, "/customers/17", headers);
            assert_eq!((refused.status, refused.kind().as_str()), (401, "unauthorized"));
            assert!(
                refused.body.contains("erase.token"),
                "it says where the token lies: {}",
                refused.body
            );
        }
        assert_eq!(
            delete(&running, "/customers/-1", &[]).kind(),
            "malformed",
            "there is nothing to be permitted"
        );
        let bearer = bearer(folder.path());
        assert_eq!(delete(&running, "/customers/17", &[&bearer]).status, 202);
        assert_eq!(
            delete(&running, "/customers/17", &[&bearer, "Host: evil.example"]).kind(),
            "foreign-host"
        );
        assert_eq!(get(&running, "/status").status, 200, "looking takes none");
    }
}

#[test]
fn a_configured_token_takes_the_place_of_the_job_s_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = token_file("hunter2");
    let http = HttpSection { api_token_file: Some(file.path().to_path_buf()), ..free_port() };
    let (running, token) = within(folder.path(), &http, erase());
    token.prepare();
    assert_eq!(delete(&running, "/customers/17", &[&bearer(folder.path())]).status, 401);
    assert_eq!(delete(&running, "/customers/17", &["Authorization: Bearer hunter2"]).status, 202);
    assert_eq!(
        delete(
            &running,
            "/customers/17",
            &["Authorization: Bearer hunter2", "Host: sluice.example"]
        )
        .status,
        202
    );
}

#[test]
fn without_a_log_or_a_folder_nothing_is_erased() {
    let status = || Arc::new(Status::new("campaign", &[], Box::new(())));
    let without = Console::start(&free_port(), status(), None).expect("a free port");
    assert_eq!(delete(&without, "/customers/1", &[]).kind(), "not-here");
    let token = ErasingToken::within(None);
    token.prepare();
    let homeless =
        Console::start(&free_port(), status(), Some(ErasureEndpoint { erase: erase(), token }))
            .expect("a free port");
    let refused = delete(&homeless, "/customers/17", &[]);
    assert!(
        refused.status == 501 && refused.body.contains("http.api_token_file"),
        "{}",
        refused.body
    );
}

#[test]
fn a_broker_that_does_not_answer_neither_floods_the_console_nor_holds_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let (asked, asks) = mpsc::channel();
    let (_held, answers) = mpsc::channel::<()>();
    let answers = std::sync::Mutex::new(answers);
    let silent: ErasureCall = Arc::new(move |_| {
        asked.send(()).expect("the test counts");
        // Nobody sends: this ends when the test is over.
        let _ = answers.lock().expect("no panic").recv();
        Ok(0)
    });
    let (running, token) = within(folder.path(), &free_port(), silent);
    token.prepare();
    let bearer = bearer(folder.path());
    let mut waiting = Vec::new();
    for _ in 0..16 {
        let mut stream = connect(&running);
        write!(stream, "DELETE /customers/5 HTTP/1.1\r\nHost: localhost\r\n{bearer}\r\n\r\n")
            .expect("the request is taken");
        waiting.push(stream);
        asks.recv().expect("it is asked for");
    }
    assert_eq!(delete(&running, "/customers/5", &[&bearer]).kind(), "overloaded");
    assert_eq!(get(&running, "/healthz").status, 200);
    let began = Instant::now();
    running.stop();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
