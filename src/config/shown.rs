//! What of a value may be shown: of each key that which is known to be harmless, and of everything
//! else a mask.
//!
//! A list of what is secret always lacks one, so there is none: a key, a property of librdkafka or
//! a parameter of an address that nobody has called harmless is masked.

mod names;

pub use names::is_harmless_property;

use super::load::default_of;
use super::secret::MASK;
use dataflows::bandit::policy::declared;
use names::{NAMED, PARAMETERS};
use percent_encoding::percent_decode_str;
use toml::Value;

/// The keys whose values may be shown whole, one a line.
const HARMLESS: &str = include_str!("harmless.txt");

/// Keys of which a part may be shown, and those of which nothing may.
#[cfg(test)]
pub const NOT_HARMLESS: [&str; 6] = [
    "kafka.brokers",
    "kafka.properties",
    "postgres.url",
    "postgres.password",
    "postgres.sslpassword",
    "checkpoint.dir",
];

/// A part of a text, and whether it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Shown(String),
    Hidden(String),
}

/// Whether a key's value may be shown whole.
pub fn is_harmless(key: &str) -> bool {
    HARMLESS.lines().any(|harmless| harmless == key) || is_of_a_policy(key)
}

/// Whether it is a number that a policy is told.
fn is_of_a_policy(key: &str) -> bool {
    declared().any(|parameter| parameter.key == key)
}

/// A value as it may be shown.
pub fn masked(key: &str, value: &Value) -> Value {
    match (key, value) {
        _ if is_harmless(key) || default_of(key) == Some(value) => value.clone(),
        (_, Value::String(text)) if text.is_empty() => value.clone(),
        ("kafka.properties", Value::Table(entries)) => {
            let mask = || Value::String(MASK.to_string());
            let entry = |(name, value): (&String, &Value)| {
                (name.clone(), if is_harmless_property(name) { value.clone() } else { mask() })
            };
            Value::Table(entries.iter().map(entry).collect())
        }
        (_, Value::String(text)) => Value::String(joined(&pieces(key, text))),
        _ => Value::String(MASK.to_string()),
    }
}

/// What of a value may not be shown.
pub fn hidden(key: &str, value: &Value) -> Vec<String> {
    match (key, value) {
        _ if is_harmless(key) || default_of(key) == Some(value) => Vec::new(),
        ("kafka.properties", Value::Table(entries)) => entries
            .iter()
            .filter(|(name, _)| !is_harmless_property(name))
            .flat_map(|(_, value)| texts(value))
            .collect(),
        ("postgres.url", Value::String(text)) => hidden_in_address(text),
        (_, Value::String(text)) => hidden_of(&pieces(key, text)),
        (_, other) => texts(other),
    }
}

/// An address of a database as it may be shown.
pub fn masked_address(url: &str) -> String {
    joined(&address(url))
}

/// What of an address of a database may not be shown: also in parts, and with the name of an option
/// as the server writes it, for the server repeats one option of many.
fn hidden_in_address(url: &str) -> Vec<String> {
    let mut hidden = hidden_of(&address(url));
    for whole in hidden.clone() {
        let whole = percent_decode_str(&whole).decode_utf8_lossy().into_owned();
        let parts =
            whole.split(|c: char| c.is_whitespace() || c == '=').filter(|part| *part != whole);
        hidden.extend(
            parts.flat_map(|part| {
                [part.to_string(), part.trim_start_matches('-').replace('-', "_")]
            }),
        );
    }
    hidden
}

fn hidden_of(pieces: &[Piece]) -> Vec<String> {
    let hidden = |piece: &Piece| match piece {
        Piece::Hidden(text) => Some(text.clone()),
        Piece::Shown(_) => None,
    };
    pieces.iter().filter_map(hidden).collect()
}

/// Every text in a value.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Table(entries) => entries.values().flat_map(texts).collect(),
        other => vec![other.to_string()],
    }
}

fn joined(pieces: &[Piece]) -> String {
    let shown = |piece: &Piece| match piece {
        Piece::Shown(text) => text.clone(),
        Piece::Hidden(_) => MASK.to_string(),
    };
    pieces.iter().map(shown).collect()
}

fn pieces(key: &str, text: &str) -> Vec<Piece> {
    match key {
        "postgres.url" => address(text),
        "kafka.brokers" => brokers(text),
        "checkpoint.dir" => store(text),
        _ => vec![Piece::Hidden(text.to_string())],
    }
}

