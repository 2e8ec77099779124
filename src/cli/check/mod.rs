//! `sluice check`: validates a configuration and its connections without starting, and names every
//! fault at once.

mod database;
mod places;
mod progress;
mod topics;

use super::error::ProgramError;
use super::{GlobalArgs, load, print, print_json};
use crate::cli::check::database::DatabaseProbe;
use crate::cli::check::places::{DirectoryProbe, ObjectStoreProbe};
use crate::cli::check::topics::KafkaProbe;
use crate::config::fault::Fault;
use crate::config::load::Loaded;
use crate::config::location::Location;
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

/// How much longer a probe is waited for, which may have to say why a connection took as long.
const GRACE: Duration = Duration::from_secs(3);

/// Something outside that the job will need.
pub trait Probe: Send {
    /// What it is.
    fn name(&self) -> &'static str;
    /// Where it is, without secrets.
    fn target(&self) -> String;
    /// Tries it. It may take as long as it likes; `check` waits for [`PATIENCE`] and a little.
    fn probe(&self) -> Vec<Finding>;
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It is as it should be.
    Ok,
    /// The job runs, and something else will not be as it should.
    Warn,
    /// The job cannot run.
    Fault,
}

impl Level {
    /// As it begins a line.
    fn word(self) -> &'static str {
        match self {
            Level::Ok => "ok   ",
            Level::Warn => "warn ",
            Level::Fault => "FAULT",
        }
    }
}

/// One thing that a probe has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// What was found, or what is wrong and what to do.
    pub detail: String,
}

impl Finding {
    /// It is as it should be.
    pub fn ok(detail: impl Into<String>) -> Self {
        Finding { level: Level::Ok, detail: detail.into() }
    }

    /// Something will not be as it should.
    pub fn warn(detail: impl Into<String>) -> Self {
        Finding { level: Level::Warn, detail: detail.into() }
    }

    /// The job cannot run.
    pub fn fault(detail: impl Into<String>) -> Self {
        Finding { level: Level::Fault, detail: detail.into() }
    }
}

/// One finding of a probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProbeResult {
    /// What it is.
    pub name: &'static str,
    /// Where it is.
    pub target: String,
    /// Whether it can be used.
    pub ok: bool,
    /// How much it matters.
    pub level: Level,
    /// What was found, or what is wrong and what to do.
    pub detail: String,
}

/// Everything that `check` found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Whether there is nothing to mend.
    pub ok: bool,
    /// The exit code of the program.
    pub exit_code: u8,
    /// What is wrong, in a sentence.
    pub error: Option<String>,
    /// What is wrong with the configuration.
    pub faults: Vec<Fault>,
    /// What is odd about it.
    pub warnings: Vec<String>,
    /// What became of its connections. Those whose section has a fault are not tried.
    pub connections: Vec<ProbeResult>,
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
    let report = report(
        loaded.faults.clone(),
        loaded.warnings.clone(),
        probe_all(probes(&loaded), PATIENCE + GRACE),
    );
    match global.json {
        true => print_json(&serde_json::json!(report))?,
        false => print(&report.to_text(&args.config))?,
    }
    report.error().map_or(Ok(()), Err)
}

fn report(faults: Vec<Fault>, warnings: Vec<String>, connections: Vec<ProbeResult>) -> CheckReport {
    let report = CheckReport { ok: true, exit_code: 0, error: None, faults, warnings, connections };
    match report.error() {
        None => report,
        Some(error) => CheckReport {
            ok: false,
            exit_code: error.code(),
            error: Some(error.to_string()),
            ..report
        },
    }
}

impl CheckReport {
    /// How the program ends with it.
    fn error(&self) -> Option<ProgramError> {
        let (configuration, connections) = (
            self.faults.len(),
            self.connections.iter().filter(|connection| !connection.ok).count(),
        );
        (configuration + connections > 0)
            .then_some(ProgramError::Check { configuration, connections })
    }

    /// The report for a person, a line for each finding.
    fn to_text(&self, path: &Path) -> String {
        let mut lines = vec![match self.faults.len() {
            0 => format!("ok    {}", path.display()),
            1 => format!("FAULT {}: 1 fault", path.display()),
            count => format!("FAULT {}: {count} faults", path.display()),
        }];
        lines.extend(self.faults.iter().map(|fault| format!("        {fault}")));
        lines.extend(
            self.warnings.iter().map(|warning| format!("{} {warning}", Level::Warn.word())),
        );
        lines.extend(
            self.connections
                .iter()
                .map(|c| format!("{} {} {}: {}", c.level.word(), c.name, c.target, c.detail)),
        );
        lines.join("\n")
    }
}

/// What the job would connect to, as far as the configuration of it has no fault.
fn probes(loaded: &Loaded) -> Vec<Box<dyn Probe>> {
    let mut probes: Vec<Box<dyn Probe>> = Vec::new();
    let config = &loaded.config;
    if !loaded.is_faulty("postgres") && !config.postgres.url.is_empty() {
        probes.push(Box::new(DatabaseProbe {
            shown: config.postgres.url.to_string(),
            settings: config.postgres_address(),
        }));
    }
    if let (false, Some(path)) = (loaded.is_faulty("files"), config.files.dir.clone()) {
        probes.push(Box::new(DirectoryProbe { name: "files", path }));
    }
    if !loaded.is_faulty("checkpoint") && !loaded.is_faulty("postgres") && !loaded.is_faulty("job")
    {
        probes.extend(progress::probe(config));
    }
    if !loaded.is_faulty("kafka") && !loaded.config.kafka.brokers.is_empty() {
        probes.push(Box::new(KafkaProbe { settings: loaded.config.kafka_settings() }));
    }
    if !loaded.is_faulty("checkpoint") {
        probes.push(match &loaded.config.checkpoint.dir {
            Location::Folder(path) => {
                Box::new(DirectoryProbe { name: "checkpoints", path: path.clone() })
            }
            Location::Url(_) => {
                Box::new(ObjectStoreProbe { location: loaded.config.checkpoint.dir.clone() })
            }
        });
    }
    probes
}

/// Tries all at once, and gives up on those that do not answer in time: their threads end with the
/// program.
fn probe_all(probes: Vec<Box<dyn Probe>>, patience: Duration) -> Vec<ProbeResult> {
    let deadline = Instant::now() + patience;
    let start = |probe: Box<dyn Probe>| {
        let (name, target) = (probe.name(), probe.target());
        let (answer, answered) = mpsc::channel();
        std::thread::spawn(move || answer.send(probe.probe()));
        (name, target, answered)
    };
    let started: Vec<_> = probes.into_iter().map(start).collect();
    let wait = |(name, target, answered): (&'static str, String, mpsc::Receiver<Vec<Finding>>)| {
        let answer = answered.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        let found = answer.unwrap_or_else(|_| {
            vec![Finding::fault(format!("no answer within {} s", patience.as_secs()))]
        });
        found.into_iter().map(move |Finding { level, detail }| ProbeResult {
            name,
            target: target.clone(),
            ok: level != Level::Fault,
            level,
            detail,
        })
    };
    started.into_iter().flat_map(wait).collect()
}

#[cfg(test)]
mod tests;
