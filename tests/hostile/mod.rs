//! Hostile histories: everything that a bounded run must get right or reject, mixed at random over
//! a few customers and ids.
//!
//! A history is a list of lines, most of them valid and many of them colliding: the same event
//! again in another spelling, its replacement, its retraction before or after it, erasures, profile
//! versions of one instant, rewards at the edges of their window. A bad line has one fault only, so
//! that its reason is certain. Where the specification leaves a reading open (both `action` and
//! another `campaign_name`, a key twice, an `op` with another field at fault) no such line is made.

mod faults;
pub(crate) mod rubbish;
mod spelling;

use spelling::{Dice, Fact, Meaning, Token};
use std::collections::BTreeMap;

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

/// What one line is to be.
#[derive(Clone, Copy)]
enum Subject {
    Transaction,
    Interaction,
    Reward,
    Customer,
}

/// An event that was written: what it said, so that it can be said again.
#[derive(Clone)]
struct Written {
    customer: i64,
    id: String,
    timestamp: i64,
    fact: Fact,
}

struct Writer {
    dice: Dice,
    lines: Vec<Line>,
    customers: Vec<i64>,
    /// Events written so far by subject, in the order of [`Subject`].
    written: [Vec<Written>; 3],
    /// Instants used so far: to be used again.
    instants: Vec<i64>,
    /// What every purchase of an occasional customer costs.
    occasional: i64,
    too_long: bool,
}

/// From this number on a customer buys rarely and always for the same amount, so that totals tie at
/// the threshold of high value.
const OCCASIONAL: i64 = 1_000;

impl Writer {
    fn new(seed: u64, size: usize) -> Self {
        let mut customers = vec![0, 7, i64::MAX];
        customers.extend((0..size as i64 / 30).map(|k| 100 + k));
        let mut dice = Dice::new(seed);
        // Among the least totals in some histories, among the greatest in others.
        let occasional = dice.pick(&[250_000, 1_000_000_000]);
        Writer {
            dice,
            lines: Vec::new(),
            customers,
            written: Default::default(),
            instants: Vec::new(),
            occasional,
            too_long: false,
        }
    }

    fn anchor(&mut self) {
        let (customer, timestamp) = (5, FIRST + DAY / 2);
        let fact = self.purchase(customer, "anchor", timestamp);
        self.say("transactions", Some((customer, "anchor".to_owned())), &fact);
        let fact = self.contact(customer, "anchor", timestamp);
        self.say("interactions", Some((customer, "anchor".to_owned())), &fact);
    }

    fn next(&mut self) {
        match self.dice.below(100) {
            0..40 => self.event(Subject::Transaction),
            40..68 => self.event(Subject::Interaction),
            68..83 => self.event(Subject::Reward),
            83..94 => self.customer(),
            _ => self.garbage(),
        }
    }

    fn event(&mut self, subject: Subject) {
        let file = file_of(subject);
        let known = self.written[subject as usize].len() as u64;
        let earlier = (known > 0)
            .then(|| self.dice.below(known) as usize)
            .map(|index| self.written[subject as usize][index].clone());
        match (self.dice.below(100), earlier) {
            // Said again in other words: the same content, though not always still standing.
            (0..18, Some(earlier)) => {
                self.say(file, Some((earlier.customer, earlier.id.clone())), &earlier.fact)
            }
            // Replaced: often at the same instant.
            (18..30, Some(earlier)) => {
                let timestamp = if self.dice.chance(50) {
                    earlier.timestamp
                } else {
                    self.instant_near(earlier.customer)
                };
                self.insert(subject, earlier.customer, &earlier.id, timestamp);
            }
            (30..40, Some(earlier)) => self.retract(subject, earlier.customer, &earlier.id),
            (40..44, _) => {
                let (customer, id) = (self.who(), self.an_id(subject));
                self.retract(subject, customer, &id);
            }
            (44..52, _) => self.fault(subject),
            _ => {
                let (customer, id) = (self.who(), self.an_id(subject));
                let timestamp = self.instant_near(customer);
                self.insert(subject, customer, &id, timestamp);
            }
        }
    }

