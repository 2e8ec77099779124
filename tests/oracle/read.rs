//! From the bytes of a file to records, or to a dead letter with its reason.

mod values;

use super::written::{integer, minor_units, written_instant};
use super::{Config, DAY, DeadLetter};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use values::{
    amount, arm, code, customer, digits, flag, id, instant, number, optional_timestamp,
    own_features, required, reward_in_q16, text, timestamp,
};

/// All that was read, each kind in the order of its file.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) transactions: Vec<Keyed<Purchase>>,
    pub(crate) interactions: Vec<Keyed<Contact>>,
    pub(crate) rewards: Vec<Keyed<Reward>>,
    /// Customer and version.
    pub(crate) profiles: Vec<(i64, Profile)>,
    /// Customer and the instant up to which everything goes.
    pub(crate) erasures: Vec<(i64, i64)>,
    pub(crate) dead_letters: Vec<DeadLetter>,
}

/// A record of an event that has an id.
#[derive(Clone, Debug)]
pub(crate) struct Keyed<C> {
    pub(crate) position: u64,
    pub(crate) customer: i64,
    pub(crate) id: String,
    /// What the event says as it is kept; none: the record takes the event back.
    pub(crate) content: Option<C>,
}

/// A purchase as it is kept. A code is the index in the configured list, or the list's length for
/// `other`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Purchase {
    pub(crate) timestamp: i64,
    /// Minor units.
    pub(crate) amount: i64,
    pub(crate) category: usize,
    pub(crate) device: usize,
    pub(crate) payment: usize,
    pub(crate) discount: bool,
}

/// An interaction as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Contact {
    pub(crate) timestamp: i64,
    pub(crate) arm: usize,
    /// Multiples of 2^-16.
    pub(crate) reward: Option<i128>,
    pub(crate) propensity: f64,
    /// Multiples of 2^-12.
    pub(crate) features: Option<Vec<i128>>,
    pub(crate) template: Option<String>,
    pub(crate) decision: Option<String>,
}

/// A delayed reward as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reward {
    pub(crate) interaction: String,
    pub(crate) timestamp: i64,
    /// Multiples of 2^-16.
    pub(crate) reward: i128,
}

/// A version of a profile.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Profile {
    /// Valid from then on; none: since ever.
    pub(crate) from: Option<i64>,
    /// Midnight of the day of signup.
    pub(crate) signup: Option<i64>,
    pub(crate) email_open_rate: f64,
    pub(crate) complaint_count: f64,
    pub(crate) avg_discount_used: f64,
    pub(crate) premium: bool,
}

/// A field's value: as JSON types it, or a cell of a CSV row, which has no type.
#[derive(Clone, Debug)]
enum Value {
    Text(String),
    Number(String),
    Bool(bool),
    /// An array or object, as written.
    Nested(String),
    Cell(String),
}

type Fields = BTreeMap<String, Value>;
type Reason = &'static str;

/// Reads one file; what it is about and how it is written follow from its name.
pub(crate) fn read(name: &str, bytes: &[u8], config: &Config, records: &mut Records) {
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    let mut header: Option<Vec<String>> = None;
    for (position, line) in lines(bytes) {
        let fields = if extension == "csv" {
            match &header {
                None => {
                    header = cells(line);
                    continue;
                }
                Some(header) => csv_fields(line, header, config),
            }
        } else {
            json_fields(line, config)
        };
        if let Err(reason) =
            fields.and_then(|fields| record(stem, position, &fields, config, records))
        {
            records.dead_letters.push(DeadLetter { file: stem.to_owned(), position, reason });
        }
    }
}

/// "JSON lines or CSV": a record is a line, its position the byte offset at which the line starts;
/// a line may end in CR LF, the last one need not end at all, and an empty one says nothing.
fn lines(bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut lines = Vec::new();
    let mut start = 0;
    for line in bytes.split(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        if !text.is_empty() {
            lines.push((start as u64, text));
        }
        start += line.len() + 1;
    }
    lines
}

/// "One JSON object a message"; "null is absent".
fn json_fields(line: &[u8], config: &Config) -> Result<Fields, Reason> {
    if line.len() > config.max_record {
        return Err("too_long");
    }
    let text = std::str::from_utf8(line).map_err(|_| "malformed")?;
    // Raw values keep the digits of a number as they were written.
    let object: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(text).map_err(|_| "malformed")?;
    let mut fields = Fields::new();
    for (name, raw) in object {
        let value = match raw.get().as_bytes()[0] {
            b'n' => continue,
            // What is escaped so that it is no text at all (half a surrogate pair) is only wrong
            // where the text is needed.
            b'"' => serde_json::from_str(raw.get())
                .map_or(Value::Nested(raw.get().to_owned()), Value::Text),
            b't' | b'f' => Value::Bool(raw.get() == "true"),
            b'[' | b'{' => Value::Nested(raw.get().to_owned()),
            _ => Value::Number(raw.get().to_owned()),
        };
        fields.insert(name, value);
    }
    Ok(fields)
}

/// "CSV with the same names": as many cells as the header has names, and an empty cell is an absent
/// field.
fn csv_fields(line: &[u8], header: &[String], config: &Config) -> Result<Fields, Reason> {
    if line.len() > config.max_record {
        return Err("too_long");
    }
    let cells = cells(line).filter(|cells| cells.len() == header.len()).ok_or("malformed")?;
    // "Space around a value does not count."
    let named = header
        .iter()
        .cloned()
        .zip(cells.into_iter().map(|cell| Value::Cell(cell.trim().to_owned())));
    Ok(named.filter(|(_, value)| !matches!(value, Value::Cell(text) if text.is_empty())).collect())
}

