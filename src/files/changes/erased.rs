//! What goes from older files when customers are erased.
//!
//! As in the tables: rows of features, and interactions and decisions up to the erasure's instant,
//! go; of a row that stands, what older lines have is of before and goes too (the context of an
//! interaction that is dated later, the sums of a model that had learned from the customer), but
//! for what newer ones do not repeat: the text of an interaction's id. Dead letters are blanked.
//! What stays is the report of the erasure, sums over many customers, and of a customer who is not
//! erased for ever the keys of interactions that were taken back.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use dataflows::event::{CustomerId, Millis, Place, Rejected, named_in};
use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What an epoch has erased. Older files are shown to it newest first, so that it knows which rows
/// stand.
#[derive(Debug, Default)]
pub struct Erased {
    /// By which epoch.
    epoch: u64,
    /// Up to which instant.
    until: BTreeMap<CustomerId, Millis>,
    /// Whether a model may have learned from one of them.
    learned: bool,
    /// Rows of which a line was seen that is newer than the lines to come.
    customers: BTreeSet<CustomerId>,
    interactions: BTreeSet<(CustomerId, i64)>,
    /// Interactions that the epoch has deleted.
    gone: BTreeSet<(CustomerId, i64)>,
    arms: BTreeSet<i64>,
}

/// The column that an update of an interaction does not name.
const ID: &str = "interaction_id";

/// What becomes of a line.
enum Fate {
    Stays,
    Goes,
    Becomes(String),
}

impl Erased {
    /// By an epoch, of these customers, each up to an instant; `Millis::MAX`: for ever.
    pub fn new(epoch: u64, customers: &[(CustomerId, Millis)]) -> Erased {
        let mut erased = Erased { epoch, learned: true, ..Erased::default() };
        for &(customer, instant) in customers {
            let until = erased.until.entry(customer).or_insert(Millis::MIN);
            *until = instant.max(*until);
        }
        erased
    }

    /// Takes in the file of the epoch itself: what it has lines of, stands.
    ///
    /// # Errors
    /// What in it is not as it was written.
    pub fn stand(&mut self, content: &[u8]) -> Result<(), String> {
        self.learned = false;
        for line in text(content)?.lines() {
            match table(line) {
                "erasures" => self.learned |= integer(&parse(line)?, "learned")? > 0,
                "customer_features" if self.until_of(line).is_some() => {
                    self.customers.insert(integer(&parse(line)?, "customer_id")?);
                }
                "interactions" if self.until_of(line).is_some() => {
                    let row = parse(line)?;
                    let rows = if row["change"] == "delete" {
                        &mut self.gone
                    } else {
                        &mut self.interactions
                    };
                    rows.insert(interaction(&row)?);
                }
                "model_versions" => drop(self.arms.insert(integer(&parse(line)?, "arm")?)),
                _ => {}
            }
        }
        Ok(())
    }

    /// What is left of the next older file; `None` where nothing goes.
    ///
    /// # Errors
    /// What in it is not as it was written.
    pub fn rest_of(&mut self, content: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let mut rest = Vec::with_capacity(content.len());
        let mut changed = false;
        for line in text(content)?.lines() {
            let kept = match self.fate(line)? {
                Fate::Stays => Some(line.to_string()),
                Fate::Goes => None,
                Fate::Becomes(other) => Some(other),
            };
            changed |= kept.as_deref() != Some(line);
            if let Some(line) = kept {
                rest.extend_from_slice(line.as_bytes());
                rest.push(b'\n');
            }
        }
        Ok(changed.then_some(rest))
    }