    fn insert(&mut self, subject: Subject, customer: i64, id: &str, timestamp: i64) {
        let written = self.fact(subject, customer, id, timestamp);
        self.say(file_of(subject), Some((written.customer, written.id.clone())), &written.fact);
        self.written[subject as usize].push(written);
    }

    fn fact(&mut self, subject: Subject, customer: i64, id: &str, timestamp: i64) -> Written {
        match subject {
            Subject::Transaction => Written {
                customer,
                id: id.to_owned(),
                timestamp,
                fact: self.purchase(customer, id, timestamp),
            },
            Subject::Interaction => Written {
                customer,
                id: id.to_owned(),
                timestamp,
                fact: self.contact(customer, id, timestamp),
            },
            Subject::Reward => self.reward(customer, id, timestamp),
            Subject::Customer => {
                Written { customer, id: String::new(), timestamp, fact: self.profile(customer) }
            }
        }
    }

    fn purchase(&mut self, customer: i64, id: &str, timestamp: i64) -> Fact {
        let dice = &mut self.dice;
        let category = dice.pick(&[
            "Electronics",
            "Fashion",
            "Groceries",
            "Travel",
            "Gift, Cards",
            "Toys",
            "",
        ]);
        let device = dice.pick(&["Mobile", "Desktop", "Tablet", "Watch", ""]);
        let payment = dice.pick(&["Credit Card", "Debit Card", "E-wallet", "Cash", ""]);
        let digits = dice.below(24);
        let minor = match dice.below(100) {
            // Few different amounts, so that totals tie.
            0..65 => dice.pick(&[1_000, 2_550, 9_999, 10_000, 250_000, 0, 1, 2]),
            65..67 => 1_000_000_000_000,
            _ => dice.below(1 << digits) as i64,
        };
        let minor =
            if (OCCASIONAL..i64::MAX).contains(&customer) { self.occasional } else { minor };
        vec![
            ("transaction_id", Meaning::Id(id.to_owned())),
            ("customer_id", Meaning::Integer(customer)),
            ("timestamp", Meaning::Instant(timestamp)),
            ("amount", Meaning::Minor(minor)),
            ("category", Meaning::Listed(category.to_owned())),
            ("device", Meaning::Listed(device.to_owned())),
            ("payment_method", Meaning::Listed(payment.to_owned())),
            (
                "discount_used",
                if dice.chance(30) { Meaning::Absent } else { Meaning::Flag(dice.chance(50)) },
            ),
        ]
    }

    fn contact(&mut self, customer: i64, id: &str, timestamp: i64) -> Fact {
        let dice = &mut self.dice;
        let arm = dice.below(4) as usize;
        let reward = if dice.chance(45) {
            Meaning::Absent
        } else {
            Meaning::Number(dice.pick(spelling::REWARDS))
        };
        let propensity = if dice.chance(50) {
            Meaning::Absent
        } else {
            Meaning::Number(dice.pick(&["1", "0.25", "5e-1", "0.000001"]))
        };
        let template =
            if dice.chance(80) { Meaning::Absent } else { Meaning::Id("summer".to_owned()) };
        vec![
            ("interaction_id", Meaning::Id(id.to_owned())),
            ("customer_id", Meaning::Integer(customer)),
            ("timestamp", Meaning::Instant(timestamp)),
            ("action", Meaning::Arm(arm)),
            ("reward", reward),
            ("propensity", propensity),
            ("template_id", template),
        ]
    }

