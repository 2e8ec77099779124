//! `sluice verify`: everything once more from the topics, compared with what the running job has
//! written.

use super::dataflow;
use super::error::ProgramError;
use super::{GlobalArgs, load, overrides, print, print_json, warn};
use crate::engine::verify::{Removed, Since, Verdict};
use crate::postgres::comparison::{Difference, Findings};
use crate::telemetry::logging;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Flags of `sluice verify`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Reads the topics from where the job began, cuts them into the epochs that it has \
        recorded, and compares every digest and every row of \
its tables. Nothing of the job is written, and while it runs it goes on undisturbed: what it \
commits meanwhile is not looked at. While it lasts, one \
transaction that reads is open, as with a dump of the database. Exit code 1 when something \
differs; table, key and column of it are named.

Where nothing differs, the state after the last epoch and the rows of the tables are left below \
checkpoint.dir, in kind=verified. With --since last the \
next one goes on from there: records of before are not read again, rows of before are compared as \
all others. It leaves its own in turn, so a job of a \
year can be verified each night, whatever settings it takes over meanwhile. That a topic no longer \
holds what it held, only one without --since can tell.

Where the first records or epochs are gone and no verification was left, --since oldest begins at \
the oldest checkpoint of the job from which everything \
is there. What is in that checkpoint is taken on trust, and a row that was last written before it \
is not compared; how many there are is told. What it \
leaves can be gone on from in turn, unless a verification is there that can be gone on from and \
has taken nothing on trust: that stays. When a verification cannot begin where it was to begin, \
where one can is \
looked for and told.

Not compared are the instants at which rows were written, ids that only count, and what people may \
edit (model_versions.pinned, \
roi_inputs). In memory it needs what the job needs, and about 300 bytes an interaction and 400 \
bytes a customer beside that.

Examples:
  sluice verify sluice.toml
  sluice verify sluice.toml --since last
  sluice verify sluice.toml --since oldest
  sluice verify sluice.toml --workers 4 --json"
)]
pub struct VerifyArgs {
    /// Configuration file of the job
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// Name of the job, under which its progress is kept
    #[arg(long, value_name = "NAME", env = "SLUICE_JOB", hide_env_values = true)]
    pub job: Option<String>,
    /// Worker threads [default: 1]
    #[arg(short, long, value_name = "N", env = "SLUICE_WORKERS", hide_env_values = true)]
    pub workers: Option<String>,
    /// Go on from the verification before (`last`), begin at the oldest checkpoint (`oldest`), or
    /// at the verification or checkpoint of an epoch
    #[arg(long, value_name = "EPOCH", env = "SLUICE_VERIFY_SINCE", hide_env_values = true)]
    pub since: Option<Since>,
}

/// Verifies the job and prints what differs.
///
/// # Errors
/// The configuration is wrong, it cannot be computed again, or something differs.
pub fn run(args: &VerifyArgs, global: &GlobalArgs) -> Result<(), ProgramError> {
    let flags = overrides([("job", "--job", &args.job), ("workers", "--workers", &args.workers)]);
    let mut loaded = load(Some(&args.config), &[global.overrides(), flags].concat());
    let needed = loaded.config.faults_for_verify();
    loaded.add_faults(needed);
    warn(&loaded);
    let config = loaded.accept()?;
    logging::start(&config.log);
    let verdict = dataflow::of(&config).verify(&config, args.since)?;
    match global.json {
        true => print_json(&to_json(&verdict))?,
        false => print(&describe(&verdict))?,
    }
    match verdict.differences() {
        0 => Ok(()),
        differences => {
            Err(ProgramError::Differs { differences, tables: differing(&verdict).count() })
        }
    }
}

fn differing(verdict: &Verdict) -> impl Iterator<Item = &Findings> {
    verdict.findings.iter().filter(|findings| findings.total > 0)
}

fn describe(verdict: &Verdict) -> String {
    let Verdict { job, epoch, since, took, .. } = verdict;
    let seconds = took.as_secs_f64();
    if verdict.differences() == 0 {
        let (rows, tables) = (verdict.rows(), verdict.findings.len());
        let computed = epoch - since;
        let epochs = if *since > 0 {
            format!("{computed} epochs since epoch {since}")
        } else {
            format!("{computed} epochs")
        };
        let line = format!(
            "job `{job}` is what its records give: {epochs}, {rows} rows of {tables} tables \
             compared in {seconds:.1} s"
        );
        return removed(verdict)
            .into_iter()
            .chain(trusted(verdict))
            .chain([line])
            .collect::<Vec<_>>()
            .join("\n");
    }
    let mut lines = Vec::new();
    for findings in differing(verdict) {
        lines.extend(findings.named.iter().map(|difference| line(findings.table, difference)));
        let more = findings.total - findings.named.len() as u64;
        if more > 0 {
            lines.push(format!("{}: and {more} more", findings.table));
        }
    }
    lines.extend(removed(verdict));
    lines.extend(trusted(verdict));
    lines.extend(verdict.incomplete.clone());
    lines.push(format!("job `{job}` as of epoch {epoch}, compared in {seconds:.1} s"));
    lines.join("\n")
}