    /// Where the dead letters stood that go from a file.
    ///
    /// # Errors
    /// What in it is not as it was written.
    pub fn letters(&self, content: &[u8]) -> Result<Vec<(String, Place)>, String> {
        let mut letters = Vec::new();
        for line in text(content)?.lines().filter(|line| table(line) == "dead_letters") {
            let row = parse(line)?;
            if self.has_letter(line, &row)? {
                let topic = row["topic"].as_str().ok_or("topic of a row is no text")?.to_string();
                letters.push((
                    topic,
                    Place::new(
                        integer(&row, "partition")? as u32,
                        integer(&row, "position")? as u64,
                    ),
                ));
            }
        }
        Ok(letters)
    }

    fn fate(&mut self, line: &str) -> Result<Fate, String> {
        match (table(line), self.until_of(line)) {
            ("customer_features", Some(until)) => {
                let newest = self.customers.insert(integer(&parse(line)?, "customer_id")?);
                Ok(if newest && until < Millis::MAX { Fate::Stays } else { Fate::Goes })
            }
            ("decisions", Some(until)) => {
                Ok(if instant(&parse(line)?, "ts")? <= until { Fate::Goes } else { Fate::Stays })
            }
            ("interactions", Some(until)) => self.interaction(line, until),
            ("dead_letters", _) if self.has_letter(line, &parse(line)?)? => self.blanked(line),
            ("model_versions", _) if self.learned => {
                let newest = self.arms.insert(integer(&parse(line)?, "arm")?);
                if newest { Ok(Fate::Stays) } else { without(line, &["a", "b"]) }
            }
            _ => Ok(Fate::Stays),
        }
    }

    /// Whether a dead letter goes with an erased customer. Of a line of before lines said whose
    /// they are its bytes tell, and nothing when it is dated: it goes with every erasure.
    fn has_letter(&self, line: &str, row: &Value) -> Result<bool, String> {
        if let Some(until) = self.until_of(line) {
            return Ok(instant(row, "dated")? <= until);
        }
        let of_before = row.get("customer_id").is_none();
        let raw = of_before
            .then(|| row["raw"].as_str().and_then(|raw| BASE64_STANDARD.decode(raw).ok()))
            .flatten();
        Ok(raw
            .and_then(|raw| named_in(&raw, "customer_id"))
            .is_some_and(|customer| self.until.contains_key(&customer)))
    }

    /// As in the table.
    fn blanked(&self, line: &str) -> Result<Fate, String> {
        let (detail, epoch) = (Value::from(Rejected::BLANKED).to_string(), self.epoch.to_string());
        let blank = |name: &str| match name {
            "detail" => Some(detail.as_str()),
            "raw" => Some("\"\""),
            "customer_id" | "dated" => Some("null"),
            "blanked" => Some(epoch.as_str()),
            _ => None,
        };
        rewritten(line, |name, value| {
            Some(blank(name).map_or_else(|| value.to_string(), str::to_string))
        })
    }

    fn interaction(&mut self, line: &str, until: Millis) -> Result<Fate, String> {
        let row = parse(line)?;
        if until == Millis::MAX {
            return Ok(Fate::Goes);
        }
        // One that was taken back: its line says only which.
        if row["change"] == "delete" {
            return Ok(Fate::Stays);
        }
        let key = interaction(&row)?;
        let is_later = row.get("ts").is_some() && instant(&row, "ts")? > until;
        match (is_later, self.interactions.contains(&key)) {
            _ if self.gone.contains(&key) => Ok(Fate::Goes),
            (true, true) => without(line, &["context"]),
            (true, false) => {
                self.interactions.insert(key);
                Ok(Fate::Stays)
            }
            (false, true) if row.get(ID).is_some() => {
                only(line, &["table", "change", "customer_id", "interaction_key", ID])
            }
            (false, _) => Ok(Fate::Goes),
        }
    }

    /// Up to which instant the customer of a line is erased.
    fn until_of(&self, line: &str) -> Option<Millis> {
        // No text can have this in it, for quotes are escaped there.
        let (_, rest) = line.split_once("\"customer_id\":")?;
        let end = rest.find([',', '}'])?;
        self.until.get(&rest[..end].parse().ok()?).copied()
    }
}

