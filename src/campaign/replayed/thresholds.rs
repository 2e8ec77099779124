//! The form of thresholds.csv: a day that a high-value threshold holds for, and the threshold in
//! minor units.

use crate::files::error::FileError;
use crate::files::output::{OutputDirectory, OutputError};
use crate::units::{format_day, parse_day};
use dataflows::campaign::output::Day;
use std::io::{self, Write};
use std::path::Path;

/// The header, in which the columns are read and written.
const HEADER: [&str; 2] = ["day", "high_value"];

/// Writes thresholds.csv.
///
/// # Errors
/// The file cannot be written.
pub fn write_file(output: &OutputDirectory, thresholds: &[(Day, u64)]) -> Result<(), OutputError> {
    output.file("thresholds.csv", |out| write(out, thresholds))
}

/// Writes thresholds, sorted by day.
fn write(out: &mut impl Write, thresholds: &[(Day, u64)]) -> io::Result<()> {
    let mut sorted = thresholds.to_vec();
    sorted.sort_unstable();
    writeln!(out, "{}", HEADER.join(","))?;
    sorted
        .iter()
        .try_for_each(|(day, high_value)| writeln!(out, "{},{high_value}", format_day(*day)))
}

/// Reads thresholds, sorted by day.
///
/// # Errors
/// The file cannot be read; a line is no date and whole number, or its day stands there twice.
pub fn read(path: &Path) -> Result<Vec<(Day, u64)>, FileError> {
    let bytes = std::fs::read(path).map_err(|source| FileError::Read {
        path: path.to_path_buf(),
        position: 0,
        source,
    })?;
    parse(&bytes).map_err(|(line, problem)| FileError::Line {
        path: path.to_path_buf(),
        line,
        problem,
    })
}

/// Thresholds, or the line that is wrong and why.
fn parse(bytes: &[u8]) -> Result<Vec<(Day, u64)>, (u64, String)> {
    let mut rows = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let header = rows.headers().map_err(|error| (1, error.to_string()))?;
    if header != HEADER.as_slice() {
        return Err((1, format!("expected the header {}", HEADER.join(","))));
    }
    let mut thresholds = std::collections::BTreeMap::new();
    for row in rows.records() {
        let row = row.map_err(|error| {
            (error.position().map_or(0, csv::Position::line), error.to_string())
        })?;
        let line = row.position().map_or(0, csv::Position::line);
        let day = parse_day(&row[0]).ok_or_else(|| {
            (line, format!("expected a day such as 2024-03-01, not {:?}", &row[0]))
        })?;
        let high_value = row[1].parse().map_err(|_| {
            (line, format!("expected a whole number of minor units, not {:?}", &row[1]))
        })?;
        if thresholds.insert(day, high_value).is_some() {
            return Err((line, format!("{} stands there twice", &row[0])));
        }
    }
    Ok(thresholds.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let thresholds = [(19_783, 5_000_000), (0, 0), (19_782, u64::MAX)];
        let mut text = Vec::new();
        write(&mut text, &thresholds).expect("writing to memory");
        assert_eq!(
            String::from_utf8_lossy(&text),
            "day,high_value\n1970-01-01,0\n2024-02-29,18446744073709551615\n2024-03-01,5000000\n"
        );
        assert_eq!(parse(&text), Ok(vec![(0, 0), (19_782, u64::MAX), (19_783, 5_000_000)]));
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, line) in [
            ("date,value\n", 1),
            ("day,high_value\n2024-03-01,1\n2024-02-30,1\n", 3),
            ("day,high_value\n2024-03-01,1.5\n", 2),
            ("day,high_value\n2024-03-01,1\n2024-03-01,1\n", 3),
            ("day,high_value\n2024-03-01\n", 2),
        ] {
            assert_eq!(parse(text.as_bytes()).expect_err("it is wrong").0, line, "{text}");
        }
    }
}