    /// A delayed reward, mostly of an interaction that is known, at and around the edges of its
    /// window.
    fn reward(&mut self, customer: i64, id: &str, timestamp: i64) -> Written {
        let contacts = self.written[Subject::Interaction as usize].len() as u64;
        let (customer, interaction, timestamp) = if contacts > 0 && self.dice.chance(90) {
            let contact = self.written[Subject::Interaction as usize]
                [self.dice.below(contacts) as usize]
                .clone();
            let within = self.dice.below(WINDOW as u64) as i64;
            let after = self.dice.pick(&[
                0,
                0,
                1,
                -1,
                WINDOW - 1,
                WINDOW - 1,
                WINDOW,
                WINDOW,
                WINDOW + 1,
                within,
                within,
            ]);
            (contact.customer, contact.id, (contact.timestamp + after).max(0))
        } else {
            (customer, id.to_owned(), timestamp)
        };
        let own = self.dice.pick(&["", "", "r-1", "r-2", "12", interaction.as_str()]);
        let id = if own.is_empty() { interaction.clone() } else { own.to_owned() };
        let fact = vec![
            (
                "reward_id",
                if own.is_empty() { Meaning::Absent } else { Meaning::Id(own.to_owned()) },
            ),
            ("interaction_id", Meaning::Id(interaction)),
            ("customer_id", Meaning::Integer(customer)),
            ("timestamp", Meaning::Instant(timestamp)),
            ("reward", Meaning::Number(self.dice.pick(spelling::REWARDS))),
        ];
        Written { customer, id, timestamp, fact }
    }

    fn profile(&mut self, customer: i64) -> Fact {
        let from = if self.dice.chance(40) {
            Meaning::Empty
        } else {
            Meaning::Instant(self.instant_near(customer))
        };
        let signup = (17_000 + self.dice.below(3_500) as i64) * DAY;
        let dice = &mut self.dice;
        let mut or_empty =
            |meaning: Meaning| if dice.chance(25) { Meaning::Empty } else { meaning };
        let mut fact = vec![
            ("customer_id", Meaning::Integer(customer)),
            ("timestamp", from),
            ("signup_date", or_empty(Meaning::Date(signup))),
            ("city", or_empty(Meaning::Text("Lübeck, Altstadt".to_owned()))),
            ("age", or_empty(Meaning::Number("44"))),
            ("is_premium_member", or_empty(Meaning::Flag(true))),
            ("preferred_device", or_empty(Meaning::Text("Mobile".to_owned()))),
            ("last_login_days", or_empty(Meaning::Number("3"))),
        ];
        let shares = ["0", "1", "0.5", "0.35", "2.5e-1", "0.0001220703125"];
        fact.push((
            "email_open_rate",
            if dice.chance(25) { Meaning::Empty } else { Meaning::Number(dice.pick(&shares)) },
        ));
        fact.push((
            "avg_discount_used",
            if dice.chance(25) { Meaning::Empty } else { Meaning::Number(dice.pick(&shares)) },
        ));
        fact.push((
            "complaint_count",
            if dice.chance(25) {
                Meaning::Empty
            } else {
                Meaning::Number(dice.pick(&["0", "1", "7", "250"]))
            },
        ));
        fact
    }

    /// A profile version, an erasure, or a bad row of either.
    fn customer(&mut self) {
        let customer = self.who();
        let group = Some((customer, String::new()));
        match self.dice.below(100) {
            0..8 => self.fault(Subject::Customer),
            8..16 => {
                // For ever only some, or nobody with many events would be left.
                let until = if customer % 5 == 1 && self.dice.chance(40) {
                    Meaning::Empty
                } else {
                    Meaning::Instant(self.instant_near(customer))
                };
                let op = Meaning::Text("erase".to_owned());
                self.say(
                    "customers",
                    group,
                    &vec![
                        ("customer_id", Meaning::Integer(customer)),
                        ("op", op),
                        ("timestamp", until),
                    ],
                );
            }
            _ => {
                let fact = self.profile(customer);
                self.say("customers", group, &fact);
            }
        }
    }

    /// Takes back an event, naming no more than it must, or some other fields as well.
    fn retract(&mut self, subject: Subject, customer: i64, id: &str) {
        let mut fact = vec![
            ("customer_id", Meaning::Integer(customer)),
            ("op", Meaning::Text("retract".to_owned())),
        ];
        match subject {
            Subject::Transaction => fact.push(("transaction_id", Meaning::Id(id.to_owned()))),
            Subject::Interaction => fact.push(("interaction_id", Meaning::Id(id.to_owned()))),
            Subject::Reward | Subject::Customer => fact.push((
                self.dice.pick(&["reward_id", "interaction_id"]),
                Meaning::Id(id.to_owned()),
            )),
        }
        if self.dice.chance(20) {
            fact.push(("timestamp", Meaning::Instant(self.instant())));
        }
        self.say(file_of(subject), Some((customer, id.to_owned())), &fact);
    }

