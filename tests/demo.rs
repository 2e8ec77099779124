//! `sluice demo` as its user sees it: it learns, says so line by line, and ends when it is told to.

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// How long an end may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A demo that is running, and the objects that it prints.
struct Demo {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Demo {
    /// It ends by itself after so many seconds, so that a test which fails does not leave it behind
    /// for long.
    fn start(seconds: u32, more: &[&str]) -> Demo {
        let mut command = Command::new(cargo_bin!("sluice"));
        command
            .args(["demo", "--json", "--listen", "127.0.0.1:0", "--seconds", &seconds.to_string()])
            .args(more);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
        Demo { child, lines }
    }

    fn line(&mut self) -> Option<Value> {
        let line = self.lines.next()?.expect("lines are text");
        Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
    }

    /// The rest of the lines; the program must have ended well.
    fn rest(mut self) -> Vec<Value> {
        let lines: Vec<Value> = std::iter::from_fn(|| self.line()).collect();
        assert!(self.child.wait().expect("it has ended").success());
        lines
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(self.child.id().to_string())
            .status();
        assert!(sent.expect("there is a kill command").success());
    }
}

fn number(object: &Value, pointer: &str) -> f64 {
    object
        .pointer(pointer)
        .and_then(Value::as_f64)
        .unwrap_or_else(|| panic!("no number at {pointer}: {object}"))
}

fn has_digest(summary: &Value) -> bool {
    summary["digest"].as_str().is_some_and(|digest| {
        digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[test]
fn it_learns_and_ends_by_itself() {
    for workers in ["1", "2"] {
        let lines = Demo::start(8, &["--rate", "4000", "--workers", workers]).rest();
        let kinds: Vec<&str> = lines.iter().filter_map(|line| line["kind"].as_str()).collect();
        assert_eq!((kinds.first(), kinds.last()), (Some(&"beginning"), Some(&"summary")));
        assert!(
            kinds.len() > 5 && kinds[1..kinds.len() - 1].iter().all(|kind| *kind == "progress"),
            "{kinds:?}"
        );
        assert!(lines.iter().all(|line| line["simulated"] == true));
        let summary = &lines[lines.len() - 1];
        assert!(has_digest(summary), "{summary}");
        let best_arm =
            format!("/shares/{}", summary["best_fixed_arm"].as_str().expect("an arm has a name"));
        let share = |window: &str| number(&summary[window], &best_arm);
        let rewards = (number(summary, "/first/mean_reward"), number(summary, "/last/mean_reward"));
        assert!(rewards.1 > rewards.0 || share("last") > share("first"), "{summary}");
        assert!(
            number(summary, "/last/mean_regret") < number(summary, "/first/mean_regret"),
            "{summary}"
        );
        assert!(rewards.1 > 0.8 * number(summary, "/best_fixed_reward"), "{summary}");
        assert!(number(summary, "/decisions") > 5_000.0, "{summary}");
    }
}

#[test]
fn a_signal_ends_it_with_the_summary() {
    let in_its_history = |line: &Value| line["kind"] == "beginning";
    let in_its_life =
        |line: &Value| line["kind"] == "progress" && line["decisions"].as_u64() > Some(0);
    for (signal, when) in
        [("TERM", &in_its_history as &dyn Fn(&Value) -> bool), ("INT", &in_its_life)]
    {
        let mut demo = Demo::start(60, &[]);
        while !when(&demo.line().expect("it goes on until then")) {}
        demo.signal(signal);
        let signaled = Instant::now();
        let lines = demo.rest();
        assert!(signaled.elapsed() < PATIENCE, "{signal}: {:?}", signaled.elapsed());
        let summary = lines.last().expect("a summary");
        assert!(summary["kind"] == "summary" && has_digest(summary), "{signal}: {summary}");
    }
}

#[test]
fn it_refuses_what_it_cannot_do() {
    for (arguments, named) in [
        (["--processes", "2"], "processes = 2 (--processes): the demo runs in 1 process"),
        (["--alpha", "wide"], "bandit.alpha"),
        (["--listen", "0.0.0.0:0"], "http."),
    ] {
        let output = Command::new(cargo_bin!("sluice"))
            .args(["demo", "--seconds", "1"])
            .args(arguments)
            .output()
            .expect("the program starts");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && error.contains(named), "{arguments:?}: {error}");
    }
}
