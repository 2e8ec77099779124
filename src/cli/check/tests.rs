//! Reports of connections and faults.

use super::*;
use crate::config::fault::ValueSource;

struct Fixed(Finding);

impl Probe for Fixed {
    fn name(&self) -> &'static str {
        "fixed"
    }
    fn target(&self) -> String {
        "here".to_string()
    }
    fn probe(&self) -> Vec<Finding> {
        vec![self.0.clone(), Finding::warn("old")]
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
    fn probe(&self) -> Vec<Finding> {
        let _ = self.0.recv();
        Vec::new()
    }
}

#[test]
fn every_connection_is_named_and_a_mute_one_is_given_up() {
    let (_held, mute) = mpsc::channel();
    let probes: Vec<Box<dyn Probe>> = vec![
        Box::new(Mute(mute)),
        Box::new(Fixed(Finding::fault("refused"))),
        Box::new(Fixed(Finding::ok("fine"))),
    ];
    let found = probe_all(probes, Duration::from_millis(50));
    let words: Vec<_> = found.iter().map(|c| (c.name, c.ok, c.detail.as_str())).collect();
    assert_eq!(words[0], ("mute", false, "no answer within 0 s"));
    assert_eq!(
        words[1..],
        [
            ("fixed", false, "refused"),
            ("fixed", true, "old"),
            ("fixed", true, "fine"),
            ("fixed", true, "old")
        ]
    );
}

#[test]
fn a_report_names_every_fault() {
    let origin = ValueSource::File { path: "sluice.toml".into(), line: 2 };
    let fault = Fault {
        key: "workers".to_string(),
        value: Some("0".to_string()),
        origin,
        problem: "expected a whole number from 1 to 1024".to_string(),
    };
    let refused = ProbeResult {
        name: "PostgreSQL",
        target: "postgres://a:***@b/c".to_string(),
        ok: false,
        level: Level::Fault,
        detail: "connection refused".to_string(),
    };
    let warned = ProbeResult {
        ok: true,
        level: Level::Warn,
        detail: "its clock is late".to_string(),
        ..refused.clone()
    };
    let report = report(
        vec![fault],
        vec!["SLUICE_X is set, but no key has this variable".to_string()],
        vec![refused, warned],
    );
    insta::assert_snapshot!(report.to_text(Path::new("sluice.toml")), @r"
        FAULT sluice.toml: 1 fault
                workers = 0 (sluice.toml line 2): expected a whole number from 1 to 1024
        warn  SLUICE_X is set, but no key has this variable
        FAULT PostgreSQL postgres://a:***@b/c: connection refused
        warn  PostgreSQL postgres://a:***@b/c: its clock is late
        ");
    let json = serde_json::json!(report);
    assert_eq!(
        (&json["ok"], &json["faults"][0]["key"], &json["connections"][0]["level"]),
        (&false.into(), &"workers".into(), &"fault".into())
    );
    assert_eq!(
        (&json["exit_code"], json["error"].as_str().map(|error| error.contains("1 fault"))),
        (&2.into(), Some(true))
    );
}
