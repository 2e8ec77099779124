//! Quotes that go over several lines of a CSV file: whether they hold a row together, or swallow
//! the rows after a stray one.
//!
//! By RFC 4180 a quote that closes is followed by a comma or a line end, and every row has the
//! columns of the header. Where that does not hold, a quote was stray: its line is lost and the
//! lines after it are what they are. Where it holds and the lines look like rows all the same,
//! nobody can tell rows that are swallowed from a text about rows, which may be a stranger's: then
//! nothing of it may be taken, neither the row nor the lines in it.

/// How quotes, commas and line ends stand to each other in one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Structure {
    /// Whether every quote that opens closes, before a comma or the end.
    pub sound: bool,
    /// Whether the last quote that opens closes at all.
    pub closed: bool,
    /// How many columns there are.
    pub columns: usize,
    /// The first cell that goes over a line end.
    pub first: Option<Quoted>,
    /// The last cell that does.
    pub last: Option<Quoted>,
}

/// A cell in quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// Its column, counted from 0.
    pub column: usize,
    /// Where its quote opens.
    pub open: usize,
    /// Where it closes; `None`: nowhere.
    pub close: Option<usize>,
}

/// Where in a row one is; a quote means something only at a cell's start, and within quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    Plain,
    Quoted,
    QuoteInQuotes,
}

impl Structure {
    /// Of a row without its line end.
    pub fn of(row: &[u8]) -> Structure {
        let mut found = Structure { sound: true, closed: true, columns: 1, ..Structure::default() };
        let mut cell = Quoted { column: 0, open: 0, close: None };
        let mut crosses = false;
        let mut at = At::Start;
        for (position, byte) in row.iter().enumerate() {
            if at == At::QuoteInQuotes && *byte != b'"' {
                found.sound &= *byte == b',';
                found.note(Quoted { close: Some(position - 1), ..cell }, crosses);
            }
            at = match (at, byte) {
                (At::Start, b'"') => {
                    (cell, crosses) =
                        (Quoted { column: found.columns - 1, open: position, close: None }, false);
                    At::Quoted
                }
                (At::Quoted, b'"') => At::QuoteInQuotes,
                (At::QuoteInQuotes, b'"') => At::Quoted,
                (At::Quoted, _) => {
                    crosses |= matches!(byte, b'\r' | b'\n');
                    At::Quoted
                }
                (_, b',') => {
                    found.columns += 1;
                    At::Start
                }
                _ => At::Plain,
            };
        }
        match at {
            At::Quoted => {
                (found.sound, found.closed) = (false, false);
                found.note(cell, crosses);
            }
            At::QuoteInQuotes => found.note(Quoted { close: Some(row.len() - 1), ..cell }, crosses),
            At::Start | At::Plain => {}
        }
        found
    }

    fn note(&mut self, cell: Quoted, crosses: bool) {
        if crosses {
            self.first = self.first.or(Some(cell));
            self.last = Some(cell);
        }
    }
}

/// What a row over several lines is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MultilineRow {
    /// A row.
    Row,
    /// A line with a stray quote, and other lines.
    Stray,
    /// Either.
    Doubtful,
}

/// Judges a row over several lines of a file with so many columns; `is_row` tells what of a line
/// would be a row by itself.
pub(super) fn judge(row: &[u8], columns: usize, is_row: impl Fn(&[u8]) -> bool) -> MultilineRow {
    let found = Structure::of(row);
    let sound = found.sound && found.columns == columns;
    let mut lines = lines(row);
    if !sound {
        lines.next();
        return if lines.any(|(_, line)| is_row(line)) {
            MultilineRow::Stray
        } else {
            MultilineRow::Row
        };
    }
    // The line in which the first cell closes has all columns in any case; and of rows that a quote
    // before a first cell has made one, the first line has them too.
    let leading = found.first.filter(|cell| cell.column == 0);
    let closes = |start: usize, line: &[u8]| {
        leading
            .and_then(|cell| cell.close)
            .is_some_and(|at| (start..start + line.len()).contains(&at))
    };
    let ends = [found.first.map(|cell| cell.open), found.last.and_then(|cell| cell.close)];
    let last = lines.clone().last().map_or(0, |(start, _)| start);
    let looks = |(start, line): (usize, &[u8])| match start {
        0 => leading.is_some() && is_row(&without(line, start, ends)),
        _ if closes(start, line) => false,
        _ if start == last => is_row(&without(line, start, ends)),
        _ => is_row(line),
    };
    if lines.any(looks) { MultilineRow::Doubtful } else { MultilineRow::Row }
}

