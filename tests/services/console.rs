//! What a job's console says.

use super::{Stage, eventually};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The console of a running job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Console(SocketAddr);

/// The job's own token, which erasing takes.
fn erasing_token(stage: &Stage) -> String {
    let path = stage.path("checkpoints").join("campaign").join("erase.token");
    eventually("the token is there", || path.exists());
    std::fs::read_to_string(path).expect("the token").trim_end().to_string()
}

impl Console {
    /// Of the job that the stage started last, with its log in a file: there it says its address.
    pub(crate) fn of(stage: &Stage) -> Console {
        Console::logged(|| stage.log())
    }

    /// Of the process with this log.
    pub(crate) fn logged(log: impl Fn() -> String) -> Console {
        let mut address = None;
        eventually("the console is up", || {
            address = address_in(&log());
            address.is_some()
        });
        Console(address.expect("it has just been found"))
    }

    /// Status code and body of an answer.
    pub(crate) fn get(self, path: &str) -> (u16, String) {
        self.ask("GET", path, "")
    }

    /// Status codes of an erasure that nobody may ask for, and of one with the token of the stage's
    /// job; and the body of the latter.
    pub(crate) fn erase(self, stage: &Stage, customer: i64) -> (u16, u16, String) {
        let path = format!("/customers/{customer}");
        let (refused, _) = self.ask("DELETE", &path, "");
        let (code, body) = self.ask(
            "DELETE",
            &path,
            &format!("Authorization: Bearer {}\r\n", erasing_token(stage)),
        );
        (refused, code, body)
    }

    /// Connections on which strangers say nothing, the half of something, or nonsense. They stay
    /// open with what is given.
    pub(crate) fn besieged(self) -> Vec<TcpStream> {
        let say = |words: &str| {
            let mut stream = TcpStream::connect(self.0).expect("the console listens");
            stream.write_all(words.as_bytes()).expect("the system takes it");
            stream
        };
        let words = [
            "",
            "GET /status HTTP/1.1\r\n",
            "\u{16}\u{3}\u{1}",
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n",
        ];
        words.iter().cycle().take(100).map(|words| say(words)).collect()
    }

    fn ask(self, method: &str, path: &str, headers: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.0).expect("the console answers");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"
        )
        .expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let code = head
            .split_whitespace()
            .nth(1)
            .and_then(|code| code.parse().ok())
            .expect("a status code");
        (code, body.to_string())
    }

    /// The job's state and what it says of it.
    pub(crate) fn state(self) -> (String, String) {
        let (_, body) = self.get("/status");
        let status: Value =
            serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
        let text = |name: &str| status[name].as_str().unwrap_or_default().to_string();
        (text("state"), text("message"))
    }

    /// Waits until the job is in a state; gives what it says of it.
    pub(crate) fn await_state(self, wanted: &str) -> String {
        let mut message = String::new();
        eventually(&format!("the job is {wanted}"), || {
            let (state, said) = self.state();
            message = said;
            state == wanted
        });
        message
    }
}

/// Where a log says that its console is.
fn address_in(log: &str) -> Option<SocketAddr> {
    log.lines()
        .find(|line| line.contains("The console is up"))
        .and_then(|line| line.rsplit_once("address=")?.1.trim().parse().ok())
}
