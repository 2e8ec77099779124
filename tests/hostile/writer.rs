//! Whoever writes a hostile history, line by line.

use super::*;

/// What one line is to be.
#[derive(Clone, Copy)]
pub(super) enum Subject {
    Transaction,
    Interaction,
    Reward,
    Customer,
}

/// An event that was written: what it said, so that it can be said again.
#[derive(Clone)]
pub(super) struct Written {
    pub(super) customer: i64,
    pub(super) id: String,
    pub(super) timestamp: i64,
    pub(super) fact: Fact,
}

pub(super) struct Writer {
    pub(super) dice: Dice,
    pub(super) lines: Vec<Line>,
    pub(super) customers: Vec<i64>,
    /// Events written so far by subject, in the order of [`Subject`].
    pub(super) written: [Vec<Written>; 3],
    /// Instants used so far: to be used again.
    pub(super) instants: Vec<i64>,
    /// What every purchase of an occasional customer costs.
    pub(super) occasional: i64,
    pub(super) too_long: bool,
}

/// From this number on a customer buys rarely and always for the same amount, so that totals tie at
/// the threshold of high value.
pub(super) const OCCASIONAL: i64 = 1_000;

impl Writer {
    pub(super) fn new(seed: u64, size: usize) -> Self {
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

    pub(super) fn anchor(&mut self) {
        let (customer, timestamp) = (5, FIRST + DAY / 2);
        let fact = self.purchase(customer, "anchor", timestamp);
        self.say("transactions", Some((customer, "anchor".to_owned())), &fact);
        let fact = self.contact(customer, "anchor", timestamp);
        self.say("interactions", Some((customer, "anchor".to_owned())), &fact);
    }

    pub(super) fn next(&mut self) {
        match self.dice.below(100) {
            0..40 => self.event(Subject::Transaction),
            40..68 => self.event(Subject::Interaction),
            68..83 => self.event(Subject::Reward),
            83..94 => self.customer(),
            _ => self.garbage(),
        }
    }

    pub(super) fn event(&mut self, subject: Subject) {
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

    pub(super) fn insert(&mut self, subject: Subject, customer: i64, id: &str, timestamp: i64) {
        let written = self.fact(subject, customer, id, timestamp);
        self.say(file_of(subject), Some((written.customer, written.id.clone())), &written.fact);
        self.written[subject as usize].push(written);
    }

    /// A profile version, an erasure, or a bad row of either.
    pub(super) fn customer(&mut self) {
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
    pub(super) fn retract(&mut self, subject: Subject, customer: i64, id: &str) {
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
    pub(super) fn fault(&mut self, subject: Subject) {
        let (customer, id, timestamp) = (self.who(), self.an_id(subject), self.instant());
        let fact = self.fact(subject, customer, &id, timestamp).fact;
        let fields = spelling::spell(&fact, &mut self.dice);
        let (fields, only_json) = faults::spoil(file_of(subject), fields, &mut self.dice);
        let json = spelling::object(&fields, &mut self.dice);
        let cells = (!only_json).then(|| spelling::cells(&fields, &mut self.dice));
        self.lines.push(Line { file: file_of(subject), group: None, json, cells });
    }

    /// What is not even a record.
    pub(super) fn garbage(&mut self) {
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

    pub(super) fn say(&mut self, file: &'static str, group: Option<(i64, String)>, fact: &Fact) {
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
    pub(super) fn who(&mut self) -> i64 {
        if self.dice.chance(15) {
            return OCCASIONAL + self.dice.below(40) as i64;
        }
        let most = self.customers.len() as u64;
        let index = self.dice.below(most).min(self.dice.below(most));
        self.customers[index as usize]
    }

    /// An id out of few; whole numbers are ids in every file.
    pub(super) fn an_id(&mut self, subject: Subject) -> String {
        let number = self.dice.below(20);
        if number.is_multiple_of(2) {
            number.to_string()
        } else {
            format!("{}-{number}", &file_of(subject)[..1])
        }
    }

    /// An instant: often that of another event of the customer, just beside it, or where it turns
    /// from recent or to at risk.
    pub(super) fn instant_near(&mut self, customer: i64) -> i64 {
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
    pub(super) fn instant(&mut self) -> i64 {
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

pub(super) fn file_of(subject: Subject) -> &'static str {
    match subject {
        Subject::Transaction => "transactions",
        Subject::Interaction => "interactions",
        Subject::Reward => "rewards",
        Subject::Customer => "customers",
    }
}
