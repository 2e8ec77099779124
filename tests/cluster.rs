//! Several processes: `scripts/cluster`, what it starts again and what not; and processes that meet
//! strangers on their ports, or do not fit each other. That a job goes on after each new start, and
//! drains when the script is told to, `tests/chaos.rs` shows.

use crate::services::{eventually, ports, program};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// Runs the script to its end with something else in the program's place.
fn cluster(folder: &Path, arguments: &[&str], program: &str) -> Output {
    command(folder, arguments, program).output().expect("the script can be started")
}

/// The script, in a folder, with something else in the program's place.
fn command(folder: &Path, arguments: &[&str], program: &str) -> Command {
    let stand_in = folder.join("program");
    // Written by another process: a file that this one has open for writing is held by whatever the
    // other tests start at that moment, and cannot be run then.
    let write = r#"printf '#!/bin/sh\n%s\n' "$2" >"$1" && chmod 755 "$1""#;
    let written = Command::new("sh")
        .args(["-c", write, "sh"])
        .arg(&stand_in)
        .arg(program)
        .status()
        .expect("there is a shell");
    assert!(written.success(), "a program can be written");
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/cluster"));
    command.current_dir(folder).env("PROGRAM", stand_in).env("PAUSE", "1").args(arguments);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn when_one_process_fails_all_are_started_again_with_what_they_need() {
    let folder = tempfile::tempdir().expect("a folder");
    // The second process fails the first time, when the first one is still there: that one must be
    // gone before there is another.
    let program = r#"
        echo "$*" >>starts
        shift 6
        if [ "$2" = 1 ] && [ ! -e failed ]; then
            while [ ! -e first ]; do sleep 0.05; done
            touch failed; echo broken >&2; exit 1
        fi
        [ "$2" = 1 ] || [ -e first ] || { echo $$ >first; exec sleep 600; }
        [ "$2" = 1 ] || ! kill -0 "$(cat first)" 2>/dev/null || exit 7
        cat "$4" >>ports
        wc -c <"$SLUICE_CLUSTER_SECRET_FILE" >>secrets
        cat "$SLUICE_CLUSTER_SECRET_FILE" >>secrets
        ls -l "$SLUICE_CLUSTER_SECRET_FILE" | cut -c1-10 >>secrets"#;
    let output = cluster(folder.path(), &["2", "3", "job.toml", "--", "--rebuild"], program);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("1| broken") && said.contains("starting again in 1 s"), "{said}");
    let starts = std::fs::read_to_string(folder.path().join("starts")).expect("it was started");
    assert_eq!(starts.lines().count(), 4, "{starts}");
    for start in starts.lines() {
        assert!(
            start.starts_with("run job.toml --workers 3 --processes 2 --process ")
                && start.ends_with(" --rebuild"),
            "{start}"
        );
    }
    let ports = std::fs::read_to_string(folder.path().join("ports")).expect("there was a hostfile");
    let ports: Vec<&str> = ports.lines().collect();
    assert!(ports.len() == 4 && ports[0] != ports[1] && ports[..2] == ports[2..], "{ports:?}");
    let secrets =
        std::fs::read_to_string(folder.path().join("secrets")).expect("there was a secret");
    assert!(secrets.contains("64\n") && secrets.matches("-rw-------").count() == 2, "{secrets}");
}

#[test]
fn what_a_process_says_is_told_while_it_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    // Exit code 2 is not tried again.
    let program = r#"
        printf 'a line with \\ and * \nthe last one'
        tries=0
        while ! grep -q '^0| a line' said; do
            tries=$((tries + 1)); [ "$tries" -lt 1000 ] || exit 2; sleep 0.02
        done"#;
    let said = std::fs::File::create(folder.path().join("said")).expect("a file");
    let status = command(folder.path(), &["1", "1", "job.toml"], program)
        .stderr(said)
        .status()
        .expect("the script can be started");
    let said = text(&std::fs::read(folder.path().join("said")).expect("the file"));
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("0| a line with \\ and * \n0| the last one\n"), "{said}");
}

