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
pub struct RowLimits {
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
pub fn cut(syntax: Syntax, bytes: &[u8], ended: bool, limits: RowLimits) -> Cut {
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
mod tests;