fn text(content: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(content).map_err(|error| format!("it is no text: {error}"))
}

/// The table of a line; empty for what is no line of a file of changes.
fn table(line: &str) -> &str {
    line.strip_prefix("{\"table\":\"").and_then(|rest| rest.split('"').next()).unwrap_or_default()
}

fn parse(line: &str) -> Result<Value, String> {
    serde_json::from_str(line).map_err(|error| format!("a line cannot be read: {error}"))
}

fn integer(row: &Value, column: &str) -> Result<i64, String> {
    row[column].as_i64().ok_or_else(|| format!("{column} of a row is no whole number"))
}

fn interaction(row: &Value) -> Result<(CustomerId, i64), String> {
    Ok((integer(row, "customer_id")?, integer(row, "interaction_key")?))
}

fn instant(row: &Value, column: &str) -> Result<Millis, String> {
    match row[column].as_str() {
        Some("infinity") => Ok(Millis::MAX),
        Some("-infinity") => Ok(Millis::MIN),
        other => {
            let instant = other.and_then(|text| text.parse::<Timestamp>().ok());
            instant
                .map(Timestamp::as_millisecond)
                .ok_or_else(|| format!("{column} of a row is no instant"))
        }
    }
}

/// The line with null in some columns.
fn without(line: &str, columns: &[&str]) -> Result<Fate, String> {
    rewritten(line, |name, value| {
        Some(if columns.contains(&name) { "null".to_string() } else { value.to_string() })
    })
}

/// The line with some columns and no others.
fn only(line: &str, columns: &[&str]) -> Result<Fate, String> {
    rewritten(line, |name, value| columns.contains(&name).then(|| value.to_string()))
}

/// The line with the values that `column` gives for its columns' names and values.
fn rewritten(line: &str, column: impl Fn(&str, &str) -> Option<String>) -> Result<Fate, String> {
    let Fields(fields) =
        serde_json::from_str(line).map_err(|error| format!("a line cannot be read: {error}"))?;
    let fields = fields.iter().filter_map(|(name, value)| {
        Some(format!("{}:{}", Value::from(name.as_str()), column(name, value.get())?))
    });
    Ok(Fate::Becomes(format!("{{{}}}", fields.collect::<Vec<_>>().join(","))))
}