/// `scheme://user:password@host:port/database?name=value`, or `name=value` among words. From where
/// it is not understood, nothing is shown.
fn address(text: &str) -> Vec<Piece> {
    if text.is_empty() {
        return Vec::new();
    }
    let scheme =
        ["postgres://", "postgresql://"].into_iter().find(|scheme| text.starts_with(scheme));
    let Some(scheme) = scheme else { return words(text) };
    let mut pieces = vec![Piece::Shown(scheme.to_string())];
    let rest = &text[scheme.len()..];
    // A password may hold a raw slash, question mark or at sign, so the last `@` of all counts.
    let rest = match rest.rsplit_once('@') {
        None => rest,
        Some((login, after)) => {
            let (user, password) = login
                .split_once(':')
                .map_or((login, None), |(user, password)| (user, Some(password)));
            if !is_plain(user) {
                return hiding(pieces, rest);
            }
            pieces.push(Piece::Shown(user.to_string()));
            if let Some(password) = password {
                pieces.extend([Piece::Shown(":".to_string()), Piece::Hidden(password.to_string())]);
            }
            pieces.push(Piece::Shown("@".to_string()));
            after
        }
    };
    let (place, parameters) =
        rest.split_once('?').map_or((rest, None), |(place, parameters)| (place, Some(parameters)));
    let (hosts, database) =
        place.split_once('/').map_or((place, ""), |(hosts, database)| (hosts, database));
    if !hosts.split(',').all(is_host) || !is_plain(database) {
        return hiding(pieces, rest);
    }
    pieces.push(Piece::Shown(place.to_string()));
    for (i, pair) in parameters.into_iter().flat_map(|parameters| parameters.split('&')).enumerate()
    {
        pieces.push(Piece::Shown(if i == 0 { "?" } else { "&" }.to_string()));
        match pair.split_once('=') {
            Some((name, value))
                if PARAMETERS.contains(&name) || value.is_empty() && NAMED.contains(&name) =>
            {
                pieces.push(Piece::Shown(format!("{name}={value}")))
            }
            Some((name, value)) if NAMED.contains(&name) => {
                pieces.extend([Piece::Shown(format!("{name}=")), Piece::Hidden(value.to_string())])
            }
            _ => pieces.push(Piece::Hidden(pair.to_string())),
        }
    }
    pieces
}

fn words(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let Some((name, value)) = rest.split_once('=') else { return hiding(pieces, rest) };
        let (name, value) = (name.trim(), value.trim_start());
        let (value, after) = value.split_at(value_length(value));
        let is_shown = PARAMETERS.contains(&name);
        if !is_shown && !NAMED.contains(&name) {
            return hiding(pieces, rest);
        }
        pieces.push(Piece::Shown(format!("{}{name}=", if pieces.is_empty() { "" } else { " " })));
        pieces.push(if is_shown {
            Piece::Shown(value.to_string())
        } else {
            Piece::Hidden(value.trim_matches('\'').to_string())
        });
        rest = after.trim_start();
    }
    pieces
}

/// Length of a value that may be quoted with apostrophes, and escaped with backslashes.
fn value_length(text: &str) -> usize {
    let is_quoted = text.starts_with('\'');
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(usize::from(is_quoted)) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' if is_quoted => return i + 1,
            blank if !is_quoted && blank.is_whitespace() => return i,
            _ => {}
        }
    }
    text.len()
}

/// Addresses of brokers, in which no login belongs.
fn brokers(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (i, broker) in text.split(',').enumerate() {
        pieces.extend((i > 0).then(|| Piece::Shown(",".to_string())));
        let host = broker.trim().split_once("://").map_or(broker.trim(), |(_, host)| host);
        pieces.push(if is_host(host) {
            Piece::Shown(broker.to_string())
        } else {
            Piece::Hidden(broker.trim().to_string())
        });
    }
    pieces
}

/// A folder, or the URL of a bucket, in which no login belongs.
fn store(text: &str) -> Vec<Piece> {
    match text.split_once("://") {
        Some((_, rest)) if rest.contains(['@', '?', '#', ' ', ':']) => {
            vec![Piece::Hidden(text.to_string())]
        }
        _ => vec![Piece::Shown(text.to_string())],
    }
}

fn hiding(mut pieces: Vec<Piece>, rest: &str) -> Vec<Piece> {
    if !pieces.is_empty()
        && !matches!(pieces.last(), Some(Piece::Shown(text)) if text.ends_with("://"))
    {
        pieces.push(Piece::Shown(" ".to_string()));
    }
    pieces.push(Piece::Hidden(rest.to_string()));
    pieces
}

fn is_plain(name: &str) -> bool {
    name.chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '%' | '+' | '~' | '$'))
}

/// A name or a number, with a port or without.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (text, ""),
    };
    let name = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_name = name.map_or_else(
        || is_plain(host),
        |number| number.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '.' | '%')),
    );
    is_name && port.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
