//! What the first bytes of a file tell: how it is encoded, and which columns it has.

use super::reader::FileColumns;
use super::rows::line_ends;
use dataflows::event::cell_text;
use dataflows::event::quotes::Structure;
use std::collections::BTreeSet;

/// Names of columns that a message shows.
const SHOWN: usize = 40;

/// What separates columns in files that only call themselves CSV.
const OTHER_SEPARATORS: [(char, &str); 3] =
    [(';', "semicolons"), ('\t', "tabs"), ('|', "vertical bars")];

/// The encoding of a file that is not read, by its first bytes.
pub fn foreign_encoding(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        // Without a mark: every character of ASCII has a zero beside it.
        [0, 1..=u8::MAX, 0, 1..=u8::MAX, ..] | [1..=u8::MAX, 0, 1..=u8::MAX, 0, ..] => {
            Some("UTF-16")
        }
        _ => None,
    }
}

/// What a file is compressed by, by its first bytes, and how its name should end.
pub fn packed(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    match bytes {
        [0x1f, 0x8b, ..] => Some(("gzip", "gz")),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(("Zstandard", "zst")),
        _ => None,
    }
}

/// Whether several objects are kept apart by carriage returns and none by a line feed, so that all
/// of them would be one line.
pub fn has_only_carriage_returns(bytes: &[u8]) -> bool {
    !bytes.contains(&b'\n')
        && bytes
            .split(|byte| *byte == b'\r')
            .filter(|line| line.trim_ascii_start().starts_with(b"{"))
            .count()
            > 1
}

/// The names of the columns; none for an empty file.
///
/// # Errors
/// What is wrong with them, as a sentence.
pub fn columns(header: &[u8], wanted: &FileColumns) -> Result<Vec<String>, String> {
    stray_quote(header).map_or(Ok(()), Err)?;
    let mut rows = csv::ReaderBuilder::new().has_headers(false).from_reader(header);
    let Some(row) = rows.byte_records().next() else { return Ok(Vec::new()) };
    let row = row.map_err(|error| error.to_string())?;
    let named = |(at, name): (usize, &[u8])| match std::str::from_utf8(name) {
        Ok(name) => Ok(cell_text(name).to_string()),
        Err(_) => Err(format!("the name of column {} is not UTF-8", at + 1)),
    };
    let columns: Vec<String> = row.iter().enumerate().map(named).collect::<Result<_, _>>()?;
    fault(&columns, wanted).map_or(Ok(columns), Err)
}

/// What is wrong with the quotes of a header, which would take rows for the names of columns.
fn stray_quote(header: &[u8]) -> Option<String> {
    let header = header.trim_ascii_end();
    let found = Structure::of(header);
    let column = found.last.or(found.first).map_or(found.columns, |cell| cell.column + 1);
    if !found.closed {
        return Some(format!("the quote that opens in column {column} does not close"));
    }
    let cell = found.first?;
    let last = found.last.and_then(|cell| cell.close)?;
    let line = 1 + line_ends(&header[..last]);
    let before =
        format!("the quote that opens in column {} closes in line {line}", cell.column + 1);
    if !found.sound {
        return Some(format!("{before}, and neither a comma nor a line end follows it"));
    }
    // A name may go over lines, but hardly over several cells with a number among them.
    let is_number = |cell: &[u8]| {
        let text = std::str::from_utf8(cell).unwrap_or_default().trim().trim_matches('"');
        text.trim_start_matches(['-', '+']).starts_with(|first: char| first.is_ascii_digit())
            && text.parse::<f64>().is_ok()
    };
    let is_row = |line: &[u8]| {
        let cells: Vec<&[u8]> = line.split(|byte| *byte == b',').collect();
        cells.len() > 1 && cells.into_iter().any(is_number)
    };
    let mut later = header.split(|byte| matches!(byte, b'\r' | b'\n')).skip(1);
    later.any(is_row).then(|| format!("{before}, over lines that look like rows"))
}