/// The fields of an object in their order, each value as it is written.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of older files, newest first, after an epoch with these lines.
    fn rest(
        customers: &[(CustomerId, Millis)],
        own: &[&str],
        older: &[&[&str]],
    ) -> Vec<Option<Vec<String>>> {
        let mut erased = Erased::new(9, customers);
        erased.stand(own.join("\n").as_bytes()).expect("lines");
        let rest = |lines: &&[&str]| {
            let rest = erased.rest_of((lines.join("\n") + "\n").as_bytes()).expect("lines")?;
            Some(String::from_utf8(rest).expect("UTF-8").lines().map(str::to_string).collect())
        };
        older.iter().map(rest).collect()
    }

    fn erasure(learned: u64) -> String {
        format!(
            r#"{{"table":"erasures","change":"insert","epoch":9,"customer_id":5,"instant":"infinity","learned":{learned}}}"#
        )
    }

    fn interaction(customer: i64, key: i64, ts: &str) -> String {
        format!(
            r#"{{"table":"interactions","change":"insert","customer_id":{customer},"interaction_key":{key},"ts":"{ts}","context":[1,2]}}"#
        )
    }

    fn features(customer: i64, change: &str) -> String {
        format!(
            r#"{{"table":"customer_features","change":"{change}","customer_id":{customer},"monetary":1.5}}"#
        )
    }

    fn model(version: u64, arm: u64) -> String {
        format!(
            r#"{{"table":"model_versions","change":"insert","version":{version},"arm":{arm},"n":1,"a":"AA==","b":"AQ==","theta":[0.1]}}"#
        )
    }

    const FOR_EVER: [(CustomerId, Millis); 1] = [(5, Millis::MAX)];
    /// The second instant, in milliseconds.
    const UNTIL: Millis = 1_709_337_600_000;
    const FIRST: &str = "2024-03-01T00:00:00Z";
    const SECOND: &str = "2024-03-02T00:00:00Z";
    const THIRD: &str = "2024-03-03T00:00:00Z";

    #[test]
    fn of_a_customer_who_is_erased_for_ever_nothing_stays() {
        let decision = r#"{"table":"decisions","change":"insert","decision_id":"\"customer_id\":6,","customer_id":5,"ts":"2024-03-01T00:00:00Z"}"#;
        let gone =
            r#"{"table":"interactions","change":"delete","customer_id":5,"interaction_key":7}"#;
        let report = erasure(0);
        let (other, third) = (features(55, "insert"), interaction(6, 1, FIRST));
        let (features, first) = (features(5, "insert"), interaction(5, 1, FIRST));
        let older: &[&str] = &[decision, &other, gone, &features, &first, &third, &report];
        let left = rest(&FOR_EVER, &[&report], &[older, &[&other]]);
        assert_eq!(left, [Some(vec![other.clone(), third, report]), None]);
    }

    #[test]
    fn of_what_is_dated_later_the_newest_line_stays_and_older_ones_lose_what_is_of_before() {
        let own = [interaction(5, 3, THIRD), features(5, "update")];
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        let older = [
            interaction(5, 1, SECOND),
            interaction(5, 2, THIRD),
            interaction(5, 3, THIRD),
            features(5, "insert"),
        ];
        let older: Vec<&str> = older.iter().map(String::as_str).collect();
        let oldest = interaction(5, 2, THIRD);
        let emptied = |key| interaction(5, key, THIRD).replace("[1,2]", "null");
        let left = rest(&[(5, UNTIL), (5, 0)], &own, &[&older, &[&oldest]]);
        assert_eq!(
            left,
            [Some(vec![interaction(5, 2, THIRD), emptied(3)]), Some(vec![emptied(2)])]
        );
        let untouched =
            rest(&[(5, 0)], &[], &[&[&features(5, "insert")], &[&features(5, "insert")]]);
        assert_eq!(untouched, [None, Some(Vec::new())], "what nothing was taken from stands");
    }

    #[test]
    fn of_an_interaction_that_was_moved_the_id_stays_as_long_as_it_stands() {
        let named = |ts| interaction(5, 1, ts).replace(r#""ts""#, r#""interaction_id":"a","ts""#);
        let moved = interaction(5, 1, THIRD).replace("insert", "update");
        let id = r#"{"table":"interactions","change":"insert","customer_id":5,"interaction_key":1,"interaction_id":"a"}"#;
        assert_eq!(
            rest(&[(5, UNTIL)], &[], &[&[&moved], &[&named(FIRST)]]),
            [None, Some(vec![id.to_string()])]
        );
        assert_eq!(rest(&[(5, UNTIL)], &[], &[&[&moved], &[id]]), [None, None], "erased once more");
        let gone =
            r#"{"table":"interactions","change":"delete","customer_id":5,"interaction_key":1}"#;
        let later = instant(&Value::from_iter([("ts", THIRD)]), "ts").expect("an instant");
        assert_eq!(rest(&[(5, later)], &[gone], &[&[&moved], &[id]]), [Some(vec![]), Some(vec![])]);
        let back = interaction(5, 1, FIRST).replace("insert", "update");
        assert_eq!(
            rest(&[(5, UNTIL)], &[gone], &[&[&back], &[&named(THIRD)]]),
            [Some(vec![]), Some(vec![])],
            "moved back, and so erased"
        );
    }

    #[test]
    fn dead_letters_that_are_dated_up_to_the_instant_are_blanked() {
        let letter = |raw: &str, detail: &str, customer: &str, dated: &str, blanked: &str| {
            format!(
                r#"{{"table":"dead_letters","change":"insert","topic":"rewards","partition":2,"position":5,"reason":"bad_reward","detail":"{detail}","raw":"{raw}","epoch":3,"customer_id":{customer},"dated":{dated},"blanked":{blanked}}}"#
            )
        };
        let dated = |instant: &str| letter("eA==", "x", "5", &format!("\"{instant}\""), "null");
        let (blank, kept) = (letter("", Rejected::BLANKED, "null", "null", "9"), dated(THIRD));
        let other = letter("eA==", "\\\"customer_id\\\":5,", "6", "\"-infinity\"", "null");
        let nobody = letter("eA==", "x", "null", "null", "null");
        let older: &[&str] = &[&dated("-infinity"), &dated(SECOND), &kept, &other, &nobody];
        let found =
            Erased::new(9, &[(5, UNTIL)]).letters(older.join("\n").as_bytes()).expect("lines");
        assert_eq!(found, vec![("rewards".to_string(), Place::new(2, 5)); 2]);
        assert_eq!(
            rest(&[(5, UNTIL)], &[], &[older]),
            [Some(vec![blank.clone(), blank, kept, other, nobody])]
        );
    }

    #[test]
    fn dead_letters_of_before_lines_said_whose_they_are_are_known_by_their_bytes() {
        let letter = |raw: &str, detail: &str| {
            format!(
                r#"{{"table":"dead_letters","change":"insert","topic":"rewards","partition":2,"position":5,"reason":"bad_reward","detail":"{detail}","raw":"{}","epoch":3}}"#,
                BASE64_STANDARD.encode(raw)
            )
        };
        let [own, other, nobody] =
            [r#"{"customer_id": "5", "x": 1}"#, r#"{"customer_id": 6, "x": 1}"#, "x"]
                .map(|raw| letter(raw, "x is no reward"));
        let older: &[&str] = &[&own, &other, &nobody];
        let found =
            Erased::new(9, &[(5, UNTIL)]).letters(older.join("\n").as_bytes()).expect("lines");
        assert_eq!(found, [("rewards".to_string(), Place::new(2, 5))]);
        let blank = letter("", Rejected::BLANKED);
        assert_eq!(
            rest(&[(5, UNTIL)], &[], &[older]),
            [Some(vec![blank.clone(), other.clone(), nobody.clone()])]
        );
        assert_eq!(
            rest(&[(5, UNTIL)], &[], &[&[&blank, &other, &nobody]]),
            [None],
            "erased once more"
        );
    }

    #[test]
    fn sums_that_had_learned_from_the_customer_go_from_all_but_the_newest_model_of_each_arm() {
        let older = [model(3, 0), model(3, 1)];
        let older: Vec<&str> = older.iter().map(String::as_str).collect();
        let oldest = model(2, 1);
        let emptied =
            |version, arm| model(version, arm).replace(r#""AA==","b":"AQ==""#, r#"null,"b":null"#);
        let left = rest(&FOR_EVER, &[&erasure(2), &model(4, 0)], &[&older, &[&oldest]]);
        assert_eq!(left, [Some(vec![emptied(3, 0), model(3, 1)]), Some(vec![emptied(2, 1)])]);
        assert_eq!(rest(&FOR_EVER, &[&erasure(0), &model(4, 0)], &[&older]), [None]);
    }

    #[test]
    fn a_line_that_was_changed_is_named() {
        let mut erased = Erased::new(9, &[(5, UNTIL)]);
        assert!(
            erased
                .stand(br#"{"table":"erasures","learned":"5"}"#)
                .is_err_and(|why| why.contains("learned"))
        );
        assert!(
            erased
                .rest_of(br#"{"table":"decisions","customer_id":5,"ts":"soon"}"#)
                .is_err_and(|why| why.contains("ts"))
        );
        assert!(erased.rest_of(b"\xff").is_err());
    }
}