/// The lines with anything in them, each with where it starts.
fn lines(row: &[u8]) -> impl Iterator<Item = (usize, &[u8])> + Clone {
    let start_of = move |line: &[u8]| line.as_ptr() as usize - row.as_ptr() as usize;
    let lines = row.split(|byte| matches!(byte, b'\r' | b'\n'));
    lines.map(move |line| (start_of(line), line)).filter(|(_, line)| !line.trim_ascii().is_empty())
}

/// A line that starts here, without the quotes that stand there.
fn without(line: &[u8], start: usize, quotes: [Option<usize>; 2]) -> Vec<u8> {
    let stays = |(at, _): &(usize, &u8)| !quotes.contains(&Some(start + at));
    line.iter().enumerate().filter(stays).map(|(_, byte)| *byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of four columns, of which the second is the customer.
    fn judged(row: &str) -> MultilineRow {
        let is_row = |line: &[u8]| {
            let cells: Vec<&str> = std::str::from_utf8(line).expect("text").split(',').collect();
            cells.len() == 4 && cells[1].trim().parse::<i64>().is_ok()
        };
        judge(row.as_bytes(), 4, is_row)
    }

    #[test]
    fn the_structure_of_a_row_is_that_of_its_quotes() {
        let of = |row: &str| {
            let Structure { sound, closed, columns, first, .. } = Structure::of(row.as_bytes());
            (sound, closed, columns, first.map(|cell| cell.column))
        };
        assert_eq!(of("a,b"), (true, true, 2, None));
        assert_eq!(of("a,\"b,c\",5\" pipe"), (true, true, 3, None));
        assert_eq!(of("a,\"b\n\"\"c\"\"\""), (true, true, 2, Some(1)));
        assert_eq!(of("\"a\nb\" c,d"), (false, true, 2, Some(0)));
        assert_eq!(of("a,\"b\nc,d"), (false, false, 2, Some(1)));
        assert_eq!(of(""), (true, true, 1, None));
    }

    #[test]
    fn a_text_over_lines_is_a_row_wherever_it_stands() {
        for row in [
            "\"a\nb\",1,2024-03-01,5",
            "\"Main Street 5\n8000 Zurich\",1,2024-03-01,5",
            "A,1,2024-03-01,\"well,\nso be it, or, not\"",
            "A,\"1\n\",2024-03-01,\"\r\n\r\n\"",
            "A,1,\"1,2\n3,4\",5",
            "\"a\nb\",1,2024-03-01,\"c\nd\"",
            "A,1,2024-03-01,\"one\nof \"\"two\"\"\"",
        ] {
            assert_eq!(judged(row), MultilineRow::Row, "{row}");
        }
    }

    #[test]
    fn a_stray_quote_costs_its_line_where_that_is_sure() {
        for row in [
            "A,1,2024-03-01,\"oops\nB,2,2024-03-01,fine\nC,3,2024-03-01,\"fine\"",
            "A,1,\"oops,5\nB,2,2024-03-01,\"fine\"",
            "A,\"1,2024-03-01,5\nB,2,2024-03-01,\"5\"",
            "A,1,2024-03-01,\"oops\nB,2,2024-03-01,fine\nC",
        ] {
            assert_eq!(judged(row), MultilineRow::Stray, "{row}");
        }
    }

    #[test]
    fn rows_in_a_sound_row_are_nobodys() {
        for row in [
            "A,1,2024-03-01,\"oops\nB,2,2024-03-01,fine\nC,3,2024-03-01,fine\"",
            "A,1,2024-03-01,\"look:\n66,666,2024-03-01,x\nbye\"",
            "A,1,2024-03-01,\"oops\r\nB,2,2024-03-01,fine\"",
            "\"A,1,2024-03-01,oops\nB\",2,2024-03-01,fine",
        ] {
            assert_eq!(judged(row), MultilineRow::Doubtful, "{row}");
        }
    }
}
