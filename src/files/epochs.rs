//! Offsets and recorded epochs as people and the database write them: JSON, by the names of the
//! topics.

use super::error::FileError;
use crate::units::parse_instant;
use dataflows::event::Millis;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Next offset of each partition of each topic, by name.
pub type NamedOffsets = BTreeMap<String, BTreeMap<u32, u64>>;

/// An epoch as the table `epochs` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedEpoch {
    /// Which.
    pub epoch: u64,
    /// Its watermark.
    pub watermark: Option<Millis>,
    /// Where its partitions stood at its end.
    pub offsets: NamedOffsets,
}

#[derive(Deserialize)]
struct Line {
    epoch: u64,
    #[serde(default)]
    identity: Option<String>,
    #[serde(default)]
    watermark: Value,
    offsets: NamedOffsets,
}

/// Reads offsets from a file of one JSON object such as `{"transactions": {"0": 17}}`.
///
/// # Errors
/// The file cannot be read, or is not of that form.
pub fn read_offsets(path: &Path) -> Result<NamedOffsets, FileError> {
    let bytes = read(path)?;
    serde_json::from_slice(&bytes).map_err(|error| FileError::Line {
        path: path.to_path_buf(),
        line: error.line() as u64,
        problem: error.to_string(),
    })
}

/// Reads epochs from JSON lines such as `{"epoch": 1, "watermark": "2024-03-01T00:00:00Z",
/// "offsets": {"transactions": {"0": 17}}}`; other fields are passed over. They must be in order,
/// from the first on, and of one history, as far as they say of which.
///
/// # Errors
/// The file cannot be read, or a line is not of that form.
pub fn read_epochs(path: &Path) -> Result<Vec<NamedEpoch>, FileError> {
    let bytes = read(path)?;
    parse(&bytes).map_err(|(line, problem)| FileError::Line {
        path: path.to_path_buf(),
        line,
        problem,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    std::fs::read(path).map_err(|source| FileError::Read {
        path: path.to_path_buf(),
        position: 0,
        source,
    })
}

/// The epochs, or the line that is wrong and why.
fn parse(bytes: &[u8]) -> Result<Vec<NamedEpoch>, (u64, String)> {
    let mut epochs = Vec::new();
    let mut history: Option<(u64, String)> = None;
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let Line { epoch, identity, watermark, offsets } =
            serde_json::from_slice(line).map_err(|error| (number, error.to_string()))?;
        let wanted = epochs.len() as u64 + 1;
        if epoch != wanted {
            return Err((
                number,
                format!(
                    "expected epoch {wanted}, not {epoch}: epochs must be in order, from the first \
                     on"
                ),
            ));
        }
        match (&history, identity) {
            (Some((first, of)), Some(identity)) if *of != identity => {
                let problem = format!(
                    "epoch {epoch} is of another history, {identity}, than epoch {first}, {of}: \
                     epochs of two histories make none"
                );
                return Err((number, problem));
            }
            (None, Some(identity)) => history = Some((epoch, identity)),
            _ => {}
        }
        let watermark = match &watermark {
            Value::Null => None,
            Value::String(text) => Some(instant(text).ok_or_else(|| {
                (number, format!("expected a timestamp as the watermark, not {text:?}"))
            })?),
            Value::Number(millis) => Some(millis.as_i64().ok_or_else(|| {
                (number, format!("expected milliseconds as the watermark, not {millis}"))
            })?),
            other => {
                return Err((
                    number,
                    format!("expected a timestamp as the watermark, not {other}"),
                ));
            }
        };
        epochs.push(NamedEpoch { epoch, watermark, offsets });
    }
    match epochs.is_empty() {
        true => Err((1, "expected at least one epoch".to_string())),
        false => Ok(epochs),
    }
}

/// PostgreSQL writes an offset of whole hours without minutes where it makes text of a timestamp,
/// and with them in JSON.
fn instant(text: &str) -> Option<Millis> {
    parse_instant(text).or_else(|| parse_instant(&format!("{text}:00")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_read_as_the_database_writes_them() {
        let text = r#"
{"job":"campaign","epoch":1,"watermark":null,"offsets":{"transactions":{"0":17,"10":1}},"digest":""}

            {"epoch":2,"watermark":"2024-03-01T00:00:00+00:00","offsets":{"transactions":{"0":18}}}
            {"epoch":3,"watermark":"2024-03-01 00:00:00+00","offsets":{}}
            {"epoch":4,"watermark":1709251200000,"offsets":{}}"#;
        let epochs = parse(text.as_bytes()).expect("they are of the form");
        let march = Some(1_709_251_200_000);
        assert_eq!(
            epochs.iter().map(|epoch| (epoch.epoch, epoch.watermark)).collect::<Vec<_>>(),
            [(1, None), (2, march), (3, march), (4, march)]
        );
        assert_eq!(epochs[0].offsets["transactions"], BTreeMap::from([(0, 17), (10, 1)]));
    }

    #[test]
    fn epochs_of_two_histories_are_refused() {
        let line = |epoch: u64, identity: &str| {
            format!("{{\"epoch\":{epoch},\"identity\":{identity},\"offsets\":{{}}}}\n")
        };
        let (one, other, none) = ("\"ab\"", "\"cd\"", "null");
        for (of, wanted) in [
            ([none, one, one], Ok(3)),
            ([one, none, one], Ok(3)),
            ([one, none, other], Err(3)),
            ([none, one, other], Err(3)),
        ] {
            let text: String =
                (1..).zip(of).map(|(epoch, identity)| line(epoch, identity)).collect();
            let found = parse(text.as_bytes());
            assert!(
                found
                    .as_ref()
                    .err()
                    .is_none_or(|(_, problem)| problem.contains("another history, cd")),
                "{found:?}"
            );
            assert_eq!(
                found.map(|epochs| epochs.len()).map_err(|(line, _)| line),
                wanted,
                "{text}"
            );
        }
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, line) in [
            ("", 1),
            ("{\"epoch\":2,\"offsets\":{}}", 1),
            ("{\"epoch\":1,\"offsets\":{}}\n{\"epoch\":3,\"offsets\":{}}", 2),
            ("{\"epoch\":1,\"offsets\":{}}\n\n{\"epoch\":2}", 3),
            ("{\"epoch\":1,\"offsets\":{\"t\":{\"0\":-1}}}", 1),
            ("{\"epoch\":1,\"watermark\":\"soon\",\"offsets\":{}}", 1),
            ("{\"epoch\":1,\"watermark\":true,\"offsets\":{}}", 1),
        ] {
            assert_eq!(parse(text.as_bytes()).expect_err("it is wrong").0, line, "{text}");
        }
    }
}