/// What cannot be told, and why.
fn removed(verdict: &Verdict) -> Option<String> {
    let Removed { records, from } = verdict.removed.as_ref()?;
    let of = records
        .iter()
        .map(|(topic, records)| format!("{records} records of `{topic}`"))
        .collect::<Vec<_>>()
        .join(" and ");
    Some(format!(
        "{of} that the job has read are no longer there, for the topic is compacted: digests, \
         models and decisions of epochs from {from} on, and contexts and \
         features of customers with newer records, cannot be told; {} values that differ there are \
         passed over",
        verdict.untold()
    ))
}

/// What is taken on trust.
fn trusted(verdict: &Verdict) -> Option<String> {
    let epoch = verdict.trusted?;
    let begins = if verdict.since == epoch {
        "it begins"
    } else {
        "the first of the verifications that it goes on from began"
    };
    let rows = verdict.uncompared();
    Some(format!(
        "{begins} at the checkpoint of epoch {epoch}, which no verification has reached: what is \
         in it is taken on trust, and {rows} rows that were last \
         written before are not compared"
    ))
}

fn line(table: &str, Difference { key, column, expected, found }: &Difference) -> String {
    match (column, expected, found) {
        (Some(column), Some(expected), Some(found)) => {
            format!("{table}: {key}: {column} should be {expected} and is {found}")
        }
        (_, Some(_), _) => format!("{table}: {key}: is missing"),
        _ => format!("{table}: {key}: should not be there"),
    }
}

fn to_json(verdict: &Verdict) -> serde_json::Value {
    let removed = verdict
        .removed
        .as_ref()
        .map(|removed| json!({ "records": removed.records, "from_epoch": removed.from }));
    json!({
        "ok": verdict.differences() == 0,
        "job": verdict.job,
        "epoch": verdict.epoch,
        "since_epoch": Some(verdict.since).filter(|since| *since > 0),
        "trusted_through_epoch": verdict.trusted,
        "uncompared_rows": verdict.uncompared(),
        "differences": verdict.differences(),
        "tables": verdict.findings,
        "removed": removed,
        "untold": verdict.untold(),
        "incomplete": verdict.incomplete,
        "seconds": verdict.took.as_secs_f64(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// One without a difference, of a table with seven rows.
    fn sound() -> Verdict {
        Verdict {
            job: "campaign".to_string(),
            epoch: 3,
            since: 0,
            trusted: None,
            findings: vec![features()],
            removed: None,
            incomplete: None,
            took: Duration::from_millis(1_250),
        }
    }

    fn features() -> Findings {
        Findings { rows: 7, ..Findings::new("customer_features") }
    }

    #[test]
    fn a_verdict_reads_well() {
        assert_eq!(
            describe(&sound()),
            "job `campaign` is what its records give: 3 epochs, 7 rows of 1 tables compared in 1.2 \
             s"
        );
        let nightly = describe(&Verdict { epoch: 12, since: 3, ..sound() });
        assert!(nightly.contains(": 9 epochs since epoch 3, 7 rows"), "{nightly}");
        let mut features = features();
        features.untold = 4;
        features.differs("customer_id 5", "monetary", "12.5".to_string(), "13".to_string());
        features.is_missing(|| "customer_id 6".to_string());
        features.is_surplus(|| "customer_id 7".to_string());
        features.total += 10;
        let different = Verdict { findings: vec![features], ..sound() };
        let expected = "customer_features: customer_id 5: monetary should be 12.5 and is 13
customer_features: customer_id 6: is missing
customer_features: customer_id 7: should not be there
customer_features: and 10 more
job `campaign` as of epoch 3, compared in 1.2 s";
        assert_eq!(describe(&different), expected);
        assert_eq!(to_json(&different)["tables"][0]["named"][0]["column"], "monetary");
    }

    #[test]
    fn a_verdict_says_what_it_takes_on_trust() {
        let begun = Findings { trusted: 5, ..features() };
        let begun =
            Verdict { epoch: 12, since: 3, trusted: Some(3), findings: vec![begun], ..sound() };
        let (said, told) = (describe(&begun), to_json(&begun));
        assert!(
            said.starts_with(
                "it begins at the checkpoint of epoch 3, which no verification has reached"
            ) && said.contains("5 rows"),
            "{said}"
        );
        assert!(
            describe(&Verdict { since: 7, ..begun })
                .contains("goes on from began at the checkpoint of epoch 3")
        );
        assert_eq!(
            (&told["trusted_through_epoch"], &told["uncompared_rows"]),
            (&json!(3), &json!(5))
        );
    }

    #[test]
    fn a_verdict_says_what_cannot_be_told_any_more() {
        let removed = Removed {
            records: std::collections::BTreeMap::from([("profiles".to_string(), 2)]),
            from: 9,
        };
        let untold = Findings { untold: 4, ..features() };
        let lacking = Verdict { findings: vec![untold], removed: Some(removed), ..sound() };
        let (said, told) = (describe(&lacking), to_json(&lacking));
        assert!(
            said.starts_with("2 records of `profiles` that the job has read are no longer there")
                && said.contains("from 9 on"),
            "{said}"
        );
        assert!(said.contains("4 values") && said.ends_with("compared in 1.2 s"), "{said}");
        assert_eq!(
            (&told["ok"], &told["removed"]["records"]["profiles"], &told["untold"]),
            (&json!(true), &json!(2), &json!(4))
        );
    }
}
