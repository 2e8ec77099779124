//! Where rows end: at every line end in JSON lines, at line ends outside quotes in CSV, where a
//! line may end in LF, CR LF or, as old programs of the Mac write it, CR alone. That is how the csv
//! crate reads it, which a test compares with.

use super::Syntax;

/// What to do with bytes that begin at a row's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// So many of them are a block.
    At(usize),
    /// All of them are the beginning of a row that is too long; the rest up to the next line end is
    /// to be skipped.
    Truncate,
    /// No row ends here yet; more bytes are needed.
    More,
    /// There is nothing left.
    Nothing,
}

/// How long rows may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a record at most.
    pub record: usize,
    /// Bytes that are looked at before a row without end is truncated.
    pub look: usize,
}

/// Decides where a block ends. `ended`: no more bytes will come.
///
/// A CSV row that is open within quotes and longer than a record may be, or at the end of the file,
/// is taken for one with a stray quote: it becomes the last row of its block and ends at its first
/// line end, so that one bad quote costs one row and not all that follow.
pub fn cut(syntax: Syntax, bytes: &[u8], ended: bool, limits: Limits) -> Cut {
    let Rows { end, open, inner_line_end } = match syntax {
        Syntax::Json => lines(bytes),
        Syntax::Csv => csv_rows(bytes, ended, limits.record),
    };
    match (end, open, inner_line_end) {
        (0, _, _) if bytes.is_empty() => {
            if ended {
                Cut::Nothing
            } else {
                Cut::More
            }
        }
        (_, Open::No, _) if ended => Cut::At(bytes.len()),
        (1.., _, _) => Cut::At(end),
        (0, Open::TooLong, Some(line_end)) => Cut::At(line_end),
        (0, Open::Quoted, Some(line_end)) if ended || bytes.len() > limits.record => {
            Cut::At(line_end)
        }
        (0, _, _) if ended => Cut::At(bytes.len()),
        // Whether or not an LF follows: of a row that long nothing more is kept, and the next one
        // must not go with it.
        (0, Open::No, _)
            if bytes.len() >= limits.look && syntax == Syntax::Csv && bytes.ends_with(b"\r") =>
        {
            Cut::At(bytes.len())
        }
        (0, _, _) if bytes.len() >= limits.look => Cut::Truncate,
        (0, _, _) => Cut::More,
    }
}

/// Whether the last row, which has no end yet, is within quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    No,
    Quoted,
    /// So, and longer than a record may be; nothing after it was looked at.
    TooLong,
}

/// The rows found in a run of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rows {
    /// Where the last complete row ends; 0 for none.
    end: usize,
    /// The state of the row after it.
    open: Open,
    /// Where the first line within that row's quotes ends.
    inner_line_end: Option<usize>,
}

fn lines(bytes: &[u8]) -> Rows {
    Rows {
        end: bytes.iter().rposition(|b| *b == b'\n').map_or(0, |last| last + 1),
        open: Open::No,
        inner_line_end: None,
    }
}

/// Where in a row one is; a quote means something only at a field's start, and within quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    FieldStart,
    Plain,
    Quoted,
    QuoteInQuotes,
}

/// Whether a line ends with this byte: of CR LF with the second, and where nobody can know yet what
/// follows a CR, not with that.
fn ends_line(bytes: &[u8], at: usize, ended: bool) -> bool {
    match bytes[at] {
        b'\n' => true,
        b'\r' => bytes.get(at + 1).map_or(ended, |next| *next != b'\n'),
        _ => false,
    }
}

/// How many lines end in these bytes, which are all that there are or do not end between a CR and
/// its LF.
pub fn line_ends(bytes: &[u8]) -> u64 {
    let returns = bytes.iter().filter(|byte| **byte == b'\r').count();
    let feeds = bytes.iter().filter(|byte| **byte == b'\n').count();
    let pairs =
        if returns == 0 { 0 } else { bytes.windows(2).filter(|pair| pair == b"\r\n").count() };
    (returns + feeds - pairs) as u64
}

/// Where the first line ends, behind its line end.
pub fn first_line(bytes: &[u8], ended: bool) -> Option<usize> {
    let candidates = bytes.iter().enumerate().filter(|(_, byte)| matches!(byte, b'\n' | b'\r'));
    candidates.map(|(at, _)| at).find(|at| ends_line(bytes, *at, ended)).map(|at| at + 1)
}

/// How many bytes at the beginning are lines without anything in them.
pub fn blank_lines(bytes: &[u8]) -> usize {
    let space = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    bytes[..space].iter().rposition(|byte| matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1)
}

fn csv_rows(bytes: &[u8], ended: bool, max_record: usize) -> Rows {
    let mut at = At::FieldStart;
    let (mut end, mut inner_line_end) = (0, None);
    for (i, byte) in bytes.iter().enumerate() {
        let is_line_end = matches!(byte, b'\n' | b'\r') && ends_line(bytes, i, ended);
        at = match (at, byte) {
            (At::Quoted, b'"') => At::QuoteInQuotes,
            (At::Quoted, _) if is_line_end => {
                inner_line_end = inner_line_end.or(Some(i + 1));
                if i - end > max_record {
                    return Rows { end, open: Open::TooLong, inner_line_end };
                }
                At::Quoted
            }
            (At::Quoted, _) | (At::QuoteInQuotes | At::FieldStart, b'"') => At::Quoted,
            (_, b',') => At::FieldStart,
            (_, _) if is_line_end && inner_line_end.is_some() && i - end > max_record => {
                return Rows { end, open: Open::TooLong, inner_line_end };
            }
            (_, _) if is_line_end => {
                (end, inner_line_end) = (i + 1, None);
                At::FieldStart
            }
            // The CR of a CR LF: the row is over, and a quote after it is none.
            (at, b'\r') => at,
            _ => At::Plain,
        };
    }
    Rows { end, open: if at == At::Quoted { Open::Quoted } else { Open::No }, inner_line_end }
}

/// Lines that a header may have, for names of columns with line ends in them.
const HEADER_LINES: usize = 64;

/// Where the first row of a CSV file, its header, ends. `ended`: no more bytes will come.
pub fn first_csv_row(bytes: &[u8], ended: bool) -> Option<usize> {
    let line_ends = (0..bytes.len()).filter(|at| ends_line(bytes, *at, ended)).map(|at| at + 1);
    line_ends.take(HEADER_LINES).find(|end| csv_rows(&bytes[..*end], true, usize::MAX).end == *end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { record: 20, look: 40 };

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
            assert_eq!(
                first_csv_row(format!("{header}{rest}").as_bytes(), false),
                Some(header.len())
            );
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
        #![proptest_config(proptest::prelude::ProptestConfig { cases: 4000, failure_persistence: None, ..Default::default() })]

        /// Wherever blocks are cut, their rows are those that the csv crate finds in the whole. A
        /// quote that is open at the end is closed.
        #[test]
        fn blocks_have_the_rows_that_the_csv_crate_finds(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..40), step in 1_usize..9) {
            let mut content = pieces.concat().into_bytes();
            let limits = Limits { record: 1 << 20, look: 1 << 21 };
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
            proptest::prop_assert_eq!(found, rows_of(&content), "{:?}", String::from_utf8_lossy(&content));
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
}
