//! `sluice check`: validates a configuration and its connections without starting, and names every fault at once.

use super::error::ProgramError;
use super::{GlobalArgs, load, print, print_json, progress};
use crate::checkpoint::{CheckpointError, Location};
use crate::config::fault::Fault;
use crate::config::load::Loaded;
use crate::kafka::{KafkaSettings, admin};
use crate::postgres::{PostgresError, Target};
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Flags of `sluice check`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice check sluice.toml           faults of the configuration and of its connections
  sluice check sluice.toml --json    the same for programs")]
pub struct CheckArgs {
    /// Configuration file
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
}

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Something outside that the job will need.
pub trait Probe: Send {
    /// What it is.
    fn name(&self) -> &'static str;
    /// Where it is, without secrets.
    fn target(&self) -> String;
    /// Tries it: what was found, or why it cannot be used. It may take as long as it likes; `check` waits for [`PATIENCE`].
    fn probe(&self) -> Result<String, String>;
}

/// What became of a probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Connection {
    /// What it is.
    pub name: &'static str,
    /// Where it is.
    pub target: String,
    /// Whether it can be used.
    pub ok: bool,
    /// What was found, or why it cannot be used.
    pub detail: String,
}

/// Everything that `check` found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether there is nothing to mend.
    pub ok: bool,
    /// What is wrong with the configuration.
    pub faults: Vec<Fault>,
    /// What is odd about it.
    pub warnings: Vec<String>,
    /// What became of its connections. Those whose section has a fault are not tried.
    pub connections: Vec<Connection>,
}

/// Checks a configuration.
///
/// # Errors
/// There is a fault, or standard output cannot be written.
pub fn run(args: &CheckArgs, global: &GlobalArgs) -> Result<(), ProgramError> {
    let mut loaded = load(Some(&args.config), &global.overrides());
    crate::telemetry::logging::start(&loaded.config.log);
    let needed = loaded.config.faults_for_run();
    loaded.add_faults(needed);
    let report = report(loaded.faults.clone(), loaded.warnings.clone(), probe_all(probes(&loaded), PATIENCE));
    match global.json {
        true => print_json(&serde_json::json!(report))?,
        false => print(&report.to_text(&args.config))?,
    }
    match report.ok {
        true => Ok(()),
        false => Err(ProgramError::Check {
            configuration: report.faults.len(),
            connections: report.connections.iter().filter(|connection| !connection.ok).count(),
        }),
    }
}

fn report(faults: Vec<Fault>, warnings: Vec<String>, connections: Vec<Connection>) -> Report {
    Report { ok: faults.is_empty() && connections.iter().all(|connection| connection.ok), faults, warnings, connections }
}

impl Report {
    /// The report for a person, a line for each finding.
    fn to_text(&self, path: &Path) -> String {
        let mut lines = vec![match self.faults.len() {
            0 => format!("ok    {}", path.display()),
            1 => format!("FAULT {}: 1 fault", path.display()),
            count => format!("FAULT {}: {count} faults", path.display()),
        }];
        lines.extend(self.faults.iter().map(|fault| format!("        {fault}")));
        lines.extend(self.warnings.iter().map(|warning| format!("odd   {warning}")));
        let word = |ok| if ok { "ok   " } else { "FAULT" };
        lines.extend(self.connections.iter().map(|c| format!("{} {} {}: {}", word(c.ok), c.name, c.target, c.detail)));
        lines.join("\n")
    }
}

