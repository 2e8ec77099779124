//! Where rows end, against small cases and against the csv crate.

use super::*;
use proptest::prelude::ProptestConfig;

const LIMITS: RowLimits = RowLimits { record: 20, look: 40 };

fn csv(text: &str, ended: bool) -> Cut {
    cut(Syntax::Csv, text.as_bytes(), ended, LIMITS)
}

fn json(text: &str, ended: bool) -> Cut {
    cut(Syntax::Json, text.as_bytes(), ended, LIMITS)
}

#[test]
fn lines_are_cut_after_the_last_line_end() {
    assert_eq!(json("{}\n{}\n{", false), Cut::At(6));
    assert_eq!(json("{}\n{}\n{", true), Cut::At(7));
    assert_eq!(json("{", false), Cut::More);
    assert_eq!(json("", false), Cut::More);
    assert_eq!(json("", true), Cut::Nothing);
    assert_eq!(json(&"x".repeat(39), false), Cut::More);
    assert_eq!(json(&"x".repeat(40), false), Cut::Truncate);
}

#[test]
fn csv_is_cut_at_row_ends_outside_quotes() {
    assert_eq!(csv("a,b\nc,\"d\ne", false), Cut::At(4));
    assert_eq!(csv("c,\"d\ne", false), Cut::More);
    assert_eq!(csv("c,\"d\ne\"\nf", false), Cut::At(8));
    assert_eq!(csv("c,\"d\"\"\ne\"\nf", false), Cut::At(10));
    assert_eq!(csv("c,d\r\ne,f\r\n", false), Cut::At(10));
    assert_eq!(csv("a,b", true), Cut::At(3));
    assert_eq!(csv("a,\"b\"", true), Cut::At(5));
}

#[test]
fn a_quote_within_a_plain_field_is_a_character() {
    assert_eq!(csv("5\" pipe,b\nc", false), Cut::At(10));
    assert_eq!(csv("\"a\"b\"\nc", false), Cut::At(6));
}

#[test]
fn a_stray_quote_costs_its_line() {
    let text = "a,\"b\nc,d\ne,f\ng,h\ni,j\nk,l\n";
    assert_eq!(csv(text, false), Cut::At(5), "longer than a record");
    assert_eq!(csv(&text[..10], false), Cut::More, "it may still be a long field");
    assert_eq!(csv(&text[..10], true), Cut::At(5), "at the file's end it is none");
    let before = format!("x,y\n{text}");
    assert_eq!(csv(&before, false), Cut::At(4), "the rows before come first");
    let closed = format!("{text}m,n\"\no,p\n");
    assert_eq!(csv(&closed, false), Cut::At(5), "even if a later quote seems to close it");
}

#[test]
fn a_row_without_any_line_end_is_truncated() {
    assert_eq!(csv(&format!("a,\"{}", "x".repeat(37)), false), Cut::Truncate);
    assert_eq!(csv(&format!("a,{}", "x".repeat(38)), false), Cut::Truncate);
}

#[test]
fn a_header_may_have_quotes() {
    assert_eq!([&b"\r\n \t\n a,b\n"[..], b" a\n", b"", b"\n"].map(blank_lines), [5, 0, 0, 1]);
    assert_eq!(first_csv_row(b"a,b\nc\n", false), Some(4));
    assert_eq!(first_csv_row(b"a,\"b\nc\"\nd\n", false), Some(8));
    assert_eq!(first_csv_row(b"a,\"b\rc\"\rd\r", false), Some(8));
    assert_eq!(first_csv_row(b"a,b", false), None);
    for (header, rest) in [("a,b\r", "c"), ("a,b\r\n", "c"), ("a,b\r", "\rc")] {
        assert_eq!(first_csv_row(format!("{header}{rest}").as_bytes(), false), Some(header.len()));
    }
    assert_eq!(
        (first_csv_row(b"a,b\r", false), first_csv_row(b"a,b\r", true)),
        (None, Some(4)),
        "what follows the CR is not known yet"
    );
}

#[test]
fn lines_may_end_in_cr_alone() {
    assert_eq!(csv("a,b\rc,d\re", false), Cut::At(8));
    assert_eq!(csv("a,b\r", false), Cut::More, "an LF may follow");
    assert_eq!(csv("a,b\r", true), Cut::At(4));
    assert_eq!(
        csv(&format!("a,{}\r", "x".repeat(37)), false),
        Cut::At(40),
        "the row after it is not part of it"
    );
    assert_eq!(csv("a,\"b\rc\"\rd", false), Cut::At(8));
    assert_eq!(csv("a,\"b\rc,d\re,f\rg,h\ri,j\rk,l\r", false), Cut::At(5));
    assert_eq!([&b"a\rb\r\nc\n\n"[..], b"", b"\r\r", b"\n\r"].map(line_ends), [4, 0, 2, 2]);
    assert_eq!(
        [&b"ab\rc"[..], b"ab\r\nc", b"ab\nc"].map(|bytes| first_line(bytes, false)),
        [Some(3), Some(4), Some(3)]
    );
}

/// The rows that the csv crate finds.
fn rows_of(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader([b"\n".as_slice(), bytes].concat().leak() as &[u8]);
    reader
        .byte_records()
        .map(|row| row.expect("reading from memory").iter().map(<[u8]>::to_vec).collect())
        .collect()
}

proptest::proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4000,
        failure_persistence: None,
        ..Default::default()
    })]

    /// Wherever blocks are cut, their rows are those that the csv crate finds in the whole. A
    /// quote that is open at the end is closed.
    #[test]
    fn blocks_have_the_rows_that_the_csv_crate_finds(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..40),
        step in 1_usize..9,
    ) {
        let mut content = pieces.concat().into_bytes();
        let limits = RowLimits { record: 1 << 20, look: 1 << 21 };
        if csv_rows(&content, true, limits.record).open != Open::No {
            content.push(b'"');
        }
        let (mut start, mut known, mut found) = (0, 0, Vec::new());
        loop {
            known = (known + step).min(content.len());
            let ended = known == content.len();
            match cut(Syntax::Csv, &content[start..known], ended, limits) {
                Cut::At(end) => {
                    found.extend(rows_of(&content[start..start + end]));
                    start += end;
                }
                Cut::More => {}
                Cut::Nothing => break,
                Cut::Truncate => proptest::prop_assert!(false, "nothing is that long"),
            }
            if ended && start == content.len() {
                break;
            }
        }
        let text = String::from_utf8_lossy(&content);
        proptest::prop_assert_eq!(found, rows_of(&content), "{:?}", text);
    }
}

/// What hostile files of CSV are made of.
const PIECES: &[&str] = &[
    "a",
    "b c",
    ",",
    "\"",
    "\"\"",
    "\n",
    "\r",
    "\r\n",
    " ",
    "é",
    "\\",
    ";",
    "\t",
    "\u{feff}",
    "\0",
    ",\"x,\ny\"",
    "\"\r\n\"",
];