/// What is wrong with the columns of a file, of which those `wanted` are read.
fn fault(columns: &[String], wanted: &FileColumns) -> Option<String> {
    let FileColumns { names: wanted, configured } = wanted;
    let mut seen = BTreeSet::new();
    if let Some((at, twice)) =
        columns.iter().enumerate().find(|(_, name)| !seen.insert(*name) && wanted.contains(name))
    {
        return Some(format!("column {} is another `{twice}`; leave one of them", at + 1));
    }
    if columns.iter().any(|name| wanted.contains(name)) {
        return None;
    }
    let list = |names: &[String]| {
        let more = if names.len() > SHOWN { ", ..." } else { "" };
        format!(
            "{}{more}",
            names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ")
        )
    };
    let separated = OTHER_SEPARATORS.iter().find(|(separator, _)| {
        columns
            .iter()
            .flat_map(|name| name.split(*separator))
            .any(|piece| wanted.iter().any(|name| name == piece.trim().trim_matches('"')))
    });
    if let Some((_, what)) = separated {
        return Some(format!(
            "the columns are separated by {what} ({}); they must be separated by commas",
            list(columns)
        ));
    }
    let (known, wanted) = (list(columns), list(wanted));
    let otherwise = match configured {
        true => ", or set their names in the configuration: [fields]",
        false => "",
    };
    Some(format!("none of {known} is known; wanted are {wanted}{otherwise}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::event::{Topic, source_names};

    fn wanted() -> FileColumns {
        let aliases = [(Topic::Rewards, "reward".to_string(), "Gain * Share".to_string())];
        FileColumns { names: source_names(Topic::Rewards, &aliases), configured: true }
    }

    fn read(header: &str) -> Result<Vec<String>, String> {
        columns(header.as_bytes(), &wanted())
    }

    #[test]
    fn columns_are_named_or_the_fault_is() {
        let names = |text: &str| Ok(text.split(',').map(str::to_string).collect::<Vec<_>>());
        assert_eq!(
            read("interaction_id, customer_id ,\"note\"\r"),
            names("interaction_id,customer_id,note")
        );
        assert_eq!(read("op, \"customer_id\" ,note"), names("op,customer_id,note"));
        assert_eq!(
            read("op,note,note,\n"),
            names("op,note,note,"),
            "what is not read may be there twice"
        );
        assert_eq!(read(""), Ok(Vec::new()));
        for (header, parts) in [
            ("customer_id,op,customer_id", &["column 3", "`customer_id`"][..]),
            ("id,kunde", &["id, kunde", "interaction_id", "customer_id", "[fields]"]),
            ("interaction_id;customer_id;reward", &["semicolons", "commas"]),
            ("interaction_id\tcustomer_id", &["tabs"]),
            ("\"interaction_id\"|\"customer_id\"", &["vertical bars"]),
            ("\u{0}", &["wanted"]),
        ] {
            let problem = read(header).expect_err(header);
            assert!(parts.iter().all(|part| problem.contains(part)), "{header}: {problem}");
        }
        let latin = columns(b"customer_id,gr\xf6\xdfe", &wanted()).expect_err("not UTF-8");
        assert!(latin.contains("column 2"), "{latin}");
        let fixed = FileColumns { configured: false, ..wanted() };
        let problem = columns(b"id", &fixed).expect_err("it is not known");
        assert!(!problem.contains("[fields]"), "{problem}");
    }

    #[test]
    fn a_quote_that_would_take_rows_for_names_is_found() {
        for sound in [
            "customer_id,\"the\nnote\"\n",
            "\"customer_id\",\"amount\r\n(EUR), gross\"\r\n",
            "customer_id,\"a, b\n2nd, c\"\n",
        ] {
            assert!(read(sound).is_ok(), "{sound}: {:?}", read(sound));
        }
        for (header, said) in [
            ("customer_id,amount,\"note\n1,5,a\n2,6,b\n", "column 3 does not close"),
            ("customer_id,amount,\"note", "column 3 does not close"),
            (
                "customer_id,amount,\"note\n1,5,a\n2,6,\"b\"\n",
                "column 3 closes in line 3, and neither",
            ),
            (
                "customer_id,amount,\"note\r\n1,5,a\r\n2,6,b\"\r\n",
                "column 3 closes in line 3, over lines that look like rows",
            ),
        ] {
            let problem = read(header).expect_err(header);
            assert!(problem.contains(said), "{header}: {problem}");
        }
    }

    #[test]
    fn foreign_encodings_are_known_by_their_first_bytes() {
        let utf16 =
            |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
        for (bytes, expected) in [
            (utf16("\u{feff}customer_id"), Some("UTF-16")),
            (big("\u{feff}customer_id"), Some("UTF-16")),
            (utf16("customer_id"), Some("UTF-16")),
            (big("{}"), Some("UTF-16")),
            (b"\xff\xfe\0\0c\0\0\0".to_vec(), Some("UTF-32")),
            (b"\xef\xbb\xbfcustomer_id".to_vec(), None),
            (b"{}".to_vec(), None),
            (Vec::new(), None),
        ] {
            assert_eq!(foreign_encoding(&bytes), expected, "{bytes:?}");
            assert_eq!(packed(&bytes), None);
        }
        assert_eq!(packed(b"\x1f\x8b\x08"), Some(("gzip", "gz")));
        assert_eq!(packed(b"\x28\xb5\x2f\xfd"), Some(("Zstandard", "zst")));
    }

    #[test]
    fn only_lines_without_any_line_feed_are_named() {
        assert!(has_only_carriage_returns(b"{\"a\":1}\r{\"a\":2}\r"));
        for text in [&b"{\"a\":1}\r\n{}\r\n"[..], b"{\"a\":\r1}", b"{}", b"", b"\r\r"] {
            assert!(!has_only_carriage_returns(text));
        }
    }
}