#[test]
fn a_wrong_configuration_is_not_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let real = program().get_program().to_string_lossy().into_owned();
    let output =
        cluster(folder.path(), &["1", "1", "missing.toml"], &format!("exec {real} \"$@\""));
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("missing.toml") && !said.contains("starting again"), "{said}");
    assert_eq!(cluster(folder.path(), &["0", "1", "job.toml"], "exit 0").status.code(), Some(2));
}

/// The process that knows why may not be the first to end.
#[test]
fn a_job_that_no_restart_can_help_is_not_started_again() {
    for code in [3, 4] {
        let folder = tempfile::tempdir().expect("a folder");
        let program = format!(
            r#"shift 6
            if [ "$2" = 1 ]; then touch lost; exit 1; fi
            while [ ! -e lost ]; do sleep 0.05; done
            sleep 0.3; exit {code}"#
        );
        let output = cluster(folder.path(), &["2", "1", "job.toml"], &program);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(!said.contains("starting again"), "{said}");
    }
}

/// A replay in two processes, of which each takes more arguments.
struct Pair {
    folder: tempfile::TempDir,
    hosts: [String; 2],
}

impl Pair {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let hosts = [ports::address(), ports::address()];
        std::fs::write(folder.path().join("hosts"), hosts.join("\n")).expect("a hostfile");
        std::fs::create_dir(folder.path().join("in")).expect("a folder");
        let purchases = "transaction_id,customer_id,timestamp,amount\n1,1,2024-03-01,2.55\n\
            2,2,2024-03-02,3.39\n";
        std::fs::write(folder.path().join("in/transactions.csv"), purchases).expect("a file");
        Pair { folder, hosts }
    }

    fn start(&self, process: usize, more: &[&str]) -> Child {
        self.start_as(program(), process, more)
    }

    /// With the program at the end of a command line.
    fn start_as(&self, mut command: Command, process: usize, more: &[&str]) -> Child {
        command.current_dir(self.folder.path()).args([
            "replay",
            "--input",
            "in",
            "--output",
            "out",
            "--processes",
            "2",
            "--hostfile",
            "hosts",
        ]);
        command
            .arg("--process")
            .arg(process.to_string())
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().expect("the program can be started")
    }

    /// Calls process 0 once it listens.
    fn call(&self) -> TcpStream {
        let mut socket = None;
        eventually("process 0 listens", || {
            socket = TcpStream::connect(&self.hosts[0]).ok();
            socket.is_some()
        });
        socket.expect("it listens")
    }

    /// A file for one of the processes.
    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("a file");
    }
}

fn ended(process: Child) -> (Option<i32>, String) {
    let output = process.wait_with_output().expect("it ends");
    (output.status.code(), text(&output.stderr))
}

#[test]
fn strangers_on_the_port_keep_no_process_from_the_others() {
    let pair = Pair::new();
    let first = pair.start(0, &[]);
    let mut silent = pair.call();
    drop(pair.call());
    for said in [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".as_slice(), &[0xff; 100_000]] {
        // It may be sent away before it has said all.
        drop(pair.call().write_all(said));
    }
    let second = pair.start(1, &[]);
    for (code, said) in [ended(first), ended(second)] {
        assert_eq!(code, Some(0), "{said}");
    }
    // Nobody waited for it.
    drop(silent.read_to_end(&mut Vec::new()));
    assert!(pair.folder.path().join("out/model.json").is_file());
}

#[test]
fn processes_that_do_not_fit_each_other_all_say_why() {
    let pair = Pair::new();
    pair.write("two.toml", "[input]\ndecimals = 2\n");
    pair.write(
        "three.toml",
        "job = \"other\"\n[input]\ndecimals = 3\n[kafka.topics]\nrewards = \"r\"\n",
    );
    for (zero, one, told) in [
        (["--workers", "1"], ["--workers", "2"], "workers is 1 in process 0 and 2 in process 1"),
        (["--as-of", "2024-03-05"], ["--as-of", "2024-03-06"], "--as-of is "),
        (
            ["--config", "two.toml"],
            ["--config", "three.toml"],
            "input.decimals is 2 in process 0 and 3 in process 1; job is campaign in process 0 and \
             other in process 1; kafka.topics.rewards is rewards in \
             process 0 and r in process 1",
        ),
    ] {
        let (zero, one) = (pair.start(0, &zero), pair.start(1, &one));
        for (code, said) in [ended(zero), ended(one)] {
            assert_eq!(code, Some(2), "{said}");
            assert!(
                said.contains("the processes of the job do not fit each other: ")
                    && said.contains(told)
                    && !said.contains("panicked"),
                "{said}"
            );
            assert_eq!(said.matches("error: ").count(), 1, "{said}");
        }
    }
}