/// What the job would connect to, as far as the configuration of it has no fault.
fn probes(loaded: &Loaded) -> Vec<Box<dyn Probe>> {
    let mut probes: Vec<Box<dyn Probe>> = Vec::new();
    let config = &loaded.config;
    if let (false, false, Ok(target)) = (loaded.is_faulty("postgres"), config.postgres.url.is_empty(), config.postgres.target()) {
        probes.push(Box::new(PostgresProbe { shown: config.postgres.url.to_string(), target }));
    }
    if let (false, Some(path)) = (loaded.is_faulty("files"), config.files.dir.clone()) {
        probes.push(Box::new(DirectoryProbe { name: "files", path }));
    }
    if !loaded.is_faulty("checkpoint") && !loaded.is_faulty("postgres") && !loaded.is_faulty("job") {
        probes.extend(progress::probe(config));
    }
    if !loaded.is_faulty("kafka") && !loaded.config.kafka.brokers.is_empty() {
        probes.push(Box::new(KafkaProbe { settings: loaded.config.kafka_settings() }));
    }
    if !loaded.is_faulty("checkpoint") {
        probes.push(match &loaded.config.checkpoint.dir {
            Location::Folder(path) => Box::new(DirectoryProbe { name: "checkpoints", path: path.clone() }),
            Location::Url(_) => Box::new(ObjectStoreProbe { location: loaded.config.checkpoint.dir.clone() }),
        });
    }
    probes
}

/// The brokers, and the topics of the job.
struct KafkaProbe {
    settings: KafkaSettings,
}

impl Probe for KafkaProbe {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn target(&self) -> String {
        self.settings.brokers.clone()
    }

    fn probe(&self) -> Result<String, String> {
        admin::check(&self.settings).map_err(|problems| problems.join("; "))?;
        let partitions = admin::partitions(&self.settings).map_err(|error| error.to_string())?;
        let warnings = admin::warnings(&self.settings).map_err(|error| error.to_string())?;
        let found = format!("{} topics with {} partitions", partitions.len(), partitions.values().map(Vec::len).sum::<usize>());
        Ok([vec![found], warnings].concat().join("; "))
    }
}

/// Tries all at once, and gives up on those that do not answer in time: their threads end with the program.
fn probe_all(probes: Vec<Box<dyn Probe>>, patience: Duration) -> Vec<Connection> {
    let deadline = Instant::now() + patience;
    let start = |probe: Box<dyn Probe>| {
        let (name, target) = (probe.name(), probe.target());
        let (answer, answered) = mpsc::channel();
        std::thread::spawn(move || answer.send(probe.probe()));
        (name, target, answered)
    };
    let started: Vec<_> = probes.into_iter().map(start).collect();
    let wait = |(name, target, answered): (&'static str, String, mpsc::Receiver<Result<String, String>>)| {
        let answer = answered.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {} s", patience.as_secs())));
        Connection { name, target, ok: answer.is_ok(), detail: answer.unwrap_or_else(|problem| problem) }
    };
    started.into_iter().map(wait).collect()
}

/// Connects to PostgreSQL and asks for its version.
struct PostgresProbe {
    shown: String,
    target: Target,
}

impl Probe for PostgresProbe {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    fn target(&self) -> String {
        self.shown.clone()
    }

    fn probe(&self) -> Result<String, String> {
        let version = || -> Result<String, PostgresError> {
            let mut target = self.target.clone();
            target.config_mut().connect_timeout(PATIENCE);
            let row = target.connect()?.query_one("SHOW server_version", &[]);
            Ok(row.map_err(PostgresError::statement("tell its version"))?.get(0))
        };
        version().map(|version| format!("version {version}")).map_err(|error| error.to_string())
    }
}

/// Makes sure that a directory is there, or can be made, and takes files.
struct DirectoryProbe {
    name: &'static str,
    path: PathBuf,
}

impl Probe for DirectoryProbe {
    fn name(&self) -> &'static str {
        self.name
    }

    fn target(&self) -> String {
        self.path.display().to_string()
    }

    fn probe(&self) -> Result<String, String> {
        let absolute = std::path::absolute(&self.path).map_err(|error| error.to_string())?;
        let existing = absolute.ancestors().find(|path| path.exists()).ok_or_else(|| "no part of the path exists".to_string())?;
        let trial = existing.join(format!(".sluice-check-{}", std::process::id()));
        let written = std::fs::write(&trial, b"").and_then(|()| std::fs::remove_file(&trial));
        written.map_err(|error| format!("cannot write in {}: {error}", existing.display()))?;
        Ok(if existing == absolute { "can be written" } else { "can be made" }.to_string())
    }
}

/// Makes sure that an object store takes files and gives them back.
struct ObjectStoreProbe {
    location: Location,
}