fn cells(line: &[u8]) -> Option<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(line);
    let row = reader.records().next()?.ok()?;
    Some(row.iter().map(str::to_owned).collect())
}

fn record(
    stem: &str,
    position: u64,
    fields: &Fields,
    config: &Config,
    records: &mut Records,
) -> Result<(), Reason> {
    let retract = match (fields.get("op").map(text), stem) {
        // "op: absent or insert, or retract"; for customers, in files, also "erase".
        (None, _) => false,
        (Some(Some("insert")), _) => false,
        (Some(Some("retract")), "transactions" | "interactions" | "rewards") => true,
        (Some(Some("erase")), "customers") => return erasure(fields, config, records),
        // "Any other op: bad."
        (Some(_), _) => return Err("bad_op"),
    };
    let customer = customer(fields)?;
    match stem {
        "transactions" => {
            let id = required(id(fields, "transaction_id")?)?;
            let content = if retract { None } else { Some(purchase(fields, config)?) };
            records.transactions.push(Keyed { position, customer, id, content });
        }
        "interactions" => {
            let id = required(id(fields, "interaction_id")?)?;
            let content = if retract { None } else { Some(contact(fields, config)?) };
            records.interactions.push(Keyed { position, customer, id, content });
        }
        "rewards" => {
            // "reward_id; absent: the interaction_id." A retraction needs only the id, whichever
            // way it is given.
            let interaction = id(fields, "interaction_id")?;
            let own = id(fields, "reward_id")?;
            let id = required(own.or_else(|| interaction.clone()))?;
            let content =
                if retract { None } else { Some(reward(fields, required(interaction)?, config)?) };
            records.rewards.push(Keyed { position, customer, id, content });
        }
        "customers" => records.profiles.push((customer, profile(fields, config)?)),
        other => panic!("{other} is none of the files that the oracle knows"),
    }
    Ok(())
}

/// "An erasure has an instant: with `op` its timestamp; absent: for ever."
fn erasure(fields: &Fields, config: &Config, records: &mut Records) -> Result<(), Reason> {
    let customer = customer(fields)?;
    records.erasures.push((customer, optional_timestamp(fields, config)?.unwrap_or(i64::MAX)));
    Ok(())
}

fn purchase(fields: &Fields, config: &Config) -> Result<Purchase, Reason> {
    Ok(Purchase {
        timestamp: required(timestamp(fields, config)?)?,
        amount: amount(fields.get("amount").ok_or("missing_field")?, config)?,
        category: code(fields, "category", &config.categories),
        device: code(fields, "device", &config.devices),
        payment: code(fields, "payment_method", &config.payments),
        discount: flag(fields, "discount_used")?,
    })
}

fn contact(fields: &Fields, config: &Config) -> Result<Contact, Reason> {
    let timestamp = required(timestamp(fields, config)?)?;
    let arm = arm(fields, config)?;
    let reward = fields.get("reward").map(reward_in_q16).transpose()?;
    // "propensity in (0, 1]"; kept as 1 where it is absent.
    let propensity = match fields.get("propensity") {
        None => 1.0,
        Some(value) => {
            let propensity =
                digits(value).and_then(|digits| digits.parse::<f64>().ok()).ok_or("bad_field")?;
            if propensity > 0.0 && propensity <= 1.0 {
                propensity
            } else {
                return Err("bad_propensity");
            }
        }
    };
    let features = fields.get("features").map(|value| own_features(value, config)).transpose()?;
    Ok(Contact {
        timestamp,
        arm,
        reward,
        propensity,
        features,
        template: id(fields, "template_id")?,
        decision: id(fields, "decision_id")?,
    })
}

fn reward(fields: &Fields, interaction: String, config: &Config) -> Result<Reward, Reason> {
    let timestamp = required(timestamp(fields, config)?)?;
    let reward = reward_in_q16(fields.get("reward").ok_or("missing_field")?)?;
    Ok(Reward { interaction, timestamp, reward })
}

/// "All else optional; absent, null or empty: 0 or none." "email_open_rate and avg_discount_used in
/// [0, 1], complaint_count >= 0, else bad."
fn profile(fields: &Fields, config: &Config) -> Result<Profile, Reason> {
    let filled: Fields = fields
        .iter()
        .filter(|(_, value)| text(value) != Some(""))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let within = |name: &str, most: f64| match filled.get(name) {
        None => Ok(0.0),
        Some(value) => number(value).filter(|v| (0.0..=most).contains(v)).ok_or("bad_field"),
    };
    let signup = match filled.get("signup_date") {
        None => None,
        // "Days from signup_date": a date, so its midnight.
        Some(value) => Some(instant(value).ok_or("bad_field")?.div_euclid(DAY) * DAY),
    };
    Ok(Profile {
        from: optional_timestamp(&filled, config)?,
        signup,
        email_open_rate: within("email_open_rate", 1.0)?,
        complaint_count: within("complaint_count", f64::MAX)?,
        avg_discount_used: within("avg_discount_used", 1.0)?,
        premium: flag(&filled, "is_premium_member")?,
    })
}
