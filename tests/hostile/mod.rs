//! Hostile histories: everything that a bounded run must get right or reject, mixed at random over
//! a few customers and ids.
//!
//! A history is a list of lines, most of them valid and many of them colliding: the same event
//! again in another spelling, its replacement, its retraction before or after it, erasures, profile
//! versions of one instant, rewards at the edges of their window. A bad line has one fault only, so
//! that its reason is certain. Where the specification leaves a reading open (both `action` and
//! another `campaign_name`, a key twice, an `op` with another field at fault) no such line is made.

mod facts;
mod faults;
pub(crate) mod rubbish;
mod spelling;
mod writer;

use spelling::{Dice, Fact, Meaning, Token};
use std::collections::BTreeMap;
use writer::Writer;

const DAY: i64 = 86_400_000;
/// 2022-03-01.
const FIRST: i64 = 19_052 * DAY;
/// About three years.
const DAYS: u64 = 1_096;
/// The default attribution window.
const WINDOW: i64 = 7 * DAY;

/// The names of the files, and the columns that they have as CSV.
const COLUMNS: [(&str, &[&str]); 4] = [
    (
        "transactions",
        &[
            "transaction_id",
            "customer_id",
            "timestamp",
            "amount",
            "category",
            "device",
            "payment_method",
            "discount_used",
            "op",
        ],
    ),
    (
        "customers",
        &[
            "timestamp",
            "customer_id",
            "signup_date",
            "city",
            "age",
            "email_open_rate",
            "is_premium_member",
            "complaint_count",
            "preferred_device",
            "avg_discount_used",
            "last_login_days",
            "op",
        ],
    ),
    (
        "interactions",
        &[
            "interaction_id",
            "customer_id",
            "timestamp",
            "action",
            "campaign_name",
            "reward",
            "propensity",
            "template_id",
            "op",
        ],
    ),
    ("rewards", &["customer_id", "interaction_id", "timestamp", "reward", "reward_id", "op"]),
];

/// A hostile history.
#[derive(Clone, Debug)]
pub(crate) struct History {
    seed: u64,
    lines: Vec<Line>,
}

/// One record, spelled once as JSON and once as the cells of a CSV row.
#[derive(Clone, Debug)]
struct Line {
    file: &'static str,
    /// Lines of one group keep their order when a history is shuffled: (customer, id), for a
    /// customer's profiles and erasures an empty id.
    group: Option<(i64, String)>,
    json: Vec<u8>,
    /// None: cannot be said in CSV, or would be valid there.
    cells: Option<BTreeMap<String, String>>,
}

impl History {
    /// A history of about `size` lines: the same for the same seed.
    pub(crate) fn generate(seed: u64, size: usize) -> History {
        let mut writer = Writer::new(seed, size);
        // A purchase and a contact that nothing can take away, so that there always is a latest
        // event.
        writer.anchor();
        while writer.lines.len() < size {
            writer.next();
        }
        History { seed, lines: writer.lines }
    }

    /// The same history with its lines in another order, but for lines of one (file, customer, id)
    /// and of one customer's profiles and erasures.
    pub(crate) fn shuffled(&self, seed: u64) -> History {
        let mut dice = Dice::new(seed);
        let mut order: Vec<usize> = (0..self.lines.len()).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, dice.below(last as u64 + 1) as usize);
        }
        // The places that fell to a group are given to its lines in their old order.
        let mut places: BTreeMap<(&str, &(i64, String)), Vec<usize>> = BTreeMap::new();
        for (place, index) in order.iter().enumerate() {
            let line = &self.lines[*index];
            if let Some(group) = &line.group {
                places.entry((line.file, group)).or_default().push(place);
            }
        }
        for places in places.into_values() {
            let mut members: Vec<usize> = places.iter().map(|place| order[*place]).collect();
            members.sort_unstable();
            for (place, member) in places.into_iter().zip(members) {
                order[place] = member;
            }
        }
        History { seed, lines: order.into_iter().map(|index| self.lines[index].clone()).collect() }
    }

    /// The files as JSON lines.
    pub(crate) fn jsonl(&self) -> BTreeMap<String, Vec<u8>> {
        let mut dice = Dice::new(self.seed ^ 1);
        let mut files = BTreeMap::new();
        for (name, _) in COLUMNS {
            let lines =
                self.lines.iter().filter(|line| line.file == name).map(|line| line.json.clone());
            files.insert(format!("{name}.jsonl"), joined(lines, &mut dice));
        }
        files
    }

    /// The files as CSV, without the lines that cannot be said there (they are all bad ones), and
    /// with bad rows of its own.
    pub(crate) fn csv(&self) -> BTreeMap<String, Vec<u8>> {
        let mut dice = Dice::new(self.seed ^ 2);
        let mut files = BTreeMap::new();
        for (name, columns) in COLUMNS {
            let mut rows = vec![row(columns.iter().map(|column| (*column).to_owned()))];
            for line in self.lines.iter().filter(|line| line.file == name) {
                if let Some(cells) = &line.cells {
                    rows.push(row(columns
                        .iter()
                        .map(|column| cells.get(*column).cloned().unwrap_or_default())));
                }
                match dice.below(60) {
                    0 => rows.push(b"7,8".to_vec()),
                    1 => rows.push([b"7".as_slice(), &b",".repeat(columns.len())].concat()),
                    _ => {}
                }
            }
            files.insert(format!("{name}.csv"), joined(rows.into_iter(), &mut dice));
        }
        files
    }
}

/// Lines in a file: some end in CR LF, some are empty, the last one perhaps does not end.
fn joined(lines: impl Iterator<Item = Vec<u8>>, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        bytes.extend(line);
        bytes.extend(dice.pick(&["\n", "\n", "\n", "\n", "\r\n", "\n\n", "\n\r\n"]).bytes());
    }
    if dice.chance(50) {
        let end = bytes.trim_ascii_end().len();
        bytes.truncate(end);
    }
    bytes
}

fn row(cells: impl Iterator<Item = String>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    writer.write_record(cells).expect("writing to memory");
    let mut row = writer.into_inner().expect("writing to memory");
    row.pop();
    row
}