impl Probe for ObjectStoreProbe {
    fn name(&self) -> &'static str {
        "checkpoints"
    }

    fn target(&self) -> String {
        self.location.to_string()
    }

    fn probe(&self) -> Result<String, String> {
        let trial = format!(".sluice-check-{}", std::process::id());
        let tried = move || {
            let store = self.location.open()?;
            store.put(&[(trial.clone(), bytes::Bytes::from_static(b"?"))])?;
            store.get(&trial, 1)?;
            store.delete(&[trial])
        };
        tried().map(|()| "can be written and read".to_string()).map_err(|error: CheckpointError| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::fault::Origin;

    struct Fixed(Result<String, String>);

    impl Probe for Fixed {
        fn name(&self) -> &'static str {
            "fixed"
        }
        fn target(&self) -> String {
            "here".to_string()
        }
        fn probe(&self) -> Result<String, String> {
            self.0.clone()
        }
    }

    /// Answers only when its other end is gone, which the test keeps until it is over.
    struct Mute(mpsc::Receiver<()>);

    impl Probe for Mute {
        fn name(&self) -> &'static str {
            "mute"
        }
        fn target(&self) -> String {
            "there".to_string()
        }
        fn probe(&self) -> Result<String, String> {
            let _ = self.0.recv();
            Ok(String::new())
        }
    }

    #[test]
    fn every_connection_is_named_and_a_mute_one_is_given_up() {
        let (_held, mute) = mpsc::channel();
        let probes: Vec<Box<dyn Probe>> =
            vec![Box::new(Mute(mute)), Box::new(Fixed(Err("refused".to_string()))), Box::new(Fixed(Ok("fine".to_string())))];
        let found = probe_all(probes, Duration::from_millis(50));
        let words: Vec<_> = found.iter().map(|c| (c.name, c.ok, c.detail.as_str())).collect();
        assert_eq!(words[0], ("mute", false, "no answer within 0 s"));
        assert_eq!(words[1..], [("fixed", false, "refused"), ("fixed", true, "fine")]);
    }

    #[test]
    fn a_report_names_every_fault() {
        let origin = Origin::File { path: "sluice.toml".into(), line: 2 };
        let fault =
            Fault { key: "workers".to_string(), value: Some("0".to_string()), origin, problem: "expected a whole number from 1 to 1024".to_string() };
        let refused =
            Connection { name: "PostgreSQL", target: "postgres://a:***@b/c".to_string(), ok: false, detail: "connection refused".to_string() };
        let report = report(vec![fault], vec!["SLUICE_X is set, but no key has this variable".to_string()], vec![refused]);
        insta::assert_snapshot!(report.to_text(Path::new("sluice.toml")), @r"
        FAULT sluice.toml: 1 fault
                workers = 0 (sluice.toml line 2): expected a whole number from 1 to 1024
        odd   SLUICE_X is set, but no key has this variable
        FAULT PostgreSQL postgres://a:***@b/c: connection refused
        ");
        let json = serde_json::json!(report);
        assert_eq!((&json["ok"], &json["faults"][0]["key"], &json["connections"][0]["ok"]), (&false.into(), &"workers".into(), &false.into()));
    }

    #[test]
    fn a_directory_that_can_be_made_is_fine_and_a_file_is_not() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let probe = |path: PathBuf| DirectoryProbe { name: "files", path }.probe();
        assert_eq!(probe(dir.path().to_path_buf()), Ok("can be written".to_string()));
        assert_eq!(probe(dir.path().join("a/b")), Ok("can be made".to_string()));
        std::fs::write(dir.path().join("file"), b"").expect("writing");
        assert!(probe(dir.path().join("file")).is_err());
        assert_eq!(std::fs::read_dir(dir.path()).expect("reading").count(), 1, "the trial is gone");
    }

    #[test]
    fn a_closed_port_is_a_fault_with_its_cause() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        drop(listener);
        let target = Target::at(&format!("postgres://sluice@127.0.0.1:{port}/sluice")).expect("an address");
        let problem = PostgresProbe { shown: String::new(), target }.probe().expect_err("nothing listens");
        assert!(problem.contains("refused"), "{problem}");
    }
}