#[test]
fn without_the_secret_there_is_no_way_in_and_on_a_network_none_without_one() {
    let pair = Pair::new();
    for name in ["one", "other"] {
        pair.write(name, &name.repeat(20));
        pair.write(&format!("{name}.toml"), &format!("[cluster]\nsecret_file = \"{name}\"\n"));
    }
    let first = pair.start(0, &["--config", "one.toml"]);
    let (code, said) = ended(pair.start(1, &["--config", "other.toml"]));
    assert!(
        code == Some(2)
            && said.contains(&format!("the process at {} has another secret", pair.hosts[0])),
        "{code:?} {said}"
    );
    assert!(!said.contains("otherother"), "{said}");
    // The first one waits for the right one.
    for (code, said) in [ended(pair.start(1, &["--config", "one.toml"])), ended(first)] {
        assert_eq!(code, Some(0), "{said}");
    }
    pair.write("hosts", "10.0.0.1:2101\n10.0.0.2:2101\n");
    let (code, said) = ended(pair.start(1, &[]));
    assert!(
        code == Some(2) && said.contains("others can reach 10.0.0.1:2101: set cluster.secret_file"),
        "{code:?} {said}"
    );
}

/// Two hosts with a cable between them, as namespaces of this machine.
struct Network([String; 2]);

impl Network {
    /// `None` where the machine does not allow it.
    fn new() -> Option<Self> {
        let network = Network([0, 1].map(|host| format!("sluice-{}-{host}", std::process::id())));
        let [one, other] = &network.0;
        let made = network.0.iter().all(|host| ip(&["netns", "add", host]));
        let cable = [
            "link", "add", "cable", "netns", one, "type", "veth", "peer", "name", "cable", "netns",
            other,
        ];
        if !made || !ip(&cable) {
            eprintln!("left out: this machine has no network namespaces, or not for this user");
            return None;
        }
        for (host, address) in [(one, "10.77.0.1/24"), (other, "10.77.0.2/24")] {
            assert!(
                ip(&["-n", host, "addr", "add", address, "dev", "cable"])
                    && ip(&["-n", host, "link", "set", "cable", "up"])
            );
        }
        Some(network)
    }

    /// A command on one of the hosts.
    fn on(&self, host: usize, program: &std::ffi::OsStr) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0[host]]).arg(program);
        command
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for host in &self.0 {
            // One that was never made is gone already.
            ip(&["netns", "del", host]);
        }
    }
}

fn ip(arguments: &[&str]) -> bool {
    Command::new("ip")
        .args(arguments)
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[test]
fn processes_on_two_hosts_meet_whoever_else_calls() {
    let Some(network) = Network::new() else { return };
    let pair = Pair::new();
    pair.write("hosts", "10.77.0.1:2101\n10.77.0.2:2101\n");
    pair.write("secret", "as long as a secret has to be");
    pair.write("job.toml", "[cluster]\nsecret_file = \"secret\"\n");
    let start = |process: usize| {
        pair.start_as(
            network.on(process, program().get_program()),
            process,
            &["--config", "job.toml"],
        )
    };
    let first = start(0);
    let stranger = || {
        let calls = "exec 3<>/dev/tcp/10.77.0.1/2101 && head -c 5000 /dev/zero >&3";
        network
            .on(1, "bash".as_ref())
            .args(["-c", calls])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    eventually("a stranger reaches process 0", stranger);
    for (code, said) in [ended(start(1)), ended(first)] {
        assert_eq!(code, Some(0), "{said}");
    }
}