    /// A line that is good but for one thing.
    fn fault(&mut self, subject: Subject) {
        let (customer, id, timestamp) = (self.who(), self.an_id(subject), self.instant());
        let fact = self.fact(subject, customer, &id, timestamp).fact;
        let fields = spelling::spell(&fact, &mut self.dice);
        let (fields, only_json) = faults::spoil(file_of(subject), fields, &mut self.dice);
        let json = spelling::object(&fields, &mut self.dice);
        let cells = (!only_json).then(|| spelling::cells(&fields, &mut self.dice));
        self.lines.push(Line { file: file_of(subject), group: None, json, cells });
    }

    /// What is not even a record.
    fn garbage(&mut self) {
        let file = file_of(self.dice.pick(&[
            Subject::Transaction,
            Subject::Interaction,
            Subject::Reward,
            Subject::Customer,
        ]));
        let example = self.dice.below(self.lines.len() as u64) as usize;
        let example = self.lines[example].json.clone();
        let long = !self.too_long && self.dice.chance(10);
        self.too_long |= long;
        let json =
            if long { faults::too_long() } else { faults::garbage(&example, &mut self.dice) };
        self.lines.push(Line { file, group: None, json, cells: None });
    }

    fn say(&mut self, file: &'static str, group: Option<(i64, String)>, fact: &Fact) {
        let mut fields: Vec<(String, Token)> = spelling::spell(fact, &mut self.dice);
        if !fact.iter().any(|(name, _)| *name == "op")
            && file != "customers"
            && self.dice.chance(10)
        {
            fields.push(("op".to_owned(), Token::Text("insert".to_owned())));
        }
        let json = spelling::object(&fields, &mut self.dice);
        let cells = Some(spelling::cells(&fields, &mut self.dice));
        self.lines.push(Line { file, group, json, cells });
    }

    /// A customer; the first ones have the most events.
    fn who(&mut self) -> i64 {
        if self.dice.chance(15) {
            return OCCASIONAL + self.dice.below(40) as i64;
        }
        let most = self.customers.len() as u64;
        let index = self.dice.below(most).min(self.dice.below(most));
        self.customers[index as usize]
    }

    /// An id out of few; whole numbers are ids in every file.
    fn an_id(&mut self, subject: Subject) -> String {
        let number = self.dice.below(20);
        if number.is_multiple_of(2) {
            number.to_string()
        } else {
            format!("{}-{number}", &file_of(subject)[..1])
        }
    }

    /// An instant: often that of another event of the customer, just beside it, or where it turns
    /// from recent or to at risk.
    fn instant_near(&mut self, customer: i64) -> i64 {
        let own: Vec<i64> = self.written[..2]
            .iter()
            .flatten()
            .filter(|event| event.customer == customer)
            .map(|event| event.timestamp)
            .collect();
        if own.is_empty() || self.dice.chance(45) {
            return self.instant();
        }
        let after =
            self.dice.pick(&[0, 0, 0, 0, 1, -1, 30 * DAY, 30 * DAY + 1, 180 * DAY, 180 * DAY - 1]);
        (self.dice.pick(&own) + after).min(FIRST + DAYS as i64 * DAY)
    }

    /// An instant of the three years: often one that was used before, often a midnight, always
    /// whole milliseconds.
    fn instant(&mut self) -> i64 {
        if !self.instants.is_empty() && self.dice.chance(30) {
            let index = self.dice.below(self.instants.len() as u64);
            return self.instants[index as usize];
        }
        let midnight = FIRST + self.dice.below(DAYS) as i64 * DAY;
        let in_day = match self.dice.below(10) {
            0..3 => 0,
            3 => DAY - 1,
            4..7 => self.dice.below(86_400) as i64 * 1_000,
            _ => self.dice.below(DAY as u64) as i64,
        };
        self.instants.push(midnight + in_day);
        midnight + in_day
    }
}

fn file_of(subject: Subject) -> &'static str {
    match subject {
        Subject::Transaction => "transactions",
        Subject::Interaction => "interactions",
        Subject::Reward => "rewards",
        Subject::Customer => "customers",
    }
}
